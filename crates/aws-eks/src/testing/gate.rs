//! The gate that all calls pass, twice: before they take effect and after.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Counts passages and stops the world at one of them.
#[derive(Default)]
pub struct Gate {
    passages: AtomicUsize,
    closed_at: AtomicUsize,
    closed: Notify,
}

impl Gate {
    /// Goes through, or never returns. Once it is closed nothing goes through any more, as when a process is dead.
    pub async fn pass(&self) {
        let passage = self.passages.fetch_add(1, Ordering::SeqCst) + 1;
        let closed_at = self.closed_at.load(Ordering::SeqCst);
        if closed_at != 0 && passage >= closed_at {
            self.closed.notify_one();
            std::future::pending::<()>().await;
        }
        // Others get to run between any two calls, as over a network.
        tokio::task::yield_now().await;
    }

    /// Closes at the `n`th passage from now on.
    pub fn close_at(&self, n: usize) {
        self.passages.store(0, Ordering::SeqCst);
        self.closed_at.store(n, Ordering::SeqCst);
    }

    /// Opens for good.
    pub fn open(&self) {
        self.closed_at.store(0, Ordering::SeqCst);
    }

    /// Returns when somebody stands before the closed gate.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }
}
