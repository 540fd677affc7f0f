//! What a cluster has before anybody makes anything.

use crate::golden::{looks_like, scenarios};
use crate::harness::{Cluster, ROOT_CA, until};
use jiff::Timestamp;
use k8s_controllers::fresh::ensure_addresses;
use k8s_controllers::{FreshConfig, ensure_fresh};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn config() -> FreshConfig {
    FreshConfig {
        services: "10.100.0.0/16".parse().unwrap(),
        addresses: vec!["192.168.1.10".parse().unwrap(), "192.168.2.20".parse().unwrap()],
        port: 443,
        client_ca: "client ca".to_owned(),
        proxy_ca: Some("proxy ca".to_owned()),
        eks: true,
        aws_auth: None,
        now: Timestamp::now(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_made_once() {
    for minor in 24..=36 {
        let cluster = Cluster::bare(minor);
        ensure_fresh(&cluster.registry, &config()).await.unwrap();
        let revision = cluster.registry.revision();
        ensure_fresh(&cluster.registry, &config()).await.unwrap();
        let changed = cluster.changes_after(revision);
        assert!(changed.is_empty(), "1.{minor}: {changed:?}");
        assert!(revision < 10, "1.{minor}: {revision} transactions");
        for plural in ["namespaces", "apiservices", "flowschemas", "clusterroles", "endpointslices", "services"] {
            for object in cluster.list(plural, "") {
                let metadata = &object["metadata"];
                assert!(metadata["managedFields"].as_array().is_some_and(|it| !it.is_empty()), "{object}");
                assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string(), "{object}");
            }
        }
        let default = &cluster.get("storageclasses", "", "gp2").unwrap()["metadata"]["annotations"];
        assert_eq!(default.is_object(), minor < 30, "1.{minor}");
        let tracked = cluster.get("configmaps", "kube-system", "kube-apiserver-legacy-service-account-token-tracking");
        assert_eq!(tracked.is_some(), minor >= 27, "1.{minor}");
        if minor >= 33 {
            assert!(cluster.get("ipaddresses", "", "10.100.0.1").is_some());
            assert_eq!(
                cluster.get("servicecidrs", "", "kubernetes").unwrap()["spec"]["cidrs"],
                json!(["10.100.0.0/16"])
            );
        }
    }
}

/// Everything that an API server was seen to have made is there, as it made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_what_the_records_have() {
    let mut cluster = Cluster::bare(24);
    ensure_fresh(&cluster.registry, &config()).await.unwrap();
    cluster.go();
    until("namespaces are furnished", || {
        cluster.list("serviceaccounts", "").len() > 30 && cluster.list("configmaps", "").len() >= 5
    })
    .await;
    cluster.quiet().await;
    let mut seen = 0;
    for file in ["fresh-apiserver", "fresh-with-controller-manager"] {
        for scenario in scenarios(file) {
            let path = scenario["steps"][0]["request"]["path"].as_str().unwrap();
            let plural = path.rsplit('/').next().unwrap();
            for item in scenario["steps"][0]["response"]["items"].as_array().unwrap() {
                let (namespace, name) = (
                    item["metadata"]["namespace"].as_str().unwrap_or_default(),
                    item["metadata"]["name"].as_str().unwrap(),
                );
                if plural == "secrets" || is_past(plural, name, item) {
                    continue;
                }
                let made = cluster.get(plural, namespace, name);
                let made = made.unwrap_or_else(|| panic!("{plural} {namespace}/{name}"));
                // Roles have more rules now; they are compared where they are made.
                if !plural.contains("role") {
                    let mut want = item.clone();
                    want.as_object_mut().unwrap().retain(|name, _| name != "apiVersion" && name != "secrets");
                    let known = want["metadata"].as_object_mut().unwrap();
                    known.retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "labels" | "generation"));
                    if plural == "endpointslices" || plural == "endpoints" {
                        assert_eq!(known.get("labels"), made["metadata"].get("labels"));
                        continue;
                    }
                    assert!(looks_like(&made, &want), "{plural} {name}\n{made}\n{want}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 150, "{seen}");
}

/// Whether later releases don't have it, or have it otherwise.
fn is_past(plural: &str, name: &str, item: &Value) -> bool {
    match plural {
        "apiservices" => name.contains("beta") || name.contains("alpha") || item["spec"]["group"] == "extensions",
        // These depend on flags of the controller manager, and are past in the cloud.
        "serviceaccounts" => matches!(name, "bootstrap-signer" | "token-cleaner"),
        "flowschemas" => name.contains("leader-election"),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_follow_the_server() {
    let cluster = Cluster::bare(34);
    ensure_fresh(&cluster.registry, &config()).await.unwrap();
    let mut moved = config();
    moved.addresses = vec!["192.168.1.11".parse().unwrap()];
    ensure_addresses(&cluster.registry, &moved).await.unwrap();
    let endpoints = cluster.get("endpoints", "default", "kubernetes").unwrap();
    let port = json!([{"name": "https", "port": 443, "protocol": "TCP"}]);
    assert_eq!(endpoints["subsets"], json!([{"addresses": [{"ip": "192.168.1.11"}], "ports": port}]));
    let slice = cluster.get("endpointslices", "default", "kubernetes").unwrap();
    assert_eq!(slice["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(slice["endpoints"][0]["addresses"], json!(["192.168.1.11"]));
    let revision = cluster.registry.revision();
    ensure_addresses(&cluster.registry, &moved).await.unwrap();
    assert_eq!(cluster.registry.revision(), revision);
    moved.addresses.clear();
    ensure_addresses(&cluster.registry, &moved).await.unwrap();
    assert!(cluster.get("endpoints", "default", "kubernetes").unwrap().get("subsets").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_the_servers_is_kept_and_the_rest_is_left() {
    let cluster = Cluster::bare(34);
    let mut fresh = config();
    fresh.aws_auth = Some("- rolearn: r\n".to_owned());
    ensure_fresh(&cluster.registry, &fresh).await.unwrap();
    cluster.delete("apiservices", "", "v1.apps", None).await;
    cluster.delete("priorityclasses", "", "system-node-critical", None).await;
    cluster.merge("configmaps", "kube-system", "extension-apiserver-authentication", json!({"data": null})).await;
    cluster.merge("flowschemas", "", "service-accounts", json!({"spec": {"matchingPrecedence": 1234}})).await;
    cluster.merge("configmaps", "kube-system", "aws-auth", json!({"data": {"mapRoles": "mine"}})).await;
    cluster.merge("storageclasses", "", "gp2", json!({"metadata": {"annotations": {"a": "b"}}})).await;
    cluster.merge("clusterroles", "", "system:node", json!({"rules": null})).await;
    let gone = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v9.apps", "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
        "spec": {"group": "apps", "version": "v9", "groupPriorityMinimum": 1, "versionPriority": 1}});
    cluster.create("", gone).await;
    ensure_fresh(&cluster.registry, &fresh).await.unwrap();
    assert!(cluster.get("apiservices", "", "v1.apps").is_some() && cluster.get("apiservices", "", "v9.apps").is_none());
    assert!(cluster.get("priorityclasses", "", "system-node-critical").is_some());
    let authentication = cluster.get("configmaps", "kube-system", "extension-apiserver-authentication").unwrap();
    assert_eq!(authentication["data"]["requestheader-client-ca-file"], "proxy ca");
    assert_eq!(cluster.get("flowschemas", "", "service-accounts").unwrap()["spec"]["matchingPrecedence"], 9000);
    assert_eq!(cluster.get("configmaps", "kube-system", "aws-auth").unwrap()["data"]["mapRoles"], "mine");
    assert_eq!(cluster.get("storageclasses", "", "gp2").unwrap()["metadata"]["annotations"], json!({"a": "b"}));
    assert!(cluster.get("clusterroles", "", "system:node").unwrap()["rules"].is_array());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_cluster_with_controllers_comes_to_rest() {
    let mut cluster = Cluster::bare(34);
    ensure_fresh(&cluster.registry, &config()).await.unwrap();
    cluster.go();
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        until("it has its certificates", || {
            cluster.get("configmaps", namespace, "kube-root-ca.crt").is_some_and(|it| it["data"]["ca.crt"] == ROOT_CA)
        })
        .await;
    }
    until("roles are aggregated", || cluster.get("clusterroles", "", "view").unwrap()["rules"].is_array()).await;
    cluster.quiet().await;
    let revision = cluster.registry.revision();
    ensure_fresh(&cluster.registry, &config()).await.unwrap();
    cluster.quiet().await;
    assert_eq!(cluster.changes_after(revision), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_made_quickly() {
    let mut took = Vec::new();
    for _ in 0..5 {
        let cluster = Cluster::bare(34);
        let begin = Instant::now();
        ensure_fresh(&cluster.registry, &config()).await.unwrap();
        took.push(begin.elapsed());
    }
    println!("a fresh cluster took {took:?}");
    // Machines that run tests are busy; without optimization nothing is promised.
    let most = Duration::from_millis(if cfg!(debug_assertions) { 5000 } else { 100 });
    assert!(took.iter().min().is_some_and(|it| *it < most), "{took:?}");
}
