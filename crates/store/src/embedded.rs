//! The engine for one machine: a log on disk, everything in memory.
//!
//! One thread writes (`writer`: group commit), one keeps the log short (`keeper`), one tells the watchers
//! (`herald`); callers read from memory (`index`) and wait for none of them. Read `segment.rs` and `recover.rs` for
//! what a crash can leave and why nothing acknowledged is in it.

mod checkpoint;
pub mod disk;
mod entry;
mod frame;
mod herald;
mod hub;
mod index;
mod keeper;
mod recover;
mod segment;
mod shared;
mod txn;
mod writer;

use crate::api::{KeyRange, RangeResult, Store, StoreError, Txn, TxnResult, Watch};
use disk::{Directory, Disk};
use futures::FutureExt;
use futures::future::BoxFuture;
use keeper::Keeper;
use recover::Recovered;
use shared::{Shared, bell, lock, read};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use writer::{Request, Writer};

/// How many requests wait for the writer. Each holds its transaction in memory; whoever comes later waits with it.
const QUEUE: usize = 4096;
/// How many keys a read looks at under one lock, so that a list of a million keys doesn't hold up commits.
const STEPS: usize = 4096;
/// How often a read of what is current starts anew because history was compacted past it; then it holds the lock.
const ATTEMPTS: usize = 3;

/// How much history stays when nobody compacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// All of it.
    All,
    /// At least this many of the last events; at most about twice as many.
    Events(usize),
}

/// How the engine behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest size of a piece of the log in bytes, which is written with zeros in advance.
    pub segment_bytes: u64,
    /// Size of the log in bytes at which a checkpoint is taken. It grows with the store: a log may always be as large
    /// as the last checkpoint.
    pub checkpoint_bytes: u64,
    /// How much history stays.
    pub retain: Retain,
    /// How many batches a watcher may be behind before it is cut off.
    pub watch_buffer: usize,
}

impl Default for Options {
    /// 8 MiB segments; checkpoints at 64 MiB, half a second of reading at the next start; 10,000 events, as long as a
    /// watcher may take to come back; 2,048 batches, four of the largest commits, which are half a megabyte beside
    /// the values.
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, checkpoint_bytes: 64 << 20, retain: Retain::Events(10_000), watch_buffer: 2048 }
    }
}

/// What the engine holds, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// The current revision.
    pub revision: u64,
    /// The oldest revision that can be read.
    pub oldest: u64,
    /// Keys, counting deleted ones that still have history.
    pub keys: usize,
    /// Values and deletions of all these keys.
    pub versions: usize,
    /// Changes that a watch could still ask for.
    pub events: usize,
    /// Watches; those that were dropped are counted until they are noticed.
    pub watchers: usize,
    /// Bytes of log that no checkpoint covers.
    pub log_bytes: u64,
    /// Checkpoints taken since the store was opened.
    pub checkpoints: u64,
}

/// The embedded engine. It keeps the buffers that it is given, so a key or value that is a slice of something larger
/// keeps all of it in memory.
///
/// Dropping it closes it, which waits for the commit that is under way.
pub struct Embedded {
    shared: Arc<Shared>,
    retain: Retain,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens the store in a directory, which is made when it isn't there.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, Options::default())
    }

    /// As [`Embedded::open`] with options.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_with(dir: &Path, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Directory::open(dir)?, options)
    }

    /// Opens the store on some disk.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open_on(disk: impl Disk, options: Options) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let Recovered { index, segment, spare, sequence, log_bytes, checkpoint_bytes } =
            recover::recover(&*disk, &options)?;
        let shared = Arc::new(Shared::new(index, spare, log_bytes, options.watch_buffer));
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (keeper_bell, keeper_ear) = bell();
        let (herald_bell, herald_ear) = bell();
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            disk: Arc::clone(&disk),
            options: options.clone(),
            writer: sender.downgrade(),
            checkpoint_bytes,
            herald: herald_bell.clone(),
        };
        let (heralded, retain) = (Arc::clone(&shared), options.retain);
        let bells = (keeper_bell, herald_bell);
        let writer = Writer::new(Arc::clone(&shared), disk, options, (segment, sequence), bells);
        // On an error what was begun ends by itself: its channels close.
        let threads = vec![
            spawn("store-writer", move || writer.run(receiver))?,
            spawn("store-keeper", move || keeper.run(&keeper_ear))?,
            spawn("store-herald", move || herald::run(&heralded, &herald_ear))?,
        ];
        Ok(Self { shared, retain, requests: Mutex::new(Some(sender)), threads: Mutex::new(threads) })
    }

    /// Stops the engine when what was sent to it is answered. Watches end with `Closed`. Reads go on working.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        drop(lock(&self.requests).take());
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }

    /// Compacts by the policy now, for a daemon that wants memory back when nothing is written.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub async fn compact_by_policy(&self) -> Result<(), StoreError> {
        let Retain::Events(keep) = self.retain else { return Ok(()) };
        let target = read(&self.shared.index).revision_keeping(keep).min(self.shared.visible());
        self.compact(target).await
    }

    /// What it holds.
    pub fn stats(&self) -> Stats {
        let watchers = lock(&self.shared.hub).len();
        let index = read(&self.shared.index);
        let (keys, versions, events) = index.counts();
        Stats {
            revision: self.shared.visible(),
            oldest: index.oldest(),
            keys,
            versions,
            events,
            watchers,
            log_bytes: self.shared.log_bytes.load(Ordering::Relaxed),
            checkpoints: self.shared.checkpoints.load(Ordering::Relaxed),
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        // Cloned and let go at once: closing waits until nobody has one.
        let sender = lock(&self.requests).clone().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        sender.send(request(reply)).await.map_err(|_| StoreError::Closed)?;
        drop(sender);
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Counts piece by piece at one revision. `None` when history was compacted past a count of what was current.
    fn count_at(&self, range: &KeyRange, at: Option<u64>, steps: usize) -> Result<Option<usize>, StoreError> {
        let (mut count, mut rest, mut chosen) = (0, range.clone(), at);
        loop {
            let index = read(&self.shared.index);
            let revision = *chosen.get_or_insert_with(|| self.shared.visible());
            match index.check(revision, self.shared.visible()) {
                Err(StoreError::Compacted { .. }) if at.is_none() => return Ok(None),
                checked => checked?,
            }
            let (counted, next) = index.count(&rest, revision, steps);
            count += counted;
            let Some(next) = next else { return Ok(Some(count)) };
            rest.start = next;
        }
    }

    /// Reads piece by piece at one revision. `None` when history was compacted past a read of what was current.
    fn read_at(
        &self,
        range: &KeyRange,
        at: Option<u64>,
        limit: usize,
        steps: usize,
    ) -> Result<Option<RangeResult>, StoreError> {
        let mut found = RangeResult::default();
        let mut rest = range.clone();
        let mut chosen = at;
        loop {
            let index = read(&self.shared.index);
            let revision = *chosen.get_or_insert_with(|| self.shared.visible());
            match index.check(revision, self.shared.visible()) {
                Err(StoreError::Compacted { .. }) if at.is_none() => return Ok(None),
                checked => checked?,
            }
            found.revision = revision;
            // One more than the limit tells whether there are more.
            let wanted = if limit == 0 { 0 } else { limit + 1 - found.kvs.len() };
            let page = index.page(&rest, revision, wanted, steps);
            found.kvs.extend(page.kvs);
            let Some(next) = page.next.filter(|_| limit == 0 || found.kvs.len() <= limit) else { break };
            rest.start = next;
        }
        if limit > 0 && found.kvs.len() > limit {
            found.kvs.truncate(limit);
            found.more = true;
        }
        Ok(Some(found))
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(|error| StoreError::Io(format!("no thread for the store: {error}")))
}

impl Store for Embedded {
    fn revision(&self) -> u64 {
        self.shared.visible()
    }

    fn range(&self, range: &KeyRange, at: Option<u64>, limit: usize) -> Result<RangeResult, StoreError> {
        let limit = limit.min(usize::MAX - 1);
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.read_at(range, at, limit, STEPS)? {
                return Ok(found);
            }
        }
        Ok(self.read_at(range, at, limit, usize::MAX)?.unwrap_or_default())
    }

    fn count(&self, range: &KeyRange, at: Option<u64>) -> Result<usize, StoreError> {
        for _ in 0..ATTEMPTS {
            if let Some(count) = self.count_at(range, at, STEPS)? {
                return Ok(count);
            }
        }
        Ok(self.count_at(range, at, usize::MAX)?.unwrap_or_default())
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult, StoreError>> {
        async move {
            txn::check(&txn)?;
            if txn::only_reads(&txn) {
                let index = read(&self.shared.index);
                return Ok(txn::read(&index, &txn, self.shared.visible()));
            }
            self.ask(|reply| Request::Txn(txn, reply)).await
        }
        .boxed()
    }

    fn watch(&self, range: KeyRange, from: Option<u64>) -> Result<Watch, StoreError> {
        herald::watch(&self.shared, range, from)
    }

    fn compact(&self, revision: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.ask(move |reply| Request::Compact(revision, reply)).boxed()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{KeyRange, Op, WatchError};

    async fn put(store: &Embedded, key: &str, value: &str) -> u64 {
        let success = vec![Op::Put(key.to_owned().into(), value.to_owned().into())];
        store.txn(Txn { success, ..Txn::default() }).await.unwrap().revision
    }

    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !holds() {
            assert!(std::time::Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_keeps_every_promise_of_an_engine() {
        let home = tempfile::tempdir().unwrap();
        let count = std::cell::Cell::new(0);
        crate::conformance::suite(|| {
            count.set(count.get() + 1);
            let options = Options { retain: Retain::All, ..Options::default() };
            Arc::new(Embedded::open_with(&home.path().join(count.get().to_string()), options).unwrap())
        })
        .await;
    }

    #[tokio::test]
    async fn memory_does_not_grow_with_updates_of_one_key() {
        let home = tempfile::tempdir().unwrap();
        let options = Options { retain: Retain::Events(50), ..Options::default() };
        let store = Embedded::open_with(home.path(), options).unwrap();
        put(&store, "quiet", "1").await;
        for round in 0..1000 {
            put(&store, "busy", &round.to_string()).await;
        }
        eventually("history is freed", || store.stats().events <= 101);
        let stats = store.stats();
        assert!(stats.versions <= 103 && stats.keys == 2 && stats.events >= 50, "{stats:?}");
        assert!(stats.oldest <= stats.revision - 49, "{stats:?}");
        store.compact_by_policy().await.unwrap();
        eventually("and more of it when asked", || store.stats().events == 50);
    }

    #[tokio::test]
    async fn deleted_keys_leave_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let store = Embedded::open_with(home.path(), Options { retain: Retain::All, ..Options::default() }).unwrap();
        for round in 0..100 {
            put(&store, &format!("k{round}"), "v").await;
        }
        let success = vec![Op::Delete(KeyRange::all())];
        store.txn(Txn { success, ..Txn::default() }).await.unwrap();
        let last = put(&store, "other", "v").await;
        store.compact(last).await.unwrap();
        eventually("all of it is freed", || {
            let Stats { keys, versions, events, .. } = store.stats();
            (keys, versions, events) == (1, 1, 1)
        });
    }

    #[tokio::test]
    async fn the_log_stays_short_and_a_reopened_store_is_the_same() {
        let home = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 16 << 10,
            checkpoint_bytes: 32 << 10,
            retain: Retain::Events(100),
            watch_buffer: 16,
        };
        let store = Embedded::open_with(home.path(), options.clone()).unwrap();
        for round in 0..3000 {
            put(&store, &format!("k{}", round % 50), &"v".repeat(round % 100)).await;
        }
        eventually("checkpoints are taken", || store.stats().checkpoints > 2);
        let (all, oldest) = (store.range(&KeyRange::all(), None, 0).unwrap(), store.stats().oldest);
        drop(store);
        let used: u64 =
            std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(used < 400 << 10, "{used} bytes on disk");

        let again = Embedded::open_with(home.path(), options).unwrap();
        assert_eq!(again.range(&KeyRange::all(), None, 0).unwrap(), all);
        assert_eq!(again.stats().oldest, oldest);
        assert_eq!(put(&again, "next", "1").await, all.revision + 1);
    }

    #[tokio::test]
    async fn a_closed_store_says_so() {
        let home = tempfile::tempdir().unwrap();
        let store = Embedded::open(home.path()).unwrap();
        let revision = put(&store, "k", "v").await;
        let mut watch = store.watch(KeyRange::all(), Some(revision)).unwrap();
        assert!(matches!(Embedded::open(home.path()), Err(StoreError::InUse(_))));
        store.close();
        assert!(watch.events.recv().await.is_some_and(|batch| batch.is_ok()));
        assert_eq!(watch.events.recv().await, Some(Err(WatchError::Closed)));
        assert_eq!(watch.events.recv().await, None);
        let success = vec![Op::Put("k".into(), "w".into())];
        let refused = store.txn(Txn { success, ..Txn::default() }).await;
        assert!(matches!(refused, Err(StoreError::Closed)));
        assert!(matches!(store.watch(KeyRange::all(), None), Err(StoreError::Closed)));
        let again = Embedded::open(home.path()).unwrap();
        assert_eq!(again.revision(), revision);
    }
}
