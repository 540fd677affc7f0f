//! Label selectors that a pod's own labels complete when it is made.

use crate::Context;
use crate::value::{self, Look, items_mut, object_mut};
use serde_json::{Value, json};

/// Turns `matchLabelKeys` and `mismatchLabelKeys` into expressions about the values that the pod's labels have.
pub(crate) fn apply_label_keys(pod: &mut Value, cx: &Context<'_>) {
    let labels = pod.look(&["metadata", "labels"]).clone();
    let Some(spec) = object_mut(pod, "spec") else { return };
    if let Some(affinity) = object_mut(spec, "affinity") {
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(it) = object_mut(affinity, kind) else { continue };
            for term in items_mut(it, "requiredDuringSchedulingIgnoredDuringExecution") {
                complete(term, &labels);
            }
            for wish in items_mut(it, "preferredDuringSchedulingIgnoredDuringExecution") {
                if let Some(term) = object_mut(wish, "podAffinityTerm") {
                    complete(term, &labels);
                }
            }
        }
    }
    // Until 1.33 the scheduler itself completed these.
    if cx.minor >= 34 {
        for constraint in items_mut(spec, "topologySpreadConstraints") {
            complete(constraint, &labels);
        }
    }
}

fn complete(term: &mut Value, labels: &Value) {
    let mut added: Vec<Value> = Vec::new();
    for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.texts(list) {
            if let Some(label) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [label]}));
            }
        }
    }
    let Some(selector) = object_mut(term, "labelSelector").filter(|_| !added.is_empty()) else { return };
    let mut all = selector.items("matchExpressions").to_vec();
    all.extend(added);
    value::set(selector, "matchExpressions", all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_expressions() {
        let mut pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"affinity": {"podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {}, "matchLabelKeys": ["a", "x"], "mismatchLabelKeys": ["a"]}]}}}});
        apply_label_keys(&mut pod, &Context { minor: 34, version: "v1", now: "" });
        let term = &pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(
            term["labelSelector"]["matchExpressions"],
            json!([{"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "NotIn", "values": ["b"]}])
        );
    }
}
