//! Network interfaces that users make.

use crate::common::{World, filter, refused, some, tags};
use aws_model::ec2::*;

fn wanted(subnet: &str, address: &str) -> CreateNetworkInterfaceRequest {
    CreateNetworkInterfaceRequest { subnet_id: some(subnet), private_ip_address: some(address), ..Default::default() }
}

#[tokio::test]
async fn an_interface_takes_an_address_and_gives_it_back() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    assert_eq!(world.free(&subnet).await, 251);
    let input = CreateNetworkInterfaceRequest {
        description: some("aws-K8S-i-1"),
        secondary_private_ip_address_count: Some(5),
        tag_specifications: tags("network-interface", "node.k8s.amazonaws.com/instance_id", "i-1"),
        ..wanted(&subnet, "10.0.1.9")
    };
    let made = world.ec2.create_network_interface(&world.ctx, input).await.unwrap().network_interface.unwrap();
    assert_eq!(made.private_ip_address.as_deref(), Some("10.0.1.9"));
    assert_eq!(made.private_dns_name.as_deref(), Some("ip-10-0-1-9.ap-northeast-2.compute.internal"));
    assert_eq!(
        (made.status.as_deref(), made.requester_managed, made.attachment),
        (Some("available"), Some(false), None)
    );
    assert_eq!(made.private_ip_addresses.unwrap().len(), 6);
    assert_eq!(made.availability_zone_id.as_deref(), Some("apne2-az1"));
    let mac = made.mac_address.unwrap();
    assert!(mac.len() == 17 && "26ae".contains(&mac[1..2]), "{mac} is locally administered and unicast");
    assert_eq!(world.free(&subnet).await, 245);
    let found = world.interfaces(filter("description", &["aws-K8S-*"])).await;
    assert_eq!(found.len(), 1);
    let id = made.network_interface_id.unwrap();
    world.delete_interface(&id).await.unwrap();
    assert_eq!(world.free(&subnet).await, 251);
    let message = refused(world.delete_interface(&id).await, "InvalidNetworkInterfaceID.NotFound");
    assert_eq!(message, format!("The networkInterface ID '{id}' does not exist"));
    refused(world.delete_interface("eni-xyz").await, "InvalidNetworkInterfaceID.Malformed");
}

#[tokio::test]
async fn a_taken_reserved_or_foreign_address_is_refused() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    world.ec2.create_network_interface(&world.ctx, wanted(&subnet, "10.0.1.9")).await.unwrap();
    for (address, code) in [
        ("10.0.1.9", "InvalidIPAddress.InUse"),
        ("10.0.1.3", "InvalidParameterValue"),
        ("10.0.1.255", "InvalidParameterValue"),
        ("10.0.2.9", "InvalidParameterValue"),
        ("ten", "InvalidParameterValue"),
    ] {
        refused(world.ec2.create_network_interface(&world.ctx, wanted(&subnet, address)).await, code);
    }
    assert_eq!(world.free(&subnet).await, 250);
}

#[tokio::test]
async fn groups_are_of_the_same_vpc_and_at_most_five() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let mut groups = Vec::new();
    for index in 0..6 {
        groups.push(world.group(&vpc, &format!("g{index}")).await);
    }
    let ask = |groups: &[String]| CreateNetworkInterfaceRequest {
        subnet_id: some(&subnet),
        groups: Some(groups.to_vec()),
        ..Default::default()
    };
    let refusal = world.ec2.create_network_interface(&world.ctx, ask(&groups)).await;
    refused(refusal, "SecurityGroupsPerInterfaceLimitExceeded");
    let made =
        world.ec2.create_network_interface(&world.ctx, ask(&groups[..2])).await.unwrap().network_interface.unwrap();
    let shown: Vec<_> = made.groups.unwrap().into_iter().map(|it| it.group_name.unwrap()).collect();
    assert_eq!(shown, ["g0", "g1"], "in the order given");
    let other = world.vpc("10.1.0.0/16").await;
    let foreign = world.group(&other, "foreign").await;
    refused(world.ec2.create_network_interface(&world.ctx, ask(&[foreign])).await, "InvalidParameter");
    let delete = DeleteSecurityGroupRequest { group_id: some(&groups[0]), ..Default::default() };
    refused(world.ec2.delete_security_group(&world.ctx, delete).await, "DependencyViolation");
    let change = ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: made.network_interface_id.clone(),
        groups: Some(vec![groups[3].clone()]),
        ..Default::default()
    };
    world.ec2.modify_network_interface_attribute(&world.ctx, change).await.unwrap();
    let found = world.interfaces(filter("group-id", &[&groups[3]])).await;
    assert_eq!(found[0].network_interface_id, made.network_interface_id);
}

#[tokio::test]
async fn what_a_container_network_does_with_interfaces_works() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let instance = world.running(world.launch(&subnet)).await.instance_id.unwrap();
    let eni = world.interface(&subnet).await.network_interface_id.unwrap();
    let attach = |index| AttachNetworkInterfaceRequest {
        network_interface_id: some(&eni),
        instance_id: some(&instance),
        device_index: Some(index),
        ..Default::default()
    };
    refused(world.ec2.attach_network_interface(&world.ctx, attach(0)).await, "InvalidParameterValue");
    let attachment = world.ec2.attach_network_interface(&world.ctx, attach(1)).await.unwrap().attachment_id.unwrap();
    let message = refused(world.ec2.attach_network_interface(&world.ctx, attach(2)).await, "InvalidParameterValue");
    assert_eq!(message, format!("Network interface '{eni}' is currently in use."));
    let change = ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: some(&eni),
        attachment: Some(NetworkInterfaceAttachmentChanges {
            attachment_id: some(&attachment),
            delete_on_termination: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.ec2.modify_network_interface_attribute(&world.ctx, change).await.unwrap();
    let assign = |count| AssignPrivateIpAddressesRequest {
        network_interface_id: some(&eni),
        secondary_private_ip_address_count: Some(count),
        ..Default::default()
    };
    refused(world.ec2.assign_private_ip_addresses(&world.ctx, assign(6)).await, "PrivateIpAddressLimitExceeded");
    let given = world.ec2.assign_private_ip_addresses(&world.ctx, assign(5)).await.unwrap();
    let given: Vec<_> =
        given.assigned_private_ip_addresses.unwrap().into_iter().filter_map(|it| it.private_ip_address).collect();
    let shown = world.instance(&instance).await.network_interfaces.unwrap();
    assert_eq!(shown[1].private_ip_addresses.as_ref().unwrap().len(), 6);
    assert_eq!(shown[1].attachment.as_ref().unwrap().delete_on_termination, Some(true));
    let unassign = UnassignPrivateIpAddressesRequest {
        network_interface_id: some(&eni),
        private_ip_addresses: Some(given),
        ..Default::default()
    };
    world.ec2.unassign_private_ip_addresses(&world.ctx, unassign.clone()).await.unwrap();
    refused(world.ec2.unassign_private_ip_addresses(&world.ctx, unassign).await, "InvalidParameterValue");
    let detach = DetachNetworkInterfaceRequest { attachment_id: some(&attachment), ..Default::default() };
    world.ec2.detach_network_interface(&world.ctx, detach.clone()).await.unwrap();
    refused(world.ec2.detach_network_interface(&world.ctx, detach).await, "InvalidAttachmentID.NotFound");
    assert_eq!(world.interfaces(filter("status", &["available"])).await.len(), 1);
}

#[tokio::test]
async fn the_primary_interface_stays_and_a_type_has_only_so_many() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let made = world.running(world.launch(&subnet)).await;
    let instance = made.instance_id.unwrap();
    let primary = made.network_interfaces.unwrap().remove(0).attachment.unwrap().attachment_id;
    let detach = DetachNetworkInterfaceRequest { attachment_id: primary, ..Default::default() };
    let message = refused(world.ec2.detach_network_interface(&world.ctx, detach).await, "OperationNotPermitted");
    assert_eq!(message, "The network interface at device index 0 and networkCard index 0 cannot be detached.");
    for index in 1..=3 {
        let attach = AttachNetworkInterfaceRequest {
            network_interface_id: world.interface(&subnet).await.network_interface_id,
            instance_id: some(&instance),
            device_index: Some(index),
            ..Default::default()
        };
        let done = world.ec2.attach_network_interface(&world.ctx, attach).await;
        if index < 3 {
            done.unwrap();
        } else {
            let message = refused(done, "AttachmentLimitExceeded");
            assert_eq!(message, "Interface count 4 exceeds the limit for t3.medium");
        }
    }
}
