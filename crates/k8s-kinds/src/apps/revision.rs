//! ControllerRevision: a state of a controller's template, never to change.

use crate::checks::{immutable, not_negative};
use crate::kind::{Context, Kind};
use crate::value::{Look, set_default};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// See the module.
pub(crate) struct ControllerRevision;

impl Kind for ControllerRevision {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "revision", 0);
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        if !object.has("data") {
            errors.push(FieldError::required(&Path::new("data"), "data is mandatory"));
        }
        not_negative(&mut errors, object, &Path::default(), "revision");
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object, old, &Path::default(), "data");
        errors
    }
}
