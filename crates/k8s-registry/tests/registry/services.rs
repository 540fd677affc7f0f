//! The addresses and node ports of services.

use crate::harness::{Api, Cluster, MINOR, code};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn service(name: &str, kind: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"name": "a", "port": 80}]}})
}

fn with_address(name: &str, address: &str) -> Value {
    let mut body = service(name, "ClusterIP");
    body["spec"]["clusterIP"] = json!(address);
    body
}

fn with_port(name: &str, port: u16) -> Value {
    let mut body = service(name, "NodePort");
    body["spec"]["ports"][0]["nodePort"] = json!(port);
    body
}

fn address(service: &Value) -> String {
    service["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned()
}

fn port(service: &Value) -> Option<u64> {
    service["spec"]["ports"][0]["nodePort"].as_u64()
}

async fn small() -> Cluster {
    Cluster::with(MINOR, "10.0.0.0/28", store::Options::default()).await
}

#[tokio::test]
async fn an_address_is_given_once_until_it_is_free_again() {
    let cluster = small().await;
    let services = cluster.api("v1/services", "default");
    let mut seen = BTreeSet::new();
    for it in 0..14 {
        let made = services.create(service(&format!("s{it}"), "ClusterIP")).await.unwrap();
        assert_eq!(made["spec"]["clusterIPs"], json!([address(&made)]));
        assert!(seen.insert(address(&made)));
    }
    assert!(!seen.contains("10.0.0.0") && !seen.contains("10.0.0.15"));
    let full = services.create(service("more", "ClusterIP")).await.unwrap_err();
    assert_eq!(full.code, 500);
    assert!(full.message.contains("range is full"), "{}", full.message);
    let headless = services.create(with_address("headless", "None")).await.unwrap();
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let freed = address(&services.delete("s3").await.unwrap().object);
    let next = services.create(service("more", "ClusterIP")).await.unwrap();
    assert_eq!(address(&next), freed);
}

#[tokio::test]
async fn an_address_that_is_asked_for_must_be_free_and_in_range() {
    let cluster = small().await;
    let services = cluster.api("v1/services", "default");
    assert_eq!(address(&services.create(with_address("a", "10.0.0.3")).await.unwrap()), "10.0.0.3");
    for (address, why) in [
        ("10.0.0.3", "provided IP is already allocated"),
        ("10.0.1.1", "not in the valid range. The range of valid IPs is 10.0.0.0/28"),
        ("10.0.0.0", "not in the valid range"),
    ] {
        let refused = services.create(with_address("b", address)).await.unwrap_err();
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains(why), "{}", refused.message);
    }
    assert_eq!(code(services.create(with_address("a", "10.0.0.4")).await), 409, "that its name is taken comes first");
    services.delete("a").await.unwrap();
    services.create(with_address("b", "10.0.0.3")).await.unwrap();
}

#[tokio::test]
async fn a_change_of_type_frees_what_is_not_needed_any_more() {
    let cluster = small().await;
    let services = cluster.api("v1/services", "default");
    let made = services.create(service("a", "NodePort")).await.unwrap();
    let (held, node_port) = (address(&made), port(&made).unwrap());
    assert!((30_000..=32_767).contains(&node_port));
    let mut plain = made.clone();
    plain["spec"]["type"] = json!("ClusterIP");
    let plain = services.update("a", plain).await.unwrap().object;
    assert_eq!((address(&plain), port(&plain)), (held.clone(), None));
    let other = services.create(with_port("b", u16::try_from(node_port).unwrap())).await.unwrap();
    assert_eq!(port(&other), Some(node_port));
    let external = json!({"metadata": {"name": "a"}, "spec": {"type": "ExternalName", "externalName": "x.io",
        "clusterIP": "", "ports": [{"name": "a", "port": 80}]}});
    let external = services.update("a", external).await.unwrap().object;
    assert_eq!(address(&external), "");
    assert_eq!(address(&services.create(with_address("c", &held)).await.unwrap()), held);
    let mut back = external;
    back["spec"] = json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}]});
    let back = services.update("a", back).await.unwrap().object;
    assert!(!address(&back).is_empty() && address(&back) != held && port(&back).is_some());
}

#[tokio::test]
async fn a_node_port_that_is_asked_for_must_be_free_and_in_range() {
    let cluster = small().await;
    let services = cluster.api("v1/services", "default");
    services.create(with_port("a", 30_100)).await.unwrap();
    for (port, why) in [
        (30_100, "provided port is already allocated"),
        (29_999, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        (32_768, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ] {
        let refused = services.create(with_port("b", port)).await.unwrap_err();
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains(why), "{}", refused.message);
    }
    let mut two = with_port("dns", 30_053);
    two["spec"]["ports"] = json!([
        {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30_053},
        {"name": "t", "port": 53, "protocol": "TCP", "nodePort": 30_053},
    ]);
    services.create(two).await.unwrap();
    let kept = services.merge("a", json!({"metadata": {"labels": {"x": "y"}}})).await.unwrap();
    assert_eq!(port(&kept), Some(30_100));
    services.delete("a").await.unwrap();
    services.create(with_port("b", 30_100)).await.unwrap();
}

#[tokio::test]
async fn a_health_check_port_is_a_node_port_like_others() {
    let cluster = small().await;
    let services = cluster.api("v1/services", "default");
    let balanced = |name: &str, port: Option<u16>| {
        let mut body = service(name, "LoadBalancer");
        body["spec"]["externalTrafficPolicy"] = json!("Local");
        if let Some(port) = port {
            body["spec"]["healthCheckNodePort"] = json!(port);
        }
        body
    };
    let made = services.create(balanced("a", None)).await.unwrap();
    let given = u16::try_from(made["spec"]["healthCheckNodePort"].as_u64().unwrap()).unwrap();
    assert!(port(&made).is_some() && port(&made) != Some(u64::from(given)));
    let taken = services.create(balanced("b", Some(given))).await.unwrap_err();
    assert_eq!(taken.code, 500);
    let why = format!(
        "Internal error occurred: failed to allocate requested HealthCheck NodePort {given}: provided port is already \
         allocated"
    );
    assert_eq!(taken.message, why);
    assert_eq!(code(services.create(with_port("c", given)).await), 422);
    services.delete("a").await.unwrap();
    let made = services.create(balanced("b", Some(given))).await.unwrap();
    assert_eq!(made["spec"]["healthCheckNodePort"], given);
    let far = services.create(balanced("d", Some(80))).await.unwrap_err();
    assert!(far.message.contains("not in the valid range"), "{}", far.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_ask_for_one_address_at_once_one_gets_it() {
    let cluster = small().await;
    for round in 0..20 {
        let tasks = (0..4).map(|it| {
            let registry = cluster.registry.clone();
            tokio::spawn(async move {
                let services = Api::of(&registry, "v1/services", "default");
                services.create(with_address(&format!("s{it}"), "10.0.0.5")).await.map_err(|status| status.code)
            })
        });
        let mut won = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(made) => won.push(made["metadata"]["name"].as_str().unwrap().to_owned()),
                Err(code) => assert_eq!(code, 422),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        cluster.api("v1/services", "default").delete(&won[0]).await.unwrap();
    }
}

/// Whoever leaves the choice to the server gets an address and a port as long as there are any, however many ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_ask_for_any_address_at_once_get_one() {
    let cluster = small().await;
    for _ in 0..10 {
        let tasks = (0..14).map(|it| {
            let registry = cluster.registry.clone();
            tokio::spawn(async move {
                let services = Api::of(&registry, "v1/services", "default");
                services.create(service(&format!("s{it}"), "NodePort")).await
            })
        });
        let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for task in tasks.collect::<Vec<_>>() {
            let made = task.await.unwrap().unwrap();
            assert!(addresses.insert(address(&made)) && ports.insert(port(&made).unwrap()));
        }
        let services = cluster.api("v1/services", "default");
        for name in services.names() {
            services.delete(&name).await.unwrap();
        }
    }
}
