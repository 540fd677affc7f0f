//! How an answer is written: JSON compact or indented, and the headers that every answer has.

use crate::health::Report;
use crate::query;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{HeaderMap, Response, StatusCode};
use k8s_types::Status;
use serde::Serialize;
use std::convert::Infallible;

/// An answer's body. Boxed, because watches and logs stream and most others do not.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The header that names a request in the audit log.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// The header that names the flow schema that a request fell under.
pub const FLOW_SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
/// The header that names the priority level that a request ran at.
pub const PRIORITY_LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// How JSON is to be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// On one line, with a newline after it.
    Compact,
    /// Indented by two spaces, without a newline at the end.
    Indented,
}

impl Layout {
    /// What a client wants: by the query, else by what it accepts, else indented for those whose reader is a person.
    pub fn wanted(query: &str, headers: &HeaderMap) -> Self {
        if let Some(value) = query::value(query, "pretty").filter(|value| !value.is_empty()) {
            return Self::indented_if(query::is_true(&value));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let parameters = text(ACCEPT).split([';', ',']).map(str::trim);
        if let Some(value) = parameters.filter_map(|it| it.strip_prefix("pretty=")).next() {
            return Self::indented_if(query::is_true(value));
        }
        let agent = text(USER_AGENT);
        Self::indented_if(["curl", "Wget", "Mozilla/5.0"].iter().any(|person| agent.starts_with(person)))
    }

    fn indented_if(indented: bool) -> Self {
        if indented { Self::Indented } else { Self::Compact }
    }

    /// Writes a value.
    pub fn write(self, value: &impl Serialize) -> Vec<u8> {
        // A value of ours that cannot be written is a defect, and an empty body says so without taking the server down.
        let text = match self {
            Self::Compact => serde_json::to_string(value).map(|text| text + "\n"),
            Self::Indented => serde_json::to_string_pretty(value),
        };
        escape(&text.unwrap_or_default()).into_bytes()
    }
}

/// Escapes what Go's encoder escapes besides. These only occur inside of strings.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An answer of `value` as JSON.
pub fn json(status: StatusCode, layout: Layout, value: &impl Serialize) -> Response<Body> {
    full(status, "application/json", layout.write(value).into())
}

/// What an answer says went wrong; it travels beside the answer, for the record of the request.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The machine's word for it.
    pub reason: String,
    /// What the user reads.
    pub message: String,
}

/// An answer of a failure.
pub fn failure(layout: Layout, status: &Status) -> Response<Body> {
    let code = code(status);
    let mut response = json(code, layout, status);
    if let Some(seconds) = status.details.as_ref().and_then(|it| it.retry_after_seconds) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(Failed { reason: status.reason.clone(), message: status.message.clone() });
    if code == StatusCode::FORBIDDEN {
        response.headers_mut().insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    }
    response
}

/// An answer of plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    full(status, "text/plain; charset=utf-8", text.into())
}

/// The answer to one for whom there is no room now, in upstream's words: they are no Status.
pub fn too_many_requests() -> Response<Body> {
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later.\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response.headers_mut().insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    response
}

/// An answer of a health endpoint.
pub fn report(report: Report) -> Response<Body> {
    let mut response = text(report.status, report.text);
    if report.nosniff {
        response.headers_mut().insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    }
    response
}

/// Sets what every answer has.
pub fn common_headers(response: &mut Response<Body>, audit_id: HeaderValue) {
    response.headers_mut().insert(AUDIT_ID, audit_id);
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
}

/// The answer to HEAD: the same, but for the body.
pub fn without_body(response: Response<Body>) -> Response<Body> {
    response.map(|_| Full::default().boxed_unsync())
}

/// The same answer, which holds something for as long as its body is not at its end.
pub fn holding(response: Response<Body>, held: impl Send + 'static) -> Response<Body> {
    response.map(|body| {
        let holding = body.map_frame(move |frame| {
            let _ = &held;
            frame
        });
        holding.boxed_unsync()
    })
}

/// An answer whose body comes bit by bit.
pub fn streamed(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The HTTP status of a Status.
pub fn code(status: &Status) -> StatusCode {
    StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer whose body is known.
pub fn full(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    with_body(response, content_type, body)
}

/// The same answer with another body, which is known.
pub fn with_body(mut response: Response<Body>, content_type: &'static str, body: Bytes) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.map(|_| Full::new(body).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, header: (HeaderName, &str), want: Layout) {
        let headers = HeaderMap::from_iter([(header.0.clone(), header.1.parse().unwrap())]);
        assert_eq!(Layout::wanted(query, &headers), want, "{query} {header:?}");
    }

    #[test]
    fn people_get_it_indented() {
        use Layout::{Compact, Indented};
        for agent in ["curl/7.88.1", "Wget/1.21", "Mozilla/5.0 (X11)"] {
            check("", (USER_AGENT, agent), Indented);
            check("pretty=false", (USER_AGENT, agent), Compact);
            check("pretty", (USER_AGENT, agent), Indented);
        }
        for query in ["pretty=true", "pretty=1", "a=b&pretty=True"] {
            check(query, (USER_AGENT, "kubectl/v1.20.2"), Indented);
        }
        for query in ["", "pretty", "pretty=", "pretty=yes", "pretty=0"] {
            check(query, (USER_AGENT, "python-requests/2"), Compact);
        }
        check("", (ACCEPT, "application/json;pretty=1"), Indented);
        check("", (ACCEPT, "application/json"), Compact);
    }

    #[test]
    fn json_is_escaped_as_go_does() {
        let value = serde_json::json!({ "m": "a<b>&\u{2028}\"", "e": {} });
        let compact = Layout::Compact.write(&value);
        assert_eq!(String::from_utf8(compact).unwrap(), "{\"m\":\"a\\u003cb\\u003e\\u0026\\u2028\\\"\",\"e\":{}}\n");
        let indented = Layout::Indented.write(&value);
        let want = "{\n  \"m\": \"a\\u003cb\\u003e\\u0026\\u2028\\\"\",\n  \"e\": {}\n}";
        assert_eq!(String::from_utf8(indented).unwrap(), want);
    }
}
