//! What containers get that they don't ask for.

use crate::step::map_made;
use k8s_kinds::value::{Look, items_mut, object_made, object_mut};
use serde_json::{Map, Value};

/// Tells what came from limit ranges.
const NOTE: &str = "kubernetes.io/limit-ranger";

/// Gives a pod's containers what they lack, and notes it on the pod.
pub(super) fn apply(range: &Value, pod: &mut Value) {
    let requests = defaults(range, "defaultRequest");
    let limits = defaults(range, "default");
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let mut notes = Vec::new();
    let Some(spec) = object_mut(pod, "spec") else { return };
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in items_mut(spec, list) {
            let name = container.text("name").to_owned();
            for (part, wanted, word) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                let set = fill(container, part, wanted);
                if !set.is_empty() {
                    notes.push(format!("{} {word} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if notes.is_empty() {
        return;
    }
    let annotations = object_made(pod, "metadata").and_then(|metadata| map_made(metadata, "annotations"));
    if let Some(annotations) = annotations {
        annotations.insert(NOTE.to_owned(), Value::from(format!("LimitRanger plugin set: {}", notes.join("; "))));
    }
}

/// The range's amounts of one sort for containers.
fn defaults(range: &Value, field: &str) -> Map<String, Value> {
    let limits = range.at("spec").items("limits").iter().filter(|it| it.text("type") == "Container");
    limits.flat_map(|it| it.entries(field)).map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Fills in what a container lacks. Returns the names of what it lacked, in order.
fn fill(container: &mut Value, part: &str, wanted: &Map<String, Value>) -> Vec<String> {
    let there = container.at("resources").at(part);
    let mut missing: Vec<String> = wanted.keys().filter(|name| !there.has(name)).cloned().collect();
    missing.sort_unstable();
    let resources = if missing.is_empty() { None } else { object_made(container, "resources") };
    if let Some(amounts) = resources.and_then(|it| map_made(it, part)) {
        amounts.extend(missing.iter().filter_map(|name| Some((name.clone(), wanted.get(name)?.clone()))));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_missing_is_set_and_noted() {
        let range = json!({"spec": {"limits": [
            {"type": "Container", "default": {"memory": "1Gi", "cpu": "1"}, "defaultRequest": {"cpu": "100m"}},
            {"type": "Pod", "default": {"x": "1"}},
        ]}});
        let mut pod = json!({"spec": {
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}],
            "initContainers": [{"name": "i", "resources": {}}],
        }});
        apply(&range, &mut pod);
        assert_eq!(
            pod["metadata"]["annotations"][NOTE],
            "LimitRanger plugin set: cpu request for container c; memory limit for container c; cpu request for init \
             container i; cpu, memory limit for init container i"
        );
        let resources = json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m"}});
        assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
    }
}
