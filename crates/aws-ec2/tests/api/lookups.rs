//! Look-ups that do not read everything answer like those that do, and follow every change.

use crate::common::{World, filter, refused, some};
use aws_model::ec2::*;
use std::collections::BTreeSet;

async fn ids(world: &World, name: &str, value: &str) -> BTreeSet<String> {
    let found = world.interfaces(filter(name, &[value])).await;
    found.into_iter().map(|it| it.network_interface_id.unwrap()).collect()
}

/// The interfaces that pass a filter; asked by its value and by a pattern, which only a look at all can answer.
#[track_caller]
fn same(plain: BTreeSet<String>, pattern: BTreeSet<String>, want: &[&str]) {
    assert_eq!(plain, pattern);
    assert_eq!(plain, want.iter().map(|it| (*it).to_owned()).collect());
}

async fn check(world: &World, name: &str, value: &str, want: &[&str]) {
    same(ids(world, name, value).await, ids(world, name, &format!("{value}*")).await, want);
}

fn regroup(interface: &str, groups: &[&str]) -> ModifyNetworkInterfaceAttributeRequest {
    ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: some(interface),
        groups: Some(groups.iter().map(|it| (*it).to_owned()).collect()),
        ..Default::default()
    }
}

#[tokio::test]
async fn interfaces_are_found_by_vpc_subnet_group_and_instance_through_all_changes() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let (other_vpc, other_subnet) = world.vpc_and_subnet().await;
    let (web, db) = (world.group(&vpc, "web").await, world.group(&vpc, "db").await);
    let one = world.interface(&subnet).await.network_interface_id.unwrap();
    let far = world.interface(&other_subnet).await.network_interface_id.unwrap();
    let made = world.running(world.launch(&subnet)).await;
    let instance = made.instance_id.unwrap();
    let own = made.network_interfaces.unwrap().remove(0).network_interface_id.unwrap();
    check(&world, "vpc-id", &vpc, &[&one, &own]).await;
    check(&world, "vpc-id", &other_vpc, &[&far]).await;
    check(&world, "subnet-id", &subnet, &[&one, &own]).await;
    check(&world, "attachment.instance-id", &instance, &[&own]).await;
    check(&world, "group-id", &web, &[]).await;

    world.ec2.modify_network_interface_attribute(&world.ctx, regroup(&one, &[&web, &db])).await.unwrap();
    let input = ModifyInstanceAttributeRequest {
        instance_id: some(&instance),
        groups: Some(vec![web.clone()]),
        ..Default::default()
    };
    world.ec2.modify_instance_attribute(&world.ctx, input).await.unwrap();
    check(&world, "group-id", &web, &[&one, &own]).await;
    check(&world, "group-id", &db, &[&one]).await;
    world.ec2.modify_network_interface_attribute(&world.ctx, regroup(&one, &[&db])).await.unwrap();
    check(&world, "group-id", &web, &[&own]).await;
    check(&world, "group-id", &db, &[&one]).await;

    let (account, region) = (&world.ctx.caller.account, &world.ctx.region);
    let stop = TerminateInstancesRequest { instance_ids: Some(vec![instance.clone()]), ..Default::default() };
    world.ec2.terminate_instances(&world.ctx, stop).await.unwrap();
    world.ec2.instance_gone(account, region, &instance.parse().unwrap()).await.unwrap();
    check(&world, "group-id", &web, &[]).await;
    check(&world, "attachment.instance-id", &instance, &[]).await;
    world.delete_interface(&one).await.unwrap();
    check(&world, "vpc-id", &vpc, &[]).await;
    check(&world, "subnet-id", &subnet, &[]).await;
}

#[tokio::test]
async fn other_filters_apply_to_what_was_looked_up() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    world.interface(&subnet).await;
    let both = |status: &str| {
        let mut filters = filter("vpc-id", &[&vpc]).unwrap();
        filters.extend(filter("status", &[status]).unwrap());
        Some(filters)
    };
    assert_eq!(world.interfaces(both("available")).await.len(), 1);
    assert_eq!(world.interfaces(both("in-use")).await.len(), 0);
    assert_eq!(world.interfaces(filter("vpc-id", &["vpc-0123456789abcdef0", ""])).await.len(), 0);
    assert_eq!(world.interfaces(filter("vpc-id", &[&format!("{vpc}/../")])).await.len(), 0);
    let wrong = DescribeNetworkInterfacesRequest {
        filters: Some([filter("vpc-id", &[&vpc]).unwrap(), filter("colour", &["red"]).unwrap()].concat()),
        ..Default::default()
    };
    refused(world.ec2.describe_network_interfaces(&world.ctx, wrong).await, "InvalidParameterValue");
}

#[tokio::test]
async fn a_group_is_kept_by_who_carries_it_and_by_rules_of_its_vpc() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let (web, db) = (world.group(&vpc, "web").await, world.group(&vpc, "db").await);
    let delete = |group: &str| DeleteSecurityGroupRequest { group_id: some(group), ..Default::default() };
    let interface = world.interface(&subnet).await.network_interface_id.unwrap();
    world.ec2.modify_network_interface_attribute(&world.ctx, regroup(&interface, &[&web])).await.unwrap();
    refused(world.ec2.delete_security_group(&world.ctx, delete(&web)).await, "DependencyViolation");
    world.ec2.modify_network_interface_attribute(&world.ctx, regroup(&interface, &[&db])).await.unwrap();
    let pair = UserIdGroupPair { group_id: some(&web), ..Default::default() };
    let permission =
        IpPermission { ip_protocol: some("-1"), user_id_group_pairs: Some(vec![pair]), ..Default::default() };
    let rule = AuthorizeSecurityGroupIngressRequest {
        group_id: some(&db),
        ip_permissions: Some(vec![permission.clone()]),
        ..Default::default()
    };
    world.ec2.authorize_security_group_ingress(&world.ctx, rule).await.unwrap();
    refused(world.ec2.delete_security_group(&world.ctx, delete(&web)).await, "DependencyViolation");
    let revoke = RevokeSecurityGroupIngressRequest {
        group_id: some(&db),
        ip_permissions: Some(vec![permission]),
        ..Default::default()
    };
    world.ec2.revoke_security_group_ingress(&world.ctx, revoke).await.unwrap();
    world.ec2.delete_security_group(&world.ctx, delete(&web)).await.unwrap();
}

#[tokio::test]
async fn groups_are_found_by_vpc_and_name() {
    let world = World::new();
    let (vpc, other) = (world.vpc("10.0.0.0/16").await, world.vpc("10.0.0.0/16").await);
    let web = world.group(&vpc, "web/1").await;
    world.group(&other, "web/1").await;
    let find = async |vpc: &str, name: &str| {
        let filters = Some([filter("vpc-id", &[vpc]).unwrap(), filter("group-name", &[name]).unwrap()].concat());
        let input = DescribeSecurityGroupsRequest { filters, ..Default::default() };
        let found = world.ec2.describe_security_groups(&world.ctx, input).await.unwrap().security_groups.unwrap();
        found.into_iter().map(|it| it.group_id.unwrap()).collect::<Vec<_>>()
    };
    for name in ["web/1", "web*", "*1"] {
        assert_eq!(find(&vpc, name).await, std::slice::from_ref(&web), "{name}");
    }
    assert_eq!(find(&vpc, "default").await.len(), 1);
    assert_eq!(find(&format!("{vpc}*"), "default").await.len(), 1);
    assert_eq!(find("vpc-*", "default").await.len(), 3, "the default VPC has one too");
    assert_eq!(find(&vpc, "we").await.len(), 0);
}

#[tokio::test]
async fn a_vpc_with_an_interface_in_it_stays() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let interface = world.interface(&subnet).await.network_interface_id.unwrap();
    let delete = DeleteVpcRequest { vpc_id: some(&vpc), dry_run: None };
    refused(world.ec2.delete_vpc(&world.ctx, delete.clone()).await, "DependencyViolation");
    world.delete_interface(&interface).await.unwrap();
    let subnet = DeleteSubnetRequest { subnet_id: some(&subnet), dry_run: None };
    world.ec2.delete_subnet(&world.ctx, subnet).await.unwrap();
    world.ec2.delete_vpc(&world.ctx, delete).await.unwrap();
}
