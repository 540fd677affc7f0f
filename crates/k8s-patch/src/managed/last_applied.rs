//! The way from client-side to server-side apply of kubectl: what its last client-side apply recorded in an annotation
//! is its own, and the annotation is kept up to date.

use super::{Conflict, Manager};
use crate::fields::{Element, Set};
use serde_json::Value;

/// The name under which kubectl applies.
pub(super) const MANAGER: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How many bytes all annotations of an object may have.
const MAX_ANNOTATIONS: usize = 256 * 1024;

fn annotation(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The conflicts that are about other fields than those of the last client-side apply that still are as it left them.
pub(super) fn disallowed(manager: &Manager<'_>, live: &Value, conflicts: Vec<Conflict>) -> Vec<Conflict> {
    match allowed(manager, live) {
        Some(allowed) => {
            let allowed = allowed.paths();
            conflicts.into_iter().filter(|it| !allowed.contains(&it.path)).collect()
        }
        None => conflicts,
    }
}

fn allowed(manager: &Manager<'_>, live: &Value) -> Option<Set> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    let of_version = last.get("apiVersion").and_then(Value::as_str) == Some(manager.api_version);
    if !of_version || manager.schema.check(&last, false).is_err() {
        return None;
    }
    let mut set = manager.schema.to_field_set(&last);
    let differs = manager.schema.compare(&last, live);
    set.subtract(&differs.modified);
    set.subtract(&differs.added);
    set.subtract(&differs.removed);
    Some(set)
}

/// Records what was applied in the annotation, if the object has it.
pub(super) fn sync(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut recorded = String::new();
    write(applied, &mut Vec::new(), &mut recorded);
    recorded.push('\n');
    let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") else { return };
    annotations.insert(ANNOTATION.to_owned(), Value::String(recorded));
    let size = |it: &Value| it.as_str().map_or(0, str::len);
    if annotations.iter().map(|(name, it)| name.len() + size(it)).sum::<usize>() > MAX_ANNOTATIONS {
        annotations.shift_remove(ANNOTATION);
    }
}

/// Writes JSON as kubectl reads it back: members sorted, without the annotation itself, `<`, `>` and `&` escaped.
fn write(value: &Value, way: &mut Vec<Element>, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> =
                map.iter().filter(|(name, _)| !is_annotation(way, name)).collect();
            members.sort_by_key(|it| it.0);
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&escaped(name));
                out.push(':');
                way.push(Element::field(name));
                write(member, way, out);
                way.pop();
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                way.push(Element::Index(0));
                write(item, way, out);
                way.pop();
            }
            out.push(']');
        }
        Value::String(text) => out.push_str(&escaped(text)),
        other => out.push_str(&other.to_string()),
    }
}

fn is_annotation(way: &[Element], name: &str) -> bool {
    name == ANNOTATION && way == [Element::field("metadata"), Element::field("annotations")]
}

fn escaped(text: &str) -> String {
    let json = Value::from(text).to_string();
    let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    if !json.contains(special) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 8), |mut out, c| {
        if special.contains(&c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)))
        } else {
            out.push(c)
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_recorded_is_gos_json() {
        let mut text = String::new();
        let applied = json!({"b": [1, "<a&b>"], "a": null, "metadata": {"annotations": {ANNOTATION: "x", "k": "v"}}});
        write(&applied, &mut Vec::new(), &mut text);
        assert_eq!(text, r#"{"a":null,"b":[1,"\u003ca\u0026b\u003e"],"metadata":{"annotations":{"k":"v"}}}"#);
    }
}
