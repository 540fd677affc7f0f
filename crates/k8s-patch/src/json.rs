//! JSON patch (RFC 6902) with the leniencies that API servers have: negative indices count from the end, a test for
//! null finds an absent member, a member that is not there can be replaced, a value that is not given is null, a path
//! need not begin with a slash.

use k8s_types::Status;
use k8s_types::status::Details;
use serde_json::{Map, Value};

/// How many operations one patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// How many bytes all copies of one patch may add up to.
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// A patch that was read and not yet applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPatch {
    operations: Vec<Value>,
}

/// Why a JSON patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonPatchError {
    /// The body is no list of operations: a bad request.
    #[error("{0}")]
    Decode(String),
    /// More than [`MAX_OPERATIONS`]: too large a request.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// An operation points nowhere or tests false. What clients read of it is one fixed sentence.
    #[error("{0}")]
    Failed(String),
}

impl JsonPatchError {
    /// What the API answers.
    pub fn status(&self) -> Status {
        match self {
            Self::Decode(text) => Status::bad_request(text.clone()),
            Self::TooManyOperations(_) => Status::too_large(format!("Request entity too large: {self}")),
            Self::Failed(_) => {
                let message = "the server rejected our request due to an error in our request";
                Status::failure(422, "Invalid", message, Some(Details::default()))
            }
        }
    }
}

impl JsonPatch {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Result<Self, JsonPatchError> {
        let value = serde_json::from_slice::<Value>(body).map_err(|error| {
            let text = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            JsonPatchError::Decode(format!("error decoding patch: {text}"))
        })?;
        Self::from_value(value)
    }

    /// Reads a patch from JSON. `null` is a patch without operations.
    pub fn from_value(value: Value) -> Result<Self, JsonPatchError> {
        let operations = match value {
            Value::Null => Vec::new(),
            Value::Array(operations) => operations,
            other => return Err(not_a_patch(&other, "[]handlers.jsonPatchOp")),
        };
        if let Some(other) = operations.iter().find(|it| !it.is_object() && !it.is_null()) {
            return Err(not_a_patch(other, "handlers.jsonPatchOp"));
        }
        if operations.len() > MAX_OPERATIONS {
            return Err(JsonPatchError::TooManyOperations(operations.len()));
        }
        Ok(Self { operations })
    }

    /// Applies all operations in order. After a failure `document` is somewhere on the way and must be thrown away.
    pub fn apply(&self, document: &mut Value) -> Result<(), JsonPatchError> {
        let mut copied = 0;
        for operation in &self.operations {
            apply_one(operation, document, &mut copied)?;
        }
        Ok(())
    }
}

fn not_a_patch(value: &Value, into: &str) -> JsonPatchError {
    JsonPatchError::Decode(format!("error decoding patch: {}", undecodable(value, into)))
}

/// What Go says of a value that is not of the type that it is read into: clients know it.
pub fn undecodable(value: &Value, into: &str) -> String {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {what} into Go value of type {into}")
}

fn failed(what: &str, path: &str) -> JsonPatchError {
    JsonPatchError::Failed(format!("{what}: {path}"))
}

fn apply_one(operation: &Value, document: &mut Value, copied: &mut usize) -> Result<(), JsonPatchError> {
    let text = |name: &str| {
        let found = operation.get(name).and_then(Value::as_str);
        found.ok_or_else(|| JsonPatchError::Failed(format!("operation has no {name}")))
    };
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
        "add" => add(document, text("path")?, value()),
        "remove" => remove(document, text("path")?).map(drop),
        "replace" => replace(document, text("path")?, value()),
        "move" => {
            let moved = remove(document, text("from")?)?;
            add(document, text("path")?, moved)
        }
        "copy" => {
            let from = text("from")
                .and_then(|path| get(document, path)?.cloned().ok_or_else(|| failed("nothing to copy", path)))?;
            *copied += size(&from);
            if *copied > MAX_COPIED {
                return Err(failed("copies add up to too many bytes", text("path")?));
            }
            add(document, text("path")?, from)
        }
        "test" => test(document, text("path")?, operation.get("value").unwrap_or(&Value::Null)),
        other => Err(JsonPatchError::Failed(format!("unexpected kind: {other}"))),
    }
}

/// A container in the document and the name of a place in it.
enum Place<'a> {
    Member(&'a mut Map<String, Value>, String),
    Item(&'a mut Vec<Value>, String),
}

/// What holds the last step of `path`. The text before the first slash is ignored.
fn place<'a>(document: &'a mut Value, path: &str) -> Result<Place<'a>, JsonPatchError> {
    let missing = || failed("doc is missing path", path);
    let (way, last) = path.rsplit_once('/').ok_or_else(missing)?;
    let mut at = document;
    for step in way.split('/').skip(1) {
        let step = unescape(step);
        at = match at {
            Value::Object(map) => map.get_mut(&step).ok_or_else(missing)?,
            Value::Array(items) => {
                let index = existing(&step, items.len()).ok_or_else(missing)?;
                items.get_mut(index).ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    match at {
        Value::Object(map) => Ok(Place::Member(map, unescape(last))),
        Value::Array(items) => Ok(Place::Item(items, unescape(last))),
        _ => Err(missing()),
    }
}

fn unescape(step: &str) -> String {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~") } else { step.to_owned() }
}

/// The index of an item that is there; negative ones count from the end.
fn existing(step: &str, len: usize) -> Option<usize> {
    let index = step.parse::<isize>().ok()?;
    let index = if index < 0 { index.checked_add_unsigned(len)? } else { index };
    usize::try_from(index).ok().filter(|it| *it < len)
}

fn get<'a>(document: &'a mut Value, path: &str) -> Result<Option<&'a Value>, JsonPatchError> {
    match place(document, path)? {
        Place::Member(map, name) => Ok(map.get(&name)),
        Place::Item(items, name) => {
            let index = existing(&name, items.len()).ok_or_else(|| failed("invalid index", path))?;
            Ok(items.get(index))
        }
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), JsonPatchError> {
    match place(document, path)? {
        Place::Member(map, name) => {
            map.insert(name, value);
        }
        Place::Item(items, name) if name == "-" => items.push(value),
        Place::Item(items, name) => {
            // One past the end is a place to add to, so -1 appends.
            let index = existing(&name, items.len() + 1).ok_or_else(|| failed("invalid index", path))?;
            items.insert(index, value);
        }
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, JsonPatchError> {
    match place(document, path)? {
        Place::Member(map, name) => map.shift_remove(&name).ok_or_else(|| failed("nothing to remove", path)),
        Place::Item(items, name) => {
            let index = existing(&name, items.len()).ok_or_else(|| failed("invalid index", path))?;
            Ok(items.remove(index))
        }
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), JsonPatchError> {
    if path.is_empty() && (value.is_object() || value.is_array()) {
        *document = value;
        return Ok(());
    }
    match place(document, path)? {
        Place::Member(map, name) => {
            map.insert(name, value);
            Ok(())
        }
        Place::Item(items, name) => {
            let at = existing(&name, items.len()).and_then(|index| items.get_mut(index));
            *at.ok_or_else(|| failed("invalid index", path))? = value;
            Ok(())
        }
    }
}

/// Absent and null are the same here.
fn test(document: &mut Value, path: &str, want: &Value) -> Result<(), JsonPatchError> {
    let found = if path.is_empty() { document } else { get(document, path)?.unwrap_or(&Value::Null) };
    if found == want { Ok(()) } else { Err(failed("testing value failed", path)) }
}

/// About how many bytes a value has as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|it| size(it) + 1).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(name, it)| name.len() + 4 + size(it)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn patched(document: Value, patch: Value) -> Result<Value, JsonPatchError> {
        let mut document = document;
        JsonPatch::from_value(patch)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn lenient_where_servers_are() {
        let doc = json!({"a": {"b": [1, 2]}});
        let ok = |patch, want| assert_eq!(patched(doc.clone(), patch), Ok(want));
        ok(json!([{"op": "add", "path": "/a/b/-1", "value": 3}]), json!({"a": {"b": [1, 2, 3]}}));
        ok(json!([{"op": "remove", "path": "/a/b/-1"}]), json!({"a": {"b": [1]}}));
        ok(json!([{"op": "add", "path": "a/z", "value": 3}]), json!({"a": {"b": [1, 2]}, "z": 3}));
        ok(json!([{"op": "test", "path": "/a/b/00", "value": 1}]), doc.clone());
        ok(json!([{"op": "test", "path": "/nope", "value": null}]), doc.clone());
        ok(json!([{"op": "replace", "path": "/a", "value": 1}]), json!({"a": 1}));
        ok(json!([{"op": "replace", "path": "/b", "value": 1}]), json!({"a": {"b": [1, 2]}, "b": 1}));
        ok(json!([{"op": "add", "path": "/b"}]), json!({"a": {"b": [1, 2]}, "b": null}));
        ok(json!(null), doc.clone());
    }

    #[test]
    fn strict_where_servers_are() {
        let doc = json!({"a": {"b": [1, 2]}, "s": "x"});
        for patch in [
            json!([{"op": "add", "path": "", "value": {}}]),
            json!([{"op": "add", "path": "/s/x", "value": {}}]),
            json!([{"op": "add", "path": "/a/b/4", "value": 1}]),
            json!([{"op": "add", "path": "/a/b/-4", "value": 1}]),
            json!([{"op": "remove", "path": "/a/x"}]),
            json!([{"op": "move", "from": "/a", "path": "/a/b"}]),
            json!([{"op": "frob", "path": "/a"}]),
            json!([{"op": "remove"}]),
            json!([{}]),
            json!([null]),
            json!([{"op": "copy", "path": "/c", "from": "/nope"}]),
            json!([{"op": "test", "path": "/a/b/0", "value": 1.0}]),
        ] {
            let error = patched(doc.clone(), patch.clone()).unwrap_err();
            assert_eq!(error.status().code, 422, "{patch}");
        }
        let text = |error: JsonPatchError| error.status().message;
        assert_eq!(text(JsonPatch::parse(b"{").unwrap_err()), "error decoding patch: unexpected end of JSON input");
        assert_eq!(JsonPatch::from_value(json!([1])).unwrap_err().status().code, 400);
        let many = Value::Array(vec![json!({}); MAX_OPERATIONS + 1]);
        assert_eq!(JsonPatch::from_value(many).unwrap_err().status().code, 413);
    }

    fn pointer() -> impl Strategy<Value = String> {
        proptest::collection::vec("a|b|-|0|1|-1|~0|~1|~|9", 0..4)
            .prop_map(|steps| steps.iter().map(|it| format!("/{it}")).collect())
    }

    proptest! {
        #[test]
        fn no_patch_panics(ops in proptest::collection::vec(("add|remove|replace|move|copy|test|x", pointer(), pointer()), 0..8)) {
            let ops = ops.iter().map(|(op, path, from)| json!({"op": op, "path": path, "from": from, "value": [{"a": 1}]}));
            let _ = patched(json!({"a": [{"b": [1]}, 2], "b": {"a": "x", "/": 1}}), ops.collect());
        }
    }
}
