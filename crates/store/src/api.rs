//! What an engine promises. The model is etcd's (*etcd API* documentation, "Data model", "KV", "Watch"):
//! one counter of revisions for the whole store, each transaction that changes something takes the next one.

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// A key with its value and history as it stood at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision that created the key (since its last deletion).
    pub create_revision: u64,
    /// The revision that wrote this value.
    pub mod_revision: u64,
    /// How often it was written since it was created; 1 for a new key.
    pub version: u64,
}

/// Keys from `start` (included) to `end` (excluded; `None`: to the end of the key space).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// First key.
    pub start: Bytes,
    /// First key that is not in it.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Just one key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        let start: Bytes = key.into();
        let mut end = start.to_vec();
        end.push(0);
        Self { start, end: Some(end.into()) }
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start: Bytes = prefix.into();
        let mut end = start.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return Self { start, end: Some(end.into()) };
            }
        }
        Self { start, end: None }
    }

    /// Every key.
    pub fn all() -> Self {
        Self { start: Bytes::new(), end: None }
    }

    /// Whether `key` lies in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }
}

/// A condition of a transaction. All must hold for `success` to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key's `mod_revision` is this; 0 means the key does not exist.
    ModRevision(Bytes, u64),
    /// The key's `create_revision` is this; 0 means the key does not exist.
    CreateRevision(Bytes, u64),
    /// The key's version is this; 0 means the key does not exist.
    Version(Bytes, u64),
    /// The key exists and has this value.
    Value(Bytes, Bytes),
    /// No key that lies in the range now was written after this revision (deletions do not count, as in etcd).
    UnchangedSince(KeyRange, u64),
}

/// A change, or a read inside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key.
    Put(Bytes, Bytes),
    /// Deletes all keys of a range.
    Delete(KeyRange),
    /// Reads a range as it stands after the operations before it.
    Range(KeyRange),
}

/// A transaction: compare, then one of two lists, at one revision. A key may be written only once in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// The conditions.
    pub compares: Vec<Compare>,
    /// Done when all hold.
    pub success: Vec<Op>,
    /// Done otherwise.
    pub failure: Vec<Op>,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnResult {
    /// Whether all compares held.
    pub succeeded: bool,
    /// The store's revision afterwards: the transaction's own if it changed something.
    pub revision: u64,
    /// One entry for each [`Op::Range`], in order.
    pub ranges: Vec<RangeResult>,
}

/// What a range read found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeResult {
    /// The keys in order.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut keys off.
    pub more: bool,
    /// The revision that was read.
    pub revision: u64,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was written; `prev` is what it was before.
    Put {
        /// As it is now.
        kv: KeyValue,
        /// As it was.
        prev: Option<KeyValue>,
    },
    /// The key was deleted.
    Delete {
        /// The key.
        key: Bytes,
        /// The revision that deleted it.
        revision: u64,
        /// As it was.
        prev: Option<KeyValue>,
    },
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { kv, .. } => &kv.key,
            Self::Delete { key, .. } => key,
        }
    }

    /// The revision of the change.
    pub fn revision(&self) -> u64 {
        match self {
            Self::Put { kv, .. } => kv.mod_revision,
            Self::Delete { revision, .. } => *revision,
        }
    }
}

/// Why a watch ended. The watcher resumes from its last revision + 1, or lists again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The wanted revision is gone.
    #[error("revision {0} has been compacted")]
    Compacted(u64),
    /// The watcher was too slow and was cut off.
    #[error("the watcher fell too far behind")]
    Lagged,
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// A running watch: batches of events, each batch all of one revision's events that lie in the range, in order,
/// nothing lost and nothing repeated. Dropping it ends the watch.
pub struct Watch {
    /// Batches of events; an error is the last thing that comes.
    pub events: mpsc::Receiver<Result<Vec<Event>, WatchError>>,
}

/// Why the store refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The wanted revision is gone.
    #[error("revision {wanted} has been compacted; the oldest is {oldest}")]
    Compacted {
        /// What was asked for.
        wanted: u64,
        /// What there still is.
        oldest: u64,
    },
    /// The wanted revision is not there yet.
    #[error("revision {0} is in the future")]
    Future(u64),
    /// The transaction writes a key twice, or is too large.
    #[error("bad transaction: {0}")]
    BadTxn(String),
    /// Another process has this store open.
    #[error("the store at {0} is in use by another process")]
    InUse(String),
    /// What is on disk is damaged in its middle, where nothing may be skipped.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The disk failed; nothing is acknowledged from here on.
    #[error("the store cannot write: {0}")]
    Io(String),
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// A versioned key-value engine. Reads come from memory and never wait for the disk.
pub trait Store: Send + Sync + 'static {
    /// The current revision; 0 for an empty store that was never written.
    fn revision(&self) -> u64;

    /// Reads the keys of a range as they stood at revision `at` (`None`: now), at most `limit` of them (0: all).
    ///
    /// # Errors
    /// [`StoreError::Compacted`], [`StoreError::Future`].
    fn range(&self, range: &KeyRange, at: Option<u64>, limit: usize) -> Result<RangeResult, StoreError>;

    /// How many keys a range has at revision `at` (`None`: now). For engines that can tell without reading them.
    ///
    /// # Errors
    /// As [`Store::range`].
    fn count(&self, range: &KeyRange, at: Option<u64>) -> Result<usize, StoreError> {
        Ok(self.range(range, at, 0)?.kvs.len())
    }

    /// Runs a transaction; returns when it is durable and visible.
    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult, StoreError>>;

    /// Watches a range from revision `from` on (included; `None`: what comes after now).
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when `from` is gone.
    fn watch(&self, range: KeyRange, from: Option<u64>) -> Result<Watch, StoreError>;

    /// Forgets the history before `revision`; what is current at it stays.
    fn compact(&self, revision: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}
