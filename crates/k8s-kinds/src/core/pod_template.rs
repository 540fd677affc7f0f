//! Templates of pods: inside workloads of every group, and as a kind of their own.

use super::pod_spec::{self, In};
use super::{gates, pod_annotations, pod_defaults, pod_warnings};
use crate::value::{Look, object_made, object_mut};
use crate::{Context, Kind};
use k8s_types::names::{validate_annotations, validate_labels};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct PodTemplate;

/// Fills in a template.
pub fn default_template(template: &mut Value, cx: &Context<'_>) {
    if !template.is_object() {
        return;
    }
    pod_defaults::default_template_meta(template, cx);
    if let Some(spec) = object_made(template, "spec") {
        default_spec(spec, cx);
    }
}

/// Fills in a pod's spec as far as templates have it filled in.
pub fn default_spec(spec: &mut Value, cx: &Context<'_>) {
    pod_defaults::default_spec(spec, cx);
}

/// Drops from a template what this minor has switched off and the old template does not use.
pub fn drop_disabled(template: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    if let Some(spec) = object_mut(template, "spec") {
        gates::drop_disabled(spec, old.map(|it| it.at("spec")), cx);
    }
}

/// What is wrong with a template; `path` leads to it, as `spec.template`.
pub fn validate_template(template: &Value, path: &Path, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    let (meta, spec) = (template.at("metadata"), template.at("spec"));
    if let Some(labels) = meta.map("labels") {
        errors.extend(validate_labels(labels, &path.child("labels")));
    }
    if let Some(annotations) = meta.map("annotations") {
        errors.extend(validate_annotations(annotations, &path.child("annotations")));
    }
    pod_annotations::validate(&mut errors, meta, spec, &path.child("annotations"));
    let spec_path = path.child("spec");
    pod_spec::validate(&mut errors, spec, In::Template, &spec_path, cx);
    pod_annotations::validate_against_fields(&mut errors, meta, spec, &spec_path);
    if !spec.items("ephemeralContainers").is_empty() {
        let text = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(&spec_path.child("ephemeralContainers"), text));
    }
    errors
}

/// What is wrong with a spec that stands in a template.
pub fn validate_spec(spec: &Value, path: &Path, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    pod_spec::validate(&mut errors, spec, In::Template, path, cx);
    errors
}

/// What a client is warned of in a template; `path` leads to it. What stood there before is not told again.
pub fn warnings(template: &Value, old: Option<&Value>, path: &Path, cx: &Context<'_>) -> Vec<String> {
    if old.is_some_and(|old| old == template) {
        return Vec::new();
    }
    pod_warnings::warnings(template, path, cx)
}

impl Kind for PodTemplate {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(template) = object_made(object, "template") {
            default_template(template, cx);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(template) = object_mut(object, "template") {
            drop_disabled(template, None, cx);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        if let Some(template) = object_mut(object, "template") {
            drop_disabled(template, Some(old.at("template")), cx);
        }
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        validate_template(object.at("template"), &Path::new("template"), cx)
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        warnings(object.at("template"), old.map(|it| it.at("template")), &Path::new("template"), cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_have_no_ephemeral_containers() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let container = json!({"name": "c", "image": "i"});
        let mut it = json!({"template": {"spec": {"containers": [container]}}});
        PodTemplate.default(&mut it, &cx);
        assert!(PodTemplate.validate(&it, &cx).is_empty());
        it["template"]["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "i"}]);
        PodTemplate.default(&mut it, &cx);
        let errors = PodTemplate.validate(&it, &cx);
        assert_eq!(errors[0].path.as_str(), "template.spec.ephemeralContainers");
    }

    #[test]
    fn defaulting_twice_is_defaulting_once() {
        let cx = Context { minor: 24, version: "v1", now: "" };
        let mut once = json!({"spec": {"hostNetwork": true, "containers": [{"ports": [{"containerPort": 1}]}],
            "volumes": [{"name": "a"}, {"name": "b", "projected": {"sources": [{"serviceAccountToken": {}}]}}]}});
        default_template(&mut once, &cx);
        let mut twice = once.clone();
        default_template(&mut twice, &cx);
        assert_eq!(once, twice);
    }
}
