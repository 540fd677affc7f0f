//! Rules of a security group: authorize, revoke, describe, modify, re-word.

use crate::error::{Result, combination, missing, refuse, required};
use crate::filter::{Column, flag, keep, text, within};
use crate::page::page;
use crate::permission::{self, Flat, Permission};
use crate::records::{RulePeer, SecurityGroup, SecurityGroupRule, Tags, Vpc};
use crate::security_group::by_id_or_name;
use crate::tag;
use crate::world::World;
use aws_model::ec2 as wire;
use base::SecurityGroupId;

/// Rules of a group in each direction; AWS's default quota.
const MAX_RULES: usize = 60;

macro_rules! flat {
    ($input:expr) => {
        Flat {
            protocol: &$input.ip_protocol,
            from_port: $input.from_port,
            to_port: $input.to_port,
            cidr: &$input.cidr_ip,
            group_name: &$input.source_security_group_name,
            group_owner: &$input.source_security_group_owner_id,
        }
    };
}

/// AuthorizeSecurityGroupIngress.
pub(crate) fn authorize_ingress(
    world: &mut World<'_, '_>,
    input: &wire::AuthorizeSecurityGroupIngressRequest,
) -> Result<wire::AuthorizeSecurityGroupIngressResult> {
    let group = by_id_or_name(world, &input.group_id, &input.group_name)?;
    let asked = permission::given(world, &group.vpc, &input.ip_permissions, &flat!(input))?;
    let tags = tag::given(world, &input.tag_specifications, "security-group-rule")?;
    let rules = authorize(world, group, asked, false, tags)?;
    Ok(wire::AuthorizeSecurityGroupIngressResult { r#return: Some(true), security_group_rules: Some(rules) })
}

/// AuthorizeSecurityGroupEgress.
pub(crate) fn authorize_egress(
    world: &mut World<'_, '_>,
    input: &wire::AuthorizeSecurityGroupEgressRequest,
) -> Result<wire::AuthorizeSecurityGroupEgressResult> {
    let group = world.find::<SecurityGroup>(required(&input.group_id, "GroupId")?)?;
    let asked = permission::given(world, &group.vpc, &input.ip_permissions, &flat!(input))?;
    let tags = tag::given(world, &input.tag_specifications, "security-group-rule")?;
    let rules = authorize(world, group, asked, true, tags)?;
    Ok(wire::AuthorizeSecurityGroupEgressResult { r#return: Some(true), security_group_rules: Some(rules) })
}

/// Adds all permissions or none.
fn authorize(
    world: &mut World<'_, '_>,
    mut group: SecurityGroup,
    asked: Option<Vec<Permission>>,
    egress: bool,
    tags: Tags,
) -> Result<Vec<wire::SecurityGroupRule>> {
    let asked = asked.ok_or_else(|| missing("ipPermissions"))?;
    for (index, one) in asked.iter().enumerate() {
        let again = asked[..index].iter().any(|it| it.same(one));
        if again || group.rules.iter().any(|rule| rule.egress == egress && one.is(rule)) {
            let message = format!("the specified rule \"{}\" already exists", one.sentence());
            return Err(refuse("InvalidPermission.Duplicate", message));
        }
    }
    let before = group.rules.len();
    group.rules.extend(asked.into_iter().map(|it| it.into_rule(egress, tags.clone())));
    if group.rules.iter().filter(|it| it.egress == egress).count() > MAX_RULES {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(refuse("RulesPerSecurityGroupLimitExceeded", message));
    }
    world.put(&group)?;
    Ok(group.rules[before..].iter().map(|rule| render(world, &group, rule)).collect())
}

/// What a revocation did.
struct Revoked {
    unknown: Vec<wire::IpPermission>,
    rules: Vec<wire::RevokedSecurityGroupRule>,
}

/// RevokeSecurityGroupIngress.
pub(crate) fn revoke_ingress(
    world: &mut World<'_, '_>,
    input: &wire::RevokeSecurityGroupIngressRequest,
) -> Result<wire::RevokeSecurityGroupIngressResult> {
    let group = by_id_or_name(world, &input.group_id, &input.group_name)?;
    let asked = permission::given(world, &group.vpc, &input.ip_permissions, &flat!(input))?;
    let done = revoke(world, group, asked, &input.security_group_rule_ids, false)?;
    Ok(wire::RevokeSecurityGroupIngressResult {
        r#return: Some(true),
        unknown_ip_permissions: (!done.unknown.is_empty()).then_some(done.unknown),
        revoked_security_group_rules: Some(done.rules),
    })
}

/// RevokeSecurityGroupEgress.
pub(crate) fn revoke_egress(
    world: &mut World<'_, '_>,
    input: &wire::RevokeSecurityGroupEgressRequest,
) -> Result<wire::RevokeSecurityGroupEgressResult> {
    let group = world.find::<SecurityGroup>(required(&input.group_id, "GroupId")?)?;
    let asked = permission::given(world, &group.vpc, &input.ip_permissions, &flat!(input))?;
    let done = revoke(world, group, asked, &input.security_group_rule_ids, true)?;
    Ok(wire::RevokeSecurityGroupEgressResult {
        r#return: Some(true),
        unknown_ip_permissions: (!done.unknown.is_empty()).then_some(done.unknown),
        revoked_security_group_rules: Some(done.rules),
    })
}

fn revoke(
    world: &mut World<'_, '_>,
    mut group: SecurityGroup,
    asked: Option<Vec<Permission>>,
    ids: &Option<Vec<String>>,
    egress: bool,
) -> Result<Revoked> {
    let ids = ids.as_deref().unwrap_or_default();
    let (doomed, unknown) = match (asked, ids) {
        (Some(_), [_, ..]) => return Err(combination("Specify either rule ids or permissions, not both.")),
        (None, []) => return Err(missing("ipPermissions")),
        (None, ids) => (by_ids(&group, ids, egress)?, vec![]),
        (Some(asked), []) => by_permissions(world, &group, &asked, egress)?,
    };
    let (removed, kept): (Vec<_>, Vec<_>) =
        group.rules.into_iter().partition(|rule| doomed.contains(&rule.id.as_str().to_owned()));
    group.rules = kept;
    world.put(&group)?;
    Ok(Revoked { unknown, rules: removed.iter().map(|rule| render_revoked(&group.id, rule)).collect() })
}

fn rule_not_found(id: &str) -> crate::error::Ec2Error {
    refuse("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

fn by_ids(group: &SecurityGroup, ids: &[String], egress: bool) -> Result<Vec<String>> {
    let has = |id: &String| group.rules.iter().any(|rule| rule.egress == egress && rule.id.as_str() == id);
    match ids.iter().find(|id| !has(id)) {
        Some(id) => Err(rule_not_found(id)),
        None => Ok(ids.to_vec()),
    }
}

/// In a default VPC unknown permissions are answered, elsewhere they refuse the call, as the API's page says.
fn by_permissions(
    world: &World<'_, '_>,
    group: &SecurityGroup,
    asked: &[Permission],
    egress: bool,
) -> Result<(Vec<String>, Vec<wire::IpPermission>)> {
    let (mut doomed, mut unknown) = (Vec::new(), Vec::new());
    for one in asked {
        match group.rules.iter().find(|rule| rule.egress == egress && one.is(rule)) {
            Some(rule) => doomed.push(rule.id.to_string()),
            None => unknown.push(one.clone().into_rule(egress, Tags::new())),
        }
    }
    if !unknown.is_empty() && !world.get::<Vpc>(group.vpc.as_str())?.is_some_and(|vpc| vpc.is_default) {
        let message = "The specified rule does not exist in this security group.";
        return Err(refuse("InvalidPermission.NotFound", message));
    }
    Ok((doomed, permission::render(world.account().as_str(), &unknown, egress)))
}

const FILTERS: &[Column<wire::SecurityGroupRule>] = &[
    ("group-id", |it| text(&it.group_id)),
    ("security-group-rule-id", |it| text(&it.security_group_rule_id)),
    ("is-egress", |it| flag(&it.is_egress)),
    ("ip-protocol", |it| text(&it.ip_protocol)),
    ("cidr-ipv4", |it| text(&it.cidr_ipv4)),
    ("referenced-group-id", |it| within(&it.referenced_group_info, |group| text(&group.group_id))),
];

/// DescribeSecurityGroupRules.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeSecurityGroupRulesRequest,
) -> Result<wire::DescribeSecurityGroupRulesResult> {
    let mut all = Vec::new();
    for group in world.peek::<SecurityGroup>()? {
        all.extend(group.rules.iter().map(|rule| render(world, &group, rule)));
    }
    if let Some(ids) = input.security_group_rule_ids.as_deref().filter(|ids| !ids.is_empty()) {
        let has = |id: &String| all.iter().any(|it| it.security_group_rule_id.as_ref() == Some(id));
        if let Some(id) = ids.iter().find(|id| !has(id)) {
            return Err(rule_not_found(id));
        }
        all.retain(|it| it.security_group_rule_id.as_ref().is_some_and(|id| ids.contains(id)));
    }
    let found = keep(all, &input.filters, FILTERS)?;
    let key = |it: &wire::SecurityGroupRule| it.security_group_rule_id.clone().unwrap_or_default();
    let (rules, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeSecurityGroupRulesResult { security_group_rules: Some(rules), next_token })
}

fn render(world: &World<'_, '_>, group: &SecurityGroup, rule: &SecurityGroupRule) -> wire::SecurityGroupRule {
    let account = world.account().to_string();
    let mut shown = wire::SecurityGroupRule {
        security_group_rule_id: Some(rule.id.to_string()),
        security_group_rule_arn: Some(world.arn("security-group-rule", rule.id.as_str())),
        group_id: Some(group.id.to_string()),
        group_owner_id: Some(account.clone()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.protocol.clone()),
        // Here, unlike in DescribeSecurityGroups, "all ports" is written out as -1.
        from_port: Some(rule.from_port.unwrap_or(-1)),
        to_port: Some(rule.to_port.unwrap_or(-1)),
        description: rule.description.clone(),
        tags: Some(tag::render(&rule.tags)),
        ..Default::default()
    };
    match &rule.peer {
        RulePeer::Block(block) => shown.cidr_ipv4 = Some(block.to_string()),
        RulePeer::Block6(block) => shown.cidr_ipv6 = Some(block.clone()),
        RulePeer::Group(id) => {
            shown.referenced_group_info = Some(wire::ReferencedSecurityGroup {
                group_id: Some(id.to_string()),
                user_id: Some(account),
                ..Default::default()
            });
        }
    }
    shown
}

fn render_revoked(group: &SecurityGroupId, rule: &SecurityGroupRule) -> wire::RevokedSecurityGroupRule {
    let mut shown = wire::RevokedSecurityGroupRule {
        security_group_rule_id: Some(rule.id.to_string()),
        group_id: Some(group.to_string()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.protocol.clone()),
        from_port: Some(rule.from_port.unwrap_or(-1)),
        to_port: Some(rule.to_port.unwrap_or(-1)),
        description: rule.description.clone(),
        ..Default::default()
    };
    match &rule.peer {
        RulePeer::Block(block) => shown.cidr_ipv4 = Some(block.to_string()),
        RulePeer::Block6(block) => shown.cidr_ipv6 = Some(block.clone()),
        RulePeer::Group(id) => shown.referenced_group_id = Some(id.to_string()),
    }
    shown
}

/// ModifySecurityGroupRules.
pub(crate) fn modify(
    world: &mut World<'_, '_>,
    input: &wire::ModifySecurityGroupRulesRequest,
) -> Result<wire::ModifySecurityGroupRulesResult> {
    let mut group = world.find::<SecurityGroup>(required(&input.group_id, "GroupId")?)?;
    for update in input.security_group_rules.iter().flatten() {
        let id = required(&update.security_group_rule_id, "SecurityGroupRuleId")?;
        let asked = update.security_group_rule.as_ref().ok_or_else(|| missing("SecurityGroupRule"))?;
        let changed = parse_update(world, &group, asked)?;
        let index = group.rules.iter().position(|rule| rule.id.as_str() == id).ok_or_else(|| rule_not_found(id))?;
        let egress = group.rules[index].egress;
        let twin = |rule: &SecurityGroupRule| rule.id.as_str() != id && rule.egress == egress && changed.is(rule);
        if group.rules.iter().any(twin) {
            let message = format!("the specified rule \"{}\" already exists", changed.sentence());
            return Err(refuse("InvalidPermission.Duplicate", message));
        }
        let old = group.rules[index].clone();
        group.rules[index] = SecurityGroupRule { id: old.id, ..changed.into_rule(egress, old.tags) };
    }
    world.put(&group)?;
    Ok(wire::ModifySecurityGroupRulesResult { r#return: Some(true) })
}

fn parse_update(
    world: &World<'_, '_>,
    group: &SecurityGroup,
    asked: &wire::SecurityGroupRuleRequest,
) -> Result<Permission> {
    let description = asked.description.clone();
    let one = wire::IpPermission {
        ip_protocol: asked.ip_protocol.clone(),
        from_port: asked.from_port,
        to_port: asked.to_port,
        ip_ranges: asked
            .cidr_ipv4
            .clone()
            .map(|it| vec![wire::IpRange { cidr_ip: Some(it), description: description.clone() }]),
        ipv6_ranges: asked
            .cidr_ipv6
            .clone()
            .map(|it| vec![wire::Ipv6Range { cidr_ipv6: Some(it), description: description.clone() }]),
        user_id_group_pairs: asked.referenced_group_id.clone().map(|it| {
            vec![wire::UserIdGroupPair { group_id: Some(it), description: description.clone(), ..Default::default() }]
        }),
        prefix_list_ids: asked
            .prefix_list_id
            .clone()
            .map(|it| vec![wire::PrefixListId { prefix_list_id: Some(it), description: None }]),
    };
    let mut found = permission::structured(world, &group.vpc, &[one])?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(combination("A security group rule has exactly one of CidrIpv4, CidrIpv6 and ReferencedGroupId.")),
    }
}

/// UpdateSecurityGroupRuleDescriptionsIngress.
pub(crate) fn describe_ingress(
    world: &mut World<'_, '_>,
    input: &wire::UpdateSecurityGroupRuleDescriptionsIngressRequest,
) -> Result<wire::UpdateSecurityGroupRuleDescriptionsIngressResult> {
    let group = by_id_or_name(world, &input.group_id, &input.group_name)?;
    reword(world, group, &input.ip_permissions, &input.security_group_rule_descriptions, false)?;
    Ok(wire::UpdateSecurityGroupRuleDescriptionsIngressResult { r#return: Some(true) })
}

/// UpdateSecurityGroupRuleDescriptionsEgress.
pub(crate) fn describe_egress(
    world: &mut World<'_, '_>,
    input: &wire::UpdateSecurityGroupRuleDescriptionsEgressRequest,
) -> Result<wire::UpdateSecurityGroupRuleDescriptionsEgressResult> {
    let group = by_id_or_name(world, &input.group_id, &input.group_name)?;
    reword(world, group, &input.ip_permissions, &input.security_group_rule_descriptions, true)?;
    Ok(wire::UpdateSecurityGroupRuleDescriptionsEgressResult { r#return: Some(true) })
}

fn reword(
    world: &mut World<'_, '_>,
    mut group: SecurityGroup,
    permissions: &Option<Vec<wire::IpPermission>>,
    descriptions: &Option<Vec<wire::SecurityGroupRuleDescription>>,
    egress: bool,
) -> Result<()> {
    let by_rule = descriptions.as_deref().unwrap_or_default();
    let by_permission = permission::structured(world, &group.vpc, permissions.as_deref().unwrap_or_default())?;
    if by_rule.is_empty() && by_permission.is_empty() {
        return Err(missing("ipPermissions"));
    }
    for one in by_permission {
        let found = group.rules.iter_mut().find(|rule| rule.egress == egress && one.is(rule));
        let message = "The specified rule does not exist in this security group.";
        found.ok_or_else(|| refuse("InvalidPermission.NotFound", message))?.description = one.description;
    }
    for one in by_rule {
        let id = required(&one.security_group_rule_id, "SecurityGroupRuleId")?;
        let found = group.rules.iter_mut().find(|rule| rule.egress == egress && rule.id.as_str() == id);
        found.ok_or_else(|| rule_not_found(id))?.description = one.description.clone();
    }
    world.put(&group)
}
