//! Deployment: replaces pods step by step.

use super::{replicated_template, told_strategy};
use crate::checks::{
    collisions_rise, counts, immutable, int_or_percent, is_zero, not_negative, not_over_100_percent, within_replicas,
};
use crate::kind::{Context, Kind};
use crate::template;
use crate::value::{Look, copy_field, object_made, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// See the module.
pub(crate) struct Deployment;

impl Kind for Deployment {
    /// Unlike for other kinds, labels are no part of what a controller reports.
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        crate::kind::keep_all_but_status(object, old);
        let labels = old.at("metadata").get("labels").cloned();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            match labels {
                Some(labels) => drop(metadata.insert("labels".to_owned(), labels)),
                None => drop(metadata.shift_remove("labels")),
            }
        }
    }

    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        let Some(spec) = object_made(object, "spec") else { return };
        template::default(spec, cx);
        set_default(spec, "replicas", 1);
        set_default(spec, "revisionHistoryLimit", 10);
        set_default(spec, "progressDeadlineSeconds", 600);
        let Some(strategy) = object_made(spec, "strategy") else { return };
        set_default_zero(strategy, "type", "RollingUpdate");
        if strategy.text("type") == "RollingUpdate"
            && let Some(rolling) = object_made(strategy, "rollingUpdate")
        {
            set_default(rolling, "maxUnavailable", "25%");
            set_default(rolling, "maxSurge", "25%");
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({}));
        template::drop_disabled(object, None, &["spec", "template"], cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        template::drop_disabled(object, Some(old), &["spec", "template"], cx);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        not_negative(&mut errors, spec, &path, "replicas");
        replicated_template(&mut errors, spec, &path, cx);
        validate_strategy(&mut errors, spec.at("strategy"), &path.child("strategy"));
        not_negative(&mut errors, spec, &path, "minReadySeconds");
        not_negative(&mut errors, spec, &path, "revisionHistoryLimit");
        not_negative(&mut errors, spec, &path, "progressDeadlineSeconds");
        if let Some(deadline) = spec.opt_int("progressDeadlineSeconds")
            && deadline <= spec.opt_int("minReadySeconds").unwrap_or_default()
        {
            let path = path.child("progressDeadlineSeconds");
            errors.push(FieldError::invalid(&path, deadline, "must be greater than minReadySeconds"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object.at("spec"), old.at("spec"), &Path::new("spec"), "selector");
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (status, path) = (object.at("status"), Path::new("status"));
        let all = [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ];
        counts(&mut errors, status, &path, &all);
        within_replicas(&mut errors, status, &path, &["updatedReplicas", "readyReplicas", "availableReplicas"]);
        super::replica_set::available_within_ready(&mut errors, status, &path, "cannot be greater than readyReplicas");
        collisions_rise(&mut errors, object, old);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut warnings = if old.is_none() { template::name_warnings(object) } else { Vec::new() };
        warnings.extend(template::warnings(object, old, &["spec", "template"], cx));
        warnings
    }
}

fn validate_strategy(errors: &mut Errors, strategy: &Value, path: &Path) {
    let rolling_path = path.child("rollingUpdate");
    match strategy.text("type") {
        "Recreate" if strategy.has("rollingUpdate") => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(&rolling_path, why));
        }
        "Recreate" => {}
        "RollingUpdate" if !strategy.has("rollingUpdate") => {
            errors.push(FieldError::required(&rolling_path, "this should be defaulted and never be nil"));
        }
        "RollingUpdate" => {
            let rolling = strategy.at("rollingUpdate");
            int_or_percent(errors, rolling, &rolling_path, "maxUnavailable");
            int_or_percent(errors, rolling, &rolling_path, "maxSurge");
            let unavailable = rolling.at("maxUnavailable");
            if is_zero(unavailable) && is_zero(rolling.at("maxSurge")) {
                let path = rolling_path.child("maxUnavailable");
                errors.push(FieldError::invalid(&path, unavailable.clone(), "may not be 0 when `maxSurge` is 0"));
            }
            not_over_100_percent(errors, rolling, &rolling_path, "maxUnavailable");
        }
        _ => errors.push(FieldError::not_supported(path, told_strategy(strategy), &["Recreate", "RollingUpdate"])),
    }
}
