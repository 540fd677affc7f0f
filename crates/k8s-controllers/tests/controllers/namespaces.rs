//! The end of a namespace.

use crate::harness::{Cluster, until};
use serde_json::json;

fn condition(namespace: &serde_json::Value, kind: &str) -> serde_json::Value {
    let conditions = namespace["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|it| it["type"] == kind).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_with_its_content() {
    for minor in [24, 30, 36] {
        let cluster = Cluster::start(minor).await;
        for at in 0..100 {
            cluster.config_map("a", &format!("cm-{at}"), &[]).await;
        }
        cluster.create("a", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})).await;
        cluster.delete("namespaces", "", "a", None).await;
        until("it is gone", || cluster.get("namespaces", "", "a").is_none()).await;
        assert!(cluster.list("configmaps", "a").is_empty() && cluster.list("secrets", "a").is_empty());
        // Its name is free again, and the new one is furnished.
        cluster.namespace("a").await;
        until("it has an account", || cluster.get("serviceaccounts", "a", "default").is_some()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finalizers_keep_it_and_it_says_so() {
    let cluster = Cluster::start(34).await;
    cluster.config_map("a", "held", &[]).await;
    cluster.merge("configmaps", "a", "held", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    cluster.delete("namespaces", "", "a", None).await;
    until("it tells", || {
        let namespace = cluster.get("namespaces", "", "a").unwrap();
        condition(&namespace, "NamespaceFinalizersRemaining")["message"]
            == "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    })
    .await;
    cluster.quiet().await;
    let namespace = cluster.get("namespaces", "", "a").unwrap();
    assert_eq!(condition(&namespace, "NamespaceContentRemaining")["status"], "True");
    assert_eq!(condition(&namespace, "NamespaceDeletionContentFailure")["status"], "False");
    let refused =
        cluster.try_create("a", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}})).await;
    assert_eq!(refused.unwrap_err().code, 403);
    cluster.merge("configmaps", "a", "held", json!({"metadata": {"finalizers": null}})).await;
    until("it is gone", || cluster.get("namespaces", "", "a").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_may_keep_it_with_finalizers_of_their_own() {
    let cluster = Cluster::start(34).await;
    cluster.merge("namespaces", "", "a", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    cluster.delete("namespaces", "", "a", None).await;
    until("its content is gone", || {
        cluster
            .get("namespaces", "", "a")
            .is_some_and(|it| it["spec"].get("finalizers").is_none_or(|it| it == &json!([])))
    })
    .await;
    cluster.quiet().await;
    assert!(cluster.list("serviceaccounts", "a").is_empty(), "nothing is made in it any more");
    cluster.merge("namespaces", "", "a", json!({"metadata": {"finalizers": null}})).await;
    until("it is gone", || cluster.get("namespaces", "", "a").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_after_a_restart() {
    let cluster = Cluster::idle(34).await;
    cluster.config_map("a", "cm", &[]).await;
    cluster.delete("namespaces", "", "a", None).await;
    let mut cluster = cluster.restart().await;
    assert!(cluster.get("namespaces", "", "a").is_some());
    cluster.go();
    until("it is gone", || cluster.get("namespaces", "", "a").is_none()).await;
}
