//! Policies of roles: attached managed ones and inline ones.

use crate::document::{Kind, check as check_document};
use crate::error::{Result, absent, limit, no_policy, refuse, required};
use crate::page::page;
use crate::role::{check_mutable, named, put};
use crate::world::World;
use crate::{names, policy};
use aws_model::iam as wire;

/// Managed policies on one role; AWS's quota (with its raise).
const MAX_ATTACHED: usize = 20;
/// Bytes of all inline policies of one role; AWS's quota.
const MAX_INLINE: usize = 10240;

/// AttachRolePolicy: a policy that is attached already stays.
pub(crate) fn attach(world: &mut World<'_, '_>, input: &wire::AttachRolePolicyRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let arn = required(&input.policy_arn, "policyArn")?;
    policy::check_exists(world, arn)
        .map_err(|_| refuse(404, "NoSuchEntity", format!("Policy {arn} does not exist or is not attachable.")))?;
    if role.attached.iter().any(|it| it == arn) {
        return Ok(());
    }
    if role.attached.len() >= MAX_ATTACHED {
        return Err(limit(format!("Cannot exceed quota for PoliciesPerRole: {MAX_ATTACHED}")));
    }
    role.attached.push(arn.to_owned());
    put(world, &role)
}

/// DetachRolePolicy.
pub(crate) fn detach(world: &mut World<'_, '_>, input: &wire::DetachRolePolicyRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let arn = required(&input.policy_arn, "policyArn")?;
    let before = role.attached.len();
    role.attached.retain(|it| it != arn);
    if role.attached.len() == before {
        return Err(no_policy(arn));
    }
    put(world, &role)
}

/// ListAttachedRolePolicies.
pub(crate) fn list_attached(
    world: &World<'_, '_>,
    input: &wire::ListAttachedRolePoliciesRequest,
) -> Result<wire::ListAttachedRolePoliciesResponse> {
    let role = named(world, &input.role_name)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let in_path = |arn: &&String| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix));
    let found: Vec<String> = role.attached.iter().filter(in_path).cloned().collect();
    let shown = page(found, Clone::clone, input.max_items, &input.marker)?;
    let render = |arn: String| wire::AttachedPolicy {
        policy_name: Some(arn.rsplit('/').next().unwrap_or_default().to_owned()),
        policy_arn: Some(arn),
    };
    Ok(wire::ListAttachedRolePoliciesResponse {
        attached_policies: Some(shown.items.into_iter().map(render).collect()),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// PutRolePolicy.
pub(crate) fn put_inline(world: &mut World<'_, '_>, input: &wire::PutRolePolicyRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let name = required(&input.policy_name, "policyName")?;
    names::check(name, "policyName", 128)?;
    let document = required(&input.policy_document, "policyDocument")?;
    check_document(document, Kind::Permissions)?;
    role.inline.insert(name.to_owned(), document.to_owned());
    if role.inline.values().map(String::len).sum::<usize>() > MAX_INLINE {
        return Err(limit(format!("Maximum policy size of {MAX_INLINE} bytes exceeded for role {}", role.name)));
    }
    put(world, &role)
}

/// GetRolePolicy.
pub(crate) fn get_inline(
    world: &World<'_, '_>,
    input: &wire::GetRolePolicyRequest,
) -> Result<wire::GetRolePolicyResponse> {
    let role = named(world, &input.role_name)?;
    let name = required(&input.policy_name, "policyName")?;
    let document = role.inline.get(name).ok_or_else(|| absent("The role policy with name", name))?;
    Ok(wire::GetRolePolicyResponse {
        role_name: Some(role.name.clone()),
        policy_name: Some(name.to_owned()),
        policy_document: Some(names::encoded(document)),
    })
}

/// ListRolePolicies.
pub(crate) fn list_inline(
    world: &World<'_, '_>,
    input: &wire::ListRolePoliciesRequest,
) -> Result<wire::ListRolePoliciesResponse> {
    let role = named(world, &input.role_name)?;
    let shown = page(role.inline.into_keys().collect(), String::clone, input.max_items, &input.marker)?;
    Ok(wire::ListRolePoliciesResponse {
        policy_names: Some(shown.items),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// DeleteRolePolicy.
pub(crate) fn delete_inline(world: &mut World<'_, '_>, input: &wire::DeleteRolePolicyRequest) -> Result<()> {
    let mut role = named(world, &input.role_name)?;
    check_mutable(&role)?;
    let name = required(&input.policy_name, "policyName")?;
    role.inline.remove(name).ok_or_else(|| absent("The role policy with name", name))?;
    put(world, &role)
}
