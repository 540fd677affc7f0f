//! What no record tells.

use crate::cluster::{Answer, Cluster, Who};
use serde_json::{Value, json};

async fn namespace(cluster: &Cluster, name: &str, labels: Value) {
    let body = json!({"metadata": {"name": name, "labels": labels}});
    cluster.post("v1", "Namespace", "/api/v1/namespaces", body).await.unwrap();
    let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
    cluster.post("v1", "ServiceAccount", &path, json!({"metadata": {"name": "default"}})).await.unwrap();
}

async fn pod(cluster: &Cluster, namespace: &str, name: &str, spec: Value) -> Answer {
    let mut spec = spec;
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "c", "image": "i"}]);
    }
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    cluster.post("v1", "Pod", &path, json!({"metadata": {"name": name}, "spec": spec})).await
}

fn refusal(answer: Answer) -> String {
    answer.unwrap_err().message
}

#[tokio::test]
async fn pods_keep_to_their_namespaces_policy() {
    let cluster = Cluster::new(34).await;
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/enforce-version": "v1.30",
    });
    namespace(&cluster, "a", labels).await;
    assert_eq!(
        refusal(pod(&cluster, "a", "p", json!({"hostNetwork": true})).await),
        "pods \"p\" is forbidden: violates PodSecurity \"baseline:v1.30\": host namespaces (hostNetwork=true)"
    );
    pod(&cluster, "a", "p", json!({"automountServiceAccountToken": false})).await.unwrap();
    // What is there may change in what no policy is about, even when the policy is another one by now.
    let stricter = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    cluster.ask("PATCH", "/api/v1/namespaces/a", stricter, &Who::admin()).await.unwrap().unwrap();
    let image = json!({"spec": {"containers": [{"name": "c", "image": "j"}]}});
    cluster.ask("PATCH", "/api/v1/namespaces/a/pods/p", image, &Who::admin()).await.unwrap().unwrap();
    assert!(refusal(pod(&cluster, "a", "q", json!({})).await).contains("restricted:v1.30"));
}

#[tokio::test]
async fn a_policy_that_is_none_is_refused() {
    let cluster = Cluster::new(30).await;
    let wrong = json!({"metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/warn": "x"}}});
    let status = cluster.post("v1", "Namespace", "/api/v1/namespaces", wrong).await.unwrap_err();
    assert_eq!(status.code, 422);
    assert_eq!(
        status.message,
        "Namespace \"a\" is invalid: metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: \"x\": must be \
         one of privileged, baseline, restricted"
    );
}

#[tokio::test]
async fn pods_tell_where_they_run() {
    let labels = json!({"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o"});
    for (minor, want) in
        [(34, Value::Null), (35, json!({"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}))]
    {
        let cluster = Cluster::new(minor).await;
        namespace(&cluster, "a", json!({})).await;
        let node = json!({"metadata": {"name": "n", "labels": labels}});
        cluster.post("v1", "Node", "/api/v1/nodes", node).await.unwrap();
        pod(&cluster, "a", "bound", json!({})).await.unwrap();
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "n"},
        });
        cluster.ask("POST", "/api/v1/namespaces/a/pods/bound/binding", binding, &Who::admin()).await.unwrap().unwrap();
        pod(&cluster, "a", "placed", json!({"nodeName": "n"})).await.unwrap();
        for name in ["bound", "placed"] {
            let found = cluster.registry.peek("", "pods", "a", name).unwrap();
            assert_eq!(found["metadata"].get("labels").unwrap_or(&Value::Null), &want, "{name} in 1.{minor}");
        }
    }
}

#[tokio::test]
async fn kubelets_ask_for_tokens_that_volumes_name() {
    use k8s_registry::admission::{Attempt, Operation};
    let cluster = Cluster::new(34).await;
    namespace(&cluster, "a", json!({})).await;
    let driver = json!({"metadata": {"name": "d"}, "spec": {"tokenRequests": [{"audience": "of-driver"}]}});
    cluster.post("storage.k8s.io/v1", "CSIDriver", "/apis/storage.k8s.io/v1/csidrivers", driver).await.unwrap();
    let token = json!({"serviceAccountToken": {"path": "t", "audience": "of-volume"}});
    let volumes = json!([{"name": "p", "projected": {"sources": [token]}}, {"name": "c", "csi": {"driver": "d"}}]);
    let made = pod(&cluster, "a", "p", json!({"nodeName": "n", "volumes": volumes})).await.unwrap();
    let endpoint = cluster.registry.catalog().endpoint("", "v1", "serviceaccounts").unwrap().clone();
    let kubelet = Who::new("system:node:n", &["system:nodes"]);
    let plugins = cluster.plugins();
    for (audiences, fine) in [
        (json!([]), true),
        (json!(["of-volume"]), true),
        (json!(["of-driver"]), true),
        (json!(["other"]), false),
        (json!(["of-volume", "of-driver"]), false),
    ] {
        let attempt = Attempt {
            registry: &cluster.registry,
            endpoint: &endpoint,
            subresource: "token",
            operation: Operation::Create,
            namespace: "a",
            name: "default",
            dry_run: false,
            asker: kubelet.asker(),
            now: jiff::Timestamp::now(),
        };
        let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]});
        let mut body = json!({"spec": {"audiences": audiences, "boundObjectRef": bound}});
        let answer = plugins.iter().try_for_each(|it| it.change(&attempt, &mut body, None));
        assert_eq!(answer.is_ok(), fine, "{audiences}");
    }
}

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

async fn request(cluster: &Cluster, name: &str, pem: &str, who: &Who) -> Answer {
    let body = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "request": pem.trim(), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
            "username": "somebody", "groups": ["else"],
        },
    });
    cluster.ask("POST", REQUESTS, body, who).await.unwrap()
}

#[tokio::test]
async fn certificates_are_given_by_those_who_may() {
    let cluster = Cluster::new(30).await;
    let bob = Who::new("bob", &["dev"]);
    let made = request(&cluster, "r", include_str!("request.txt"), &bob).await.unwrap();
    assert_eq!((&made["spec"]["username"], &made["spec"]["groups"]), (&json!("bob"), &json!(["dev"])));
    let conditions = json!([{"type": "Approved", "status": "True", "reason": "r"}]);
    let approval = json!({"status": {"conditions": conditions}});
    let path = format!("{REQUESTS}/r/approval");
    assert_eq!(
        refusal(cluster.ask("PATCH", &path, approval.clone(), &bob).await.unwrap()),
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: user not permitted to approve requests \
         with signerName \"kubernetes.io/kube-apiserver-client\""
    );
    cluster.ask("PATCH", &path, approval, &Who::admin()).await.unwrap().unwrap();
    let failed =
        json!({"status": {"conditions": [conditions[0], {"type": "Failed", "status": "True", "reason": "r"}]}});
    let signing = cluster.ask("PATCH", &format!("{REQUESTS}/r/status"), failed, &bob).await.unwrap();
    assert!(refusal(signing).contains("not permitted to sign requests"));
}

#[tokio::test]
async fn nobody_becomes_a_master_by_certificate() {
    let cluster = Cluster::new(30).await;
    let masters = include_str!("masters.txt");
    assert_eq!(
        refusal(request(&cluster, "r", masters, &Who::admin()).await),
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: use of kubernetes.io/kube-apiserver-client \
         signer with system:masters group is not allowed"
    );
}

async fn quota(cluster: &Cluster, hard: Value) {
    namespace(cluster, "a", json!({})).await;
    let body = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    cluster.post("v1", "ResourceQuota", "/api/v1/namespaces/a/resourcequotas", body).await.unwrap();
}

async fn config_map(cluster: &Cluster, name: &str, dry_run: bool) -> Answer {
    let path = format!("/api/v1/namespaces/a/configmaps{}", if dry_run { "?dryRun=All" } else { "" });
    cluster.post("v1", "ConfigMap", &path, json!({"metadata": {"name": name}})).await
}

/// Writes at the same time take no more than there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_not_overrun() {
    const ROOM: usize = 7;
    let cluster = std::sync::Arc::new(Cluster::new(34).await);
    quota(&cluster, json!({"count/configmaps": ROOM.to_string()})).await;
    let tasks: Vec<_> = (0..40)
        .map(|index| {
            let cluster = cluster.clone();
            tokio::spawn(async move { config_map(&cluster, &format!("m{index}"), false).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!(made, ROOM);
    assert_eq!(cluster.registry.peek_all("", "configmaps", "a").len(), ROOM);
}

/// Nor do changes at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_not_overrun_by_changes() {
    const ROOM: usize = 3;
    let cluster = std::sync::Arc::new(Cluster::new(34).await);
    quota(&cluster, json!({"services.nodeports": ROOM.to_string()})).await;
    for index in 0..12 {
        let body = json!({"metadata": {"name": format!("s{index}")}, "spec": {"ports": [{"port": 80}]}});
        cluster.post("v1", "Service", "/api/v1/namespaces/a/services", body).await.unwrap();
    }
    let tasks: Vec<_> = (0..12)
        .map(|index| {
            let cluster = cluster.clone();
            let path = format!("/api/v1/namespaces/a/services/s{index}");
            let open = json!({"spec": {"type": "NodePort"}});
            tokio::spawn(async move { cluster.ask("PATCH", &path, open, &Who::admin()).await.unwrap().is_ok() })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        opened += usize::from(task.await.unwrap());
    }
    assert_eq!(opened, ROOM);
    // What is closed again makes room.
    let services = cluster.registry.peek_all("", "services", "a");
    let (open, closed): (Vec<_>, Vec<_>) = services.iter().partition(|it| it["spec"]["type"] == "NodePort");
    assert_eq!(open.len(), ROOM);
    let change = |service: &Value, kind: &str| {
        let path = format!("/api/v1/namespaces/a/services/{}", service["metadata"]["name"].as_str().unwrap());
        let body = json!({"spec": {"type": kind}});
        let cluster = cluster.clone();
        async move { cluster.ask("PATCH", &path, body, &Who::admin()).await.unwrap() }
    };
    assert!(change(closed[0], "NodePort").await.is_err());
    change(open[0], "ClusterIP").await.unwrap();
    change(closed[0], "NodePort").await.unwrap();
}

#[tokio::test]
async fn room_is_free_again_at_once() {
    let cluster = Cluster::new(34).await;
    quota(&cluster, json!({"configmaps": "1"})).await;
    config_map(&cluster, "dry", true).await.unwrap();
    for round in 0..3 {
        let name = format!("m{round}");
        config_map(&cluster, &name, false).await.unwrap();
        assert_eq!(
            refusal(config_map(&cluster, "more", false).await),
            "configmaps \"more\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: \
             configmaps=1"
        );
        let path = format!("/api/v1/namespaces/a/configmaps/{name}");
        cluster.ask("DELETE", &path, Value::Null, &Who::admin()).await.unwrap().unwrap();
        // Nobody looked in between: what was promised is known to be done because it could be deleted.
    }
    for round in 0..3 {
        let name = format!("n{round}");
        config_map(&cluster, &name, false).await.unwrap();
        let path = format!("/api/v1/namespaces/a/configmaps/{name}");
        cluster.ask("DELETE", &path, Value::Null, &Who::admin()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn pods_that_ended_use_nothing() {
    let cluster = Cluster::new(34).await;
    quota(&cluster, json!({"pods": "1"})).await;
    pod(&cluster, "a", "one", json!({})).await.unwrap();
    assert!(refusal(pod(&cluster, "a", "two", json!({})).await).contains("exceeded quota: q"));
    let ended = json!({"status": {"phase": "Succeeded"}});
    cluster.ask("PATCH", "/api/v1/namespaces/a/pods/one/status", ended, &Who::admin()).await.unwrap().unwrap();
    pod(&cluster, "a", "two", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_generated_name_is_told_as_far_as_it_is_known() {
    let cluster = Cluster::new(34).await;
    namespace(&cluster, "a", json!({})).await;
    let body = json!({
        "metadata": {"generateName": "web-"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "priorityClassName": "none"},
    });
    let answer = cluster.post("v1", "Pod", "/api/v1/namespaces/a/pods", body).await;
    assert_eq!(refusal(answer), "pods \"web-\" is forbidden: no PriorityClass with name none was found");
}

/// What the plugins cost a write that none of them is about. Run it with `--release --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures"]
async fn nothing_to_do_costs_little() {
    use k8s_registry::admission::{Attempt, Operation};
    let cluster = Cluster::new(34).await;
    let plugins = cluster.plugins();
    let endpoint = cluster.registry.catalog().endpoint("", "v1", "configmaps").unwrap().clone();
    let who = Who::admin();
    let attempt = Attempt {
        registry: &cluster.registry,
        endpoint: &endpoint,
        subresource: "",
        operation: Operation::Create,
        namespace: "default",
        name: "",
        dry_run: false,
        asker: who.asker(),
        now: jiff::Timestamp::now(),
    };
    let mut object = json!({"metadata": {"name": "a"}, "data": {"a": "b"}});
    const TIMES: u32 = 100_000;
    let start = std::time::Instant::now();
    for _ in 0..TIMES {
        plugins.iter().try_for_each(|it| it.change(&attempt, &mut object, None)).unwrap();
        plugins.iter().try_for_each(|it| it.check(&attempt, &object, None)).unwrap();
    }
    println!("{:?} for each write", start.elapsed() / TIMES);
}

/// What a quota costs a pod among many. Run it as the other one.
#[tokio::test]
#[ignore = "measures"]
async fn a_quota_costs_little_among_many() {
    const MANY: u32 = 2000;
    let cluster = Cluster::new(34).await;
    quota(&cluster, json!({"pods": "100000", "requests.cpu": "100k"})).await;
    let containers = json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]);
    let start = std::time::Instant::now();
    for index in 0..MANY {
        pod(&cluster, "a", &format!("p{index}"), json!({"containers": containers})).await.unwrap();
    }
    println!("{:?} for each pod, one after the other", start.elapsed() / MANY);
    let last = std::time::Instant::now();
    for index in 0..100 {
        let path = "/api/v1/namespaces/a/pods?dryRun=All";
        let body = json!({"metadata": {"name": format!("q{index}")}, "spec": {"containers": containers}});
        cluster.post("v1", "Pod", path, body).await.unwrap();
    }
    println!("{:?} for one more that is not written", last.elapsed() / 100);
}
