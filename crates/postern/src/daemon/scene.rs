//! What the daemon knows at the moment: the records as a [`World`], the gates in force, and the processes that run.

use landing::{Dirty, Gate, Gates, Runtime, World};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The three inputs of every plan, read together.
#[derive(Debug, Default)]
pub struct Scene {
    /// The records.
    pub world: World,
    /// What is in force for each cluster's endpoint.
    pub gates: Gates,
    /// What runs on this host.
    pub runtime: Runtime,
    /// What changed in the world since the networks were last computed from it. It is taken with the same lock as the
    /// world is read: a round that knew of half a change would plan one end of a link and not the other.
    untold: Dirty,
}

/// A scene that many tasks read and few change; locks are held for a moment and never across an `await`.
#[derive(Debug, Clone, Default)]
pub struct SharedScene(Arc<RwLock<Scene>>);

impl SharedScene {
    /// Reads it. A writer that panicked left whole values behind, so its lock is still good.
    pub fn read(&self) -> RwLockReadGuard<'_, Scene> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Scene) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads it, together with what changed in the world since this was last called.
    pub fn take_changes(&self) -> (RwLockReadGuard<'_, Scene>, Dirty) {
        let mut scene = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let untold = std::mem::take(&mut scene.untold);
        (RwLockWriteGuard::downgrade(scene), untold)
    }

    /// Puts a world in the place of the one that was followed so far. Everything in it is dirty.
    pub fn replace_world(&self, world: World) -> Dirty {
        let everything = landing::desired::everything(&world);
        self.change(|scene| {
            scene.world = world;
            scene.untold.merge(everything.clone());
        });
        everything
    }

    /// Follows a batch of changed records; what does not parse is logged and left out.
    pub fn follow(&self, events: &[store::Event]) -> Dirty {
        self.change(|scene| {
            let mut dirty = Dirty::default();
            for event in events {
                match scene.world.apply(event) {
                    Ok(touched) => dirty.merge(touched),
                    Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a record does not parse"),
                }
            }
            scene.untold.merge(dirty.clone());
            dirty
        })
    }

    /// Puts a gate into force.
    pub fn set_gate(&self, id: &landing::ClusterId, gate: Option<Gate>) {
        self.change(|scene| match gate {
            Some(gate) => scene.gates.insert(id.clone(), gate),
            None => scene.gates.remove(id),
        });
    }
}
