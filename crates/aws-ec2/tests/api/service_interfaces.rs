//! Cross-account interfaces: what EKS makes in the user's account, as the user sees it.

use crate::common::{ACCOUNT, World, filter, refused, some};
use aws_ec2::SERVICE_ACCOUNT;
use aws_model::ec2::*;

fn request(subnet: &str, group: &str) -> CreateNetworkInterfaceRequest {
    CreateNetworkInterfaceRequest {
        subnet_id: some(subnet),
        description: some("Amazon EKS myeks"),
        groups: Some(vec![group.to_owned()]),
        client_token: some("c-1/a"),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_cross_account_interface_belongs_to_the_user_and_is_used_by_the_service() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let group = world.group(&vpc, "control-plane-sg").await;
    let eks = world.as_service();
    let made = world.ec2.create_network_interface(&eks, request(&subnet, &group)).await.unwrap();
    let again = world.ec2.create_network_interface(&eks, request(&subnet, &group)).await.unwrap();
    assert_eq!(made, again, "a retried bring-up gets the same interface");
    let other = CreateNetworkInterfaceRequest { description: some("x"), ..request(&subnet, &group) };
    refused(world.ec2.create_network_interface(&eks, other).await, "IdempotentParameterMismatch");

    let shown = world.interfaces(filter("requester-managed", &["true"])).await.remove(0);
    assert_eq!(shown, made.network_interface.unwrap());
    assert_eq!(shown.description.as_deref(), Some("Amazon EKS myeks"));
    assert_eq!(shown.owner_id.as_deref(), Some(ACCOUNT));
    assert_eq!(shown.requester_id.as_deref(), Some(SERVICE_ACCOUNT));
    assert_eq!((shown.status.as_deref(), shown.source_dest_check), (Some("in-use"), Some(true)));
    assert_eq!((&shown.tag_set, &shown.ipv6_addresses, &shown.association), (&Some(vec![]), &Some(vec![]), &None));
    assert_eq!(shown.public_dns_name.as_deref(), Some(""));
    assert_eq!(shown.operator.clone().unwrap().managed, Some(false));
    let attachment = shown.attachment.clone().unwrap();
    assert_eq!(attachment.instance_owner_id.as_deref(), Some(SERVICE_ACCOUNT));
    assert_eq!(attachment.instance_id, None);
    assert_eq!((attachment.device_index, attachment.network_card_index), (Some(1), Some(0)));
    assert_eq!((attachment.delete_on_termination, attachment.status.as_deref()), (Some(true), Some("attached")));
}

#[tokio::test]
async fn the_user_cannot_take_it_away_and_the_service_can() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let group = world.group(&vpc, "control-plane-sg").await;
    let eks = world.as_service();
    let made =
        world.ec2.create_network_interface(&eks, request(&subnet, &group)).await.unwrap().network_interface.unwrap();
    let id = made.network_interface_id.unwrap();
    let detach =
        DetachNetworkInterfaceRequest { attachment_id: made.attachment.unwrap().attachment_id, ..Default::default() };
    let message = refused(world.ec2.detach_network_interface(&world.ctx, detach).await, "AuthFailure");
    assert_eq!(message, "You do not have permission to access the specified resource.");
    let message = refused(world.delete_interface(&id).await, "InvalidParameterValue");
    assert_eq!(message, format!("Network interface '{id}' is currently in use."));
    let change = ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: some(&id),
        source_dest_check: Some(AttributeBooleanValue { value: Some(false) }),
        ..Default::default()
    };
    refused(world.ec2.modify_network_interface_attribute(&world.ctx, change).await, "AuthFailure");
    let subnet_delete = DeleteSubnetRequest { subnet_id: some(&subnet), ..Default::default() };
    refused(world.ec2.delete_subnet(&world.ctx, subnet_delete).await, "DependencyViolation");
    let delete = DeleteNetworkInterfaceRequest { network_interface_id: some(&id), ..Default::default() };
    world.ec2.delete_network_interface(&eks, delete).await.unwrap();
    assert_eq!(world.free(&subnet).await, 251);
    let anew = world.ec2.create_network_interface(&eks, request(&subnet, &group)).await.unwrap();
    assert_ne!(anew.network_interface.unwrap().network_interface_id, Some(id), "the deleted one does not come back");
}

#[tokio::test]
async fn the_cluster_group_carries_the_services_own_tags() {
    let world = World::new();
    let (vpc, _) = world.vpc_and_subnet().await;
    let tag = Tag { key: some("aws:eks:cluster-name"), value: some("myeks") };
    let input = CreateSecurityGroupRequest {
        vpc_id: some(&vpc),
        group_name: some("eks-cluster-sg-myeks-1909116673"),
        description: some(
            "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well \
                as any managed workloads.",
        ),
        tag_specifications: Some(vec![TagSpecification {
            resource_type: some("security-group"),
            tags: Some(vec![tag.clone()]),
        }]),
        ..Default::default()
    };
    refused(world.ec2.create_security_group(&world.ctx, input.clone()).await, "InvalidParameterValue");
    let group = world.ec2.create_security_group(&world.as_service(), input).await.unwrap().group_id.unwrap();
    let delete = DeleteTagsRequest { resources: Some(vec![group]), tags: Some(vec![tag]), ..Default::default() };
    refused(world.ec2.delete_tags(&world.ctx, delete).await, "InvalidParameterValue");
}
