//! What goes wrong on the way, and what the user sees of it.

use super::*;
use crate::ControlPlaneError;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_until_it_goes() {
    let world = World::running();
    for _ in 0..3 {
        world.ec2.fail("CreateSecurityGroup", Fault::server("InternalError", "try later"));
        world.ec2.fail("CreateNetworkInterface", Fault::client("RequestLimitExceeded", "slow down"));
        world.control_planes.fail("ensure", ControlPlaneError::Retry("no memory".into()));
    }
    world.create("blue").await;
    let it = world.describe("blue").await;
    assert_eq!((&it["status"], &it["health"]["issues"]), (&json!("ACTIVE"), &json!([])));
    assert_eq!((world.ec2.cluster_groups().len(), world.ec2.interfaces().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_cannot_succeed_fails_and_says_why() {
    let world = World::running();
    let full = Fault::client("InsufficientFreeAddressesInSubnet", "There are not enough free addresses");
    world.ec2.fail("CreateNetworkInterface", full);
    world.create("blue").await;
    let it = world.describe("blue").await;
    assert_eq!((&it["status"], &it["certificateAuthority"]), (&json!("FAILED"), &json!({})));
    assert_eq!(it["health"]["issues"][0]["code"], "InsufficientFreeAddresses");
    assert!(it.get("endpoint").is_none());
    assert!(world.ec2.cluster_groups().is_empty() && world.ec2.interfaces().is_empty(), "also the one that was made");
    assert!(world.control_planes.standing.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_not_tried_for_ever() {
    let world = World::running();
    for _ in 0..200 {
        world.control_planes.fail("ensure", ControlPlaneError::Retry("no memory".into()));
    }
    let began = world.clock.now();
    world.get("CreateCluster", World::request("blue", json!({}))).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let it = world.describe("blue").await;
    assert_eq!(it["status"], "CREATING");
    assert!(it["health"]["issues"][0]["message"].as_str().unwrap().contains("no memory"), "{it}");
    world.settled().await;
    assert_eq!(world.describe("blue").await["status"], "FAILED");
    let took = world.clock.now().duration_since(began);
    assert!(took >= crate::steps::PATIENCE && took < crate::steps::PATIENCE * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_what_holds_the_group_and_names_it() {
    let world = World::running();
    world.create("blue").await;
    let group = world.ec2.cluster_groups()[0].group_id.clone().unwrap();
    let holder = world.ec2.use_group(&group);
    world.get("DeleteCluster", json!({"name": "blue"})).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let it = world.describe("blue").await;
    assert_eq!(it["status"], "DELETING");
    let issue = &it["health"]["issues"][0];
    assert_eq!(issue["resourceIds"], json!([group, holder]));
    assert!(issue["message"].as_str().unwrap().contains(&holder), "{issue}");
    assert!(world.control_planes.count("remove") < 20, "it waits longer each time");
    world.ec2.drop_interface(&holder);
    world.settled().await;
    assert_eq!(world.ask("DescribeCluster", json!({"name": "blue"})).await.unwrap_err().status, 404);
    assert!(world.leases().is_empty());
}

/// Asks for private access and waits until the update is over: its status and errors, and what the cluster's record and
/// control plane say of private access.
async fn go_private(world: &World) -> (Value, Value, Value, Option<bool>) {
    let ask = json!({"name": "blue", "resourcesVpcConfig": {"endpointPrivateAccess": true}});
    let id = world.get("UpdateClusterConfig", ask).await["update"]["id"].take();
    world.settled().await;
    let update = world.get("DescribeUpdate", json!({"name": "blue", "updateId": id})).await["update"].take();
    let it = world.describe("blue").await;
    assert_eq!(it["status"], "ACTIVE");
    let standing = world.control_planes.standing.lock().unwrap().values().next().unwrap().clone();
    let stands = standing.access.map(|it| it.private);
    let recorded = it["resourcesVpcConfig"]["endpointPrivateAccess"].clone();
    (update["status"].clone(), update["errors"].clone(), recorded, stands)
}

#[tokio::test(start_paused = true)]
async fn a_change_of_access_that_cannot_be_is_taken_back() {
    let world = World::running();
    world.create("blue").await;
    world.control_planes.fail("set_access", ControlPlaneError::Fatal("no such table".into()));
    let (status, errors, recorded, stands) = go_private(&world).await;
    assert_eq!((status, recorded, stands), (json!("Failed"), json!(false), Some(false)));
    assert!(
        errors[0]["errorMessage"].as_str().unwrap().contains("no such table") && errors[0]["errorCode"] == "Unknown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_of_access_that_cannot_be_taken_back_is_repaired_later() {
    let world = World::running();
    world.create("blue").await;
    world.control_planes.fail("set_access", ControlPlaneError::Fatal("no such table".into()));
    world.control_planes.fail("set_access", ControlPlaneError::Retry("still none".into()));
    let ensured = world.control_planes.count("ensure");
    let (status, _, recorded, stands) = go_private(&world).await;
    assert_eq!((status, recorded, stands), (json!("Failed"), json!(false), Some(false)));
    assert!(world.control_planes.count("ensure") > ensured);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_access_that_fails_for_a_while_goes_through() {
    let world = World::running();
    world.create("blue").await;
    for _ in 0..4 {
        world.control_planes.fail("set_access", ControlPlaneError::Retry("busy".into()));
    }
    let (status, errors, recorded, stands) = go_private(&world).await;
    assert_eq!((status, errors, recorded, stands), (json!("Successful"), json!([]), json!(true), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_every_cluster_is_ensured_once_and_the_rest_left_alone() {
    let mut world = World::running();
    for name in ["a", "b", "c"] {
        world.create(name).await;
    }
    world.ec2.fail("CreateSecurityGroup", Fault::client("SecurityGroupLimitExceeded", "too many"));
    world.create("failed").await;
    world.control_planes.calls.lock().unwrap().clear();
    world.restart().await;
    world.settled().await;
    let mut calls = world.control_planes.calls.lock().unwrap().clone();
    calls.sort();
    assert_eq!(calls, ["ensure a", "ensure b", "ensure c"]);
    world.reconciler.resume();
    world.settled().await;
    assert_eq!(world.control_planes.count("ensure"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_control_plane_does_not_come_back_shows_it_until_it_does() {
    let mut world = World::running();
    world.create("blue").await;
    for _ in 0..12 {
        world.control_planes.fail("ensure", ControlPlaneError::Retry("no memory".into()));
    }
    world.restart().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let it = world.describe("blue").await;
    assert_eq!((&it["status"], &it["health"]["issues"][0]["code"]), (&json!("ACTIVE"), &json!("ClusterUnreachable")));
    world.settled().await;
    assert_eq!(world.describe("blue").await["health"]["issues"], json!([]));
}
