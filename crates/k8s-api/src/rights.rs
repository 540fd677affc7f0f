//! Who may do what, kept current: the authorizer follows roles, bindings and what kubelets' rights come from.

use k8s_authz::{Attributes, Authorizer, ClusterAuthorizer, Decision};
use k8s_registry::{Endpoint, Registry, Stored, keys};
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;
use store::{Event, KeyRange, KeyValue, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The resources that rights come from.
const SOURCES: &[(&str, &str)] = &[
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("", "pods"),
    ("", "persistentvolumes"),
    ("storage.k8s.io", "volumeattachments"),
    ("resource.k8s.io", "resourceclaims"),
];

/// How long to wait before following starts again that was cut off.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the answer to a write waits for the rights that come from it. Following takes microseconds; a follower that
/// has to read everything anew must not hold up writes for as long as that takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// A cluster's authorizer, which many ask and few change. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedAuthorizer(Arc<RwLock<ClusterAuthorizer>>);

impl SharedAuthorizer {
    /// One that knows no objects yet, of a Kubernetes minor.
    pub fn new(minor: u8) -> Self {
        Self(Arc::new(RwLock::new(ClusterAuthorizer::new(u32::from(minor)))))
    }

    /// To ask. A writer that panicked left whole values behind, so its lock is still good.
    pub fn read(&self) -> RwLockReadGuard<'_, ClusterAuthorizer> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what EKS grants a principal beside roles.
    pub fn set_policies(&self, principal: &str, policies: &[(&str, k8s_authz::eks::Scope)]) {
        self.write().policies.set(principal, policies);
    }

    fn write(&self) -> RwLockWriteGuard<'_, ClusterAuthorizer> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authorizer for SharedAuthorizer {
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        self.read().decide(attributes)
    }
}

/// An authorizer that is kept current until this is dropped.
pub struct Rights {
    /// The authorizer.
    pub authorizer: SharedAuthorizer,
    /// What rights come from.
    sources: Vec<Arc<Endpoint>>,
    /// The revision that has been followed to.
    reached: watch::Receiver<u64>,
    following: JoinHandle<()>,
}

impl Drop for Rights {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Rights {
    /// Reads the rights of a cluster, and follows them from then on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn follow(registry: &Arc<Registry>, authorizer: SharedAuthorizer) -> Result<Self, StoreError> {
        let source = |(group, plural): &(&str, &str)| registry.catalog().any_version(group, plural).cloned();
        let sources: Vec<Arc<Endpoint>> = SOURCES.iter().filter_map(source).collect();
        let revision = fill(registry, &sources, &authorizer)?;
        let (reaching, reached) = watch::channel(revision);
        let follower = Follower {
            registry: Arc::downgrade(registry),
            sources: sources.clone(),
            authorizer: authorizer.clone(),
            reached: reaching,
        };
        let following = tokio::spawn(follower.run());
        Ok(Self { authorizer, sources, reached, following })
    }

    /// Waits until what was written to an endpoint counts: who is told that a role was written may use it at once.
    /// Returns at once for a resource that no rights come from.
    pub async fn settle(&self, endpoint: &Endpoint, revision: u64) {
        if !self.sources.iter().any(|it| it.prefix == endpoint.prefix) {
            return;
        }
        let mut reached = self.reached.clone();
        if tokio::time::timeout(PATIENCE, reached.wait_for(|it| *it >= revision)).await.is_err() {
            tracing::warn!(revision, "rights are behind what is written");
        }
    }
}

/// A stored object of a resource.
fn object(source: &Endpoint, kv: KeyValue) -> Value {
    Stored::from(kv).object(&source.api_version, &source.resource().kind)
}

/// Reads everything anew. Returns the revision that was read.
fn fill(registry: &Registry, sources: &[Arc<Endpoint>], authorizer: &SharedAuthorizer) -> Result<u64, StoreError> {
    let minor = u32::from(registry.catalog().release().minor());
    let mut fresh = ClusterAuthorizer::new(minor);
    let revision = registry.revision();
    for source in sources {
        let found = registry.store().range(&KeyRange::prefix(source.prefix.clone()), Some(revision), 0)?;
        for kv in found.kvs {
            fresh.put(&object(source, kv));
        }
    }
    let mut current = authorizer.write();
    fresh.policies = std::mem::take(&mut current.policies);
    *current = fresh;
    Ok(revision)
}

/// What keeps an authorizer current.
struct Follower {
    registry: Weak<Registry>,
    sources: Vec<Arc<Endpoint>>,
    authorizer: SharedAuthorizer,
    reached: watch::Sender<u64>,
}

impl Follower {
    async fn run(self) {
        loop {
            let Some(registry) = self.registry.upgrade() else { return };
            let watch = registry.store().watch(KeyRange::prefix(keys::ROOT), Some(*self.reached.borrow() + 1));
            drop(registry);
            if let Ok(mut watch) = watch {
                while let Some(Ok(events)) = watch.events.recv().await {
                    events.iter().for_each(|event| self.take(event));
                    if let Some(last) = events.last() {
                        self.reached.send_replace(last.revision());
                    }
                }
            }
            // Cut off for being slow, or forgotten: everything is read anew.
            let Some(registry) = self.registry.upgrade() else { return };
            match fill(&registry, &self.sources, &self.authorizer) {
                Ok(read) => drop(self.reached.send_replace(read)),
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "rights can't be read"),
            }
            drop(registry);
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn take(&self, event: &Event) {
        let Some(source) = self.sources.iter().find(|it| event.key().starts_with(it.prefix.as_bytes())) else { return };
        let mut authorizer = self.authorizer.write();
        match event {
            Event::Put { kv, .. } => {
                authorizer.put(&object(source, kv.clone()));
            }
            Event::Delete { key, .. } => {
                if let Some((namespace, name)) = keys::parts(&source.prefix, key) {
                    authorizer.remove(&source.resource().kind, namespace, name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_authz::User;
    use k8s_registry::{Catalog, RegistryConfig};
    use serde_json::json;
    use store::{Op, Txn};

    #[tokio::test]
    async fn what_was_written_counts_once_it_is_settled() {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::new(RegistryConfig {
            catalog: Arc::new(Catalog::load(34).unwrap()),
            store: Arc::new(store::Embedded::open(data.path()).unwrap()),
            services: "10.100.0.0/16".parse().unwrap(),
            admission: Vec::new(),
        });
        let rights = Rights::follow(&registry, SharedAuthorizer::new(34)).unwrap();
        let endpoint = |plural| registry.catalog().any_version("rbac.authorization.k8s.io", plural).unwrap().clone();
        let (roles, bindings) = (endpoint("clusterroles"), endpoint("clusterrolebindings"));
        let user = User { name: "alice".to_owned(), ..User::default() };
        for round in 0..50 {
            let name = format!("r{round}");
            let role = json!({"metadata": {"name": name}, "rules": [{"verbs": [name], "apiGroups": [""], "resources": ["pods"]}]});
            let binding = json!({"metadata": {"name": name}, "subjects": [{"kind": "User", "name": "alice"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}});
            for (endpoint, object) in [(&roles, role), (&bindings, binding)] {
                let put = Op::Put(keys::object(&endpoint.prefix, "", &name), object.to_string().into());
                let txn = Txn { compares: Vec::new(), success: vec![put], failure: Vec::new() };
                let done = registry.store().txn(txn).await.unwrap();
                rights.settle(endpoint, done.revision).await;
            }
            let attributes = Attributes::resource(&user, &name, "", "pods");
            assert!(rights.authorizer.decide(&attributes).allowed, "round {round}");
        }
    }
}
