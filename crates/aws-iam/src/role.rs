//! Roles. Their policies are in `role_policy`.

use crate::document::{Kind, check as check_document};
use crate::error::{Result, absent, conflict, exists, invalid, refuse, required, unsupported};
use crate::names;
use crate::page::page;
use crate::records::{InstanceProfile, Role, Tags};
use crate::tag;
use crate::world::World;
use aws_model::iam as wire;

/// The kind in keys.
pub(crate) const KIND: &str = "role";
/// Seconds that a session may last; from the *IAM API Reference*, `CreateRole`.
const SESSION: std::ops::RangeInclusive<i32> = 3600..=43200;
/// Characters of a role's name.
const MAX_NAME: usize = 64;

/// The role of that name.
pub(crate) fn find(world: &World<'_, '_>, name: &str) -> Result<Role> {
    let found = world.get::<Role>(&world.key(KIND, name))?.filter(|role| role.name == name);
    found.ok_or_else(|| absent("The role with name", name))
}

/// The role that a parameter names.
pub(crate) fn named(world: &World<'_, '_>, name: &Option<String>) -> Result<Role> {
    find(world, required(name, "roleName")?)
}

/// Writes a role.
pub(crate) fn put(world: &mut World<'_, '_>, role: &Role) -> Result<()> {
    let key = world.key(KIND, &role.name);
    world.put(key, role)
}

/// Service-linked roles are their service's to change.
pub(crate) fn check_mutable(role: &Role) -> Result<()> {
    if role.linked_service.is_some() {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        );
        return Err(refuse(400, "UnmodifiableEntity", message));
    }
    Ok(())
}

fn check_session(seconds: i32) -> Result<i32> {
    if SESSION.contains(&seconds) {
        return Ok(seconds);
    }
    Err(invalid(format!("The requested MaxSessionDuration {seconds} is not between 3600 and 43200 seconds.")))
}

/// CreateRole.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateRoleRequest) -> Result<wire::CreateRoleResponse> {
    unsupported(&[("PermissionsBoundary", input.permissions_boundary.is_some())])?;
    let name = required(&input.role_name, "roleName")?;
    names::check(name, "roleName", MAX_NAME)?;
    let trust = required(&input.assume_role_policy_document, "assumeRolePolicyDocument")?;
    check_document(trust, Kind::Trust)?;
    let path = names::path(&input.path)?;
    let role = Role {
        id: names::unique_id("AROA"),
        arn: names::arn(world.account, "role", &path, name),
        name: name.to_owned(),
        path,
        created: world.now,
        trust: trust.to_owned(),
        description: input.description.clone(),
        max_session: check_session(input.max_session_duration.unwrap_or(3600))?,
        attached: vec![],
        inline: Default::default(),
        linked_service: None,
        tags: tag::given(&input.tags)?,
    };
    insert(world, &role)?;
    Ok(wire::CreateRoleResponse { role: Some(render(&role)) })
}

fn insert(world: &mut World<'_, '_>, role: &Role) -> Result<()> {
    if world.get::<Role>(&world.key(KIND, &role.name))?.is_some() {
        return Err(exists("Role", &role.name));
    }
    put(world, role)
}

/// CreateServiceLinkedRole, for the services whose role's name is known.
pub(crate) fn create_linked(
    world: &mut World<'_, '_>,
    input: &wire::CreateServiceLinkedRoleRequest,
) -> Result<wire::CreateServiceLinkedRoleResponse> {
    let service = required(&input.aws_service_name, "AWSServiceName")?;
    let suffix = match service {
        "eks.amazonaws.com" => "AmazonEKS",
        "eks-nodegroup.amazonaws.com" => "AmazonEKSNodegroup",
        "eks-fargate.amazonaws.com" => "AmazonEKSForFargate",
        "autoscaling.amazonaws.com" => "AutoScaling",
        "elasticloadbalancing.amazonaws.com" => "ElasticLoadBalancing",
        "spot.amazonaws.com" => "EC2Spot",
        _ => {
            let message = format!("Service-linked roles are not supported for service name: {service}");
            return Err(refuse(400, "InvalidInput", message));
        }
    };
    unsupported(&[("CustomSuffix", input.custom_suffix.is_some())])?;
    let name = format!("AWSServiceRoleFor{suffix}");
    let path = format!("/aws-service-role/{service}/");
    let statement =
        serde_json::json!({"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]});
    let role = Role {
        id: names::unique_id("AROA"),
        arn: names::arn(world.account, "role", &path, &name),
        name: name.clone(),
        path,
        created: world.now,
        trust: serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}).to_string(),
        description: input.description.clone(),
        max_session: 3600,
        attached: vec![],
        inline: Default::default(),
        linked_service: Some(service.to_owned()),
        tags: Tags::new(),
    };
    if world.get::<Role>(&world.key(KIND, &name))?.is_some() {
        let message =
            format!("Service role name {name} has been taken in this account, please try a different suffix.");
        return Err(refuse(400, "InvalidInput", message));
    }
    put(world, &role)?;
    Ok(wire::CreateServiceLinkedRoleResponse { role: Some(render(&role)) })
}

/// GetRole.
pub(crate) fn get(world: &World<'_, '_>, input: &wire::GetRoleRequest) -> Result<wire::GetRoleResponse> {
    Ok(wire::GetRoleResponse { role: Some(render(&named(world, &input.role_name)?)) })
}

/// ListRoles. As on AWS, without tags.
pub(crate) fn list(world: &World<'_, '_>, input: &wire::ListRolesRequest) -> Result<wire::ListRolesResponse> {
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let found: Vec<Role> = world.peek::<Role>(KIND)?.into_iter().filter(|it| it.path.starts_with(prefix)).collect();
    let shown = page(found, |it| it.name.clone(), input.max_items, &input.marker)?;
    let roles = shown.items.iter().map(|it| wire::Role { tags: None, ..render(it) }).collect();
    Ok(wire::ListRolesResponse { roles: Some(roles), is_truncated: Some(shown.truncated), marker: shown.marker })
}

/// DeleteRole: only without policies and instance profiles.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteRoleRequest) -> Result<()> {
    let role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let profiles = world.scan::<InstanceProfile>(crate::instance_profile::KIND)?;
    if profiles.iter().any(|it| it.role.as_ref() == Some(&role.name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !role.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    let key = world.key(KIND, &role.name);
    world.remove(key);
    Ok(())
}

/// UpdateRole.
pub(crate) fn update(world: &mut World<'_, '_>, input: &wire::UpdateRoleRequest) -> Result<wire::UpdateRoleResponse> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    if let Some(text) = &input.description {
        role.description = Some(text.clone());
    }
    if let Some(seconds) = input.max_session_duration {
        role.max_session = check_session(seconds)?;
    }
    put(world, &role)?;
    Ok(wire::UpdateRoleResponse {})
}

/// UpdateAssumeRolePolicy.
pub(crate) fn update_trust(world: &mut World<'_, '_>, input: &wire::UpdateAssumeRolePolicyRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let trust = required(&input.policy_document, "policyDocument")?;
    check_document(trust, Kind::Trust)?;
    role.trust = trust.to_owned();
    put(world, &role)
}

/// TagRole.
pub(crate) fn tag_role(world: &mut World<'_, '_>, input: &wire::TagRoleRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    tag::add(&mut role.tags, &input.tags)?;
    put(world, &role)
}

/// UntagRole.
pub(crate) fn untag_role(world: &mut World<'_, '_>, input: &wire::UntagRoleRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    let keys = input.tag_keys.as_deref().unwrap_or_default();
    role.tags.retain(|key, _| !keys.contains(key));
    put(world, &role)
}

/// ListRoleTags.
pub(crate) fn tags(world: &World<'_, '_>, input: &wire::ListRoleTagsRequest) -> Result<wire::ListRoleTagsResponse> {
    let role = named(world, &input.role_name)?;
    let key = |it: &wire::Tag| it.key.clone().unwrap_or_default();
    let shown = page(tag::render(&role.tags), key, input.max_items, &input.marker)?;
    Ok(wire::ListRoleTagsResponse {
        tags: Some(shown.items),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// A role as answers show it.
pub(crate) fn render(role: &Role) -> wire::Role {
    wire::Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role.arn.clone()),
        create_date: Some(role.created),
        assume_role_policy_document: Some(names::encoded(&role.trust)),
        description: role.description.clone(),
        max_session_duration: Some(role.max_session),
        tags: tag::render_some(&role.tags),
        ..Default::default()
    }
}
