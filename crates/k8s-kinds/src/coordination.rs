//! The group `coordination.k8s.io`: who leads.

use crate::checks::{drop_disabled, not_negative, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, object_made};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const STRATEGIES: &[&str] = &["OldestEmulationVersion"];

/// Leading by election is off by default in all minors so far.
const SINCE: &[(&str, u8)] = &[("strategy", u8::MAX), ("preferredHolder", u8::MAX)];

/// Lease: something held for a time.
pub(crate) struct Lease;

/// LeaseCandidate: one who would hold a lease.
pub(crate) struct LeaseCandidate;

impl Kind for Lease {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        drop_disabled(object, None, cx, SINCE);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        drop_disabled(object, Some(old), cx, SINCE);
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        if let Some(seconds) = spec.opt_int("leaseDurationSeconds").filter(|it| *it <= 0) {
            errors.push(FieldError::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
        }
        not_negative(&mut errors, spec, &path, "leaseTransitions");
        if spec.has("strategy") {
            validate_strategy(&mut errors, spec.text("strategy"), &path.child("strategy"));
        }
        if !spec.text("preferredHolder").is_empty() && spec.text("strategy").is_empty() {
            let why = "may only be specified when strategy is defined";
            errors.push(FieldError::forbidden(&path.child("preferredHolder"), why));
        }
        errors
    }
}

impl Kind for LeaseCandidate {
    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        required(&mut errors, spec, &path, "leaseName", "");
        for field in ["binaryVersion", "emulationVersion"] {
            let (version, path) = (spec.text(field), path.child(field));
            if version.is_empty() && field == "binaryVersion" {
                errors.push(FieldError::required(&path, "binaryVersion is required"));
            } else if !version.is_empty() && !is_version(version) {
                errors.push(FieldError::invalid(&path, version, "invalid semantic version"));
            }
        }
        validate_strategy(&mut errors, spec.text("strategy"), &path.child("strategy"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let path = Path::new("spec");
        crate::checks::immutable(&mut errors, object.at("spec"), old.at("spec"), &path, "leaseName");
        errors
    }
}

/// One of the known strategies, or a name of somebody's own with a domain before it.
fn validate_strategy(errors: &mut Errors, strategy: &str, path: &Path) {
    if strategy.is_empty() {
        errors.push(FieldError::required(path, "strategy is required"));
    } else if strategy.contains('/') {
        errors.extend(names::domain_prefixed_path(path, strategy));
    } else if !STRATEGIES.contains(&strategy) {
        errors.push(FieldError::not_supported(path, strategy, STRATEGIES));
    }
}

/// Three numbers with dots, and what may follow them.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    (1..=3).contains(&parts.len()) && parts.iter().all(is_number)
}
