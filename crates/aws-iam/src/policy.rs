//! Managed policies: AWS's from the catalogue, and the customer's. A policy has one version, `v1`.

use crate::catalogue;
use crate::document::{Kind, check as check_document};
use crate::error::{Result, conflict, invalid, no_policy, refuse, required};
use crate::names;
use crate::page::page;
use crate::records::{Policy, Role, User};
use crate::tag;
use crate::world::World;
use aws_model::iam as wire;

/// The kind in keys.
const KIND: &str = "policy";
/// The only version.
const VERSION: &str = "v1";

/// The customer's policy of that ARN.
fn find(world: &World<'_, '_>, arn: &str) -> Result<Policy> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found = world.get::<Policy>(&world.key(KIND, name))?.filter(|policy| policy.arn == arn);
    found.ok_or_else(|| no_policy(arn))
}

/// Whether there is such a policy, AWS's or the customer's.
pub(crate) fn check_exists(world: &World<'_, '_>, arn: &str) -> Result<()> {
    if catalogue::is_managed(arn) { catalogue::find(arn).map(drop) } else { find(world, arn).map(drop) }
}

/// ARNs of policies as often as they are attached.
fn attachments(roles: &[Role], users: &[User]) -> Vec<String> {
    let of_roles = roles.iter().flat_map(|it| &it.attached);
    of_roles.chain(users.iter().flat_map(|it| &it.attached)).cloned().collect()
}

fn peek_attachments(world: &World<'_, '_>) -> Result<Vec<String>> {
    Ok(attachments(&world.peek(crate::role::KIND)?, &world.peek(crate::user::KIND)?))
}

fn count(attachments: &[String], arn: &str) -> usize {
    attachments.iter().filter(|it| *it == arn).count()
}

/// CreatePolicy.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreatePolicyRequest,
) -> Result<wire::CreatePolicyResponse> {
    let name = required(&input.policy_name, "policyName")?;
    names::check(name, "policyName", 128)?;
    let document = required(&input.policy_document, "policyDocument")?;
    check_document(document, Kind::Permissions)?;
    let path = names::path(&input.path)?;
    let key = world.key(KIND, name);
    if world.get::<Policy>(&key)?.is_some() {
        let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(refuse(409, "EntityAlreadyExists", message));
    }
    let policy = Policy {
        id: names::unique_id("ANPA"),
        arn: names::arn(world.account, "policy", &path, name),
        name: name.to_owned(),
        path,
        created: world.now,
        document: document.to_owned(),
        description: input.description.clone(),
        tags: tag::given(&input.tags)?,
    };
    world.put(key, &policy)?;
    Ok(wire::CreatePolicyResponse { policy: Some(render(&policy, 0)) })
}

/// GetPolicy.
pub(crate) fn get(world: &World<'_, '_>, input: &wire::GetPolicyRequest) -> Result<wire::GetPolicyResponse> {
    let arn = required(&input.policy_arn, "policyArn")?;
    let attached = count(&peek_attachments(world)?, arn);
    let policy = if catalogue::is_managed(arn) {
        catalogue::find(arn)?.render(attached)
    } else {
        render(&find(world, arn)?, attached)
    };
    Ok(wire::GetPolicyResponse { policy: Some(policy) })
}

/// The document of a policy and since when it has it.
fn document(world: &World<'_, '_>, arn: &str) -> Result<(String, jiff::Timestamp)> {
    if catalogue::is_managed(arn) {
        return Ok((catalogue::find(arn)?.document(), jiff::Timestamp::UNIX_EPOCH));
    }
    let policy = find(world, arn)?;
    Ok((policy.document, policy.created))
}

/// GetPolicyVersion.
pub(crate) fn version(
    world: &World<'_, '_>,
    input: &wire::GetPolicyVersionRequest,
) -> Result<wire::GetPolicyVersionResponse> {
    let arn = required(&input.policy_arn, "policyArn")?;
    let version = required(&input.version_id, "versionId")?;
    let (document, created) = document(world, arn)?;
    if version != VERSION {
        let message = format!("Policy {arn} version {version} does not exist or is not attachable.");
        return Err(refuse(404, "NoSuchEntity", message));
    }
    let version = wire::PolicyVersion { document: Some(names::encoded(&document)), ..render_version(created) };
    Ok(wire::GetPolicyVersionResponse { policy_version: Some(version) })
}

fn render_version(created: jiff::Timestamp) -> wire::PolicyVersion {
    wire::PolicyVersion {
        document: None,
        version_id: Some(VERSION.to_owned()),
        is_default_version: Some(true),
        create_date: Some(created),
    }
}

/// ListPolicyVersions.
pub(crate) fn versions(
    world: &World<'_, '_>,
    input: &wire::ListPolicyVersionsRequest,
) -> Result<wire::ListPolicyVersionsResponse> {
    let (_, created) = document(world, required(&input.policy_arn, "policyArn")?)?;
    Ok(wire::ListPolicyVersionsResponse {
        versions: Some(vec![render_version(created)]),
        is_truncated: Some(false),
        marker: None,
    })
}

/// ListPolicies.
pub(crate) fn list(world: &World<'_, '_>, input: &wire::ListPoliciesRequest) -> Result<wire::ListPoliciesResponse> {
    let (aws, local) = match input.scope.as_deref().unwrap_or("All") {
        "All" => (true, true),
        "AWS" => (true, false),
        "Local" => (false, true),
        other => return Err(invalid(format!("The scope {other} is not one of All, AWS and Local."))),
    };
    let attachments = peek_attachments(world)?;
    let mut found = Vec::new();
    if aws {
        found.extend(catalogue::all().iter().map(|it| it.render(count(&attachments, &it.arn()))));
    }
    if local {
        found.extend(world.peek::<Policy>(KIND)?.iter().map(|it| render(it, count(&attachments, &it.arn))));
    }
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    found.retain(|it| it.path.as_deref().is_some_and(|path| path.starts_with(prefix)));
    if input.only_attached == Some(true) {
        found.retain(|it| it.attachment_count.is_some_and(|count| count > 0));
    }
    if input.policy_usage_filter.as_deref() == Some("PermissionsBoundary") {
        found.clear();
    }
    let shown = page(found, |it| it.arn.clone().unwrap_or_default(), input.max_items, &input.marker)?;
    // As on AWS, lists leave out descriptions and tags.
    let brief = |it: wire::Policy| wire::Policy { description: None, tags: None, ..it };
    Ok(wire::ListPoliciesResponse {
        policies: Some(shown.items.into_iter().map(brief).collect()),
        is_truncated: Some(shown.truncated),
        marker: shown.marker,
    })
}

/// DeletePolicy.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeletePolicyRequest) -> Result<()> {
    let arn = required(&input.policy_arn, "policyArn")?;
    if catalogue::is_managed(arn) {
        return Err(refuse(403, "AccessDenied", format!("The policy {arn} is AWS's and cannot be deleted.")));
    }
    let policy = find(world, arn)?;
    let attachments = attachments(&world.scan(crate::role::KIND)?, &world.scan(crate::user::KIND)?);
    if count(&attachments, arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    let key = world.key(KIND, &policy.name);
    world.remove(key);
    Ok(())
}

fn render(policy: &Policy, attached: usize) -> wire::Policy {
    wire::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(VERSION.to_owned()),
        attachment_count: i32::try_from(attached).ok(),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created),
        update_date: Some(policy.created),
        tags: tag::render_some(&policy.tags),
    }
}
