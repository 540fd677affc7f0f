//! HorizontalPodAutoscaler: sets a number of replicas by what is measured.
//!
//! All versions are checked in the shape of `autoscaling/v2`, and errors name its fields, whatever was sent.

use super::{metrics, versions};
use crate::checks::{counts, not_negative};
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, object_mut, remove, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const DIRECTIONS: [&str; 2] = ["scaleUp", "scaleDown"];
const TOLERANCE_SINCE: u8 = 35;
const LONGEST_WINDOW: i64 = 3600;
const LONGEST_PERIOD: i64 = 1800;

/// See the module.
pub(crate) struct HorizontalPodAutoscaler;

impl Kind for HorizontalPodAutoscaler {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        default_status(object, cx);
        let has_metrics = versions::has_metrics_annotation(object);
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "minReplicas", 1);
        if cx.version == "v1" {
            if !has_metrics {
                set_default(spec, "targetCPUUtilizationPercentage", 80);
            }
            return;
        }
        if spec.items("metrics").is_empty() {
            let resource = if cx.version == "v2beta1" {
                json!({"name": "cpu", "targetAverageUtilization": 80})
            } else {
                json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}})
            };
            set(spec, "metrics", json!([{"type": "Resource", "resource": resource}]));
        }
        if let Some(behavior) = object_mut(spec, "behavior") {
            default_behavior(behavior);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        remove(object, "status");
        default_status(object, cx);
        drop_tolerance(object, None, cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_tolerance(object, Some(old), cx);
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let path = Path::new("spec");
        if cx.version.starts_with("v2") && cx.version != "v2beta1" {
            validate_spec(&mut errors, object.at("spec"), &path);
        } else {
            let mut hub = object.clone();
            versions::to_hub(cx.version, &mut hub);
            validate_spec(&mut errors, hub.at("spec"), &path);
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let fields = ["currentReplicas", "desiredReplicas"];
        counts(&mut errors, object.at("status"), &Path::new("status"), &fields);
        errors
    }
}

/// Takes away how far off a metric may be, where the minor does not use it yet and `old` neither.
fn drop_tolerance(object: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    let used = |old: &Value| DIRECTIONS.iter().any(|it| old.look(&["spec", "behavior", it]).has("tolerance"));
    if cx.minor >= TOLERANCE_SINCE || old.is_some_and(used) {
        return;
    }
    if let Some(behavior) = object_mut(object, "spec").and_then(|spec| object_mut(spec, "behavior")) {
        for direction in DIRECTIONS {
            if let Some(rules) = object_mut(behavior, direction) {
                remove(rules, "tolerance");
            }
        }
    }
}

/// What a status without anything in it is written as.
fn default_status(object: &mut Value, cx: &Context<'_>) {
    let Some(status) = object_made(object, "status") else { return };
    if cx.version != "v2" {
        set_default(status, "currentReplicas", 0);
    }
    set_default(status, "desiredReplicas", 0);
    if cx.version != "v1" {
        set_default(status, "currentMetrics", Value::Null);
    }
    if cx.version.starts_with("v2beta") {
        set_default(status, "conditions", Value::Null);
    }
}

fn default_behavior(behavior: &mut Value) {
    if let Some(up) = object_made(behavior, "scaleUp") {
        set_default(up, "stabilizationWindowSeconds", 0);
        set_default_zero(up, "selectPolicy", "Max");
        let policies = json!([
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]);
        set_default(up, "policies", policies);
    }
    if let Some(down) = object_made(behavior, "scaleDown") {
        set_default_zero(down, "selectPolicy", "Max");
        set_default(down, "policies", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
    }
}

fn validate_spec(errors: &mut Errors, spec: &Value, path: &Path) {
    let (least, most) = (spec.opt_int("minReplicas"), spec.int("maxReplicas"));
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.push(FieldError::invalid(&path.child("minReplicas"), least, "must be greater than or equal to 1"));
    }
    if most < 1 {
        errors.push(FieldError::invalid(&path.child("maxReplicas"), most, "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid(&path.child("maxReplicas"), most, why));
    }
    validate_reference(errors, spec.at("scaleTargetRef"), &path.child("scaleTargetRef"));
    metrics::validate(errors, spec, &path.child("metrics"));
    let behavior = spec.at("behavior");
    for field in DIRECTIONS {
        if behavior.has(field) {
            validate_rules(errors, behavior.at(field), &path.child("behavior").child(field));
        }
    }
}

/// A kind and a name, both fit for a path.
pub(super) fn validate_reference(errors: &mut Errors, it: &Value, path: &Path) {
    for field in ["kind", "name"] {
        let (value, path) = (it.text(field), path.child(field));
        if value.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            errors.extend(names::invalid_each(&path, value, names::name_is_path_segment(value, false)));
        }
    }
}

fn validate_rules(errors: &mut Errors, rules: &Value, path: &Path) {
    let window = rules.int("stabilizationWindowSeconds");
    let window_path = path.child("stabilizationWindowSeconds");
    if window < 0 {
        errors.push(FieldError::invalid(&window_path, window, "must be greater than or equal to zero"));
    }
    at_most(errors, &window_path, window, LONGEST_WINDOW);
    if rules.has("selectPolicy") {
        crate::checks::one_of(errors, rules, path, "selectPolicy", &["Disabled", "Max", "Min"]);
    }
    let path = path.child("policies");
    if rules.items("policies").is_empty() {
        errors.push(FieldError::required(&path, "must specify at least one Policy"));
    }
    for (index, policy) in rules.items("policies").iter().enumerate() {
        let path = path.index(index);
        crate::checks::one_of(errors, policy, &path, "type", &["Percent", "Pods"]);
        for field in ["value", "periodSeconds"] {
            let number = policy.int(field);
            if number <= 0 {
                errors.push(FieldError::invalid(&path.child(field), number, "must be greater than zero"));
            }
        }
        at_most(errors, &path.child("periodSeconds"), policy.int("periodSeconds"), LONGEST_PERIOD);
    }
}

fn at_most(errors: &mut Errors, path: &Path, number: i64, most: i64) {
    if number > most {
        errors.push(FieldError::invalid(path, number, &format!("must be less than or equal to {most}")));
    }
}

/// A Scale's number.
pub(super) fn validate_scale(errors: &mut Errors, scale: &Value) {
    not_negative(errors, scale.at("spec"), &Path::new("spec"), "replicas");
}
