//! Comparing a store with the model.

use crate::model::Model;
use crate::sim::Sim;
use std::time::Duration;
use store::{Embedded, Event, KeyRange, Options, Retain, Store, StoreError, Txn, TxnResult};

/// Small enough that a few transactions fill segments and call for checkpoints.
pub fn tiny() -> Options {
    Options { segment_bytes: 2048, checkpoint_bytes: 3000, retain: Retain::All, watch_buffer: 64 }
}

pub fn open(sim: &Sim) -> Result<Embedded, StoreError> {
    Embedded::open_on(sim.clone(), tiny())
}

pub async fn run(store: &Embedded, txn: &Txn) -> Result<TxnResult, StoreError> {
    tokio::time::timeout(Duration::from_secs(20), store.txn(txn.clone())).await.expect("the store hangs")
}

/// That the store is the model: at every revision that it still has, and in what a watch from its oldest one replays.
pub async fn same(store: &Embedded, model: &Model) {
    let (revision, oldest) = (store.revision(), store.stats().oldest);
    assert_eq!(revision, model.revision());
    for at in 0..=revision {
        let found = store.range(&KeyRange::all(), Some(at), 0);
        match found {
            Ok(found) => assert_eq!(found, model.range(&KeyRange::all(), at, 0), "at revision {at}"),
            Err(StoreError::Compacted { .. }) if at < oldest => {}
            Err(error) => panic!("revision {at}: {error}"),
        }
    }
    let expected = model.batches(&KeyRange::all(), oldest);
    assert_eq!(replay(store, KeyRange::all(), oldest, expected.len()).await, expected);
}

/// The first `count` batches of a watch, and that there are no more.
pub async fn replay(store: &Embedded, range: KeyRange, from: u64, count: usize) -> Vec<Vec<Event>> {
    let mut watch = store.watch(range, Some(from)).unwrap();
    let mut batches = Vec::new();
    while batches.len() < count {
        let batch = tokio::time::timeout(Duration::from_secs(20), watch.events.recv()).await.expect("the watch hangs");
        batches.push(batch.expect("the watch ended").unwrap());
    }
    assert!(watch.events.try_recv().is_err(), "the watch says more than happened");
    batches
}
