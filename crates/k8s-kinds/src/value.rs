//! Typed looks into JSON objects whose shape was checked before: what is absent, `null` or of another type reads as
//! nothing. `at` takes one field name; a path of several goes through [`Look::look`].

use serde_json::{Map, Value};

/// What stands where nothing stands.
static NOTHING: Value = Value::Null;

/// Reads an object's fields.
pub trait Look {
    /// The field `name`, or `null`.
    fn at(&self, name: &str) -> &Value;

    /// What several steps lead to, or `null`: `look(&["spec", "replicas"])`.
    fn look(&self, path: &[&str]) -> &Value;

    /// Whether the field is there and not `null`; what Go calls a pointer that is not nil.
    fn has(&self, name: &str) -> bool {
        !self.at(name).is_null()
    }

    /// The field's text, or the empty text.
    fn text(&self, name: &str) -> &str {
        self.at(name).as_str().unwrap_or_default()
    }

    /// The field's integer, or 0.
    fn int(&self, name: &str) -> i64 {
        self.opt_int(name).unwrap_or_default()
    }

    /// The field's integer where it has one.
    fn opt_int(&self, name: &str) -> Option<i64> {
        self.at(name).as_i64()
    }

    /// Whether the field is `true`.
    fn flag(&self, name: &str) -> bool {
        self.at(name).as_bool().unwrap_or_default()
    }

    /// The field's items, or none.
    fn items(&self, name: &str) -> &[Value] {
        self.at(name).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The texts among the field's items.
    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.items(name).iter().filter_map(Value::as_str)
    }

    /// The field's own fields, in the order in which they stand, or none.
    fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.at(name).as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// The field as a map.
    fn map(&self, name: &str) -> Option<&Map<String, Value>> {
        self.at(name).as_object()
    }
}

impl Look for Value {
    fn at(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NOTHING)
    }

    fn look(&self, path: &[&str]) -> &Value {
        path.iter().fold(self, |it, step| it.at(step))
    }
}

/// Sets a field that is absent or `null`. Does nothing to what is no object.
pub fn set_default(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        match map.get_mut(name) {
            Some(there) if !there.is_null() => {}
            Some(there) => *there = value.into(),
            None => {
                map.insert(name.to_owned(), value.into());
            }
        }
    }
}

/// As [`set_default`], and also where the text is empty or the number is 0: what Go can't tell from absent.
pub fn set_default_zero(object: &mut Value, name: &str, value: impl Into<Value>) {
    let unset = match object.at(name) {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    };
    if unset {
        set(object, name, value);
    }
}

/// Sets a field of an object. Does nothing to what is no object.
pub fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(name.to_owned(), value.into());
    }
}

/// Takes a field away, keeping the others' order.
pub fn remove(object: &mut Value, name: &str) {
    if let Some(map) = object.as_object_mut() {
        map.shift_remove(name);
    }
}

/// The object in the field `name`, if there is one.
pub fn object_mut<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    object.get_mut(name).filter(|it| it.is_object())
}

/// The object in the field `name`, made where it is absent or `null`.
pub fn object_made<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    set_default(object, name, Map::new());
    object_mut(object, name)
}

/// The items of the field `name`, to change them.
pub fn items_mut<'a>(object: &'a mut Value, name: &str) -> &'a mut [Value] {
    object.get_mut(name).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

/// Copies a field from `from`, or takes it away where `from` has none.
pub fn copy_field(to: &mut Value, from: &Value, name: &str) {
    match from.get(name) {
        Some(value) => set(to, name, value.clone()),
        None => remove(to, name),
    }
}

/// Whether a value is what Go can't tell from absent: `null`, `false`, 0, an empty text, list or map.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}

/// Whether two values mean the same, where absent and empty lists, maps, texts and zeros are one: Go's semantic equality.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.iter().all(|(key, value)| same(value, y.get(key).unwrap_or(&NOTHING)))
                && y.iter().all(|(key, value)| x.contains_key(key) || same(&NOTHING, value))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(p, q)| same(p, q)),
        (Value::Array(_) | Value::Object(_), Value::Null) => is_empty(a),
        (Value::Null, Value::Array(_) | Value::Object(_)) => is_empty(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_absent_reads_as_nothing() {
        let it = json!({"a": {"n": 1, "t": "x", "l": [1, "y"]}, "z": null});
        assert_eq!(it.look(&["a", "n"]), 1);
        assert!(it.look(&["b", "n"]).is_null() && !it.has("z"));
        assert_eq!((it.at("a").text("t"), it.at("a").text("n")), ("x", ""));
        assert_eq!(it.at("a").texts("l").collect::<Vec<_>>(), ["y"]);
    }

    #[test]
    fn defaults_fill_only_what_is_unset() {
        let mut it = json!({"a": "", "b": 2, "c": null});
        set_default(&mut it, "a", "x");
        set_default_zero(&mut it, "b", 3);
        set_default(&mut it, "c", true);
        assert_eq!(it, json!({"a": "", "b": 2, "c": true}));
        set_default_zero(&mut it, "a", "x");
        assert_eq!(it.text("a"), "x");
    }

    #[test]
    fn sameness_forgives_empty_containers() {
        assert!(same(&json!({"a": []}), &json!({})));
        assert!(same(&json!({"a": {"b": null}}), &json!({"a": {}})));
        assert!(!same(&json!({"a": [1]}), &json!({})));
        assert!(!same(&json!({"a": 0}), &json!({})));
    }
}
