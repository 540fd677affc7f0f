//! Network interfaces: making, deleting and the answer's form. Their changes are in `interface_change`.

use crate::error::{Result, combination, invalid, refuse, required, unsupported};
use crate::records::{Attachment, ElasticAddress, NetworkInterface, PrivateAddress, PublicAddress, Subnet, Tags};
use crate::side_records::{ATTACHED, ATTACHMENT};
use crate::token::Token;
use crate::world::World;
use crate::{addressing, interface_index, security_group, tag};
use aws_model::ec2 as wire;
use base::{AttachmentId, NetworkInterfaceId, SecurityGroupId, hex, random_bytes};
use std::net::Ipv4Addr;

/// The account of the service whose control planes use cross-account interfaces: any fixed one that is no user's.
pub const SERVICE_ACCOUNT: &str = "339713109942";
/// Private addresses on one interface that belongs to no instance yet: the most that any instance type allows.
const MAX_ADDRESSES: usize = 50;

/// What a new interface shall be.
pub(crate) struct NewInterface {
    /// Where.
    pub subnet: Subnet,
    /// Its description.
    pub description: String,
    /// Addresses that were asked for, the primary one first if it was.
    pub primary: Option<Ipv4Addr>,
    /// Secondary addresses that were asked for.
    pub secondary: Vec<Ipv4Addr>,
    /// How many more secondary addresses, whichever are free.
    pub more: usize,
    /// Its groups, already checked.
    pub groups: Vec<SecurityGroupId>,
    /// Its tags.
    pub tags: Tags,
}

/// Parses an address.
pub(crate) fn address(text: &str) -> Result<Ipv4Addr> {
    text.parse().map_err(|_| invalid(format!("invalid value for parameter address: {text}")))
}

/// The addresses that a call asks for: one parameter or a list of them, of which at most one is primary.
pub(crate) fn asked_addresses(
    single: &Option<String>,
    list: &Option<Vec<wire::PrivateIpAddressSpecification>>,
) -> Result<(Option<Ipv4Addr>, Vec<Ipv4Addr>)> {
    let list = list.as_deref().unwrap_or_default();
    let mut primary = single.as_deref().map(address).transpose()?;
    let mut secondary = Vec::new();
    for one in list {
        let address = address(required(&one.private_ip_address, "PrivateIpAddress")?)?;
        // The first of a list without a mark is the primary one, as nothing else names it.
        let is_primary = one.primary == Some(true) || (list.len() == 1 && one.primary.is_none() && primary.is_none());
        match (is_primary, primary) {
            (true, Some(other)) if other != address => {
                return Err(combination("Only one primary private IP address can be specified."));
            }
            (true, _) => primary = Some(address),
            (false, _) => secondary.push(address),
        }
    }
    Ok((primary, secondary))
}

/// Takes the addresses of a new interface; the record is the caller's to finish and write.
pub(crate) fn build(world: &mut World<'_, '_>, new: NewInterface) -> Result<NetworkInterface> {
    let id = NetworkInterfaceId::random();
    if 1 + new.secondary.len() + new.more > MAX_ADDRESSES {
        let message = "Number of private addresses will exceed limit.";
        return Err(refuse("PrivateIpAddressLimitExceeded", message));
    }
    let wanted: Vec<_> = new.primary.iter().chain(&new.secondary).copied().collect();
    for address in wanted {
        addressing::take_this(world, &new.subnet, address, id.as_str())?;
    }
    let primary = match new.primary {
        Some(address) => address,
        None => addressing::take_any(world, &new.subnet, id.as_str(), 0)?,
    };
    let mut addresses = vec![PrivateAddress { address: primary, public: None }];
    addresses.extend(new.secondary.iter().map(|it| PrivateAddress { address: *it, public: None }));
    for nth in 1..=new.more {
        let address = addressing::take_any(world, &new.subnet, id.as_str(), nth)?;
        addresses.push(PrivateAddress { address, public: None });
    }
    let interface = NetworkInterface {
        id,
        vpc: new.subnet.vpc,
        subnet: new.subnet.id,
        zone: new.subnet.zone,
        mac: random_mac(),
        description: new.description,
        addresses,
        groups: new.groups,
        source_dest_check: true,
        attachment: None,
        requester: None,
        tags: new.tags,
    };
    interface_index::enter(world, &interface)?;
    Ok(interface)
}

/// A locally administered unicast address.
fn random_mac() -> String {
    let mut bytes = random_bytes::<6>();
    bytes[0] = (bytes[0] & 0x0c) | 0x02;
    bytes.map(|byte| hex(&[byte])).join(":")
}

/// CreateNetworkInterface. Asked by a service it makes a requester-managed one, in use from the start.
///
/// A service that may be interrupted passes a `ClientToken` of its own (say cluster id and place): the same call again
/// answers with the same interface.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateNetworkInterfaceRequest,
) -> Result<wire::CreateNetworkInterfaceResult> {
    refuse_unserved(input)?;
    let token = Token::of(world, "CreateNetworkInterface", &input.client_token, input);
    // Made before, and not deleted meanwhile.
    if let Some(made) = token.made(world)?
        && let Some(interface) = world.get::<NetworkInterface>(made.first().map_or("", String::as_str))?
    {
        return answer(world, &interface, input);
    }
    let subnet = world.find::<Subnet>(required(&input.subnet_id, "SubnetId")?)?;
    let groups = security_group::resolve(world, &subnet.vpc, input.groups.as_deref().unwrap_or_default())?;
    let (primary, secondary) = asked_addresses(&input.private_ip_address, &input.private_ip_addresses)?;
    let more = count(input.secondary_private_ip_address_count, "SecondaryPrivateIpAddressCount")?;
    if more > 0 && !secondary.is_empty() {
        return Err(combination(
            "The parameters secondaryPrivateIpAddressCount and privateIpAddresses may not be used together.",
        ));
    }
    let tags = tag::given(world, &input.tag_specifications, "network-interface")?;
    let description = input.description.clone().unwrap_or_default();
    let mut interface = build(world, NewInterface { subnet, description, primary, secondary, more, groups, tags })?;
    if world.scope.by_service {
        interface.requester = Some(SERVICE_ACCOUNT.to_owned());
        let at = world.scope.now;
        attach(
            world,
            &mut interface,
            Attachment {
                id: AttachmentId::random(),
                at,
                device_index: 1,
                delete_on_termination: true,
                instance: None,
                instance_owner: SERVICE_ACCOUNT.to_owned(),
            },
        )?;
    }
    world.put(&interface)?;
    token.keep(world, vec![interface.id.to_string()])?;
    answer(world, &interface, input)
}

fn answer(
    world: &World<'_, '_>,
    interface: &NetworkInterface,
    input: &wire::CreateNetworkInterfaceRequest,
) -> Result<wire::CreateNetworkInterfaceResult> {
    let network_interface = Some(render(world, interface)?);
    Ok(wire::CreateNetworkInterfaceResult { network_interface, client_token: input.client_token.clone() })
}

fn refuse_unserved(input: &wire::CreateNetworkInterfaceRequest) -> Result<()> {
    unsupported(&[
        ("Ipv4Prefix", input.ipv4_prefixes.as_ref().is_some_and(|it| !it.is_empty())),
        ("Ipv4PrefixCount", input.ipv4_prefix_count.is_some_and(|it| it != 0)),
        ("Ipv6Prefix", input.ipv6_prefixes.as_ref().is_some_and(|it| !it.is_empty())),
        ("Ipv6PrefixCount", input.ipv6_prefix_count.is_some_and(|it| it != 0)),
        ("Ipv6Addresses", input.ipv6_addresses.as_ref().is_some_and(|it| !it.is_empty())),
        ("Ipv6AddressCount", input.ipv6_address_count.is_some_and(|it| it != 0)),
        ("InterfaceType", input.interface_type.as_deref().is_some_and(|it| it != "interface")),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
        ("ConnectionTrackingSpecification", input.connection_tracking_specification.is_some()),
        ("Operator", input.operator.is_some()),
    ])
}

/// A count that a call gives; none is zero.
pub(crate) fn count(given: Option<i32>, parameter: &str) -> Result<usize> {
    let bad = || invalid(format!("Value for parameter {parameter} is invalid. Expecting a number of at least 0."));
    usize::try_from(given.unwrap_or(0)).map_err(|_| bad())
}

/// Puts an attachment on an interface and into the indexes. The caller writes the interface.
pub(crate) fn attach(world: &mut World<'_, '_>, interface: &mut NetworkInterface, it: Attachment) -> Result<()> {
    let key = world.key(ATTACHMENT, it.id.as_str());
    world.put_entry(key, &interface.id)?;
    if let Some(instance) = &it.instance {
        let key = world.key(ATTACHED, &format!("{instance}/{}", interface.id));
        world.put_entry(key, &it.device_index)?;
    }
    interface.attachment = Some(it);
    Ok(())
}

/// Takes the attachment off an interface and out of the indexes. The caller writes the interface.
pub(crate) fn detach(world: &mut World<'_, '_>, interface: &mut NetworkInterface) {
    if let Some(it) = interface.attachment.take() {
        let key = world.key(ATTACHMENT, it.id.as_str());
        world.remove_entry(key);
        if let Some(instance) = &it.instance {
            let key = world.key(ATTACHED, &format!("{instance}/{}", interface.id));
            world.remove_entry(key);
        }
    }
}

/// DeleteNetworkInterface. A service may delete what it asked for although it is in use.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteNetworkInterfaceRequest) -> Result<()> {
    let interface = world.find::<NetworkInterface>(required(&input.network_interface_id, "NetworkInterfaceId")?)?;
    let own = world.scope.by_service && interface.requester.is_some();
    if interface.attachment.is_some() && !own {
        return Err(invalid(format!("Network interface '{}' is currently in use.", interface.id)));
    }
    forget(world, interface)
}

/// Deletes an interface, gives its addresses back and lets go of elastic ones.
pub(crate) fn forget(world: &mut World<'_, '_>, mut interface: NetworkInterface) -> Result<()> {
    detach(world, &mut interface);
    interface_index::leave(world, &interface);
    for address in &interface.addresses {
        release(world, &interface, address)?;
    }
    world.remove::<NetworkInterface>(interface.id.as_str());
    Ok(())
}

/// Gives one private address back with the public one that stands for it. The caller writes the interface.
pub(crate) fn release(world: &mut World<'_, '_>, interface: &NetworkInterface, address: &PrivateAddress) -> Result<()> {
    addressing::give_back(world, interface.subnet.as_str(), address.address);
    match &address.public {
        Some(PublicAddress { address, allocation: None }) => addressing::give_back_public(world, *address),
        Some(PublicAddress { allocation: Some(id), .. }) => {
            if let Some(mut elastic) = world.get::<ElasticAddress>(id.as_str())? {
                elastic.association = None;
                world.put(&elastic)?;
            }
        }
        None => {}
    }
    Ok(())
}

/// The private host name of an address.
pub(crate) fn private_name(world: &World<'_, '_>, address: Ipv4Addr) -> String {
    format!("ip-{}.{}", address.to_string().replace('.', "-"), world.region().private_domain())
}

/// The public host name of an address, when the VPC gives any.
pub(crate) fn public_name(world: &World<'_, '_>, interface: &NetworkInterface, address: Ipv4Addr) -> Result<String> {
    Ok(if world.has_dns_hostnames(&interface.vpc)? {
        format!("ec2-{}.{}", address.to_string().replace('.', "-"), world.region().public_domain())
    } else {
        String::new()
    })
}

/// The groups of an interface as answers show them.
pub(crate) fn groups(world: &World<'_, '_>, interface: &NetworkInterface) -> Result<Vec<wire::GroupIdentifier>> {
    let one = |id: &SecurityGroupId| -> Result<wire::GroupIdentifier> {
        Ok(wire::GroupIdentifier { group_id: Some(id.to_string()), group_name: Some(world.group_name(id)?) })
    };
    interface.groups.iter().map(one).collect()
}

/// What stands for a private address on the Internet, as answers show it.
pub(crate) fn association(
    world: &World<'_, '_>,
    interface: &NetworkInterface,
    address: &PrivateAddress,
) -> Result<Option<wire::NetworkInterfaceAssociation>> {
    let Some(public) = &address.public else { return Ok(None) };
    let mut shown = wire::NetworkInterfaceAssociation {
        ip_owner_id: Some("amazon".to_owned()),
        public_dns_name: Some(public_name(world, interface, public.address)?),
        public_ip: Some(public.address.to_string()),
        ..Default::default()
    };
    if let Some(id) = &public.allocation {
        shown.ip_owner_id = Some(world.account().to_string());
        shown.allocation_id = Some(id.to_string());
        let elastic = world.get::<ElasticAddress>(id.as_str())?;
        shown.association_id = elastic.and_then(|it| it.association).map(|it| it.id.to_string());
    }
    Ok(Some(shown))
}

fn render_attachment(it: &Attachment) -> wire::NetworkInterfaceAttachment {
    wire::NetworkInterfaceAttachment {
        attach_time: Some(it.at),
        attachment_id: Some(it.id.to_string()),
        delete_on_termination: Some(it.delete_on_termination),
        device_index: Some(it.device_index),
        network_card_index: Some(0),
        instance_id: it.instance.as_ref().map(ToString::to_string),
        instance_owner_id: Some(it.instance_owner.clone()),
        status: Some("attached".to_owned()),
        ..Default::default()
    }
}

/// An interface as answers show it.
pub(crate) fn render(world: &World<'_, '_>, it: &NetworkInterface) -> Result<wire::NetworkInterface> {
    let mut addresses = Vec::new();
    for (index, one) in it.addresses.iter().enumerate() {
        addresses.push(wire::NetworkInterfacePrivateIpAddress {
            association: association(world, it, one)?,
            primary: Some(index == 0),
            private_dns_name: Some(private_name(world, one.address)),
            private_ip_address: Some(one.address.to_string()),
        });
    }
    let association = addresses.first().and_then(|one| one.association.clone());
    let public_dns_name = association.as_ref().and_then(|it| it.public_dns_name.clone()).unwrap_or_default();
    Ok(wire::NetworkInterface {
        association,
        attachment: it.attachment.as_ref().map(render_attachment),
        availability_zone: Some(it.zone.clone()),
        availability_zone_id: world.zone_id(&it.zone),
        description: Some(it.description.clone()),
        groups: Some(groups(world, it)?),
        interface_type: Some("interface".to_owned()),
        ipv6_addresses: Some(vec![]),
        mac_address: Some(it.mac.clone()),
        network_interface_id: Some(it.id.to_string()),
        owner_id: Some(world.account().to_string()),
        private_dns_name: Some(private_name(world, it.primary())),
        public_dns_name: Some(public_dns_name),
        private_ip_address: Some(it.primary().to_string()),
        private_ip_addresses: Some(addresses),
        requester_id: it.requester.clone(),
        requester_managed: Some(it.requester.is_some()),
        source_dest_check: Some(it.source_dest_check),
        status: Some(if it.attachment.is_some() { "in-use" } else { "available" }.to_owned()),
        subnet_id: Some(it.subnet.to_string()),
        tag_set: Some(tag::render(&it.tags)),
        vpc_id: Some(it.vpc.to_string()),
        operator: Some(wire::OperatorResponse { managed: Some(false), ..Default::default() }),
        ..Default::default()
    })
}
