//! The checks that many kinds share. Each adds what it finds to the errors it is given.

use crate::kind::Context;
use crate::meta::validate_label_selector;
use crate::value::{Look, object_mut, remove, same};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

pub(crate) const IMMUTABLE: &str = "field is immutable";
pub(crate) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// A number that may not be negative, where it is given.
pub(crate) fn not_negative(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    if let Some(number) = it.opt_int(field).filter(|number| *number < 0) {
        errors.push(FieldError::invalid(&path.child(field), number, NOT_NEGATIVE));
    }
}

/// A text that must be one of `supported`, the empty one being none of them.
pub(crate) fn one_of(errors: &mut Errors, it: &Value, path: &Path, field: &str, supported: &[&str]) {
    let value = it.text(field);
    if !supported.contains(&value) {
        errors.push(FieldError::not_supported(&path.child(field), value, supported));
    }
}

/// As [`one_of`], where the text is given at all.
pub(crate) fn one_of_if_given(errors: &mut Errors, it: &Value, path: &Path, field: &str, supported: &[&str]) {
    if it.has(field) {
        one_of(errors, it, path, field, supported);
    }
}

/// As [`one_of`], but what is empty is said to be missing.
pub(crate) fn required_one_of(errors: &mut Errors, it: &Value, path: &Path, field: &str, supported: &[&str]) {
    if it.text(field).is_empty() {
        errors.push(FieldError::required(&path.child(field), ""));
    } else {
        one_of(errors, it, path, field, supported);
    }
}

/// A text that must be there.
pub(crate) fn required(errors: &mut Errors, it: &Value, path: &Path, field: &str, detail: &str) {
    if it.text(field).is_empty() {
        errors.push(FieldError::required(&path.child(field), detail));
    }
}

/// The sentences of a rule for names about a text.
pub(crate) fn by_rule(errors: &mut Errors, path: &Path, value: &str, rule: impl FnOnce(&str) -> Vec<String>) {
    errors.extend(names::invalid_each(path, value, rule(value)));
}

/// A field that may not change. The value told is the new one.
pub(crate) fn immutable(errors: &mut Errors, new: &Value, old: &Value, path: &Path, field: &str) {
    let value = new.at(field);
    if !same(value, old.at(field)) {
        errors.push(FieldError::invalid(&path.child(field), value.clone(), IMMUTABLE));
    }
}

/// Takes fields away that the minor knows and does not use yet; an object that has one already keeps it.
pub(crate) fn drop_disabled(object: &mut Value, old: Option<&Value>, cx: &Context<'_>, since: &[(&str, u8)]) {
    let Some(spec) = object_mut(object, "spec") else { return };
    for (field, minor) in since {
        if cx.minor < *minor && !old.is_some_and(|old| old.at("spec").has(field)) {
            remove(spec, field);
        }
    }
}

/// An object as errors print it where API servers have a struct without JSON names: by its Go names, all of them.
pub(crate) fn as_struct(it: &Value, names: &[(&str, &str)]) -> Value {
    if it.is_null() {
        return Value::Null;
    }
    names.iter().map(|(told, field)| ((*told).to_owned(), it.at(field).clone())).collect()
}

/// An error about a value that is too big to be told.
pub(crate) fn invalid_without_value(path: &Path, why: &str) -> FieldError {
    FieldError { reason: "FieldValueInvalid", path: path.clone(), message: format!("Invalid value: {why}") }
}

/// A port's number, where it is given.
pub(crate) fn port(errors: &mut Errors, path: &Path, number: i64) {
    errors.extend(names::invalid_each(path, number, names::port_number(number)));
}

/// A number or a percentage: `25%`.
pub(crate) fn int_or_percent(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    let path = path.child(field);
    match it.at(field) {
        Value::String(value) => by_rule(errors, &path, value, names::percent),
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.push(FieldError::invalid(&path, number.clone(), NOT_NEGATIVE));
        }
        _ => {}
    }
}

/// A percentage that may not be more than the whole.
pub(crate) fn not_over_100_percent(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    let value = it.at(field);
    if percent(value).is_some_and(|percent| percent > 100) {
        errors.push(FieldError::invalid(&path.child(field), value.clone(), "must not be greater than 100%"));
    }
}

/// The number before a `%`.
pub(crate) fn percent(value: &Value) -> Option<i64> {
    let digits = value.as_str()?.strip_suffix('%')?;
    if digits.bytes().all(|c| c.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Whether a number or a percentage is nothing at all; an absent one is.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(_) => percent(value) == Some(0),
        other => other.as_i64() == Some(0),
    }
}

/// A label selector's own errors.
pub(crate) fn label_selector(errors: &mut Errors, selector: &Value, path: &Path) {
    errors.extend(validate_label_selector(selector, path));
}

/// Whether a label selector can be used at all: its operators are known and have the values they need.
pub(crate) fn is_usable(selector: &Value) -> bool {
    validate_label_selector(selector, &Path::default()).is_empty()
}

/// Each item of a list is there once; `path` leads to the list. What is said to be double is the item.
pub(crate) fn unique_texts(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    let list = it.items(field);
    for (index, item) in list.iter().enumerate() {
        if list.iter().take(index).any(|other| other == item) {
            errors.push(FieldError::duplicate(&path.child(field).index(index), item.clone()));
        }
    }
}

/// Counts of a status that may not be negative.
pub(crate) fn counts(errors: &mut Errors, status: &Value, path: &Path, fields: &[&str]) {
    for field in fields {
        not_negative(errors, status, path, field);
    }
}

/// Counts of a status that may not be more than its `replicas`; what is absent is zero.
pub(crate) fn within_replicas(errors: &mut Errors, status: &Value, path: &Path, fields: &[&str]) {
    let replicas = status.opt_int("replicas").unwrap_or_default();
    for field in fields {
        let count = status.opt_int(field).unwrap_or_default();
        if count > replicas {
            let why = "cannot be greater than status.replicas";
            errors.push(FieldError::invalid(&path.child(field), count, why));
        }
    }
}

/// A status' `collisionCount` only rises.
pub(crate) fn collisions_rise(errors: &mut Errors, object: &Value, old: &Value) {
    let count = |it: &Value| it.look(&["status"]).opt_int("collisionCount");
    let (new, old) = (count(object), count(old));
    if old.is_some() && (new.is_none() || new < old) {
        let path = Path::new("status").child("collisionCount");
        errors.push(FieldError::invalid(&path, new.unwrap_or_default(), "cannot be decremented"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_percentages() {
        let mut errors = Errors::new();
        let it = json!({"a": -1, "b": "x%", "c": "150%", "d": "0%"});
        for field in ["a", "b", "c", "d"] {
            int_or_percent(&mut errors, &it, &Path::default(), field);
            not_over_100_percent(&mut errors, &it, &Path::default(), field);
        }
        let told: Vec<&str> = errors.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(told, ["a", "b", "c"]);
        assert!(is_zero(it.at("d")) && is_zero(&Value::Null) && !is_zero(it.at("c")));
    }
}
