//! The Status object: how the Kubernetes API says no.

use crate::authorization::Attributes;
use hyper::StatusCode;
use serde::Serialize;

/// A failure, in the order in which its members are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    /// What the user reads.
    pub message: String,
    /// The machine's word for it, as `Forbidden`.
    pub reason: &'static str,
    /// What it is about. Absent and empty are different on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The HTTP status.
    pub code: u16,
}

/// What a failure is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource, in plural: most errors have it under this name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// When to try again.
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Empty {}

impl Status {
    fn failure(code: StatusCode, reason: &'static str, message: impl Into<String>, details: Option<Details>) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message: message.into(),
            reason,
            details,
            code: code.as_u16(),
        }
    }

    /// Nobody knows who asks.
    pub fn unauthorized() -> Self {
        Self::failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized", None)
    }

    /// `attributes` are not allowed.
    pub fn forbidden(attributes: &Attributes<'_>) -> Self {
        let denied = escape_html(&attributes.denied());
        let Some(it) = attributes.resource.filter(|it| !it.resource.is_empty()) else {
            let message = format!("forbidden: {denied}");
            return Self::failure(StatusCode::FORBIDDEN, "Forbidden", message, Some(Details::default()));
        };
        let qualified = if it.group.is_empty() { it.resource.clone() } else { format!("{}.{}", it.resource, it.group) };
        let message = if it.name.is_empty() {
            format!("{qualified} is forbidden: {denied}")
        } else {
            format!("{qualified} {} is forbidden: {denied}", quote(&it.name))
        };
        let details = Details {
            name: it.name.clone(),
            group: it.group.clone(),
            kind: it.resource.clone(),
            retry_after_seconds: None,
        };
        Self::failure(StatusCode::FORBIDDEN, "Forbidden", message, Some(details))
    }

    /// The request can't be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(StatusCode::BAD_REQUEST, "BadRequest", message, None)
    }

    /// The path has no such method.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, Some(Details::default()))
    }

    /// The body has more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::failure(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message, None)
    }

    /// The request took too long to arrive.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::failure(StatusCode::GATEWAY_TIMEOUT, "Timeout", message, Some(Details::default()))
    }
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

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_their_order_and_absent_is_not_empty() {
        let text = serde_json::to_string(&Status::unauthorized()).unwrap();
        let want = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        assert_eq!(text, want);
        let text = serde_json::to_string(&Status::method_not_allowed()).unwrap();
        assert!(text.ends_with(r#""reason":"MethodNotAllowed","details":{},"code":405}"#), "{text}");
        assert_eq!(Status::too_large(3_145_728).message, "Request entity too large: limit is 3145728");
    }

    #[test]
    fn quotes_are_gos() {
        assert_eq!(quote("a\"b\\\n\u{1}é\u{85}"), "\"a\\\"b\\\\\\n\\x01é\\u0085\"");
    }
}
