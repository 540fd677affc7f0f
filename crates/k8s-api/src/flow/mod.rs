//! Priority and fairness: requests are classified by the cluster's flow schemas, and each priority level runs so many of
//! them at a time.
//!
//! [`schema`] says what belongs together, [`level`] who runs and who waits, [`table`] is both as of a moment. Here they
//! follow the cluster's objects.

pub mod deadline;
pub mod level;
pub mod schema;
pub mod table;

use crate::request::RequestInfo;
use k8s_authz::User;
use k8s_registry::{Endpoint, Registry, Stored};
use level::Load;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use store::{KeyRange, StoreError};
use table::{Class, Table};
use tokio::task::JoinHandle;

/// Seats of all levels together; upstream's default for requests that read and write.
pub const SEATS: usize = 600;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// How long to wait before following starts again that was cut off.
const PAUSE: Duration = Duration::from_millis(100);

/// A cluster's flow control, kept current until this is dropped.
pub struct FlowControl {
    table: Arc<RwLock<Arc<Table>>>,
    following: JoinHandle<()>,
}

impl Drop for FlowControl {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// What following takes.
struct Follower {
    registry: Weak<Registry>,
    table: Arc<RwLock<Arc<Table>>>,
    seats: usize,
    schemas: Arc<Endpoint>,
    levels: Arc<Endpoint>,
}

impl FlowControl {
    /// Reads a cluster's schemas and levels, and follows them from then on. All levels have `seats` together.
    ///
    /// # Errors
    /// When the store fails.
    pub fn follow(registry: &Arc<Registry>, seats: usize) -> Result<Self, StoreError> {
        let table = Arc::default();
        let source = |plural| registry.catalog().any_version(GROUP, plural).cloned();
        let sources = source("flowschemas").zip(source("prioritylevelconfigurations"));
        let Some((schemas, levels)) = sources else {
            let built_in = Table::new(&Table::default(), seats, Vec::new(), Vec::new());
            let table = Arc::new(RwLock::new(Arc::new(built_in)));
            return Ok(Self { table, following: tokio::spawn(async {}) });
        };
        let follower =
            Follower { registry: Arc::downgrade(registry), table: Arc::clone(&table), seats, schemas, levels };
        let revision = follower.fill(registry)?;
        Ok(Self { table, following: tokio::spawn(follower.run(revision)) })
    }

    /// Where a request belongs.
    pub fn classify(&self, user: &User, info: &RequestInfo) -> Option<Class> {
        self.table().classify(user, info)
    }

    /// How the levels do, by their names.
    pub fn loads(&self) -> BTreeMap<String, Load> {
        self.table().levels().iter().map(|(name, level)| (name.clone(), level.load())).collect()
    }

    // A table is replaced whole, so no panic leaves half of one.
    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Follower {
    /// Reads everything anew. Returns the revision that was read.
    fn fill(&self, registry: &Registry) -> Result<u64, StoreError> {
        let revision = registry.revision();
        let read = |source: &Endpoint| {
            let found = registry.store().range(&KeyRange::prefix(source.prefix.clone()), Some(revision), 0)?;
            let kind = &source.resource().kind;
            let objects = found.kvs.into_iter().map(|kv| Stored::from(kv).object(&source.api_version, kind));
            Ok::<Vec<_>, StoreError>(objects.collect())
        };
        let (schemas, levels) = (read(&self.schemas)?, read(&self.levels)?);
        let before = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        let after = Arc::new(Table::new(&before, self.seats, schemas, levels));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(revision)
    }

    async fn run(self, mut revision: u64) {
        loop {
            self.changed(revision).await;
            let Some(registry) = self.registry.upgrade() else { return };
            match self.fill(&registry) {
                Ok(read) => revision = read,
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "flow control can't be read"),
            }
            drop(registry);
            // Changes that come together are read together, and a watch that breaks at once costs little.
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns when something changed after `revision`, or may have.
    async fn changed(&self, revision: u64) {
        let Some(registry) = self.registry.upgrade() else { return };
        let watch =
            |source: &Endpoint| registry.store().watch(KeyRange::prefix(source.prefix.clone()), Some(revision + 1));
        let watches = (watch(&self.schemas), watch(&self.levels));
        drop(registry);
        if let (Ok(mut schemas), Ok(mut levels)) = watches {
            tokio::select! {
                _ = schemas.events.recv() => {}
                _ = levels.events.recv() => {}
            }
        }
    }
}
