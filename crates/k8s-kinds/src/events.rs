//! The group `events.k8s.io`: the same events as the core group's, with other names for their fields.

use crate::kind::{Context, Kind};
use crate::value::{Look, object_made, remove, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

/// The fields that have another name: in this group, and in the core group.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];
const LONGEST: usize = 128;
const LONGEST_NOTE: usize = 1024;

/// Event: something happened.
pub(crate) struct Event;

/// From the core group's names to this group's.
pub fn from_core(object: &mut Value) {
    rename(object, NAMES.iter().map(|(to, from)| (*from, *to)));
    for field in ["reportingController", "reportingInstance"] {
        if object.text(field).is_empty() {
            remove(object, field);
        }
    }
    if object.has("apiVersion") {
        set(object, "apiVersion", "events.k8s.io/v1");
    }
}

/// From this group's names to the core group's.
pub fn to_core(object: &mut Value) {
    rename(object, NAMES.iter().copied());
    for field in ["reportingComponent", "reportingInstance"] {
        set_default(object, field, "");
    }
    if object.has("apiVersion") {
        set(object, "apiVersion", "v1");
    }
}

fn rename<'a>(object: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.shift_remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
}

impl Kind for Event {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "regarding");
        set_default(object, "deprecatedSource", json!({}));
        for field in ["eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"] {
            set_default(object, field, Value::Null);
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let namespace = object.at("metadata").text("namespace");
        let regarding = object.at("regarding").text("namespace");
        let cluster_wide = regarding.is_empty() && ["", "default"].contains(&namespace);
        if !cluster_wide && regarding != namespace {
            let path = Path::new("involvedObject.namespace");
            errors.push(FieldError::invalid(&path, regarding, "does not match event.namespace"));
        }
        if cx.version != "v1beta1" {
            validate_new(&mut errors, object);
        }
        errors
    }

    /// Only the series goes on.
    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        if cx.version == "v1beta1" {
            return self.validate(object, cx);
        }
        let mut errors = Errors::new();
        let renamed = NAMES.iter().filter(|(name, _)| !name.starts_with("deprecated"));
        let kept = ["reason", "type", "action", "reportingInstance", "related", "eventTime"];
        let fields = renamed.copied().chain(kept.iter().map(|field| (*field, *field)));
        for (field, told_as) in fields {
            let told_as = if field == "reportingController" { field } else { told_as };
            if !crate::value::same(object.at(field), old.at(field)) {
                let value = object.at(field).clone();
                errors.push(FieldError::invalid(&Path::new(told_as), value, crate::checks::IMMUTABLE));
            }
        }
        errors
    }
}

/// What events of this group must have, and must not have any more. Paths are those of the core group.
fn validate_new(errors: &mut Errors, object: &Value) {
    let told = |field: &str, why: String| FieldError::invalid(&Path::new(field), "", &why);
    if !object.has("eventTime") {
        errors.push(FieldError::required(&Path::new("eventTime"), ""));
    }
    let kind = object.text("type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.push(told("type", format!("has invalid value: {kind}")));
    }
    for (field, name) in NAMES.iter().filter(|(field, _)| field.starts_with("deprecated")) {
        let set = match object.at(field) {
            Value::Object(source) => source.values().any(|it| !crate::value::is_empty(it)),
            other => !crate::value::is_empty(other),
        };
        if set {
            errors.push(told(name, "needs to be unset".to_owned()));
        }
    }
    let controller = object.text("reportingController");
    let controller_path = Path::new("reportingController");
    if controller.is_empty() {
        errors.push(FieldError::required(&controller_path, ""));
    }
    errors.extend(names::invalid_each(&controller_path, controller, names::qualified_name(controller)));
    for field in ["reportingInstance", "action", "reason"] {
        let value = object.text(field);
        if value.is_empty() {
            errors.push(FieldError::required(&Path::new(field), ""));
        } else if value.len() > LONGEST {
            errors.push(told(field, format!("can have at most {LONGEST} characters")));
        }
    }
    if object.text("note").len() > LONGEST_NOTE {
        errors.push(told("message", format!("can have at most {LONGEST_NOTE} characters")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_between_the_groups() {
        let core = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"name": "p"},
            "message": "m", "reason": "R", "source": {"component": "c"}, "firstTimestamp": null,
            "lastTimestamp": "2020-01-01T00:00:00Z", "count": 2, "reportingComponent": "", "reportingInstance": "",
        });
        let mut it = core.clone();
        from_core(&mut it);
        let new = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "regarding": {"name": "p"},
            "note": "m", "reason": "R", "deprecatedSource": {"component": "c"}, "deprecatedFirstTimestamp": null,
            "deprecatedLastTimestamp": "2020-01-01T00:00:00Z", "deprecatedCount": 2,
        });
        assert_eq!(it, new);
        to_core(&mut it);
        assert_eq!(it, core);
    }

    #[test]
    fn new_events_say_who_and_what() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let mut event = json!({"metadata": {"namespace": "n"}, "regarding": {"namespace": "n"}});
        Event.default(&mut event, &cx);
        let told: Vec<String> = Event.validate(&event, &cx).iter().map(|it| it.path.as_str().to_owned()).collect();
        let want = [
            "eventTime",
            "type",
            "reportingController",
            "reportingController",
            "reportingController",
            "reportingInstance",
            "action",
            "reason",
        ];
        assert_eq!(told, want);
    }
}
