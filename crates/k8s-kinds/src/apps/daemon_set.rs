//! DaemonSet: a pod on every node that it fits.

use super::{no_deadline, restarts_always, template_is_selected, told_strategy};
use crate::checks::{
    collisions_rise, counts, immutable, int_or_percent, is_usable, is_zero, label_selector, not_negative,
    not_over_100_percent,
};
use crate::kind::{Context, Kind};
use crate::meta::selector_is_empty;
use crate::template;
use crate::value::{Look, copy_field, object_made, same, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// Where the number of the template's changes stands since the field for it is gone.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const STATUS: &[&str] = &["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"];

/// See the module.
pub(crate) struct DaemonSet;

impl Kind for DaemonSet {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(status) = object_made(object, "status") {
            for field in STATUS {
                set_default(status, field, 0);
            }
        }
        let Some(spec) = object_made(object, "spec") else { return };
        template::default(spec, cx);
        set_default(spec, "revisionHistoryLimit", 10);
        let Some(strategy) = object_made(spec, "updateStrategy") else { return };
        set_default_zero(strategy, "type", "RollingUpdate");
        if strategy.text("type") == "RollingUpdate"
            && let Some(rolling) = object_made(strategy, "rollingUpdate")
        {
            set_default(rolling, "maxUnavailable", 1);
            set_default(rolling, "maxSurge", 0);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({}));
        self.default(object, cx);
        set_template_generation(object, template_generation(object).max(1));
        template::drop_disabled(object, None, &["spec", "template"], cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        template::drop_disabled(object, Some(old), &["spec", "template"], cx);
        let way = ["spec", "template"];
        let changed = !same(object.look(&way), old.look(&way));
        set_template_generation(object, template_generation(old) + i64::from(changed));
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let selector = spec.at("selector");
        label_selector(&mut errors, selector, &path.child("selector"));
        if is_usable(selector) {
            template_is_selected(&mut errors, spec, &path);
        }
        if !selector.is_null() && selector_is_empty(selector) {
            let why = "empty selector is invalid for daemonset";
            errors.push(FieldError::invalid(&path.child("selector"), selector.clone(), why));
        }
        template::validate(&mut errors, spec.at("template"), &path.child("template"), cx);
        shared_disks_are_read_only(&mut errors, spec, &path);
        restarts_always(&mut errors, spec, &path);
        no_deadline(&mut errors, spec, &path, "DaemonSet");
        not_negative(&mut errors, spec, &path, "minReadySeconds");
        validate_strategy(&mut errors, spec.at("updateStrategy"), &path.child("updateStrategy"));
        not_negative(&mut errors, spec, &path, "revisionHistoryLimit");
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
        let more =
            ["observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount"];
        counts(&mut errors, status, &path, STATUS);
        counts(&mut errors, status, &path, &more);
        collisions_rise(&mut errors, object, old);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        template::warnings(object, old, &["spec", "template"], cx)
    }
}

fn template_generation(object: &Value) -> i64 {
    object.look(&["metadata", "annotations"]).text(TEMPLATE_GENERATION).parse().unwrap_or_default()
}

fn set_template_generation(object: &mut Value, generation: i64) {
    let annotations = object_made(object, "metadata").and_then(|metadata| object_made(metadata, "annotations"));
    if let Some(annotations) = annotations {
        set(annotations, TEMPLATE_GENERATION, generation.to_string());
    }
}

/// A disk that one node writes can't be on every node.
fn shared_disks_are_read_only(errors: &mut Errors, spec: &Value, path: &Path) {
    for (index, volume) in spec.look(&["template", "spec"]).items("volumes").iter().enumerate() {
        let disk = volume.at("gcePersistentDisk");
        if !disk.is_null() && disk.at("readOnly").as_bool() != Some(true) {
            let path = path.child("template.spec.volumes").index(index).child("gcePersistentDisk.readOnly");
            let why = "must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is \
                       read-only";
            errors.push(FieldError::invalid(&path, false, why));
        }
    }
}

fn validate_strategy(errors: &mut Errors, strategy: &Value, path: &Path) {
    let rolling_path = path.child("rollingUpdate");
    match strategy.text("type") {
        "OnDelete" => {}
        "RollingUpdate" if !strategy.has("rollingUpdate") => errors.push(FieldError::required(&rolling_path, "")),
        "RollingUpdate" => {
            let rolling = strategy.at("rollingUpdate");
            for field in ["maxUnavailable", "maxSurge"] {
                int_or_percent(errors, rolling, &rolling_path, field);
                not_over_100_percent(errors, rolling, &rolling_path, field);
            }
            let surge = rolling.at("maxSurge");
            match (is_zero(rolling.at("maxUnavailable")), is_zero(surge)) {
                (false, false) => {
                    let why = "may not be set when maxUnavailable is non-zero";
                    errors.push(FieldError::invalid(&rolling_path.child("maxSurge"), surge.clone(), why));
                }
                (true, true) => {
                    let why = "cannot be 0 when maxSurge is 0";
                    errors.push(FieldError::required(&rolling_path.child("maxUnavailable"), why));
                }
                _ => {}
            }
        }
        _ => errors.push(FieldError::not_supported(path, told_strategy(strategy), &["RollingUpdate", "OnDelete"])),
    }
}
