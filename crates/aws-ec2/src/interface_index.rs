//! Which interfaces lie in a VPC and which carry a security group: index entries beside the interfaces' own records, so
//! that deleting a VPC or a group, and asking for one VPC's or one group's interfaces, cost what they have and not what
//! the region has. Each entry comes and goes in the transaction that changes the interface.

use crate::error::Result;
use crate::records::NetworkInterface;
use crate::side_records::{ADDRESS, ATTACHED, IN_GROUP, IN_VPC};
use crate::world::World;
use aws_model::ec2::Filter;
use base::{NetworkInterfaceId, SecurityGroupId, VpcId};
use std::collections::BTreeSet;

fn keys(world: &World<'_, '_>, interface: &NetworkInterface) -> Vec<String> {
    let id = &interface.id;
    let mut keys = vec![world.key(IN_VPC, &format!("{}/{id}", interface.vpc))];
    keys.extend(interface.groups.iter().map(|group| world.key(IN_GROUP, &format!("{group}/{id}"))));
    keys
}

/// Enters a new interface.
pub(crate) fn enter(world: &mut World<'_, '_>, interface: &NetworkInterface) -> Result<()> {
    keys(world, interface).into_iter().try_for_each(|key| world.put_entry(key, &()))
}

/// Takes an interface out that is being deleted.
pub(crate) fn leave(world: &mut World<'_, '_>, interface: &NetworkInterface) {
    keys(world, interface).into_iter().for_each(|key| world.remove_entry(key));
}

/// Gives an interface other groups. The caller writes it.
pub(crate) fn regroup(
    world: &mut World<'_, '_>,
    interface: &mut NetworkInterface,
    groups: Vec<SecurityGroupId>,
) -> Result<()> {
    leave(world, interface);
    interface.groups = groups;
    enter(world, interface)
}

/// The interfaces in a VPC, for a decision: one that comes meanwhile fails the commit.
pub(crate) fn of_vpc(world: &World<'_, '_>, vpc: &VpcId) -> Result<Vec<NetworkInterfaceId>> {
    of(world, IN_VPC, vpc.as_str())
}

/// The interfaces that carry a group, for a decision: one that comes meanwhile fails the commit.
pub(crate) fn of_group(world: &World<'_, '_>, group: &SecurityGroupId) -> Result<Vec<NetworkInterfaceId>> {
    of(world, IN_GROUP, group.as_str())
}

fn of(world: &World<'_, '_>, kind: &str, holder: &str) -> Result<Vec<NetworkInterfaceId>> {
    let prefix = world.key(kind, &format!("{holder}/"));
    let entries = world.scan_entries::<()>(&prefix)?;
    Ok(entries.iter().filter_map(|(key, ())| key.strip_prefix(&prefix)?.parse().ok()).collect())
}

/// Filters that an index answers, the one that leaves fewest first.
const INDEXED: [&str; 4] = ["attachment.instance-id", "group-id", "subnet-id", "vpc-id"];

/// The interfaces that can pass `filters`, for an answer: those of the narrowest filter that an index knows, or all.
/// Every filter is still to be applied.
pub(crate) fn candidates(world: &World<'_, '_>, filters: &Option<Vec<Filter>>) -> Result<Vec<NetworkInterface>> {
    let Some((name, values)) = INDEXED.iter().find_map(|name| exact(filters, name).map(|values| (*name, values)))
    else {
        return world.peek();
    };
    let mut ids = BTreeSet::new();
    for value in values {
        let kind = match name {
            "attachment.instance-id" => ATTACHED,
            "group-id" => IN_GROUP,
            "subnet-id" => {
                let entries = world.peek_entries::<String>(&world.key(ADDRESS, &format!("{value}/")))?;
                ids.extend(entries.into_iter().map(|(_, holder)| holder));
                continue;
            }
            _ => IN_VPC,
        };
        let prefix = world.key(kind, &format!("{value}/"));
        let entries = world.peek_entries::<serde::de::IgnoredAny>(&prefix)?;
        ids.extend(entries.iter().filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.to_owned())));
    }
    let found = ids.iter().map(|id| world.get::<NetworkInterface>(id)).collect::<Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The values of a filter, if it is there and its values stand for nothing but themselves.
pub(crate) fn exact<'a>(filters: &'a Option<Vec<Filter>>, name: &str) -> Option<&'a [String]> {
    let filter = filters.iter().flatten().find(|it| it.name.as_deref() == Some(name))?;
    let values = filter.values.as_deref().unwrap_or_default();
    // A slash would lead the look-up out of its holder's part of the index.
    let plain = values.iter().all(|value| !value.contains(['*', '?', '\\', '/']));
    plain.then_some(values)
}
