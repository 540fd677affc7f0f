//! Changing network interfaces: attach, detach, attributes, secondary addresses.

use crate::error::{Result, combination, invalid, missing, refuse, required, required_list, unsupported};
use crate::interface::{self, address};
use crate::records::{Attachment, Instance, InstanceState, NetworkInterface, PrivateAddress, Subnet};
use crate::side_records::ATTACHMENT;
use crate::world::World;
use crate::{addressing, instance_query, instance_type, interface_index, security_group};
use aws_model::ec2 as wire;
use base::{AttachmentId, NetworkInterfaceId};

/// Users leave a service's interfaces alone.
fn check_owner(world: &World<'_, '_>, interface: &NetworkInterface) -> Result<()> {
    if interface.requester.is_some() && !world.scope.by_service {
        let message = "You do not have permission to access the specified resource.";
        return Err(refuse("AuthFailure", message));
    }
    Ok(())
}

/// AttachNetworkInterface.
pub(crate) fn attach(
    world: &mut World<'_, '_>,
    input: &wire::AttachNetworkInterfaceRequest,
) -> Result<wire::AttachNetworkInterfaceResult> {
    unsupported(&[
        ("EnaSrdSpecification", input.ena_srd_specification.is_some()),
        ("EnaQueueCount", input.ena_queue_count.is_some()),
        ("NetworkCardIndex", input.network_card_index.is_some_and(|it| it != 0)),
    ])?;
    let interface = world.find::<NetworkInterface>(required(&input.network_interface_id, "NetworkInterfaceId")?)?;
    let instance = world.find::<Instance>(required(&input.instance_id, "InstanceId")?)?;
    let index = input.device_index.ok_or_else(|| missing("DeviceIndex"))?;
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped | InstanceState::Pending) {
        let message = format!("Instance '{}' is not 'running' or 'stopped'.", instance.id);
        return Err(refuse("IncorrectState", message));
    }
    let id = attach_to(world, interface, &instance, index, false)?;
    Ok(wire::AttachNetworkInterfaceResult { attachment_id: Some(id.to_string()), network_card_index: Some(0) })
}

/// Attaches an interface to an instance at a free device index.
pub(crate) fn attach_to(
    world: &mut World<'_, '_>,
    mut interface: NetworkInterface,
    instance: &Instance,
    index: i32,
    delete_on_termination: bool,
) -> Result<AttachmentId> {
    if interface.attachment.is_some() {
        return Err(invalid(format!("Network interface '{}' is currently in use.", interface.id)));
    }
    if interface.zone != instance.zone {
        return Err(invalid(
            "You may not attach a network interface to an instance if they are not in the same availability zone",
        ));
    }
    if interface.vpc != instance.vpc {
        return Err(invalid("You may not attach a network interface to an instance of another VPC"));
    }
    let attached = instance_query::watched_interfaces(world, &instance.id)?;
    let kind = instance_type::find(&instance.instance_type)?;
    let limit = usize::try_from(kind.interfaces).unwrap_or_default();
    if attached.len() >= limit {
        let message = format!("Interface count {} exceeds the limit for {}", attached.len() + 1, kind.name);
        return Err(refuse("AttachmentLimitExceeded", message));
    }
    if !(0..kind.interfaces.max(16)).contains(&index) {
        return Err(invalid(format!("Invalid device index '{index}'.")));
    }
    if attached.iter().any(|it| it.attachment.as_ref().is_some_and(|at| at.device_index == index)) {
        let message =
            format!("Instance '{}' already has an interface attached at device index '{index}'.", instance.id);
        return Err(invalid(message));
    }
    check_address_limit(interface.addresses.len(), kind)?;
    let id = AttachmentId::random();
    let attachment = Attachment {
        id: id.clone(),
        at: world.scope.now,
        device_index: index,
        delete_on_termination,
        instance: Some(instance.id.clone()),
        instance_owner: world.account().to_string(),
    };
    interface::attach(world, &mut interface, attachment)?;
    world.put(&interface)?;
    Ok(id)
}

fn check_address_limit(count: usize, kind: &instance_type::InstanceType) -> Result<()> {
    if i32::try_from(count).is_ok_and(|count| count <= kind.addresses) {
        return Ok(());
    }
    Err(refuse("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit."))
}

/// DetachNetworkInterface.
pub(crate) fn detach(world: &mut World<'_, '_>, input: &wire::DetachNetworkInterfaceRequest) -> Result<()> {
    let id = required(&input.attachment_id, "AttachmentId")?;
    if id.parse::<AttachmentId>().is_err() {
        let message = format!("Invalid id: \"{id}\" (expecting \"{}...\")", AttachmentId::PREFIX);
        return Err(refuse("InvalidAttachmentID.Malformed", message));
    }
    let holder = world.entry::<NetworkInterfaceId>(&world.key(ATTACHMENT, id))?;
    let absent = || refuse("InvalidAttachmentID.NotFound", format!("The attachment '{id}' does not exist"));
    let mut interface = world.find::<NetworkInterface>(holder.ok_or_else(absent)?.as_str())?;
    check_owner(world, &interface)?;
    if interface.attachment.as_ref().is_some_and(|it| it.device_index == 0) {
        let message = "The network interface at device index 0 and networkCard index 0 cannot be detached.";
        return Err(refuse("OperationNotPermitted", message));
    }
    interface::detach(world, &mut interface);
    world.put(&interface)
}

/// ModifyNetworkInterfaceAttribute.
pub(crate) fn modify(world: &mut World<'_, '_>, input: &wire::ModifyNetworkInterfaceAttributeRequest) -> Result<()> {
    unsupported(&[
        ("EnaSrdSpecification", input.ena_srd_specification.is_some()),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
        ("ConnectionTrackingSpecification", input.connection_tracking_specification.is_some()),
        ("AssociatePublicIpAddress", input.associate_public_ip_address.is_some()),
        ("AssociatedSubnetId", input.associated_subnet_ids.is_some()),
    ])?;
    let id = required(&input.network_interface_id, "NetworkInterfaceId")?;
    let mut interface = world.find::<NetworkInterface>(id)?;
    check_owner(world, &interface)?;
    if let Some(text) = input.description.as_ref() {
        interface.description = text.value.clone().unwrap_or_default();
    }
    if let Some(value) = input.source_dest_check.as_ref().and_then(|it| it.value) {
        interface.source_dest_check = value;
    }
    if let Some(groups) = input.groups.as_deref().filter(|it| !it.is_empty()) {
        let groups = security_group::resolve(world, &interface.vpc, groups)?;
        interface_index::regroup(world, &mut interface, groups)?;
    }
    if let Some(change) = &input.attachment {
        let given = required(&change.attachment_id, "AttachmentId")?;
        match interface.attachment.as_mut().filter(|it| it.id.as_str() == given) {
            Some(attachment) => {
                if let Some(value) = change.delete_on_termination {
                    attachment.delete_on_termination = value;
                }
            }
            None => {
                let message = format!("The attachment '{given}' does not exist");
                return Err(refuse("InvalidAttachmentID.NotFound", message));
            }
        }
    }
    world.put(&interface)
}

/// AssignPrivateIpAddresses.
pub(crate) fn assign(
    world: &mut World<'_, '_>,
    input: &wire::AssignPrivateIpAddressesRequest,
) -> Result<wire::AssignPrivateIpAddressesResult> {
    unsupported(&[
        ("Ipv4Prefix", input.ipv4_prefixes.as_ref().is_some_and(|it| !it.is_empty())),
        ("Ipv4PrefixCount", input.ipv4_prefix_count.is_some_and(|it| it != 0)),
    ])?;
    let id = required(&input.network_interface_id, "NetworkInterfaceId")?;
    let mut interface = world.find::<NetworkInterface>(id)?;
    check_owner(world, &interface)?;
    let asked = input.private_ip_addresses.iter().flatten().map(|it| address(it)).collect::<Result<Vec<_>>>()?;
    let more = interface::count(input.secondary_private_ip_address_count, "SecondaryPrivateIpAddressCount")?;
    match (asked.len(), more) {
        (0, 0) => return Err(missing("SecondaryPrivateIpAddressCount")),
        (1.., 1..) => {
            return Err(combination(
                "The parameters secondaryPrivateIpAddressCount and privateIpAddresses may not be used together.",
            ));
        }
        _ => {}
    }
    let limit = limit_of(world, &interface)?;
    if interface.addresses.len() + asked.len() + more > limit {
        let message = "Number of private addresses will exceed limit.";
        return Err(refuse("PrivateIpAddressLimitExceeded", message));
    }
    let subnet = world.find::<Subnet>(interface.subnet.as_str())?;
    let mut added = Vec::new();
    for one in asked {
        if input.allow_reassignment == Some(true) {
            take_over(world, &interface, &subnet, one)?;
        }
        addressing::take_this(world, &subnet, one, interface.id.as_str())?;
        added.push(one);
    }
    for _ in 0..more {
        // The count of addresses makes the search start elsewhere each time.
        let nth = interface.addresses.len() + added.len();
        added.push(addressing::take_any(world, &subnet, interface.id.as_str(), nth)?);
    }
    interface.addresses.extend(added.iter().map(|it| PrivateAddress { address: *it, public: None }));
    world.put(&interface)?;
    let shown = |it: &std::net::Ipv4Addr| wire::AssignedPrivateIpAddress { private_ip_address: Some(it.to_string()) };
    Ok(wire::AssignPrivateIpAddressesResult {
        network_interface_id: Some(interface.id.to_string()),
        assigned_private_ip_addresses: Some(added.iter().map(shown).collect()),
        assigned_ipv4_prefixes: None,
    })
}

/// How many addresses an interface may have: what its instance's type allows.
fn limit_of(world: &World<'_, '_>, interface: &NetworkInterface) -> Result<usize> {
    let owner = interface.attachment.as_ref().and_then(|it| it.instance.as_ref());
    let instance = owner.map(|id| world.get::<Instance>(id.as_str())).transpose()?.flatten();
    let kind = instance.and_then(|it| instance_type::InstanceType::find(&it.instance_type));
    Ok(kind.and_then(|it| usize::try_from(it.addresses).ok()).unwrap_or(50))
}

/// Takes a secondary address from the interface that has it.
fn take_over(
    world: &mut World<'_, '_>,
    to: &NetworkInterface,
    subnet: &Subnet,
    address: std::net::Ipv4Addr,
) -> Result<()> {
    let key = addressing::private_key(world, subnet.id.as_str(), address);
    let Some(holder) = world.entry::<String>(&key)? else { return Ok(()) };
    if holder == to.id.as_str() {
        return Ok(());
    }
    let mut from = world.find::<NetworkInterface>(&holder)?;
    if from.primary() == address {
        let message = format!("{address} is the primary address of {holder} and cannot be reassigned.");
        return Err(refuse("InvalidParameterValue", message));
    }
    check_owner(world, &from)?;
    remove_address(world, &mut from, address)?;
    world.put(&from)
}

fn remove_address(
    world: &mut World<'_, '_>,
    interface: &mut NetworkInterface,
    address: std::net::Ipv4Addr,
) -> Result<()> {
    if let Some(index) = interface.addresses.iter().position(|it| it.address == address) {
        let removed = interface.addresses.remove(index);
        interface::release(world, interface, &removed)?;
    }
    Ok(())
}

/// UnassignPrivateIpAddresses.
pub(crate) fn unassign(world: &mut World<'_, '_>, input: &wire::UnassignPrivateIpAddressesRequest) -> Result<()> {
    unsupported(&[("Ipv4Prefix", input.ipv4_prefixes.as_ref().is_some_and(|it| !it.is_empty()))])?;
    let id = required(&input.network_interface_id, "NetworkInterfaceId")?;
    let mut interface = world.find::<NetworkInterface>(id)?;
    check_owner(world, &interface)?;
    let given = required_list(&input.private_ip_addresses, "PrivateIpAddress")?;
    for text in given {
        let address = address(text)?;
        let is_secondary = interface.addresses.iter().skip(1).any(|it| it.address == address);
        if !is_secondary {
            let message = format!("Some of the specified addresses are not assigned to interface {}", interface.id);
            return Err(invalid(message));
        }
        remove_address(world, &mut interface, address)?;
    }
    world.put(&interface)
}
