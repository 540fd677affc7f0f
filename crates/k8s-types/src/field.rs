//! What is wrong with a field: the path to it and the sentence about it, in the API's own form
//! (Kubernetes API conventions, "Validation errors"; the texts are those that API servers answer).

use crate::status::{Cause, quote};
use serde_json::Value;
use std::fmt;

/// The way to a field, as `spec.containers[0].env[0].name` or `data[tls.crt]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    /// A first step; the empty text is the object itself.
    pub fn new(first: &str) -> Self {
        Self(first.to_owned())
    }

    /// The field `name` of what this path leads to. Dots in `name` are kept, so several steps may be given at once.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// The item at `at`.
    pub fn index(&self, at: usize) -> Self {
        Self(format!("{}[{at}]", self.0))
    }

    /// The value of `key` in a map.
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The cause's reason, as `FieldValueInvalid`.
    pub reason: &'static str,
    /// Where.
    pub path: Path,
    /// The sentence without the path, as `Invalid value: 0: must be greater than 0`.
    pub message: String,
}

/// All that is wrong with an object, in the order it was found.
pub type Errors = Vec<FieldError>;

impl FieldError {
    fn new(reason: &'static str, path: &Path, message: String) -> Self {
        Self { reason, path: path.clone(), message }
    }

    /// Nothing stands where something must. `detail` may be empty.
    pub fn required(path: &Path, detail: &str) -> Self {
        Self::new("FieldValueRequired", path, with_detail("Required value".to_owned(), detail))
    }

    /// A value that is not allowed. `detail` may be empty.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: &str) -> Self {
        let text = format!("Invalid value: {}", show(&value.into()));
        Self::new("FieldValueInvalid", path, with_detail(text, detail))
    }

    /// A value of a wrong type, as custom resources tell it.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: &str) -> Self {
        let text = format!("Invalid value: {}", show(&value.into()));
        Self::new("FieldValueTypeInvalid", path, with_detail(text, detail))
    }

    /// A value that is none of `supported`, which are printed in the order given.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        let mut text = format!("Unsupported value: {}", show(&value.into()));
        if !supported.is_empty() {
            let quoted: Vec<String> = supported.iter().map(|it| quote(it)).collect();
            text.push_str(": supported values: ");
            text.push_str(&quoted.join(", "));
        }
        Self::new("FieldValueNotSupported", path, text)
    }

    /// A value that stands there already.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new("FieldValueDuplicate", path, format!("Duplicate value: {}", show(&value.into())))
    }

    /// A value that refers to what is not there.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new("FieldValueNotFound", path, format!("Not found: {}", show(&value.into())))
    }

    /// A field that may not be set, or not so.
    pub fn forbidden(path: &Path, detail: &str) -> Self {
        Self::new("FieldValueForbidden", path, with_detail("Forbidden".to_owned(), detail))
    }

    /// Text of more than `max` bytes.
    pub fn too_long(path: &Path, max: usize) -> Self {
        Self::new("FieldValueTooLong", path, format!("Too long: may not be more than {max} bytes"))
    }

    /// More than `max` items.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new("FieldValueTooMany", path, format!("Too many: {actual}: must have at most {max} {items}"))
    }

    /// A fault of the server's.
    pub fn internal(path: &Path, detail: &str) -> Self {
        Self::new("InternalError", path, with_detail("Internal error".to_owned(), detail))
    }

    /// As a Status names it among its causes.
    pub fn cause(&self) -> Cause {
        Cause { reason: self.reason.to_owned(), message: self.message.clone(), field: self.path.0.clone() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A value as error texts print it: text in quotes, all else as JSON.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

fn with_detail(text: String, detail: &str) -> String {
    if detail.is_empty() { text } else { format!("{text}: {detail}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_the_apis() {
        let path = Path::new("spec").child("containers").index(0).child("name");
        let text = |it: FieldError| it.to_string();
        assert_eq!(text(FieldError::required(&path, "")), "spec.containers[0].name: Required value");
        assert_eq!(
            text(FieldError::invalid(&Path::new("data").key("a.b"), json!({"k": "a"}), "no")),
            r#"data[a.b]: Invalid value: {"k":"a"}: no"#
        );
        assert_eq!(
            text(FieldError::not_supported(&path, "z", &["a", "b"])),
            r#"spec.containers[0].name: Unsupported value: "z": supported values: "a", "b""#
        );
        assert_eq!(
            text(FieldError::too_many(&path, 3, 1)),
            "spec.containers[0].name: Too many: 3: must have at most 1 item"
        );
        assert_eq!(FieldError::duplicate(&path, 1).cause().reason, "FieldValueDuplicate");
    }
}
