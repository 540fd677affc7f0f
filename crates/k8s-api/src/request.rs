//! What a request asks for, told from its method and target alone: the verb, and the resource or the path. Every later
//! step (authorization, audit, routing) reads this and not the target.

use crate::query;
use hyper::Method;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestInfo {
    /// `get`, `list`, `create`, ... for a resource, else the method in lower case. Empty for a method that no
    /// resource has.
    pub verb: String,
    /// The path, decoded.
    pub path: String,
    /// The resource, if the path names one.
    pub resource: Option<ResourceInfo>,
}

/// The resource that a path names. It need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceInfo {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version in that group.
    pub version: String,
    /// The namespace; empty at the cluster's scope.
    pub namespace: String,
    /// The resource, in plural, as `pods`.
    pub resource: String,
    /// The object's name; empty for a collection.
    pub name: String,
    /// The subresource, as `log`, or empty.
    pub subresource: String,
}

/// Third segments after a namespace's name that belong to the Namespace object and are no resource in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Old prefixes between version and resource that are verbs by themselves.
const SPECIAL_VERBS: [&str; 2] = ["proxy", "watch"];

/// The target's path has an escape that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's path is not well-formed")]
pub struct BadPath;

impl RequestInfo {
    /// Reads `method`, the raw `path` and the raw `query`.
    ///
    /// # Errors
    /// [`BadPath`] where the path can't be decoded.
    pub fn parse(method: &Method, path: &str, query: &str) -> Result<Self, BadPath> {
        let path = query::decode_path(path).ok_or(BadPath)?;
        let (verb, resource) = match resource(method, &path, query) {
            Some((verb, resource)) => (verb.to_owned(), Some(resource)),
            None => (method.as_str().to_lowercase(), None),
        };
        Ok(Self { verb, path, resource })
    }
}

fn resource(method: &Method, path: &str, query: &str) -> Option<(&'static str, ResourceInfo)> {
    let mut parts = path.trim_matches('/').split('/').collect::<Vec<_>>().into_iter();
    let grouped = match parts.next()? {
        "api" => false,
        "apis" => true,
        _ => return None,
    };
    // `/apis/GROUP/VERSION` and anything shorter is discovery, not a resource.
    if parts.len() < if grouped { 3 } else { 2 } {
        return None;
    }
    let mut info = ResourceInfo::default();
    if grouped {
        info.group = parts.next()?.to_owned();
    }
    info.version = parts.next()?.to_owned();
    let mut parts = parts.as_slice();
    let mut verb = verb(method);
    if let Some(special) = SPECIAL_VERBS.into_iter().find(|special| parts.first() == Some(special)) {
        verb = special;
        parts = parts.get(1..).filter(|rest| !rest.is_empty())?;
    }
    if let ["namespaces", namespace, rest @ ..] = parts {
        info.namespace = (*namespace).to_owned();
        if rest.first().is_some_and(|next| !NAMESPACE_SUBRESOURCES.contains(next)) {
            parts = rest;
        }
    }
    let part = |index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
    info.resource = part(0);
    info.name = part(1);
    if verb != "proxy" {
        info.subresource = part(2);
    }
    Some((settle(verb, &mut info, query), info))
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The verb of a collection, whose selector may name one object.
fn settle(verb: &'static str, info: &mut ResourceInfo, query: &str) -> &'static str {
    if !info.name.is_empty() {
        return verb;
    }
    let verb = match verb {
        "get" if is_watch(query) => "watch",
        "get" => "list",
        "delete" => "deletecollection",
        other => other,
    };
    if matches!(verb, "list" | "watch")
        && let Some(name) = query::value(query, "fieldSelector").as_deref().and_then(selected_name)
    {
        info.name = name.to_owned();
    }
    verb
}

/// Only a missing value, `false` and `0` mean no.
fn is_watch(query: &str) -> bool {
    query::value(query, "watch").is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

/// The name in a selector that is about nothing but one name which can stand in a path.
fn selected_name(selector: &str) -> Option<&str> {
    let value = selector.strip_prefix("metadata.name=")?;
    let value = value.strip_prefix('=').unwrap_or(value);
    (!value.is_empty() && !value.contains([',', '=', '\\', '/', '%']) && value != "." && value != "..").then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row: method and target, then the verb and `group/version namespace resource name subresource`, with `-` for
    /// an empty field, or the path of a request for no resource.
    #[track_caller]
    fn check(method: &str, target: &str, verb: &str, want: &str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let info = RequestInfo::parse(&method.parse().unwrap(), path, query).unwrap();
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let got = match &info.resource {
            None => info.path.clone(),
            Some(it) => [&it.group, &it.version, &it.namespace, &it.resource, &it.name, &it.subresource]
                .map(|field| or_dash(field))
                .join(" "),
        };
        assert_eq!((info.verb.as_str(), got.as_str()), (verb, want), "{method} {target}");
    }

    #[test]
    fn resources_are_told_by_their_path() {
        check("GET", "/api/v1/pods", "list", "- v1 - pods - -");
        check("GET", "/api/v1/nodes/n", "get", "- v1 - nodes n -");
        check("HEAD", "/api/v1/nodes/n", "get", "- v1 - nodes n -");
        check("GET", "/api/v1/namespaces/a/pods/x/log", "get", "- v1 a pods x log");
        check("POST", "/api/v1/namespaces/a/pods/x/exec?command=ls", "create", "- v1 a pods x exec");
        check("PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale", "update", "apps v1 a deployments d scale");
        check("PATCH", "/apis/apps/v1/namespaces/a/deployments/d", "patch", "apps v1 a deployments d -");
        check("GET", "/api/v1/nodes/n/proxy/a/b", "get", "- v1 - nodes n proxy");
        check("GET", "/api/v1/namespaces/a/services/s:80/proxy/", "get", "- v1 a services s:80 proxy");
        check("GET", "/api/v1/namespaces/a/configmaps//b", "list", "- v1 a configmaps - b");
        check("GET", "/api/v1/configmaps/%61", "get", "- v1 - configmaps a -");
    }

    #[test]
    fn a_namespace_is_a_resource_and_a_scope() {
        check("GET", "/api/v1/namespaces", "list", "- v1 - namespaces - -");
        check("GET", "/api/v1/namespaces/a", "get", "- v1 a namespaces a -");
        check("PUT", "/api/v1/namespaces/a/finalize", "update", "- v1 a namespaces a finalize");
        check("GET", "/api/v1/namespaces/a/status", "get", "- v1 a namespaces a status");
        check("GET", "/api/v1/namespaces/a/foo", "list", "- v1 a foo - -");
    }

    #[test]
    fn collections_have_verbs_of_their_own() {
        check("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "- v1 a pods - -");
        check("DELETE", "/api/v1/namespaces/a/pods/x", "delete", "- v1 a pods x -");
        for yes in ["watch=true", "watch=1", "watch", "watch=junk", "limit=x&watch=t"] {
            check("GET", &format!("/api/v1/pods?{yes}"), "watch", "- v1 - pods - -");
        }
        for no in ["watch=false", "watch=0", "watch=FALSE", "unwatch=1"] {
            check("GET", &format!("/api/v1/pods?{no}"), "list", "- v1 - pods - -");
        }
        check("GET", "/api/v1/watch/namespaces/a/pods", "watch", "- v1 a pods - -");
        check("GET", "/api/v1/proxy/nodes/n/x", "proxy", "- v1 - nodes n -");
    }

    #[test]
    fn a_selector_may_name_one_object() {
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dzed", "list", "- v1 - pods zed -");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name==zed&watch=1", "watch", "- v1 - pods zed -");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Da%2Fb", "list", "- v1 - pods - -");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Da,spec.nodeName%3Dn", "list", "- v1 - pods - -");
        check("DELETE", "/api/v1/pods?fieldSelector=metadata.name%3Dz", "deletecollection", "- v1 - pods - -");
    }

    #[test]
    fn other_paths_have_the_method_as_verb() {
        for path in
            ["/", "/version", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/apis/apps/v1/", "/x/y/z"]
        {
            check("GET", path, "get", path);
        }
        check("HEAD", "/healthz", "head", "/healthz");
        check("FOO", "/logs/a%3Cb", "foo", "/logs/a<b");
        check("FOO", "/api/v1/pods", "", "- v1 - pods - -");
        assert_eq!(RequestInfo::parse(&Method::GET, "/%zz", ""), Err(BadPath));
    }
}
