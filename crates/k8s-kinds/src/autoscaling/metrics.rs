//! What a HorizontalPodAutoscaler measures, as `autoscaling/v2` has it.

use super::hpa::validate_reference;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

/// The sources' types and the fields that they stand in.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// What is wrong with `spec.metrics`.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &Path) {
    let mut without_pods = false;
    for (index, metric) in spec.items("metrics").iter().enumerate() {
        let before = errors.len();
        validate_metric(errors, metric, &path.index(index));
        without_pods |= errors.len() == before && ["Object", "External"].contains(&metric.text("type"));
    }
    if spec.opt_int("minReplicas") == Some(0) && !without_pods {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(FieldError::forbidden(path, why));
    }
}

fn validate_metric(errors: &mut Errors, metric: &Value, path: &Path) {
    let kind = metric.text("type");
    let type_path = path.child("type");
    if kind.is_empty() {
        errors.push(FieldError::required(&type_path, "must specify a metric source type"));
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    if expected.is_none() {
        // It is said where the type is read and where its source is looked for.
        errors.push(FieldError::not_supported(&type_path, kind, TYPES));
        errors.push(FieldError::not_supported(&type_path, kind, TYPES));
    }
    let present: Vec<&str> = SOURCES.iter().map(|(_, field)| *field).filter(|field| metric.has(field)).collect();
    if let Some(first) = present.first() {
        validate_source(errors, first, metric.at(first), &path.child(first));
    }
    if let Some(field) = expected.filter(|field| !present.contains(field)) {
        let why = "must populate information for the given metric source";
        errors.push(FieldError::required(&path.child(field), why));
    }
    if present.len() != 1 {
        for field in present.iter().filter(|field| Some(**field) != expected) {
            errors.push(FieldError::forbidden(&path.child(field), "must populate the given metric source only"));
        }
    }
}

fn validate_source(errors: &mut Errors, field: &str, source: &Value, path: &Path) {
    let target = source.at("target");
    let target_path = path.child("target");
    match field {
        "resource" | "containerResource" => {
            crate::checks::required(errors, source, path, "name", "must specify a resource name");
            if field == "containerResource" {
                crate::checks::required(errors, source, path, "container", "must specify a container");
            }
        }
        _ => {
            if field == "object" {
                validate_reference(errors, source.at("describedObject"), &path.child("describedObject"));
            }
            validate_identifier(errors, source.at("metric"), &path.child("metric"));
        }
    }
    validate_target(errors, target, &target_path);
    let (value, average) = (target.has("value"), target.has("averageValue"));
    let average_path = target_path.child("averageValue");
    match field {
        "object" if !value && !average => {
            errors.push(FieldError::required(&average_path, "must set either a target value or averageValue"));
        }
        "external" if !value && !average => {
            let why = "must set either a target value for metric or a per-pod target";
            errors.push(FieldError::required(&average_path, why));
        }
        "external" if value && average => {
            let why = "may not set both a target value for metric and a per-pod target";
            errors.push(FieldError::forbidden(&target_path.child("value"), why));
        }
        "pods" if !is_positive(target.at("averageValue")) => {
            errors.push(FieldError::required(&average_path, "must specify a positive target averageValue"));
        }
        "resource" | "containerResource" => {
            let utilization = target.has("averageUtilization");
            if !utilization && !average {
                let why = "must set either a target raw value or a target utilization";
                errors.push(FieldError::required(&target_path.child("averageUtilization"), why));
            } else if utilization && average {
                let why = "may not set both a target raw value and a target utilization";
                errors.push(FieldError::forbidden(&average_path, why));
            }
        }
        _ => {}
    }
}

fn validate_identifier(errors: &mut Errors, metric: &Value, path: &Path) {
    let (name, path_of_name) = (metric.text("name"), path.child("name"));
    if name.is_empty() {
        errors.push(FieldError::required(&path_of_name, "must specify a metric name"));
    } else {
        errors.extend(names::invalid_each(&path_of_name, name, names::name_is_path_segment(name, false)));
    }
    crate::checks::label_selector(errors, metric.at("selector"), &path.child("selector"));
}

fn validate_target(errors: &mut Errors, target: &Value, path: &Path) {
    match target.text("type") {
        "" => errors.push(FieldError::required(&path.child("type"), "must specify a metric target type")),
        "Utilization" | "Value" | "AverageValue" => {}
        other => {
            let why = "must be either Utilization, Value, or AverageValue";
            errors.push(FieldError::invalid(&path.child("type"), other, why));
        }
    }
    for field in ["value", "averageValue"] {
        if target.has(field) && !is_positive(target.at(field)) {
            errors.push(FieldError::invalid(&path.child(field), target.at(field).clone(), "must be positive"));
        }
    }
    if let Some(utilization) = target.opt_int("averageUtilization").filter(|it| *it < 1) {
        errors.push(FieldError::invalid(&path.child("averageUtilization"), utilization, "must be greater than 0"));
    }
}

/// Whether a quantity is more than nothing: it has a digit that counts before its unit, and no minus.
fn is_positive(quantity: &Value) -> bool {
    match quantity {
        Value::String(text) => {
            let mantissa = text.split(|c: char| c.is_ascii_alphabetic()).next().unwrap_or_default();
            !mantissa.starts_with('-') && mantissa.contains(|c: char| ('1'..='9').contains(&c))
        }
        other => other.as_f64().is_some_and(|number| number > 0.0),
    }
}
