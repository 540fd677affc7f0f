//! Internet gateways, route tables, elastic addresses.

use crate::common::{World, filter, refused, some};
use aws_model::ec2::*;

async fn table(world: &World, vpc: &str) -> String {
    let input = CreateRouteTableRequest { vpc_id: some(vpc), ..Default::default() };
    world.ec2.create_route_table(&world.ctx, input).await.unwrap().route_table.unwrap().route_table_id.unwrap()
}

async fn routes(world: &World, table: &str) -> Vec<Route> {
    let input = DescribeRouteTablesRequest { route_table_ids: Some(vec![table.into()]), ..Default::default() };
    let found = world.ec2.describe_route_tables(&world.ctx, input).await.unwrap().route_tables.unwrap().remove(0);
    found.routes.unwrap()
}

fn default_route(table: &str, gateway: &str) -> CreateRouteRequest {
    CreateRouteRequest {
        route_table_id: some(table),
        destination_cidr_block: some("0.0.0.0/0"),
        gateway_id: some(gateway),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_gateway_serves_one_vpc_and_a_vpc_one_gateway() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let other = world.vpc("10.1.0.0/16").await;
    let gateway = world.gateway(&vpc).await;
    let attach = |gateway: &str, vpc: &str| AttachInternetGatewayRequest {
        internet_gateway_id: some(gateway),
        vpc_id: some(vpc),
        ..Default::default()
    };
    refused(
        world.ec2.attach_internet_gateway(&world.ctx, attach(&gateway, &other)).await,
        "Resource.AlreadyAssociated",
    );
    let spare = world.ec2.create_internet_gateway(&world.ctx, Default::default()).await.unwrap();
    let spare = spare.internet_gateway.unwrap().internet_gateway_id.unwrap();
    refused(world.ec2.attach_internet_gateway(&world.ctx, attach(&spare, &vpc)).await, "InvalidParameterValue");
    let delete = DeleteInternetGatewayRequest { internet_gateway_id: some(&gateway), ..Default::default() };
    refused(world.ec2.delete_internet_gateway(&world.ctx, delete.clone()).await, "DependencyViolation");
    let detach =
        DetachInternetGatewayRequest { internet_gateway_id: some(&gateway), vpc_id: some(&vpc), ..Default::default() };
    world.ec2.detach_internet_gateway(&world.ctx, detach.clone()).await.unwrap();
    refused(world.ec2.detach_internet_gateway(&world.ctx, detach).await, "Gateway.NotAttached");
    world.ec2.delete_internet_gateway(&world.ctx, delete.clone()).await.unwrap();
    refused(world.ec2.delete_internet_gateway(&world.ctx, delete).await, "InvalidInternetGatewayID.NotFound");
}

#[tokio::test]
async fn routes_are_made_replaced_and_deleted_and_go_black_without_their_gateway() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let gateway = world.gateway(&vpc).await;
    let table = table(&world, &vpc).await;
    let add = default_route(&table, &gateway);
    world.ec2.create_route(&world.ctx, add.clone()).await.unwrap();
    let message = refused(world.ec2.create_route(&world.ctx, add.clone()).await, "RouteAlreadyExists");
    assert_eq!(message, "The route identified by 0.0.0.0/0 already exists.");
    let inside = CreateRouteRequest { destination_cidr_block: some("10.0.9.0/24"), ..add.clone() };
    refused(world.ec2.create_route(&world.ctx, inside).await, "InvalidParameterValue");
    let nat = CreateRouteRequest { gateway_id: None, nat_gateway_id: some("nat-1"), ..add.clone() };
    refused(world.ec2.create_route(&world.ctx, nat).await, "UnsupportedOperation");
    let elsewhere = world.vpc("10.1.0.0/16").await;
    let foreign = world.gateway(&elsewhere).await;
    let wrong = CreateRouteRequest { gateway_id: some(&foreign), destination_cidr_block: some("1.0.0.0/8"), ..add };
    refused(world.ec2.create_route(&world.ctx, wrong).await, "InvalidParameterValue");
    let detach =
        DetachInternetGatewayRequest { internet_gateway_id: some(&gateway), vpc_id: some(&vpc), ..Default::default() };
    world.ec2.detach_internet_gateway(&world.ctx, detach).await.unwrap();
    assert_eq!(routes(&world, &table).await[1].state.as_deref(), Some("blackhole"));
    let interface = world.interface(&subnet).await.network_interface_id;
    let replace = ReplaceRouteRequest {
        route_table_id: some(&table),
        destination_cidr_block: some("0.0.0.0/0"),
        network_interface_id: interface.clone(),
        ..Default::default()
    };
    world.ec2.replace_route(&world.ctx, replace).await.unwrap();
    assert_eq!(routes(&world, &table).await[1].network_interface_id, interface);
    let delete = |block: &str| DeleteRouteRequest {
        route_table_id: some(&table),
        destination_cidr_block: some(block),
        ..Default::default()
    };
    refused(world.ec2.delete_route(&world.ctx, delete("10.0.0.0/16")).await, "InvalidParameterValue");
    world.ec2.delete_route(&world.ctx, delete("0.0.0.0/0")).await.unwrap();
    refused(world.ec2.delete_route(&world.ctx, delete("0.0.0.0/0")).await, "InvalidRoute.NotFound");
}

#[tokio::test]
async fn a_subnet_uses_one_table_and_a_vpc_has_one_main_table() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let (one, two) = (table(&world, &vpc).await, table(&world, &vpc).await);
    let associate = |table: &str| AssociateRouteTableRequest {
        route_table_id: some(table),
        subnet_id: some(&subnet),
        ..Default::default()
    };
    let id = world.ec2.associate_route_table(&world.ctx, associate(&one)).await.unwrap().association_id.unwrap();
    refused(world.ec2.associate_route_table(&world.ctx, associate(&two)).await, "Resource.AlreadyAssociated");
    let delete = |table: &str| DeleteRouteTableRequest { route_table_id: some(table), ..Default::default() };
    let message = refused(world.ec2.delete_route_table(&world.ctx, delete(&one)).await, "DependencyViolation");
    assert_eq!(message, format!("The routeTable '{one}' has dependencies and cannot be deleted."));
    let replace = ReplaceRouteTableAssociationRequest {
        association_id: some(&id),
        route_table_id: some(&two),
        ..Default::default()
    };
    let new = world.ec2.replace_route_table_association(&world.ctx, replace).await.unwrap().new_association_id.unwrap();
    let drop = |id: &str| DisassociateRouteTableRequest { association_id: some(id), ..Default::default() };
    refused(world.ec2.disassociate_route_table(&world.ctx, drop(&id)).await, "InvalidAssociationID.NotFound");
    world.ec2.disassociate_route_table(&world.ctx, drop(&new)).await.unwrap();
    world.ec2.delete_route_table(&world.ctx, delete(&one)).await.unwrap();
    let main = DescribeRouteTablesRequest { filters: filter("association.main", &["true"]), ..Default::default() };
    let mains = world.ec2.describe_route_tables(&world.ctx, main).await.unwrap().route_tables.unwrap();
    let main = mains.into_iter().find(|it| it.vpc_id.as_ref() == Some(&vpc)).unwrap();
    let association = main.associations.unwrap().remove(0).route_table_association_id.unwrap();
    refused(world.ec2.disassociate_route_table(&world.ctx, drop(&association)).await, "InvalidParameterValue");
    let swap = ReplaceRouteTableAssociationRequest {
        association_id: some(&association),
        route_table_id: some(&two),
        ..Default::default()
    };
    world.ec2.replace_route_table_association(&world.ctx, swap).await.unwrap();
    world.ec2.delete_route_table(&world.ctx, delete(&main.route_table_id.unwrap())).await.unwrap();
    refused(world.ec2.delete_route_table(&world.ctx, delete(&two)).await, "DependencyViolation");
}

#[tokio::test]
async fn an_elastic_address_stands_for_one_private_address_at_a_time() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let elastic = world.ec2.allocate_address(&world.ctx, Default::default()).await.unwrap();
    let public = elastic.public_ip.unwrap();
    assert!(public.starts_with("198.18."), "{public}");
    let id = elastic.allocation_id;
    let (one, two) = (world.interface(&subnet).await, world.interface(&subnet).await);
    let associate = |eni: &NetworkInterface, again: Option<bool>| AssociateAddressRequest {
        allocation_id: id.clone(),
        network_interface_id: eni.network_interface_id.clone(),
        allow_reassociation: again,
        ..Default::default()
    };
    refused(world.ec2.associate_address(&world.ctx, associate(&one, None)).await, "Gateway.NotAttached");
    let gateway = world.gateway(&vpc).await;
    let first = world.ec2.associate_address(&world.ctx, associate(&one, None)).await.unwrap().association_id;
    let same = world.ec2.associate_address(&world.ctx, associate(&one, None)).await.unwrap().association_id;
    assert_eq!(first, same, "doing it again changes nothing");
    refused(world.ec2.associate_address(&world.ctx, associate(&two, Some(false))).await, "Resource.AlreadyAssociated");
    world.ec2.associate_address(&world.ctx, associate(&two, None)).await.unwrap();
    let holders = world.interfaces(filter("association.public-ip", &[&public])).await;
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].network_interface_id, two.network_interface_id);
    let detach =
        DetachInternetGatewayRequest { internet_gateway_id: some(&gateway), vpc_id: some(&vpc), ..Default::default() };
    refused(world.ec2.detach_internet_gateway(&world.ctx, detach).await, "DependencyViolation");
    let release = ReleaseAddressRequest { allocation_id: id.clone(), ..Default::default() };
    refused(world.ec2.release_address(&world.ctx, release.clone()).await, "InvalidIPAddress.InUse");
    let shown =
        world.ec2.describe_addresses(&world.ctx, Default::default()).await.unwrap().addresses.unwrap().remove(0);
    let disassociate = DisassociateAddressRequest { association_id: shown.association_id, ..Default::default() };
    world.ec2.disassociate_address(&world.ctx, disassociate.clone()).await.unwrap();
    refused(world.ec2.disassociate_address(&world.ctx, disassociate).await, "InvalidAssociationID.NotFound");
    world.ec2.release_address(&world.ctx, release.clone()).await.unwrap();
    refused(world.ec2.release_address(&world.ctx, release).await, "InvalidAllocationID.NotFound");
}

#[tokio::test]
async fn deleting_an_interface_lets_go_of_its_elastic_address() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    world.gateway(&vpc).await;
    let id = world.ec2.allocate_address(&world.ctx, Default::default()).await.unwrap().allocation_id;
    let interface = world.interface(&subnet).await.network_interface_id.unwrap();
    let input = AssociateAddressRequest {
        allocation_id: id.clone(),
        network_interface_id: some(&interface),
        ..Default::default()
    };
    world.ec2.associate_address(&world.ctx, input).await.unwrap();
    world.delete_interface(&interface).await.unwrap();
    let release = ReleaseAddressRequest { allocation_id: id, ..Default::default() };
    world.ec2.release_address(&world.ctx, release).await.unwrap();
}

#[tokio::test]
async fn an_instance_gets_an_address_of_its_own_again_when_its_elastic_one_goes() {
    let world = World::new();
    let subnets = world.ec2.describe_subnets(&world.ctx, Default::default()).await.unwrap().subnets.unwrap();
    let made = world.running(world.launch(subnets[0].subnet_id.as_ref().unwrap())).await;
    let instance = made.instance_id.unwrap();
    let elastic = world.ec2.allocate_address(&world.ctx, Default::default()).await.unwrap();
    let input = AssociateAddressRequest {
        allocation_id: elastic.allocation_id,
        instance_id: some(&instance),
        ..Default::default()
    };
    let association = world.ec2.associate_address(&world.ctx, input.clone()).await.unwrap().association_id;
    assert_eq!(world.instance(&instance).await.public_ip_address, elastic.public_ip);
    let drop = DisassociateAddressRequest { association_id: association, ..Default::default() };
    world.ec2.disassociate_address(&world.ctx, drop).await.unwrap();
    let again = world.instance(&instance).await.public_ip_address.unwrap();
    assert!(again.starts_with("198.18.") && Some(&again) != elastic.public_ip.as_ref(), "{again}");
    // A stopped instance gets none.
    let association = world.ec2.associate_address(&world.ctx, input).await.unwrap().association_id;
    let stop = StopInstancesRequest { instance_ids: Some(vec![instance.clone()]), ..Default::default() };
    world.ec2.stop_instances(&world.ctx, stop).await.unwrap();
    let (account, region) = (&world.ctx.caller.account, &world.ctx.region);
    world.ec2.instance_stopped(account, region, &instance.parse().unwrap()).await.unwrap();
    assert_eq!(world.instance(&instance).await.public_ip_address, elastic.public_ip, "an elastic one stays");
    let drop = DisassociateAddressRequest { association_id: association, ..Default::default() };
    world.ec2.disassociate_address(&world.ctx, drop).await.unwrap();
    assert_eq!(world.instance(&instance).await.public_ip_address, None);
}
