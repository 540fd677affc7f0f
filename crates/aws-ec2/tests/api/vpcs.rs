//! VPCs, subnets and their attributes.

use crate::common::{World, filter, refused, some, tags};
use aws_model::ec2::*;

#[tokio::test]
async fn a_region_has_a_default_vpc_with_a_way_out_from_the_start() {
    let world = World::new();
    let vpcs = world.ec2.describe_vpcs(&world.ctx, Default::default()).await.unwrap().vpcs.unwrap();
    assert_eq!(vpcs.len(), 1);
    assert_eq!(vpcs[0].cidr_block.as_deref(), Some("172.31.0.0/16"));
    assert_eq!(vpcs[0].is_default, Some(true));
    let subnets = world.ec2.describe_subnets(&world.ctx, Default::default()).await.unwrap().subnets.unwrap();
    let mut zones: Vec<_> = subnets.iter().map(|it| it.availability_zone_id.clone().unwrap()).collect();
    zones.sort();
    assert_eq!(zones, ["apne2-az1", "apne2-az2", "apne2-az3", "apne2-az4"]);
    assert!(subnets.iter().all(|it| it.map_public_ip_on_launch == Some(true) && it.default_for_az == Some(true)));
    assert!(subnets.iter().all(|it| it.available_ip_address_count == Some(4091)));
    let tables = world.ec2.describe_route_tables(&world.ctx, Default::default()).await.unwrap().route_tables.unwrap();
    let routes = tables[0].routes.clone().unwrap();
    assert_eq!(routes[0].gateway_id.as_deref(), Some("local"));
    assert!(routes[1].gateway_id.as_deref().unwrap().starts_with("igw-"));
    assert_eq!(routes[1].state.as_deref(), Some("active"));
}

#[tokio::test]
async fn a_deleted_default_vpc_stays_deleted_until_asked_for() {
    let world = World::new();
    let ctx = &world.ctx;
    let refusal = world.ec2.create_default_vpc(ctx, Default::default()).await;
    refused(refusal, "DefaultVpcAlreadyExists");
    let subnets = world.ec2.describe_subnets(ctx, Default::default()).await.unwrap().subnets.unwrap();
    for subnet in subnets {
        let input = DeleteSubnetRequest { subnet_id: subnet.subnet_id, ..Default::default() };
        world.ec2.delete_subnet(ctx, input).await.unwrap();
    }
    let vpc = world.ec2.describe_vpcs(ctx, Default::default()).await.unwrap().vpcs.unwrap().remove(0).vpc_id.unwrap();
    let delete = DeleteVpcRequest { vpc_id: some(&vpc), ..Default::default() };
    let message = refused(world.ec2.delete_vpc(ctx, delete.clone()).await, "DependencyViolation");
    assert_eq!(message, format!("The vpc '{vpc}' has dependencies and cannot be deleted."));
    let gateways = world.ec2.describe_internet_gateways(ctx, Default::default()).await.unwrap();
    let gateway = gateways.internet_gateways.unwrap().remove(0).internet_gateway_id;
    let detach =
        DetachInternetGatewayRequest { internet_gateway_id: gateway, vpc_id: some(&vpc), ..Default::default() };
    world.ec2.detach_internet_gateway(ctx, detach).await.unwrap();
    world.ec2.delete_vpc(ctx, delete).await.unwrap();
    assert_eq!(world.ec2.describe_vpcs(ctx, Default::default()).await.unwrap().vpcs.unwrap(), []);
    let again = world.ec2.create_default_vpc(ctx, Default::default()).await.unwrap().vpc.unwrap();
    assert_eq!(again.is_default, Some(true));
}

#[tokio::test]
async fn a_vpc_comes_with_its_group_table_list_and_options() {
    let world = World::new();
    let vpc = world.vpc("192.168.0.0/16").await;
    let groups = DescribeSecurityGroupsRequest { filters: filter("vpc-id", &[&vpc]), ..Default::default() };
    let groups = world.ec2.describe_security_groups(&world.ctx, groups).await.unwrap().security_groups.unwrap();
    assert_eq!(groups[0].group_name.as_deref(), Some("default"));
    let pairs = groups[0].ip_permissions.clone().unwrap().remove(0).user_id_group_pairs.unwrap();
    assert_eq!(pairs[0].group_id, groups[0].group_id);
    let acls = DescribeNetworkAclsRequest { filters: filter("vpc-id", &[&vpc]), ..Default::default() };
    let acls = world.ec2.describe_network_acls(&world.ctx, acls).await.unwrap().network_acls.unwrap();
    assert_eq!((acls.len(), acls[0].is_default), (1, Some(true)));
    let options = world.ec2.describe_dhcp_options(&world.ctx, Default::default()).await.unwrap().dhcp_options.unwrap();
    assert_eq!(
        options[0].dhcp_configurations.as_ref().unwrap()[1].values.as_ref().unwrap()[0].value.as_deref(),
        Some("AmazonProvidedDNS")
    );
    let input =
        DescribeVpcAttributeRequest { vpc_id: some(&vpc), attribute: some("enableDnsHostnames"), ..Default::default() };
    let shown = world.ec2.describe_vpc_attribute(&world.ctx, input.clone()).await.unwrap();
    assert_eq!(shown.enable_dns_hostnames.unwrap().value, Some(false));
    let on = Some(AttributeBooleanValue { value: Some(true) });
    let both = ModifyVpcAttributeRequest {
        vpc_id: some(&vpc),
        enable_dns_hostnames: on.clone(),
        enable_dns_support: on.clone(),
        ..Default::default()
    };
    refused(world.ec2.modify_vpc_attribute(&world.ctx, both).await, "InvalidParameterCombination");
    let one = ModifyVpcAttributeRequest { vpc_id: some(&vpc), enable_dns_hostnames: on, ..Default::default() };
    world.ec2.modify_vpc_attribute(&world.ctx, one).await.unwrap();
    let shown = world.ec2.describe_vpc_attribute(&world.ctx, input).await.unwrap();
    assert_eq!(shown.enable_dns_hostnames.unwrap().value, Some(true));
}

#[tokio::test]
async fn blocks_are_added_and_taken_away() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let add = |block: &str| AssociateVpcCidrBlockRequest {
        vpc_id: some(&vpc),
        cidr_block: some(block),
        ..Default::default()
    };
    refused(world.ec2.associate_vpc_cidr_block(&world.ctx, add("192.168.0.0/16")).await, "InvalidVpc.Range");
    let added = world.ec2.associate_vpc_cidr_block(&world.ctx, add("100.64.0.0/16")).await.unwrap();
    let id = added.cidr_block_association.unwrap().association_id;
    let subnet = world.subnet(&vpc, "100.64.1.0/24", "ap-northeast-2c").await;
    let remove = DisassociateVpcCidrBlockRequest { association_id: id };
    refused(world.ec2.disassociate_vpc_cidr_block(&world.ctx, remove.clone()).await, "InvalidCidrBlock.InUse");
    let input = DeleteSubnetRequest { subnet_id: some(&subnet), ..Default::default() };
    world.ec2.delete_subnet(&world.ctx, input).await.unwrap();
    world.ec2.disassociate_vpc_cidr_block(&world.ctx, remove.clone()).await.unwrap();
    refused(
        world.ec2.disassociate_vpc_cidr_block(&world.ctx, remove).await,
        "InvalidVpcCidrBlockAssociationID.NotFound",
    );
}

#[tokio::test]
async fn a_subnet_is_refused_outside_its_vpc_over_another_and_in_no_zone() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let ask = |block: &str| CreateSubnetRequest { vpc_id: some(&vpc), cidr_block: some(block), ..Default::default() };
    refused(world.ec2.create_subnet(&world.ctx, ask("10.1.0.0/24")).await, "InvalidSubnet.Range");
    let message = refused(world.ec2.create_subnet(&world.ctx, ask("10.0.1.128/25")).await, "InvalidSubnet.Conflict");
    assert_eq!(message, "The CIDR '10.0.1.128/25' conflicts with another subnet");
    let elsewhere = CreateSubnetRequest { availability_zone: some("us-east-1a"), ..ask("10.0.2.0/24") };
    refused(world.ec2.create_subnet(&world.ctx, elsewhere).await, "InvalidParameterValue");
    let by_id = CreateSubnetRequest { availability_zone_id: some("apne2-az3"), ..ask("10.0.2.0/24") };
    let made = world.ec2.create_subnet(&world.ctx, by_id).await.unwrap().subnet.unwrap();
    assert_eq!(made.availability_zone.as_deref(), Some("ap-northeast-2c"));
    let held = world.interface(&subnet).await.network_interface_id.unwrap();
    let delete = DeleteSubnetRequest { subnet_id: some(&subnet), ..Default::default() };
    let message = refused(world.ec2.delete_subnet(&world.ctx, delete.clone()).await, "DependencyViolation");
    assert_eq!(message, format!("The subnet '{subnet}' has dependencies and cannot be deleted."));
    world.delete_interface(&held).await.unwrap();
    world.ec2.delete_subnet(&world.ctx, delete.clone()).await.unwrap();
    let message = refused(world.ec2.delete_subnet(&world.ctx, delete).await, "InvalidSubnetID.NotFound");
    assert_eq!(message, format!("The subnet ID '{subnet}' does not exist"));
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_does_nothing() {
    let world = World::new();
    let good = CreateVpcRequest { cidr_block: some("10.0.0.0/16"), dry_run: Some(true), ..Default::default() };
    let fault = world.ec2.create_vpc(&world.ctx, good.clone()).await.unwrap_err();
    assert_eq!((fault.status, &*fault.code), (412, "DryRunOperation"));
    let bad = CreateVpcRequest { cidr_block: some("10.0.0.0/8"), ..good };
    refused(world.ec2.create_vpc(&world.ctx, bad).await, "InvalidVpc.Range");
    assert_eq!(world.ec2.describe_vpcs(&world.ctx, Default::default()).await.unwrap().vpcs.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let world = World::new();
    let input = CreateVpcRequest {
        cidr_block: some("10.0.0.0/16"),
        amazon_provided_ipv6_cidr_block: Some(true),
        ..Default::default()
    };
    let message = refused(world.ec2.create_vpc(&world.ctx, input).await, "UnsupportedOperation");
    assert!(message.contains("AmazonProvidedIpv6CidrBlock"), "{message}");
}

#[tokio::test]
async fn tags_are_made_found_and_deleted() {
    let world = World::new();
    let input = CreateVpcRequest {
        cidr_block: some("10.0.0.0/16"),
        tag_specifications: tags("vpc", "Name", "blue"),
        ..Default::default()
    };
    let vpc = world.ec2.create_vpc(&world.ctx, input.clone()).await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let wrong = CreateVpcRequest { tag_specifications: tags("subnet", "Name", "blue"), ..input.clone() };
    refused(world.ec2.create_vpc(&world.ctx, wrong).await, "InvalidParameterValue");
    let reserved = CreateVpcRequest { tag_specifications: tags("vpc", "aws:eks:cluster-name", "blue"), ..input };
    refused(world.ec2.create_vpc(&world.ctx, reserved).await, "InvalidParameterValue");
    let tag = Tag { key: some("team"), value: some("net") };
    let both = CreateTagsRequest { resources: Some(vec![vpc.clone()]), tags: Some(vec![tag]), ..Default::default() };
    world.ec2.create_tags(&world.ctx, both).await.unwrap();
    let by_tag = DescribeVpcsRequest { filters: filter("tag:team", &["n*"]), ..Default::default() };
    assert_eq!(world.ec2.describe_vpcs(&world.ctx, by_tag.clone()).await.unwrap().vpcs.unwrap().len(), 1);
    let all = DescribeTagsRequest { filters: filter("resource-id", &[&vpc]), ..Default::default() };
    assert_eq!(world.ec2.describe_tags(&world.ctx, all.clone()).await.unwrap().tags.unwrap().len(), 2);
    let other_value = Tag { key: some("team"), value: some("other") };
    for (gone, left) in [(other_value, 2), (Tag { key: some("team"), value: None }, 1)] {
        let input =
            DeleteTagsRequest { resources: Some(vec![vpc.clone()]), tags: Some(vec![gone]), ..Default::default() };
        world.ec2.delete_tags(&world.ctx, input).await.unwrap();
        assert_eq!(world.ec2.describe_tags(&world.ctx, all.clone()).await.unwrap().tags.unwrap().len(), left);
    }
    assert_eq!(world.ec2.describe_vpcs(&world.ctx, by_tag).await.unwrap().vpcs.unwrap().len(), 0);
    let unknown = CreateTagsRequest {
        resources: some("thing-1").map(|it| vec![it]),
        tags: Some(vec![Tag { key: some("a"), value: some("b") }]),
        ..Default::default()
    };
    refused(world.ec2.create_tags(&world.ctx, unknown).await, "InvalidID");
}
