//! A cluster of its own for each test.

use jiff::Timestamp;
use k8s_controllers::{Config, Controllers};
use k8s_registry::write::Patch;
use k8s_registry::{
    Asker, Catalog, DeleteOptions, Done, Options, Propagation, Registry, RegistryConfig, Target, Validation,
};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use store::{Embedded, KeyRange};
use tempfile::TempDir;

/// How long something may take that should happen at once.
pub const SOON: Duration = Duration::from_secs(10);
/// The certificates of every cluster here.
pub const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n";

pub struct Cluster {
    pub registry: Arc<Registry>,
    controllers: Option<Controllers>,
    pub config: Config,
    home: TempDir,
    minor: u8,
}

pub fn catalog(minor: u8) -> Arc<Catalog> {
    static CATALOGS: OnceLock<Mutex<HashMap<u8, Arc<Catalog>>>> = OnceLock::new();
    let mut catalogs = CATALOGS.get_or_init(Mutex::default).lock().unwrap();
    catalogs.entry(minor).or_insert_with(|| Arc::new(Catalog::load(minor).unwrap())).clone()
}

fn open(home: &Path, minor: u8) -> Arc<Registry> {
    let options = store::embedded::Options { retain: store::embedded::Retain::Events(100_000), ..Default::default() };
    let store = Arc::new(Embedded::open_with(home, options).unwrap());
    let services = "10.100.0.0/16".parse().unwrap();
    Registry::new(RegistryConfig { catalog: catalog(minor), store, services, admission: Vec::new() })
}

pub fn options(manager: &str) -> Options<'_> {
    Options { manager, dry_run: false, validation: Validation::Strict, now: Timestamp::now(), asker: Asker::server() }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Cluster {
    /// A cluster with namespace `a`, and with controllers.
    pub async fn start(minor: u8) -> Self {
        let mut cluster = Self::idle(minor).await;
        cluster.go();
        cluster
    }

    /// A cluster with namespace `a`, whose controllers do not run yet.
    pub async fn idle(minor: u8) -> Self {
        let cluster = Self::bare(minor);
        cluster.namespace("a").await;
        cluster
    }

    /// A cluster without anything, whose controllers do not run yet.
    pub fn bare(minor: u8) -> Self {
        let home = tempfile::tempdir().unwrap();
        let tokens = |it: &k8s_controllers::TokenFor<'_>| Some(format!("token of {}/{}", it.namespace, it.account));
        let config = Config::new(ROOT_CA, Arc::new(tokens));
        Self { registry: open(home.path(), minor), controllers: None, config, home, minor }
    }

    /// The keys that were written after a revision and are still there.
    pub fn changes_after(&self, revision: u64) -> Vec<String> {
        let all = self.registry.store().range(&KeyRange::all(), None, 0).unwrap().kvs;
        let new = all.into_iter().filter(|it| it.mod_revision > revision);
        new.map(|it| String::from_utf8_lossy(&it.key).into_owned()).collect()
    }

    pub fn go(&mut self) {
        self.controllers = Some(Controllers::start(self.registry.clone(), self.config.clone()));
    }

    pub fn halt(&mut self) {
        self.controllers = None;
    }

    /// Ends everything, and opens the store anew.
    pub async fn restart(mut self) -> Self {
        self.halt();
        let Self { registry, config, home, minor, .. } = self;
        // The controllers' task lets go of it when it is next looked at.
        while Arc::strong_count(&registry) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(registry);
        Self { registry: open(home.path(), minor), controllers: None, config, home, minor }
    }

    pub async fn namespace(&self, name: &str) -> Value {
        self.create("", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await
    }

    pub async fn create(&self, namespace: &str, object: Value) -> Value {
        self.try_create(namespace, object).await.unwrap().object
    }

    pub async fn try_create(&self, namespace: &str, object: Value) -> Result<Done, Box<Status>> {
        let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let endpoint = self.registry.catalog().endpoint_of_kind(api_version, kind).unwrap().clone();
        let target = Target { endpoint: &endpoint, subresource: "", namespace, name: "" };
        self.registry.create(target, object, options("client")).await
    }

    pub async fn config_map(&self, namespace: &str, name: &str, owners: &[Value]) -> Value {
        let metadata = json!({"name": name, "ownerReferences": owners});
        self.create(namespace, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).await
    }

    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let group = self.group(plural);
        self.registry.peek(&group, plural, namespace, name)
    }

    pub fn list(&self, plural: &str, namespace: &str) -> Vec<Value> {
        self.registry.peek_all(&self.group(plural), plural, namespace)
    }

    fn group(&self, plural: &str) -> String {
        let endpoints = self.registry.catalog().endpoints();
        endpoints.iter().find(|it| &*it.resource().plural == plural).unwrap().resource().group.to_string()
    }

    pub async fn delete(&self, plural: &str, namespace: &str, name: &str, propagation: Option<Propagation>) {
        self.try_delete(plural, namespace, name, propagation).await.unwrap();
    }

    pub async fn try_delete(
        &self,
        plural: &str,
        namespace: &str,
        name: &str,
        propagation: Option<Propagation>,
    ) -> Result<Done, Box<Status>> {
        let endpoint = self.registry.catalog().any_version(&self.group(plural), plural).unwrap();
        let target = Target { endpoint, subresource: "", namespace, name };
        let delete = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.registry.delete(target, &delete, options("client")).await
    }

    pub async fn merge(&self, plural: &str, namespace: &str, name: &str, patch: Value) {
        let endpoint = self.registry.catalog().any_version(&self.group(plural), plural).unwrap();
        let target = Target { endpoint, subresource: "", namespace, name };
        self.registry.patch(target, Patch::Merge(patch), options("client")).await.unwrap();
    }

    /// Waits until nothing has been written for a while.
    pub async fn quiet(&self) {
        let mut last = (self.registry.revision(), Instant::now());
        while last.1.elapsed() < Duration::from_millis(150) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.registry.revision() != last.0 {
                last = (self.registry.revision(), Instant::now());
            }
        }
    }
}

/// A reference to an object as an owner.
pub fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    })
}

/// A reference that keeps the owner.
pub fn blocking(object: &Value) -> Value {
    let mut reference = owner(object);
    reference["blockOwnerDeletion"] = json!(true);
    reference
}
