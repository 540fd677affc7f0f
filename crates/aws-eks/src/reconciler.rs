//! Makes clusters as their records say: watches the records, one worker a cluster, many clusters at a time.

use crate::bring_up;
use crate::change::{self, Outcome};
use crate::control_planes::ControlPlanes;
use crate::records::{Cluster, ClusterKey, ClusterStatus, HealthIssue, ROOT};
use crate::steps::{PATIENCE, Parts, Trouble, call};
use crate::tear_down;
use crate::user_network::UserNetwork;
use async_trait::async_trait;
use aws_model::ec2::Ec2;
use base::Clock;
use reconcile::{Backoff, Handle, Loop, Options, Work};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{KeyRange, Records};

/// How the loop runs.
const OPTIONS: Options = Options {
    // The watch brings all news; this only repairs what a broken watch missed.
    period: Duration::from_secs(60),
    // A turn mostly waits for the disk and for kernel calls that run one after the other; more turns at a time than this
    // make each slower and none sooner.
    parallel: 16,
    backoff: Backoff { first: Duration::from_millis(50), cap: Duration::from_secs(30) },
    // Any turn may be dropped; a creation in good order is over by then, and need not be done twice.
    grace: Duration::from_secs(2),
};

/// How long to wait before watching again after the watch broke, so that a broken store is not asked without pause.
const WATCH_AGAIN: Duration = Duration::from_millis(200);

/// The reconciler of all clusters of all accounts and regions.
pub struct Reconciler {
    looped: Loop<ClusterKey>,
    worker: Arc<Worker>,
}

impl Reconciler {
    /// A reconciler that has yet to run.
    pub fn new(
        records: Records,
        clock: Arc<dyn Clock>,
        ec2: Arc<dyn Ec2>,
        control_planes: Arc<dyn ControlPlanes>,
    ) -> Self {
        let network = UserNetwork::new(ec2, Arc::clone(&clock));
        let parts = Parts { records, clock, network, control_planes };
        let worker = Worker { parts, served: Mutex::new(BTreeMap::new()) };
        Self { looped: Loop::new(OPTIONS), worker: Arc::new(worker) }
    }

    /// Wakes it, tells what it is doing, and waits until it has nothing to do.
    pub fn nudge(&self) -> Handle<ClusterKey> {
        self.looped.handle()
    }

    /// Has every cluster that serves ensured again, as [`Reconciler::run`] does at its start: for when networks or
    /// control planes were lost. Returns at once.
    pub fn resume(&self) {
        self.worker.served().clear();
        self.looped.handle().nudge_all();
    }

    /// Runs until `shutdown`: first every cluster on its way to another status and every cluster that serves, then what
    /// changes. Dropping the future is as good as a crash, and harms as little.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = self.looped.run(Arc::clone(&self.worker), shutdown) => (),
            never = follow(&self.worker.parts.records, self.looped.handle()) => match never {},
        }
    }
}

/// Nudges about every cluster whose record changes.
async fn follow(records: &Records, nudge: Handle<ClusterKey>) -> Infallible {
    loop {
        match records.store().watch(KeyRange::prefix(ROOT), None) {
            Ok(mut watch) => {
                // What changed before the watch began.
                nudge.nudge_all();
                while let Some(Ok(events)) = watch.events.recv().await {
                    let keys = events.iter().filter_map(|event| std::str::from_utf8(event.key()).ok());
                    keys.filter_map(ClusterKey::parse).for_each(|key| nudge.nudge(key));
                }
            }
            Err(error) => tracing::warn!(%error, "clusters cannot be watched"),
        }
        tokio::time::sleep(WATCH_AGAIN).await;
    }
}

struct Worker {
    parts: Parts,
    /// The clusters whose control planes are known to run, with their endpoint ids. Only of this process's life: a new
    /// process has them all ensured.
    served: Mutex<BTreeMap<ClusterKey, String>>,
}

/// As much of a record as a survey needs.
#[derive(Deserialize)]
struct Glance {
    status: ClusterStatus,
    endpoint_id: String,
}

#[async_trait]
impl Work<ClusterKey> for Worker {
    fn survey(&self) -> Result<Vec<ClusterKey>, String> {
        let found = self.parts.records.store().range(&KeyRange::prefix(ROOT), None, 0).map_err(|it| it.to_string())?;
        let mut keys = Vec::new();
        for kv in found.kvs {
            let Some(key) = std::str::from_utf8(&kv.key).ok().and_then(ClusterKey::parse) else { continue };
            match serde_json::from_slice::<Glance>(&kv.value) {
                Ok(it) if it.status.is_transitional() => keys.push(key),
                Ok(it) if it.status == ClusterStatus::Active && !self.is_served(&key, &it.endpoint_id) => {
                    keys.push(key)
                }
                Ok(_) => (),
                // The others must not suffer from it; its own turn reports it.
                Err(_) => keys.push(key),
            }
        }
        Ok(keys)
    }

    async fn turn(&self, key: &ClusterKey) -> Result<(), String> {
        let Some(cluster) = self.parts.records.get::<Cluster>(&key.key()).map_err(|it| it.to_string())? else {
            self.served().remove(key);
            return Ok(());
        };
        let done = match cluster.status {
            ClusterStatus::Creating => self.create(key, &cluster).await,
            ClusterStatus::Active => self.keep(key, &cluster).await.map(drop),
            ClusterStatus::Updating => self.update(key, &cluster).await,
            ClusterStatus::Deleting => self.delete(key, &cluster).await,
            ClusterStatus::Failed => Ok(()),
        };
        done.map_err(|trouble| trouble.to_string())
    }
}

impl Worker {
    fn served(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, String>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_served(&self, key: &ClusterKey, endpoint_id: &str) -> bool {
        self.served().get(key).is_some_and(|it| it == endpoint_id)
    }

    async fn create(&self, key: &ClusterKey, cluster: &Cluster) -> Result<(), Trouble> {
        let trouble = match bring_up::bring_up(&self.parts, cluster.clone()).await {
            Ok(serves) => {
                if serves {
                    self.served().insert(key.clone(), cluster.endpoint_id.clone());
                }
                return Ok(());
            }
            Err(trouble) => trouble,
        };
        let now = self.parts.clock.now();
        if !trouble.is_final(cluster.created, now) {
            self.parts.show(cluster, &trouble.clone().issue()).await?;
            return Err(trouble);
        }
        tracing::warn!(cluster = %cluster.arn(), error = %trouble, "a cluster could not be created");
        let mut issue = trouble.issue();
        match bring_up::give_up(&self.parts, cluster, &issue).await {
            Ok(()) => Ok(()),
            Err(left) if now.duration_since(cluster.created) <= PATIENCE * 2 => Err(left),
            Err(left) => {
                // DeleteCluster looks for it again.
                issue.message = format!("{} Not all could be taken back: {left}", issue.message);
                self.fail(cluster, &issue).await
            }
        }
    }

    async fn fail(&self, cluster: &Cluster, issue: &HealthIssue) -> Result<(), Trouble> {
        let fail = |record: &mut Cluster| {
            record.status = ClusterStatus::Failed;
            record.issues = vec![issue.clone()];
        };
        self.parts.record(cluster, fail).await?;
        Ok(())
    }

    /// Has the control plane ensured, if this process does not know yet that it runs.
    async fn keep(&self, key: &ClusterKey, cluster: &Cluster) -> Result<(), Trouble> {
        if self.is_served(key, &cluster.endpoint_id) {
            return Ok(());
        }
        match call("its control plane does not run", self.parts.control_planes.ensure(cluster)).await {
            Ok(()) => {
                self.parts.record(cluster, |record| record.issues.clear()).await?;
                self.served().insert(key.clone(), cluster.endpoint_id.clone());
                Ok(())
            }
            Err(trouble) => {
                let issue = HealthIssue { code: "ClusterUnreachable".to_owned(), ..trouble.clone().issue() };
                self.parts.show(cluster, &issue).await?;
                Err(trouble)
            }
        }
    }

    async fn update(&self, key: &ClusterKey, cluster: &Cluster) -> Result<(), Trouble> {
        let served = self.is_served(key, &cluster.endpoint_id);
        if change::settle(&self.parts, cluster, served).await? == Outcome::Unsure {
            self.served().remove(key);
        }
        Ok(())
    }

    async fn delete(&self, key: &ClusterKey, cluster: &Cluster) -> Result<(), Trouble> {
        self.served().remove(key);
        if let Err(trouble) = tear_down::undo(&self.parts, cluster).await {
            self.parts.show(cluster, &trouble.clone().issue()).await?;
            return Err(trouble);
        }
        tear_down::forget(&self.parts, cluster).await.map_err(|error| {
            Trouble::Retry(HealthIssue {
                code: "InternalFailure".to_owned(),
                message: error.to_string(),
                resource_ids: vec![],
            })
        })
    }
}
