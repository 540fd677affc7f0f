//! Binding: a pod is given to a node.

use super::check;
use crate::value::Look;
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct Binding;

impl Kind for Binding {
    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (target, path) = (object.at("target"), Path::new("target"));
        let kind = target.text("kind");
        if !matches!(kind, "" | "Node") {
            errors.push(FieldError::not_supported(&path.child("kind"), kind, &["Node", "<empty>"]));
        }
        check::text_needed(&mut errors, target, "name", &path);
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_binding_is_to_a_node() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        assert!(Binding.validate(&json!({"target": {"name": "n"}}), &cx).is_empty());
        assert_eq!(Binding.validate(&json!({"target": {"kind": "Pod"}}), &cx).len(), 2);
    }
}
