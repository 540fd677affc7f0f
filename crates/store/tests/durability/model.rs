//! The store as one would write it with all the time and memory in the world: every revision's whole state, kept.

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use store::{Compare, Event, KeyRange, KeyValue, Op, RangeResult, Txn, TxnResult};

/// See the module. Both lists are indexed by revision.
pub struct Model {
    pub states: Vec<BTreeMap<Bytes, KeyValue>>,
    pub events: Vec<Vec<Event>>,
}

impl Model {
    pub fn new() -> Self {
        Self { states: vec![BTreeMap::new()], events: vec![vec![]] }
    }

    pub fn revision(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    pub fn range(&self, range: &KeyRange, at: u64, limit: usize) -> RangeResult {
        let mut kvs = select(&self.states[at as usize], range);
        let more = limit > 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        RangeResult { kvs, more, revision: at }
    }

    pub fn batches(&self, range: &KeyRange, from: u64) -> Vec<Vec<Event>> {
        let batch = |events: &Vec<Event>| events.iter().filter(|event| range.contains(event.key())).cloned().collect();
        let batches = self.events.iter().skip(from as usize).map(batch);
        batches.filter(|batch: &Vec<Event>| !batch.is_empty()).collect()
    }

    /// `None` when the transaction must be refused.
    pub fn txn(&mut self, txn: &Txn) -> Option<TxnResult> {
        if writes_twice(&txn.success) || writes_twice(&txn.failure) {
            return None;
        }
        let now = self.states.last().unwrap().clone();
        let succeeded = txn.compares.iter().all(|compare| holds(&now, compare));
        let own = self.revision() + 1;
        let (mut state, mut events, mut ranges) = (now, Vec::new(), Vec::new());
        for op in if succeeded { &txn.success } else { &txn.failure } {
            match op {
                Op::Put(key, value) => {
                    let prev = state.get(key).cloned();
                    let (create_revision, version) =
                        prev.as_ref().map_or((own, 1), |prev| (prev.create_revision, prev.version + 1));
                    let (key, value) = (key.clone(), value.clone());
                    let kv = KeyValue { key, value, create_revision, mod_revision: own, version };
                    state.insert(kv.key.clone(), kv.clone());
                    events.push(Event::Put { kv, prev });
                }
                Op::Delete(range) => {
                    for gone in select(&state, range) {
                        state.remove(&gone.key);
                        events.push(Event::Delete { key: gone.key.clone(), revision: own, prev: Some(gone) });
                    }
                }
                Op::Range(range) => {
                    let revision = if events.is_empty() { own - 1 } else { own };
                    ranges.push(RangeResult { kvs: select(&state, range), more: false, revision });
                }
            }
        }
        if !events.is_empty() {
            self.states.push(state);
            self.events.push(events);
        }
        Some(TxnResult { succeeded, revision: self.revision(), ranges })
    }
}

fn select(state: &BTreeMap<Bytes, KeyValue>, range: &KeyRange) -> Vec<KeyValue> {
    state.values().filter(|kv| range.contains(&kv.key)).cloned().collect()
}

fn writes_twice(ops: &[Op]) -> bool {
    let puts: Vec<&Bytes> =
        ops.iter().filter_map(|op| if let Op::Put(key, _) = op { Some(key) } else { None }).collect();
    let distinct: BTreeSet<&Bytes> = puts.iter().copied().collect();
    let deleted = |key: &Bytes| ops.iter().any(|op| matches!(op, Op::Delete(range) if range.contains(key)));
    distinct.len() < puts.len() || puts.into_iter().any(deleted)
}

fn holds(state: &BTreeMap<Bytes, KeyValue>, compare: &Compare) -> bool {
    let number = |key: &Bytes, of: fn(&KeyValue) -> u64| state.get(key).map_or(0, of);
    match compare {
        Compare::ModRevision(key, wanted) => number(key, |kv| kv.mod_revision) == *wanted,
        Compare::CreateRevision(key, wanted) => number(key, |kv| kv.create_revision) == *wanted,
        Compare::Version(key, wanted) => number(key, |kv| kv.version) == *wanted,
        Compare::Value(key, wanted) => state.get(key).is_some_and(|kv| kv.value == *wanted),
        Compare::UnchangedSince(range, since) => select(state, range).iter().all(|kv| kv.mod_revision <= *since),
    }
}

/// Few keys, so that operations meet.
pub fn key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["a", "a/1", "a/2", "a/20", "b", "b/1", "c", "\u{7f}"]).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        3 => (0..4u8).prop_map(|byte| Bytes::from(vec![b'0' + byte])),
        1 => (0..600usize).prop_map(|length| Bytes::from(vec![b'v'; length])),
    ]
}

pub fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(KeyRange::key),
        key().prop_map(KeyRange::prefix),
        Just(KeyRange::all()),
        (key(), key()).prop_map(|(start, end)| KeyRange { start, end: Some(end) }),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    prop_oneof![
        (key(), 0..12u64).prop_map(|(key, revision)| Compare::ModRevision(key, revision)),
        (key(), 0..12u64).prop_map(|(key, revision)| Compare::CreateRevision(key, revision)),
        (key(), 0..3u64).prop_map(|(key, version)| Compare::Version(key, version)),
        (key(), value()).prop_map(|(key, value)| Compare::Value(key, value)),
        (range(), 0..20u64).prop_map(|(range, since)| Compare::UnchangedSince(range, since)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (key(), value()).prop_map(|(key, value)| Op::Put(key, value)),
        1 => range().prop_map(Op::Delete),
        1 => range().prop_map(Op::Range),
    ]
}

pub fn txn() -> impl Strategy<Value = Txn> {
    let ops = || prop::collection::vec(op(), 1..4);
    (prop::collection::vec(compare(), 0..2), ops(), ops()).prop_map(|(compares, success, failure)| Txn {
        compares,
        success,
        failure,
    })
}
