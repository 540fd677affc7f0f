//! From CreateCluster to 404.

use super::ec2::{GROUP, SUBNET_A, SUBNET_A2, SUBNET_C};
use super::*;
use futures::FutureExt as _;
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn a_new_cluster_is_answered_at_once_without_what_is_only_promised_later() {
    let world = World::new();
    let made = world.get("CreateCluster", World::request("blue", json!({}))).await;
    let made = &made["cluster"];
    assert_eq!(made["status"], "CREATING");
    assert_eq!(made["arn"], "arn:aws:eks:ap-northeast-2:111122223333:cluster/blue");
    assert_eq!(made["certificateAuthority"], json!({}));
    assert!(made.get("endpoint").is_none() && made.get("identity").is_none());
    assert!(made["resourcesVpcConfig"].get("clusterSecurityGroupId").is_none());
    let access = json!({"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": true});
    assert_eq!(made["accessConfig"], access);
    assert_eq!(world.describe("blue").await["accessConfig"], json!({"authenticationMode": "CONFIG_MAP"}));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_comes_to_serve_and_looks_as_on_aws() {
    let world = World::running();
    let groups = json!({"resourcesVpcConfig": {"securityGroupIds": [GROUP]}, "tags": {"team": "a"}});
    world.get("CreateCluster", World::request("blue", groups)).await;
    world.settled().await;
    let it = world.describe("blue").await;
    let members: Vec<&str> = it.as_object().unwrap().keys().map(String::as_str).collect();
    let want = [
        "name",
        "arn",
        "createdAt",
        "version",
        "endpoint",
        "roleArn",
        "resourcesVpcConfig",
        "kubernetesNetworkConfig",
        "logging",
        "identity",
        "status",
        "certificateAuthority",
        "platformVersion",
        "tags",
        "health",
        "accessConfig",
        "upgradePolicy",
        "deletionProtection",
        "controlPlaneScalingConfig",
    ];
    assert_eq!(members, want);
    let endpoint = it["endpoint"].as_str().unwrap();
    let id = endpoint.strip_prefix("https://").unwrap().strip_suffix(".gr7.ap-northeast-2.eks.amazonaws.com").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|it| it.is_ascii_digit() || (b'A'..=b'F').contains(&it)), "{id}");
    let issuer = format!("https://oidc.eks.ap-northeast-2.amazonaws.com/id/{id}");
    assert_eq!(it["identity"]["oidc"]["issuer"], issuer);
    assert_eq!((&it["status"], &it["version"], &it["tags"]), (&json!("ACTIVE"), &json!("1.34"), &json!({"team": "a"})));
    assert!(it["certificateAuthority"]["data"].as_str().unwrap().starts_with("LS0tLS1CRUdJTi"));
    assert_eq!(it["health"], json!({"issues": []}));
    let network = json!({"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4"});
    assert_eq!(it["kubernetesNetworkConfig"], network);
    let group = world.ec2.cluster_groups()[0].group_id.clone().unwrap();
    let vpc = json!({
        "subnetIds": [SUBNET_A, SUBNET_C], "securityGroupIds": [GROUP], "clusterSecurityGroupId": group,
        "vpcId": ec2::VPC, "endpointPublicAccess": true, "endpointPrivateAccess": false,
        "publicAccessCidrs": ["0.0.0.0/0"],
    });
    assert_eq!(it["resourcesVpcConfig"], vpc);
    assert_eq!(world.control_planes.count("ensure"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_eks_makes_in_the_users_vpc_looks_as_on_aws() {
    let world = World::running();
    let ask =
        json!({"resourcesVpcConfig": {"securityGroupIds": [GROUP], "subnetIds": [SUBNET_A, SUBNET_A2, SUBNET_C]}});
    world.get("CreateCluster", World::request("blue", ask)).await;
    world.settled().await;
    let group = &world.ec2.cluster_groups()[0];
    let description = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as \
                       well as any managed workloads.";
    assert_eq!(group.description.as_deref(), Some(description));
    let tags: Vec<(String, String)> =
        group.tags.iter().flatten().map(|it| (it.key.clone().unwrap(), it.value.clone().unwrap())).collect();
    let name = group.group_name.clone().unwrap();
    let want = [("aws:eks:cluster-name", "blue"), ("kubernetes.io/cluster/blue", "owned"), ("Name", name.as_str())];
    assert_eq!(tags, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
    for rules in [&group.ip_permissions, &group.ip_permissions_egress] {
        let rule = &rules.as_ref().unwrap()[0];
        let pair = &rule.user_id_group_pairs.as_ref().unwrap()[0];
        assert_eq!((rule.ip_protocol.as_deref(), &pair.group_id), (Some("-1"), &group.group_id));
        assert_eq!(pair.description.as_deref(), Some("Allows EFA traffic, which is not matched by CIDR rules."));
    }
    let interfaces = world.ec2.interfaces();
    let subnets: BTreeSet<_> = interfaces.iter().map(|it| it.subnet_id.clone().unwrap()).collect();
    assert_eq!(subnets, [SUBNET_A.to_owned(), SUBNET_C.to_owned()].into(), "one in each of two zones");
    for interface in interfaces {
        assert_eq!(interface.description.as_deref(), Some("Amazon EKS blue"));
        let groups: Vec<_> = interface.groups.iter().flatten().map(|it| it.group_id.clone()).collect();
        assert_eq!(groups, [Some(GROUP.to_owned()), group.group_id.clone()], "the user's first");
    }
}

#[tokio::test(start_paused = true)]
async fn the_group_of_an_older_version_has_no_egress_to_itself() {
    let world = World::running();
    world.get("CreateCluster", World::request("old", json!({"version": "1.32"}))).await;
    world.settled().await;
    assert_eq!(world.ec2.cluster_groups()[0].ip_permissions_egress, None);
}

#[tokio::test(start_paused = true)]
async fn deleting_leaves_nothing() {
    let world = World::running();
    world.create("blue").await;
    world.get("UpdateClusterConfig", json!({"name": "blue", "upgradePolicy": {"supportType": "STANDARD"}})).await;
    world.settled().await;
    assert_eq!(world.leases().len(), 4);
    let gone = world.get("DeleteCluster", json!({"name": "blue"})).await;
    assert_eq!(gone["cluster"]["status"], "DELETING");
    world.settled().await;
    let fault = world.ask("DescribeCluster", json!({"name": "blue"})).await.unwrap_err();
    assert_eq!((fault.status, fault.message.as_str()), (404, "No cluster found for name: blue."));
    assert!(world.ec2.cluster_groups().is_empty() && world.ec2.interfaces().is_empty() && world.leases().is_empty());
    assert!(world.control_planes.standing.lock().unwrap().is_empty());
    assert!(world.records.scan::<Value>("").unwrap().is_empty(), "no key is left");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_can_be_deleted_while_it_is_made_and_made_again() {
    let world = World::running();
    world.get("CreateCluster", World::request("blue", json!({}))).await;
    tokio::task::yield_now().await;
    world.get("DeleteCluster", json!({"name": "blue"})).await;
    assert_eq!(world.get("DeleteCluster", json!({"name": "blue"})).await["cluster"]["status"], "DELETING");
    world.settled().await;
    assert!(world.ec2.cluster_groups().is_empty() && world.leases().is_empty());
    world.create("blue").await;
    assert_eq!(world.describe("blue").await["status"], "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn an_update_of_access_goes_through_and_is_listed() {
    let world = World::running();
    world.create("blue").await;
    let ask = json!({"name": "blue", "resourcesVpcConfig": {"endpointPrivateAccess": true}});
    let update = world.get("UpdateClusterConfig", ask).await["update"].take();
    assert_eq!((&update["status"], &update["type"]), (&json!("InProgress"), &json!("EndpointAccessUpdate")));
    assert_eq!(update["errors"], json!([]));
    assert_eq!(world.describe("blue").await["status"], "UPDATING");
    world.settled().await;
    let id = update["id"].as_str().unwrap();
    let after = world.get("DescribeUpdate", json!({"name": "blue", "updateId": id})).await;
    assert_eq!(after["update"]["status"], "Successful");
    assert_eq!(world.describe("blue").await["status"], "ACTIVE");
    let standing = world.control_planes.standing.lock().unwrap().values().next().unwrap().clone();
    assert!(standing.access.unwrap().private);
    let listed = world.get("ListUpdates", json!({"name": "blue"})).await;
    assert_eq!(listed, json!({"updateIds": [id]}));
}

#[tokio::test(start_paused = true)]
async fn updates_that_only_concern_the_record_do_not_disturb_the_control_plane() {
    let world = World::running();
    world.create("blue").await;
    for ask in [
        json!({"name": "blue", "deletionProtection": true}),
        json!({"name": "blue", "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}),
        json!({"name": "blue", "logging": {"clusterLogging": [{"types": ["audit"], "enabled": true}]}}),
    ] {
        world.get("UpdateClusterConfig", ask).await;
        world.settled().await;
    }
    let it = world.describe("blue").await;
    assert_eq!((&it["deletionProtection"], &it["status"]), (&json!(true), &json!("ACTIVE")));
    assert_eq!(it["logging"]["clusterLogging"][0], json!({"types": ["audit"], "enabled": true}));
    assert_eq!(it["accessConfig"]["authenticationMode"], "API_AND_CONFIG_MAP");
    assert_eq!((world.control_planes.count("set_access"), world.control_planes.count("ensure")), (0, 1));
}

#[tokio::test]
async fn fifty_clusters_at_once_share_no_address() {
    let world = World::running();
    let asks = (0..50).map(|n| world.get("CreateCluster", World::request(&format!("c{n:02}"), json!({}))).boxed());
    futures::future::join_all(asks).await;
    world.settled().await;
    let clusters: Vec<Cluster> = world.records.scan("eks/").unwrap().into_iter().map(|(_, it)| it).collect();
    assert!(clusters.len() == 50 && clusters.iter().all(|it| it.status == ClusterStatus::Active));
    let instances = || clusters.iter().flat_map(|it| &it.control_plane);
    assert_eq!(instances().map(|it| it.provider_address).collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(instances().map(|it| it.public_address).collect::<BTreeSet<_>>().len(), 100);
    assert_eq!((world.leases().len(), world.ec2.interfaces().len()), (200, 100));
    for cluster in &clusters {
        let zones: Vec<&str> = cluster.control_plane.iter().map(|it| it.zone.as_str()).collect();
        assert_eq!(zones, ["ap-northeast-2a", "ap-northeast-2c"]);
    }
}
