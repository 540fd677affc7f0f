//! The group `discovery.k8s.io`: where a service's pods are.

use crate::checks::{by_rule, immutable, one_of};
use crate::kind::{Context, Kind};
use crate::net::{self, Family};
use crate::value::{Look, items_mut, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const ADDRESS_TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];
const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_TOPOLOGY: usize = 16;
const MOST_HINTS: usize = 8;

/// EndpointSlice: a part of a service's endpoints.
pub(crate) struct EndpointSlice;

impl Kind for EndpointSlice {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        // Both lists are written even where there is nothing in them.
        for field in ["endpoints", "ports"] {
            if object.items(field).is_empty() {
                set(object, field, Value::Null);
            }
        }
        for endpoint in items_mut(object, "endpoints") {
            set_default(endpoint, "conditions", json!({}));
        }
        for port in items_mut(object, "ports") {
            set_default(port, "name", "");
            set_default(port, "protocol", "TCP");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let kind = object.text("addressType");
        crate::checks::required_one_of(&mut errors, object, &Path::default(), "addressType", ADDRESS_TYPES);
        let (endpoints, path) = (object.items("endpoints"), Path::new("endpoints"));
        if endpoints.len() > MOST_ENDPOINTS {
            errors.push(FieldError::too_many(&path, endpoints.len(), MOST_ENDPOINTS));
        } else {
            for (index, endpoint) in endpoints.iter().enumerate() {
                validate_endpoint(&mut errors, endpoint, kind, &path.index(index), cx);
            }
        }
        validate_ports(&mut errors, object.items("ports"), &Path::new("ports"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object, old, &Path::default(), "addressType");
        errors
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let warned = cx.minor >= 33 && object.text("addressType") == "FQDN";
        if warned { vec!["addressType: FQDN endpoints are deprecated".to_owned()] } else { Vec::new() }
    }
}

fn validate_endpoint(errors: &mut Errors, endpoint: &Value, kind: &str, path: &Path, cx: &Context<'_>) {
    let (addresses, addresses_path) = (endpoint.items("addresses"), path.child("addresses"));
    if addresses.is_empty() {
        errors.push(FieldError::required(&addresses_path, "must contain at least 1 address"));
    } else if addresses.len() > MOST_ADDRESSES {
        errors.push(FieldError::too_many(&addresses_path, addresses.len(), MOST_ADDRESSES));
    }
    for (index, address) in endpoint.texts("addresses").enumerate() {
        validate_address(errors, address, kind, &addresses_path.index(index));
    }
    if endpoint.has("nodeName") {
        by_rule(errors, &path.child("nodeName"), endpoint.text("nodeName"), names::dns1123_subdomain);
    }
    if endpoint.has("hostname") {
        by_rule(errors, &path.child("hostname"), endpoint.text("hostname"), names::dns1123_label);
    }
    // The field's name in v1beta1, which is what 1.24 still serves, and since.
    let topology = if cx.version == "v1beta1" { "topology" } else { "deprecatedTopology" };
    if let Some(labels) = endpoint.map(topology) {
        if labels.len() > MOST_TOPOLOGY {
            errors.push(FieldError::too_many(&path.child(topology), labels.len(), MOST_TOPOLOGY));
        }
        errors.extend(names::validate_labels(labels, &path.child(topology)));
    }
    validate_hints(errors, endpoint.at("hints"), &path.child("hints"));
}

fn validate_address(errors: &mut Errors, address: &str, kind: &str, path: &Path) {
    match kind {
        "IPv4" => validate_ip(errors, address, Family::V4, path),
        "IPv6" => validate_ip(errors, address, Family::V6, path),
        "FQDN" => errors.extend(names::fully_qualified_domain_name(path, address)),
        _ => {}
    }
}

fn validate_ip(errors: &mut Errors, address: &str, family: Family, path: &Path) {
    match net::parse_ip(address).filter(|ip| Family::of(*ip) == family) {
        None => errors.push(FieldError::invalid(path, address, &format!("must be a valid {} address", family.name()))),
        Some(ip) => {
            if let Some(why) = net::not_an_endpoint(ip) {
                errors.push(FieldError::invalid(path, address, why));
            }
        }
    }
}

fn validate_hints(errors: &mut Errors, hints: &Value, path: &Path) {
    for (field, label) in [("forZones", true), ("forNodes", false)] {
        let (list, path) = (hints.items(field), path.child(field));
        if list.len() > MOST_HINTS {
            errors.push(FieldError::too_many(&path, list.len(), MOST_HINTS));
            continue;
        }
        for (index, hint) in list.iter().enumerate() {
            let (name, path) = (hint.text("name"), path.index(index).child("name"));
            if list.iter().take(index).any(|other| other.text("name") == name) {
                errors.push(FieldError::duplicate(&path, name));
            }
            by_rule(errors, &path, name, if label { names::label_value } else { names::dns1123_subdomain });
        }
    }
}

fn validate_ports(errors: &mut Errors, ports: &[Value], path: &Path) {
    if ports.len() > MOST_PORTS {
        errors.push(FieldError::too_many(path, ports.len(), MOST_PORTS));
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let (name, path) = (port.text("name"), path.index(index));
        if !name.is_empty() {
            by_rule(errors, &path.child("name"), name, names::dns1123_label);
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        if let Some(number) = port.opt_int("port") {
            crate::checks::port(errors, &path.child("port"), number);
        }
        one_of(errors, port, &path, "protocol", &["TCP", "UDP", "SCTP"]);
        if port.has("appProtocol") {
            by_rule(errors, &path.child("appProtocol"), port.text("appProtocol"), names::qualified_name);
        }
    }
}
