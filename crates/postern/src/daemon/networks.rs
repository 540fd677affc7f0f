//! Keeps the host's networks at what the scene asks for.
//!
//! One task does all of it: requests that arrive while it works are merged and done in one go, so a thousand changes
//! at once cost little more than one, and what is computed last is what stands.

use super::follower::Followed;
use super::scene::{Scene, SharedScene};
use base::VpcId;
use fabric::{Fabric, Namespace, NsName};
use landing::{ClusterId, Dirty, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long changes for which nobody waits are gathered. One act of a user's is often several commits, a few
/// milliseconds apart (a cluster's group, interfaces and record), and each round looks at a whole VPC.
const GATHER: Duration = Duration::from_millis(5);

/// What a request to converge ends with.
type Outcome = Result<(), Arc<fabric::FabricError>>;

struct Ask {
    dirty: Dirty,
    reply: Option<oneshot::Sender<Outcome>>,
}

/// A handle on the task. Cheap to clone.
#[derive(Clone)]
pub struct Networks {
    asks: mpsc::UnboundedSender<Ask>,
}

/// The networks could not be brought to what is wanted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NetworkError {
    /// The fabric failed.
    #[error("the network could not be set up")]
    Fabric(#[source] Arc<fabric::FabricError>),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Networks {
    /// Starts the task. `settled` is called after every round with what was touched.
    pub fn start(
        scene: SharedScene,
        followed: Followed,
        fabric: Fabric,
        settled: impl Fn(&Dirty) + Send + 'static,
    ) -> Self {
        // Unbounded: every ask is one small set, and they are merged as fast as they come.
        let (asks, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(scene, followed, fabric, inbox, settled));
        Self { asks }
    }

    /// Brings what is dirty to what the scene asks for, and waits for it.
    pub async fn converge(&self, dirty: Dirty) -> Result<(), NetworkError> {
        let (reply, outcome) = oneshot::channel();
        self.asks.send(Ask { dirty, reply: Some(reply) }).map_err(|_| NetworkError::Stopping)?;
        outcome.await.map_err(|_| NetworkError::Stopping)?.map_err(NetworkError::Fabric)
    }

    /// Does the same without waiting.
    pub fn nudge(&self, dirty: Dirty) {
        // A daemon that is stopping no longer converges; nothing is lost, the next start looks at everything.
        let _ = self.asks.send(Ask { dirty, reply: None });
    }
}

async fn run(
    scene: SharedScene,
    followed: Followed,
    fabric: Fabric,
    mut inbox: mpsc::UnboundedReceiver<Ask>,
    settled: impl Fn(&Dirty) + Send,
) {
    while let Some(first) = inbox.recv().await {
        let mut dirty = first.dirty;
        let mut replies: Vec<_> = first.reply.into_iter().collect();
        let until = Instant::now() + GATHER;
        while replies.is_empty()
            && let Ok(Some(more)) = timeout_at(until, inbox.recv()).await
        {
            dirty.merge(more.dirty);
            replies.extend(more.reply);
        }
        while let Ok(more) = inbox.try_recv() {
            dirty.merge(more.dirty);
            replies.extend(more.reply);
        }
        // whoever asks has committed first: what is computed must know that
        followed.catch_up().await;
        let wishes = wishes(&scene.read(), &dirty);
        let outcome = fabric.set(wishes).await.and_then(fabric::Report::ok).map(|_| ()).map_err(Arc::new);
        if let Err(error) = &outcome {
            tracing::error!(
                error = &**error as &dyn std::error::Error,
                "networks are not as wanted; trying again soon"
            );
        }
        settled(&dirty);
        for reply in replies {
            // Who no longer waits no longer needs to know.
            let _ = reply.send(outcome.clone());
        }
    }
}

/// Everything that the scene asks for, for a start.
pub fn everything(scene: &Scene) -> Dirty {
    Dirty {
        vpcs: scene.world.vpcs().map(|(id, _)| id.clone()).collect(),
        clusters: scene.world.clusters().map(|(id, _)| id.clone()).collect(),
        instances: scene.world.instances().map(|(_, it)| it.id.clone()).collect(),
    }
}

/// The namespaces that should exist now.
pub fn wanted(scene: &Scene) -> BTreeSet<NsName> {
    wishes(scene, &everything(scene)).into_iter().filter_map(|(name, it)| it.map(|_| name)).collect()
}

/// What the dirty parts should be now.
fn wishes(scene: &Scene, dirty: &Dirty) -> BTreeMap<NsName, Option<Namespace>> {
    let Scene { world, gates, runtime } = scene;
    let mut wishes = BTreeMap::new();
    let mut vpcs: BTreeSet<VpcId> = dirty.vpcs.clone();
    for id in &dirty.clusters {
        vpcs.extend(world.cluster(id).map(|it| it.vpc.clone()));
        wishes.extend(landing::provider::control_plane(world, id));
    }
    for id in &dirty.instances {
        vpcs.extend(world.instance(id).map(|(_, it)| it.vpc.clone()));
        wishes.insert(plan::instance(id), landing::instance::namespace(world, runtime, id));
    }
    for id in &vpcs {
        for instance in world.vpc(id).into_iter().flat_map(|it| it.instances.keys()) {
            wishes.insert(plan::instance(instance), landing::instance::namespace(world, runtime, instance));
        }
        let clusters: Vec<ClusterId> = world.clusters_in(id).map(ClusterId::of).collect();
        wishes.extend(clusters.iter().flat_map(|it| landing::provider::control_plane(world, it)));
        wishes.insert(plan::vpc(id), landing::vpc::router(world, runtime, id));
    }
    wishes.insert(plan::internet(), Some(landing::internet::internet(world)));
    wishes.insert(plan::outside(), Some(landing::internet::outside()));
    // It holds something of every cluster and of nothing else. Without any it is as cheap as it can be.
    if !dirty.clusters.is_empty() || world.clusters().next().is_none() {
        wishes.insert(plan::provider(), Some(landing::provider::router(world, gates)));
    }
    wishes
}
