//! StatefulSet: pods with names and volumes of their own.

use super::{own_selector, restarts_always, template_is_selected, told_strategy};
use crate::checks::{
    collisions_rise, counts, drop_disabled, int_or_percent, is_usable, is_zero, not_negative, not_over_100_percent,
    within_replicas,
};
use crate::kind::{Context, Kind};
use crate::template;
use crate::value::{
    Look, copy_field, items_mut, object_made, object_mut, remove, same, set, set_default, set_default_zero,
};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const SINCE: &[(&str, u8)] = &[("persistentVolumeClaimRetentionPolicy", 27), ("ordinals", 27)];
/// The first minor that checks the pods and claims of a set as such.
const CHECKED_SINCE: u8 = 34;

/// The first minor that leaves out the name of a service that is not there.
const SERVICE_OPTIONAL_SINCE: u8 = 33;
/// The first minor that lets several pods be away at once.
const SEVERAL_AWAY_SINCE: u8 = 35;

/// See the module.
pub(crate) struct StatefulSet;

impl Kind for StatefulSet {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(status) = object_made(object, "status") {
            set_default(status, "replicas", 0);
            set_default(status, "availableReplicas", 0);
        }
        let Some(spec) = object_made(object, "spec") else { return };
        template::default(spec, cx);
        if cx.minor < SERVICE_OPTIONAL_SINCE {
            set_default(spec, "serviceName", "");
        }
        set_default_zero(spec, "podManagementPolicy", "OrderedReady");
        default_strategy(spec, cx);
        if cx.minor >= 27
            && let Some(retention) = object_made(spec, "persistentVolumeClaimRetentionPolicy")
        {
            set_default_zero(retention, "whenDeleted", "Retain");
            set_default_zero(retention, "whenScaled", "Retain");
        }
        set_default(spec, "replicas", 1);
        set_default(spec, "revisionHistoryLimit", 10);
        for claim in items_mut(spec, "volumeClaimTemplates") {
            set_default(claim, "kind", "PersistentVolumeClaim");
            set_default(claim, "apiVersion", "v1");
            template::default_claim(claim, cx);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({"replicas": 0, "availableReplicas": 0}));
        drop_disabled(object, None, cx, SINCE);
        drop_several_away(object, None, cx);
        template::drop_disabled(object, None, &["spec", "template"], cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx, SINCE);
        drop_several_away(object, Some(old), cx);
        template::drop_disabled(object, Some(old), &["spec", "template"], cx);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_spec(&mut errors, spec, &path);
        validate_template(&mut errors, spec, &path, cx);
        validate_claims(&mut errors, spec, &path, cx);
        errors
    }

    /// A template or claim that was wrong before may stay so: they were not checked by all minors.
    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_spec(&mut errors, spec, &path);
        for check in [validate_template, validate_claims] {
            let mut found = Errors::new();
            check(&mut found, spec, &path, cx);
            let mut before = Errors::new();
            if !found.is_empty() {
                check(&mut before, old.at("spec"), &path, cx);
            }
            if cx.minor < CHECKED_SINCE || before.is_empty() {
                errors.extend(found);
            }
        }
        fixed_fields(&mut errors, object.at("spec"), old.at("spec"), cx);
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (status, path) = (object.at("status"), Path::new("status"));
        let parts = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
        counts(&mut errors, status, &path, &["replicas", "observedGeneration", "collisionCount"]);
        counts(&mut errors, status, &path, &parts);
        within_replicas(&mut errors, status, &path, &parts);
        let why = "cannot be greater than status.readyReplicas";
        super::replica_set::available_within_ready(&mut errors, status, &path, why);
        collisions_rise(&mut errors, object, old);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        template::warnings(object, old, &["spec", "template"], cx)
    }
}

fn drop_several_away(object: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    let used = |old: &Value| old.look(&["spec", "updateStrategy", "rollingUpdate"]).has("maxUnavailable");
    if cx.minor < SEVERAL_AWAY_SINCE && !old.is_some_and(used) {
        let way = ["spec", "updateStrategy", "rollingUpdate"];
        if let Some(rolling) = way.iter().try_fold(object, |it, step| object_mut(it, step)) {
            remove(rolling, "maxUnavailable");
        }
    }
}

fn default_strategy(spec: &mut Value, cx: &Context<'_>) {
    let Some(strategy) = object_made(spec, "updateStrategy") else { return };
    if strategy.text("type").is_empty() {
        set(strategy, "type", "RollingUpdate");
        set_default(strategy, "rollingUpdate", json!({}));
    }
    if strategy.text("type") == "RollingUpdate"
        && let Some(rolling) = object_mut(strategy, "rollingUpdate")
    {
        set_default(rolling, "partition", 0);
        if cx.minor >= SEVERAL_AWAY_SINCE {
            set_default(rolling, "maxUnavailable", 1);
        }
    }
}

fn validate_spec(errors: &mut Errors, spec: &Value, path: &Path) {
    let policy = spec.text("podManagementPolicy");
    if policy.is_empty() {
        errors.push(FieldError::required(&path.child("podManagementPolicy"), ""));
    } else if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.push(FieldError::invalid(&path.child("podManagementPolicy"), policy, why));
    }
    validate_strategy(errors, spec.at("updateStrategy"), &path.child("updateStrategy"));
    let retention = spec.at("persistentVolumeClaimRetentionPolicy");
    if !retention.is_null() {
        let path = path.child("persistentVolumeClaimRetentionPolicy");
        for field in ["whenDeleted", "whenScaled"] {
            crate::checks::one_of(errors, retention, &path, field, &["Retain", "Delete"]);
        }
    }
    not_negative(errors, spec, path, "replicas");
    not_negative(errors, spec.at("ordinals"), &path.child("ordinals"), "start");
    not_negative(errors, spec, path, "minReadySeconds");
    not_negative(errors, spec, path, "revisionHistoryLimit");
    own_selector(errors, spec, path, "statefulset");
    let selector = spec.at("selector");
    if !selector.is_null() && !is_usable(selector) {
        errors.push(FieldError::invalid(&path.child("selector"), selector.clone(), ""));
    } else {
        template_is_selected(errors, spec, path);
    }
    restarts_always(errors, spec, path);
    let deadline = spec.look(&["template", "spec"]).at("activeDeadlineSeconds");
    if !deadline.is_null() {
        let why = "activeDeadlineSeconds in StatefulSet is not Supported";
        errors.push(FieldError::forbidden(&path.child("template.spec.activeDeadlineSeconds"), why));
    }
}

/// Volumes may come from the set's claims, so minors before 1.34 leave the pods' own errors to the time of their
/// creation; later ones check the template with the claims among its volumes.
fn validate_template(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let (it, path) = (spec.at("template"), path.child("template"));
    if !spec.at("selector").is_null() && !is_usable(spec.at("selector")) {
        return;
    }
    if cx.minor >= CHECKED_SINCE {
        template::validate_with_claims(errors, it, spec.at("volumeClaimTemplates"), &path, cx);
        return;
    }
    let metadata = it.at("metadata");
    if let Some(labels) = metadata.at("labels").as_object() {
        errors.extend(names::validate_labels(labels, &path.child("labels")));
    }
    if let Some(annotations) = metadata.at("annotations").as_object() {
        errors.extend(names::validate_annotations(annotations, &path.child("annotations")));
    }
}

fn validate_claims(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    if cx.minor < CHECKED_SINCE {
        return;
    }
    for (index, claim) in spec.items("volumeClaimTemplates").iter().enumerate() {
        template::validate_claim(errors, claim, &path.child("volumeClaimTemplates").index(index), cx);
    }
}

fn validate_strategy(errors: &mut Errors, strategy: &Value, path: &Path) {
    let rolling = strategy.at("rollingUpdate");
    let rolling_path = path.child("rollingUpdate");
    match strategy.text("type") {
        "" => errors.push(FieldError::required(path, "")),
        "OnDelete" if !rolling.is_null() => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            errors.push(FieldError::invalid(&rolling_path, rolling.clone(), why));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            not_negative(errors, rolling, &rolling_path, "partition");
            if rolling.has("maxUnavailable") {
                int_or_percent(errors, rolling, &rolling_path, "maxUnavailable");
                let most = rolling.at("maxUnavailable");
                if is_zero(most) {
                    let path = rolling_path.child("maxUnavailable");
                    errors.push(FieldError::invalid(&path, most.clone(), "cannot be 0"));
                }
                not_over_100_percent(errors, rolling, &rolling_path, "maxUnavailable");
            }
        }
        _ => errors.push(FieldError::invalid(path, told_strategy(strategy), "must be 'RollingUpdate' or 'OnDelete'")),
    }
}

/// All but a few fields stay what they are. Which those are, and how they are listed, differs by minor.
fn fixed_fields(errors: &mut Errors, spec: &Value, old: &Value, cx: &Context<'_>) {
    let may_change = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "revisionHistoryLimit",
    ];
    let is_fixed = |field: &str| !may_change.contains(&field) || (field == "revisionHistoryLimit" && cx.minor < 34);
    let fields = |it: &Value| -> Vec<String> {
        it.as_object().map(|map| map.keys().filter(|key| is_fixed(key)).cloned().collect()).unwrap_or_default()
    };
    let changed = |field: &String| !same(spec.at(field), old.at(field));
    if fields(spec).iter().any(changed) || fields(old).iter().any(changed) {
        let listed = match cx.minor {
            ..26 => {
                "'replicas', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and \
                     'minReadySeconds'"
            }
            26..34 => {
                "'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' \
                       and 'minReadySeconds'"
            }
            _ => {
                "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                  'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
            }
        };
        let why = format!("updates to statefulset spec for fields other than {listed} are forbidden");
        errors.push(FieldError::forbidden(&Path::new("spec"), &why));
    }
}
