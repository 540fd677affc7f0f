//! A refusal or failure in AWS's terms. How it is written on the wire is up to the protocol.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// An AWS error: code, HTTP status, message, and the members its shape has besides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// AWS's code or error type, as `InvalidVpcID.NotFound` or `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What the user reads.
    pub message: String,
    /// More members of the error's shape, as EKS's `clusterName`; a protocol without a place for them leaves them out.
    pub members: Box<Map<String, Value>>,
}

impl Fault {
    /// The caller's mistake: HTTP 400.
    pub fn client(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    /// Our failure: HTTP 500. The cause belongs in the log, not here.
    pub fn server(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::with_status(500, code, message)
    }

    /// With an HTTP status of its own.
    pub fn with_status(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), status, message: message.into(), members: Box::default() }
    }

    /// Adds a member of the error's shape.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}
