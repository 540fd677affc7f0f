//! HorizontalPodAutoscaler between its versions.
//!
//! The hub is `v2`. `v2beta1` and the annotations of `v1` write metrics flat: the target and the metric's name stand in
//! the source itself. `v1` has but a target for the CPU and keeps all else in annotations.

use crate::value::{Look, object_made, object_mut, remove, set};
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Whether an object in `v1` has its metrics in the annotation.
pub(super) fn has_metrics_annotation(object: &Value) -> bool {
    !object.look(&["metadata", "annotations"]).text(METRICS).is_empty()
}

/// From a version's shape to that of `v2`.
pub(crate) fn to_hub(version: &str, object: &mut Value) {
    match version {
        "v1" => v1_to_hub(object),
        "v2beta1" => each_metric(object, spec_to_hub, status_to_hub),
        _ => {}
    }
}

/// From the shape of `v2` to a version's.
pub(crate) fn from_hub(version: &str, object: &mut Value) {
    match version {
        "v1" => hub_to_v1(object),
        "v2beta1" => each_metric(object, spec_from_hub, status_from_hub),
        _ => {}
    }
}

fn each_metric(object: &mut Value, spec: fn(&Value) -> Value, status: fn(&Value) -> Value) {
    let change = |it: &mut Value, field: &str, how: fn(&Value) -> Value| {
        for metric in crate::value::items_mut(it, field) {
            *metric = how(metric);
        }
    };
    if let Some(it) = object_mut(object, "spec") {
        change(it, "metrics", spec);
    }
    if let Some(it) = object_mut(object, "status") {
        change(it, "currentMetrics", status);
    }
}

/// Takes an annotation of JSON away and reads it; what can't be read stays.
fn take_annotation(object: &mut Value, key: &str) -> Option<Value> {
    let annotations = object_mut(object, "metadata").and_then(|metadata| object_mut(metadata, "annotations"))?;
    let read = serde_json::from_str(annotations.text(key)).ok()?;
    remove(annotations, key);
    if annotations.as_object().is_some_and(Map::is_empty)
        && let Some(metadata) = object_mut(object, "metadata")
    {
        remove(metadata, "annotations");
    }
    Some(read)
}

fn annotate(object: &mut Value, key: &str, value: &Value) {
    let annotations = object_made(object, "metadata").and_then(|metadata| object_made(metadata, "annotations"));
    if let Some(annotations) = annotations {
        set(annotations, key, value.to_string());
    }
}

fn v1_to_hub(object: &mut Value) {
    let list = |it: Option<Value>, how: fn(&Value) -> Value| -> Option<Vec<Value>> {
        it.as_ref().and_then(Value::as_array).map(|items| items.iter().map(how).collect())
    };
    let mut metrics = list(take_annotation(object, METRICS), spec_to_hub).unwrap_or_default();
    let current = list(take_annotation(object, CURRENT_METRICS), status_to_hub);
    let conditions = take_annotation(object, CONDITIONS);
    let behavior = take_annotation(object, BEHAVIOR).map(|it| rename_keys(&it, lower_first));
    if let Some(spec) = object_made(object, "spec") {
        if let Some(target) = spec.opt_int("targetCPUUtilizationPercentage") {
            let target = json!({"type": "Utilization", "averageUtilization": target});
            metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
        }
        remove(spec, "targetCPUUtilizationPercentage");
        set(spec, "metrics", metrics);
        if let Some(behavior) = behavior {
            set(spec, "behavior", without_nulls(behavior));
        }
    }
    if let Some(status) = object_mut(object, "status") {
        let cpu = status.opt_int("currentCPUUtilizationPercentage");
        remove(status, "currentCPUUtilizationPercentage");
        let from_cpu = cpu.map(|cpu| {
            let current = json!({"averageUtilization": cpu, "averageValue": "0"});
            vec![json!({"type": "Resource", "resource": {"name": "cpu", "current": current}})]
        });
        set(status, "currentMetrics", current.or(from_cpu).map_or(Value::Null, Value::Array));
        if let Some(conditions) = conditions {
            set(status, "conditions", conditions);
        }
    }
}

fn hub_to_v1(object: &mut Value) {
    let (mut others, mut behavior) = (Vec::new(), None);
    if let Some(spec) = object_mut(object, "spec") {
        let mut target = None;
        for metric in spec.items("metrics") {
            match cpu_target(metric) {
                Some(utilization) => target = target.or(Some(utilization)),
                None => others.push(spec_from_hub(metric)),
            }
        }
        behavior = Some(spec.at("behavior")).filter(|it| !it.is_null()).map(behavior_in_annotation);
        remove(spec, "metrics");
        remove(spec, "behavior");
        if let Some(target) = target {
            set(spec, "targetCPUUtilizationPercentage", target);
        }
    }
    let (mut current, mut conditions) = (Vec::new(), Value::Null);
    if let Some(status) = object_mut(object, "status") {
        let utilization = status.items("currentMetrics").iter().find_map(|metric| {
            let resource = metric.at("resource");
            let is_cpu = metric.text("type") == "Resource" && resource.text("name") == "cpu";
            resource.at("current").opt_int("averageUtilization").filter(|_| is_cpu)
        });
        current = status.items("currentMetrics").iter().map(status_from_hub).collect();
        conditions = status.at("conditions").clone();
        remove(status, "currentMetrics");
        remove(status, "conditions");
        crate::value::set_default(status, "currentReplicas", 0);
        if let Some(utilization) = utilization {
            set(status, "currentCPUUtilizationPercentage", utilization);
        }
    }
    if !others.is_empty() {
        annotate(object, METRICS, &Value::Array(others));
    }
    if !current.is_empty() {
        annotate(object, CURRENT_METRICS, &Value::Array(current));
    }
    if conditions.as_array().is_some_and(|it| !it.is_empty()) {
        annotate(object, CONDITIONS, &conditions);
    }
    if let Some(behavior) = behavior {
        annotate(object, BEHAVIOR, &behavior);
    }
}

/// The target of a metric that `v1` has a field for.
fn cpu_target(metric: &Value) -> Option<i64> {
    let resource = metric.at("resource");
    let is_cpu = metric.text("type") == "Resource" && resource.text("name") == "cpu";
    resource.at("target").opt_int("averageUtilization").filter(|_| is_cpu)
}

/// The behavior as the annotation has it: every field is there, with a capital.
fn behavior_in_annotation(behavior: &Value) -> Value {
    let rules = |it: &Value| {
        if it.is_null() {
            return Value::Null;
        }
        let policies: Vec<Value> = it.items("policies").iter().map(|it| rename_keys(it, upper_first)).collect();
        let mut rules = json!({
            "StabilizationWindowSeconds": it.at("stabilizationWindowSeconds"),
            "SelectPolicy": it.at("selectPolicy"),
            "Policies": policies,
        });
        if it.has("tolerance") {
            set(&mut rules, "Tolerance", it.at("tolerance").clone());
        }
        rules
    };
    json!({"ScaleUp": rules(behavior.at("scaleUp")), "ScaleDown": rules(behavior.at("scaleDown"))})
}

fn rename_keys(it: &Value, how: fn(&str) -> String) -> Value {
    match it {
        Value::Object(map) => map.iter().map(|(key, value)| (how(key), rename_keys(value, how))).collect(),
        Value::Array(items) => items.iter().map(|item| rename_keys(item, how)).collect(),
        other => other.clone(),
    }
}

fn lower_first(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn upper_first(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn without_nulls(it: Value) -> Value {
    match it {
        Value::Object(map) => {
            map.into_iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k, without_nulls(v))).collect()
        }
        other => other,
    }
}

/// Copies `from` to `to` in another object, where it is there.
fn copy(out: &mut Map<String, Value>, to: &str, it: &Value, from: &str) {
    if it.has(from) {
        out.insert(to.to_owned(), it.at(from).clone());
    }
}

/// The name and the selector of a metric, from the fields of a flat source.
fn identifier(source: &Value, selector: &str) -> Value {
    let mut metric = Map::new();
    metric.insert("name".to_owned(), source.at("metricName").clone());
    copy(&mut metric, "selector", source, selector);
    Value::Object(metric)
}

fn selector_field(source: &str) -> &'static str {
    if source == "external" { "metricSelector" } else { "selector" }
}

/// The names of a flat source's values: its value, its average value, its utilization.
fn flat_values(source: &str, prefix: &str) -> [(&'static str, String); 3] {
    let average = if source == "object" { "averageValue".to_owned() } else { format!("{prefix}AverageValue") };
    [
        ("value", format!("{prefix}Value")),
        ("averageValue", average),
        ("averageUtilization", format!("{prefix}AverageUtilization")),
    ]
}

fn metric_to_hub(metric: &Value, prefix: &str, values_field: &str) -> Value {
    let mut out = Map::new();
    for (key, source) in metric.as_object().into_iter().flatten() {
        if key == "type" || source.is_null() {
            out.insert(key.clone(), source.clone());
            continue;
        }
        let mut it = Map::new();
        copy(&mut it, "name", source, "name");
        copy(&mut it, "container", source, "container");
        copy(&mut it, "describedObject", source, "target");
        if source.has("metricName") {
            it.insert("metric".to_owned(), identifier(source, selector_field(key)));
        }
        let mut values = Map::new();
        for (to, from) in flat_values(key, prefix) {
            copy(&mut values, to, source, &from);
        }
        if prefix == "target" {
            let kind = if values.contains_key("averageUtilization") {
                "Utilization"
            } else if values.get("value").is_some_and(|value| key != "object" || value != "0")
                && !values.contains_key("averageValue")
            {
                "Value"
            } else {
                "AverageValue"
            };
            if key == "object" && kind == "AverageValue" {
                values.shift_remove("value");
            }
            values.insert("type".to_owned(), kind.into());
        }
        it.insert(values_field.to_owned(), Value::Object(values));
        out.insert(key.clone(), Value::Object(it));
    }
    Value::Object(out)
}

fn metric_from_hub(metric: &Value, prefix: &str, values_field: &str) -> Value {
    let mut out = Map::new();
    for (key, source) in metric.as_object().into_iter().flatten() {
        if key == "type" || source.is_null() {
            out.insert(key.clone(), source.clone());
            continue;
        }
        let mut it = Map::new();
        copy(&mut it, "name", source, "name");
        copy(&mut it, "container", source, "container");
        copy(&mut it, "target", source, "describedObject");
        if source.has("metric") {
            copy(&mut it, "metricName", source.at("metric"), "name");
            copy(&mut it, selector_field(key), source.at("metric"), "selector");
        }
        for (from, to) in flat_values(key, prefix) {
            copy(&mut it, &to, source.at(values_field), from);
        }
        if key == "object" {
            // A flat object source always has its value.
            it.entry(format!("{prefix}Value")).or_insert_with(|| "0".into());
        }
        out.insert(key.clone(), Value::Object(it));
    }
    Value::Object(out)
}

fn spec_to_hub(metric: &Value) -> Value {
    metric_to_hub(metric, "target", "target")
}

fn status_to_hub(metric: &Value) -> Value {
    metric_to_hub(metric, "current", "current")
}

fn spec_from_hub(metric: &Value) -> Value {
    metric_from_hub(metric, "target", "target")
}

fn status_from_hub(metric: &Value) -> Value {
    metric_from_hub(metric, "current", "current")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> Value {
        json!({
            "metadata": {"name": "h"},
            "spec": {
                "maxReplicas": 3,
                "metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
                    {"type": "Object", "object": {
                        "describedObject": {"kind": "Service", "name": "s"},
                        "metric": {"name": "rps", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "Value", "value": "5"},
                    }},
                    {"type": "External", "external": {
                        "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "AverageValue", "averageValue": "30"},
                    }},
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                ],
                "behavior": {"scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}},
            },
            "status": {
                "currentReplicas": 1, "desiredReplicas": 2,
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7, "averageValue": "3m"}}}],
                "conditions": [{"type": "AbleToScale", "status": "True"}],
            },
        })
    }

    #[test]
    fn v1_keeps_all_of_v2_in_annotations() {
        let mut it = hub();
        from_hub("v1", &mut it);
        assert_eq!(it.at("spec"), &json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}));
        let status = json!({"currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 7});
        assert_eq!(it.at("status"), &status);
        let annotations = it.look(&["metadata", "annotations"]);
        let behavior = r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}]}}"#;
        assert_eq!(annotations.text(BEHAVIOR), behavior);
        let metrics: Value = serde_json::from_str(annotations.text(METRICS)).unwrap();
        assert_eq!(metrics[0], json!({"type": "Pods", "pods": {"metricName": "m", "targetAverageValue": "1"}}));
        to_hub("v1", &mut it);
        assert_eq!(it, hub());
    }

    #[test]
    fn v2beta1_has_flat_metrics() {
        let mut it = hub();
        from_hub("v2beta1", &mut it);
        let object = json!({
            "target": {"kind": "Service", "name": "s"}, "metricName": "rps",
            "selector": {"matchLabels": {"a": "b"}}, "targetValue": "5",
        });
        assert_eq!(it.look(&["spec"]).items("metrics")[1].at("object"), &object);
        to_hub("v2beta1", &mut it);
        assert_eq!(it, hub());
    }
}
