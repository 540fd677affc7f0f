//! Events end.

use crate::harness::{Cluster, until};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_end_after_their_time() {
    let mut cluster = Cluster::idle(34).await;
    cluster.config.event_ttl = Duration::from_secs(1);
    let event = |name: &str| {
        let about = json!({"kind": "Pod", "namespace": "a", "name": "p"});
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": about, "reason": "x"})
    };
    cluster.create("a", event("before")).await;
    cluster.go();
    cluster.create("a", event("after")).await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    cluster.create("a", lease).await;
    assert_eq!(cluster.list("events", "a").len(), 2);
    until("both are gone", || cluster.list("events", "a").is_empty()).await;
    cluster.create("a", event("later")).await;
    until("this one, too", || cluster.list("events", "a").is_empty()).await;
    assert!(cluster.get("leases", "a", "l").is_some());
}
