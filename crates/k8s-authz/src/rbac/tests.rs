use super::*;
use proptest::prelude::*;
use serde_json::json;

fn user(name: &str, groups: &[&str]) -> User {
    User { name: name.to_owned(), groups: groups.iter().map(ToString::to_string).collect(), ..User::default() }
}

#[test]
fn bindings_change() {
    let mut rules = Rules::new();
    let bob = user("bob", &["dev"]);
    let ask = Attributes { namespace: "a", ..Attributes::resource(&bob, "get", "", "pods") };
    let mut binding = json!({
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": "a"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "Group", "name": "dev"}],
    });
    rules.put(&binding);
    assert_eq!(rules.decide(&ask).reason, r#"RBAC: clusterrole.rbac.authorization.k8s.io "r" not found"#);
    rules.put(&json!({
        "kind": "ClusterRole",
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }));
    let yes = rules.decide(&ask);
    assert_eq!(
        (yes.allowed, &*yes.reason),
        (true, r#"RBAC: allowed by RoleBinding "b/a" of ClusterRole "r" to Group "dev""#)
    );
    assert!(!rules.decide(&Attributes { namespace: "other", ..ask }).allowed);
    assert!(!rules.decide(&Attributes { namespace: "", ..ask }).allowed);
    binding["subjects"] = json!([{"kind": "User", "name": "alice"}]);
    rules.put(&binding);
    assert_eq!(rules.decide(&ask), Decision::default());
    rules.remove("RoleBinding", "a", "b");
    assert!(rules.namespaces.is_empty());
    assert!(!rules.decide(&Attributes { user: &user("alice", &[]), ..ask }).allowed);
}

#[test]
fn service_accounts_are_users() {
    let mut rules = Rules::new();
    rules.put(&json!({
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "a"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}],
    }));
    rules.put(&json!({
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": "a"},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot"}, {"kind": "ServiceAccount", "name": "x", "namespace": "o"}],
    }));
    for (name, allowed) in [("a:robot", true), ("o:x", true), ("a:x", false), ("o:robot", false)] {
        let user = user(&format!("system:serviceaccount:{name}"), &[]);
        let ask = Attributes { namespace: "a", ..Attributes::resource(&user, "get", "", "pods") };
        assert_eq!(rules.decide(&ask).allowed, allowed, "{name}");
    }
}

/// What the index must answer, from looking at all objects.
fn naive(objects: &BTreeMap<(String, String, String), Value>, ask: &Attributes<'_>) -> Decision {
    let mut errors = Vec::new();
    for (kind, namespace) in [("ClusterRoleBinding", ""), ("RoleBinding", ask.namespace)] {
        if kind == "RoleBinding" && namespace.is_empty() {
            continue;
        }
        for ((_, _, name), binding) in objects.iter().filter(|((k, n, _), _)| k == kind && n == namespace) {
            let is = |it: &&Value| match it["kind"].as_str() {
                Some("User") => it["name"] == *ask.user.name,
                _ => ask.user.groups.iter().any(|group| it["name"] == **group),
            };
            let Some(subject) = binding["subjects"].as_array().unwrap().iter().find(is) else { continue };
            let (role_kind, role) =
                (binding["roleRef"]["kind"].as_str().unwrap(), binding["roleRef"]["name"].as_str().unwrap());
            let of = if role_kind == "ClusterRole" { "" } else { namespace };
            let Some(found) = objects.get(&(role_kind.to_owned(), of.to_owned(), role.to_owned())) else {
                errors.push(format!("{}.{GROUP} \"{role}\" not found", role_kind.to_lowercase()));
                continue;
            };
            if PolicyRule::of_role(found).iter().any(|it| it.allows(ask)) {
                let name = if namespace.is_empty() { name.clone() } else { format!("{name}/{namespace}") };
                let (kind_of, told) = (subject["kind"].as_str().unwrap(), subject["name"].as_str().unwrap());
                let reason =
                    format!("RBAC: allowed by {kind} \"{name}\" of {role_kind} \"{role}\" to {kind_of} \"{told}\"");
                return Decision { allowed: true, reason };
            }
        }
    }
    if errors.is_empty() { Decision::default() } else { Decision::no_opinion(format!("RBAC: {}", told(&errors))) }
}

#[derive(Debug, Clone)]
enum Change {
    Role(String, String, usize),
    Binding(String, String, String, String, Vec<usize>),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let namespace = prop::sample::select(vec!["", "a", "b"]).prop_map(str::to_owned);
    let name = prop::sample::select(vec!["x", "y", "z"]).prop_map(str::to_owned);
    prop_oneof![
        (namespace.clone(), name.clone(), 0..6usize).prop_map(|(a, b, c)| Change::Role(a, b, c)),
        (namespace, name.clone(), name, any::<bool>(), prop::collection::vec(0..5usize, 0..3)).prop_map(
            |(namespace, name, role, cluster, subjects)| {
                let kind = if namespace.is_empty() || cluster { "ClusterRole" } else { "Role" };
                Change::Binding(namespace, name, kind.to_owned(), role, subjects)
            }
        ),
        (0..8usize).prop_map(Change::Remove),
    ]
}

fn object(change: Change) -> Option<Value> {
    let kind =
        |namespace: &str, kind: &str| if namespace.is_empty() { format!("Cluster{kind}") } else { kind.to_owned() };
    let meta = |namespace: &str, name: &str| {
        if namespace.is_empty() { json!({"name": name}) } else { json!({"name": name, "namespace": namespace}) }
    };
    match change {
        Change::Role(namespace, name, rule) => {
            let verbs = [vec!["get"], vec!["list"], vec!["*"]][rule % 3].clone();
            let resource = ["pods", "*"][rule / 3];
            let rule = json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
            Some(json!({"kind": kind(&namespace, "Role"), "metadata": meta(&namespace, &name), "rules": [rule]}))
        }
        Change::Binding(namespace, name, role_kind, role, subjects) => {
            let all = [("User", "u"), ("User", "v"), ("Group", "g"), ("Group", "h"), ("Group", "u")];
            let subjects: Vec<Value> =
                subjects.iter().map(|it| json!({"kind": all[*it].0, "name": all[*it].1})).collect();
            Some(json!({
                "kind": kind(&namespace, "RoleBinding"),
                "metadata": meta(&namespace, &name),
                "roleRef": {"kind": role_kind, "name": role},
                "subjects": subjects,
            }))
        }
        Change::Remove(_) => None,
    }
}

proptest! {
    #[test]
    fn the_index_answers_as_a_look_at_everything_would(changes in prop::collection::vec(change(), 0..40)) {
        let mut rules = Rules::new();
        let mut objects: BTreeMap<(String, String, String), Value> = BTreeMap::new();
        for it in changes {
            if let Change::Remove(at) = it {
                if let Some((kind, namespace, name)) = objects.keys().nth(at).cloned() {
                    rules.remove(&kind, &namespace, &name);
                    objects.remove(&(kind, namespace, name));
                }
            } else if let Some(object) = object(it) {
                rules.put(&object);
                let key = ["/kind", "/metadata/namespace", "/metadata/name"].map(|it| text(&object, it).to_owned());
                let [kind, namespace, name] = key;
                objects.insert((kind, namespace, name), object);
            }
        }
        for (name, groups) in [("u", vec!["g"]), ("v", vec![]), ("w", vec!["h", "g"]), ("w", vec!["u"])] {
            let user = user(name, &groups);
            for namespace in ["", "a", "b"] {
                for (verb, resource) in [("get", "pods"), ("list", "pods"), ("watch", "nodes")] {
                    let ask = Attributes { namespace, ..Attributes::resource(&user, verb, "", resource) };
                    prop_assert_eq!(rules.decide(&ask), naive(&objects, &ask));
                }
            }
        }
    }
}
