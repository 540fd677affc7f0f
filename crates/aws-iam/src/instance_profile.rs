//! Instance profiles: what gives an instance its role. One role each.

use crate::error::{Result, conflict, limit, refuse, required};
use crate::names;
use crate::page::page;
use crate::records::{InstanceProfile, Role};
use crate::role;
use crate::tag;
use crate::world::World;
use aws_model::iam as wire;

/// The kind in keys.
pub(crate) const KIND: &str = "instance-profile";

fn find(world: &World<'_, '_>, name: &Option<String>) -> Result<InstanceProfile> {
    let name = required(name, "instanceProfileName")?;
    let found = world.get::<InstanceProfile>(&world.key(KIND, name))?.filter(|it| it.name == name);
    found.ok_or_else(|| refuse(404, "NoSuchEntity", format!("Instance Profile {name} cannot be found.")))
}

fn put(world: &mut World<'_, '_>, profile: &InstanceProfile) -> Result<()> {
    let key = world.key(KIND, &profile.name);
    world.put(key, profile)
}

/// CreateInstanceProfile.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateInstanceProfileRequest,
) -> Result<wire::CreateInstanceProfileResponse> {
    let name = required(&input.instance_profile_name, "instanceProfileName")?;
    names::check(name, "instanceProfileName", 128)?;
    let path = names::path(&input.path)?;
    if world.get::<InstanceProfile>(&world.key(KIND, name))?.is_some() {
        let message = format!("Instance Profile {name} already exists.");
        return Err(refuse(409, "EntityAlreadyExists", message));
    }
    let profile = InstanceProfile {
        id: names::unique_id("AIPA"),
        arn: names::arn(world.account, "instance-profile", &path, name),
        name: name.to_owned(),
        path,
        created: world.now,
        role: None,
        tags: tag::given(&input.tags)?,
    };
    put(world, &profile)?;
    Ok(wire::CreateInstanceProfileResponse { instance_profile: Some(render(world, &profile)?) })
}

/// GetInstanceProfile.
pub(crate) fn get(
    world: &World<'_, '_>,
    input: &wire::GetInstanceProfileRequest,
) -> Result<wire::GetInstanceProfileResponse> {
    let profile = find(world, &input.instance_profile_name)?;
    Ok(wire::GetInstanceProfileResponse { instance_profile: Some(render(world, &profile)?) })
}

/// DeleteInstanceProfile: only without a role.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteInstanceProfileRequest) -> Result<()> {
    let profile = find(world, &input.instance_profile_name)?;
    if profile.role.is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    let key = world.key(KIND, &profile.name);
    world.remove(key);
    Ok(())
}

/// ListInstanceProfiles.
pub(crate) fn list(
    world: &World<'_, '_>,
    input: &wire::ListInstanceProfilesRequest,
) -> Result<wire::ListInstanceProfilesResponse> {
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let found = world.peek::<InstanceProfile>(KIND)?.into_iter().filter(|it| it.path.starts_with(prefix)).collect();
    let shown = page(found, |it: &InstanceProfile| it.name.clone(), input.max_items, &input.marker)?;
    let profiles = shown.items.iter().map(|it| render(world, it)).collect::<Result<_>>()?;
    Ok(wire::ListInstanceProfilesResponse {
        instance_profiles: Some(profiles),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// ListInstanceProfilesForRole.
pub(crate) fn list_for_role(
    world: &World<'_, '_>,
    input: &wire::ListInstanceProfilesForRoleRequest,
) -> Result<wire::ListInstanceProfilesForRoleResponse> {
    let role = role::named(world, &input.role_name)?;
    let has = |it: &InstanceProfile| it.role.as_ref() == Some(&role.name);
    let found = world.peek::<InstanceProfile>(KIND)?.into_iter().filter(has).collect();
    let shown = page(found, |it: &InstanceProfile| it.name.clone(), input.max_items, &input.marker)?;
    let profiles = shown.items.iter().map(|it| render(world, it)).collect::<Result<_>>()?;
    Ok(wire::ListInstanceProfilesForRoleResponse {
        instance_profiles: Some(profiles),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// AddRoleToInstanceProfile.
pub(crate) fn add_role(world: &mut World<'_, '_>, input: &wire::AddRoleToInstanceProfileRequest) -> Result<()> {
    let mut profile = find(world, &input.instance_profile_name)?;
    let role = role::named(world, &input.role_name)?;
    role::check_mutable(&role)?;
    if profile.role.is_some() {
        return Err(limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
    }
    profile.role = Some(role.name);
    put(world, &profile)
}

/// RemoveRoleFromInstanceProfile.
pub(crate) fn remove_role(world: &mut World<'_, '_>, input: &wire::RemoveRoleFromInstanceProfileRequest) -> Result<()> {
    let mut profile = find(world, &input.instance_profile_name)?;
    let name = required(&input.role_name, "roleName")?;
    if profile.role.as_deref() != Some(name) {
        let message = format!("The role with name {name} cannot be found.");
        return Err(refuse(404, "NoSuchEntity", message));
    }
    profile.role = None;
    put(world, &profile)
}

fn render(world: &World<'_, '_>, profile: &InstanceProfile) -> Result<wire::InstanceProfile> {
    let role = match &profile.role {
        Some(name) => world.get::<Role>(&world.key(role::KIND, name))?,
        None => None,
    };
    Ok(wire::InstanceProfile {
        path: Some(profile.path.clone()),
        instance_profile_name: Some(profile.name.clone()),
        instance_profile_id: Some(profile.id.clone()),
        arn: Some(profile.arn.clone()),
        create_date: Some(profile.created),
        roles: Some(role.iter().map(role::render).collect()),
        tags: Some(tag::render(&profile.tags)),
    })
}
