//! Access keys: of users, and the look-up that every signed request starts with.

use crate::error::{Result, absent, limit, required};
use crate::names;
use crate::page::page;
use crate::records::{KEY_ROOT, KeyOwner, KeyRecord, User};
use crate::user;
use crate::world::World;
use aws_model::iam as wire;
use aws_model::{Caller, Principal};
use base::AccountId;
use jiff::Timestamp;

/// Keys of one user; AWS's quota.
const MAX_KEYS: usize = 2;
/// The kind of the index in keys: `user-key/<user id>/<key id>`.
const INDEX: &str = "user-key";

/// An access key as the rest of the service sees it: whose it is, and what it signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id: `AKIA...`, or `ASIA...` for a session's.
    pub access_key_id: String,
    /// The secret that signs.
    pub secret_access_key: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// Who signs with it.
    pub caller: Caller,
    /// Whether it is switched on.
    pub active: bool,
    /// The token that must come with a session's key.
    pub session_token: Option<String>,
    /// When a session's key ends.
    pub expires: Option<Timestamp>,
}

/// Never shows the secret or the token: keys end up in logs this way.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key_id", &self.access_key_id)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// The key of a record.
pub(crate) fn record_key(id: &str) -> String {
    format!("{KEY_ROOT}{id}")
}

/// The caller that a key's owner is. `user_arn` is the user's, which may have a path.
pub(crate) fn caller(record: &KeyRecord, user_arn: Option<String>) -> Caller {
    let account = record.account.clone();
    let (principal, arn, user_id) = match &record.owner {
        KeyOwner::Root => (Principal::Root, format!("arn:aws:iam::{account}:root"), account.to_string()),
        KeyOwner::User { name, id } => {
            let arn = user_arn.unwrap_or_else(|| names::arn(&account, "user", "/", name));
            (Principal::User(name.clone()), arn, id.clone())
        }
        KeyOwner::Session { role, role_id, session } => (
            Principal::AssumedRole { role: role.clone(), session: session.clone() },
            format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            format!("{role_id}:{session}"),
        ),
    };
    Caller { account, principal, arn, user_id, access_key_id: record.id.clone() }
}

/// What the rest of the service sees of a record.
pub(crate) fn view(record: KeyRecord, user_arn: Option<String>) -> AccessKey {
    AccessKey {
        caller: caller(&record, user_arn),
        access_key_id: record.id,
        secret_access_key: record.secret,
        account: record.account,
        active: record.active,
        session_token: record.session_token,
        expires: record.expires,
    }
}

/// Keys of a user, for decisions.
pub(crate) fn of_user(world: &World<'_, '_>, user: &User) -> Result<Vec<KeyRecord>> {
    let ids = world.scan_under::<String>(INDEX, &format!("{}/", user.id))?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(world.get::<KeyRecord>(&record_key(&id))?);
    }
    Ok(found)
}

fn index_key(world: &World<'_, '_>, user: &User, id: &str) -> String {
    world.key(INDEX, &format!("{}/{id}", user.id))
}

/// Makes a key of a user.
pub(crate) fn make(world: &mut World<'_, '_>, user: &User) -> Result<KeyRecord> {
    let record = KeyRecord {
        id: names::access_key_id("AKIA"),
        secret: names::secret(),
        account: world.account.clone(),
        owner: KeyOwner::User { name: user.name.clone(), id: user.id.clone() },
        active: true,
        created: world.now,
        session_token: None,
        expires: None,
    };
    let index = index_key(world, user, &record.id);
    world.put(index, &record.id)?;
    // An id is never used twice: the look-up here makes the commit fail if it was taken meanwhile.
    let key = record_key(&record.id);
    if world.get::<KeyRecord>(&key)?.is_some() {
        return Err(limit("The access key id is taken; try again"));
    }
    world.put(key, &record)?;
    Ok(record)
}

/// CreateAccessKey.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateAccessKeyRequest,
    caller: &Caller,
) -> Result<wire::CreateAccessKeyResponse> {
    let user = user::named_or_caller(world, &input.user_name, caller)?;
    if of_user(world, &user)?.len() >= MAX_KEYS {
        return Err(limit(format!("Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}")));
    }
    let made = make(world, &user)?;
    Ok(wire::CreateAccessKeyResponse {
        access_key: Some(wire::AccessKey {
            user_name: Some(user.name),
            access_key_id: Some(made.id),
            status: Some("Active".to_owned()),
            secret_access_key: Some(made.secret),
            create_date: Some(made.created),
        }),
    })
}

/// ListAccessKeys.
pub(crate) fn list(
    world: &World<'_, '_>,
    input: &wire::ListAccessKeysRequest,
    caller: &Caller,
) -> Result<wire::ListAccessKeysResponse> {
    let user = user::named_or_caller(world, &input.user_name, caller)?;
    let shown = page(of_user(world, &user)?, |it| it.id.clone(), input.max_items, &input.marker)?;
    let render = |it: KeyRecord| wire::AccessKeyMetadata {
        user_name: Some(user.name.clone()),
        access_key_id: Some(it.id),
        status: Some(if it.active { "Active" } else { "Inactive" }.to_owned()),
        create_date: Some(it.created),
    };
    Ok(wire::ListAccessKeysResponse {
        access_key_metadata: Some(shown.items.into_iter().map(render).collect()),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

fn find(world: &World<'_, '_>, user: &User, id: &Option<String>) -> Result<KeyRecord> {
    let id = required(id, "accessKeyId")?;
    let own = of_user(world, user)?.into_iter().find(|it| it.id == id);
    own.ok_or_else(|| absent("The Access Key with id", id))
}

/// UpdateAccessKey.
pub(crate) fn update(world: &mut World<'_, '_>, input: &wire::UpdateAccessKeyRequest, caller: &Caller) -> Result<()> {
    let user = user::named_or_caller(world, &input.user_name, caller)?;
    let mut record = find(world, &user, &input.access_key_id)?;
    record.active = match required(&input.status, "status")? {
        "Active" => true,
        "Inactive" => false,
        other => {
            let message = format!("The status {other} is not one of Active and Inactive.");
            return Err(crate::error::invalid(message));
        }
    };
    world.put(record_key(&record.id), &record)
}

/// DeleteAccessKey.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteAccessKeyRequest, caller: &Caller) -> Result<()> {
    let user = user::named_or_caller(world, &input.user_name, caller)?;
    let record = find(world, &user, &input.access_key_id)?;
    let index = index_key(world, &user, &record.id);
    world.remove(index);
    world.remove(record_key(&record.id));
    Ok(())
}
