//! Keeps the scene at the store's newest revision, and says how far it got.

use super::scene::SharedScene;
use landing::Dirty;
use std::sync::Arc;
use store::{Event, KeyRange, Store, StoreError};
use tokio::sync::watch;

/// How far the scene has followed the store.
#[derive(Clone)]
pub struct Followed {
    store: Arc<dyn Store>,
    revision: watch::Receiver<u64>,
}

impl Followed {
    /// Waits until the scene knows everything that is in the store now.
    pub async fn catch_up(&self) {
        let wanted = self.store.revision();
        let mut revision = self.revision.clone();
        // An error means that the follower ended with the daemon; then nobody acts on the scene any more.
        let _ = revision.wait_for(|it| *it >= wanted).await;
    }
}

/// Fills the scene and goes on following in a task; `touched` hears of every change.
///
/// # Errors
/// When the store cannot be read.
pub fn follow(
    store: Arc<dyn Store>,
    scene: SharedScene,
    touched: impl Fn(Dirty) + Send + 'static,
) -> Result<Followed, StoreError> {
    let (start, _) = fill(&*store, &scene)?;
    let (sender, revision) = watch::channel(start);
    let followed = Followed { store: store.clone(), revision };
    tokio::spawn(run(store, scene, start, sender, touched));
    Ok(followed)
}

/// Reads all records into a new world; returns the revision that was read, and all that is dirty then.
fn fill(store: &dyn Store, scene: &SharedScene) -> Result<(u64, Dirty), StoreError> {
    let revision = store.revision();
    let mut world = landing::World::default();
    for root in [aws_ec2::records::ROOT, aws_eks::records::ROOT] {
        for kv in store.range(&KeyRange::prefix(root), Some(revision), 0)?.kvs {
            let key = String::from_utf8_lossy(&kv.key);
            if let Err(error) = world.put(&key, Some(&kv.value)) {
                tracing::error!(error = &error as &dyn std::error::Error, "a record does not parse");
            }
        }
    }
    Ok((revision, scene.replace_world(world)))
}

async fn run(
    store: Arc<dyn Store>,
    scene: SharedScene,
    mut revision: u64,
    followed: watch::Sender<u64>,
    touched: impl Fn(Dirty) + Send,
) {
    loop {
        // The whole key space: every revision shows up, so that "followed" is exact.
        let Ok(mut watch) = store.watch(KeyRange::all(), Some(revision + 1)) else { return };
        while let Some(Ok(events)) = watch.events.recv().await {
            revision = events.iter().map(Event::revision).max().unwrap_or(revision);
            let dirty = scene.follow(&events);
            followed.send_replace(revision);
            if !dirty.is_empty() {
                touched(dirty);
            }
        }
        if followed.is_closed() {
            return;
        }
        // Cut off for being slow, or compacted away: read everything again, and look at everything again.
        match fill(&*store, &scene) {
            Ok((read, everything)) => {
                revision = read;
                followed.send_replace(revision);
                touched(everything);
            }
            Err(error) => return tracing::error!(%error, "the records cannot be followed any more"),
        }
    }
}
