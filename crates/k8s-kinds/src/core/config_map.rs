//! ConfigMap.

use crate::value::{Look, same};
use crate::{Context, Kind};
use k8s_types::names::{self, invalid_each};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct ConfigMap;

/// All of a map's values, or a secret's, have together at most so many bytes.
pub(super) const DATA_MAX: usize = 1024 * 1024;

impl Kind for ConfigMap {
    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let mut total = 0;
        for (key, value) in object.entries("data") {
            let path = Path::new("data").key(key);
            errors.extend(invalid_each(&path, key, names::config_map_key(key)));
            if object.at("binaryData").get(key).is_some() {
                errors.push(FieldError::invalid(&path, key, "duplicate of key present in binaryData"));
            }
            total += value.as_str().map_or(0, str::len);
        }
        for (key, value) in object.entries("binaryData") {
            errors.extend(invalid_each(&Path::new("binaryData").key(key), key, names::config_map_key(key)));
            total += value.as_str().map_or(0, decoded_length);
        }
        if total > DATA_MAX {
            // The path of the whole object reads so.
            errors.push(FieldError::too_long(&Path::new("[]"), DATA_MAX));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = validate_frozen(object, old, &["data", "binaryData"]);
        errors.extend(self.validate(object, cx));
        errors
    }
}

/// What may not change any more once `immutable` is set, in maps and in secrets.
pub(super) fn validate_frozen(object: &Value, old: &Value, fields: &[&str]) -> Errors {
    let text = "field is immutable when `immutable` is set";
    let mut errors = Errors::new();
    if !old.flag("immutable") {
        return errors;
    }
    if !object.flag("immutable") {
        errors.push(FieldError::forbidden(&Path::new("immutable"), text));
    }
    for field in fields.iter().filter(|it| !same(object.at(it), old.at(it))) {
        errors.push(FieldError::forbidden(&Path::new(field), text));
    }
    errors
}

/// How many bytes a base64 text stands for.
pub(super) fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|c| *c == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_count_not_their_text() {
        assert_eq!(
            [decoded_length(""), decoded_length("YQ=="), decoded_length("YWI="), decoded_length("YWJj")],
            [0, 1, 2, 3]
        );
        let cx = Context { minor: 34, version: "v1", now: "" };
        let it = json!({"data": {"a": "a".repeat(DATA_MAX)}, "binaryData": {"b": "YQ=="}});
        assert_eq!(ConfigMap.validate(&it, &cx)[0].to_string(), "[]: Too long: may not be more than 1048576 bytes");
    }
}
