//! Event, as the core group writes it.

use super::check;
use crate::value::{Look, object_made, set_default};
use crate::{Context, Kind};
use k8s_types::names::{self, NameRule};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct Event;

const SHORT_MAX: usize = 128;
const MESSAGE_MAX: usize = 1024;

impl Kind for Event {
    fn name_rule(&self) -> NameRule {
        names::name_is_path_segment
    }

    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "involvedObject");
        object_made(object, "source");
        for name in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            set_default(object, name, Value::Null);
        }
        set_default(object, "reportingComponent", "");
        set_default(object, "reportingInstance", "");
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_namespace(&mut errors, object);
        if object.has("eventTime") {
            validate_new(&mut errors, object);
        }
        let namespace = object.at("metadata").text("namespace");
        check::subdomain(&mut errors, namespace, &Path::new("namespace"));
        errors
    }
}

/// An event is where its object is; what has no namespace has its events in `default`.
fn validate_namespace(errors: &mut Errors, object: &Value) {
    let (own, about) = (object.at("metadata").text("namespace"), object.at("involvedObject").text("namespace"));
    let fits = match (object.has("eventTime"), about.is_empty()) {
        (false, true) => matches!(own, "" | "default"),
        (false, false) => own == about,
        (true, true) => matches!(own, "default" | "kube-system"),
        (true, false) => true,
    };
    if !fits {
        let path = Path::new("involvedObject.namespace");
        errors.push(FieldError::invalid(&path, about, "does not match event.namespace"));
    }
}

/// Events with a time in microseconds say who reports them, and what was done.
fn validate_new(errors: &mut Errors, object: &Value) {
    let reporter = object.text("reportingComponent");
    let path = Path::new("reportingController");
    if reporter.is_empty() {
        errors.push(FieldError::required(&path, ""));
    }
    check::qualified(errors, reporter, &path);
    for name in ["reportingInstance", "action", "reason"] {
        check::text_needed(errors, object, name, &Path::default());
        if object.text(name).len() > SHORT_MAX {
            let text = format!("can have at most {SHORT_MAX} characters");
            errors.push(FieldError::invalid(&Path::new(name), "", &text));
        }
    }
    if object.text("message").len() > MESSAGE_MAX {
        let text = format!("can have at most {MESSAGE_MAX} characters");
        errors.push(FieldError::invalid(&Path::new("message"), "", &text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn new_events_say_more() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let mut it = json!({"metadata": {"namespace": "default"}, "eventTime": "2026-01-01T00:00:00.000000Z"});
        assert_eq!(Event.validate(&it, &cx).len(), 6);
        it["reportingComponent"] = json!("a.io/b");
        for name in ["reportingInstance", "action", "reason"] {
            it[name] = json!("x");
        }
        assert!(Event.validate(&it, &cx).is_empty());
    }
}
