//! Leaving nothing behind.

use crate::fabric::{Fabric, FabricError, Inner};
use crate::netlink::route;
use crate::netns;
use crate::topology::{NsName, Profile};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Fabric {
    /// Removes every link, namespace and pin of the prefix, whoever wants them. The fabric is of no use afterwards.
    ///
    /// # Errors
    /// When a pin can't be removed; the others are.
    pub async fn destroy(&self) -> Result<(), FabricError> {
        self.inner.closed.store(true, Ordering::Release);
        let names: BTreeSet<NsName> = self.inner.state().entries.keys().cloned().collect();
        // Whoever is at work finishes first; whoever comes later finds the fabric closed.
        let guards = self.inner.lock(&names).await;
        let inner = Arc::clone(&self.inner);
        let removed = tokio::task::spawn_blocking(move || remove_all(&inner)).await;
        drop(guards);
        removed.map_err(FabricError::Interrupted)?.map_err(FabricError::Pins)
    }
}

fn remove_all(inner: &Inner) -> io::Result<()> {
    let entries = std::mem::take(&mut inner.state().entries);
    for entry in entries.values() {
        // Explicitly, since somebody may hold the namespace open. One request a router: the kernel then waits for its
        // grace periods once. What a namespace that goes takes along needs no request.
        let router = entry.want.as_ref().or(entry.have.as_ref()).is_some_and(|it| it.profile == Profile::Router);
        if let Some(place) = entry.place.as_ref().filter(|_| router || entry.unsure)
            && let Err(error) = place.run(&[route::remove_ours()])
        {
            tracing::warn!(%error, "cannot remove the links of a router");
        }
    }
    drop(entries);
    let mut result = Ok(());
    for name in netns::pins(&inner.tools.prefix)? {
        if let Err(error) = netns::unpin(&inner.tools.pin(&NsName::new(name))) {
            result = Err(error);
        }
    }
    result
}
