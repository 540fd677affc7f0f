//! Security groups and their rules.

use crate::common::{ACCOUNT, World, filter, refused, some};
use aws_model::ec2::*;

fn tcp(port: i32, cidr: &str) -> Option<Vec<IpPermission>> {
    Some(vec![IpPermission {
        ip_protocol: some("tcp"),
        from_port: Some(port),
        to_port: Some(port),
        ip_ranges: Some(vec![IpRange { cidr_ip: some(cidr), description: some("from a test") }]),
        ..Default::default()
    }])
}

fn authorize(group: &str, ip_permissions: Option<Vec<IpPermission>>) -> AuthorizeSecurityGroupIngressRequest {
    AuthorizeSecurityGroupIngressRequest { group_id: some(group), ip_permissions, ..Default::default() }
}

async fn show(world: &World, group: &str) -> SecurityGroup {
    let input = DescribeSecurityGroupsRequest { group_ids: Some(vec![group.into()]), ..Default::default() };
    world.ec2.describe_security_groups(&world.ctx, input).await.unwrap().security_groups.unwrap().remove(0)
}

#[tokio::test]
async fn names_are_unique_in_a_vpc_and_some_are_refused() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let group = world.group(&vpc, "web").await;
    let ask = |name: &str| CreateSecurityGroupRequest {
        vpc_id: some(&vpc),
        group_name: some(name),
        description: some("d"),
        ..Default::default()
    };
    let message = refused(world.ec2.create_security_group(&world.ctx, ask("web")).await, "InvalidGroup.Duplicate");
    assert_eq!(message, format!("The security group 'web' already exists for VPC '{vpc}'"));
    refused(world.ec2.create_security_group(&world.ctx, ask("default")).await, "InvalidParameterValue");
    refused(world.ec2.create_security_group(&world.ctx, ask("sg-web")).await, "InvalidParameterValue");
    let shown = show(&world, &group).await;
    assert_eq!(
        shown.security_group_arn.unwrap(),
        format!("arn:aws:ec2:ap-northeast-2:{ACCOUNT}:security-group/{group}")
    );
    let out = shown.ip_permissions_egress.unwrap();
    assert_eq!((out.len(), out[0].ip_protocol.as_deref(), out[0].from_port), (1, Some("-1"), None));
    assert_eq!(shown.ip_permissions, Some(vec![]));
    let delete = DeleteSecurityGroupRequest { group_id: some(&group), ..Default::default() };
    world.ec2.delete_security_group(&world.ctx, delete).await.unwrap();
    world.ec2.create_security_group(&world.ctx, ask("web")).await.unwrap();
}

#[tokio::test]
async fn a_rule_is_answered_with_its_id_and_refused_a_second_time() {
    let world = World::new();
    let vpc = world.vpc("192.168.0.0/16").await;
    let group = world.group(&vpc, "control-plane").await;
    let input = authorize(&group, tcp(443, "192.168.0.0/16"));
    let made = world.ec2.authorize_security_group_ingress(&world.ctx, input.clone()).await.unwrap();
    let rule = made.security_group_rules.unwrap().remove(0);
    assert_eq!((rule.from_port, rule.to_port, rule.is_egress), (Some(443), Some(443), Some(false)));
    assert_eq!(rule.cidr_ipv4.as_deref(), Some("192.168.0.0/16"));
    let message =
        refused(world.ec2.authorize_security_group_ingress(&world.ctx, input).await, "InvalidPermission.Duplicate");
    assert_eq!(
        message,
        "the specified rule \"peer: 192.168.0.0/16, TCP, from port: 443, to port: 443, ALLOW\" already exists"
    );
    let by_id = RevokeSecurityGroupIngressRequest {
        group_id: some(&group),
        security_group_rule_ids: Some(vec![rule.security_group_rule_id.unwrap()]),
        ..Default::default()
    };
    world.ec2.revoke_security_group_ingress(&world.ctx, by_id.clone()).await.unwrap();
    refused(world.ec2.revoke_security_group_ingress(&world.ctx, by_id).await, "InvalidSecurityGroupRuleId.NotFound");
    let by_permission = RevokeSecurityGroupIngressRequest {
        group_id: some(&group),
        ip_permissions: tcp(443, "192.168.0.0/16"),
        ..Default::default()
    };
    let message =
        refused(world.ec2.revoke_security_group_ingress(&world.ctx, by_permission).await, "InvalidPermission.NotFound");
    assert_eq!(message, "The specified rule does not exist in this security group.");
}

#[tokio::test]
async fn the_command_lines_flat_parameters_mean_the_same() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let group = world.group(&vpc, "flat").await;
    let flat = AuthorizeSecurityGroupIngressRequest {
        group_id: some(&group),
        ip_protocol: some("6"),
        from_port: Some(22),
        to_port: Some(22),
        cidr_ip: some("10.0.0.7/16"),
        ..Default::default()
    };
    world.ec2.authorize_security_group_ingress(&world.ctx, flat).await.unwrap();
    let shown = show(&world, &group).await.ip_permissions.unwrap().remove(0);
    assert_eq!(shown.ip_protocol.as_deref(), Some("tcp"));
    assert_eq!(shown.ip_ranges.unwrap()[0].cidr_ip.as_deref(), Some("10.0.0.0/16"), "host bits are cleared");
    let again = authorize(&group, tcp(22, "10.0.0.0/16"));
    refused(world.ec2.authorize_security_group_ingress(&world.ctx, again).await, "InvalidPermission.Duplicate");
}

#[tokio::test]
async fn a_group_that_another_names_cannot_be_deleted() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let (nodes, plane) = (world.group(&vpc, "nodes").await, world.group(&vpc, "plane").await);
    let pair = UserIdGroupPair { group_name: some("nodes"), ..Default::default() };
    let permission =
        IpPermission { ip_protocol: some("-1"), user_id_group_pairs: Some(vec![pair]), ..Default::default() };
    let input = authorize(&plane, Some(vec![permission]));
    let made = world.ec2.authorize_security_group_ingress(&world.ctx, input).await.unwrap();
    let rule = made.security_group_rules.unwrap().remove(0);
    assert_eq!(rule.referenced_group_info.unwrap().group_id.as_deref(), Some(&*nodes));
    assert_eq!((rule.from_port, rule.to_port), (Some(-1), Some(-1)), "all ports are written out here");
    let delete = DeleteSecurityGroupRequest { group_id: some(&nodes), ..Default::default() };
    let message = refused(world.ec2.delete_security_group(&world.ctx, delete.clone()).await, "DependencyViolation");
    assert_eq!(message, format!("resource {nodes} has a dependent object"));
    let other = world.vpc("10.1.0.0/16").await;
    let foreign = world.group(&other, "foreign").await;
    let pair = UserIdGroupPair { group_id: some(&foreign), ..Default::default() };
    let permission =
        IpPermission { ip_protocol: some("-1"), user_id_group_pairs: Some(vec![pair]), ..Default::default() };
    let input = authorize(&plane, Some(vec![permission]));
    refused(world.ec2.authorize_security_group_ingress(&world.ctx, input).await, "InvalidGroup.NotFound");
    let gone = DeleteSecurityGroupRequest { group_id: some(&plane), ..Default::default() };
    world.ec2.delete_security_group(&world.ctx, gone).await.unwrap();
    world.ec2.delete_security_group(&world.ctx, delete).await.unwrap();
}

#[tokio::test]
async fn a_group_takes_sixty_rules_each_way() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let group = world.group(&vpc, "many").await;
    let ranges = (0..60).map(|it| IpRange { cidr_ip: Some(format!("10.0.{it}.0/24")), description: None }).collect();
    let permission = IpPermission { ip_protocol: some("-1"), ip_ranges: Some(ranges), ..Default::default() };
    let input = authorize(&group, Some(vec![permission]));
    world.ec2.authorize_security_group_ingress(&world.ctx, input).await.unwrap();
    let more = authorize(&group, tcp(443, "10.0.0.0/16"));
    refused(world.ec2.authorize_security_group_ingress(&world.ctx, more).await, "RulesPerSecurityGroupLimitExceeded");
    let mut seen = std::collections::BTreeSet::new();
    let mut next_token = None;
    loop {
        let input = DescribeSecurityGroupRulesRequest {
            filters: filter("group-id", &[&group]),
            max_results: Some(25),
            next_token,
            ..Default::default()
        };
        let page = world.ec2.describe_security_group_rules(&world.ctx, input).await.unwrap();
        seen.extend(page.security_group_rules.unwrap().into_iter().map(|it| it.security_group_rule_id.unwrap()));
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 61);
}

#[tokio::test]
async fn rules_are_changed_and_reworded_in_place() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16").await;
    let group = world.group(&vpc, "g").await;
    let made = world.ec2.authorize_security_group_ingress(&world.ctx, authorize(&group, tcp(80, "10.0.0.0/16"))).await;
    let id = made.unwrap().security_group_rules.unwrap().remove(0).security_group_rule_id;
    let rule = SecurityGroupRuleRequest {
        ip_protocol: some("tcp"),
        from_port: Some(8080),
        to_port: Some(8081),
        cidr_ipv4: some("10.0.0.0/16"),
        ..Default::default()
    };
    let update = SecurityGroupRuleUpdate { security_group_rule_id: id.clone(), security_group_rule: Some(rule) };
    let input = ModifySecurityGroupRulesRequest {
        group_id: some(&group),
        security_group_rules: Some(vec![update]),
        ..Default::default()
    };
    world.ec2.modify_security_group_rules(&world.ctx, input).await.unwrap();
    let word = SecurityGroupRuleDescription { security_group_rule_id: id.clone(), description: some("the web") };
    let input = UpdateSecurityGroupRuleDescriptionsIngressRequest {
        group_id: some(&group),
        security_group_rule_descriptions: Some(vec![word]),
        ..Default::default()
    };
    world.ec2.update_security_group_rule_descriptions_ingress(&world.ctx, input).await.unwrap();
    let input =
        DescribeSecurityGroupRulesRequest { security_group_rule_ids: id.map(|it| vec![it]), ..Default::default() };
    let shown = world
        .ec2
        .describe_security_group_rules(&world.ctx, input)
        .await
        .unwrap()
        .security_group_rules
        .unwrap()
        .remove(0);
    assert_eq!(
        (shown.from_port, shown.to_port, shown.description.as_deref()),
        (Some(8080), Some(8081), Some("the web"))
    );
}
