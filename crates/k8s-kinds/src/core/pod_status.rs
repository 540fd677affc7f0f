//! A pod's status, as kubelets and the scheduler write it.

use super::{check, containers};
use crate::meta::immutable;
use crate::value::{self, Look, items_mut};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Puts a condition in place of the one of its type, or at the end.
pub(crate) fn set_condition(status: &mut Value, condition: Value) {
    let kind = condition.text("type").to_owned();
    if let Some(there) = items_mut(status, "conditions").iter_mut().find(|it| it.text("type") == kind) {
        *there = condition;
        return;
    }
    match status.get_mut("conditions").and_then(Value::as_array_mut) {
        Some(conditions) => conditions.push(condition),
        None => value::set(status, "conditions", json!([condition])),
    }
}

/// Fills in a status: the address and the list of addresses say the same, and conditions have their times.
pub(crate) fn default(status: &mut Value) {
    let (ip, first) = (status.text("podIP"), status.items("podIPs").first().map_or("", |it| it.text("ip")));
    if ip.is_empty() && !first.is_empty() {
        let first = first.to_owned();
        value::set(status, "podIP", first);
    } else if ip != first {
        let ips = json!([{"ip": ip}]);
        value::set(status, "podIPs", ips);
    }
    for condition in items_mut(status, "conditions") {
        value::set_default(condition, "lastProbeTime", Value::Null);
        value::set_default(condition, "lastTransitionTime", Value::Null);
    }
}

/// What is wrong with a change of a pod's status.
pub(crate) fn validate(errors: &mut Errors, object: &Value, old: &Value) {
    let (status, before, path) = (object.at("status"), old.at("status"), Path::new("status"));
    for (at, condition) in status.items("conditions").iter().enumerate() {
        let kind = condition.text("type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            check::qualified(errors, kind, &Path::new("metadata.conditions").index(at).child("Type"));
        }
    }
    if object.at("spec").text("nodeName") != old.at("spec").text("nodeName") {
        errors.push(FieldError::forbidden(&path.child("nodeName"), "may not be changed directly"));
    }
    let node = status.text("nominatedNodeName");
    if !node.is_empty() && node != before.text("nominatedNodeName") {
        check::subdomain(errors, node, &path.child("nominatedNodeName"));
    }
    errors.extend(immutable(status.at("qosClass"), before.at("qosClass"), &path.child("qosClass")));
    validate_transitions(errors, status, before, old.at("spec"), &path);
    validate_claims(errors, object, &path.child("resourceClaimStatuses"));
    validate_ips(errors, status.items("podIPs"), &path.child("podIPs"));
    let hosts = status.items("hostIPs");
    if let Some(first) = hosts.first().map(|it| it.text("ip")).filter(|it| *it != status.text("hostIP")) {
        let path = path.child("hostIPs").index(0).child("ip");
        errors.push(FieldError::invalid(&path, first, "must be equal to `hostIP`"));
    }
    validate_ips(errors, hosts, &path.child("hostIPs"));
}

/// A container that has ended for good does not run again.
fn validate_transitions(errors: &mut Errors, status: &Value, before: &Value, spec: &Value, path: &Path) {
    let restart = spec.text("restartPolicy");
    let sidecar = |name: &str| {
        spec.items("initContainers").iter().any(|it| it.text("name") == name && containers::is_sidecar(it))
    };
    let lists =
        [("containerStatuses", restart), ("initContainerStatuses", restart), ("ephemeralContainerStatuses", "Never")];
    for (list, restart) in lists {
        if restart == "Always" {
            continue;
        }
        for (at, old) in before.items(list).iter().enumerate() {
            let ended = old.at("state").at("terminated");
            let again = ended.int("exitCode") != 0 && restart == "OnFailure";
            if ended.is_null() || again || (list == "initContainerStatuses" && sidecar(old.text("name"))) {
                continue;
            }
            let same = |it: &&Value| it.text("name") == old.text("name") && !it.at("state").has("terminated");
            for _ in status.items(list).iter().filter(same) {
                let path = path.child(list).index(at).child("state");
                errors.push(FieldError::forbidden(&path, "may not be transitioned to non-terminated state"));
            }
        }
    }
}

fn validate_claims(errors: &mut Errors, object: &Value, path: &Path) {
    let statuses = object.at("status").items("resourceClaimStatuses");
    for (at, it) in statuses.iter().enumerate() {
        let (name, path) = (it.text("name"), path.index(at).child("name"));
        if !object.at("spec").items("resourceClaims").iter().any(|claim| claim.text("name") == name) {
            let text = "must match the name of an entry in `spec.resourceClaims`";
            errors.push(FieldError::invalid(&path, name, text));
        }
        if statuses.iter().take(at).any(|other| other.text("name") == name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        if it.has("resourceClaimName") {
            check::subdomain(errors, it.text("resourceClaimName"), &path);
        }
    }
}

fn validate_ips(errors: &mut Errors, ips: &[Value], path: &Path) {
    let parsed: Vec<IpAddr> =
        ips.iter().enumerate().filter_map(|(at, it)| check::ip(errors, it.text("ip"), &path.index(at))).collect();
    if ips.len() < 2 {
        return;
    }
    if ips.len() > 2 || !check::is_dual_stack(&parsed) {
        let text = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(path, ips.to_vec(), text));
    }
    for (at, it) in ips.iter().enumerate() {
        if ips.iter().take(at).any(|other| other.text("ip") == it.text("ip")) {
            errors.push(FieldError::duplicate(&path.index(at), it.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_stay_dead() {
        let with = |state: &str| json!({"spec": {"restartPolicy": "Never"}, "status": {"containerStatuses": [{"name": "c", "state": {state: {}}}]}});
        let mut errors = Errors::new();
        validate(&mut errors, &with("running"), &with("terminated"));
        assert_eq!(errors[0].path.as_str(), "status.containerStatuses[0].state");
        errors.clear();
        validate(&mut errors, &with("terminated"), &with("running"));
        assert!(errors.is_empty());
    }

    #[test]
    fn one_address_of_each_family() {
        let count = |ips: Value| {
            let mut errors = Errors::new();
            validate(&mut errors, &json!({"status": {"podIPs": ips}}), &json!({}));
            errors.len()
        };
        assert_eq!(count(json!([{"ip": "10.0.0.1"}, {"ip": "fd00::1"}])), 0);
        assert_eq!(count(json!([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}])), 1);
    }

    #[test]
    fn one_address_and_the_list_agree() {
        let mut status = json!({"podIP": "10.0.0.1", "conditions": [{"type": "Ready"}]});
        default(&mut status);
        assert_eq!(status["podIPs"], json!([{"ip": "10.0.0.1"}]));
        assert!(status["conditions"][0].get("lastProbeTime").is_some());
        let mut status = json!({"podIPs": [{"ip": "10.0.0.1"}]});
        default(&mut status);
        assert_eq!(status["podIP"], "10.0.0.1");
    }

    #[test]
    fn conditions_are_replaced_by_type() {
        let mut status = json!({});
        set_condition(&mut status, json!({"type": "A", "status": "False"}));
        set_condition(&mut status, json!({"type": "A", "status": "True"}));
        assert_eq!(status, json!({"conditions": [{"type": "A", "status": "True"}]}));
    }
}
