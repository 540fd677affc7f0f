//! The group `apiextensions.k8s.io`: kinds that users define.
//!
//! Names, scope and versions are checked here; what a schema may say is the custom resources' own matter.

use crate::checks::{one_of, required};
use crate::client_config;
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, items_mut, object_made, object_mut, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Map, Value, json};

const APPROVAL: &str = "api-approved.kubernetes.io";
const MIXED_CASE: &str = "may have mixed case, but should otherwise match";

/// CustomResourceDefinition: a kind of a user's.
pub(crate) struct CustomResourceDefinition;

impl Kind for CustomResourceDefinition {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        default_status(object);
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "conversion", json!({"strategy": "None"}));
        if let Some(conversion) = object_mut(spec, "conversion") {
            let config = object_mut(conversion, "webhook").and_then(|webhook| object_mut(webhook, "clientConfig"));
            if let Some(config) = config {
                client_config::default(config);
            }
        }
        for version in items_mut(spec, "versions") {
            // Written even where they are not said.
            set_default(version, "served", false);
            set_default(version, "storage", false);
        }
        let Some(naming) = object_made(spec, "names") else { return };
        let kind = naming.text("kind").to_owned();
        if !kind.is_empty() {
            set_default_zero(naming, "singular", kind.to_lowercase());
            set_default_zero(naming, "listKind", format!("{kind}List"));
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
        default_status(object);
        remember_stored(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
        remember_stored(object);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = validate_object(object);
        let spec = object.at("spec");
        let (group, plural) = (spec.text("group"), spec.at("names").text("plural"));
        let name = object.at("metadata").text("name");
        if name.strip_suffix(group).and_then(|it| it.strip_suffix('.')) != Some(plural) {
            let why = r#"must be spec.names.plural+"."+spec.group"#;
            errors.push(FieldError::invalid(&Path::new("metadata.name"), name, why));
        }
        errors.extend(approval_fault(object, group));
        errors
    }

    /// The name can't change, so it is not held against what it was made of.
    fn validate_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = validate_object(object);
        let established = old
            .at("status")
            .items("conditions")
            .iter()
            .any(|it| it.text("type") == "Established" && it.text("status") == "True");
        let (spec, before) = (object.at("spec"), old.at("spec"));
        let mut fixed: Vec<&[&str]> = Vec::new();
        if established {
            fixed.extend([&["scope"][..], &["names", "kind"]]);
        }
        fixed.extend([&["group"][..], &["names", "plural"]]);
        for way in fixed {
            let value = spec.look(way);
            if value != before.look(way) {
                let path = Path::new("spec").child(&way.join("."));
                errors.push(FieldError::invalid(&path, value.clone(), crate::checks::IMMUTABLE));
            }
        }
        errors
    }
}

/// All but the name and who may have the group.
fn validate_object(object: &Value) -> Errors {
    let mut errors = Errors::new();
    let (spec, path) = (object.at("spec"), Path::new("spec"));
    validate_group(&mut errors, spec.text("group"), &path.child("group"));
    crate::checks::required_one_of(&mut errors, spec, &path, "scope", &["Cluster", "Namespaced"]);
    if spec.flag("preserveUnknownFields") {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                   spec.versions[*].schema instead";
        errors.push(FieldError::invalid(&path.child("preserveUnknownFields"), true, why));
    }
    validate_versions(&mut errors, object, &path.child("versions"));
    validate_names(&mut errors, spec.at("names"), &path.child("names"));
    validate_conversion(&mut errors, spec.at("conversion"), &path.child("conversion"));
    errors
}

/// What is written even where nothing is known yet.
fn default_status(object: &mut Value) {
    let Some(status) = object_made(object, "status") else { return };
    set_default(status, "conditions", Value::Null);
    if let Some(accepted) = object_made(status, "acceptedNames") {
        set_default(accepted, "plural", "");
        set_default(accepted, "kind", "");
    }
    set_default(status, "storedVersions", Value::Null);
}

/// The version that is stored now has been stored.
fn remember_stored(object: &mut Value) {
    let versions = object.at("spec").items("versions").iter();
    let stored = versions.filter(|it| it.flag("storage")).map(|it| it.at("name").clone()).next();
    let Some(status) = object_made(object, "status") else { return };
    let mut all = status.items("storedVersions").to_vec();
    all.extend(stored.into_iter().filter(|it| !status.items("storedVersions").contains(it)));
    if !all.is_empty() {
        set(status, "storedVersions", all);
    }
}

fn validate_group(errors: &mut Errors, group: &str, path: &Path) {
    if group.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let faults = names::dns1123_subdomain(group);
    if !faults.is_empty() {
        errors.push(FieldError::invalid(path, group, &faults.join(",")));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(path, group, "should be a domain with at least one dot"));
    }
}

fn validate_versions(errors: &mut Errors, object: &Value, path: &Path) {
    let versions = object.at("spec").items("versions");
    let value = || object.at("spec").at("versions").clone();
    let name = |it: &Value| it.text("name").to_owned();
    let unique =
        versions.iter().enumerate().all(|(at, it)| versions.iter().take(at).all(|other| name(other) != name(it)));
    if !unique {
        errors.push(FieldError::invalid(path, value(), "must contain unique version names"));
    }
    let stored: Vec<&Value> = versions.iter().filter(|it| it.flag("storage")).collect();
    if stored.len() != 1 {
        errors.push(FieldError::invalid(path, value(), "must have exactly one version marked as storage version"));
    }
    for (index, version) in versions.iter().enumerate() {
        let (text, path) = (version.text("name"), path.index(index));
        let faults = names::dns1035_label(text);
        if !faults.is_empty() {
            errors.push(FieldError::invalid(&path.child("name"), text, &faults.join(",")));
            if index == 0 {
                // The field that `v1beta1` had for the first version is filled from it, and checked as well.
                errors.push(FieldError::invalid(&Path::new("spec.version"), text, &faults.join(",")));
            }
        }
        if version.look(&["schema", "openAPIV3Schema"]).is_null() {
            errors.push(FieldError::required(&path.child("schema.openAPIV3Schema"), ""));
        }
        if version.has("deprecationWarning") && !version.flag("deprecated") {
            let why = "can only be set for deprecated versions";
            let value = version.at("deprecationWarning").clone();
            errors.push(FieldError::invalid(&path.child("deprecationWarning"), value, why));
        }
    }
    validate_stored(errors, object, &stored);
}

fn validate_stored(errors: &mut Errors, object: &Value, stored: &[&Value]) {
    let known = object.at("status").at("storedVersions");
    let (list, path) = (known.as_array().map(Vec::as_slice).unwrap_or_default(), Path::new("status.storedVersions"));
    if list.is_empty() {
        errors.push(FieldError::invalid(&path, known.clone(), "must have at least one stored version"));
        return;
    }
    for version in stored.iter().filter(|it| !list.contains(it.at("name"))) {
        let why = format!("must have the storage version {}", version.text("name"));
        errors.push(FieldError::invalid(&path, known.clone(), &why));
    }
    for (index, version) in list.iter().enumerate() {
        if !object.at("spec").items("versions").iter().any(|it| it.at("name") == version) {
            let why = "missing from spec.versions; v1 was previously a storage version, and must remain in \
                       spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 \
                       from status.storedVersions";
            let why = why.replace("v1", version.as_str().unwrap_or_default());
            errors.push(FieldError::invalid(&path.index(index), version.clone(), &why));
        }
    }
}

fn validate_names(errors: &mut Errors, it: &Value, path: &Path) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let (name, path_of_name) = (it.text(field), path.child(field));
        if name.is_empty() {
            required(errors, it, path, field, "");
            continue;
        }
        let mixed = field.ends_with("ind");
        let faults = if mixed { names::dns1035_label(&name.to_lowercase()) } else { names::dns1035_label(name) };
        if !faults.is_empty() {
            let text = faults.join(",");
            let why = if mixed { format!("{MIXED_CASE}: {text}") } else { text };
            errors.push(FieldError::invalid(&path_of_name, name, &why));
        }
    }
    for field in ["shortNames", "categories"] {
        for (index, name) in it.texts(field).enumerate() {
            let faults = names::dns1035_label(name);
            if !faults.is_empty() {
                errors.push(FieldError::invalid(&path.child(field).index(index), name, &faults.join(",")));
            }
        }
    }
    if !it.text("kind").is_empty() && it.text("kind") == it.text("listKind") {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid(&path.child("listKind"), it.text("listKind"), why));
    }
}

fn validate_conversion(errors: &mut Errors, it: &Value, path: &Path) {
    one_of(errors, it, path, "strategy", &["None", "Webhook"]);
    let (webhook, webhook_path) = (it.at("webhook"), path.child("webhook"));
    if it.text("strategy") != "Webhook" {
        if !webhook.is_null() {
            let why = "should not be set when strategy is not set to Webhook";
            errors.push(FieldError::forbidden(&webhook_path, why));
        }
        return;
    }
    // The paths are those of `v1beta1`.
    let config_path = path.child("webhookClientConfig");
    if webhook.has("clientConfig") {
        client_config::validate(errors, webhook.at("clientConfig"), &config_path);
    } else {
        errors.push(FieldError::required(&config_path, "required when strategy is set to Webhook"));
    }
    let (versions, path) = (webhook.items("conversionReviewVersions"), path.child("conversionReviewVersions"));
    if versions.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else if !webhook.texts("conversionReviewVersions").any(|it| ["v1", "v1beta1"].contains(&it)) {
        let value = webhook.at("conversionReviewVersions").clone();
        errors.push(FieldError::invalid(&path, value, "must include at least one of v1, v1beta1"));
    }
}

/// Groups of the project itself are not for everybody to define kinds in.
fn approval_fault(object: &Value, group: &str) -> Option<FieldError> {
    let ours = |domain: &str| group == domain || group.strip_suffix(domain).is_some_and(|it| it.ends_with('.'));
    if !ours("k8s.io") && !ours("kubernetes.io") {
        return None;
    }
    let path = Path::new("metadata.annotations").key(APPROVAL);
    let approval = object.at("metadata").map("annotations").and_then(|it: &Map<String, Value>| it.get(APPROVAL));
    let approval = approval.and_then(Value::as_str).unwrap_or_default();
    if approval.is_empty() {
        let why = format!(
            "protected groups must have approval annotation {APPROVAL:?}, see \
             https://github.com/kubernetes/enhancements/pull/1111"
        );
        return Some(FieldError::required(&path, &why));
    }
    let is_url = approval.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/') && !rest.is_empty());
    if is_url || approval.starts_with("unapproved") {
        return None;
    }
    let why = r#"protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111"#;
    Some(FieldError::invalid(&path, approval, why))
}
