//! Who asks. A credential that nobody knows is refused; no credential at all makes an anonymous user, where that is
//! allowed.

use crate::api::Api;
use crate::request::RequestInfo;
use base::KubernetesVersion;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use jiff::Timestamp;
use k8s_authn::bearer::{self, Authorization};
use k8s_authz::User;
use std::net::IpAddr;

/// Someone without any credential.
pub fn anonymous() -> User {
    User { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()], ..User::default() }
}

/// Where a request without a credential is let through as the anonymous user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousAccess {
    /// Everywhere; what it may do is a question of authorization.
    Everywhere,
    /// At the health endpoints only.
    Health,
}

impl AnonymousAccess {
    /// What EKS does in a version: health endpoints only since 1.32.
    pub fn of(version: KubernetesVersion) -> Self {
        if version < KubernetesVersion::new(32) { Self::Everywhere } else { Self::Health }
    }

    fn admits(self, info: &RequestInfo) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Health => matches!(info.path.as_str(), "/healthz" | "/livez" | "/readyz"),
        }
    }
}

/// The client certificate of a connection.
#[derive(Debug, Clone, Default)]
pub enum ConnectionUser {
    /// None was shown.
    #[default]
    None,
    /// One of nobody that this cluster knows.
    Unknown,
    /// Somebody's.
    Known(User),
}

/// Where requests come from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client certificate of the connection.
    pub user: ConnectionUser,
    /// The other end's address.
    pub address: IpAddr,
}

/// There is no user behind the credential, or none was given where one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request has no valid credential")]
pub struct Unauthenticated;

/// Tells who sent a request.
///
/// # Errors
/// [`Unauthenticated`] for a credential that nobody knows, and for anonymous requests past `access`.
pub async fn authenticate(
    api: &Api,
    access: AnonymousAccess,
    info: &RequestInfo,
    headers: &HeaderMap,
    connection: &ConnectionUser,
    now: Timestamp,
) -> Result<User, Unauthenticated> {
    match connection {
        ConnectionUser::Known(user) => return Ok(user.clone()),
        ConnectionUser::Unknown => return Err(Unauthenticated),
        ConnectionUser::None => {}
    }
    match token(headers)? {
        Some(token) => api.identities.of_token(&api.registry, &token, now).await.ok_or(Unauthenticated),
        None if access.admits(info) => Ok(anonymous()),
        None => Err(Unauthenticated),
    }
}

/// The token of a request: in its header, or among the subprotocols where a browser can set no other header.
fn token(headers: &HeaderMap) -> Result<Option<String>, Unauthenticated> {
    if let Some(value) = headers.get(AUTHORIZATION)
        && let Authorization::Token(token) = bearer::authorization(value.as_bytes())
    {
        return Ok(Some(token.into_owned()));
    }
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|it| it.to_str().ok());
    let found = bearer::websocket(offered).map_err(|_| Unauthenticated)?;
    Ok(found.map(|it| it.token))
}

/// Whether `path` is a health endpoint or one of its checks.
pub fn is_health(path: &str) -> bool {
    ["/healthz", "/livez", "/readyz"]
        .into_iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}
