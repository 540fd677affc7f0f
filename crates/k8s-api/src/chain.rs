//! What every request goes through, outermost first: audit id, request info, authentication, flow control's marks,
//! impersonation, authorization, and only then whatever serves the path.

use crate::authentication::{AnonymousAccess, User, authenticate, is_health};
use crate::authorization::{Attributes, is_allowed};
use crate::health::Health;
use crate::request::{RequestInfo, ResourceInfo};
use crate::respond::{self, Body, Layout};
use crate::status::{Status, quote};
use crate::version::VersionInfo;
use aws_lc_rs::digest::{SHA256, digest};
use base::KubernetesRelease;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

/// The longest audit id that is taken over from a client; upstream's limit.
const LONGEST_AUDIT_ID: usize = 64;

/// Everything that answering takes, one per cluster.
pub struct Chain {
    access: AnonymousAccess,
    version: VersionInfo,
    /// The server's checks.
    pub health: Health,
    probes: Flow,
    everything_else: Flow,
}

/// The ids of a flow schema and of its priority level, as answers carry them.
struct Flow {
    schema: HeaderValue,
    level: HeaderValue,
}

/// An answer before its common headers, and the flow it ran in. A refused credential never gets as far as to run in
/// one.
struct Outcome<'a> {
    response: Response<Body>,
    flow: Option<&'a Flow>,
}

impl Chain {
    /// The chain of a cluster of `release`; `uid` is what no other cluster has.
    pub fn new(release: &KubernetesRelease, uid: &str, health: Health) -> Self {
        Self {
            access: AnonymousAccess::of(release.version),
            version: VersionInfo::of(release),
            health,
            probes: Flow::new(uid, "probes", "exempt"),
            everything_else: Flow::new(uid, "global-default", "global-default"),
        }
    }

    /// Answers `request`, which came over a connection on which the client showed a certificate or not.
    pub fn answer<B>(&self, request: &Request<B>, client_certificate: bool) -> Response<Body> {
        let audit_id = audit_id(request.headers());
        let outcome = self.outcome(request, client_certificate);
        let mut response = outcome.response;
        if let Some(flow) = outcome.flow {
            response.headers_mut().insert(respond::FLOW_SCHEMA, flow.schema.clone());
            response.headers_mut().insert(respond::PRIORITY_LEVEL, flow.level.clone());
        }
        tracing::debug!(
            audit_id = audit_id.to_str().unwrap_or_default(),
            method = %request.method(),
            path = request.uri().path(),
            code = response.status().as_u16(),
            "answered"
        );
        respond::common_headers(&mut response, audit_id);
        if request.method() == Method::HEAD { respond::without_body(response) } else { response }
    }

    fn outcome<B>(&self, request: &Request<B>, client_certificate: bool) -> Outcome<'_> {
        let query = request.uri().query().unwrap_or_default();
        let layout = Layout::wanted(query, request.headers());
        let Ok(info) = RequestInfo::parse(request.method(), request.uri().path(), query) else {
            return Outcome { response: respond::text(StatusCode::BAD_REQUEST, "400 Bad Request"), flow: None };
        };
        let Ok(user) = authenticate(self.access, &info, request.headers(), client_certificate) else {
            return Outcome { response: respond::failure(layout, &Status::unauthorized()), flow: None };
        };
        let flow = Some(if is_health(&info.path) { &self.probes } else { &self.everything_else });
        if let Some(response) = refuse_impersonation(&user, &info, request.headers(), layout) {
            return Outcome { response, flow };
        }
        let attributes = Attributes::new(&user, &info);
        let response = if is_allowed(&attributes) {
            self.serve(&info, query, layout)
        } else {
            respond::failure(layout, &Status::forbidden(&attributes))
        };
        Outcome { response, flow }
    }

    fn serve(&self, info: &RequestInfo, query: &str, layout: Layout) -> Response<Body> {
        match info.path.as_str() {
            "/version" | "/version/" if info.verb == "get" => {
                // Always for people, whatever the client is.
                respond::json(StatusCode::OK, Layout::Indented, &self.version)
            }
            "/version" | "/version/" => respond::failure(layout, &Status::method_not_allowed()),
            path => match self.health.report(path, query) {
                Some(report) => respond::report(report),
                None => respond::text(StatusCode::NOT_FOUND, "404 page not found\n"),
            },
        }
    }
}

impl Flow {
    fn new(uid: &str, schema: &str, level: &str) -> Self {
        Self { schema: object_uid(uid, "flowschemas", schema), level: object_uid(uid, "prioritylevels", level) }
    }
}

/// The uid of an object that a cluster has from its birth: the same for as long as the cluster lives.
fn object_uid(cluster: &str, resource: &str, name: &str) -> HeaderValue {
    let hash = digest(&SHA256, format!("{cluster}/{resource}/{name}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
    let hex = base::hex(&bytes);
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    HeaderValue::from_str(&uuid).unwrap_or(HeaderValue::from_static(""))
}

/// The client's own id where it is fit to be sent back, else a new one.
fn audit_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(respond::AUDIT_ID) {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_AUDIT_ID => id.clone(),
        _ => HeaderValue::from_str(&base::random_uuid()).unwrap_or(HeaderValue::from_static("")),
    }
}

/// Nobody may act as someone else yet, and an attempt must not pass as the asker's own request.
fn refuse_impersonation(
    user: &User,
    info: &RequestInfo,
    headers: &HeaderMap,
    layout: Layout,
) -> Option<Response<Body>> {
    let Some(name) = headers.get("impersonate-user") else {
        let other = headers.keys().any(|name| name.as_str().starts_with("impersonate-"));
        let message = format!("Internal Server Error: {}: requested without impersonating a user\n", quote(&info.path));
        return other.then(|| respond::text(StatusCode::INTERNAL_SERVER_ERROR, message));
    };
    let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
    let mut resource = ResourceInfo { resource: "users".to_owned(), name, ..ResourceInfo::default() };
    if let Some((namespace, account)) =
        resource.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
    {
        (resource.namespace, resource.name) = (namespace.to_owned(), account.to_owned());
        resource.resource = "serviceaccounts".to_owned();
    }
    let attributes = Attributes { user, verb: "impersonate", path: "", resource: Some(&resource) };
    Some(respond::failure(layout, &Status::forbidden(&attributes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::KubernetesVersion;
    use http_body_util::BodyExt;

    fn chain(minor: u8) -> Chain {
        Chain::new(KubernetesVersion::new(minor).release().unwrap(), "cluster", Health::new(Vec::new()))
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn get(target: &str) -> hyper::http::request::Builder {
        Request::get(target)
    }

    #[tokio::test]
    async fn impersonation_is_refused_by_name() {
        let request = get("/version").header("impersonate-user", "alice").body(()).unwrap();
        let text_of_user = text(chain(24).answer(&request, false)).await;
        let want = r#"users \"alice\" is forbidden: User \"system:anonymous\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"#;
        assert!(text_of_user.contains(want), "{text_of_user}");
        let request = get("/version").header("impersonate-user", "system:serviceaccount:a:b").body(()).unwrap();
        let text_of_account = text(chain(24).answer(&request, false)).await;
        assert!(
            text_of_account.contains(r#"\"serviceaccounts\" in API group \"\" in the namespace \"a\""#),
            "{text_of_account}"
        );
        let request = get("/version").header("impersonate-group", "x").body(()).unwrap();
        assert_eq!(chain(24).answer(&request, false).status(), 500);
    }

    #[tokio::test]
    async fn head_has_the_headers_of_a_body_that_it_has_not() {
        let whole = chain(24).answer(&Request::get("/x").body(()).unwrap(), false);
        let head = chain(24).answer(&Request::head("/x").body(()).unwrap(), false);
        let (whole, length) = (text(whole).await, head.headers()["content-length"].to_str().unwrap().to_owned());
        // "head" is one letter longer than "get".
        assert_eq!(length, (whole.len() + 1).to_string());
        assert_eq!((head.status().as_u16(), text(head).await), (403, String::new()));
    }

    #[test]
    fn uids_are_the_clusters_own_and_stay() {
        let uid = |cluster| object_uid(cluster, "flowschemas", "probes");
        assert_eq!(uid("a"), uid("a"));
        assert_ne!(uid("a"), uid("b"));
        let answer = |target: &str| chain(32).answer(&get(target).body(()).unwrap(), false);
        assert!(answer("/healthz").headers().contains_key(respond::FLOW_SCHEMA));
        assert!(!answer("/version").headers().contains_key(respond::FLOW_SCHEMA));
    }

    #[test]
    fn a_clients_audit_id_is_kept_if_it_is_fit() {
        let id = |sent: &str| {
            let request = get("/healthz").header("audit-id", sent).body(()).unwrap();
            chain(24).answer(&request, false).headers()[respond::AUDIT_ID].to_str().unwrap().to_owned()
        };
        assert_eq!(id("mine"), "mine");
        assert_eq!((id("").len(), id(&"x".repeat(65)).len()), (36, 36));
    }

    #[tokio::test]
    async fn an_unknown_check_and_a_broken_path_are_told() {
        let answer = chain(32).answer(&get("/readyz/nope").body(()).unwrap(), false);
        assert_eq!((answer.status().as_u16(), text(answer).await.as_str()), (404, "404 page not found\n"));
        assert_eq!(chain(24).answer(&get("/%zz").body(()).unwrap(), false).status(), 400);
    }
}
