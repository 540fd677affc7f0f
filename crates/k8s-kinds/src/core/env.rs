//! A container's environment, and references to a pod's own fields.

use super::check;
use super::resources::quantity;
use crate::Context;
use crate::value::Look;
use k8s_types::names::{self, invalid_each};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// Fields of a pod that a variable may hold.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that a file may hold.
const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields of a pod that can be referred to at all.
const KNOWN_FIELDS: [&str; 11] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
];
const KNOWN_FIELDS_TOO: [&str; 4] = ["status.hostIPs", "status.nominatedNodeName", "status.podIP", "status.podIPs"];
/// Amounts of a container that can be referred to.
const RESOURCE_FIELDS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Where a reference to a pod's field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// In a variable.
    Env,
    /// In a file of a volume.
    File,
}

/// What is wrong with `env` and `envFrom` of a container; `path` is the container's.
pub(crate) fn validate(errors: &mut Errors, container: &Value, path: &Path, cx: &Context<'_>) {
    for (at, env) in container.items("env").iter().enumerate() {
        let path = path.child("env").index(at);
        if check::text_needed(errors, env, "name", &path) {
            variable_name(errors, env.text("name"), &path.child("name"), cx);
        }
        if env.has("valueFrom") {
            validate_source(errors, env, &path.child("valueFrom"), cx);
        }
    }
    let list = path.child("envFrom");
    for (at, from) in container.items("envFrom").iter().enumerate() {
        let path = list.index(at);
        if !from.text("prefix").is_empty() {
            variable_name(errors, from.text("prefix"), &path.child("prefix"), cx);
        }
        let sources: Vec<&str> = ["configMapRef", "secretRef"].into_iter().filter(|it| from.has(it)).collect();
        for name in &sources {
            let (source, path) = (from.at(name), path.child(name));
            if check::text_needed(errors, source, "name", &path) {
                let name = source.text("name");
                errors.extend(invalid_each(&path.child("name"), name, names::name_is_subdomain(name, true)));
            }
        }
        match sources.len() {
            0 => errors.push(FieldError::invalid(&list, "", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => errors.push(FieldError::invalid(&list, "", "may not have more than one field specified at a time")),
        }
    }
}

/// From 1.32 on a name may be anything that prints, but an equals sign.
fn variable_name(errors: &mut Errors, name: &str, path: &Path, cx: &Context<'_>) {
    let rule = if cx.minor >= 32 { names::relaxed_env_name } else { names::env_name };
    check::rule(errors, name, path, rule);
}

fn validate_source(errors: &mut Errors, env: &Value, path: &Path, cx: &Context<'_>) {
    let from = env.at("valueFrom");
    let mut count = 0;
    if from.has("fieldRef") {
        count += 1;
        validate_field_ref(errors, from.at("fieldRef"), Use::Env, &path.child("fieldRef"));
    }
    if from.has("resourceFieldRef") {
        count += 1;
        validate_resource_ref(errors, from.at("resourceFieldRef"), Use::Env, &path.child("resourceFieldRef"));
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if from.has(name) {
            count += 1;
            validate_key_ref(errors, from.at(name), &path.child(name));
        }
    }
    // Files of a volume can be read from 1.35 on.
    let files = cx.minor >= 35;
    if files && from.has("fileKeyRef") {
        count += 1;
        validate_file_ref(errors, from.at("fileKeyRef"), &path.child("fileKeyRef"));
    }
    if count == 0 {
        let text = if files {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        } else {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        };
        errors.push(FieldError::invalid(path, "", text));
    } else if !env.text("value").is_empty() {
        errors.push(FieldError::invalid(path, "", "may not be specified when `value` is not empty"));
    } else if count > 1 {
        errors.push(FieldError::invalid(path, "", "may not have more than one field specified at a time"));
    }
}

fn validate_file_ref(errors: &mut Errors, it: &Value, path: &Path) {
    if check::text_needed(errors, it, "key", path) {
        check::rule(errors, it.text("key"), &path.child("key"), names::env_name);
    }
    if check::text_needed(errors, it, "volumeName", path) {
        check::label(errors, it.text("volumeName"), &path.child("volumeName"));
    }
    if check::text_needed(errors, it, "path", path) {
        check::non_reserved_path(errors, it.text("path"), &path.child("path"));
    }
}

fn validate_key_ref(errors: &mut Errors, it: &Value, path: &Path) {
    check::subdomain(errors, it.text("name"), &path.child("name"));
    if check::text_needed(errors, it, "key", path) {
        check::rule(errors, it.text("key"), &path.child("key"), names::config_map_key);
    }
}

/// What is wrong with a reference to a field of the pod.
pub(crate) fn validate_field_ref(errors: &mut Errors, it: &Value, place: Use, path: &Path) {
    for name in ["apiVersion", "fieldPath"] {
        if !check::text_needed(errors, it, name, path) {
            return;
        }
    }
    let field = it.text("fieldPath");
    let (version, at) = (it.text("apiVersion"), path.child("fieldPath"));
    if version != "v1" {
        let text = format!("error converting fieldPath: unsupported pod version: {version}");
        errors.push(FieldError::invalid(&at, field, &text));
        return;
    }
    let subscripted = field.strip_suffix("']").and_then(|it| it.split_once("['"));
    let map = subscripted.map_or(field, |(map, _)| map);
    let known = KNOWN_FIELDS.contains(&map) || KNOWN_FIELDS_TOO.contains(&map);
    if !known || (subscripted.is_some() && !matches!(map, "metadata.annotations" | "metadata.labels")) {
        let text = if known {
            format!("error converting fieldPath: field label does not support subscript: {field}")
        } else {
            format!("error converting fieldPath: field label not supported: {field}")
        };
        errors.push(FieldError::invalid(&at, field, &text));
        return;
    }
    let fields: &[&str] = if place == Use::Env { &ENV_FIELDS } else { &FILE_FIELDS };
    match subscripted {
        Some(("metadata.annotations", key)) => check::qualified(errors, &key.to_ascii_lowercase(), path),
        Some((_, key)) => check::qualified(errors, key, path),
        None => check::one_of(errors, field, fields, &at),
    }
}

/// What is wrong with a reference to an amount that a container asks for.
pub(crate) fn validate_resource_ref(errors: &mut Errors, it: &Value, place: Use, path: &Path) {
    let resource = it.text("resource");
    let pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if place == Use::File && it.text("containerName").is_empty() {
        errors.push(FieldError::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        errors.push(FieldError::required(&path.child("resource"), ""));
    } else if !pages {
        check::one_of(errors, resource, &RESOURCE_FIELDS, &path.child("resource"));
    }
    let divisor = quantity(it.at("divisor"));
    if divisor.is_zero() {
        return;
    }
    let what = match resource {
        "limits.cpu" | "requests.cpu" => "cpu",
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        _ if pages => "hugepages",
        _ => return,
    };
    let divisor = divisor.to_string();
    let text = if what == "cpu" {
        if ["1m", "1"].contains(&divisor.as_str()) {
            return;
        }
        "only divisor's values 1m and 1 are supported with the cpu resource".to_owned()
    } else {
        if SIZES.contains(&divisor.as_str()) {
            return;
        }
        format!("only divisor's values {} are supported with the {what} resource", SIZES.join(", "))
    };
    errors.push(FieldError::invalid(&path.child("divisor"), resource, &text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(container: &Value, minor: u8) -> Vec<String> {
        let mut errors = Errors::new();
        validate(&mut errors, container, &Path::new("c"), &Context { minor, version: "v1", now: "" });
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_became_free() {
        let it = json!({"env": [{"name": "1 a"}]});
        assert_eq!(texts(&it, 31).len(), 1);
        assert!(texts(&it, 34).is_empty());
    }

    #[test]
    fn files_came_late() {
        let file = json!({"key": "A", "volumeName": "v", "path": "f"});
        let it = json!({"env": [{"name": "a", "valueFrom": {"fileKeyRef": file}}]});
        assert_eq!(texts(&it, 34).len(), 1);
        assert!(texts(&it, 35).is_empty());
    }

    #[test]
    fn fields_of_the_pod() {
        let field = |path: &str| json!({"env": [{"name": "a", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}]});
        assert!(texts(&field("metadata.labels['a.b/c']"), 34).is_empty());
        assert!(texts(&field("status.podIPs"), 34).is_empty());
        assert!(texts(&field("metadata.foo"), 34)[0].ends_with("field label not supported: metadata.foo"));
        assert!(texts(&field("status.phase"), 34)[0].contains("Unsupported value: \"status.phase\""));
    }

    #[test]
    fn amounts_of_the_container() {
        let it = json!({"env": [{"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]});
        assert_eq!(
            texts(&it, 34),
            [
                "c.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 \
                 are supported with the cpu resource"
            ]
        );
    }
}
