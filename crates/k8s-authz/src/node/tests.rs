use super::*;
use crate::attributes::User;
use k8s_types::selectors::parse_terms;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kubelet(node: &str) -> User {
    User { name: format!("system:node:{node}"), groups: vec!["system:nodes".to_owned()], ..User::default() }
}

fn pod(name: &str, node: &str) -> Value {
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "a"},
        "spec": {
            "nodeName": node,
            "serviceAccountName": "sa",
            "containers": [{"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "env"}}}]}],
            "volumes": [
                {"name": "v", "secret": {"secretName": "used"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
                {"name": "e", "ephemeral": {}},
                {"name": "p", "projected": {"sources": [{"configMap": {"name": "map"}}]}},
            ],
        },
    })
}

fn volume() -> Value {
    json!({
        "kind": "PersistentVolume",
        "metadata": {"name": "pv"},
        "spec": {
            "claimRef": {"namespace": "a", "name": "claim"},
            "csi": {
                "nodeStageSecretRef": {"namespace": "s", "name": "stage"},
                "controllerPublishSecretRef": {"namespace": "s", "name": "controller"},
            },
        },
    })
}

/// Whether n1's kubelet may get each of these.
fn gets(it: &NodeAuthorizer, node: &str) -> Vec<&'static str> {
    let user = kubelet(node);
    let all = [
        ("used", "", "secrets", "a"),
        ("env", "", "secrets", "a"),
        ("stage", "", "secrets", "s"),
        ("controller", "", "secrets", "s"),
        ("map", "", "configmaps", "a"),
        ("claim", "", "persistentvolumeclaims", "a"),
        ("p-e", "", "persistentvolumeclaims", "a"),
        ("pv", "", "persistentvolumes", ""),
    ];
    let may = |(name, group, resource, namespace): &(&'static str, &str, &str, &str)| {
        it.decide(&Attributes { namespace, name, ..Attributes::resource(&user, "get", group, resource) }).allowed
    };
    all.iter().filter(|it| may(it)).map(|it| it.0).collect()
}

#[test]
fn kubelets_read_what_their_pods_use() {
    let mut it = NodeAuthorizer::new(30);
    it.graph.put(&volume());
    assert!(gets(&it, "n1").is_empty());
    it.graph.put(&pod("p", "n1"));
    it.graph.put(&pod("q", "n1"));
    assert_eq!(gets(&it, "n1"), ["used", "env", "stage", "map", "claim", "p-e", "pv"]);
    assert!(gets(&it, "n2").is_empty());
    it.graph.remove("Pod", "a", "q");
    assert_eq!(gets(&it, "n1").len(), 7);
    it.graph.remove("PersistentVolume", "", "pv");
    assert_eq!(gets(&it, "n1"), ["used", "env", "map", "claim", "p-e"]);
    it.graph.put(&pod("p", ""));
    assert!(gets(&it, "n1").is_empty());
    let mut mirror = pod("p", "n1");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    it.graph.put(&mirror);
    assert!(gets(&it, "n1").is_empty());
}

#[test]
fn kubelets_read_only_their_own_since_1_32() {
    let user = kubelet("n1");
    let own = parse_terms("spec.nodeName=n1").unwrap();
    for (minor, verb, resource, name, fields, reason) in [
        (31, "get", "nodes", "n2", &[][..], None),
        (32, "get", "nodes", "n1", &[], None),
        (32, "get", "nodes", "n2", &[], Some("node 'n1' cannot read 'n2', only its own Node object")),
        (32, "list", "nodes", "", &[], Some("node 'n1' cannot read all nodes, only its own Node object")),
        (32, "delete", "nodes", "n1", &[], Some("")),
        (31, "list", "pods", "", &[], None),
        (32, "list", "pods", "", &own, None),
        (32, "list", "pods", "", &[], Some("can only list/watch pods with spec.nodeName field selector")),
        (32, "get", "pods", "x", &[], Some("no relationship found between node 'n1' and this object")),
        (32, "get", "services", "x", &[], None),
    ] {
        let it = NodeAuthorizer::new(minor);
        let ask = Attributes { name, fields, ..Attributes::resource(&user, verb, "", resource) };
        let decision = it.decide(&ask);
        assert_eq!((!decision.allowed).then_some(&*decision.reason), reason, "{minor} {verb} {resource} {name}");
    }
}

#[test]
fn others_are_not_its_business() {
    let it = NodeAuthorizer::new(30);
    let user = User { groups: Vec::new(), ..kubelet("n1") };
    assert_eq!(it.decide(&Attributes::resource(&user, "create", "", "nodes")), Decision::default());
    let nobody = kubelet("");
    assert_eq!(
        it.decide(&Attributes::resource(&nobody, "get", "", "pods")).reason,
        "unknown node for user \"system:node:\""
    );
}

proptest! {
    #[test]
    fn what_was_taken_back_leaves_nothing(changes in prop::collection::vec((0..3usize, 0..3usize, any::<bool>()), 0..30)) {
        let mut it = NodeAuthorizer::new(30);
        for (name, node, put) in changes {
            let (name, node) = (["p", "q", "r"][name], ["", "n1", "n2"][node]);
            if put {
                it.graph.put(&pod(name, node));
                it.graph.put(&volume());
            } else {
                it.graph.remove("Pod", "a", name);
                it.graph.remove("PersistentVolume", "", "pv");
            }
        }
        for name in ["p", "q", "r"] {
            it.graph.remove("Pod", "a", name);
        }
        it.graph.remove("PersistentVolume", "", "pv");
        prop_assert_eq!(format!("{:?}", it.graph), format!("{:?}", Graph::default()));
    }
}
