//! Flow schemas: which requests belong to which priority level, and which of them are one flow.

use crate::request::RequestInfo;
use k8s_authz::User;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Stands for everything in a list of a rule.
const ALL: &str = "*";
/// What a user name of a service account begins with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// A FlowSchema, as far as it classifies.
#[derive(Debug)]
pub struct Schema {
    /// The object's name.
    pub name: String,
    /// The object's uid; empty for one that is built in.
    pub uid: String,
    /// The name of the priority level.
    pub level: String,
    /// The lower, the earlier it is asked.
    pub precedence: i64,
    distinguisher: Distinguisher,
    rules: Vec<Rule>,
}

/// What tells the flows of a schema apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distinguisher {
    Nothing,
    User,
    Namespace,
}

/// Requests of any of the subjects for any of the targets.
#[derive(Debug)]
struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

#[derive(Debug)]
enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

#[derive(Debug)]
struct ResourceRule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    cluster_scope: bool,
}

#[derive(Debug)]
struct PathRule {
    verbs: Vec<String>,
    paths: Vec<String>,
}

fn text(value: &Value, at: &str) -> String {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn each<T>(value: &Value, at: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    value.pointer(at).and_then(Value::as_array).into_iter().flatten().filter_map(read).collect()
}

fn texts(value: &Value, at: &str) -> Vec<String> {
    each(value, at, |it| it.as_str().map(str::to_owned))
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|it| it == ALL || it == item)
}

impl Schema {
    /// Reads an object of any version of the API.
    pub fn read(object: &Value) -> Self {
        let distinguisher = match object.pointer("/spec/distinguisherMethod/type").and_then(Value::as_str) {
            Some("ByUser") => Distinguisher::User,
            Some("ByNamespace") => Distinguisher::Namespace,
            _ => Distinguisher::Nothing,
        };
        Self {
            name: text(object, "/metadata/name"),
            uid: text(object, "/metadata/uid"),
            level: text(object, "/spec/priorityLevelConfiguration/name"),
            precedence: object.pointer("/spec/matchingPrecedence").and_then(Value::as_i64).unwrap_or(i64::MAX),
            distinguisher,
            rules: each(object, "/spec/rules", |it| Some(Rule::read(it))),
        }
    }

    /// Whether a request belongs here.
    pub fn matches(&self, user: &User, info: &RequestInfo) -> bool {
        self.rules.iter().any(|it| it.matches(user, info))
    }

    /// Tells the flow of a request that belongs here: the same for all of a flow.
    pub fn flow(&self, user: &User, info: &RequestInfo) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.name.hash(&mut hasher);
        match self.distinguisher {
            Distinguisher::Nothing => {}
            Distinguisher::User => user.name.hash(&mut hasher),
            Distinguisher::Namespace => info.resource.as_ref().map(|it| &it.namespace).hash(&mut hasher),
        }
        hasher.finish()
    }
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Self {
            subjects: each(rule, "/subjects", Subject::read),
            resources: each(rule, "/resourceRules", |it| Some(ResourceRule::read(it))),
            paths: each(rule, "/nonResourceRules", |it| {
                Some(PathRule { verbs: texts(it, "/verbs"), paths: texts(it, "/nonResourceURLs") })
            }),
        }
    }

    fn matches(&self, user: &User, info: &RequestInfo) -> bool {
        self.subjects.iter().any(|it| it.is(user))
            && match &info.resource {
                Some(_) => self.resources.iter().any(|it| it.matches(info)),
                None => self.paths.iter().any(|it| it.matches(info)),
            }
    }
}

impl Subject {
    fn read(subject: &Value) -> Option<Self> {
        match subject.get("kind")?.as_str()? {
            "User" => Some(Self::User(text(subject, "/user/name"))),
            "Group" => Some(Self::Group(text(subject, "/group/name"))),
            "ServiceAccount" => Some(Self::ServiceAccount {
                namespace: text(subject, "/serviceAccount/namespace"),
                name: text(subject, "/serviceAccount/name"),
            }),
            _ => None,
        }
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) => name == ALL || *name == user.name,
            Self::Group(name) => name == ALL || user.is_in(name),
            Self::ServiceAccount { namespace, name } => {
                let account = user.name.strip_prefix(SERVICE_ACCOUNT).and_then(|it| it.split_once(':'));
                account.is_some_and(|it| it.0 == namespace && (name == ALL || it.1 == name))
            }
        }
    }
}

impl ResourceRule {
    fn read(rule: &Value) -> Self {
        Self {
            verbs: texts(rule, "/verbs"),
            groups: texts(rule, "/apiGroups"),
            resources: texts(rule, "/resources"),
            namespaces: texts(rule, "/namespaces"),
            cluster_scope: rule.get("clusterScope").and_then(Value::as_bool).unwrap_or_default(),
        }
    }

    fn matches(&self, info: &RequestInfo) -> bool {
        let Some(asked) = &info.resource else { return false };
        let in_scope =
            if asked.namespace.is_empty() { self.cluster_scope } else { has(&self.namespaces, &asked.namespace) };
        in_scope
            && has(&self.verbs, &info.verb)
            && has(&self.groups, &asked.group)
            && self.resources.iter().any(|it| names(it, &asked.resource, &asked.subresource))
    }
}

/// Whether a rule's `pods`, `pods/log` or `*` names a resource.
fn names(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == ALL {
        return true;
    }
    match rule.split_once('/') {
        Some((of, sub)) => of == resource && sub == subresource,
        None => subresource.is_empty() && rule == resource,
    }
}

impl PathRule {
    fn matches(&self, info: &RequestInfo) -> bool {
        let covers = |rule: &String| {
            rule == ALL
                || *rule == info.path
                || rule.strip_suffix(ALL).is_some_and(|it| it.ends_with('/') && info.path.starts_with(it))
        };
        has(&self.verbs, &info.verb) && self.paths.iter().any(covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;
    use serde_json::json;

    fn user(name: &str, groups: &[&str]) -> User {
        User { name: name.to_owned(), groups: groups.iter().map(|it| (*it).to_owned()).collect(), ..User::default() }
    }

    fn info(target: &str) -> RequestInfo {
        RequestInfo::parse(&Method::GET, target, "").unwrap()
    }

    fn schema(distinguisher: &str, rule: Value) -> Schema {
        let method = json!({"type": distinguisher});
        Schema::read(&json!({"metadata": {"name": "s"}, "spec": {"distinguisherMethod": method, "rules": [rule]}}))
    }

    #[test]
    fn subjects_are_users_groups_and_service_accounts() {
        let matches = |subject: Value, user: &User| {
            let paths = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
            schema("", json!({"subjects": [subject], "nonResourceRules": paths})).matches(user, &info("/version"))
        };
        let eve = user("eve", &["g"]);
        assert!(matches(json!({"kind": "User", "user": {"name": "eve"}}), &eve));
        assert!(matches(json!({"kind": "User", "user": {"name": "*"}}), &eve));
        assert!(!matches(json!({"kind": "User", "user": {"name": "adam"}}), &eve));
        assert!(matches(json!({"kind": "Group", "group": {"name": "g"}}), &eve));
        assert!(!matches(json!({"kind": "Group", "group": {"name": "h"}}), &eve));
        let account =
            |name: &str| json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": name}});
        assert!(matches(account("x"), &user("system:serviceaccount:a:x", &[])));
        assert!(matches(account("*"), &user("system:serviceaccount:a:y", &[])));
        assert!(!matches(account("x"), &user("system:serviceaccount:b:x", &[])));
        assert!(!matches(account("*"), &eve));
    }

    #[test]
    fn rules_name_resources_with_their_scope_and_paths() {
        let everyone = json!([{"kind": "User", "user": {"name": "*"}}]);
        let resource = |resources: &[&str], namespaces: &[&str], cluster: bool| {
            let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": resources,
                "namespaces": namespaces, "clusterScope": cluster});
            schema("", json!({"subjects": everyone, "resourceRules": [rule]}))
        };
        let eve = user("eve", &[]);
        let matches = |schema: &Schema, target: &str| schema.matches(&eve, &info(target));
        let pods = resource(&["pods"], &["a"], false);
        assert!(matches(&pods, "/api/v1/namespaces/a/pods/x"));
        assert!(!matches(&pods, "/api/v1/namespaces/b/pods/x"));
        assert!(!matches(&pods, "/api/v1/namespaces/a/pods/x/log"));
        assert!(!matches(&pods, "/api/v1/nodes/n"));
        assert!(matches(&resource(&["pods/log"], &["*"], false), "/api/v1/namespaces/a/pods/x/log"));
        assert!(matches(&resource(&["*"], &[], true), "/api/v1/nodes/n/status"));
        let path = |path: &str| {
            let rule = json!({"verbs": ["get"], "nonResourceURLs": [path]});
            schema("", json!({"subjects": everyone, "nonResourceRules": [rule]}))
        };
        assert!(matches(&path("/healthz"), "/healthz"));
        assert!(!matches(&path("/healthz"), "/healthz/etcd"));
        assert!(matches(&path("/healthz/*"), "/healthz/etcd"));
        assert!(!matches(&path("*"), "/api/v1/nodes/n"));
    }

    #[test]
    fn flows_are_told_apart_by_user_or_namespace() {
        let (adam, eve) = (user("adam", &[]), user("eve", &[]));
        let (a, b) = (info("/api/v1/namespaces/a/pods"), info("/api/v1/namespaces/b/pods"));
        let by = |distinguisher| schema(distinguisher, json!({}));
        assert_eq!(by("").flow(&adam, &a), by("").flow(&eve, &b));
        assert_eq!(by("ByUser").flow(&adam, &a), by("ByUser").flow(&adam, &b));
        assert_ne!(by("ByUser").flow(&adam, &a), by("ByUser").flow(&eve, &a));
        assert_eq!(by("ByNamespace").flow(&adam, &a), by("ByNamespace").flow(&eve, &a));
        assert_ne!(by("ByNamespace").flow(&adam, &a), by("ByNamespace").flow(&adam, &b));
    }
}
