//! The roles and bindings that a fresh cluster has, and how they are kept.
//!
//! The facts stand in `data/bootstrap.txt` and `data/eks.txt`; the head of the former tells the form.

use crate::rbac::GROUP;
use crate::rule::{PolicyRule, missing};
use serde_json::{Map, Value, json};

const FACTS: &str = include_str!("../data/bootstrap.txt");
const EKS_FACTS: &str = include_str!("../data/eks.txt");
const CONTROLLER: &str = "system:controller:";
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// All ClusterRoles, Roles, ClusterRoleBindings and RoleBindings of a fresh cluster of the Kubernetes minor `minor`;
/// roles come before bindings.
pub fn objects(minor: u32) -> Vec<Value> {
    build(FACTS, minor)
}

/// What a fresh EKS cluster has besides.
pub fn eks(minor: u32) -> Vec<Value> {
    build(EKS_FACTS, minor)
}

fn build(facts: &str, minor: u32) -> Vec<Value> {
    let mut roles = Vec::new();
    let mut bindings = Vec::new();
    for (line, rules) in paragraphs(facts, minor) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["clusterrole", name, more @ ..] => {
                roles.push(cluster_role(name, more, &rules));
                if let Some(account) = name.strip_prefix(CONTROLLER) {
                    let subject = format!("account=kube-system/{account}");
                    bindings.push(binding("", name, "ClusterRole", name, &[&subject]));
                }
            }
            ["role", namespace, name, more @ ..] => roles.push(role("Role", namespace, name, more, &rules)),
            ["clusterbinding", name, more @ ..] => bindings.push(binding("", name, "ClusterRole", name, more)),
            ["grant", name, role, more @ ..] => bindings.push(binding("", name, "ClusterRole", role, more)),
            ["binding", namespace, name, role, more @ ..] => {
                bindings.push(binding(namespace, name, "Role", role, more));
            }
            _ => {}
        }
    }
    roles.append(&mut bindings);
    roles
}

/// What every kubelet may do, wherever its pods run: the rules of ClusterRole `system:node`.
pub fn node_rules(minor: u32) -> Vec<PolicyRule> {
    let found = paragraphs(FACTS, minor).into_iter().find(|(line, _)| *line == "clusterrole system:node");
    found.map(|(_, rules)| rules).unwrap_or_default()
}

/// Lines that hold for `minor`, each with the rules that stand indented below it.
pub(crate) fn paragraphs(facts: &str, minor: u32) -> Vec<(&str, Vec<PolicyRule>)> {
    let mut found: Vec<(&str, Vec<PolicyRule>)> = Vec::new();
    let mut holds = false;
    for line in facts.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let own = for_minor(line.trim_start(), minor);
        if !line.starts_with(' ') {
            holds = own.is_some();
            found.extend(own.map(|it| (it, Vec::new())));
        } else if let (true, Some(text), Some((_, rules))) = (holds, own, found.last_mut()) {
            rules.push(rule(text));
        }
    }
    found
}

/// The line without its range of minors, if it holds for `minor`.
fn for_minor(line: &str, minor: u32) -> Option<&str> {
    let Some((range, rest)) = line.split_once(' ') else { return Some(line) };
    if !range.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Some(line);
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (first, last),
        None => (range.trim_end_matches('+'), ""),
    };
    let first = first.parse().unwrap_or(0);
    let last = last.parse().unwrap_or(u32::MAX);
    (first..=last).contains(&minor).then_some(rest)
}

fn rule(text: &str) -> PolicyRule {
    let mut words = text.split(' ');
    let mut list =
        || -> Vec<Box<str>> { words.next().into_iter().flat_map(|it| it.split(',')).map(Into::into).collect() };
    let verbs = list();
    let second = list();
    let resources = list();
    if resources.is_empty() {
        return PolicyRule { verbs, paths: second, ..PolicyRule::default() };
    }
    let groups = second.into_iter().map(|it| if &*it == "core" { "".into() } else { it }).collect();
    let names = list().iter().map(|it| it.trim_matches(['[', ']']).into()).collect();
    PolicyRule { groups, resources, names, verbs, paths: Vec::new() }
}

fn metadata(namespace: &str, name: &str, more: &[&str]) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    let mut labels = Map::new();
    match more.iter().find_map(|it| it.strip_prefix("component=")) {
        Some(component) => {
            labels.insert("eks.amazonaws.com/component".to_owned(), json!(component));
        }
        None => {
            labels.insert("kubernetes.io/bootstrapping".to_owned(), json!("rbac-defaults"));
            metadata.insert("annotations".to_owned(), json!({AUTOUPDATE: "true"}));
        }
    }
    for label in more.iter().filter_map(|it| it.strip_prefix("label=")) {
        labels.insert(format!("{GROUP}/{label}"), json!("true"));
    }
    metadata.insert("labels".to_owned(), Value::Object(labels));
    metadata
}

fn role(kind: &str, namespace: &str, name: &str, more: &[&str], rules: &[PolicyRule]) -> Value {
    let rules: Vec<Value> = rules.iter().map(PolicyRule::to_value).collect();
    json!({
        "kind": kind,
        "apiVersion": format!("{GROUP}/v1"),
        "metadata": metadata(namespace, name, more),
        "rules": rules,
    })
}

fn cluster_role(name: &str, more: &[&str], rules: &[PolicyRule]) -> Value {
    let mut role = role("ClusterRole", "", name, more, rules);
    if let Some(label) = more.iter().find_map(|it| it.strip_prefix("aggregates=")) {
        let label = format!("{GROUP}/{label}");
        role["rules"] = Value::Null;
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    }
    role
}

fn binding(namespace: &str, name: &str, role_kind: &str, role: &str, more: &[&str]) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    let mut binding = json!({
        "kind": kind,
        "apiVersion": format!("{GROUP}/v1"),
        "metadata": metadata(namespace, name, more),
    });
    let subjects: Vec<Value> = more.iter().filter_map(|it| subject(it)).collect();
    if !subjects.is_empty() {
        binding["subjects"] = json!(subjects);
    }
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": role_kind, "name": role});
    binding
}

fn subject(word: &str) -> Option<Value> {
    let (kind, name) = word.split_once('=')?;
    Some(match kind {
        "user" => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
        "group" => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
        "account" => {
            let (namespace, name) = name.split_once('/')?;
            json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
        }
        _ => return None,
    })
}

/// What must be done for an object of a fresh cluster when the server starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Upkeep {
    /// Nothing: it is as it must be, or its owner wants to keep it so.
    Keep,
    /// It is not there.
    Create(Value),
    /// It lacks something, which has been added.
    Update(Value),
    /// It is a binding to another role, which cannot be changed in place.
    Recreate(Value),
}

/// Compares an object with the one that a fresh cluster has: what is missing is added, what is there besides stays.
/// Annotation `rbac.authorization.kubernetes.io/autoupdate: "false"` keeps an object as it is.
pub fn upkeep(existing: Option<&Value>, expected: &Value) -> Upkeep {
    let Some(existing) = existing else { return Upkeep::Create(expected.clone()) };
    if existing["metadata"]["annotations"][AUTOUPDATE] == "false" {
        return Upkeep::Keep;
    }
    if expected.get("roleRef").is_some_and(|it| it != &existing["roleRef"]) {
        return Upkeep::Recreate(expected.clone());
    }
    let mut updated = existing.clone();
    for member in ["labels", "annotations"] {
        add_members(&mut updated["metadata"][member], &expected["metadata"][member]);
    }
    add_items(&mut updated, "subjects", &expected["subjects"]);
    let selectors = "clusterRoleSelectors";
    match expected.get("aggregationRule") {
        Some(it) => add_items(&mut updated["aggregationRule"], selectors, &it[selectors]),
        None => {
            let lacking = missing(&PolicyRule::of_role(existing), &PolicyRule::of_role(expected));
            let lacking: Vec<Value> = lacking.iter().map(PolicyRule::to_value).collect();
            add_items(&mut updated, "rules", &json!(lacking));
        }
    }
    if updated == *existing { Upkeep::Keep } else { Upkeep::Update(updated) }
}

fn add_members(to: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        if to.get(key).is_none() {
            to[key] = value.clone();
        }
    }
}

fn add_items(to: &mut Value, member: &str, from: &Value) {
    for item in from.as_array().into_iter().flatten() {
        let has = to.get(member).and_then(Value::as_array).is_some_and(|it| it.contains(item));
        if !has {
            if !to[member].is_array() {
                to[member] = json!([]);
            }
            if let Some(list) = to[member].as_array_mut() {
                list.push(item.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(minor: u32, kind: &str, name: &str) -> Option<Value> {
        objects(minor).into_iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
    }

    #[test]
    fn every_line_is_understood() {
        for minor in 24..=36 {
            let mut objects = objects(minor);
            objects.extend(eks(minor));
            for object in &objects {
                for rule in PolicyRule::of_role(object) {
                    let resources = !rule.groups.is_empty() && !rule.resources.is_empty() && rule.paths.is_empty();
                    let paths =
                        rule.groups.is_empty() && rule.paths.iter().all(|it| it.starts_with('/') || &**it == "*");
                    assert!(!rule.verbs.is_empty() && (resources || paths), "{rule:?}");
                }
            }
            let is = |it: &Value, kind: &Value, name: &Value| it["kind"] == *kind && it["metadata"]["name"] == *name;
            for role in objects.iter().filter_map(|it| it.get("roleRef")) {
                assert!(objects.iter().any(|it| is(it, &role["kind"], &role["name"])), "{role}");
            }
        }
    }

    #[test]
    fn eks_lets_kubelets_ask_for_certificates() {
        let all = eks(34);
        let role = all.iter().find(|it| it["kind"] == "ClusterRole").unwrap();
        assert_eq!(
            role["metadata"],
            json!({
                "name": "eks:node-bootstrapper",
                "labels": {"eks.amazonaws.com/component": "node"},
            })
        );
        let binding =
            all.iter().find(|it| it["metadata"]["name"] == "eks:node-bootstrapper" && it["roleRef"] != Value::Null);
        let groups = binding.unwrap()["subjects"].as_array().unwrap();
        assert_eq!(
            groups.iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(),
            ["system:bootstrappers", "system:nodes"]
        );
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn minors_differ() {
        let name = "system:controller:validatingadmissionpolicy-status-controller";
        assert!(find(29, "ClusterRole", name).is_none() && find(29, "ClusterRoleBinding", name).is_none());
        assert!(find(30, "ClusterRole", name).is_some() && find(30, "ClusterRoleBinding", name).is_some());
        assert!(node_rules(34).len() > node_rules(33).len() && node_rules(24).len() > 20);
        assert_eq!(for_minor("26-35 get a", 36), None);
        assert_eq!(for_minor("-25 get a", 25), Some("get a"));
        assert_eq!(for_minor("get a", 1), Some("get a"));
    }

    #[test]
    fn what_is_missing_is_added() {
        let expected = find(30, "ClusterRole", "system:kube-dns").unwrap();
        assert_eq!(upkeep(None, &expected), Upkeep::Create(expected.clone()));
        assert_eq!(upkeep(Some(&expected), &expected), Upkeep::Keep);
        let mut changed = expected.clone();
        let own = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
        changed["rules"] = json!([own, {"verbs": ["list"], "apiGroups": [""], "resources": ["endpoints", "services"]}]);
        changed["metadata"]["labels"] = json!({"mine": "1"});
        let Upkeep::Update(updated) = upkeep(Some(&changed), &expected) else { panic!() };
        assert_eq!(updated["rules"][0], own);
        assert_eq!(updated["rules"].as_array().unwrap().len(), 4);
        assert_eq!(updated["metadata"]["labels"]["kubernetes.io/bootstrapping"], "rbac-defaults");
        assert_eq!(upkeep(Some(&updated), &expected), Upkeep::Keep);
        changed["metadata"]["annotations"][AUTOUPDATE] = json!("false");
        assert_eq!(upkeep(Some(&changed), &expected), Upkeep::Keep);
        let view = find(30, "ClusterRole", "view").unwrap();
        let mut aggregated = view.clone();
        aggregated["rules"] = json!([own]);
        assert_eq!(upkeep(Some(&aggregated), &view), Upkeep::Keep);
    }

    #[test]
    fn bindings_keep_their_role() {
        let expected = find(30, "ClusterRoleBinding", "cluster-admin").unwrap();
        let mut changed = expected.clone();
        changed["subjects"] = json!([{"kind": "User", "name": "me"}]);
        let Upkeep::Update(updated) = upkeep(Some(&changed), &expected) else { panic!() };
        assert_eq!(updated["subjects"].as_array().unwrap().len(), 2);
        changed["roleRef"]["name"] = json!("view");
        assert_eq!(upkeep(Some(&changed), &expected), Upkeep::Recreate(expected));
    }
}
