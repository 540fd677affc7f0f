//! What controllers have to be told.

use std::sync::Arc;
use std::time::Duration;

/// Whom a token in a Secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenFor<'a> {
    /// The namespace of both.
    pub namespace: &'a str,
    /// The service account's name.
    pub account: &'a str,
    /// Its uid.
    pub account_uid: &'a str,
    /// The Secret's name.
    pub secret: &'a str,
}

/// Makes tokens; nothing while it can't.
pub type TokenSource = Arc<dyn Fn(&TokenFor<'_>) -> Option<String> + Send + Sync>;

/// What the controllers of one cluster have to be told.
#[derive(Clone)]
pub struct Config {
    /// The certificates, in PEM, by which clients know the API server.
    pub root_ca: Arc<str>,
    /// Makes the tokens of token Secrets.
    pub tokens: TokenSource,
    /// How long an Event stays after it was written last.
    pub event_ttl: Duration,
}

impl Config {
    /// How long Events stay unless it is said otherwise.
    pub const EVENT_TTL: Duration = Duration::from_secs(3600);

    /// With Events that stay for an hour.
    pub fn new(root_ca: impl Into<Arc<str>>, tokens: TokenSource) -> Self {
        Self { root_ca: root_ca.into(), tokens, event_ttl: Self::EVENT_TTL }
    }
}
