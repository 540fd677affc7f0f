//! Security groups: create, delete, describe. Their rules are in `group_rules`.

use crate::error::{Result, dependency, invalid, missing, refuse, required};
use crate::filter::{Column, each, keep, number, text};
use crate::page::page;
use crate::permission::{self, Permission};
use crate::records::{RulePeer, SecurityGroup, Tags, Vpc};
use crate::resource::not_found;
use crate::side_records::GROUP_NAME;
use crate::world::World;
use crate::{interface_index, tag};
use aws_model::ec2 as wire;
use base::{Ipv4Block, SecurityGroupId, VpcId};
use std::collections::BTreeSet;

/// The name of the group that each VPC has from the start.
pub(crate) const DEFAULT: &str = "default";
/// Groups on one interface; AWS's default quota.
pub(crate) const MAX_PER_INTERFACE: usize = 5;
/// Characters of a name or description.
const MAX_TEXT: usize = 255;

fn name_key(world: &World<'_, '_>, vpc: &VpcId, name: &str) -> String {
    world.key(GROUP_NAME, &format!("{vpc}/{name}"))
}

fn everything(peer: RulePeer) -> Permission {
    Permission { protocol: "-1".to_owned(), from_port: None, to_port: None, peer, description: None }
}

/// CreateSecurityGroup. A second group of the same name is refused: a caller that retries looks for the one it made.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateSecurityGroupRequest,
) -> Result<wire::CreateSecurityGroupResult> {
    let name = required(&input.group_name, "GroupName")?;
    let description = required(&input.description, "GroupDescription")?;
    check_name(name)?;
    check_text(description, "GroupDescription")?;
    let vpc = match &input.vpc_id {
        Some(id) => world.find::<Vpc>(id)?,
        None => world.default_vpc()?.ok_or_else(|| refuse("VPCIdNotSpecified", "No default VPC for this user"))?,
    };
    let tags = tag::given(world, &input.tag_specifications, "security-group")?;
    // Read again by id, so that the commit depends on the VPC.
    let vpc = world.find::<Vpc>(vpc.id.as_str())?;
    let group = make(world, &vpc, name, description, tags)?;
    Ok(wire::CreateSecurityGroupResult {
        group_id: Some(group.id.to_string()),
        tags: tag::render_some(&group.tags),
        security_group_arn: Some(world.arn("security-group", group.id.as_str())),
    })
}

fn check_name(name: &str) -> Result<()> {
    if name.eq_ignore_ascii_case(DEFAULT) {
        return Err(invalid(format!("Cannot use reserved security group name: {name}")));
    }
    if name.starts_with("sg-") {
        return Err(invalid(format!("Invalid group name. Group names may not be in the format sg-*: {name}")));
    }
    check_text(name, "groupName")
}

fn check_text(text: &str, parameter: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.is_empty() || text.len() > MAX_TEXT || !text.chars().all(known) {
        return Err(invalid(format!(
            "Invalid value '{text}' for {parameter}. Character sets beyond ASCII are not supported, and only a-z, \
                A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{{}}!$* are, up to {MAX_TEXT} characters."
        )));
    }
    Ok(())
}

fn make(world: &mut World<'_, '_>, vpc: &Vpc, name: &str, description: &str, tags: Tags) -> Result<SecurityGroup> {
    let key = name_key(world, &vpc.id, name);
    if world.entry::<String>(&key)?.is_some() {
        let message = format!("The security group '{name}' already exists for VPC '{}'", vpc.id);
        return Err(refuse("InvalidGroup.Duplicate", message));
    }
    let group = SecurityGroup {
        id: SecurityGroupId::random(),
        vpc: vpc.id.clone(),
        name: name.to_owned(),
        description: description.to_owned(),
        rules: vec![everything(RulePeer::Block(Ipv4Block::ANY)).into_rule(true, Tags::new())],
        tags,
    };
    world.put_entry(key, &group.id)?;
    world.put(&group)?;
    Ok(group)
}

/// Makes the group that each VPC has from the start: its members may reach each other.
pub(crate) fn make_default(world: &mut World<'_, '_>, vpc: &Vpc) -> Result<()> {
    let mut group = make(world, vpc, DEFAULT, "default VPC security group", Tags::new())?;
    group.rules.push(everything(RulePeer::Group(group.id.clone())).into_rule(false, Tags::new()));
    world.put(&group)
}

/// DeleteSecurityGroup: refused while an interface or another group's rule uses it.
pub(crate) fn delete(
    world: &mut World<'_, '_>,
    input: &wire::DeleteSecurityGroupRequest,
) -> Result<wire::DeleteSecurityGroupResult> {
    let group = by_id_or_name(world, &input.group_id, &input.group_name)?;
    if group.name == DEFAULT {
        let message = format!("the specified group: \"{}\" name: \"{DEFAULT}\" cannot be deleted by a user", group.id);
        return Err(refuse("CannotDelete", message));
    }
    let refers = |other: &SecurityGroup| {
        other.id != group.id && other.rules.iter().any(|rule| rule.peer == RulePeer::Group(group.id.clone()))
    };
    if !interface_index::of_group(world, &group.id)?.is_empty() || of_vpc(world, &group.vpc)?.iter().any(refers) {
        return Err(dependency(format!("resource {} has a dependent object", group.id)));
    }
    forget(world, &group);
    Ok(wire::DeleteSecurityGroupResult { r#return: Some(true), group_id: Some(group.id.to_string()) })
}

/// Deletes a group and gives its name back.
pub(crate) fn forget(world: &mut World<'_, '_>, group: &SecurityGroup) {
    let key = name_key(world, &group.vpc, &group.name);
    world.remove_entry(key);
    world.remove::<SecurityGroup>(group.id.as_str());
}

/// The groups of a VPC, for a decision: one that comes or changes meanwhile fails the commit.
pub(crate) fn of_vpc(world: &World<'_, '_>, vpc: &VpcId) -> Result<Vec<SecurityGroup>> {
    let names = world.scan_entries::<SecurityGroupId>(&name_key(world, vpc, ""))?;
    names.iter().map(|(_, id)| world.find(id.as_str())).collect()
}

/// The groups that can pass `filters`, for an answer: those of the VPCs that are named, or all. Every filter is still
/// to be applied.
fn candidates(world: &World<'_, '_>, filters: &Option<Vec<wire::Filter>>) -> Result<Vec<SecurityGroup>> {
    let Some(vpcs) = interface_index::exact(filters, "vpc-id") else { return world.peek() };
    let names = interface_index::exact(filters, "group-name");
    let mut found = Vec::new();
    for vpc in vpcs.iter().collect::<BTreeSet<_>>() {
        let prefix = world.key(GROUP_NAME, &format!("{vpc}/"));
        for (key, id) in world.peek_entries::<SecurityGroupId>(&prefix)? {
            let name = key.strip_prefix(&prefix).unwrap_or_default();
            if names.is_none_or(|names| names.iter().any(|it| it == name)) {
                found.extend(world.get::<SecurityGroup>(id.as_str())?);
            }
        }
    }
    Ok(found)
}

/// The group of that name in a VPC.
pub(crate) fn named(world: &World<'_, '_>, vpc: &VpcId, name: &str) -> Result<SecurityGroup> {
    match world.entry::<SecurityGroupId>(&name_key(world, vpc, name))? {
        Some(id) => world.find(id.as_str()),
        None => Err(not_found::<SecurityGroup>(name)),
    }
}

/// The group that a call means; by name only in the default VPC.
pub(crate) fn by_id_or_name(
    world: &World<'_, '_>,
    id: &Option<String>,
    name: &Option<String>,
) -> Result<SecurityGroup> {
    match (id, name) {
        (Some(id), _) => world.find(id),
        (None, Some(name)) => {
            let vpc = world.default_vpc()?.ok_or_else(|| not_found::<SecurityGroup>(name))?;
            named(world, &vpc.id, name)
        }
        (None, None) => Err(missing("GroupId")),
    }
}

/// The groups for a new interface in a VPC: those given, or the default one.
pub(crate) fn resolve(world: &World<'_, '_>, vpc: &VpcId, given: &[String]) -> Result<Vec<SecurityGroupId>> {
    if given.is_empty() {
        return Ok(vec![named(world, vpc, DEFAULT)?.id]);
    }
    let mut found = Vec::new();
    for id in given {
        let group = world.find::<SecurityGroup>(id)?;
        if group.vpc != *vpc {
            let message = format!("Security group {id} and the subnet belong to different networks.");
            return Err(refuse("InvalidParameter", message));
        }
        if !found.contains(&group.id) {
            found.push(group.id);
        }
    }
    if found.len() > MAX_PER_INTERFACE {
        let message =
            format!("The maximum number of security groups per interface has been reached: {MAX_PER_INTERFACE}");
        return Err(refuse("SecurityGroupsPerInterfaceLimitExceeded", message));
    }
    Ok(found)
}

type Permissions = Option<Vec<wire::IpPermission>>;

fn ranges(list: &Permissions) -> Vec<String> {
    each(list, |one| each(&one.ip_ranges, |range| text(&range.cidr_ip)))
}

fn ranges6(list: &Permissions) -> Vec<String> {
    each(list, |one| each(&one.ipv6_ranges, |range| text(&range.cidr_ipv6)))
}

fn groups(list: &Permissions) -> Vec<String> {
    each(list, |one| each(&one.user_id_group_pairs, |pair| text(&pair.group_id)))
}

fn users(list: &Permissions) -> Vec<String> {
    each(list, |one| each(&one.user_id_group_pairs, |pair| text(&pair.user_id)))
}

const FILTERS: &[Column<wire::SecurityGroup>] = &[
    ("description", |it| text(&it.description)),
    ("egress.ip-permission.cidr", |it| ranges(&it.ip_permissions_egress)),
    ("egress.ip-permission.from-port", |it| each(&it.ip_permissions_egress, |one| number(&one.from_port))),
    ("egress.ip-permission.group-id", |it| groups(&it.ip_permissions_egress)),
    ("egress.ip-permission.ipv6-cidr", |it| ranges6(&it.ip_permissions_egress)),
    ("egress.ip-permission.protocol", |it| each(&it.ip_permissions_egress, |one| text(&one.ip_protocol))),
    ("egress.ip-permission.to-port", |it| each(&it.ip_permissions_egress, |one| number(&one.to_port))),
    ("egress.ip-permission.user-id", |it| users(&it.ip_permissions_egress)),
    ("group-id", |it| text(&it.group_id)),
    ("group-name", |it| text(&it.group_name)),
    ("ip-permission.cidr", |it| ranges(&it.ip_permissions)),
    ("ip-permission.from-port", |it| each(&it.ip_permissions, |one| number(&one.from_port))),
    ("ip-permission.group-id", |it| groups(&it.ip_permissions)),
    ("ip-permission.ipv6-cidr", |it| ranges6(&it.ip_permissions)),
    ("ip-permission.protocol", |it| each(&it.ip_permissions, |one| text(&one.ip_protocol))),
    ("ip-permission.to-port", |it| each(&it.ip_permissions, |one| number(&one.to_port))),
    ("ip-permission.user-id", |it| users(&it.ip_permissions)),
    ("owner-id", |it| text(&it.owner_id)),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeSecurityGroups.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeSecurityGroupsRequest,
) -> Result<wire::DescribeSecurityGroupsResult> {
    let names = input.group_names.as_deref().unwrap_or_default();
    let mut found = match (input.group_ids.as_deref(), names.is_empty()) {
        (None | Some([]), false) => Vec::new(),
        (None | Some([]), true) => candidates(world, &input.filters)?,
        _ => world.select::<SecurityGroup>(&input.group_ids)?,
    };
    for name in names {
        let group = by_id_or_name(world, &None, &Some(name.clone()))?;
        if !found.iter().any(|it| it.id == group.id) {
            found.push(group);
        }
    }
    let found = keep(found.iter().map(|it| render(world, it)).collect(), &input.filters, FILTERS)?;
    let key = |it: &wire::SecurityGroup| it.group_id.clone().unwrap_or_default();
    let (groups, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeSecurityGroupsResult { next_token, security_groups: Some(groups) })
}

fn render(world: &World<'_, '_>, group: &SecurityGroup) -> wire::SecurityGroup {
    let account = world.account().as_str();
    wire::SecurityGroup {
        group_id: Some(group.id.to_string()),
        group_name: Some(group.name.clone()),
        description: Some(group.description.clone()),
        owner_id: Some(account.to_owned()),
        vpc_id: Some(group.vpc.to_string()),
        security_group_arn: Some(world.arn("security-group", group.id.as_str())),
        tags: tag::render_some(&group.tags),
        ip_permissions: Some(permission::render(account, &group.rules, false)),
        ip_permissions_egress: Some(permission::render(account, &group.rules, true)),
    }
}
