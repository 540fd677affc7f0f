//! Route tables and who uses them. A subnet has at most one table of its own, and else the VPC's main one.

use crate::error::{Result, dependency, invalid, refuse, required, unsupported};
use crate::filter::{Column, each, flag, keep, text, within};
use crate::page::page;
use crate::records::{RouteTable, RouteTableAssociation, Subnet, Tags, Vpc};
use crate::world::World;
use crate::{route, tag};
use aws_model::ec2 as wire;
use base::{RouteTableAssociationId, RouteTableId};

/// CreateRouteTable.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateRouteTableRequest,
) -> Result<wire::CreateRouteTableResult> {
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let tags = tag::given(world, &input.tag_specifications, "route-table")?;
    let token = crate::token::Token::of(world, "CreateRouteTable", &input.client_token, input);
    if let Some(made) = token.made(world)?
        && let Some(table) = world.get::<RouteTable>(made.first().map_or("", String::as_str))?
    {
        return rendered(world, &table, input.client_token.clone());
    }
    let table = make(vpc, tags);
    world.put(&table)?;
    token.keep(world, vec![table.id.to_string()])?;
    rendered(world, &table, input.client_token.clone())
}

fn make(vpc: Vpc, tags: Tags) -> RouteTable {
    RouteTable { id: RouteTableId::random(), vpc: vpc.id, routes: vec![], associations: vec![], tags }
}

fn rendered(
    world: &World<'_, '_>,
    table: &RouteTable,
    client_token: Option<String>,
) -> Result<wire::CreateRouteTableResult> {
    Ok(wire::CreateRouteTableResult { route_table: Some(render(world, table)?), client_token })
}

/// DeleteRouteTable.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteRouteTableRequest) -> Result<()> {
    let table = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    if !table.associations.is_empty() {
        return Err(dependency(format!("The routeTable '{}' has dependencies and cannot be deleted.", table.id)));
    }
    world.remove::<RouteTable>(table.id.as_str());
    Ok(())
}

fn associated() -> wire::RouteTableAssociationState {
    wire::RouteTableAssociationState { state: Some("associated".to_owned()), status_message: None }
}

/// AssociateRouteTable.
pub(crate) fn associate(
    world: &mut World<'_, '_>,
    input: &wire::AssociateRouteTableRequest,
) -> Result<wire::AssociateRouteTableResult> {
    unsupported(&[("GatewayId", input.gateway_id.is_some()), ("PublicIpv4Pool", input.public_ipv4_pool.is_some())])?;
    let mut table = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    let subnet = world.find::<Subnet>(required(&input.subnet_id, "SubnetId")?)?;
    check_same_network(&table, &subnet)?;
    let uses = |table: &RouteTable| table.associations.iter().any(|it| it.subnet.as_ref() == Some(&subnet.id));
    if world.scan::<RouteTable>()?.iter().any(uses) {
        let message =
            format!("the specified association for route table {} conflicts with an existing association", table.id);
        return Err(refuse("Resource.AlreadyAssociated", message));
    }
    let id = RouteTableAssociationId::random();
    table.associations.push(RouteTableAssociation { id: id.clone(), subnet: Some(subnet.id) });
    world.put(&table)?;
    Ok(wire::AssociateRouteTableResult { association_id: Some(id.to_string()), association_state: Some(associated()) })
}

fn check_same_network(table: &RouteTable, subnet: &Subnet) -> Result<()> {
    if table.vpc == subnet.vpc {
        return Ok(());
    }
    Err(invalid(format!("Route table {} and subnet {} belong to different networks", table.id, subnet.id)))
}

/// The table that has an association, and the association's place in it.
fn find_association(world: &World<'_, '_>, id: &str) -> Result<(RouteTable, usize)> {
    let absent = || refuse("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"));
    let place = |table: &RouteTable| table.associations.iter().position(|it| it.id.as_str() == id);
    let seen = world.peek::<RouteTable>()?.into_iter().find(|it| place(it).is_some()).ok_or_else(absent)?;
    let table = world.find::<RouteTable>(seen.id.as_str())?;
    let index = place(&table).ok_or_else(absent)?;
    Ok((table, index))
}

/// DisassociateRouteTable.
pub(crate) fn disassociate(world: &mut World<'_, '_>, input: &wire::DisassociateRouteTableRequest) -> Result<()> {
    let id = required(&input.association_id, "AssociationId")?;
    let (mut table, index) = find_association(world, id)?;
    if table.associations[index].subnet.is_none() {
        return Err(invalid(format!("cannot disassociate the main route table association {id}")));
    }
    table.associations.remove(index);
    world.put(&table)
}

/// ReplaceRouteTableAssociation: another table for a subnet, or another main table.
pub(crate) fn replace_association(
    world: &mut World<'_, '_>,
    input: &wire::ReplaceRouteTableAssociationRequest,
) -> Result<wire::ReplaceRouteTableAssociationResult> {
    let id = required(&input.association_id, "AssociationId")?;
    let (mut old, index) = find_association(world, id)?;
    let target = world.find::<RouteTable>(required(&input.route_table_id, "RouteTableId")?)?;
    if target.vpc != old.vpc {
        let message = format!("Route table {} and association {id} belong to different networks", target.id);
        return Err(invalid(message));
    }
    let moved = old.associations.remove(index);
    let fresh = RouteTableAssociation { id: RouteTableAssociationId::random(), subnet: moved.subnet };
    let new_association_id = Some(fresh.id.to_string());
    world.put(&old)?;
    // Read again: the target may be the table it was taken from.
    let mut target = world.find::<RouteTable>(target.id.as_str())?;
    target.associations.push(fresh);
    world.put(&target)?;
    Ok(wire::ReplaceRouteTableAssociationResult { new_association_id, association_state: Some(associated()) })
}

const FILTERS: &[Column<wire::RouteTable>] = &[
    ("association.gateway-id", |it| each(&it.associations, |one| text(&one.gateway_id))),
    ("association.main", |it| each(&it.associations, |one| flag(&one.main))),
    ("association.route-table-association-id", |it| {
        each(&it.associations, |one| text(&one.route_table_association_id))
    }),
    ("association.route-table-id", |it| each(&it.associations, |one| text(&one.route_table_id))),
    ("association.state", |it| {
        each(&it.associations, |one| within(&one.association_state, |state| text(&state.state)))
    }),
    ("association.subnet-id", |it| each(&it.associations, |one| text(&one.subnet_id))),
    ("owner-id", |it| text(&it.owner_id)),
    ("route-table-id", |it| text(&it.route_table_id)),
    ("route.destination-cidr-block", |it| each(&it.routes, |one| text(&one.destination_cidr_block))),
    ("route.gateway-id", |it| each(&it.routes, |one| text(&one.gateway_id))),
    ("route.instance-id", |it| each(&it.routes, |one| text(&one.instance_id))),
    ("route.nat-gateway-id", |it| each(&it.routes, |one| text(&one.nat_gateway_id))),
    ("route.origin", |it| each(&it.routes, |one| text(&one.origin))),
    ("route.state", |it| each(&it.routes, |one| text(&one.state))),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeRouteTables.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeRouteTablesRequest,
) -> Result<wire::DescribeRouteTablesResult> {
    let found = world.select::<RouteTable>(&input.route_table_ids)?;
    let found = found.iter().map(|it| render(world, it)).collect::<Result<Vec<_>>>()?;
    let found = keep(found, &input.filters, FILTERS)?;
    let key = |it: &wire::RouteTable| it.route_table_id.clone().unwrap_or_default();
    let (tables, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeRouteTablesResult { route_tables: Some(tables), next_token })
}

fn render(world: &World<'_, '_>, table: &RouteTable) -> Result<wire::RouteTable> {
    let association = |it: &RouteTableAssociation| wire::RouteTableAssociation {
        main: Some(it.subnet.is_none()),
        route_table_association_id: Some(it.id.to_string()),
        route_table_id: Some(table.id.to_string()),
        subnet_id: it.subnet.as_ref().map(ToString::to_string),
        association_state: Some(associated()),
        ..Default::default()
    };
    Ok(wire::RouteTable {
        route_table_id: Some(table.id.to_string()),
        vpc_id: Some(table.vpc.to_string()),
        owner_id: Some(world.account().to_string()),
        associations: Some(table.associations.iter().map(association).collect()),
        propagating_vgws: Some(vec![]),
        routes: Some(route::render_all(world, table)?),
        tags: Some(tag::render(&table.tags)),
    })
}
