//! Ingress and IngressClass: how requests from outside reach services.

use crate::checks::{by_rule, immutable, one_of};
use crate::kind::{Context, Kind};
use crate::net;
use crate::value::{Look, copy_field, object_made, object_mut, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];
const LONGEST_CONTROLLER: usize = 250;

/// See the module.
pub(crate) struct Ingress;

/// See the module.
pub(crate) struct IngressClass;

impl Kind for Ingress {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            set_default(status, "loadBalancer", json!({}));
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({"loadBalancer": {}}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec"), None, &Path::new("spec"));
        let class = object.at("spec").at("ingressClassName");
        let annotated = object.look(&["metadata", "annotations"]).at(CLASS_ANNOTATION);
        if !class.is_null() && !annotated.is_null() && class != annotated {
            let path = Path::new("annotations").child(CLASS_ANNOTATION);
            let why = "must match `ingressClassName` when both are specified";
            errors.push(FieldError::invalid(&path, annotated.clone(), why));
        }
        errors
    }

    /// The class and its annotation are compared at a create only.
    fn validate_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec"), Some(old.at("spec")), &Path::new("spec"));
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let path = Path::new("status.loadBalancer.ingress");
        for (index, it) in object.look(&["status", "loadBalancer"]).items("ingress").iter().enumerate() {
            let path = path.index(index);
            let (ip, host) = (it.text("ip"), it.text("hostname"));
            if !ip.is_empty() && net::parse_ip(ip).is_none() {
                let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                errors.push(FieldError::invalid(&path.child("ip"), ip, why));
            }
            if !host.is_empty() {
                by_rule(&mut errors, &path.child("hostname"), host, names::dns1123_subdomain);
                if net::parse_ip(host).is_some() {
                    let why = "must be a DNS name, not an IP address";
                    errors.push(FieldError::invalid(&path.child("hostname"), host, why));
                }
            }
        }
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _cx: &Context<'_>) -> Vec<String> {
        let annotated = object.look(&["metadata", "annotations"]).has(CLASS_ANNOTATION);
        if old.is_some() || !annotated {
            return Vec::new();
        }
        vec![format!("annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead")]
    }
}

fn validate_spec(errors: &mut Errors, spec: &Value, old: Option<&Value>, path: &Path) {
    let rules = spec.items("rules");
    if rules.is_empty() && !spec.has("defaultBackend") {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid(path, spec.at("rules").clone(), why));
    }
    if spec.has("defaultBackend") {
        validate_backend(errors, spec.at("defaultBackend"), &path.child("defaultBackend"));
    }
    for (index, rule) in rules.iter().enumerate() {
        validate_rule(errors, rule, &path.child("rules").index(index));
    }
    for (index, tls) in spec.items("tls").iter().enumerate() {
        let path = path.child("tls").index(index);
        for (index, host) in tls.texts("hosts").enumerate() {
            validate_host_form(errors, host, &path.child("hosts").index(index));
        }
        let secret = tls.text("secretName");
        // A name that was taken by a minor that did not look at it may stay.
        let known = old.is_some_and(|old| old.items("tls").iter().any(|tls| tls.text("secretName") == secret));
        if !secret.is_empty() && !known {
            by_rule(errors, &path.child("secretName"), secret, names::dns1123_subdomain);
        }
    }
    if spec.has("ingressClassName") {
        by_rule(errors, &path.child("ingressClassName"), spec.text("ingressClassName"), names::dns1123_subdomain);
    }
}

fn validate_rule(errors: &mut Errors, rule: &Value, path: &Path) {
    let (host, host_path) = (rule.text("host"), path.child("host"));
    if !host.is_empty() {
        if net::parse_ip(host).is_some() {
            errors.push(FieldError::invalid(&host_path, host, "must be a DNS name, not an IP address"));
        }
        validate_host_form(errors, host, &host_path);
    }
    if rule.has("http") {
        let (paths, path) = (rule.at("http").items("paths"), path.child("http.paths"));
        if paths.is_empty() {
            errors.push(FieldError::required(&path, ""));
        }
        for (index, it) in paths.iter().enumerate() {
            validate_path(errors, it, &path.index(index));
        }
    }
}

fn validate_host_form(errors: &mut Errors, host: &str, path: &Path) {
    let rule = if host.contains('*') { names::wildcard_dns1123_subdomain } else { names::dns1123_subdomain };
    by_rule(errors, path, host, rule);
}

fn validate_path(errors: &mut Errors, it: &Value, path: &Path) {
    if !it.has("pathType") {
        errors.push(FieldError::required(&path.child("pathType"), "pathType must be specified"));
        return;
    }
    let (text, text_path) = (it.text("path"), path.child("path"));
    let kind = it.text("pathType");
    let plain = ["Exact", "Prefix"].contains(&kind);
    if !plain && kind != "ImplementationSpecific" {
        errors.push(FieldError::not_supported(&path.child("pathType"), kind, PATH_TYPES));
    } else if !text.starts_with('/') && (plain || !text.is_empty()) {
        errors.push(FieldError::invalid(&text_path, text, "must be an absolute path"));
    }
    if plain {
        for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| text.contains(**part)) {
            errors.push(FieldError::invalid(&text_path, text, &format!("must not contain '{part}'")));
        }
        for end in ["/..", "/."].iter().filter(|end| text.ends_with(**end)) {
            errors.push(FieldError::invalid(&text_path, text, &format!("cannot end with '{end}'")));
        }
    }
    validate_backend(errors, it.at("backend"), &path.child("backend"));
}

fn validate_backend(errors: &mut Errors, backend: &Value, path: &Path) {
    match (backend.has("resource"), backend.has("service")) {
        (true, true) => {
            errors.push(FieldError::invalid(path, "", "cannot set both resource and service backends"));
        }
        (true, false) => validate_reference(errors, backend.at("resource"), &path.child("resource")),
        (false, true) => validate_service(errors, backend.at("service"), path),
        (false, false) => errors.push(FieldError::invalid(path, "", "resource or service backend is required")),
    }
}

fn validate_service(errors: &mut Errors, service: &Value, path: &Path) {
    let (name, service_path) = (service.text("name"), path.child("service"));
    if name.is_empty() {
        errors.push(FieldError::required(&service_path.child("name"), ""));
    } else {
        by_rule(errors, &service_path.child("name"), name, names::dns1035_label);
    }
    let port = service.at("port");
    let (name, number) = (port.text("name"), port.int("number"));
    match (name.is_empty(), number) {
        (true, 0) => errors.push(FieldError::required(path, "port name or number is required")),
        (true, number) => crate::checks::port(errors, &service_path.child("port.number"), number),
        (false, 0) => by_rule(errors, &service_path.child("port.name"), name, names::port_name),
        (false, _) => errors.push(FieldError::invalid(path, "", "cannot set both port name & port number")),
    }
}

/// An object of some kind, by its name.
fn validate_reference(errors: &mut Errors, it: &Value, path: &Path) {
    if it.has("apiGroup") {
        by_rule(errors, &path.child("apiGroup"), it.text("apiGroup"), names::dns1123_subdomain);
    }
    for field in ["kind", "name"] {
        let (value, path) = (it.text(field), path.child(field));
        if value.is_empty() {
            errors.push(FieldError::required(&path, &format!("{field} is required")));
        } else {
            errors.extend(names::invalid_each(&path, value, names::name_is_path_segment(value, false)));
        }
    }
}

impl Kind for IngressClass {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        let spec = object_made(object, "spec");
        if let Some(parameters) = spec.and_then(|spec| object_mut(spec, "parameters")) {
            set_default(parameters, "scope", "Cluster");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let (controller, controller_path) = (spec.text("controller"), path.child("controller"));
        if controller.len() > LONGEST_CONTROLLER {
            errors.push(FieldError::too_long(&controller_path, LONGEST_CONTROLLER));
        }
        errors.extend(names::domain_prefixed_path(&controller_path, controller));
        if spec.has("parameters") {
            validate_parameters(&mut errors, spec.at("parameters"), &path.child("parameters"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object.at("spec"), old.at("spec"), &Path::new("spec"), "controller");
        errors
    }
}

fn validate_parameters(errors: &mut Errors, it: &Value, path: &Path) {
    validate_reference(errors, it, path);
    let namespace_path = path.child("namespace");
    match it.text("scope") {
        "Namespace" if !it.has("namespace") => {
            errors.push(FieldError::required(&namespace_path, "`parameters.scope` is set to 'Namespace'"));
        }
        "Namespace" => by_rule(errors, &namespace_path, it.text("namespace"), names::dns1123_label),
        "Cluster" if it.has("namespace") => {
            errors.push(FieldError::forbidden(&namespace_path, "`parameters.scope` is set to 'Cluster'"));
        }
        _ => one_of(errors, it, path, "scope", &["Cluster", "Namespace"]),
    }
}
