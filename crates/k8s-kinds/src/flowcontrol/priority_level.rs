//! PriorityLevelConfiguration: how many requests of a level run at once.

use crate::checks::one_of;
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, object_mut, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

const MOST_QUEUES: i64 = 10_000_000;
const MOST_ENTROPY_BITS: f64 = 60.0;

/// Marks a level without shares in versions that took nothing for the default.
pub(crate) const NO_SHARES: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

/// See the module.
pub(crate) struct PriorityLevelConfiguration;

/// The field that tells a limited level's shares.
pub(crate) fn shares_field(version: &str) -> &'static str {
    if ["v1beta1", "v1beta2"].contains(&version) { "assuredConcurrencyShares" } else { "nominalConcurrencyShares" }
}

impl Kind for PriorityLevelConfiguration {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        let may_have_none = cx.version == "v1" || object.look(&["metadata", "annotations"]).has(NO_SHARES);
        let Some(spec) = object_made(object, "spec") else { return };
        if let Some(exempt) = object_mut(spec, "exempt") {
            set_default(exempt, "nominalConcurrencyShares", 0);
            set_default(exempt, "lendablePercent", 0);
        }
        let Some(limited) = object_mut(spec, "limited") else { return };
        if may_have_none {
            set_default(limited, shares_field(cx.version), 30);
        } else {
            set_default_zero(limited, shares_field(cx.version), 30);
        }
        if cx.minor >= 26 {
            set_default(limited, "lendablePercent", 0);
        }
        let Some(response) = object_made(limited, "limitResponse") else { return };
        if let Some(queuing) = object_mut(response, "queuing") {
            set_default_zero(queuing, "queues", 64);
            set_default_zero(queuing, "handSize", 8);
            set_default_zero(queuing, "queueLengthLimit", 50);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let kind = spec.text("type");
        let exempt = object.at("metadata").text("name") == "exempt";
        if exempt != (kind == "Exempt") {
            let why = "type must be 'Exempt' if and only if `name` is 'exempt'";
            errors.push(FieldError::invalid(&path.child("type"), kind, why));
        }
        match kind {
            "Exempt" => {
                if spec.has("limited") {
                    let why = "must be nil if the type is not Limited";
                    errors.push(FieldError::forbidden(&path.child("limited"), why));
                }
                validate_percent(&mut errors, spec.at("exempt"), &path.child("exempt"), "lendablePercent");
            }
            "Limited" => {
                if spec.has("exempt") {
                    errors.push(FieldError::forbidden(&path.child("exempt"), "must be nil if the type is Limited"));
                }
                if spec.has("limited") {
                    let annotated = object.look(&["metadata", "annotations"]).has(NO_SHARES);
                    let may_have_none = cx.version == "v1" || annotated;
                    let path = path.child("limited");
                    validate_limited(&mut errors, spec.at("limited"), may_have_none, &path, cx);
                } else {
                    let why = "must not be empty when type is Limited";
                    errors.push(FieldError::required(&path.child("limited"), why));
                }
            }
            _ => one_of(&mut errors, spec, &path, "type", &["Exempt", "Limited"]),
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        super::schema::validate_conditions(&mut errors, object);
        errors
    }
}

fn validate_percent(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    if let Some(percent) = it.opt_int(field).filter(|it| !(0..=100).contains(it)) {
        errors.push(FieldError::invalid(&path.child(field), percent, "must be between 0 and 100, inclusive"));
    }
}

fn validate_limited(errors: &mut Errors, it: &Value, may_have_none: bool, path: &Path, cx: &Context<'_>) {
    let field = shares_field(cx.version);
    let shares = it.int(field);
    let least = i64::from(!may_have_none);
    if shares < least {
        let why = if may_have_none { "must be a non-negative integer" } else { "must be positive" };
        errors.push(FieldError::invalid(&path.child(field), shares, why));
    }
    validate_percent(errors, it, path, "lendablePercent");
    if let Some(percent) = it.opt_int("borrowingLimitPercent").filter(|it| *it < 0) {
        let why = "if specified, must be a non-negative integer";
        errors.push(FieldError::invalid(&path.child("borrowingLimitPercent"), percent, why));
    }
    let (response, path) = (it.at("limitResponse"), path.child("limitResponse"));
    let queuing_path = path.child("queuing");
    match response.text("type") {
        "Reject" if response.has("queuing") => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(FieldError::forbidden(&queuing_path, why));
        }
        "Reject" => {}
        "Queue" if response.has("queuing") => validate_queuing(errors, response.at("queuing"), &queuing_path),
        "Queue" => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(FieldError::required(&queuing_path, why));
        }
        _ => one_of(errors, response, &path, "type", &["Queue", "Reject"]),
    }
}

fn validate_queuing(errors: &mut Errors, it: &Value, path: &Path) {
    let (queues, hand, length) = (it.int("queues"), it.int("handSize"), it.int("queueLengthLimit"));
    if length <= 0 {
        errors.push(FieldError::invalid(&path.child("queueLengthLimit"), length, "must be positive"));
    }
    let path_of_hand = path.child("handSize");
    if queues <= 0 {
        errors.push(FieldError::invalid(&path.child("queues"), queues, "must be positive"));
    } else if queues > MOST_QUEUES {
        let why = format!("must not be greater than {MOST_QUEUES}");
        errors.push(FieldError::invalid(&path.child("queues"), queues, &why));
    }
    if hand <= 0 {
        errors.push(FieldError::invalid(&path_of_hand, hand, "must be positive"));
    } else if hand > queues {
        let why = format!("should not be greater than queues ({queues})");
        errors.push(FieldError::invalid(&path_of_hand, hand, &why));
    } else {
        let bits = entropy_bits(queues, hand);
        if bits > MOST_ENTROPY_BITS {
            let why =
                format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than 60");
            errors.push(FieldError::invalid(&path_of_hand, hand, &why));
        }
    }
}

/// How many bits it takes to deal a hand of queues.
fn entropy_bits(queues: i64, hand: i64) -> f64 {
    let hand = hand.min(64);
    (0..hand).map(|dealt| f64::from(i32::try_from(queues - dealt).unwrap_or(i32::MAX)).log2()).sum::<f64>().ceil()
}
