//! FlowSchema: which requests belong to which level.

use crate::checks::{one_of, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const MOST_PRECEDENCE: i64 = 10_000;
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const SUBJECTS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

/// See the module.
pub(crate) struct FlowSchema;

impl Kind for FlowSchema {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        if let Some(spec) = object_made(object, "spec") {
            set_default_zero(spec, "matchingPrecedence", 1000);
            if let Some(level) = object_made(spec, "priorityLevelConfiguration") {
                set_default(level, "name", "");
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let exempt = object.at("metadata").text("name") == "exempt";
        validate_precedence(&mut errors, spec.int("matchingPrecedence"), exempt, &path.child("matchingPrecedence"));
        if spec.has("distinguisherMethod") {
            let (method, path) = (spec.at("distinguisherMethod"), path.child("distinguisherMethod"));
            one_of(&mut errors, method, &path, "type", &["ByNamespace", "ByUser"]);
        }
        let level = spec.at("priorityLevelConfiguration").text("name");
        let level_path = path.child("priorityLevelConfiguration.name");
        if level.is_empty() {
            errors.push(FieldError::required(&level_path, "must reference a priority level"));
        } else {
            errors.extend(names::invalid_each(&level_path, level, names::dns1123_subdomain(level)));
        }
        for (index, rule) in spec.items("rules").iter().enumerate() {
            validate_rule(&mut errors, rule, &path.child("rules").index(index));
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_conditions(&mut errors, object);
        errors
    }
}

/// Conditions have a type each, and every type once.
pub(super) fn validate_conditions(errors: &mut Errors, object: &Value) {
    let conditions = object.at("status").items("conditions");
    for (index, condition) in conditions.iter().enumerate() {
        let path = Path::new("status.conditions").index(index);
        let kind = condition.text("type");
        if conditions.iter().take(index).any(|other| other.text("type") == kind) {
            errors.push(FieldError::duplicate(&path.child("type"), kind));
        }
        required(errors, condition, &path, "type", "must not be empty");
    }
}

fn validate_precedence(errors: &mut Errors, precedence: i64, exempt: bool, path: &Path) {
    if precedence <= 0 {
        errors.push(FieldError::invalid(path, precedence, "must be a positive value"));
    }
    if precedence > MOST_PRECEDENCE {
        let why = format!("must not be greater than {MOST_PRECEDENCE}");
        errors.push(FieldError::invalid(path, precedence, &why));
    }
    if precedence == 1 && !exempt {
        let why = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.push(FieldError::invalid(path, precedence, why));
    }
}

fn validate_rule(errors: &mut Errors, rule: &Value, path: &Path) {
    if rule.items("subjects").is_empty() {
        errors.push(FieldError::required(&path.child("subjects"), "subjects must contain at least one value"));
    }
    for (index, subject) in rule.items("subjects").iter().enumerate() {
        validate_subject(errors, subject, &path.child("subjects").index(index));
    }
    let (resources, others) = (rule.items("resourceRules"), rule.items("nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(FieldError::required(path, why));
    }
    for (index, it) in resources.iter().enumerate() {
        validate_resource_rule(errors, it, &path.child("resourceRules").index(index));
    }
    for (index, it) in others.iter().enumerate() {
        let path = path.child("nonResourceRules").index(index);
        validate_verbs(errors, it, &path);
        let urls: Vec<&str> = it.texts("nonResourceURLs").collect();
        some_or_all(
            errors,
            it,
            &path,
            "nonResourceURLs",
            "nonResourceURLs must contain at least one value",
            "non-resource URLs",
        );
        for (index, url) in urls.iter().enumerate().filter(|(_, url)| **url != "*") {
            validate_url(errors, url, &path.child("nonResourceURLs").index(index));
        }
    }
}

fn validate_subject(errors: &mut Errors, subject: &Value, path: &Path) {
    let kind = subject.text("kind");
    let Some((_, expected)) = SUBJECTS.iter().find(|(known, _)| *known == kind) else {
        let kinds = &["Group", "ServiceAccount", "User"];
        errors.push(FieldError::not_supported(&path.child("kind"), kind, kinds));
        return;
    };
    for (other, field) in SUBJECTS.iter().filter(|(_, field)| field != expected && subject.has(field)) {
        let why = format!("{field} is forbidden when subject kind is not '{other}'");
        errors.push(FieldError::forbidden(&path.child(field), &why));
    }
    let (it, path) = (subject.at(expected), path.child(expected));
    if it.is_null() {
        let why = format!("{expected} is required when subject kind is '{kind}'");
        errors.push(FieldError::required(&path, &why));
        return;
    }
    required(errors, it, &path, "name", "");
    if kind == "ServiceAccount" {
        let (name, namespace) = (it.text("name"), it.text("namespace"));
        if !name.is_empty() && name != "*" {
            errors.extend(names::invalid_each(&path.child("name"), name, names::dns1123_subdomain(name)));
        }
        if namespace.is_empty() {
            let why = "must specify namespace for service account";
            errors.push(FieldError::required(&path.child("namespace"), why));
        } else {
            let faults = names::dns1123_label(namespace);
            errors.extend(names::invalid_each(&path.child("namespace"), namespace, faults));
        }
    }
}

/// A list that must have something; where it has `*`, it must have nothing else.
fn some_or_all(errors: &mut Errors, it: &Value, path: &Path, field: &str, none: &str, others: &str) {
    let list = it.items(field);
    if list.is_empty() {
        errors.push(FieldError::required(&path.child(field), none));
    } else if list.len() > 1 && it.texts(field).any(|it| it == "*") {
        let why = format!("if '*' is present, must not specify other {others}");
        errors.push(FieldError::invalid(&path.child(field), it.at(field).clone(), &why));
    }
}

fn validate_verbs(errors: &mut Errors, it: &Value, path: &Path) {
    some_or_all(errors, it, path, "verbs", "verbs must contain at least one value", "verbs");
    let all = it.texts("verbs").any(|verb| verb == "*");
    if !all && it.texts("verbs").any(|verb| !VERBS.contains(&verb)) {
        errors.push(FieldError::not_supported(&path.child("verbs"), it.at("verbs").clone(), VERBS));
    }
}

fn validate_resource_rule(errors: &mut Errors, it: &Value, path: &Path) {
    validate_verbs(errors, it, path);
    let none = "resource rules must supply at least one api group";
    some_or_all(errors, it, path, "apiGroups", none, "api groups");
    let none = "resource rules must supply at least one resource";
    some_or_all(errors, it, path, "resources", none, "resources");
    let spaces_path = path.child("namespaces");
    if it.items("namespaces").is_empty() && !it.flag("clusterScope") {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.push(FieldError::required(&spaces_path, why));
    } else if it.texts("namespaces").any(|space| space == "*") {
        if it.items("namespaces").len() > 1 {
            let why = "if '*' is present, must not specify other namespaces";
            errors.push(FieldError::invalid(&spaces_path, it.at("namespaces").clone(), why));
        }
    } else {
        for (index, space) in it.texts("namespaces").enumerate() {
            for fault in names::dns1123_label(space) {
                let why = format!("each member of this list must be '*' or a DNS-1123 label; {fault}");
                errors.push(FieldError::invalid(&spaces_path.index(index), space, &why));
            }
        }
    }
}

fn validate_url(errors: &mut Errors, url: &str, path: &Path) {
    let why = match url {
        "" => return errors.push(FieldError::invalid(path, url, "must not be empty")),
        "/" => return,
        url if !url.starts_with('/') => "must start with slash",
        url if url.contains(' ') => "must not contain white-space",
        url if url.contains("//") => "must not contain double slash",
        url if url.contains('*') && !(url.ends_with("/*") && url.matches('*').count() == 1) => {
            "wildcard can only do suffix matching"
        }
        _ => return,
    };
    errors.push(FieldError::invalid(path, url, why));
}
