//! Accounts and their first key.

use crate::access_key;
use crate::error::Result;
use crate::names;
use crate::records::{ACCOUNT_ROOT, Account, KeyRecord, Tags, User};
use crate::user;
use crate::world::World;

/// The user that every account has from the start.
pub(crate) const ADMIN: &str = "admin";
/// The policy that it has.
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// The key of an account's record.
fn record_key(world: &World<'_, '_>) -> String {
    format!("{ACCOUNT_ROOT}{}", world.account)
}

/// Makes the account unless it is there, with its administrator; answers an active key of the administrator, the
/// oldest one that is there, so that doing it again gives the same.
pub(crate) fn ensure(world: &mut World<'_, '_>, first: bool) -> Result<(User, KeyRecord)> {
    let key = record_key(world);
    if world.get::<Account>(&key)?.is_none() {
        let account = Account { id: world.account.clone(), created: world.now, first };
        world.put(key, &account)?;
    }
    let admin = match world.get::<User>(&world.key(user::KIND, ADMIN))? {
        Some(user) => user,
        None => {
            let mut made = user::make(world, ADMIN, names::path(&None)?, Tags::new())?;
            made.attached.push(ADMINISTRATOR.to_owned());
            user::put(world, &made)?;
            made
        }
    };
    let mut keys: Vec<_> = access_key::of_user(world, &admin)?.into_iter().filter(|it| it.active).collect();
    keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let key = match keys.into_iter().next() {
        Some(key) => key,
        None => access_key::make(world, &admin)?,
    };
    Ok((admin, key))
}
