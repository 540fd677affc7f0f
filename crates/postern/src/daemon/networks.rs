//! Keeps the host's networks at what the scene asks for.
//!
//! One task does all of it: requests that arrive while it works are merged and done in one go, so a thousand changes
//! at once cost little more than one, and what is computed last is what stands.

use super::follower::Followed;
use super::scene::{Scene, SharedScene};
use fabric::{Fabric, NsName};
use landing::{Desired, Dirty};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long changes for which nobody waits are gathered. One act of a user's is often several commits, a few
/// milliseconds apart (a cluster's group, interfaces and record), and each round is a transaction of packet filters.
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

    /// Says that the records changed; the scene knows where.
    pub fn nudge(&self) {
        // A daemon that is stopping no longer converges; nothing is lost, the next start looks at everything.
        let _ = self.asks.send(Ask { dirty: Dirty::default(), reply: None });
    }
}

async fn run(
    scene: SharedScene,
    followed: Followed,
    fabric: Fabric,
    mut inbox: mpsc::UnboundedReceiver<Ask>,
    settled: impl Fn(&Dirty) + Send,
) {
    let mut desired = Desired::default();
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
        let changes = {
            let (scene, untold) = scene.take_changes();
            dirty.merge(untold);
            if dirty.is_empty() && replies.is_empty() {
                // An earlier round has done it already.
                continue;
            }
            desired.update(&scene.world, &scene.gates, &scene.runtime, &dirty)
        };
        let outcome = fabric.set(changes).await.and_then(fabric::Report::ok).map(|_| ()).map_err(Arc::new);
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

/// The namespaces that should exist now.
pub fn wanted(scene: &Scene) -> BTreeSet<NsName> {
    let all = Desired::default().update(&scene.world, &scene.gates, &scene.runtime, &Dirty::default());
    all.into_iter().filter_map(|(name, it)| it.map(|_| name)).collect()
}
