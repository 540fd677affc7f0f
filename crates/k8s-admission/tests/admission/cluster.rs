//! A registry with the plugins, in a directory of its own.

use k8s_authz::{Attributes, Authorizer, Decision};
use k8s_registry::admission::{Admission, Asker};
use k8s_registry::write::Patch;
use k8s_registry::{Catalog, DeleteOptions, Options, Registry, RegistryConfig, Target, Validation};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Embedded, Store};
use tempfile::TempDir;

pub struct Cluster {
    pub registry: Arc<Registry>,
    minor: u8,
    _home: TempDir,
}

/// Lets approve and sign whoever is an admin.
struct Admins;

impl Authorizer for Admins {
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.name == "admin" { Decision::allow() } else { Decision::no_opinion("") }
    }
}

impl Cluster {
    /// A cluster with the objects that a server brings along.
    pub async fn new(minor: u8) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(home.path()).unwrap());
        let catalog = Arc::new(Catalog::load(minor).unwrap());
        let services = "10.100.0.0/16".parse().unwrap();
        let admission = k8s_admission::plugins(minor, Arc::new(Admins));
        let registry = Registry::new(RegistryConfig { catalog, store, services, admission });
        let cluster = Self { registry, minor, _home: home };
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            cluster.post("v1", "Namespace", "/api/v1/namespaces", json!({"metadata": {"name": name}})).await.unwrap();
        }
        for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
            let body = json!({"metadata": {"name": name}, "value": value});
            let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
            cluster.post("scheduling.k8s.io/v1", "PriorityClass", path, body).await.unwrap();
        }
        cluster
    }

    /// Creates an object as an admin.
    pub async fn post(&self, api_version: &str, kind: &str, path: &str, mut body: Value) -> Answer {
        body["apiVersion"] = Value::from(api_version);
        body["kind"] = Value::from(kind);
        self.ask("POST", path, body, &Who::admin()).await.unwrap()
    }

    /// Sends a request; `None` for what the registry does not answer by itself.
    pub async fn ask(&self, method: &str, path: &str, body: Value, who: &Who) -> Option<Answer> {
        let place = Place::parse(path)?;
        let registry = &self.registry;
        let endpoint = registry.catalog().endpoint(&place.group, &place.version, &place.plural)?.clone();
        let mut options = options(who);
        options.dry_run = place.dry_run;
        let target = Target {
            endpoint: &endpoint,
            subresource: &place.subresource,
            namespace: &place.namespace,
            name: &place.name,
        };
        let decode = |body: &Value| endpoint.decode(body.to_string().as_bytes()).unwrap().value;
        Some(match method {
            "POST" if place.subresource == "binding" => {
                registry.bind(target, &body, options).await.map(|()| Value::Null)
            }
            "POST" => registry.create(target, decode(&body), options).await.map(|it| it.object),
            "PUT" => registry.update(target, decode(&body), options).await.map(|it| it.object),
            "PATCH" => registry.patch(target, Patch::Merge(body), options).await.map(|it| it.object),
            "DELETE" if !place.name.is_empty() => {
                registry.delete(target, &DeleteOptions::default(), options).await.map(|it| it.object)
            }
            "GET" if !place.name.is_empty() => registry.object(&endpoint, &place.namespace, &place.name),
            _ => return None,
        })
    }

    pub fn plugins(&self) -> Vec<Box<dyn Admission>> {
        k8s_admission::plugins(self.minor, Arc::new(Admins))
    }
}

/// What a request came to: the object, or a refusal.
pub type Answer = Result<Value, Box<Status>>;

/// A request's path, taken apart.
pub struct Place {
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub plural: String,
    pub name: String,
    pub subresource: String,
    pub dry_run: bool,
}

impl Place {
    pub fn parse(path: &str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (group, version) = if parts.first() == Some(&"api") {
            (String::new(), parts.drain(..2).nth(1)?.to_owned())
        } else {
            let head: Vec<&str> = parts.drain(..3).collect();
            (head[1].to_owned(), head[2].to_owned())
        };
        let mut namespace = "";
        if parts.first() == Some(&"namespaces") && parts.len() > 2 && parts[2] != "finalize" {
            namespace = parts[1];
            parts.drain(..2);
        }
        let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
        Some(Self {
            group,
            version,
            namespace: namespace.to_owned(),
            plural: part(0),
            name: part(1),
            subresource: part(2),
            dry_run: query == "dryRun=All",
        })
    }
}

/// Who asks.
pub struct Who {
    pub name: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl Who {
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), groups, extra: BTreeMap::new() }
    }

    pub fn admin() -> Self {
        Self::new("admin", &["system:masters", "system:authenticated"])
    }

    /// Whom a step names.
    pub fn of(user: &Value) -> Self {
        let Some(name) = user["user"].as_str() else { return Self::admin() };
        let groups: Vec<&str> = user["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Self::new(name, &groups)
    }

    pub fn asker(&self) -> Asker<'_> {
        Asker { name: &self.name, uid: &self.name, groups: &self.groups, extra: &self.extra }
    }
}

pub fn options(who: &Who) -> Options<'_> {
    Options {
        manager: "golden",
        dry_run: false,
        validation: Validation::Warn,
        now: jiff::Timestamp::now(),
        asker: who.asker(),
    }
}
