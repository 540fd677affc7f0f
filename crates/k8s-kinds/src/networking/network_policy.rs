//! NetworkPolicy: which traffic pods take and send.

use crate::checks::{label_selector, one_of, port as port_number};
use crate::kind::{Context, Kind};
use crate::net::{Cidr, NOT_A_CIDR};
use crate::value::{Look, items_mut, object_made, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const TYPES: &[&str] = &["Ingress", "Egress"];

/// See the module.
pub(crate) struct NetworkPolicy;

impl Kind for NetworkPolicy {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "podSelector", json!({}));
        for direction in ["ingress", "egress"] {
            for rule in items_mut(spec, direction) {
                for port in items_mut(rule, "ports") {
                    set_default(port, "protocol", "TCP");
                }
            }
        }
        if spec.items("policyTypes").is_empty() {
            let both = !spec.items("egress").is_empty();
            set(spec, "policyTypes", if both { json!(TYPES) } else { json!(["Ingress"]) });
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        label_selector(&mut errors, spec.at("podSelector"), &path.child("podSelector"));
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in spec.items(direction).iter().enumerate() {
                validate_rule(&mut errors, rule, peers, &path.child(direction).index(index));
            }
        }
        let (types, path) = (spec.items("policyTypes"), path.child("policyTypes"));
        if types.len() > TYPES.len() {
            let why = "may not specify more than two policyTypes";
            errors.push(FieldError::invalid(&path, spec.at("policyTypes").clone(), why));
            return errors;
        }
        for (index, kind) in spec.texts("policyTypes").enumerate() {
            if !TYPES.contains(&kind) {
                errors.push(FieldError::not_supported(&path.index(index), kind, TYPES));
            }
        }
        errors
    }
}

fn validate_rule(errors: &mut Errors, rule: &Value, peers: &str, path: &Path) {
    for (index, port) in rule.items("ports").iter().enumerate() {
        validate_port(errors, port, &path.child("ports").index(index));
    }
    for (index, peer) in rule.items(peers).iter().enumerate() {
        validate_peer(errors, peer, &path.child(peers).index(index));
    }
}

fn validate_port(errors: &mut Errors, port: &Value, path: &Path) {
    if port.has("protocol") {
        one_of(errors, port, path, "protocol", &["TCP", "UDP", "SCTP"]);
    }
    let (start, end) = (port.at("port"), port.opt_int("endPort"));
    let (start_path, end_path) = (path.child("port"), path.child("endPort"));
    match (start, end) {
        (Value::String(name), end) => {
            if let Some(end) = end {
                let why = "may not be specified when `port` is non-numeric";
                errors.push(FieldError::invalid(&end_path, end, why));
            }
            errors.extend(names::invalid_each(&start_path, name.as_str(), names::port_name(name)));
        }
        (Value::Null, Some(_)) => {
            errors.push(FieldError::required(&start_path, "must be specified when `endPort` is also specified"));
        }
        (Value::Null, None) => {}
        (number, end) => {
            let start = number.as_i64().unwrap_or_default();
            if let Some(end) = end {
                if end < start {
                    errors.push(FieldError::invalid(&end_path, end, "must be greater than or equal to `port`"));
                }
                port_number(errors, &end_path, end);
            }
            port_number(errors, &start_path, start);
        }
    }
}

fn validate_peer(errors: &mut Errors, peer: &Value, path: &Path) {
    let fields = ["podSelector", "namespaceSelector", "ipBlock"];
    let given = fields.iter().filter(|field| peer.has(field)).count();
    for field in ["podSelector", "namespaceSelector"] {
        label_selector(errors, peer.at(field), &path.child(field));
    }
    if peer.has("ipBlock") {
        validate_block(errors, peer.at("ipBlock"), &path.child("ipBlock"));
    }
    if given == 0 {
        errors.push(FieldError::required(path, "must specify a peer"));
    } else if given > 1 && peer.has("ipBlock") {
        errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
    }
}

fn validate_block(errors: &mut Errors, block: &Value, path: &Path) {
    let text = block.text("cidr");
    if text.is_empty() {
        errors.push(FieldError::required(&path.child("cidr"), ""));
        return;
    }
    let Some(whole) = Cidr::parse(text) else {
        errors.push(FieldError::invalid(&path.child("cidr"), text, NOT_A_CIDR));
        return;
    };
    for (index, text) in block.texts("except").enumerate() {
        let path = path.child("except").index(index);
        match Cidr::parse(text) {
            None => errors.push(FieldError::invalid(&path, text, NOT_A_CIDR)),
            Some(part) if !part.is_strictly_within(whole) => {
                errors.push(FieldError::invalid(&path, text, "must be a strict subset of `cidr`"));
            }
            Some(_) => {}
        }
    }
}
