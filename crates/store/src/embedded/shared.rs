//! What the store's callers and its three threads share.

use super::hub::Hub;
use super::index::Index;
use super::segment::Segment;
use crate::api::StoreError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where two locks are held, the hub's was taken before the index's. Nobody holds either while the disk works.
pub(crate) struct Shared {
    pub(crate) index: RwLock<Index>,
    pub(crate) hub: Mutex<Hub>,
    /// The last revision that is durable; what is above it in the index is not there yet.
    visible: AtomicU64,
    /// Bytes of log that no checkpoint covers.
    pub(crate) log_bytes: AtomicU64,
    /// How many checkpoints were finished since the store was opened.
    pub(crate) checkpoints: AtomicU64,
    pub(crate) spare: Mutex<Spare>,
    pub(crate) closing: AtomicBool,
    /// Why the disk failed. Set once; from then on nothing is written.
    pub(crate) failed: OnceLock<StoreError>,
}

/// The segment after the one that is written.
#[derive(Default)]
pub(crate) struct Spare {
    /// Number and size of what the keeper shall make.
    pub(crate) wanted: Option<(u64, u64)>,
    pub(crate) ready: Option<Segment>,
}

impl Shared {
    pub(crate) fn new(index: Index, spare: Option<Segment>, log_bytes: u64, watch_buffer: usize) -> Self {
        let visible = index.newest();
        Self {
            index: RwLock::new(index),
            hub: Mutex::new(Hub::new(visible, watch_buffer)),
            visible: AtomicU64::new(visible),
            log_bytes: AtomicU64::new(log_bytes),
            checkpoints: AtomicU64::new(0),
            spare: Mutex::new(Spare { wanted: None, ready: spare }),
            closing: AtomicBool::new(false),
            failed: OnceLock::new(),
        }
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    pub(crate) fn show(&self, revision: u64) {
        self.visible.store(revision, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Takes a lock for reading. One that a panicking thread left is taken all the same: what it guards is changed by steps
/// that leave it usable, and the panic is reported where it happened.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock for writing; see [`read`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock; see [`read`].
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes a thread to look at the shared state. Rings while it is busy are one ring.
#[derive(Clone)]
pub(crate) struct Bell(SyncSender<()>);

/// Hears a [`Bell`].
pub(crate) struct Ear(Receiver<()>);

pub(crate) fn bell() -> (Bell, Ear) {
    let (sender, receiver) = sync_channel(1);
    (Bell(sender), Ear(receiver))
}

impl Bell {
    pub(crate) fn ring(&self) {
        match self.0.try_send(()) {
            // Full: it will look anyway. Disconnected: it has stopped.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

impl Ear {
    /// Waits for a ring; false when all bells are gone.
    pub(crate) fn wait(&self) -> bool {
        self.0.recv().is_ok()
    }
}
