//! The Status object: how the Kubernetes API says no, and sometimes yes.

use crate::field::FieldError;
use serde::Serialize;
use serde_json::{Value, json};

/// A Status, in the order in which its members are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    /// List metadata; only an expired continue token has something in it.
    pub metadata: Metadata,
    /// `Success` or `Failure`.
    pub status: &'static str,
    /// What the user reads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The machine's word for it, as `NotFound`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it is about. Absent and empty are different on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status; 0 is not written.
    #[serde(skip_serializing_if = "is_zero")]
    pub code: u16,
}

/// A Status' list metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Metadata {
    /// Where an inconsistent list may go on.
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
}

/// What a Status is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource in plural for most errors, the Kind for Invalid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// One by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again.
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// One cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cause {
    /// The machine's word for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What a person reads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Where in the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What an error is about: a resource of a group, as `deployments.apps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupResource<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The resource, in plural.
    pub resource: &'a str,
}

impl GroupResource<'_> {
    /// `deployments.apps`, `pods`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn details(&self, name: &str) -> Details {
        Details {
            name: name.to_owned(),
            group: self.group.to_owned(),
            kind: self.resource.to_owned(),
            ..Details::default()
        }
    }
}

impl Status {
    /// A failure of any kind.
    pub fn failure(code: u16, reason: &str, message: impl Into<String>, details: Option<Details>) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata::default(),
            status: "Failure",
            message: message.into(),
            reason: reason.to_owned(),
            details: details.map(Box::new),
            code,
        }
    }

    /// What a delete that removed its object at once answers.
    pub fn deleted(it: GroupResource<'_>, name: &str, uid: &str) -> Self {
        let details = Details { uid: uid.to_owned(), ..it.details(name) };
        Self { status: "Success", ..Self::failure(0, "", "", Some(details)) }
    }

    /// What an action without an object of its own answers, as a binding: `code` is 201.
    pub fn success(code: u16) -> Self {
        Self { status: "Success", ..Self::failure(code, "", "", None) }
    }

    /// There is no such object.
    pub fn not_found(it: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{} {} not found", it.qualified(), quote(name));
        Self::failure(404, "NotFound", message, Some(it.details(name)))
    }

    /// There is no such path.
    pub fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::failure(404, "NotFound", message, Some(Details::default()))
    }

    /// There is such an object already.
    pub fn already_exists(it: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{} {} already exists", it.qualified(), quote(name));
        Self::failure(409, "AlreadyExists", message, Some(it.details(name)))
    }

    /// The object is not as the request supposes; `why` is the sentence after the colon.
    pub fn conflict(it: GroupResource<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {}: {why}", it.qualified(), quote(name));
        Self::failure(409, "Conflict", message, Some(it.details(name)))
    }

    /// Somebody else wrote meanwhile.
    pub fn modified(it: GroupResource<'_>, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(it, name, why)
    }

    /// The object is wrong. `kind` is the Kind; errors that read the same are told once.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let what = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let message = match texts.as_slice() {
            [] => format!("{what} {} is invalid", quote(name)),
            [one] => format!("{what} {} is invalid: {one}", quote(name)),
            many => format!("{what} {} is invalid: [{}]", quote(name), many.join(", ")),
        };
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: errors.iter().map(FieldError::cause).collect(),
            ..Details::default()
        };
        Self::failure(422, "Invalid", message, Some(details))
    }

    /// Something about admission or authorization says no; `why` is the sentence after the colon.
    pub fn forbidden(it: GroupResource<'_>, name: &str, why: &str) -> Self {
        let what = it.qualified();
        let message = match (what.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{what} is forbidden: {why}"),
            (false, false) => format!("{what} {} is forbidden: {why}", quote(name)),
        };
        Self::failure(403, "Forbidden", message, Some(it.details(name)))
    }

    /// Nobody knows who asks.
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized", None)
    }

    /// The request can't be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message, None)
    }

    /// The path has no such method.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", message, Some(Details::default()))
    }

    /// None of the media types that the client takes can be made.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let message = format!("only the following media types are accepted: {}", accepted.join(", "));
        Self::failure(406, "NotAcceptable", message, None)
    }

    /// The body is of no media type that is read.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::failure(415, "UnsupportedMediaType", message, None)
    }

    /// History does not go back that far.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message, None)
    }

    /// The body has more than `limit` bytes.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::failure(413, "RequestEntityTooLarge", message, None)
    }

    /// It took too long.
    pub fn timeout(message: impl Into<String>, retry_after_seconds: Option<u32>) -> Self {
        let details = Details { retry_after_seconds, ..Details::default() };
        Self::failure(504, "Timeout", message, Some(details))
    }

    /// Too much is asked at once.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let details = Details { retry_after_seconds: Some(retry_after_seconds), ..Details::default() };
        Self::failure(429, "TooManyRequests", message, Some(details))
    }

    /// A fault of the server's.
    pub fn internal(error: impl Into<String>) -> Self {
        let error = error.into();
        let cause = Cause { message: error.clone(), ..Cause::default() };
        let details = Details { causes: vec![cause], ..Details::default() };
        Self::failure(500, "InternalError", format!("Internal error occurred: {error}"), Some(details))
    }

    /// As JSON.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({"kind": "Status", "apiVersion": "v1"}))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// Text in double quotes as Go's `%q` writes it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Path;

    #[test]
    fn members_come_in_their_order_and_absent_is_not_empty() {
        let text = serde_json::to_string(&Status::unauthorized()).unwrap();
        let want = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        assert_eq!(text, want);
        let text = serde_json::to_string(&Status::method_not_allowed()).unwrap();
        assert!(text.ends_with(r#""reason":"MethodNotAllowed","details":{},"code":405}"#), "{text}");
    }

    #[test]
    fn an_invalid_object_is_told_once_per_text() {
        let error = FieldError::required(&Path::new("spec"), "");
        let one = Status::invalid("apps", "Deployment", "d", &[error.clone(), error.clone()]);
        assert_eq!(one.message, r#"Deployment.apps "d" is invalid: spec: Required value"#);
        let two = Status::invalid("", "Pod", "p", &[error, FieldError::required(&Path::new("a"), "x")]);
        assert_eq!(two.message, r#"Pod "p" is invalid: [spec: Required value, a: Required value: x]"#);
    }

    #[test]
    fn a_delete_that_is_done_is_a_success_without_a_code() {
        let it = GroupResource { group: "", resource: "configmaps" };
        let text = serde_json::to_string(&Status::deleted(it, "a", "u")).unwrap();
        assert_eq!(
            text,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"a","kind":"configmaps","uid":"u"}}"#
        );
    }

    #[test]
    fn quotes_are_gos() {
        assert_eq!(quote("a\"b\\\n\u{1}é\u{85}"), "\"a\\\"b\\\\\\n\\x01é\\u0085\"");
    }
}
