//! JSON merge patch (RFC 7386), and as API servers do: null members go away inside of new lists too.

use crate::json::undecodable;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The body of a request is no object: a bad request with this sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMergePatch(String);

/// Reads the body of a request.
pub fn parse(body: &[u8]) -> Result<Value, InvalidMergePatch> {
    match serde_json::from_slice::<Value>(body) {
        Ok(patch) if patch.is_object() => Ok(patch),
        Ok(Value::Null) => Err(InvalidMergePatch("Invalid JSON Patch".to_owned())),
        Ok(other) => {
            let why = undecodable(&other, "map[string]interface {}");
            Err(InvalidMergePatch(format!("error decoding patch: {why}")))
        }
        Err(error) if error.is_eof() => {
            Err(InvalidMergePatch("error decoding patch: unexpected end of JSON input".to_owned()))
        }
        Err(error) => Err(InvalidMergePatch(format!("error decoding patch: {error}"))),
    }
}

/// Merges `patch` into `target`: objects are merged member by member, null removes, everything else replaces.
pub fn apply(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        drop_nulls(target);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(map) = target {
        let mut gone = Vec::new();
        for (name, value) in members {
            if value.is_null() {
                gone.push(name);
            } else {
                apply(map.entry(name).or_insert(Value::Null), value);
            }
        }
        remove_all(map, &gone);
    }
}

/// Removes members, in one go where there are many: taking one out of a map moves all that follow.
pub(crate) fn remove_all<N: AsRef<str>>(map: &mut Map<String, Value>, names: &[N]) {
    if names.len() < 8 {
        for name in names {
            map.shift_remove(name.as_ref());
        }
    } else {
        let names: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
        map.retain(|name, _| !names.contains(name.as_str()));
    }
}

/// Drops null members of objects at any depth; null items of lists stay.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, it| !it.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_examples_of_the_standard() {
        for (target, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a"]), json!({"a": "b"}), json!({"a": "b"})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": [{"b": null}, null]}), json!({"a": [{}, null]})),
            (json!([1, 2]), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut got = target;
            apply(&mut got, patch);
            assert_eq!(got, want);
        }
    }
}
