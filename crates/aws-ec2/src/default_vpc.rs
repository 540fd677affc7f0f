//! The default VPC of a region: made when the region is first used, and again on CreateDefaultVpc.
//! Source: *Amazon VPC User Guide*, "Default VPCs": 172.31.0.0/16, a /20 in each zone, a way to the Internet.

use crate::error::{Result, combination, invalid, refuse, required, unsupported};
use crate::records::{InternetGateway, Record as _, Route, RouteTable, RouteTarget, Subnet, Tags, Vpc};
use crate::side_records::DEFAULT;
use crate::world::World;
use crate::{subnet, vpc};
use aws_model::ec2 as wire;
use base::{InternetGatewayId, Ipv4Block, SubnetId, Zone};
use std::net::Ipv4Addr;

/// The default VPC's block.
const NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 31, 0, 0), 16);
/// Length of the prefix of a default subnet.
const SUBNET_PREFIX: u8 = 20;

/// The key that says that the region got its default VPC once; it is not made again when the user deletes it.
pub(crate) fn marker(world: &World<'_, '_>) -> String {
    world.key(DEFAULT, "made")
}

/// Makes the default VPC unless the region had it before.
pub(crate) fn ensure(world: &mut World<'_, '_>) -> Result<()> {
    let marker = marker(world);
    if world.entry::<bool>(&marker)?.is_none() {
        world.put_entry(marker, &true)?;
        make(world)?;
    }
    Ok(())
}

/// CreateDefaultVpc.
pub(crate) fn create(world: &mut World<'_, '_>) -> Result<wire::CreateDefaultVpcResult> {
    if let Some(vpc) = world.scan::<Vpc>()?.into_iter().find(|vpc| vpc.is_default) {
        let message = format!("A Default VPC already exists for this account in this region: {}.", vpc.id);
        return Err(refuse("DefaultVpcAlreadyExists", message));
    }
    let vpc = make(world)?;
    Ok(wire::CreateDefaultVpcResult { vpc: Some(vpc::render(world, &vpc)) })
}

fn make(world: &mut World<'_, '_>) -> Result<Vpc> {
    let block = Ipv4Block::containing(NETWORK.0, NETWORK.1).unwrap_or(Ipv4Block::ANY);
    let made = vpc::make(world, block, true, Tags::new())?;
    let gateway = InternetGateway { id: InternetGatewayId::random(), vpc: Some(made.id.clone()), tags: Tags::new() };
    world.put(&gateway)?;
    let main = world.peek::<RouteTable>()?.into_iter().find(|table| table.vpc == made.id && table.is_main());
    if let Some(mut table) = main {
        table.routes.push(Route { destination: Ipv4Block::ANY, target: RouteTarget::InternetGateway(gateway.id) });
        world.put(&table)?;
    }
    for (index, zone) in (0u64..).zip(world.region().zones()) {
        if let Some(block) = nth_block(&block, index) {
            make_subnet(world, &made, &zone, block)?;
        }
    }
    Ok(made)
}

fn nth_block(vpc: &Ipv4Block, index: u64) -> Option<Ipv4Block> {
    Ipv4Block::containing(vpc.nth(index << (32 - u32::from(SUBNET_PREFIX)))?, SUBNET_PREFIX)
}

fn make_subnet(world: &mut World<'_, '_>, vpc: &Vpc, zone: &Zone, block: Ipv4Block) -> Result<Subnet> {
    let made = Subnet {
        id: SubnetId::random(),
        vpc: vpc.id.clone(),
        zone: zone.name.clone(),
        block,
        map_public_ip_on_launch: true,
        default_for_az: true,
        tags: Tags::new(),
    };
    world.put(&made)?;
    Ok(made)
}

/// CreateDefaultSubnet: the first free /20 of the default VPC.
pub(crate) fn create_subnet(
    world: &mut World<'_, '_>,
    input: &wire::CreateDefaultSubnetRequest,
) -> Result<wire::CreateDefaultSubnetResult> {
    unsupported(&[("Ipv6Native", input.ipv6_native == Some(true))])?;
    let zone = match (&input.availability_zone, &input.availability_zone_id) {
        (Some(_), Some(_)) => return Err(combination("Specify either AvailabilityZone or AvailabilityZoneId.")),
        (None, Some(id)) => subnet::zone(world, None, Some(id))?,
        (name, None) => subnet::zone(world, Some(required(name, "AvailabilityZone")?), None)?,
    };
    let Some(vpc) = world.default_vpc()? else {
        return Err(refuse("DefaultVpcDoesNotExist", "No default VPC for this user"));
    };
    let vpc = world.find::<Vpc>(vpc.id.as_str())?;
    let others: Vec<_> = world.scan::<Subnet>()?.into_iter().filter(|it| it.vpc == vpc.id).collect();
    if let Some(other) = others.iter().find(|it| it.default_for_az && it.zone == zone.name) {
        let message = format!("The default subnet {} already exists in availability zone {}.", other.id, zone.name);
        return Err(refuse("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let is_free = |block: &Ipv4Block| !others.iter().any(|it| it.block.overlaps(block));
    let free = (0..16).filter_map(|index| nth_block(&vpc.primary_block(), index)).find(is_free);
    let full = || invalid(format!("There is no free /{SUBNET_PREFIX} left in the default {}.", Vpc::KIND));
    let made = make_subnet(world, &vpc, &zone, free.ok_or_else(full)?)?;
    Ok(wire::CreateDefaultSubnetResult { subnet: Some(subnet::render(world, &made)?) })
}
