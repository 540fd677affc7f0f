//! A kind's objects between the versions that a group serves.
//!
//! Most versions of a kind have the same shape. Those that differ go through the shape of one of them, the hub.
//! `apiVersion` is the caller's to write.

use crate::flowcontrol::NO_SHARES;
use crate::value::{Look, object_mut, remove, set};
use crate::{autoscaling, flowcontrol, resource};
use serde_json::{Value, json};

/// In `policy/v1beta1` an empty selector selects nothing, in `v1` everything; this key tells the one in the other.
const EMPTY_SELECTOR: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";
/// Changes an object from the shape that `from` has to that of `to`; both are versions without their group.
pub fn convert(group: &str, kind: &str, from: &str, to: &str, object: &mut Value) {
    if from == to {
        return;
    }
    match (group, kind) {
        ("autoscaling", "HorizontalPodAutoscaler") => {
            autoscaling::to_hub(from, object);
            autoscaling::from_hub(to, object);
        }
        ("policy", "PodDisruptionBudget") => swap_empty_selectors(from, object),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => move_shares(from, to, object),
        ("discovery.k8s.io", "EndpointSlice") => move_topology(from, to, object),
        ("resource.k8s.io", _) => {
            resource::to_hub(kind, from, object);
            resource::from_hub(kind, to, object);
        }
        _ => {}
    }
}

fn swap_empty_selectors(from: &str, object: &mut Value) {
    let Some(spec) = object_mut(object, "spec") else { return };
    let marked = |operator: &str| json!({"matchExpressions": [{"key": EMPTY_SELECTOR, "operator": operator}]});
    // What the empty selector becomes, and what becomes the empty selector.
    let (nothing, everything) = (marked("Exists"), marked("DoesNotExist"));
    let (empty_becomes, becomes_empty) = if from == "v1beta1" { (nothing, everything) } else { (everything, nothing) };
    let selector = spec.at("selector");
    if selector.is_object() && crate::meta::selector_is_empty(selector) {
        set(spec, "selector", empty_becomes);
    } else if *selector == becomes_empty {
        set(spec, "selector", json!({}));
    }
}

fn move_shares(from: &str, to: &str, object: &mut Value) {
    let (old, new) = (flowcontrol::shares_field(from), flowcontrol::shares_field(to));
    let shares = object.look(&["spec", "limited"]).at(old).clone();
    if let Some(limited) = object_mut(object, "spec").and_then(|spec| object_mut(spec, "limited"))
        && !shares.is_null()
    {
        remove(limited, old);
        set(limited, new, shares.clone());
    }
    let none = shares.as_i64() == Some(0);
    if to == "v1" {
        if let Some(annotations) = object_mut(object, "metadata").and_then(|it| object_mut(it, "annotations")) {
            remove(annotations, NO_SHARES);
        }
    } else if from == "v1"
        && none
        && let Some(annotations) = crate::value::object_made(object, "metadata")
            .and_then(|metadata| crate::value::object_made(metadata, "annotations"))
    {
        set(annotations, NO_SHARES, "");
    }
}

/// `v1beta1` has an endpoint's place among its topology, later versions in fields.
fn move_topology(from: &str, to: &str, object: &mut Value) {
    const HOST: &str = "kubernetes.io/hostname";
    const ZONE: &str = "topology.kubernetes.io/zone";
    for endpoint in crate::value::items_mut(object, "endpoints") {
        if from == "v1beta1" {
            let mut topology = endpoint.at("topology").clone();
            let zone = topology.at(ZONE).clone();
            for key in [HOST, ZONE] {
                remove(&mut topology, key);
            }
            remove(endpoint, "topology");
            if !zone.is_null() {
                set(endpoint, "zone", zone);
            }
            if topology.as_object().is_some_and(|map| !map.is_empty()) {
                set(endpoint, "deprecatedTopology", topology);
            }
        } else if to == "v1beta1" {
            let mut topology = endpoint.at("deprecatedTopology").as_object().cloned().unwrap_or_default();
            for (key, field) in [(HOST, "nodeName"), (ZONE, "zone")] {
                if endpoint.has(field) {
                    topology.insert(key.to_owned(), endpoint.at(field).clone());
                }
            }
            remove(endpoint, "deprecatedTopology");
            remove(endpoint, "zone");
            if !topology.is_empty() {
                set(endpoint, "topology", Value::Object(topology));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts there and back, and tells what was there.
    fn there(group: &str, kind: &str, from: &str, to: &str, object: &Value) -> Value {
        let mut it = object.clone();
        convert(group, kind, from, to, &mut it);
        let there = it.clone();
        convert(group, kind, to, from, &mut it);
        assert_eq!(it, *object);
        there
    }

    #[test]
    fn an_empty_selector_means_the_same_in_both() {
        let budget = |selector: Value| json!({"spec": {"selector": selector}});
        let go = |from, to, selector| {
            let it = there("policy", "PodDisruptionBudget", from, to, &budget(selector));
            it.look(&["spec", "selector"]).clone()
        };
        let marked = |operator: &str| json!({"matchExpressions": [{"key": EMPTY_SELECTOR, "operator": operator}]});
        assert_eq!(go("v1beta1", "v1", json!({})), marked("Exists"));
        assert_eq!(go("v1", "v1beta1", json!({})), marked("DoesNotExist"));
        assert_eq!(go("v1", "v1beta1", json!({"matchLabels": {"a": "b"}})), json!({"matchLabels": {"a": "b"}}));
        assert_eq!(go("v1", "v1beta1", Value::Null), Value::Null);
    }

    #[test]
    fn shares_change_their_name() {
        let level = json!({"spec": {"limited": {"limitResponse": {"type": "Reject"}, "assuredConcurrencyShares": 5}}});
        let it = there("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "v1beta2", "v1beta3", &level);
        let want = json!({"limitResponse": {"type": "Reject"}, "nominalConcurrencyShares": 5});
        assert_eq!(it.look(&["spec", "limited"]), &want);
    }

    #[test]
    fn topology_becomes_fields() {
        let slice = json!({"endpoints": [
            {"nodeName": "n", "topology": {"kubernetes.io/hostname": "n", "topology.kubernetes.io/zone": "z", "a": "b"}},
        ]});
        let it = there("discovery.k8s.io", "EndpointSlice", "v1beta1", "v1", &slice);
        let want = json!({"endpoints": [{"nodeName": "n", "zone": "z", "deprecatedTopology": {"a": "b"}}]});
        assert_eq!(it, want);
    }

    #[test]
    fn kinds_without_difference_are_left_alone() {
        let job = json!({"spec": {"schedule": "@daily"}});
        assert_eq!(there("batch", "CronJob", "v1beta1", "v1", &job), job);
    }
}
