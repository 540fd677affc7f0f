//! Which names of a quota are about which resources.

use crate::amounts::Amounts;
use crate::step::is_about;
use k8s_kinds::core::resources::is_native;
use k8s_kinds::value::Look;
use k8s_registry::admission::{Attempt, Operation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What nobody counts.
pub(super) fn is_ignored(group: &str, plural: &str) -> bool {
    plural == "events" && matches!(group, "" | "events.k8s.io")
}

/// Whether an attempt can use more of anything.
pub(super) fn counts(attempt: &Attempt<'_>) -> bool {
    let pods = is_about(attempt, "", "pods");
    let grows = is_about(attempt, "", "services") || is_about(attempt, "", "persistentvolumeclaims");
    match (attempt.operation, attempt.subresource) {
        (Operation::Create, "") => true,
        (Operation::Update, "") => grows,
        (Operation::Update, "resize") => pods,
        _ => false,
    }
}

/// The name under which objects of a resource are counted, whatever it is.
pub(super) fn count_name(group: &str, plural: &str) -> String {
    if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") }
}

/// Names of what a pod's containers may have to say. (Names that came later need not be said.)
const COMPUTE: &[&str] = &["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const STORAGE: &[&str] = &["ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage"];

/// Before the names of what a class of storage is used for.
pub(super) const CLASS: &str = ".storageclass.storage.k8s.io/";

/// Whether a name of a quota is about a resource.
pub(super) fn concerns(group: &str, plural: &str, name: &str) -> bool {
    if name.starts_with("count/") {
        return name == count_name(group, plural);
    }
    if !group.is_empty() {
        return false;
    }
    match plural {
        "pods" => {
            let extended = name.starts_with("requests.") && !is_native(name) && name != "requests.storage";
            let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
            name == "pods" || COMPUTE.contains(&name) || STORAGE.contains(&name) || huge || extended
        }
        "services" => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        "persistentvolumeclaims" => {
            let part = name.split_once(CLASS).map_or(name, |(_, part)| part);
            matches!(part, "persistentvolumeclaims" | "requests.storage")
        }
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => name == plural,
        _ => false,
    }
}

/// What a pod's containers would have to say under a quota and don't: `limits.cpu for: c; ...`.
pub(super) fn missing(spec: &Value, hard: &Amounts) -> Option<String> {
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let containers = spec.items("containers").iter().chain(spec.items("initContainers"));
    for container in containers {
        for name in COMPUTE.iter().filter(|it| hard.contains_key(**it)) {
            let (part, resource) = name.split_once('.').unwrap_or(("requests", name));
            let said = |it: &Value| it.at("resources").at(part).has(resource);
            if !said(container) && !said(spec) {
                missing.entry(name).or_default().insert(container.text("name"));
            }
        }
    }
    let lists = missing.iter().map(|(name, containers)| {
        let containers: Vec<&str> = containers.iter().copied().collect();
        format!("{name} for: {}", containers.join(","))
    });
    let text = lists.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_belong_to_resources() {
        assert!(concerns("", "pods", "requests.nvidia.com/gpu") && concerns("", "pods", "hugepages-2Mi"));
        assert!(!concerns("", "pods", "requests.storage") && !concerns("", "pods", "services"));
        assert!(!concerns("", "pods", "gp3.storageclass.storage.k8s.io/requests.storage"));
        assert!(concerns("", "persistentvolumeclaims", "gp3.storageclass.storage.k8s.io/requests.storage"));
        assert!(concerns("apps", "deployments", "count/deployments.apps"));
        assert!(!concerns("apps", "deployments", "count/deployments") && !concerns("x", "pods", "pods"));
    }

    #[test]
    fn containers_have_to_say_what_is_limited() {
        let spec = json!({"containers": [{"name": "b"}, {"name": "a", "resources": {"limits": {"memory": "1"}}}]});
        let hard =
            crate::amounts::amounts(&json!({"hard": {"limits.memory": "1", "requests.cpu": "1", "pods": "1"}}), "hard");
        assert_eq!(missing(&spec, &hard).as_deref(), Some("limits.memory for: b; requests.cpu for: a,b"));
        assert_eq!(missing(&spec, &Amounts::new()), None);
    }
}
