//! What the gateway must be told about callers: their keys, and whether they may.

use aws_model::{Caller, Context, Fault};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// An access key, long-lived or of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The secret that signs.
    pub secret: String,
    /// The token that must come with it, for a session's key.
    pub session_token: Option<String>,
    /// Whose key it is.
    pub caller: Caller,
    /// Whether it is switched on.
    pub active: bool,
    /// When it stops to be valid, for a session's key.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for AccessKey {
    /// Never shows the secret or the token: keys end up in logs this way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("caller", &self.caller)
            .field("active", &self.active)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Who has which key. Asked once for every request, so it must answer from memory.
pub trait Credentials: Send + Sync + 'static {
    /// The key with this id, active or not.
    fn find(&self, access_key_id: &str) -> Option<Arc<AccessKey>>;
}

/// The one authorization point: every call of a user passes it, after its signature and before its service.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether the caller may call `operation` of `service` with `input`, which has the model's member names but is not
    /// validated yet.
    ///
    /// # Errors
    /// The refusal in the service's own words.
    fn authorize(&self, ctx: &Context, service: &str, operation: &str, input: &Value) -> Result<(), Fault>;
}
