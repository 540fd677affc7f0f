//! Owners and dependents.

use crate::harness::{Cluster, SOON, blocking, owner, until};
use k8s_registry::Propagation;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn background_goes_down_the_tree_after_the_owner() {
    let cluster = Cluster::start(34).await;
    let root = cluster.config_map("a", "root", &[]).await;
    let child = cluster.config_map("a", "child", &[owner(&root)]).await;
    cluster.config_map("a", "grandchild", &[owner(&child)]).await;
    cluster.quiet().await;
    assert!(cluster.get("configmaps", "a", "grandchild").is_some());
    cluster.delete("configmaps", "a", "root", Some(Propagation::Background)).await;
    until("all are gone", || {
        ["root", "child", "grandchild"].iter().all(|it| cluster.get("configmaps", "a", it).is_none())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependent_stays_with_the_owner_that_is_left() {
    let cluster = Cluster::start(34).await;
    let (one, two) = (cluster.config_map("a", "one", &[]).await, cluster.config_map("a", "two", &[]).await);
    cluster.config_map("a", "both", &[owner(&one), owner(&two)]).await;
    cluster.delete("configmaps", "a", "one", None).await;
    until("it has one owner", || {
        cluster
            .get("configmaps", "a", "both")
            .is_some_and(|it| it["metadata"]["ownerReferences"] == json!([owner(&two)]))
    })
    .await;
    cluster.delete("configmaps", "a", "two", None).await;
    until("it is gone", || cluster.get("configmaps", "a", "both").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreground_waits_for_those_that_block() {
    let cluster = Cluster::start(34).await;
    let root = cluster.config_map("a", "root", &[]).await;
    let child = cluster.config_map("a", "child", &[blocking(&root)]).await;
    cluster.config_map("a", "grandchild", &[blocking(&child)]).await;
    cluster.merge("configmaps", "a", "grandchild", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    cluster.delete("configmaps", "a", "root", Some(Propagation::Foreground)).await;
    let waits = |name: &str| {
        let finalizers = cluster.get("configmaps", "a", name).map(|it| it["metadata"]["finalizers"].clone());
        finalizers == Some(json!(["foregroundDeletion"]))
    };
    until("the child waits, too", || waits("root") && waits("child")).await;
    cluster.quiet().await;
    assert!(waits("root") && waits("child") && cluster.get("configmaps", "a", "grandchild").is_some());
    cluster.merge("configmaps", "a", "grandchild", json!({"metadata": {"finalizers": null}})).await;
    until("all are gone", || {
        ["root", "child", "grandchild"].iter().all(|it| cluster.get("configmaps", "a", it).is_none())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_are_broken() {
    let cluster = Cluster::start(34).await;
    let one = cluster.config_map("a", "one", &[]).await;
    let two = cluster.config_map("a", "two", &[blocking(&one)]).await;
    cluster.merge("configmaps", "a", "one", json!({"metadata": {"ownerReferences": [blocking(&two)]}})).await;
    cluster.delete("configmaps", "a", "one", Some(Propagation::Foreground)).await;
    until("both are gone", || ["one", "two"].iter().all(|it| cluster.get("configmaps", "a", it).is_none())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_stay_without_the_owner() {
    let cluster = Cluster::start(34).await;
    let root = cluster.config_map("a", "root", &[]).await;
    cluster.config_map("a", "child", &[blocking(&root)]).await;
    cluster.delete("configmaps", "a", "root", Some(Propagation::Orphan)).await;
    until("the owner is gone", || cluster.get("configmaps", "a", "root").is_none()).await;
    cluster.quiet().await;
    let child = cluster.get("configmaps", "a", "child").unwrap();
    assert!(child["metadata"].get("ownerReferences").is_none(), "{child}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_elsewhere_are_none() {
    let cluster = Cluster::start(34).await;
    cluster.namespace("b").await;
    let elsewhere = cluster.config_map("b", "owner", &[]).await;
    let child = cluster.config_map("a", "child", &[owner(&elsewhere)]).await;
    until("it is gone", || cluster.get("configmaps", "a", "child").is_none()).await;
    until("somebody says why", || !cluster.list("events", "a").is_empty()).await;
    let event = cluster.list("events", "a").remove(0);
    assert_eq!(event["reason"], "OwnerRefInvalidNamespace");
    let uid = elsewhere["metadata"]["uid"].as_str().unwrap();
    let text =
        format!("ownerRef [v1/ConfigMap, namespace: a, name: owner, uid: {uid}] does not exist in namespace \"a\"");
    assert_eq!(event["message"], text);
    assert_eq!(event["involvedObject"]["uid"], child["metadata"]["uid"]);

    // What has no namespace can't be owned by what has one, and nobody can tell what should become of it.
    let metadata = json!({"name": "role", "ownerReferences": [owner(&elsewhere)]});
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": []});
    cluster.namespace("default").await;
    cluster.create("", role).await;
    until("somebody says so", || cluster.list("events", "default").len() == 1).await;
    cluster.quiet().await;
    assert!(cluster.get("clusterroles", "", "role").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_owners_are_left_alone() {
    let cluster = Cluster::start(34).await;
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "1"});
    cluster.config_map("a", "child", &[unknown]).await;
    cluster.quiet().await;
    assert!(cluster.get("configmaps", "a", "child").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cascade_goes_on_after_a_restart() {
    let mut cluster = Cluster::idle(34).await;
    let root = cluster.config_map("a", "root", &[]).await;
    let waiting = cluster.config_map("a", "waiting", &[]).await;
    let letting_go = cluster.config_map("a", "letting-go", &[]).await;
    for at in 0..200 {
        let child = cluster.config_map("a", &format!("child-{at}"), &[owner(&root)]).await;
        cluster.config_map("a", &format!("grandchild-{at}"), &[owner(&child)]).await;
        cluster.config_map("a", &format!("blocking-{at}"), &[blocking(&waiting)]).await;
        cluster.config_map("a", &format!("free-{at}"), &[owner(&letting_go)]).await;
    }
    cluster.delete("configmaps", "a", "root", Some(Propagation::Background)).await;
    cluster.delete("configmaps", "a", "waiting", Some(Propagation::Foreground)).await;
    cluster.delete("configmaps", "a", "letting-go", Some(Propagation::Orphan)).await;
    let before = cluster.list("configmaps", "a").len();
    cluster.go();
    until("it has begun", || cluster.list("configmaps", "a").len() < before - 20).await;
    let mut cluster = cluster.restart().await;
    let middle = cluster.list("configmaps", "a").len();
    assert!(middle > 201, "it was in the middle");
    cluster.go();
    until("what is free is left", || cluster.list("configmaps", "a").len() == 201).await;
    let owned = |it: &serde_json::Value| it["metadata"].get("ownerReferences").is_some();
    assert!(!cluster.list("configmaps", "a").iter().any(owned));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_dependents_go_within_seconds() {
    let cluster = Cluster::start(34).await;
    let root = cluster.config_map("a", "root", &[]).await;
    let owners = [blocking(&root)];
    let names: Vec<String> = (0..5000).map(|it| format!("child-{it}")).collect();
    for chunk in names.chunks(250) {
        futures::future::join_all(chunk.iter().map(|it| cluster.config_map("a", it, &owners))).await;
    }
    let begin = Instant::now();
    cluster.delete("configmaps", "a", "root", Some(Propagation::Foreground)).await;
    while cluster.get("configmaps", "a", "root").is_some() {
        assert!(begin.elapsed() < 3 * SOON, "{} are left", cluster.list("configmaps", "a").len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("5000 dependents went in {:?}", begin.elapsed());
    assert_eq!(cluster.list("configmaps", "a").len(), 1, "the root certificates are left");
}
