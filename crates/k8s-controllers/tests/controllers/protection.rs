//! Volumes and claims go when nobody uses them, and not before.

use crate::harness::{Cluster, until};
use serde_json::{Value, json};

fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

fn pod(name: &str, claim: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}})
}

fn protect(mut object: Value, finalizer: &str) -> Value {
    // What admission adds to every one of them.
    object["metadata"]["finalizers"] = json!([finalizer, "example.com/mine"]);
    object
}

async fn let_go(cluster: &Cluster, plural: &str, namespace: &str, name: &str) {
    until("only the other finalizer is left", || {
        let object = cluster.get(plural, namespace, name).unwrap();
        object["metadata"]["finalizers"] == json!(["example.com/mine"])
    })
    .await;
}

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_goes_once_no_pod_uses_it() {
    let cluster = Cluster::start(34).await;
    for name in ["free", "used"] {
        cluster.create("a", protect(claim(name), CLAIM)).await;
    }
    cluster.create("a", pod("p", "used")).await;
    for name in ["free", "used"] {
        cluster.delete("persistentvolumeclaims", "a", name, None).await;
    }
    let_go(&cluster, "persistentvolumeclaims", "a", "free").await;
    let used = cluster.get("persistentvolumeclaims", "a", "used").unwrap();
    assert_eq!(used["metadata"]["finalizers"], json!([CLAIM, "example.com/mine"]), "a pod uses it");
    cluster.delete("pods", "a", "p", None).await;
    let_go(&cluster, "persistentvolumeclaims", "a", "used").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_is_nobodys_goes_also_after_a_start() {
    let mut cluster = Cluster::idle(30).await;
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}});
    cluster.create("", protect(volume, VOLUME)).await;
    cluster.delete("persistentvolumes", "", "v", None).await;
    cluster.go();
    let_go(&cluster, "persistentvolumes", "", "v").await;
}
