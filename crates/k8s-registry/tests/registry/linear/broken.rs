//! Stores that lie now and then, each in its own way. If their histories passed, the checks would prove nothing.

use super::record::{Random, Size, record};
use std::sync::{Arc, Mutex};
use store::{Compare, Event, KeyRange, RangeResult, Store, StoreError, Txn, TxnResult, Watch};
use tokio::sync::mpsc;

type Promise<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// A read of what is current is of a moment ago.
    OldRead,
    /// A write doesn't look whether it was overtaken.
    Overwrite,
    /// A write is acknowledged and forgotten.
    Forget,
    /// A list says that it is of a later state than it is.
    WrongVersion,
    /// A watch skips a change.
    Skip,
    /// A watch shows a change twice.
    Repeat,
}

struct Liar {
    store: Arc<dyn Store>,
    lie: Lie,
    random: Arc<Mutex<Random>>,
}

fn lies(random: &Mutex<Random>) -> bool {
    random.lock().unwrap().below(4) == 0
}

impl Store for Liar {
    fn revision(&self) -> u64 {
        self.store.revision()
    }

    fn range(&self, range: &KeyRange, at: Option<u64>, limit: usize) -> Result<RangeResult, StoreError> {
        let object = range.start.starts_with(b"/registry/configmaps/");
        match self.lie {
            Lie::OldRead if object && at.is_none() && lies(&self.random) => {
                let old = self.store.revision().saturating_sub(2).max(1);
                self.store.range(range, Some(old), limit)
            }
            Lie::WrongVersion if object && lies(&self.random) => {
                let old = self.store.revision().saturating_sub(1).max(1);
                let mut found = self.store.range(range, Some(old), limit)?;
                found.revision = old + 1;
                Ok(found)
            }
            _ => self.store.range(range, at, limit),
        }
    }

    fn txn(&self, mut txn: Txn) -> Promise<'_, TxnResult> {
        if self.lie == Lie::Overwrite && lies(&self.random) {
            txn.compares.retain(|it| !matches!(it, Compare::ModRevision(..)));
        }
        if self.lie == Lie::Forget && lies(&self.random) {
            return Box::pin(async move {
                let done = self.store.txn(Txn { success: vec![store::Op::Put("x".into(), "".into())], ..txn }).await;
                tokio::task::yield_now().await;
                done
            });
        }
        self.store.txn(txn)
    }

    fn watch(&self, range: KeyRange, from: Option<u64>) -> Result<Watch, StoreError> {
        let mut true_watch = self.store.watch(range, from)?;
        let (sender, events) = mpsc::channel(4096);
        let (lie, random) = (self.lie, self.random.clone());
        tokio::spawn(async move {
            while let Some(batch) = true_watch.events.recv().await {
                let last = |event: &Event| event.key().ends_with(b"/end");
                let spared = batch.as_ref().map_or(true, |it| it.iter().any(last));
                let copies = match lie {
                    Lie::Skip if !spared && lies(&random) => 0,
                    Lie::Repeat if !spared && lies(&random) => 2,
                    _ => 1,
                };
                for _ in 0..copies {
                    if sender.send(batch.clone()).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Watch { events })
    }

    fn compact(&self, revision: u64) -> Promise<'_, ()> {
        self.store.compact(revision)
    }
}

/// How many of some histories are refused.
async fn refused(lie: Lie, histories: u64) -> usize {
    let mut refused = 0;
    for seed in 0..histories {
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let history = record(seed, Size { operations: 40, lists: 40 }, |store| Arc::new(Liar { store, lie, random }));
        refused += usize::from(history.await.check().is_err());
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_lies_is_caught() {
    for lie in [Lie::OldRead, Lie::Overwrite, Lie::Forget, Lie::WrongVersion, Lie::Skip, Lie::Repeat] {
        // One may lie without anybody noticing, as one may break a promise that nobody relies on.
        let refused = refused(lie, 5).await;
        assert!(refused >= 3, "{lie:?} was noticed {refused} times of 5");
    }
}
