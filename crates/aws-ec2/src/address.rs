//! Elastic addresses: allocate, associate with an interface's private address, release.

use crate::error::{Result, combination, invalid, missing, refuse, required, unsupported};
use crate::filter::{Column, keep, text};
use crate::interface::address as parse_address;
use crate::records::{
    AddressAssociation, ElasticAddress, Instance, InstanceState, InternetGateway, NetworkInterface, PublicAddress,
};
use crate::resource::not_found;
use crate::world::World;
use crate::{addressing, instance_change, instance_query, internet_gateway, tag};
use aws_model::ec2 as wire;
use base::{AddressAssociationId, AllocationId, NetworkInterfaceId};
use std::net::Ipv4Addr;

/// AllocateAddress.
pub(crate) fn allocate(
    world: &mut World<'_, '_>,
    input: &wire::AllocateAddressRequest,
) -> Result<wire::AllocateAddressResult> {
    unsupported(&[
        ("Domain", input.domain.as_deref().is_some_and(|it| it != "vpc")),
        ("Address", input.address.is_some()),
        ("PublicIpv4Pool", input.public_ipv4_pool.as_deref().is_some_and(|it| it != "amazon")),
        ("CustomerOwnedIpv4Pool", input.customer_owned_ipv4_pool.is_some()),
        ("IpamPoolId", input.ipam_pool_id.is_some()),
        ("NetworkBorderGroup", input.network_border_group.as_deref().is_some_and(|it| it != world.region().as_str())),
    ])?;
    let tags = tag::given(world, &input.tag_specifications, "elastic-ip")?;
    let id = AllocationId::random();
    let address = addressing::take_public(world, id.as_str())?;
    world.put(&ElasticAddress { id: id.clone(), address, association: None, tags })?;
    Ok(wire::AllocateAddressResult {
        allocation_id: Some(id.to_string()),
        public_ip: Some(address.to_string()),
        domain: Some("vpc".to_owned()),
        public_ipv4_pool: Some("amazon".to_owned()),
        network_border_group: Some(world.region().to_string()),
        ..Default::default()
    })
}

/// The elastic address that a call names by allocation or public address.
fn named(world: &World<'_, '_>, id: &Option<String>, public: &Option<String>) -> Result<ElasticAddress> {
    match (id, public) {
        (Some(_), Some(_)) => {
            Err(combination("You may specify public IP or allocation id, but not both in the same call"))
        }
        (Some(id), None) => world.find(id),
        (None, Some(text)) => by_public(world, text),
        (None, None) => Err(missing("AllocationId")),
    }
}

fn by_public(world: &World<'_, '_>, text: &str) -> Result<ElasticAddress> {
    let address = parse_address(text)?;
    let seen = world.peek::<ElasticAddress>()?.into_iter().find(|it| it.address == address);
    let absent = || refuse("InvalidAddress.NotFound", format!("Address '{text}' not found."));
    world.find(seen.ok_or_else(absent)?.id.as_str())
}

/// ReleaseAddress.
pub(crate) fn release(world: &mut World<'_, '_>, input: &wire::ReleaseAddressRequest) -> Result<()> {
    let elastic = named(world, &input.allocation_id, &input.public_ip)?;
    if elastic.association.is_some() {
        return Err(refuse("InvalidIPAddress.InUse", format!("Address {} is in use.", elastic.address)));
    }
    addressing::give_back_public(world, elastic.address);
    world.remove::<ElasticAddress>(elastic.id.as_str());
    Ok(())
}

/// The interface that a call means: itself or an instance's only one.
fn target(world: &World<'_, '_>, input: &wire::AssociateAddressRequest) -> Result<NetworkInterface> {
    match (&input.network_interface_id, &input.instance_id) {
        (Some(_), Some(_)) => Err(combination("Specify either the instance or the network interface, not both.")),
        (Some(id), None) => world.find(id),
        (None, Some(id)) => {
            let mut interfaces = instance_query::interfaces(world, id)?;
            match (interfaces.pop(), interfaces.is_empty()) {
                (Some(only), true) => Ok(only),
                (Some(_), false) => Err(refuse(
                    "InvalidInstanceID",
                    format!(
                        "There are multiple interfaces attached to instance '{id}'. Please specify an interface ID \
                            for the operation instead."
                    ),
                )),
                (None, _) => Err(refuse("InvalidInstanceID", format!("Instance {id} has no network interface."))),
            }
        }
        (None, None) => Err(missing("NetworkInterfaceId")),
    }
}

/// AssociateAddress.
pub(crate) fn associate(
    world: &mut World<'_, '_>,
    input: &wire::AssociateAddressRequest,
) -> Result<wire::AssociateAddressResult> {
    let mut elastic = named(world, &input.allocation_id, &input.public_ip)?;
    let interface = target(world, input)?;
    if interface.requester.is_some() && !world.scope.by_service {
        return Err(refuse("AuthFailure", "You do not have permission to access the specified resource."));
    }
    let private = input.private_ip_address.as_deref().map(parse_address).transpose()?.unwrap_or(interface.primary());
    if internet_gateway::of_vpc(&world.scan::<InternetGateway>()?, &interface.vpc).is_none() {
        let message = format!("Network {} is not attached to any internet gateway", interface.vpc);
        return Err(refuse("Gateway.NotAttached", message));
    }
    if let Some(old) = &elastic.association {
        if old.interface == interface.id && old.private == private {
            return Ok(wire::AssociateAddressResult { association_id: Some(old.id.to_string()) });
        }
        check_reassociation(input, &elastic, old)?;
        clear(world, &old.interface.clone(), old.private)?;
    }
    // Read again: the old association may have been on the same interface.
    let interface = world.find::<NetworkInterface>(interface.id.as_str())?;
    let id = put_on(world, interface, private, &elastic, input.allow_reassociation != Some(false))?;
    elastic.association = Some(id.clone());
    world.put(&elastic)?;
    Ok(wire::AssociateAddressResult { association_id: Some(id.id.to_string()) })
}

fn check_reassociation(
    input: &wire::AssociateAddressRequest,
    elastic: &ElasticAddress,
    old: &AddressAssociation,
) -> Result<()> {
    if input.allow_reassociation == Some(false) {
        let message = format!("resource {} is already associated with associate-id {}", elastic.id, old.id);
        return Err(refuse("Resource.AlreadyAssociated", message));
    }
    Ok(())
}

/// Puts an elastic address on a private one; what stood there before makes room.
fn put_on(
    world: &mut World<'_, '_>,
    mut interface: NetworkInterface,
    private: Ipv4Addr,
    elastic: &ElasticAddress,
    may_replace: bool,
) -> Result<AddressAssociation> {
    let id = interface.id.clone();
    let Some(slot) = interface.addresses.iter_mut().find(|it| it.address == private) else {
        let message = format!("The private address {private} does not belong to the interface {id}");
        return Err(invalid(message));
    };
    match slot.public.take() {
        Some(PublicAddress { address, allocation: None }) => addressing::give_back_public(world, address),
        Some(PublicAddress { allocation: Some(other), .. }) => {
            if !may_replace {
                let message = format!("resource {id} is already associated with {other}");
                return Err(refuse("Resource.AlreadyAssociated", message));
            }
            if let Some(mut other) = world.get::<ElasticAddress>(other.as_str())? {
                other.association = None;
                world.put(&other)?;
            }
        }
        None => {}
    }
    slot.public = Some(PublicAddress { address: elastic.address, allocation: Some(elastic.id.clone()) });
    world.put(&interface)?;
    Ok(AddressAssociation { id: AddressAssociationId::random(), interface: id, private })
}

/// Takes an elastic address off a private one. An instance that had an auto-assigned address before gets another.
/// Source: *Amazon EC2 User Guide*, "Amazon EC2 instance IP addressing".
fn clear(world: &mut World<'_, '_>, interface: &NetworkInterfaceId, private: Ipv4Addr) -> Result<()> {
    let Some(mut interface) = world.get::<NetworkInterface>(interface.as_str())? else { return Ok(()) };
    for slot in interface.addresses.iter_mut().filter(|it| it.address == private) {
        slot.public = None;
    }
    world.put(&interface)?;
    let Some(instance) = interface.attachment.and_then(|it| it.instance) else { return Ok(()) };
    match world.get::<Instance>(instance.as_str())? {
        Some(it) if matches!(it.state, InstanceState::Pending | InstanceState::Running) => {
            instance_change::renew_public(world, &it)
        }
        _ => Ok(()),
    }
}

/// DisassociateAddress.
pub(crate) fn disassociate(world: &mut World<'_, '_>, input: &wire::DisassociateAddressRequest) -> Result<()> {
    let elastic = match (&input.association_id, &input.public_ip) {
        (Some(id), _) => {
            let has = |it: &ElasticAddress| it.association.as_ref().is_some_and(|at| at.id.as_str() == id);
            let seen = world.peek::<ElasticAddress>()?.into_iter().find(has);
            let absent =
                || refuse("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"));
            world.find::<ElasticAddress>(seen.ok_or_else(absent)?.id.as_str())?
        }
        (None, public) => by_public(world, required(public, "AssociationId")?)?,
    };
    let Some(association) = elastic.association.clone() else {
        let given = input.association_id.as_deref().or(input.public_ip.as_deref()).unwrap_or_default();
        let message = format!("The association ID '{given}' does not exist");
        return Err(refuse("InvalidAssociationID.NotFound", message));
    };
    clear(world, &association.interface, association.private)?;
    world.put(&ElasticAddress { association: None, ..elastic })
}

const FILTERS: &[Column<wire::Address>] = &[
    ("allocation-id", |it| text(&it.allocation_id)),
    ("association-id", |it| text(&it.association_id)),
    ("domain", |it| text(&it.domain)),
    ("instance-id", |it| text(&it.instance_id)),
    ("network-border-group", |it| text(&it.network_border_group)),
    ("network-interface-id", |it| text(&it.network_interface_id)),
    ("network-interface-owner-id", |it| text(&it.network_interface_owner_id)),
    ("private-ip-address", |it| text(&it.private_ip_address)),
    ("public-ip", |it| text(&it.public_ip)),
];

/// DescribeAddresses.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeAddressesRequest,
) -> Result<wire::DescribeAddressesResult> {
    let mut found = match (input.allocation_ids.as_deref(), input.public_ips.as_deref()) {
        (None | Some([]), Some([_, ..])) => Vec::new(),
        _ => world.select::<ElasticAddress>(&input.allocation_ids)?,
    };
    for public in input.public_ips.iter().flatten() {
        let elastic = by_public(world, public)?;
        if !found.contains(&elastic) {
            found.push(elastic);
        }
    }
    let shown = found.iter().map(|it| render(world, it)).collect::<Result<Vec<_>>>()?;
    Ok(wire::DescribeAddressesResult { addresses: Some(keep(shown, &input.filters, FILTERS)?) })
}

fn render(world: &World<'_, '_>, it: &ElasticAddress) -> Result<wire::Address> {
    let mut shown = wire::Address {
        allocation_id: Some(it.id.to_string()),
        public_ip: Some(it.address.to_string()),
        domain: Some("vpc".to_owned()),
        public_ipv4_pool: Some("amazon".to_owned()),
        network_border_group: Some(world.region().to_string()),
        tags: tag::render_some(&it.tags),
        ..Default::default()
    };
    if let Some(association) = &it.association {
        let id = &association.interface;
        let interface =
            world.get::<NetworkInterface>(id.as_str())?.ok_or_else(|| not_found::<NetworkInterface>(id.as_str()))?;
        let instance = interface.attachment.and_then(|it| it.instance);
        shown.association_id = Some(association.id.to_string());
        shown.network_interface_id = Some(id.to_string());
        shown.network_interface_owner_id = Some(world.account().to_string());
        shown.private_ip_address = Some(association.private.to_string());
        shown.instance_id = instance.map(|it| it.to_string());
    }
    Ok(shown)
}
