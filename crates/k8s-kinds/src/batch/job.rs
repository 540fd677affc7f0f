//! Job: runs pods until enough of them succeeded.

use super::job_spec;
use crate::checks::{counts, drop_disabled, immutable};
use crate::kind::{Context, Kind};
use crate::meta;
use crate::template;
use crate::value::{Look, copy_field, object_made, object_mut, remove, same, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Map, Value, json};

/// The labels that tie pods to their job: the names of before 1.27, which stay, and those since.
const OLD_LABELS: [&str; 2] = ["controller-uid", "job-name"];
const PREFIXED_SINCE: u8 = 27;
const LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];
/// Minors 1.25 and 1.26 mark the jobs whose pods are counted by finalizers.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The minors since which fields of the spec are used.
const SINCE: &[(&str, u8)] = &[
    ("podFailurePolicy", 26),
    ("backoffLimitPerIndex", 29),
    ("maxFailedIndexes", 29),
    ("podReplacementPolicy", 29),
    ("successPolicy", 31),
    ("managedBy", 32),
];

/// See the module.
pub(crate) struct Job;

impl Kind for Job {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        if let Some(spec) = object_made(object, "spec") {
            template::default(spec, cx);
            default_spec(spec, cx);
        }
        inherit_labels(object);
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({}));
        drop_disabled(object, None, cx, SINCE);
        template::drop_disabled(object, None, &["spec", "template"], cx);
        if (25..27).contains(&cx.minor)
            && let Some(annotations) =
                object_made(object, "metadata").and_then(|metadata| object_made(metadata, "annotations"))
        {
            set(annotations, TRACKING, "");
        }
        if !object.at("spec").flag("manualSelector") {
            generate_selector(object, cx);
        }
        // A name that is no label makes the generated labels wrong, which is told of the template only.
        if object.at("metadata").text("name").len() <= names::LABEL_MAX {
            inherit_labels(object);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx, SINCE);
        template::drop_disabled(object, Some(old), &["spec", "template"], cx);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        validate_job(object, cx.minor >= PREFIXED_SINCE, cx)
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        // A job that was made by an earlier minor has but the old labels.
        let labels = old.look(&["spec", "template", "metadata", "labels"]);
        let mut errors = validate_job(object, LABELS.iter().any(|label| labels.has(label)), cx);
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        if !errors.is_empty() {
            // The API server looks at the spec of a changed job twice, and tells what it finds twice.
            validate_selected_spec(&mut errors, spec, &path, cx);
        }
        let before = old.at("spec");
        validate_completions(&mut errors, spec, before, &path, cx);
        immutable(&mut errors, spec, before, &path, "selector");
        validate_template_update(&mut errors, spec, old, &path);
        for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "successPolicy"] {
            immutable(&mut errors, spec, before, &path, field);
        }
        if !before.flag("suspend") {
            immutable(&mut errors, spec, before, &path, "managedBy");
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let fields = ["active", "succeeded", "failed", "ready", "terminating"];
        counts(&mut errors, object.at("status"), &Path::new("status"), &fields);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut warnings = if old.is_none() { template::name_warnings(object) } else { Vec::new() };
        warnings.extend(template::warnings(object, old, &["spec", "template"], cx));
        warnings
    }
}

fn default_spec(spec: &mut Value, cx: &Context<'_>) {
    if !spec.has("completions") && !spec.has("parallelism") {
        set(spec, "completions", 1);
    }
    set_default(spec, "parallelism", 1);
    let retries = if spec.has("backoffLimitPerIndex") { i32::MAX } else { 6 };
    set_default(spec, "backoffLimit", retries);
    set_default(spec, "completionMode", "NonIndexed");
    set_default(spec, "suspend", false);
    if cx.minor >= 29 {
        set_default(spec, "manualSelector", false);
        let replaced = if spec.has("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
        set_default(spec, "podReplacementPolicy", replaced);
    }
    if let Some(policy) = object_mut(spec, "podFailurePolicy") {
        for rule in crate::value::items_mut(policy, "rules") {
            for pattern in crate::value::items_mut(rule, "onPodConditions") {
                crate::value::set_default_zero(pattern, "status", "True");
            }
        }
    }
}

/// A job without labels has its template's.
fn inherit_labels(object: &mut Value) {
    let labels = object.look(&["spec", "template", "metadata", "labels"]);
    let bare = object.at("metadata").map("labels").is_none_or(Map::is_empty);
    if bare
        && let Value::Object(labels) = labels
        && !labels.is_empty()
    {
        let labels = labels.clone();
        if let Some(metadata) = object_made(object, "metadata") {
            set(metadata, "labels", labels);
        }
    }
}

fn generate_selector(object: &mut Value, cx: &Context<'_>) {
    let metadata = object.at("metadata");
    let (uid, name) = (metadata.text("uid").to_owned(), metadata.text("name").to_owned());
    let prefixed = cx.minor >= PREFIXED_SINCE;
    let Some(spec) = object_made(object, "spec") else { return };
    let labels = object_made(spec, "template")
        .and_then(|template| object_made(template, "metadata"))
        .and_then(|metadata| object_made(metadata, "labels"));
    if let Some(Value::Object(labels)) = labels {
        let generated = OLD_LABELS.iter().chain(if prefixed { LABELS.as_slice() } else { &[] });
        for (key, value) in generated.zip([&uid, &name].into_iter().cycle()) {
            labels.entry(*key).or_insert_with(|| Value::String(value.clone()));
        }
    }
    let selected = object_made(spec, "selector").and_then(|selector| object_made(selector, "matchLabels"));
    if let Some(Value::Object(selected)) = selected {
        let key = if prefixed { LABELS[0] } else { OLD_LABELS[0] };
        selected.entry(key).or_insert(Value::String(uid));
    }
}

fn validate_job(object: &Value, prefixed: bool, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    validate_generated(&mut errors, object, prefixed);
    validate_selected_spec(&mut errors, object.at("spec"), &Path::new("spec"), cx);
    validate_hostnames(&mut errors, object);
    errors
}

/// The labels and the selector that the server made are there, and are those of this job.
fn validate_generated(errors: &mut Errors, object: &Value, prefixed: bool) {
    let spec = object.at("spec");
    let selector = spec.at("selector");
    if spec.flag("manualSelector") || selector.is_null() {
        return;
    }
    let metadata = object.at("metadata");
    let (uid, name) = (metadata.text("uid"), metadata.text("name"));
    if uid.is_empty() {
        errors.push(FieldError::required(&Path::new("metadata.uid"), ""));
    }
    let labels = spec.look(&["template", "metadata"]).at("labels");
    let path = Path::new("spec.template.metadata.labels");
    let prefixed: &[&str] = if prefixed { &LABELS } else { &[] };
    let mut expected = Map::new();
    for (key, value) in OLD_LABELS.iter().chain(prefixed).zip([uid, name].into_iter().cycle()) {
        expected.insert((*key).to_owned(), value.into());
        let why = format!("must be '{value}'");
        match labels.at(key).as_str() {
            None => errors.push(FieldError::required(&path.key(key), &why)),
            Some(actual) if actual != value => {
                errors.push(FieldError::invalid(&path.key(key), labels.clone(), &why));
            }
            Some(_) => {}
        }
    }
    if crate::checks::is_usable(selector) && !meta::selector_matches(selector, &Value::Object(expected)) {
        let why = "`selector` not auto-generated";
        errors.push(FieldError::invalid(&Path::new("spec.selector"), selector.clone(), why));
    }
}

/// A job's spec with its selector, which a template of jobs has not.
fn validate_selected_spec(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    job_spec::validate(errors, spec, path, cx);
    let selector = spec.at("selector");
    if selector.is_null() {
        errors.push(FieldError::required(&path.child("selector"), ""));
    } else {
        crate::checks::label_selector(errors, selector, &path.child("selector"));
    }
    let labels = spec.look(&["template", "metadata", "labels"]);
    if crate::checks::is_usable(selector) && !meta::selector_matches(selector, labels) {
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&path.child("template.metadata.labels"), labels.clone(), why));
    }
}

/// The pods of an indexed job are called by the job and their index.
fn validate_hostnames(errors: &mut Errors, object: &Value) {
    let (spec, name) = (object.at("spec"), object.at("metadata").text("name"));
    let completions = spec.int("completions");
    if spec.text("completionMode") == "Indexed" && completions > 0 {
        let longest = format!("{name}-{}", completions - 1);
        if !names::dns1123_label(&longest).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {longest}");
            errors.push(FieldError::invalid(&Path::new("metadata.name"), name, &why));
        }
    }
}

fn validate_completions(errors: &mut Errors, spec: &Value, old: &Value, path: &Path, cx: &Context<'_>) {
    let elastic = cx.minor >= 27 && spec.text("completionMode") == "Indexed";
    if !elastic {
        immutable(errors, spec, old, path, "completions");
        return;
    }
    let completions = spec.at("completions");
    let changed = !completions.is_null() && completions != old.at("completions");
    if changed && completions != spec.at("parallelism") {
        let why = "can only be modified in tandem with spec.parallelism";
        errors.push(FieldError::invalid(&path.child("completions"), completions.clone(), why));
    }
}

/// The template stays, but for where its pods may run while the job has not started.
fn validate_template_update(errors: &mut Errors, spec: &Value, old: &Value, path: &Path) {
    let (new, before) = (spec.at("template"), old.look(&["spec", "template"]));
    if same(new, before) {
        return;
    }
    let waiting = old.at("spec").flag("suspend") && !old.at("status").has("startTime");
    if !(waiting && same(&without_directives(new), &without_directives(before))) {
        errors.push(FieldError::invalid(&path.child("template"), new.clone(), crate::checks::IMMUTABLE));
    }
}

fn without_directives(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(metadata) = object_mut(&mut template, "metadata") {
        remove(metadata, "labels");
        remove(metadata, "annotations");
    }
    if let Some(spec) = object_mut(&mut template, "spec") {
        for field in ["nodeSelector", "tolerations", "schedulingGates"] {
            remove(spec, field);
        }
        if let Some(affinity) = object_mut(spec, "affinity") {
            remove(affinity, "nodeAffinity");
        }
    }
    template
}
