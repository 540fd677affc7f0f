//! A cluster in a directory of its own, and short ways to ask it.

use k8s_registry::read::At;
use k8s_registry::write::Patch;
use k8s_registry::{
    Asker, Catalog, DeleteOptions, Done, Endpoint, List, ListQuery, Options, Registry, RegistryConfig, Target,
    Validation,
};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use store::{Embedded, Store};
use tempfile::TempDir;

/// The minor where a test doesn't say another.
pub const MINOR: u8 = 33;
pub const SERVICES: &str = "10.100.0.0/16";

pub type Answer<T> = Result<T, Box<Status>>;

/// A catalog is made once for all tests, as it is for all clusters.
pub fn catalog(minor: u8) -> Arc<Catalog> {
    static ALL: LazyLock<Mutex<HashMap<u8, Arc<Catalog>>>> = LazyLock::new(Mutex::default);
    ALL.lock().unwrap().entry(minor).or_insert_with(|| Arc::new(Catalog::load(minor).unwrap())).clone()
}

pub fn registry(minor: u8, services: &str, store: Arc<dyn Store>) -> Arc<Registry> {
    let services = services.parse().unwrap();
    Registry::new(RegistryConfig { catalog: catalog(minor), store, services, admission: Vec::new() })
}

pub fn open(dir: &Path, options: store::Options) -> Arc<Embedded> {
    Arc::new(Embedded::open_with(dir, options).unwrap())
}

pub fn options(manager: &str) -> Options<'_> {
    Options {
        manager,
        dry_run: false,
        validation: Validation::Strict,
        now: jiff::Timestamp::now(),
        asker: Asker::server(),
    }
}

pub struct Cluster {
    pub registry: Arc<Registry>,
    pub store: Arc<Embedded>,
    _home: TempDir,
}

impl Cluster {
    pub async fn new() -> Self {
        Self::with(MINOR, SERVICES, store::Options::default()).await
    }

    /// A cluster that has the namespace `default`.
    pub async fn with(minor: u8, services: &str, options: store::Options) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = open(home.path(), options);
        let cluster = Self { registry: registry(minor, services, store.clone()), store, _home: home };
        cluster.namespace("default").await;
        cluster
    }

    pub async fn namespace(&self, name: &str) {
        self.api("v1/namespaces", "").create(json!({"metadata": {"name": name}})).await.unwrap();
    }

    pub fn api<'a>(&'a self, resource: &str, namespace: &'a str) -> Api<'a> {
        Api::of(&self.registry, resource, namespace)
    }
}

/// One resource in one namespace.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    pub registry: &'a Registry,
    pub endpoint: &'a Endpoint,
    pub namespace: &'a str,
    pub options: Options<'a>,
}

impl<'a> Api<'a> {
    /// `v1/pods`, `apps/v1/deployments`.
    pub fn of(registry: &'a Registry, resource: &str, namespace: &'a str) -> Self {
        let parts: Vec<&str> = resource.split('/').collect();
        let (group, version, plural) = match parts[..] {
            [version, plural] => ("", version, plural),
            [group, version, plural] => (group, version, plural),
            _ => panic!("{resource} names no resource"),
        };
        let endpoint = registry.catalog().endpoint(group, version, plural).unwrap();
        Self { registry, endpoint, namespace, options: options("test") }
    }

    pub fn by(self, manager: &'a str) -> Self {
        Self { options: Options { manager, ..self.options }, ..self }
    }

    pub fn dry(self) -> Self {
        Self { options: Options { dry_run: true, ..self.options }, ..self }
    }

    pub fn target<'t>(&self, name: &'t str) -> Target<'t>
    where
        'a: 't,
    {
        Target { endpoint: self.endpoint, subresource: "", namespace: self.namespace, name }
    }

    /// A body as it comes from a client.
    pub fn body(&self, mut body: Value) -> Value {
        body["apiVersion"] = json!(self.endpoint.api_version);
        body["kind"] = json!(&*self.endpoint.resource().kind);
        let decoded = self.endpoint.decode(body.to_string().as_bytes()).unwrap();
        assert!(decoded.strict.is_empty(), "{:?}", decoded.strict);
        decoded.value
    }

    pub async fn create(&self, body: Value) -> Answer<Value> {
        let body = self.body(body);
        self.registry.create(self.target(""), body, self.options).await.map(|done| done.object)
    }

    pub async fn update(&self, name: &str, body: Value) -> Answer<Done> {
        let body = self.body(body);
        self.registry.update(self.target(name), body, self.options).await
    }

    pub async fn update_status(&self, name: &str, body: Value) -> Answer<Done> {
        let body = self.body(body);
        let target = Target { subresource: "status", ..self.target(name) };
        self.registry.update(target, body, self.options).await
    }

    pub async fn patch(&self, name: &str, patch: Patch) -> Answer<Done> {
        self.registry.patch(self.target(name), patch, self.options).await
    }

    pub async fn merge(&self, name: &str, patch: Value) -> Answer<Value> {
        self.patch(name, Patch::Merge(patch)).await.map(|done| done.object)
    }

    pub async fn delete(&self, name: &str) -> Answer<Done> {
        self.delete_with(name, DeleteOptions::default()).await
    }

    pub async fn delete_with(&self, name: &str, delete: DeleteOptions) -> Answer<Done> {
        self.registry.delete(self.target(name), &delete, self.options).await
    }

    pub fn get(&self, name: &str) -> Answer<Value> {
        self.registry.object(self.endpoint, self.namespace, name)
    }

    pub fn exists(&self, name: &str) -> bool {
        self.get(name).is_ok()
    }

    pub fn list(&self, query: ListQuery<'_>) -> Answer<List> {
        self.registry.list(self.endpoint, &query)
    }

    pub fn query<'q>(&self) -> ListQuery<'q>
    where
        'a: 'q,
    {
        ListQuery { namespace: self.namespace, ..ListQuery::default() }
    }

    pub fn names_at(&self, at: At) -> Vec<String> {
        names(&self.list(ListQuery { at, ..self.query() }).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        self.names_at(At::Now)
    }
}

pub fn names(list: &List) -> Vec<String> {
    let name = |key: &[u8]| String::from_utf8_lossy(key).rsplit('/').next().unwrap().to_owned();
    list.items.iter().map(|it| name(&it.key)).collect()
}

pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

pub fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

pub fn code<T: std::fmt::Debug>(answer: Answer<T>) -> u16 {
    answer.unwrap_err().code
}

pub fn pod(name: &str, node: &str) -> Value {
    let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    if !node.is_empty() {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

/// Waits for what other tasks are about to do.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}
