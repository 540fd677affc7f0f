//! The group `scheduling.k8s.io`: which pods come first.

use crate::checks::{immutable, one_of};
use crate::kind::{Context, Kind};
use crate::value::{Look, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const MOST_OF_USERS: i64 = 1_000_000_000;
const SYSTEM: [(&str, i64); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// PriorityClass: a number under a name.
pub(crate) struct PriorityClass;

impl Kind for PriorityClass {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "value", 0);
        set_default_zero(object, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (name, value) = (object.at("metadata").text("name"), object.int("value"));
        if name.starts_with("system-") {
            if let Some(fault) = system_fault(object, name, value) {
                let why = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {fault}"
                );
                errors.push(FieldError::forbidden(&Path::new("metadata.name"), &why));
            }
        } else if value > MOST_OF_USERS {
            let why = format!("maximum allowed value of a user defined priority is {MOST_OF_USERS}");
            errors.push(FieldError::forbidden(&Path::new("value"), &why));
        }
        let policies = &["PreemptLowerPriority", "Never"];
        one_of(&mut errors, object, &Path::default(), "preemptionPolicy", policies);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        if object.int("value") != old.int("value") {
            // With a capital, as API servers have it.
            errors.push(FieldError::forbidden(&Path::new("Value"), "may not be changed in an update."));
        }
        immutable(&mut errors, object, old, &Path::default(), "preemptionPolicy");
        errors
    }
}

/// Why a class is not one of the system's own.
fn system_fault(object: &Value, name: &str, value: i64) -> Option<String> {
    let Some((_, expected)) = SYSTEM.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value != *expected {
        return Some(format!("value of {name} PriorityClass must be {expected}"));
    }
    object.flag("globalDefault").then(|| format!("globalDefault of {name} PriorityClass must be false"))
}
