//! Scale: the part of a kind that says how many replicas there are and shall be.

use super::hpa::validate_scale;
use crate::value::{Look, object_made, set};
use k8s_types::Errors;
use serde_json::{Map, Value, json};

/// The Scale of an object that has `spec.replicas`, as `autoscaling/v1`.
///
/// A ReplicationController's selector is a map of labels, all others' a label selector.
pub fn scale_of(object: &Value, group: &str, kind: &str) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if object.at("metadata").has(field) {
            metadata.insert(field.to_owned(), object.at("metadata").at(field).clone());
        }
    }
    let mut spec = Map::new();
    let replicas = object.at("spec").int("replicas");
    if replicas != 0 {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    let selector = object.at("spec").at("selector");
    let selector = if group.is_empty() && kind == "ReplicationController" {
        selector_text(&json!({"matchLabels": selector}))
    } else {
        selector_text(selector)
    };
    let mut status = Map::new();
    status.insert("replicas".to_owned(), object.at("status").int("replicas").into());
    if !selector.is_empty() {
        status.insert("selector".to_owned(), selector.into());
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

/// Gives an object the number of replicas that a Scale asks for, and the resource version that the Scale was read at,
/// so that the write is refused where another came between. What is wrong with the Scale is answered, and nothing
/// changed.
pub fn apply_scale(object: &mut Value, scale: &Value) -> Result<(), Errors> {
    let mut errors = Errors::new();
    validate_scale(&mut errors, scale);
    if !errors.is_empty() {
        return Err(errors);
    }
    let version = scale.at("metadata").text("resourceVersion");
    if !version.is_empty()
        && let Some(metadata) = object_made(object, "metadata")
    {
        set(metadata, "resourceVersion", version);
    }
    if let Some(spec) = object_made(object, "spec") {
        set(spec, "replicas", scale.at("spec").int("replicas"));
    }
    Ok(())
}

/// A label selector as it stands in a query: `a=b,c in (d,e),!f`, by key.
fn selector_text(selector: &Value) -> String {
    let equal = selector.entries("matchLabels").map(|(key, value)| {
        let value = value.as_str().unwrap_or_default();
        (key, format!("{key}={value}"))
    });
    let expressions = selector.items("matchExpressions").iter().map(|it| {
        let key = it.text("key");
        let mut values: Vec<&str> = it.texts("values").collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match it.text("operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        (key, text)
    });
    let mut parts: Vec<(&str, String)> = equal.chain(expressions).collect();
    parts.sort_by_key(|(key, _)| *key);
    let texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_tells_replicas_and_selector() {
        let object = json!({
            "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"}},
            "spec": {"replicas": 2, "selector": {
                "matchLabels": {"b": "c"},
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["y", "x"]},
                    {"key": "z", "operator": "DoesNotExist"},
                ],
            }},
            "status": {"replicas": 1},
        });
        let want = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7"},
            "spec": {"replicas": 2},
            "status": {"replicas": 1, "selector": "a in (x,y),b=c,!z"},
        });
        assert_eq!(scale_of(&object, "apps", "Deployment"), want);
        let controller = json!({"metadata": {}, "spec": {"selector": {"a": "b"}}});
        let scale = scale_of(&controller, "", "ReplicationController");
        assert_eq!(scale.at("status"), &json!({"replicas": 0, "selector": "a=b"}));
        assert_eq!(scale.at("spec"), &json!({}));
    }

    #[test]
    fn a_scale_is_applied_or_told_to_be_wrong() {
        let mut object = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2}});
        let scale = json!({"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 5}});
        assert_eq!(apply_scale(&mut object, &scale), Ok(()));
        assert_eq!(object, json!({"metadata": {"name": "d", "resourceVersion": "7"}, "spec": {"replicas": 5}}));
        let errors = apply_scale(&mut object, &json!({"spec": {"replicas": -1}})).unwrap_err();
        assert_eq!(errors[0].to_string(), "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
        apply_scale(&mut object, &json!({"spec": {}})).unwrap();
        assert_eq!(object.at("spec").int("replicas"), 0);
    }
}
