//! May they. Users do not exist yet, so the only rules are those of everybody: ClusterRole `system:public-info-viewer`.

use crate::authentication::{User, is_health};
use crate::request::{RequestInfo, ResourceInfo};
use crate::status::quote;

/// Who wants to do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a User,
    /// The verb.
    pub verb: &'a str,
    /// The path.
    pub path: &'a str,
    /// The resource, if it is about one.
    pub resource: Option<&'a ResourceInfo>,
}

impl<'a> Attributes<'a> {
    /// `user` wants what `info` says.
    pub fn new(user: &'a User, info: &'a RequestInfo) -> Self {
        Self { user, verb: &info.verb, path: &info.path, resource: info.resource.as_ref() }
    }

    /// The sentence of a refusal.
    pub fn denied(&self) -> String {
        let (user, verb) = (quote(&self.user.name), self.verb);
        let Some(it) = self.resource else {
            return format!("User {user} cannot {verb} path {}", quote(self.path));
        };
        let resource = if it.subresource.is_empty() {
            quote(&it.resource)
        } else {
            quote(&format!("{}/{}", it.resource, it.subresource))
        };
        let scope = if it.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {}", quote(&it.namespace))
        };
        format!("User {user} cannot {verb} resource {resource} in API group {} {scope}", quote(&it.group))
    }
}

/// Whether `attributes` are allowed.
pub fn is_allowed(attributes: &Attributes<'_>) -> bool {
    attributes.resource.is_none()
        && attributes.verb == "get"
        && (matches!(attributes.path, "/version" | "/version/") || is_health(attributes.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;
    use hyper::Method;

    #[track_caller]
    fn refusal(method: &str, target: &str) -> Status {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let info = RequestInfo::parse(&method.parse::<Method>().unwrap(), path, query).unwrap();
        let user = User::anonymous();
        let attributes = Attributes::new(&user, &info);
        assert!(!is_allowed(&attributes), "{method} {target}");
        Status::forbidden(&attributes)
    }

    /// One row: the request, the message with `ME` for the user, and the details as JSON.
    #[track_caller]
    fn check(method: &str, target: &str, message: &str, details: &str) {
        let status = refusal(method, target);
        assert_eq!(status.message, message.replace("ME", "\"system:anonymous\""), "{method} {target}");
        assert_eq!(serde_json::to_string(&status.details).unwrap(), details, "{method} {target}");
    }

    #[test]
    fn everybody_may_read_version_and_health() {
        let user = User::anonymous();
        for path in ["/version", "/version/", "/healthz", "/livez", "/readyz", "/readyz/ping"] {
            let info = RequestInfo::parse(&Method::GET, path, "").unwrap();
            assert!(is_allowed(&Attributes::new(&user, &info)), "{path}");
        }
    }

    #[test]
    fn paths_are_refused_by_name() {
        check("GET", "/", r#"forbidden: User ME cannot get path "/""#, "{}");
        check("POST", "/version", r#"forbidden: User ME cannot post path "/version""#, "{}");
        check("HEAD", "/healthz", r#"forbidden: User ME cannot head path "/healthz""#, "{}");
        check("GET", "/logs/a%3Cb%3E&c", r#"forbidden: User ME cannot get path "/logs/a&lt;b&gt;&amp;c""#, "{}");
    }

    #[test]
    fn resources_are_refused_by_name() {
        let pods = r#"{"kind":"pods"}"#;
        check(
            "GET",
            "/api/v1/pods",
            r#"pods is forbidden: User ME cannot list resource "pods" in API group "" at the cluster scope"#,
            pods,
        );
        check(
            "GET",
            "/api/v1/namespaces/a/pods?watch=true",
            r#"pods is forbidden: User ME cannot watch resource "pods" in API group "" in the namespace "a""#,
            pods,
        );
        check(
            "GET",
            "/api/v1/namespaces/a/pods/x/log",
            r#"pods "x" is forbidden: User ME cannot get resource "pods/log" in API group "" in the namespace "a""#,
            r#"{"name":"x","kind":"pods"}"#,
        );
        check(
            "GET",
            "/api/v1/namespaces/a",
            r#"namespaces "a" is forbidden: User ME cannot get resource "namespaces" in API group "" in the namespace "a""#,
            r#"{"name":"a","kind":"namespaces"}"#,
        );
        check(
            "PUT",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            r#"deployments.apps "d" is forbidden: User ME cannot update resource "deployments/scale" in API group "apps" in the namespace "a""#,
            r#"{"name":"d","group":"apps","kind":"deployments"}"#,
        );
    }
}
