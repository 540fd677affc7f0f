//! A store in memory, with just what records need: reads at a revision, transactions, watches.

use super::gate::Gate;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use store::{Compare, Event, KeyRange, KeyValue, Op, RangeResult, Store, StoreError, Txn, TxnResult, Watch};
use tokio::sync::mpsc;

type Sender = mpsc::Sender<Result<Vec<Event>, store::WatchError>>;

#[derive(Default)]
struct State {
    revision: u64,
    /// Each key's history: what it was from a revision on.
    keys: BTreeMap<Bytes, Vec<(u64, Option<KeyValue>)>>,
    watches: Vec<(KeyRange, Sender)>,
}

pub struct Memory {
    state: Mutex<State>,
    gate: Arc<Gate>,
}

/// A store without a gate.
pub fn memory() -> Arc<dyn Store> {
    memory_behind(Arc::default())
}

/// A store whose transactions pass a gate.
pub fn memory_behind(gate: Arc<Gate>) -> Arc<dyn Store> {
    Arc::new(Memory { state: Mutex::default(), gate })
}

impl State {
    fn at(&self, key: &Bytes, revision: u64) -> Option<&KeyValue> {
        let history = self.keys.get(key)?;
        history.iter().rev().find(|(since, _)| *since <= revision)?.1.as_ref()
    }

    fn range(&self, range: &KeyRange, revision: u64) -> Vec<KeyValue> {
        let keys = self.keys.range(range.start.clone()..).take_while(|(key, _)| range.contains(key));
        keys.filter_map(|(key, _)| self.at(key, revision).cloned()).collect()
    }

    fn holds(&self, compare: &Compare) -> bool {
        let found = |key: &Bytes| self.at(key, self.revision);
        match compare {
            Compare::ModRevision(key, want) => found(key).map_or(0, |kv| kv.mod_revision) == *want,
            Compare::CreateRevision(key, want) => found(key).map_or(0, |kv| kv.create_revision) == *want,
            Compare::Version(key, want) => found(key).map_or(0, |kv| kv.version) == *want,
            Compare::Value(key, want) => found(key).is_some_and(|kv| kv.value == *want),
            Compare::UnchangedSince(range, since) => {
                self.range(range, self.revision).iter().all(|kv| kv.mod_revision <= *since)
            }
        }
    }

    fn write(&mut self, op: Op) -> Vec<Event> {
        let revision = self.revision + 1;
        match op {
            Op::Put(key, value) => {
                let prev = self.at(&key, self.revision).cloned();
                let kv = KeyValue {
                    key: key.clone(),
                    value,
                    create_revision: prev.as_ref().map_or(revision, |kv| kv.create_revision),
                    mod_revision: revision,
                    version: prev.as_ref().map_or(0, |kv| kv.version) + 1,
                };
                self.keys.entry(key).or_default().push((revision, Some(kv.clone())));
                vec![Event::Put { kv, prev }]
            }
            Op::Delete(range) => {
                let gone = self.range(&range, self.revision);
                gone.iter().for_each(|kv| self.keys.entry(kv.key.clone()).or_default().push((revision, None)));
                let event = |kv: KeyValue| Event::Delete { key: kv.key.clone(), revision, prev: Some(kv) };
                gone.into_iter().map(event).collect()
            }
            Op::Range(_) => unreachable!("records do not read in transactions"),
        }
    }
}

impl Store for Memory {
    fn revision(&self) -> u64 {
        self.state.lock().unwrap().revision
    }

    fn range(&self, range: &KeyRange, at: Option<u64>, limit: usize) -> Result<RangeResult, StoreError> {
        let state = self.state.lock().unwrap();
        let revision = at.unwrap_or(state.revision);
        let mut kvs = state.range(range, revision);
        let more = limit != 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        Ok(RangeResult { kvs, more, revision })
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult, StoreError>> {
        Box::pin(async move {
            self.gate.pass().await;
            let result = {
                let mut state = self.state.lock().unwrap();
                let succeeded = txn.compares.iter().all(|compare| state.holds(compare));
                let ops = if succeeded { txn.success } else { txn.failure };
                let events: Vec<Event> = ops.into_iter().flat_map(|op| state.write(op)).collect();
                if !events.is_empty() {
                    state.revision += 1;
                }
                state.watches.retain(|(range, sender)| {
                    let mine: Vec<Event> = events.iter().filter(|it| range.contains(it.key())).cloned().collect();
                    mine.is_empty() || sender.try_send(Ok(mine)).is_ok()
                });
                TxnResult { succeeded, revision: state.revision, ranges: vec![] }
            };
            self.gate.pass().await;
            Ok(result)
        })
    }

    fn watch(&self, range: KeyRange, from: Option<u64>) -> Result<Watch, StoreError> {
        assert_eq!(from, None, "only what comes is watched here");
        let (sender, events) = mpsc::channel(1024);
        self.state.lock().unwrap().watches.push((range, sender));
        Ok(Watch { events })
    }

    fn compact(&self, _revision: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
