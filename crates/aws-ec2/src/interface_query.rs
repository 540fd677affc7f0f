//! Describing network interfaces.

use crate::error::{Result, invalid, required};
use crate::filter::{Column, each, flag, keep, number, text, within};
use crate::interface::render;
use crate::interface_index;
use crate::page::page;
use crate::records::NetworkInterface;
use crate::world::World;
use aws_model::ec2 as wire;

type Shown = wire::NetworkInterface;

fn attachment(it: &Shown, member: fn(&wire::NetworkInterfaceAttachment) -> Vec<String>) -> Vec<String> {
    within(&it.attachment, member)
}

fn association(it: &Shown, member: fn(&wire::NetworkInterfaceAssociation) -> Vec<String>) -> Vec<String> {
    within(&it.association, member)
}

const FILTERS: &[Column<Shown>] = &[
    ("addresses.association.owner-id", |it| {
        each(&it.private_ip_addresses, |one| within(&one.association, |a| text(&a.ip_owner_id)))
    }),
    ("addresses.association.public-ip", |it| {
        each(&it.private_ip_addresses, |one| within(&one.association, |a| text(&a.public_ip)))
    }),
    ("addresses.primary", |it| each(&it.private_ip_addresses, |one| flag(&one.primary))),
    ("addresses.private-ip-address", |it| each(&it.private_ip_addresses, |one| text(&one.private_ip_address))),
    ("association.allocation-id", |it| association(it, |a| text(&a.allocation_id))),
    ("association.association-id", |it| association(it, |a| text(&a.association_id))),
    ("association.ip-owner-id", |it| association(it, |a| text(&a.ip_owner_id))),
    ("association.public-dns-name", |it| association(it, |a| text(&a.public_dns_name))),
    ("association.public-ip", |it| association(it, |a| text(&a.public_ip))),
    ("attachment.attach-time", |it| attachment(it, |a| a.attach_time.iter().map(ToString::to_string).collect())),
    ("attachment.attachment-id", |it| attachment(it, |a| text(&a.attachment_id))),
    ("attachment.delete-on-termination", |it| attachment(it, |a| flag(&a.delete_on_termination))),
    ("attachment.device-index", |it| attachment(it, |a| number(&a.device_index))),
    ("attachment.instance-id", |it| attachment(it, |a| text(&a.instance_id))),
    ("attachment.instance-owner-id", |it| attachment(it, |a| text(&a.instance_owner_id))),
    ("attachment.status", |it| attachment(it, |a| text(&a.status))),
    ("availability-zone", |it| text(&it.availability_zone)),
    ("availability-zone-id", |it| text(&it.availability_zone_id)),
    ("description", |it| text(&it.description)),
    ("group-id", |it| each(&it.groups, |one| text(&one.group_id))),
    ("group-name", |it| each(&it.groups, |one| text(&one.group_name))),
    ("interface-type", |it| text(&it.interface_type)),
    ("ipv6-addresses.ipv6-address", |it| each(&it.ipv6_addresses, |one| text(&one.ipv6_address))),
    ("mac-address", |it| text(&it.mac_address)),
    ("network-interface-id", |it| text(&it.network_interface_id)),
    ("operator.managed", |it| within(&it.operator, |one| flag(&one.managed))),
    ("operator.principal", |it| within(&it.operator, |one| text(&one.principal))),
    ("owner-id", |it| text(&it.owner_id)),
    ("private-dns-name", |it| text(&it.private_dns_name)),
    ("private-ip-address", |it| text(&it.private_ip_address)),
    ("requester-id", |it| text(&it.requester_id)),
    ("requester-managed", |it| flag(&it.requester_managed)),
    ("source-dest-check", |it| flag(&it.source_dest_check)),
    ("status", |it| text(&it.status)),
    ("subnet-id", |it| text(&it.subnet_id)),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeNetworkInterfaces.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeNetworkInterfacesRequest,
) -> Result<wire::DescribeNetworkInterfacesResult> {
    let found = match input.network_interface_ids.as_deref() {
        None | Some([]) => interface_index::candidates(world, &input.filters)?,
        Some(_) => world.select::<NetworkInterface>(&input.network_interface_ids)?,
    };
    let found = found.iter().map(|it| render(world, it)).collect::<Result<Vec<_>>>()?;
    let found = keep(found, &input.filters, FILTERS)?;
    let key = |it: &Shown| it.network_interface_id.clone().unwrap_or_default();
    let (interfaces, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeNetworkInterfacesResult { network_interfaces: Some(interfaces), next_token })
}

/// DescribeNetworkInterfaceAttribute: one attribute at a time.
pub(crate) fn attribute(
    world: &World<'_, '_>,
    input: &wire::DescribeNetworkInterfaceAttributeRequest,
) -> Result<wire::DescribeNetworkInterfaceAttributeResult> {
    let interface = world.find::<NetworkInterface>(required(&input.network_interface_id, "NetworkInterfaceId")?)?;
    let shown = render(world, &interface)?;
    let mut result = wire::DescribeNetworkInterfaceAttributeResult {
        network_interface_id: shown.network_interface_id,
        ..Default::default()
    };
    match required(&input.attribute, "Attribute")? {
        "description" => result.description = Some(wire::AttributeValue { value: shown.description }),
        "groupSet" => result.groups = shown.groups,
        "sourceDestCheck" => {
            result.source_dest_check = Some(wire::AttributeBooleanValue { value: shown.source_dest_check });
        }
        "attachment" => result.attachment = shown.attachment,
        "associatePublicIpAddress" => {
            let auto =
                interface.addresses.first().and_then(|it| it.public.as_ref()).is_some_and(|it| it.allocation.is_none());
            result.associate_public_ip_address = Some(auto);
        }
        other => return Err(invalid(format!("Value ({other}) for parameter attribute is invalid."))),
    }
    Ok(result)
}
