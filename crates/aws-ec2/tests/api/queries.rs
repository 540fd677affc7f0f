//! Facts: images, types, regions; key pairs; filters and pages.

use crate::common::{World, filter, refused, some};
use aws_model::ec2::*;

#[tokio::test]
async fn images_are_found_by_owner_and_name() {
    let world = World::new();
    let input = DescribeImagesRequest {
        owners: Some(vec!["602401143452".into()]),
        filters: filter("name", &["amazon-eks-node-al2023-x86_64-standard-1.34-v*"]),
        ..Default::default()
    };
    let found = world.ec2.describe_images(&world.ctx, input).await.unwrap().images.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].root_device_name.as_deref(), Some("/dev/xvda"));
    assert_eq!(found[0].root_device_type.as_deref(), Some("ebs"));
    let none = DescribeImagesRequest { owners: Some(vec!["self".into()]), ..Default::default() };
    assert_eq!(world.ec2.describe_images(&world.ctx, none).await.unwrap().images, Some(vec![]));
}

#[tokio::test]
async fn instance_types_carry_their_network_numbers() {
    let world = World::new();
    let input = DescribeInstanceTypesRequest { instance_types: Some(vec!["t3.medium".into()]), ..Default::default() };
    let found = world.ec2.describe_instance_types(&world.ctx, input).await.unwrap().instance_types.unwrap().remove(0);
    let network = found.network_info.unwrap();
    assert_eq!((network.maximum_network_interfaces, network.ipv4_addresses_per_interface), (Some(3), Some(6)));
    assert_eq!(found.v_cpu_info.unwrap().default_v_cpus, Some(2));
    let unknown = DescribeInstanceTypesRequest { instance_types: Some(vec!["z9.huge".into()]), ..Default::default() };
    refused(world.ec2.describe_instance_types(&world.ctx, unknown).await, "InvalidInstanceType");
    let input = DescribeInstanceTypeOfferingsRequest {
        location_type: some("availability-zone"),
        filters: filter("instance-type", &["t3.medium"]),
        ..Default::default()
    };
    let offered = world.ec2.describe_instance_type_offerings(&world.ctx, input).await.unwrap();
    assert_eq!(offered.instance_type_offerings.unwrap().len(), 4);
}

#[tokio::test]
async fn regions_and_zones_are_the_known_ones() {
    let world = World::new();
    let zones = world.ec2.describe_availability_zones(&world.ctx, Default::default()).await.unwrap();
    assert_eq!(zones.availability_zones.unwrap()[2].zone_id.as_deref(), Some("apne2-az3"));
    let input = DescribeRegionsRequest { region_names: Some(vec!["us-east-1".into()]), ..Default::default() };
    assert_eq!(world.ec2.describe_regions(&world.ctx, input).await.unwrap().regions.unwrap().len(), 1);
    let bad = DescribeRegionsRequest { region_names: Some(vec!["mars-north-1".into()]), ..Default::default() };
    refused(world.ec2.describe_regions(&world.ctx, bad).await, "InvalidParameterValue");
    let attributes = world.ec2.describe_account_attributes(&world.ctx, Default::default()).await.unwrap();
    assert!(
        attributes.account_attributes.unwrap().iter().any(|it| it.attribute_name.as_deref() == Some("default-vpc"))
    );
}

#[tokio::test]
async fn every_describe_refuses_a_filter_it_does_not_know() {
    let world = World::new();
    let (ec2, ctx) = (&world.ec2, &world.ctx);
    let filters = filter("colour", &["blue"]);
    macro_rules! check {
        ($($call:ident($input:ident)),+ $(,)?) => {$(
            let input = $input { filters: filters.clone(), ..Default::default() };
            let message = refused(ec2.$call(ctx, input).await, "InvalidParameterValue");
            assert_eq!(message, "The filter 'colour' is invalid", stringify!($call));
        )+};
    }
    check!(
        describe_addresses(DescribeAddressesRequest),
        describe_availability_zones(DescribeAvailabilityZonesRequest),
        describe_dhcp_options(DescribeDhcpOptionsRequest),
        describe_images(DescribeImagesRequest),
        describe_instance_status(DescribeInstanceStatusRequest),
        describe_instance_type_offerings(DescribeInstanceTypeOfferingsRequest),
        describe_instance_types(DescribeInstanceTypesRequest),
        describe_instances(DescribeInstancesRequest),
        describe_internet_gateways(DescribeInternetGatewaysRequest),
        describe_key_pairs(DescribeKeyPairsRequest),
        describe_network_acls(DescribeNetworkAclsRequest),
        describe_network_interfaces(DescribeNetworkInterfacesRequest),
        describe_regions(DescribeRegionsRequest),
        describe_route_tables(DescribeRouteTablesRequest),
        describe_security_group_rules(DescribeSecurityGroupRulesRequest),
        describe_security_groups(DescribeSecurityGroupsRequest),
        describe_subnets(DescribeSubnetsRequest),
        describe_tags(DescribeTagsRequest),
        describe_volumes(DescribeVolumesRequest),
        describe_vpcs(DescribeVpcsRequest),
    );
}

#[tokio::test]
async fn pages_of_instances_do_not_lose_any() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    for _ in 0..4 {
        let input = RunInstancesRequest { min_count: Some(3), max_count: Some(3), ..world.launch(&subnet) };
        world.ec2.run_instances(&world.ctx, input).await.unwrap();
    }
    let (mut count, mut next_token) = (0, None);
    loop {
        let input = DescribeInstancesRequest { max_results: Some(5), next_token, ..Default::default() };
        let page = world.ec2.describe_instances(&world.ctx, input).await.unwrap();
        count += page.reservations.unwrap().into_iter().map(|it| it.instances.unwrap().len()).sum::<usize>();
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(count, 12);
    let few = DescribeInstancesRequest { max_results: Some(1), ..Default::default() };
    refused(world.ec2.describe_instances(&world.ctx, few).await, "InvalidParameterValue");
}

#[tokio::test]
async fn key_pairs_are_made_imported_shown_and_deleted() {
    let world = World::new();
    let make = |name: &str, kind: &str| CreateKeyPairRequest {
        key_name: some(name),
        key_type: some(kind),
        ..Default::default()
    };
    let made = world.ec2.create_key_pair(&world.ctx, make("one", "ed25519")).await.unwrap();
    assert!(made.key_material.unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    refused(world.ec2.create_key_pair(&world.ctx, make("one", "ed25519")).await, "InvalidKeyPair.Duplicate");
    refused(world.ec2.create_key_pair(&world.ctx, make("two", "dsa")).await, "InvalidParameterValue");
    let show = DescribeKeyPairsRequest { include_public_key: Some(true), ..Default::default() };
    let shown = world.ec2.describe_key_pairs(&world.ctx, show).await.unwrap().key_pairs.unwrap().remove(0);
    assert_eq!((shown.key_type.as_deref(), &shown.key_fingerprint), (Some("ed25519"), &made.key_fingerprint));
    let import = ImportKeyPairRequest {
        key_name: some("again"),
        public_key_material: shown.public_key.map(String::into_bytes),
        ..Default::default()
    };
    let imported = world.ec2.import_key_pair(&world.ctx, import).await.unwrap();
    assert_eq!(imported.key_fingerprint, made.key_fingerprint, "the same key has the same SHA-256 fingerprint");
    let bad = ImportKeyPairRequest {
        key_name: some("bad"),
        public_key_material: Some(b"nonsense".to_vec()),
        ..Default::default()
    };
    refused(world.ec2.import_key_pair(&world.ctx, bad).await, "InvalidKey.Format");
    let delete = DeleteKeyPairRequest { key_name: some("one"), ..Default::default() };
    world.ec2.delete_key_pair(&world.ctx, delete.clone()).await.unwrap();
    world.ec2.delete_key_pair(&world.ctx, delete).await.unwrap();
    let gone = DescribeKeyPairsRequest { key_names: Some(vec!["one".into()]), ..Default::default() };
    let message = refused(world.ec2.describe_key_pairs(&world.ctx, gone).await, "InvalidKeyPair.NotFound");
    assert_eq!(message, "The key pair 'one' does not exist");
}
