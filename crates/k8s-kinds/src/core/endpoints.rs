//! Endpoints: the addresses behind a service, before there were slices of them.

use super::check;
use crate::value::{Look, items_mut, set_default_zero};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct Endpoints;

impl Kind for Endpoints {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        for port in items_mut(object, "subsets").iter_mut().flat_map(|it| items_mut(it, "ports")) {
            set_default_zero(port, "protocol", "TCP");
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for (at, subset) in object.items("subsets").iter().enumerate() {
            let path = Path::new("subsets").index(at);
            if subset.items("addresses").is_empty() && subset.items("notReadyAddresses").is_empty() {
                let text = "must specify `addresses` or `notReadyAddresses`";
                errors.push(FieldError::required(&path, text));
            }
            for list in ["addresses", "notReadyAddresses"] {
                for (at, address) in subset.items(list).iter().enumerate() {
                    validate_address(&mut errors, address, &path.child(list).index(at));
                }
            }
            let ports = subset.items("ports");
            for (at, port) in ports.iter().enumerate() {
                validate_port(&mut errors, port, ports.len() > 1, &path.child("ports").index(at));
            }
        }
        errors
    }
}

fn validate_address(errors: &mut Errors, address: &Value, path: &Path) {
    check::ip(errors, address.text("ip"), &path.child("ip"));
    if !address.text("hostname").is_empty() {
        check::label(errors, address.text("hostname"), &path.child("hostname"));
    }
    if address.has("nodeName") {
        check::subdomain(errors, address.text("nodeName"), &path.child("nodeName"));
    }
    check::non_special_ip(errors, address.text("ip"), &path.child("ip"));
}

fn validate_port(errors: &mut Errors, port: &Value, named: bool, path: &Path) {
    let name = port.text("name");
    if !name.is_empty() {
        check::label(errors, name, &path.child("name"));
    } else if named {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    check::range(errors, port.int("port"), 1, 65535, &path.child("port"));
    check::needed_one_of(errors, port.text("protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"));
    if port.has("appProtocol") {
        check::qualified(errors, port.text("appProtocol"), &path.child("appProtocol"));
    }
}
