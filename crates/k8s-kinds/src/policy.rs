//! The group `policy`: how many pods may be taken away at once.

use crate::checks::{
    as_struct, counts, drop_disabled, int_or_percent, label_selector, not_over_100_percent, one_of_if_given,
};
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, remove, set_default};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const STATUS: &[&str] = &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];

const SINCE: &[(&str, u8)] = &[("unhealthyPodEvictionPolicy", 27)];

/// PodDisruptionBudget: pods that must stay while others are evicted.
pub(crate) struct PodDisruptionBudget;

impl Kind for PodDisruptionBudget {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            for field in STATUS {
                set_default(status, field, 0);
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        remove(object, "status");
        self.default(object, cx);
        drop_disabled(object, None, cx, SINCE);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx, SINCE);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        if spec.has("minAvailable") && spec.has("maxUnavailable") {
            let why = "minAvailable and maxUnavailable cannot be both set";
            let names = [
                ("MinAvailable", "minAvailable"),
                ("Selector", "selector"),
                ("MaxUnavailable", "maxUnavailable"),
                ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy"),
            ];
            errors.push(FieldError::invalid(&path, as_struct(spec, &names), why));
        }
        for field in ["minAvailable", "maxUnavailable"] {
            int_or_percent(&mut errors, spec, &path, field);
            not_over_100_percent(&mut errors, spec, &path, field);
        }
        label_selector(&mut errors, spec.at("selector"), &path.child("selector"));
        let policies = &["AlwaysAllow", "IfHealthyBudget"];
        one_of_if_given(&mut errors, spec, &path, "unhealthyPodEvictionPolicy", policies);
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        counts(&mut errors, object.at("status"), &Path::new("status"), STATUS);
        errors
    }
}
