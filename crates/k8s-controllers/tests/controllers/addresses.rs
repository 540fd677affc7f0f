//! Addresses of Services as objects.

use crate::harness::{Cluster, until};
use serde_json::{Value, json};

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
}

fn address(service: &Value) -> String {
    service["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

fn parent(cluster: &Cluster, address: &str) -> Option<String> {
    let object = cluster.get("ipaddresses", "", address)?;
    Some(object["spec"]["parentRef"]["name"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_an_object_for_as_long_as_its_service_has_it() {
    let mut cluster = Cluster::idle(34).await;
    let before = address(&cluster.create("a", service("before")).await);
    cluster.go();
    let after = address(&cluster.create("a", service("after")).await);
    until("both have an object", || parent(&cluster, &before).is_some() && parent(&cluster, &after).is_some()).await;
    assert_eq!(parent(&cluster, &after).as_deref(), Some("after"));
    cluster.delete("ipaddresses", "", &after, None).await;
    until("one that was deleted by hand comes back", || parent(&cluster, &after).is_some()).await;
    cluster.delete("services", "a", "after", None).await;
    let mut heir = service("heir");
    heir["spec"]["clusterIP"] = json!(after);
    cluster.create("a", heir).await;
    until("it goes to who has the address now", || parent(&cluster, &after).as_deref() == Some("heir")).await;
    cluster.delete("services", "a", "heir", None).await;
    until("and goes with the last", || parent(&cluster, &after).is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_none_before_addresses_were_objects() {
    let mut cluster = Cluster::idle(30).await;
    cluster.go();
    cluster.create("a", service("s")).await;
    assert!(cluster.registry.catalog().endpoint("networking.k8s.io", "v1", "ipaddresses").is_none());
}
