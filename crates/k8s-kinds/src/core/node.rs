//! Node.

use super::resources::{self, quantity, validate_amount};
use super::{check, scheduling};
use crate::value::{self, Look, copy_field, items_mut, object_made, object_mut, set_default};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The kind.
#[derive(Debug)]
pub struct Node;

/// What a kubelet tells of itself; every part is written also where it is empty.
const INFO: [&str; 10] = [
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
];

/// The network and the list of networks say the same.
fn mirror_cidrs(spec: &mut Value) {
    let (one, first) = (spec.text("podCIDR"), spec.texts("podCIDRs").next().unwrap_or_default());
    if one.is_empty() && !first.is_empty() {
        let first = first.to_owned();
        value::set(spec, "podCIDR", first);
    } else if one != first {
        let list = json!([one]);
        value::set(spec, "podCIDRs", list);
    }
}

fn default_status(status: &mut Value) {
    for list in ["capacity", "allocatable"] {
        resources::default_list(object_mut(status, list));
    }
    if !status.has("allocatable") && status.has("capacity") {
        let capacity = status.at("capacity").clone();
        value::set(status, "allocatable", capacity);
    }
    for condition in items_mut(status, "conditions") {
        set_default(condition, "lastHeartbeatTime", Value::Null);
        set_default(condition, "lastTransitionTime", Value::Null);
    }
    if let Some(endpoint) = object_made(status, "daemonEndpoints").and_then(|it| object_made(it, "kubeletEndpoint")) {
        set_default(endpoint, "Port", 0);
    }
    if let Some(info) = object_made(status, "nodeInfo") {
        for name in INFO {
            set_default(info, name, "");
        }
    }
}

impl Kind for Node {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            mirror_cidrs(spec);
        }
        if let Some(status) = object_made(object, "status") {
            default_status(status);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let spec = object.at("spec");
        scheduling::validate_taints(&mut errors, spec.items("taints"), &Path::new("metadata.taints"));
        validate_amounts(&mut errors, object);
        validate_cidrs(&mut errors, spec);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_change(&mut errors, object, old);
        let (spec, before) = (object.at("spec"), old.at("spec"));
        let cidrs = before.items("podCIDRs");
        if !cidrs.is_empty() && cidrs != spec.items("podCIDRs") {
            let text = "node updates may not change podCIDR except from \"\" to valid";
            errors.push(FieldError::forbidden(&Path::new("spec.podCIDRs"), text));
        }
        if !before.text("providerID").is_empty() && before.text("providerID") != spec.text("providerID") {
            let text = "node updates may not change providerID except from \"\" to valid";
            errors.push(FieldError::forbidden(&Path::new("spec.providerID"), text));
        }
        scheduling::validate_taints(&mut errors, spec.items("taints"), &Path::new("metadata.taints"));
        if before.text("externalID") != spec.text("externalID") {
            errors.push(FieldError::forbidden(&Path::new("spec.externalID"), "may not be updated"));
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_change(&mut errors, object, old);
        errors
    }
}

fn validate_amounts(errors: &mut Errors, object: &Value) {
    for list in ["capacity", "allocatable"] {
        for (name, amount) in object.at("status").entries(list) {
            validate_amount(errors, name, &quantity(amount), &Path::new("status").child(list).child(name));
        }
    }
}

fn validate_change(errors: &mut Errors, object: &Value, _old: &Value) {
    validate_amounts(errors, object);
    let addresses = object.at("status").items("addresses");
    for (at, address) in addresses.iter().enumerate() {
        if addresses.iter().take(at).any(|it| it == address) {
            errors.push(FieldError::duplicate(&Path::new("status.addresses").index(at), address.clone()));
        }
    }
}

fn validate_cidrs(errors: &mut Errors, spec: &Value) {
    let path = Path::new("spec.podCIDRs");
    let cidrs: Vec<&str> = spec.texts("podCIDRs").collect();
    for (at, cidr) in cidrs.iter().enumerate() {
        check::cidr(errors, cidr, &path.index(at));
    }
    if cidrs.len() < 2 {
        return;
    }
    let ips: Vec<IpAddr> = cidrs.iter().filter_map(|it| check::parse_cidr(it)).map(|(ip, _)| ip).collect();
    if cidrs.len() > 2 || !check::is_dual_stack(&ips) {
        let text = "may specify no more than one CIDR for each IP family";
        errors.push(FieldError::invalid(&path, spec.at("podCIDRs").clone(), text));
    }
    for (at, cidr) in cidrs.iter().enumerate() {
        if cidrs.iter().take(at).any(|it| it == cidr) {
            errors.push(FieldError::duplicate(&path.index(at), *cidr));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_of_each_family() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let mut it = json!({"spec": {"podCIDR": "10.0.0.0/24"}, "status": {"capacity": {"cpu": "1"}}});
        Node.default(&mut it, &cx);
        assert_eq!(it["spec"]["podCIDRs"], json!(["10.0.0.0/24"]));
        assert_eq!(it["status"]["allocatable"], json!({"cpu": "1"}));
        it["spec"]["podCIDRs"] = json!(["10.0.0.0/24", "10.0.1.0/24"]);
        assert_eq!(Node.validate(&it, &cx).len(), 1);
    }
}
