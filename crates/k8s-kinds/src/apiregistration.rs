//! The group `apiregistration.k8s.io`: API servers behind this one.

use crate::checks::required;
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, object_mut, set, set_default};
use k8s_types::names::{self, NameRule};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// APIService: who serves a version of a group.
pub(crate) struct ApiService;

impl Kind for ApiService {
    fn name_rule(&self) -> NameRule {
        names::name_is_path_segment
    }

    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        let spec = object_made(object, "spec");
        if let Some(service) = spec.and_then(|spec| object_mut(spec, "service")) {
            set_default(service, "port", 443);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let (group, version) = (spec.text("group"), spec.text("version"));
        let (name, wanted) = (object.at("metadata").text("name"), format!("{version}.{group}"));
        if name != wanted {
            let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
            errors.push(FieldError::invalid(&Path::new("metadata.name"), name, &why));
        }
        if !group.is_empty() {
            errors.extend(names::invalid_each(&path.child("group"), group, names::dns1123_subdomain(group)));
        }
        errors.extend(names::invalid_each(&path.child("version"), version, names::dns1035_label(version)));
        for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
            let priority = spec.int(field);
            if !(1..=most).contains(&priority) {
                let why = format!("must be positive and less than {most}");
                errors.push(FieldError::invalid(&path.child(field), priority, &why));
            }
        }
        validate_service(&mut errors, spec, &path);
        errors
    }
}

fn validate_service(errors: &mut Errors, spec: &Value, path: &Path) {
    let (bundle, insecure) = (spec.text("caBundle"), spec.flag("insecureSkipTLSVerify"));
    let insecure_path = path.child("insecureSkipTLSVerify");
    let service = spec.at("service");
    if service.is_null() {
        if !bundle.is_empty() {
            let size = format!("{} bytes", bundle.len() / 4 * 3 - bundle.bytes().filter(|c| *c == b'=').count());
            let why = "local APIServices may not have a caBundle";
            errors.push(FieldError::invalid(&path.child("caBundle"), size, why));
        }
        if insecure {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            errors.push(FieldError::invalid(&insecure_path, true, why));
        }
        return;
    }
    let service_path = path.child("service");
    for field in ["namespace", "name"] {
        required(errors, service, &service_path, field, "");
    }
    let port = service.opt_int("port").unwrap_or(443);
    for fault in names::port_number(port) {
        let why = format!("port is not valid: {fault}");
        errors.push(FieldError::invalid(&service_path.child("port"), port, &why));
    }
    if insecure && !bundle.is_empty() {
        errors.push(FieldError::invalid(&insecure_path, true, "may not be true if caBundle is present"));
    }
}
