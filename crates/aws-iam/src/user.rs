//! Users.

use crate::access_key;
use crate::error::{Result, absent, conflict, exists, required, unsupported};
use crate::names;
use crate::page::page;
use crate::records::{Tags, User};
use crate::tag;
use crate::world::World;
use aws_model::iam as wire;
use aws_model::{Caller, Principal};

/// The kind in keys.
pub(crate) const KIND: &str = "user";

/// The user of that name.
pub(crate) fn find(world: &World<'_, '_>, name: &str) -> Result<User> {
    let found = world.get::<User>(&world.key(KIND, name))?.filter(|user| user.name == name);
    found.ok_or_else(|| absent("The user with name", name))
}

/// The user that a call means: the one it names, or the one who calls.
pub(crate) fn named_or_caller(world: &World<'_, '_>, name: &Option<String>, caller: &Caller) -> Result<User> {
    match (name, &caller.principal) {
        (Some(name), _) => find(world, name),
        (None, Principal::User(name)) => find(world, name),
        (None, _) => {
            let message = "Must specify userName when calling with non-User credentials";
            Err(crate::error::invalid(message))
        }
    }
}

/// Makes a user.
pub(crate) fn make(world: &mut World<'_, '_>, name: &str, path: String, tags: Tags) -> Result<User> {
    names::check(name, "userName", 64)?;
    let key = world.key(KIND, name);
    if world.get::<User>(&key)?.is_some() {
        return Err(exists("User", name));
    }
    let user = User {
        id: names::unique_id("AIDA"),
        arn: names::arn(world.account, "user", &path, name),
        name: name.to_owned(),
        path,
        created: world.now,
        attached: vec![],
        tags,
    };
    world.put(key, &user)?;
    Ok(user)
}

/// Writes a user.
pub(crate) fn put(world: &mut World<'_, '_>, user: &User) -> Result<()> {
    let key = world.key(KIND, &user.name);
    world.put(key, user)
}

/// CreateUser.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateUserRequest) -> Result<wire::CreateUserResponse> {
    unsupported(&[("PermissionsBoundary", input.permissions_boundary.is_some())])?;
    let name = required(&input.user_name, "userName")?;
    let user = make(world, name, names::path(&input.path)?, tag::given(&input.tags)?)?;
    Ok(wire::CreateUserResponse { user: Some(render(&user)) })
}

/// GetUser. The root user, who has no record, sees its account.
pub(crate) fn get(
    world: &World<'_, '_>,
    input: &wire::GetUserRequest,
    caller: &Caller,
) -> Result<wire::GetUserResponse> {
    if input.user_name.is_none() && caller.principal == Principal::Root {
        let root = wire::User {
            path: Some("/".to_owned()),
            user_name: Some("root".to_owned()),
            user_id: Some(world.account.to_string()),
            arn: Some(caller.arn.clone()),
            ..Default::default()
        };
        return Ok(wire::GetUserResponse { user: Some(root) });
    }
    let user = named_or_caller(world, &input.user_name, caller)?;
    Ok(wire::GetUserResponse { user: Some(render(&user)) })
}

/// ListUsers.
pub(crate) fn list(world: &World<'_, '_>, input: &wire::ListUsersRequest) -> Result<wire::ListUsersResponse> {
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let found = world.peek::<User>(KIND)?.into_iter().filter(|it| it.path.starts_with(prefix)).collect();
    let shown = page(found, |it: &User| it.name.clone(), input.max_items, &input.marker)?;
    let users = shown.items.iter().map(|it| wire::User { tags: None, ..render(it) }).collect();
    Ok(wire::ListUsersResponse { users: Some(users), is_truncated: Some(shown.truncated), marker: shown.marker })
}

/// DeleteUser: only without access keys and policies.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteUserRequest) -> Result<()> {
    let user = find(world, required(&input.user_name, "userName")?)?;
    if !access_key::of_user(world, &user)?.is_empty() {
        return Err(conflict("Cannot delete entity, must delete access keys first."));
    }
    if !user.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    let key = world.key(KIND, &user.name);
    world.remove(key);
    Ok(())
}

fn render(user: &User) -> wire::User {
    wire::User {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(user.arn.clone()),
        create_date: Some(user.created),
        tags: tag::render_some(&user.tags),
        ..Default::default()
    }
}
