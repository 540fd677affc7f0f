//! What is refused, and how.

use super::ec2::{BAD_ZONE_SUBNET, FULL_SUBNET, OTHER_GROUP, OTHER_SUBNET, SUBNET_A, SUBNET_A2, SUBNET_C};
use super::*;
use std::sync::atomic::Ordering;

/// Asks for a cluster that is refused with this code and text.
async fn refused(world: &World, change: Value, code: &str, text: &str) -> Fault {
    let fault = world.ask("CreateCluster", World::request("blue", change)).await.unwrap_err();
    assert_eq!(fault.code, code, "{fault}");
    assert!(fault.message.contains(text), "{fault}");
    assert_eq!(fault.members["clusterName"], "blue");
    fault
}

fn subnets(ids: &[&str]) -> Value {
    json!({"resourcesVpcConfig": {"subnetIds": ids}})
}

#[tokio::test(start_paused = true)]
async fn subnets_that_do_not_do() {
    let world = World::new();
    let invalid = "InvalidParameterException";
    let one_zone = "Subnets specified must be in at least two different AZs";
    refused(&world, subnets(&[SUBNET_A]), invalid, one_zone).await;
    refused(&world, subnets(&[SUBNET_A, SUBNET_A2]), invalid, one_zone).await;
    refused(&world, subnets(&[SUBNET_A, SUBNET_A, SUBNET_A]), invalid, one_zone).await;
    let unknown = "subnet-0000000000000dead";
    let text =
        format!("The subnet ID '{unknown}' does not exist (Service: Ec2, Status Code: 400, Request ID: request-1)");
    refused(&world, subnets(&[SUBNET_A, unknown]), invalid, &text).await;
    refused(&world, subnets(&[SUBNET_A, OTHER_SUBNET]), invalid, "same VPC").await;
    let full = format!("Subnets [{FULL_SUBNET}] must have at least 6 free IP addresses");
    refused(&world, subnets(&[SUBNET_A, FULL_SUBNET]), invalid, &full).await;
    assert!(world.leases().is_empty(), "a refused cluster keeps no address");
}

#[tokio::test(start_paused = true)]
async fn a_zone_without_clusters_names_those_with() {
    let world = World::new();
    let fault = refused(
        &world,
        subnets(&[SUBNET_A, BAD_ZONE_SUBNET]),
        "UnsupportedAvailabilityZoneException",
        "Cannot create cluster 'blue' because us-east-1c, the targeted availability zone, does not currently have \
         sufficient capacity to support the cluster. Retry and choose from these availability zones: ap-northeast-2a",
    )
    .await;
    assert_eq!(fault.members["validZones"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn groups_and_ranges_of_elsewhere() {
    let world = World::new();
    let invalid = "InvalidParameterException";
    let foreign = json!({"resourcesVpcConfig": {"securityGroupIds": [OTHER_GROUP]}});
    let text = format!("Security group(s) [{OTHER_GROUP}] are not in the same VPC as the subnets.");
    refused(&world, foreign, invalid, &text).await;
    let unknown = json!({"resourcesVpcConfig": {"securityGroupIds": ["sg-0000000000000dead"]}});
    refused(&world, unknown, invalid, "(Service: Ec2, Status Code: 400").await;
    let overlap = json!({"kubernetesNetworkConfig": {"serviceIpv4Cidr": "192.168.128.0/20"}});
    refused(&world, overlap, invalid, "overlaps 192.168.0.0/16").await;
}

#[tokio::test(start_paused = true)]
async fn roles_that_eks_cannot_take_on() {
    let world = World::new();
    for arn in [
        "arn:aws:iam::111122223333:role/nobody",
        "arn:aws:iam::111122223333:role/ec2",
        "arn:aws:iam::111122223333:role/path/eks",
        "arn:aws:iam::999999999999:role/eks",
    ] {
        let text = format!(
            "Role with arn: {arn} could not be assumed because it does not exist or the trusted entity is not correct"
        );
        refused(&world, json!({ "roleArn": arn }), "InvalidParameterException", &text).await;
    }
    world.iam.broken.store(true, Ordering::SeqCst);
    let fault = refused(&world, json!({}), "ServerException", "IAM could not be asked").await;
    assert!(!fault.message.contains("host 7"), "what only the operator may know stays in the log");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once() {
    let world = World::new();
    world.get("CreateCluster", World::request("blue", json!({}))).await;
    let text = "Cluster already exists with name: blue";
    let fault = refused(&world, json!({"clientRequestToken": "new"}), "ResourceInUseException", text).await;
    assert_eq!(fault.status, 409);
    assert_eq!(world.leases().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_404_with_its_name() {
    let world = World::running();
    for (operation, input) in [
        ("DescribeCluster", json!({"name": "red"})),
        ("DeleteCluster", json!({"name": "red"})),
        ("ListUpdates", json!({"name": "red"})),
        ("DescribeUpdate", json!({"name": "red", "updateId": "x"})),
        ("UpdateClusterConfig", json!({"name": "red", "deletionProtection": true})),
    ] {
        let fault = world.ask(operation, input).await.unwrap_err();
        assert_eq!((fault.code.as_ref(), fault.status), ("ResourceNotFoundException", 404), "{operation}");
        assert_eq!(fault.message, "No cluster found for name: red.");
        assert_eq!(fault.members["clusterName"], "red");
    }
    world.create("blue").await;
    let fault = world.ask("DescribeUpdate", json!({"name": "blue", "updateId": "x"})).await.unwrap_err();
    assert_eq!((fault.status, fault.message.as_str()), (404, "No update found for ID: x"));
    let fault = world.ask("ListUpdates", json!({"name": "blue", "nodegroupName": "ng"})).await.unwrap_err();
    assert_eq!((fault.status, fault.code.as_ref()), (404, "ResourceNotFoundException"));
}

#[tokio::test(start_paused = true)]
async fn another_account_sees_nothing() {
    let world = World::running();
    world.create("blue").await;
    let caller = Caller { account: "444455556666".parse().unwrap(), ..world.context().caller };
    let other = Context { caller, ..world.context() };
    let ask = |operation, input| eks::dispatch(&world.service, &other, operation, input);
    assert_eq!(ask("DescribeCluster", json!({"name": "blue"})).await.unwrap_err().status, 404);
    let arn = "arn:aws:eks:ap-northeast-2:111122223333:cluster/blue";
    let tags = json!({"resourceArn": arn, "tags": {"a": "b"}});
    assert_eq!(ask("TagResource", tags).await.unwrap_err().code, "NotFoundException");
    assert_eq!(ask("ListTagsForResource", json!({"resourceArn": arn})).await.unwrap_err().code, "NotFoundException");
}

#[tokio::test(start_paused = true)]
async fn an_update_under_way_bars_others_and_the_deletion() {
    let mut world = World::running();
    world.create("blue").await;
    world.gate.close_at(1);
    world.restart().await;
    world.settled().await;
    let update =
        world.get("UpdateClusterConfig", json!({"name": "blue", "upgradePolicy": {"supportType": "STANDARD"}})).await;
    let id = update["update"]["id"].as_str().unwrap().to_owned();
    let access = json!({"name": "blue", "resourcesVpcConfig": {"endpointPrivateAccess": true}});
    let fault = world.ask("UpdateClusterConfig", access).await.unwrap_err();
    let text = format!("Cannot EndpointAccessUpdate because cluster blue currently has update {id} in progress");
    assert_eq!((fault.status, fault.message), (409, text));
    let fault = world.ask("DeleteCluster", json!({"name": "blue"})).await.unwrap_err();
    let text = "Cannot delete because cluster blue currently has an update in progress";
    assert_eq!((fault.status, fault.message.as_str()), (409, text));
}

#[tokio::test(start_paused = true)]
async fn a_protected_cluster_is_not_deleted() {
    let world = World::running();
    world.get("CreateCluster", World::request("blue", json!({"deletionProtection": true}))).await;
    world.settled().await;
    let fault = world.ask("DeleteCluster", json!({"name": "blue"})).await.unwrap_err();
    assert_eq!((fault.code.as_ref(), fault.status), ("InvalidRequestException", 400));
    world.get("UpdateClusterConfig", json!({"name": "blue", "deletionProtection": false})).await;
    world.settled().await;
    world.get("DeleteCluster", json!({"name": "blue"})).await;
}

#[tokio::test(start_paused = true)]
async fn tags_that_are_not_allowed() {
    let world = World::running();
    world.create("blue").await;
    let arn = "arn:aws:eks:ap-northeast-2:111122223333:cluster/blue";
    let many: std::collections::BTreeMap<String, &str> = (0..51).map(|n| (format!("k{n}"), "")).collect();
    for (operation, input, code) in [
        ("TagResource", json!({"resourceArn": arn, "tags": {"aws:x": "y"}}), "BadRequestException"),
        ("TagResource", json!({"resourceArn": arn, "tags": many}), "BadRequestException"),
        ("TagResource", json!({"resourceArn": arn, "tags": {}}), "BadRequestException"),
        ("UntagResource", json!({"resourceArn": arn}), "BadRequestException"),
        ("ListTagsForResource", json!({"resourceArn": "blue"}), "BadRequestException"),
        ("ListTagsForResource", json!({"resourceArn": format!("{arn}s")}), "NotFoundException"),
    ] {
        let fault = world.ask(operation, input).await.unwrap_err();
        assert_eq!(fault.code, code, "{operation} {fault}");
        assert!(fault.members.is_empty(), "errors of tag operations have no other members");
    }
}

#[tokio::test(start_paused = true)]
async fn operations_that_are_not_served_say_so_and_lists_have_bounds() {
    let world = World::new();
    let fault = world.ask("CreateNodegroup", json!({"clusterName": "blue"})).await.unwrap_err();
    assert!(fault.message.contains("CreateNodegroup"), "{fault}");
    for input in
        [json!({"maxResults": 0}), json!({"maxResults": 101}), json!({"nextToken": "?"}), json!({"include": ["x"]})]
    {
        let fault = world.ask("ListClusters", input).await.unwrap_err();
        assert_eq!((fault.code.as_ref(), fault.status), ("InvalidParameterException", 400));
    }
    let missing = subnets(&[SUBNET_A, SUBNET_C]);
    assert_eq!(world.ask("CreateCluster", missing).await.unwrap_err().message, "name must be specified");
}
