//! Who asks. A credential that nobody knows is refused; no credential at all makes an anonymous user, where that is
//! allowed.

use crate::request::RequestInfo;
use base::KubernetesVersion;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The groups they are in.
    pub groups: Vec<String>,
}

impl User {
    /// Someone without any credential.
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
    }

    /// Whether this is someone without any credential.
    pub fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }
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
            Self::Health => is_health(&info.path),
        }
    }
}

/// There is no user behind the credential, or none was given where one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request has no valid credential")]
pub struct Unauthenticated;

/// Tells who sent a request with `headers` over a connection on which the client showed a certificate or not.
///
/// # Errors
/// [`Unauthenticated`] for any token or certificate, as this server has issued none that it knows, and for anonymous
/// requests past `access`.
pub fn authenticate(
    access: AnonymousAccess,
    info: &RequestInfo,
    headers: &HeaderMap,
    client_certificate: bool,
) -> Result<User, Unauthenticated> {
    if client_certificate || bearer_token(headers).is_some() || !access.admits(info) {
        return Err(Unauthenticated);
    }
    Ok(User::anonymous())
}

/// Whether `path` is a health endpoint or one of its checks.
pub fn is_health(path: &str) -> bool {
    ["/healthz", "/livez", "/readyz"]
        .into_iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The token in `Authorization`, or among the subprotocols where a browser can set no other header. Other schemes and
/// an
/// empty token are no credential at all.
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes().trim_ascii();
        let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
        scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
    });
    let protocol = || {
        let offered = headers.get_all("sec-websocket-protocol").into_iter();
        offered.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).find_map(|protocol| {
            protocol.trim_ascii().strip_prefix(b"base64url.bearer.authorization.k8s.io.".as_slice())
        })
    };
    authorization.or_else(protocol).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;
    use hyper::header::HeaderName;

    #[track_caller]
    fn check(minor: u8, path: &str, header: Option<(&str, &str)>, certificate: bool, admitted: bool) {
        let info = RequestInfo::parse(&Method::GET, path, "").unwrap();
        let headers = header.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.into_iter().collect();
        let access = AnonymousAccess::of(KubernetesVersion::new(minor));
        assert_eq!(authenticate(access, &info, &headers, certificate).is_ok(), admitted, "1.{minor} {path} {header:?}");
    }

    #[test]
    fn anonymous_is_let_through_by_version() {
        for minor in [24, 31] {
            for path in ["/", "/version", "/healthz", "/api/v1/pods"] {
                check(minor, path, None, false, true);
            }
        }
        for minor in [32, 36] {
            for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/livez/"] {
                check(minor, path, None, false, true);
            }
            for path in ["/", "/version", "/healthzz", "/api/v1/pods", "/api/healthz"] {
                check(minor, path, None, false, false);
            }
        }
    }

    #[test]
    fn an_unknown_credential_is_refused_even_where_none_is_needed() {
        for minor in [24, 36] {
            check(minor, "/healthz", Some(("authorization", "Bearer k8s-aws-v1.abc")), false, false);
            check(minor, "/healthz", Some(("authorization", "bEaReR  x")), false, false);
            let protocol = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.eA";
            check(minor, "/healthz", Some(("sec-websocket-protocol", protocol)), false, false);
            check(minor, "/healthz", None, true, false);
        }
    }

    #[test]
    fn what_is_no_token_makes_nobody_known() {
        for value in ["Basic eDp5", "Bearer", "Bearer ", "Bearerx"] {
            check(31, "/version", Some(("authorization", value)), false, true);
        }
    }
}
