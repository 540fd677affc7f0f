//! Routes of a route table: the implicit local ones, and those to an Internet gateway or a network interface.

use crate::error::{Result, combination, invalid, missing, refuse, required, unsupported};
use crate::instance_query;
use crate::records::{InternetGateway, NetworkInterface, Route, RouteTable, RouteTarget, Subnet, Vpc};
use crate::world::World;
use aws_model::ec2 as wire;
use base::Ipv4Block;

/// Routes in one table besides the local ones; AWS's default quota.
const MAX_ROUTES: usize = 500;

/// The targets a call may name, of which exactly one must be given.
struct Targets<'a> {
    gateway: Option<&'a str>,
    interface: Option<&'a str>,
    instance: Option<&'a str>,
}

/// CreateRoute.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateRouteRequest) -> Result<wire::CreateRouteResult> {
    unsupported(&[
        ("DestinationIpv6CidrBlock", input.destination_ipv6_cidr_block.is_some()),
        ("DestinationPrefixListId", input.destination_prefix_list_id.is_some()),
        ("NatGatewayId", input.nat_gateway_id.is_some()),
        ("VpcEndpointId", input.vpc_endpoint_id.is_some()),
        ("TransitGatewayId", input.transit_gateway_id.is_some()),
        ("VpcPeeringConnectionId", input.vpc_peering_connection_id.is_some()),
        ("EgressOnlyInternetGatewayId", input.egress_only_internet_gateway_id.is_some()),
        ("LocalGatewayId", input.local_gateway_id.is_some()),
        ("CarrierGatewayId", input.carrier_gateway_id.is_some()),
        ("CoreNetworkArn", input.core_network_arn.is_some()),
    ])?;
    let mut table = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    let destination = destination(&input.destination_cidr_block)?;
    let target = resolve(
        world,
        &table,
        Targets {
            gateway: input.gateway_id.as_deref(),
            interface: input.network_interface_id.as_deref(),
            instance: input.instance_id.as_deref(),
        },
    )?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(refuse("RouteAlreadyExists", message));
    }
    check_destination(world, &table, &destination, &target)?;
    if table.routes.len() >= MAX_ROUTES {
        let message = format!("The maximum number of routes per route table is {MAX_ROUTES}.");
        return Err(refuse("RouteLimitExceeded", message));
    }
    table.routes.push(Route { destination, target });
    world.put(&table)?;
    Ok(wire::CreateRouteResult { r#return: Some(true) })
}

/// ReplaceRoute.
pub(crate) fn replace(world: &mut World<'_, '_>, input: &wire::ReplaceRouteRequest) -> Result<()> {
    unsupported(&[
        ("DestinationIpv6CidrBlock", input.destination_ipv6_cidr_block.is_some()),
        ("DestinationPrefixListId", input.destination_prefix_list_id.is_some()),
        ("LocalTarget", input.local_target == Some(true)),
        ("NatGatewayId", input.nat_gateway_id.is_some()),
        ("VpcEndpointId", input.vpc_endpoint_id.is_some()),
        ("TransitGatewayId", input.transit_gateway_id.is_some()),
        ("VpcPeeringConnectionId", input.vpc_peering_connection_id.is_some()),
        ("EgressOnlyInternetGatewayId", input.egress_only_internet_gateway_id.is_some()),
    ])?;
    let mut table = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    let destination = destination(&input.destination_cidr_block)?;
    let target = resolve(
        world,
        &table,
        Targets {
            gateway: input.gateway_id.as_deref(),
            interface: input.network_interface_id.as_deref(),
            instance: input.instance_id.as_deref(),
        },
    )?;
    let Some(index) = table.routes.iter().position(|route| route.destination == destination) else {
        let message =
            format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead.");
        return Err(refuse("InvalidParameterValue", message));
    };
    check_destination(world, &table, &destination, &target)?;
    table.routes[index].target = target;
    world.put(&table)
}

/// DeleteRoute.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteRouteRequest) -> Result<()> {
    unsupported(&[
        ("DestinationIpv6CidrBlock", input.destination_ipv6_cidr_block.is_some()),
        ("DestinationPrefixListId", input.destination_prefix_list_id.is_some()),
    ])?;
    let mut table = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    let destination = destination(&input.destination_cidr_block)?;
    if vpc_blocks(world, &table)?.contains(&destination) {
        return Err(invalid(format!("cannot remove local route {destination} in route table {}", table.id)));
    }
    let before = table.routes.len();
    table.routes.retain(|route| route.destination != destination);
    if table.routes.len() == before {
        let message = format!("no route with destination-cidr-block {destination} in route table {}", table.id);
        return Err(refuse("InvalidRoute.NotFound", message));
    }
    world.put(&table)
}

fn destination(text: &Option<String>) -> Result<Ipv4Block> {
    crate::blocks::parse(required(text, "DestinationCidrBlock")?, "destinationCidrBlock")
}

fn vpc_blocks(world: &World<'_, '_>, table: &RouteTable) -> Result<Vec<Ipv4Block>> {
    Ok(world
        .get::<Vpc>(table.vpc.as_str())?
        .map(|vpc| vpc.blocks.iter().map(|it| it.block).collect())
        .unwrap_or_default())
}

/// Inside the VPC only a subnet's own block may have a route besides the local one, and only to an interface.
fn check_destination(
    world: &World<'_, '_>,
    table: &RouteTable,
    destination: &Ipv4Block,
    target: &RouteTarget,
) -> Result<()> {
    let blocks = vpc_blocks(world, table)?;
    if blocks.contains(destination) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(refuse("RouteAlreadyExists", message));
    }
    if !blocks.iter().any(|block| block.covers(destination)) {
        return Ok(());
    }
    let of_subnet = world.peek::<Subnet>()?.iter().any(|it| it.vpc == table.vpc && it.block == *destination);
    if matches!(target, RouteTarget::NetworkInterface(_)) && of_subnet {
        return Ok(());
    }
    Err(invalid(format!(
        "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks. \
         This route can target only an interface or an instance, and must be the block of a subnet."
    )))
}

fn resolve(world: &World<'_, '_>, table: &RouteTable, targets: Targets<'_>) -> Result<RouteTarget> {
    match (targets.gateway, targets.interface, targets.instance) {
        (None, None, None) => Err(missing("GatewayId")),
        (Some(gateway), None, None) => gateway_target(world, table, gateway),
        (None, Some(interface), None) => interface_target(table, &world.find(interface)?),
        (None, None, Some(instance)) => {
            let mut interfaces = instance_query::interfaces(world, instance)?;
            match (interfaces.pop(), interfaces.len()) {
                (Some(only), 0) => interface_target(table, &only),
                (None, _) => Err(refuse("InvalidInstanceID", format!("Instance {instance} has no network interface."))),
                (Some(_), _) => Err(refuse(
                    "InvalidInstanceID",
                    format!(
                        "There are multiple interfaces attached to instance '{instance}'. Please specify an \
                            interface ID for the operation instead."
                    ),
                )),
            }
        }
        _ => Err(combination("Specify exactly one target for the route.")),
    }
}

fn gateway_target(world: &World<'_, '_>, table: &RouteTable, id: &str) -> Result<RouteTarget> {
    if !id.starts_with("igw-") {
        return Err(refuse("InvalidGatewayID.NotFound", format!("The gateway ID '{id}' does not exist")));
    }
    let gateway = world.find::<InternetGateway>(id)?;
    if gateway.vpc.as_ref() != Some(&table.vpc) {
        let message = format!("route table {} and network gateway {id} belong to different networks", table.id);
        return Err(invalid(message));
    }
    Ok(RouteTarget::InternetGateway(gateway.id))
}

fn interface_target(table: &RouteTable, interface: &NetworkInterface) -> Result<RouteTarget> {
    if interface.vpc != table.vpc {
        let message = format!("route table {} and interface {} belong to different networks", table.id, interface.id);
        return Err(invalid(message));
    }
    Ok(RouteTarget::NetworkInterface(interface.id.clone()))
}

/// All routes of a table as answers show them: local ones first.
pub(crate) fn render_all(world: &World<'_, '_>, table: &RouteTable) -> Result<Vec<wire::Route>> {
    let local = |block: Ipv4Block| wire::Route {
        destination_cidr_block: Some(block.to_string()),
        gateway_id: Some("local".to_owned()),
        origin: Some("CreateRouteTable".to_owned()),
        state: Some("active".to_owned()),
        ..Default::default()
    };
    let mut shown: Vec<_> = vpc_blocks(world, table)?.into_iter().map(local).collect();
    for route in &table.routes {
        shown.push(render(world, table, route)?);
    }
    Ok(shown)
}

fn render(world: &World<'_, '_>, table: &RouteTable, route: &Route) -> Result<wire::Route> {
    let mut shown = wire::Route {
        destination_cidr_block: Some(route.destination.to_string()),
        origin: Some("CreateRoute".to_owned()),
        ..Default::default()
    };
    let active = match &route.target {
        RouteTarget::InternetGateway(id) => {
            shown.gateway_id = Some(id.to_string());
            world.get::<InternetGateway>(id.as_str())?.is_some_and(|it| it.vpc.as_ref() == Some(&table.vpc))
        }
        RouteTarget::NetworkInterface(id) => {
            shown.network_interface_id = Some(id.to_string());
            let attachment = world.get::<NetworkInterface>(id.as_str())?.and_then(|it| it.attachment);
            if let Some(instance) = attachment.as_ref().and_then(|it| it.instance.as_ref()) {
                shown.instance_id = Some(instance.to_string());
                shown.instance_owner_id = Some(world.account().to_string());
            }
            attachment.is_some()
        }
    };
    shown.state = Some(if active { "active" } else { "blackhole" }.to_owned());
    Ok(shown)
}
