//! Crashes at every await: whatever was under way is finished by the next process, with nothing doubled or left.

use super::*;

/// More calls than any story below makes; the loops end when a story gets through without meeting the closed gate.
const ENOUGH: usize = 400;

/// Runs a story up to its `n`th call, crashes, restarts and lets it finish. `false` when it has fewer calls.
async fn crash_at(world: &mut World, n: usize, start: impl AsyncFnOnce(&World)) -> bool {
    world.gate.open();
    start(world).await;
    world.gate.close_at(n);
    // From here on only the reconciler calls anything.
    world.start();
    let crashed = tokio::select! {
        biased;
        () = world.gate.closed() => true,
        () = world.settled() => false,
    };
    world.restart().await;
    world.settled().await;
    crashed
}

fn assert_serves_once(world: &World, n: usize) {
    assert_eq!(world.ec2.cluster_groups().len(), 1, "crash at {n}");
    assert_eq!(world.ec2.interfaces().len(), 2, "crash at {n}");
    assert_eq!(world.leases().len(), 4, "crash at {n}");
    let group = &world.ec2.cluster_groups()[0];
    assert_eq!(group.ip_permissions.as_ref().map(Vec::len), Some(1), "crash at {n}");
    assert_eq!(group.ip_permissions_egress.as_ref().map(Vec::len), Some(1), "crash at {n}");
    let cluster: Cluster = world.records.scan("eks/").unwrap().remove(0).1;
    assert_eq!(cluster.status, ClusterStatus::Active, "crash at {n}");
    assert_eq!(cluster.cluster_security_group.map(|it| it.to_string()), group.group_id, "crash at {n}");
    let mut recorded: Vec<String> =
        cluster.control_plane.iter().map(|it| it.interface.as_ref().unwrap().id.to_string()).collect();
    let mut made: Vec<String> = world.ec2.interfaces().into_iter().map(|it| it.network_interface_id.unwrap()).collect();
    recorded.sort();
    made.sort();
    assert_eq!(recorded, made, "crash at {n}");
    let standing = world.control_planes.standing.lock().unwrap();
    assert_eq!(standing.len(), 1, "crash at {n}");
    let it = &standing[&cluster.endpoint_id];
    assert_eq!(it.authority, cluster.certificate_authority, "crash at {n}");
    assert_eq!(it.access.as_ref(), Some(&cluster.access), "crash at {n}");
}

fn assert_nothing_is_left(world: &World, n: usize) {
    assert!(world.records.scan::<Value>("").unwrap().is_empty(), "crash at {n}");
    assert!(world.ec2.cluster_groups().is_empty() && world.ec2.interfaces().is_empty(), "crash at {n}");
    assert!(world.control_planes.standing.lock().unwrap().is_empty(), "crash at {n}");
}

/// A cluster that serves, in a world at rest.
async fn with_cluster() -> World {
    let mut world = World::running();
    world.create("blue").await;
    world.stop().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_finished() {
    for n in 1..ENOUGH {
        let mut world = World::new();
        let begin = async |world: &World| drop(world.get("CreateCluster", World::request("blue", json!({}))).await);
        let crashed = crash_at(&mut world, n, begin).await;
        assert_serves_once(&world, n);
        if !crashed {
            assert!(n > 20, "the story has only {n} calls");
            return;
        }
    }
    panic!("the story never ended");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_finished() {
    for n in 1..ENOUGH {
        let mut world = with_cluster().await;
        let begin = async |world: &World| drop(world.get("DeleteCluster", json!({"name": "blue"})).await);
        let crashed = crash_at(&mut world, n, begin).await;
        assert_nothing_is_left(&world, n);
        if !crashed {
            assert!(n > 10, "the story has only {n} calls");
            return;
        }
    }
    panic!("the story never ended");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_what_is_half_made_is_finished() {
    for n in 1..ENOUGH {
        let mut world = World::new();
        let begin = async |world: &World| drop(world.get("CreateCluster", World::request("blue", json!({}))).await);
        begin(&world).await;
        world.gate.close_at(n);
        world.start();
        let crashed = tokio::select! {
            biased;
            () = world.gate.closed() => true,
            () = world.settled() => false,
        };
        world.stop().await;
        world.gate.open();
        world.get("DeleteCluster", json!({"name": "blue"})).await;
        world.start();
        world.settled().await;
        assert_nothing_is_left(&world, n);
        if !crashed {
            return;
        }
    }
    panic!("the story never ended");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_access_is_finished() {
    for n in 1..ENOUGH {
        let mut world = with_cluster().await;
        let ask = json!({"name": "blue", "resourcesVpcConfig": {
            "endpointPrivateAccess": true, "endpointPublicAccess": false}});
        let begin = async |world: &World| drop(world.get("UpdateClusterConfig", ask).await);
        let crashed = crash_at(&mut world, n, begin).await;
        let it = world.describe("blue").await;
        assert_eq!(
            (&it["status"], &it["resourcesVpcConfig"]["endpointPublicAccess"]),
            (&json!("ACTIVE"), &json!(false))
        );
        let ids = world.get("ListUpdates", json!({"name": "blue"})).await;
        let ask = json!({"name": "blue", "updateId": ids["updateIds"][0]});
        assert_eq!(world.get("DescribeUpdate", ask).await["update"]["status"], "Successful", "crash at {n}");
        let standing = world.control_planes.standing.lock().unwrap().values().next().unwrap().clone();
        assert_eq!(standing.access.map(|it| (it.public, it.private)), Some((false, true)), "crash at {n}");
        if !crashed {
            return;
        }
    }
    panic!("the story never ended");
}

/// A creation that fails `failures` times for good: a crash on the way may give it another chance, and then it has to
/// be whole; else nothing of it may be left in the user's VPC.
async fn failing_creation(failures: usize) {
    for n in 1..ENOUGH {
        let mut world = World::new();
        let begin = async |world: &World| {
            world.get("CreateCluster", World::request("blue", json!({}))).await;
            for _ in 0..failures {
                world.control_planes.fail("ensure", crate::ControlPlaneError::Fatal("no such kernel".into()));
            }
        };
        let crashed = crash_at(&mut world, n, begin).await;
        match world.describe("blue").await["status"].as_str() {
            Some("ACTIVE") => assert_serves_once(&world, n),
            Some("FAILED") => {
                assert!(world.ec2.cluster_groups().is_empty() && world.ec2.interfaces().is_empty(), "crash at {n}");
                assert!(world.control_planes.standing.lock().unwrap().is_empty(), "crash at {n}");
                assert_eq!(world.leases().len(), 4, "its addresses stay with the record");
            }
            other => panic!("{other:?} after a crash at {n}"),
        }
        world.get("DeleteCluster", json!({"name": "blue"})).await;
        world.settled().await;
        assert_nothing_is_left(&world, n);
        if !crashed {
            return;
        }
    }
    panic!("the story never ended");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_once_is_undone_or_done() {
    failing_creation(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_again_is_undone() {
    failing_creation(2).await;
}
