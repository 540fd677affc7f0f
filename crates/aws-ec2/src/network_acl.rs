//! The default network access list of each VPC: lets everything through. It follows from the VPC and its subnets and
//! has no record; lists of one's own are not served.

use crate::derive;
use crate::error::{Result, refuse};
use crate::filter::{Column, each, flag, keep, number, text, within};
use crate::page::page;
use crate::records::{Subnet, Vpc};
use crate::tag;
use crate::world::World;
use aws_model::ec2 as wire;
use base::{NetworkAclAssociationId, NetworkAclId};

/// The number of the rule that denies what no other rule allows.
const LAST_RULE: i32 = 32767;

/// The id of a VPC's access list.
pub(crate) fn id_of(vpc: &Vpc) -> String {
    format!("{}{}", NetworkAclId::PREFIX, derive::digits(&["acl", vpc.id.as_str()]))
}

const FILTERS: &[Column<wire::NetworkAcl>] = &[
    ("association.association-id", |it| each(&it.associations, |one| text(&one.network_acl_association_id))),
    ("association.network-acl-id", |it| each(&it.associations, |one| text(&one.network_acl_id))),
    ("association.subnet-id", |it| each(&it.associations, |one| text(&one.subnet_id))),
    ("default", |it| flag(&it.is_default)),
    ("entry.cidr", |it| each(&it.entries, |one| text(&one.cidr_block))),
    ("entry.egress", |it| each(&it.entries, |one| flag(&one.egress))),
    ("entry.port-range.from", |it| each(&it.entries, |one| within(&one.port_range, |range| number(&range.from)))),
    ("entry.port-range.to", |it| each(&it.entries, |one| within(&one.port_range, |range| number(&range.to)))),
    ("entry.protocol", |it| each(&it.entries, |one| text(&one.protocol))),
    ("entry.rule-action", |it| each(&it.entries, |one| text(&one.rule_action))),
    ("entry.rule-number", |it| each(&it.entries, |one| number(&one.rule_number))),
    ("network-acl-id", |it| text(&it.network_acl_id)),
    ("owner-id", |it| text(&it.owner_id)),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeNetworkAcls.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeNetworkAclsRequest,
) -> Result<wire::DescribeNetworkAclsResult> {
    let subnets = world.peek::<Subnet>()?;
    let mut all = Vec::new();
    for vpc in world.peek::<Vpc>()? {
        all.push(render(world, &vpc, &subnets)?);
    }
    if let Some(ids) = input.network_acl_ids.as_deref().filter(|ids| !ids.is_empty()) {
        let has = |id: &String| all.iter().any(|it| it.network_acl_id.as_ref() == Some(id));
        if let Some(id) = ids.iter().find(|id| !has(id)) {
            let message = format!("The networkAcl ID '{id}' does not exist");
            return Err(refuse("InvalidNetworkAclID.NotFound", message));
        }
        all.retain(|it| it.network_acl_id.as_ref().is_some_and(|id| ids.contains(id)));
    }
    let found = keep(all, &input.filters, FILTERS)?;
    let key = |it: &wire::NetworkAcl| it.network_acl_id.clone().unwrap_or_default();
    let (acls, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeNetworkAclsResult { network_acls: Some(acls), next_token })
}

fn render(world: &World<'_, '_>, vpc: &Vpc, subnets: &[Subnet]) -> Result<wire::NetworkAcl> {
    let id = id_of(vpc);
    let association = |subnet: &Subnet| wire::NetworkAclAssociation {
        network_acl_association_id: Some(format!(
            "{}{}",
            NetworkAclAssociationId::PREFIX,
            derive::digits(&["aclassoc", subnet.id.as_str()])
        )),
        network_acl_id: Some(id.clone()),
        subnet_id: Some(subnet.id.to_string()),
    };
    let entry = |(egress, number, action): (bool, i32, &str)| wire::NetworkAclEntry {
        cidr_block: Some("0.0.0.0/0".to_owned()),
        egress: Some(egress),
        protocol: Some("-1".to_owned()),
        rule_action: Some(action.to_owned()),
        rule_number: Some(number),
        ..Default::default()
    };
    let entries = [(true, 100, "allow"), (true, LAST_RULE, "deny"), (false, 100, "allow"), (false, LAST_RULE, "deny")];
    Ok(wire::NetworkAcl {
        associations: Some(subnets.iter().filter(|it| it.vpc == vpc.id).map(association).collect()),
        entries: Some(entries.into_iter().map(entry).collect()),
        is_default: Some(true),
        vpc_id: Some(vpc.id.to_string()),
        owner_id: Some(world.account().to_string()),
        tags: Some(tag::render(&world.loose_tags(&id)?)),
        network_acl_id: Some(id),
    })
}
