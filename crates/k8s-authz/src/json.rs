//! Reading members of JSON objects that may not be there.

use serde_json::Value;

/// The text at a JSON pointer, or the empty text.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list at a JSON pointer.
pub(crate) fn items<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

/// The texts of the list at a JSON pointer.
pub(crate) fn texts<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    items(object, path).filter_map(Value::as_str)
}
