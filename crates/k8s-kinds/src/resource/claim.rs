//! ResourceClaim and ResourceClaimTemplate: asking for devices.

use super::class::validate_config;
use super::{is_nested, validate_selectors};
use crate::checks::{IMMUTABLE, invalid_without_value, one_of};
use crate::kind::{Context, Kind};
use crate::template;
use crate::value::{Look, copy_field, items_mut, object_made, object_mut, same, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const MOST_REQUESTS: usize = 32;
const MOST_CHOICES: usize = 8;
const MOST_RESERVED: usize = 256;
const MODES: &[&str] = &["All", "ExactCount"];

/// See the module.
pub(crate) struct ResourceClaim;

/// See the module.
pub(crate) struct ResourceClaimTemplate;

impl Kind for ResourceClaim {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        if let Some(spec) = object_made(object, "spec") {
            default_spec(spec, cx);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec"), &Path::new("spec"), cx);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        spec_stays(&mut errors, object, old);
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (status, path) = (object.at("status"), Path::new("status"));
        let (reserved, reserved_path) = (status.items("reservedFor"), path.child("reservedFor"));
        if reserved.len() > MOST_RESERVED {
            errors.push(FieldError::too_many(&reserved_path, reserved.len(), MOST_RESERVED));
        }
        if !reserved.is_empty() && !status.has("allocation") {
            let why = "may not be specified when `allocated` is not set";
            errors.push(FieldError::forbidden(&reserved_path, why));
        }
        for (index, user) in reserved.iter().enumerate() {
            let path = reserved_path.index(index);
            for field in ["resource", "name", "uid"] {
                crate::checks::required(&mut errors, user, &path, field, "");
            }
            if reserved.iter().take(index).any(|other| other.text("uid") == user.text("uid")) {
                errors.push(FieldError::duplicate(&path.child("uid"), user.text("uid")));
            }
        }
        let (new, before) = (status.at("allocation"), old.at("status").at("allocation"));
        if !new.is_null() && !before.is_null() && !same(new, before) {
            errors.push(FieldError::invalid(&path.child("allocation"), new.clone(), IMMUTABLE));
        }
        errors
    }
}

impl Kind for ResourceClaimTemplate {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            template::default_metadata(spec, cx);
            if let Some(claim) = object_made(spec, "spec") {
                default_spec(claim, cx);
            }
        }
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec").at("spec"), &Path::new("spec.spec"), cx);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        spec_stays(&mut errors, object, old);
        errors
    }
}

fn spec_stays(errors: &mut Errors, object: &Value, old: &Value) {
    let spec = object.at("spec");
    if !same(spec, old.at("spec")) {
        errors.push(FieldError::invalid(&Path::new("spec"), spec.clone(), IMMUTABLE));
    }
}

fn default_spec(spec: &mut Value, cx: &Context<'_>) {
    let Some(devices) = object_made(spec, "devices") else { return };
    for request in items_mut(devices, "requests") {
        for choice in items_mut(request, "firstAvailable") {
            default_count(choice);
        }
        if is_nested(cx.version) {
            if let Some(exact) = object_mut(request, "exactly") {
                default_count(exact);
            }
        } else if request.items("firstAvailable").is_empty() {
            default_count(request);
        }
    }
}

fn default_count(request: &mut Value) {
    set_default_zero(request, "allocationMode", "ExactCount");
    if request.text("allocationMode") == "ExactCount" {
        set_default_zero(request, "count", 1);
    }
    for toleration in items_mut(request, "tolerations") {
        set_default_zero(toleration, "operator", "Equal");
    }
}

fn validate_spec(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let (devices, path) = (spec.at("devices"), path.child("devices"));
    let (requests, requests_path) = (devices.items("requests"), path.child("requests"));
    if requests.len() > MOST_REQUESTS {
        errors.push(FieldError::too_many(&requests_path, requests.len(), MOST_REQUESTS));
    }
    for (index, request) in requests.iter().enumerate() {
        let path = requests_path.index(index);
        validate_name(errors, requests, index, &path);
        validate_request(errors, request, &path, cx);
    }
    let known = |name: &str| {
        let (request, choice) = name.split_once('/').map_or((name, None), |(name, choice)| (name, Some(choice)));
        let found = requests.iter().find(|it| it.text("name") == request);
        found.is_some_and(|found| {
            choice.is_none_or(|choice| found.items("firstAvailable").iter().any(|it| it.text("name") == choice))
        })
    };
    for field in ["constraints", "config"] {
        let (list, path) = (devices.items(field), path.child(field));
        if list.len() > MOST_REQUESTS {
            errors.push(FieldError::too_many(&path, list.len(), MOST_REQUESTS));
        }
        for (index, it) in list.iter().enumerate() {
            let path = path.index(index);
            for (index, name) in it.texts("requests").enumerate().filter(|(_, name)| !known(name)) {
                let why = "must be the name of a request in the claim or the name of a request and a subrequest \
                           separated by '/'";
                errors.push(FieldError::invalid(&path.child("requests").index(index), name, why));
            }
            if field == "config" {
                validate_config(errors, it, &path);
            }
        }
    }
}

/// A request's name is a label, and its own.
fn validate_name(errors: &mut Errors, list: &[Value], index: usize, path: &Path) {
    let name = list.get(index).map(|it| it.text("name")).unwrap_or_default();
    let path = path.child("name");
    if name.is_empty() {
        errors.push(FieldError::required(&path, ""));
        return;
    }
    errors.extend(names::invalid_each(&path, name, names::dns1123_label(name)));
    if list.iter().take(index).any(|other| other.text("name") == name) {
        errors.push(FieldError::duplicate(&path, name));
    }
}

fn validate_request(errors: &mut Errors, request: &Value, path: &Path, cx: &Context<'_>) {
    let nested = is_nested(cx.version);
    let choices = request.items("firstAvailable");
    let exact = if nested { request.has("exactly") } else { !request.text("deviceClassName").is_empty() };
    match (exact, choices.is_empty()) {
        (true, true) => {
            let (it, path) =
                if nested { (request.at("exactly"), path.child("exactly")) } else { (request, path.clone()) };
            validate_exact(errors, it, &path);
        }
        (true, false) => {
            let field = if nested { "exactly" } else { "deviceClassName" };
            let why = format!("exactly one of `{field}` or `firstAvailable` is required, but multiple fields are set");
            errors.push(invalid_without_value(path, &why));
        }
        (false, true) => {
            let field = if nested { "exactly" } else { "deviceClassName" };
            let why = format!("exactly one of `{field}` or `firstAvailable` is required");
            errors.push(FieldError::required(path, &why));
        }
        (false, false) => {
            let path = path.child("firstAvailable");
            if choices.len() > MOST_CHOICES {
                errors.push(FieldError::too_many(&path, choices.len(), MOST_CHOICES));
            }
            for (index, choice) in choices.iter().enumerate() {
                validate_name(errors, choices, index, &path.index(index));
                validate_exact(errors, choice, &path.index(index));
            }
        }
    }
}

fn validate_exact(errors: &mut Errors, it: &Value, path: &Path) {
    let (class, class_path) = (it.text("deviceClassName"), path.child("deviceClassName"));
    if class.is_empty() {
        errors.push(FieldError::required(&class_path, ""));
    } else {
        errors.extend(names::invalid_each(&class_path, class, names::dns1123_subdomain(class)));
    }
    validate_selectors(errors, it, path);
    let (count, count_path) = (it.int("count"), path.child("count"));
    match it.text("allocationMode") {
        "ExactCount" if count <= 0 => {
            errors.push(FieldError::invalid(&count_path, count, "must be greater than zero"));
        }
        "ExactCount" => {}
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.push(FieldError::invalid(&count_path, count, why));
        }
        _ => one_of(errors, it, path, "allocationMode", MODES),
    }
}
