//! A cluster with one object of some kinds, against which writes are tried and never kept.

use k8s_registry::{Asker, Catalog, Endpoint, Options, Registry, RegistryConfig, Target, Validation};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use store::Embedded;
use tokio::runtime::Runtime;

/// The minor of the cluster.
pub const MINOR: u8 = 34;
/// Where namespaced objects are.
const NAMESPACE: &str = "default";
/// The name of each object.
const NAME: &str = "it";

/// The cluster, and what runs its writes.
pub struct World {
    /// The cluster's objects.
    pub registry: Arc<Registry>,
    runtime: Runtime,
}

/// Made once in a process.
pub static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::load(MINOR).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = {
            let _in = runtime.enter();
            let store = Arc::new(Embedded::open_with(home.path(), store::Options::default()).unwrap());
            let services = "10.100.0.0/16".parse().unwrap();
            Registry::new(RegistryConfig { catalog, store, services, admission: Vec::new() })
        };
        let world = Self { registry, runtime };
        for (resource, body) in objects() {
            let endpoint = world.endpoint(resource).unwrap();
            let target = Target { endpoint, subresource: "", namespace: namespace(endpoint), name: "" };
            let body = endpoint.conform(body).unwrap().value;
            world.wait(world.registry.create(target, body, options("seed", false))).unwrap();
        }
        // Nothing is kept from here on, and a value that lives as long as the process would leave its folder behind.
        drop(home);
        world
    }

    /// The endpoint of a resource in its first version.
    pub fn endpoint(&self, plural: &str) -> Option<&Endpoint> {
        let mut all = self.registry.catalog().endpoints().iter();
        all.find(|it| it.resource().plural.as_ref() == plural).map(Arc::as_ref)
    }

    /// Runs to its end.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// The object of a resource.
pub fn target(endpoint: &Endpoint) -> Target<'_> {
    Target { endpoint, subresource: "", namespace: namespace(endpoint), name: NAME }
}

fn namespace(endpoint: &Endpoint) -> &'static str {
    if endpoint.resource().namespaced { NAMESPACE } else { "" }
}

/// A writer's options; the clock stands.
pub fn options(manager: &str, dry_run: bool) -> Options<'_> {
    let (validation, asker) = (Validation::Warn, Asker::server());
    Options { manager, dry_run, validation, now: jiff::Timestamp::UNIX_EPOCH, asker }
}

fn objects() -> Vec<(&'static str, Value)> {
    let container = json!({"name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "1"}], "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}}});
    let pod = json!({"containers": [container], "tolerations": [{"key": "k", "operator": "Exists"}]});
    let labels = json!({"app": "it"});
    let kinds = [
        ("namespaces", "v1", "Namespace", json!({"metadata": {"name": NAMESPACE}})),
        ("configmaps", "v1", "ConfigMap", json!({"data": {"a": "1", "b": "2"}})),
        ("pods", "v1", "Pod", json!({"spec": pod})),
        (
            "services",
            "v1",
            "Service",
            json!({"spec": {"selector": labels, "ports": [{"name": "h", "port": 80}, {"name": "s", "port": 443}]}}),
        ),
        (
            "deployments",
            "apps/v1",
            "Deployment",
            json!({"spec": {"selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod}}}),
        ),
        (
            "clusterroles",
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
    ];
    let whole = kinds.into_iter().map(|(resource, version, kind, mut body)| {
        body["apiVersion"] = json!(version);
        body["kind"] = json!(kind);
        if body.get("metadata").is_none() {
            body["metadata"] = json!({"name": NAME, "labels": {"app": "it"}, "finalizers": ["example.com/a"]});
        }
        (resource, body)
    });
    whole.collect()
}
