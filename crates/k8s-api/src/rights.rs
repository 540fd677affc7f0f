//! Who may do what, kept current: the authorizer follows roles, bindings and what kubelets' rights come from.

use k8s_authz::{Attributes, Authorizer, ClusterAuthorizer, Decision};
use k8s_registry::{Registry, Stored, keys};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;
use store::{Event, KeyRange, StoreError};
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
    following: JoinHandle<()>,
}

impl Drop for Rights {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// A resource that is followed.
struct Source {
    prefix: String,
    api_version: String,
    kind: String,
}

impl Rights {
    /// Reads the rights of a cluster, and follows them from then on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn follow(registry: &Arc<Registry>, authorizer: SharedAuthorizer) -> Result<Self, StoreError> {
        let sources: Vec<Source> =
            SOURCES.iter().filter_map(|(group, plural)| source(registry, group, plural)).collect();
        let revision = fill(registry, &sources, &authorizer)?;
        let following = tokio::spawn(follow(Arc::downgrade(registry), sources, authorizer.clone(), revision));
        Ok(Self { authorizer, following })
    }
}

fn source(registry: &Registry, group: &str, plural: &str) -> Option<Source> {
    let endpoint = registry.catalog().any_version(group, plural)?;
    Some(Source {
        prefix: endpoint.prefix.clone(),
        api_version: endpoint.api_version.clone(),
        kind: endpoint.resource().kind.to_string(),
    })
}

/// Reads everything anew. Returns the revision that was read.
fn fill(registry: &Registry, sources: &[Source], authorizer: &SharedAuthorizer) -> Result<u64, StoreError> {
    let minor = u32::from(registry.catalog().release().minor());
    let mut fresh = ClusterAuthorizer::new(minor);
    let revision = registry.revision();
    for source in sources {
        let found = registry.store().range(&KeyRange::prefix(source.prefix.clone()), Some(revision), 0)?;
        for kv in found.kvs {
            fresh.put(&Stored::from(kv).object(&source.api_version, &source.kind));
        }
    }
    let mut current = authorizer.write();
    fresh.policies = std::mem::take(&mut current.policies);
    *current = fresh;
    Ok(revision)
}

async fn follow(registry: Weak<Registry>, sources: Vec<Source>, authorizer: SharedAuthorizer, mut revision: u64) {
    loop {
        let Some(strong) = registry.upgrade() else { return };
        let watch = strong.store().watch(KeyRange::prefix(keys::ROOT), Some(revision + 1));
        drop(strong);
        if let Ok(mut watch) = watch {
            while let Some(Ok(events)) = watch.events.recv().await {
                for event in &events {
                    revision = event.revision();
                    take(&sources, &authorizer, event);
                }
            }
        }
        // Cut off for being slow, or forgotten: everything is read anew.
        let Some(strong) = registry.upgrade() else { return };
        match fill(&strong, &sources, &authorizer) {
            Ok(read) => revision = read,
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "rights can't be read"),
        }
        drop(strong);
        tokio::time::sleep(PAUSE).await;
    }
}

fn take(sources: &[Source], authorizer: &SharedAuthorizer, event: &Event) {
    let Some(source) = sources.iter().find(|it| event.key().starts_with(it.prefix.as_bytes())) else { return };
    let mut authorizer = authorizer.write();
    match event {
        Event::Put { kv, .. } => {
            authorizer.put(&Stored::from(kv.clone()).object(&source.api_version, &source.kind));
        }
        Event::Delete { key, .. } => {
            if let Some((namespace, name)) = keys::parts(&source.prefix, key) {
                authorizer.remove(&source.kind, namespace, name);
            }
        }
    }
}
