//! The keys in memory, with every version since the last compaction, and the order in which they changed.
//!
//! Only the writer changes it, and ahead of the disk: versions above the store's visible revision are there but nobody
//! reads them, so a commit becomes visible by moving one number. Values are held once, by their key's history; the
//! order of events is (revision, key) alone. A `BTreeMap` because lists are ranges; its cost grows with the logarithm
//! of the number of keys.

use super::entry::Change;
use crate::api::{Event, KeyRange, KeyValue, StoreError};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque, btree_map};
use std::mem;
use std::ops::Bound;

/// A key's value from one revision on; no value means that it was deleted.
#[derive(Debug, Clone)]
struct Version {
    value: Option<Bytes>,
    create: u64,
    modified: u64,
    version: u64,
}

impl Version {
    fn named(&self, key: &Bytes) -> Option<KeyValue> {
        let value = self.value.clone()?;
        let (create_revision, mod_revision) = (self.create, self.modified);
        Some(KeyValue { key: key.clone(), value, create_revision, mod_revision, version: self.version })
    }
}

/// A key's versions. Most keys have one, which needs no vector.
#[derive(Debug)]
struct History {
    newest: Version,
    /// Oldest first.
    older: Vec<Version>,
}

impl History {
    /// How many of the older versions are from before `revision`.
    fn older_before(&self, revision: u64) -> usize {
        self.older.partition_point(|version| version.modified < revision)
    }

    /// The version that stood just before `revision`.
    fn before(&self, revision: u64) -> Option<&Version> {
        if self.newest.modified < revision {
            return Some(&self.newest);
        }
        self.older.get(self.older_before(revision).checked_sub(1)?)
    }

    fn at(&self, revision: u64) -> Option<&Version> {
        self.before(revision.saturating_add(1))
    }

    /// Drops what nobody can ask for when history starts at `oldest`: the version that stood before it stays, as the
    /// event's `prev`. Returns how many versions went and whether any is left.
    fn trim(&mut self, oldest: u64) -> (usize, bool) {
        if self.newest.modified < oldest {
            let gone = mem::take(&mut self.older).len();
            return if self.newest.value.is_some() { (gone, true) } else { (gone + 1, false) };
        }
        let before = self.older_before(oldest);
        let base_is_deletion = before > 0 && self.older[before - 1].value.is_none();
        let gone = if base_is_deletion { before } else { before.saturating_sub(1) };
        self.older.drain(..gone);
        if self.older.capacity() > 4 * self.older.len() {
            self.older.shrink_to_fit();
        }
        (gone, true)
    }
}

/// A piece of a range read.
pub(crate) struct Page {
    pub(crate) kvs: Vec<KeyValue>,
    /// Where the next piece starts; `None` when this was the last.
    pub(crate) next: Option<Bytes>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Bytes, History>,
    /// Every change since `oldest` (and some before it that are not trimmed yet), in order.
    events: VecDeque<(u64, Bytes)>,
    /// The revision of the last change, durable or not.
    newest: u64,
    /// Reads below this revision are refused.
    oldest: u64,
    /// While a checkpoint is written, history from here on stays in memory.
    pin: Option<u64>,
    versions: usize,
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The ordered map's bounds, or `None` for a range that is empty (which the map refuses).
fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let end = match &range.end {
        Some(end) if end <= &range.start => return None,
        Some(end) => Bound::Excluded(&end[..]),
        None => Bound::Unbounded,
    };
    Some((Bound::Included(&range.start[..]), end))
}

impl Index {
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Numbers of keys (deleted ones with history too), versions and events held.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.keys.len(), self.versions, self.events.len())
    }

    /// Whether `wanted` can be read when the store stands at `visible`.
    pub(crate) fn check(&self, wanted: u64, visible: u64) -> Result<(), StoreError> {
        if wanted > visible {
            return Err(StoreError::Future(wanted));
        }
        if wanted < self.oldest {
            return Err(StoreError::Compacted { wanted, oldest: self.oldest });
        }
        Ok(())
    }

    fn walk(&self, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &History)> {
        bounds(range).map(|bounds| self.keys.range::<[u8], _>(bounds)).into_iter().flatten()
    }

    /// The key as it stands at `revision`.
    pub(crate) fn get(&self, key: &[u8], revision: u64) -> Option<KeyValue> {
        let (key, history) = self.keys.get_key_value(key)?;
        history.at(revision)?.named(key)
    }

    /// Reads at most `limit` keys (0: all), looking at no more than `steps` keys.
    pub(crate) fn page(&self, range: &KeyRange, revision: u64, limit: usize, steps: usize) -> Page {
        let mut kvs = Vec::new();
        for (step, (key, history)) in self.walk(range).enumerate() {
            if step == steps || (limit > 0 && kvs.len() == limit) {
                return Page { kvs, next: Some(key.clone()) };
            }
            kvs.extend(history.at(revision).and_then(|version| version.named(key)));
        }
        Page { kvs, next: None }
    }

    /// Counts keys, looking at no more than `steps`; where to go on, if there are more.
    pub(crate) fn count(&self, range: &KeyRange, revision: u64, steps: usize) -> (usize, Option<Bytes>) {
        let mut count = 0;
        for (step, (key, history)) in self.walk(range).enumerate() {
            if step == steps {
                return (count, Some(key.clone()));
            }
            count += usize::from(history.at(revision).is_some_and(|version| version.value.is_some()));
        }
        (count, None)
    }

    /// The keys of a range that exist now.
    pub(crate) fn living(&self, range: &KeyRange) -> Vec<Bytes> {
        let living = self.walk(range).filter(|(_, history)| history.newest.value.is_some());
        living.map(|(key, _)| key.clone()).collect()
    }

    /// Whether no key that exists at `now` in the range was written after `since`. Looks at the events since then,
    /// which are few when the caller read a moment ago; at the range itself only when their history is gone.
    pub(crate) fn unchanged(&self, range: &KeyRange, since: u64, now: u64) -> bool {
        let written = |history: &History| {
            history.at(now).is_some_and(|version| version.value.is_some() && version.modified > since)
        };
        if since.saturating_add(1) < self.oldest {
            return !self.walk(range).any(|(_, history)| written(history));
        }
        let events = self.events.range(self.event_position(since.saturating_add(1))..);
        let events = events.filter(|(revision, key)| *revision <= now && range.contains(key));
        !events.filter_map(|(_, key)| self.keys.get(key)).any(written)
    }

    /// Applies a transaction's changes at the next revision. A deletion of what does not exist is the caller's mistake
    /// and changes nothing.
    pub(crate) fn apply(&mut self, revision: u64, changes: &[Change]) {
        self.newest = revision;
        for change in changes {
            match change {
                Change::Put(key, value) => self.put(revision, key, value.clone()),
                Change::Delete(key) => self.delete(revision, key),
            }
        }
    }

    pub(crate) fn put(&mut self, revision: u64, key: &Bytes, value: Bytes) {
        let fresh = Version { value: Some(value), create: revision, modified: revision, version: 1 };
        self.versions += 1;
        let key = match self.keys.entry(key.clone()) {
            btree_map::Entry::Vacant(slot) => {
                let key = slot.key().clone();
                slot.insert(History { newest: fresh, older: Vec::new() });
                key
            }
            btree_map::Entry::Occupied(mut slot) => {
                let key = slot.key().clone();
                let history = slot.get_mut();
                let last = &history.newest;
                let next = match last.value {
                    Some(_) => Version { create: last.create, version: last.version + 1, ..fresh },
                    None => fresh,
                };
                history.older.push(mem::replace(&mut history.newest, next));
                key
            }
        };
        self.newest = revision;
        self.events.push_back((revision, key));
    }

    pub(crate) fn delete(&mut self, revision: u64, key: &Bytes) {
        let Some(history) = self.keys.get_mut(key).filter(|history| history.newest.value.is_some()) else { return };
        let deletion = Version { value: None, create: 0, modified: revision, version: 0 };
        history.older.push(mem::replace(&mut history.newest, deletion));
        self.versions += 1;
        self.newest = revision;
        self.events.push_back((revision, key.clone()));
    }

    fn event_position(&self, revision: u64) -> usize {
        self.events.partition_point(|(event, _)| *event < revision)
    }

    /// The revision of the event before which `keep` or fewer are left, for a policy that keeps so many.
    pub(crate) fn revision_keeping(&self, keep: usize) -> u64 {
        let first = self.events.len().saturating_sub(keep);
        self.events.get(first).map_or(self.newest, |(revision, _)| *revision)
    }

    /// Transactions from `from` to `to` (both included), each as its events in `range` with what their keys were
    /// before. Looks at whole transactions until it saw `most` events; returns also the revision to go on from.
    pub(crate) fn batches(&self, range: &KeyRange, from: u64, to: u64, most: usize) -> (Vec<Vec<Event>>, u64) {
        let mut batches: Vec<Vec<Event>> = Vec::new();
        let (mut seen, mut current) = (0, from);
        for (revision, key) in self.events.range(self.event_position(from)..) {
            if *revision > to {
                break;
            }
            if *revision != current && seen >= most {
                return (batches, *revision);
            }
            seen += 1;
            current = *revision;
            let event = range.contains(key).then(|| self.event(*revision, key)).flatten();
            let Some(event) = event else { continue };
            match batches.last_mut() {
                Some(batch) if batch[0].revision() == *revision => batch.push(event),
                _ => batches.push(vec![event]),
            }
        }
        (batches, from.max(to.saturating_add(1)))
    }

    fn event(&self, revision: u64, key: &Bytes) -> Option<Event> {
        let history = self.keys.get(key)?;
        let prev = history.before(revision).and_then(|version| version.named(key));
        let version = history.at(revision).filter(|version| version.modified == revision)?;
        Some(match version.named(key) {
            Some(kv) => Event::Put { kv, prev },
            None => Event::Delete { key: key.clone(), revision, prev },
        })
    }

    /// Forgets history before `revision`; [`Index::trim`] frees it.
    pub(crate) fn compact(&mut self, revision: u64) {
        self.oldest = self.oldest.max(revision);
    }

    /// Holds history from the oldest revision on, until [`Index::unpin`]. Returns that revision.
    pub(crate) fn pin(&mut self) -> u64 {
        self.pin = Some(self.oldest);
        self.oldest
    }

    pub(crate) fn unpin(&mut self) {
        self.pin = None;
    }

    /// How many events lie before what can still be asked for (by readers from `oldest`, by watches from `needed`).
    fn horizon(&self, needed: u64) -> u64 {
        self.oldest.min(needed).min(self.pin.unwrap_or(u64::MAX))
    }

    /// Whether [`Index::trim`] has something to do.
    pub(crate) fn trimmable(&self, needed: u64) -> bool {
        self.events.front().is_some_and(|(revision, _)| *revision < self.horizon(needed))
    }

    /// Frees history that was compacted, looking at no more than `most` events: its cost follows what goes and not what
    /// stays.
    pub(crate) fn trim(&mut self, needed: u64, most: usize) {
        let horizon = self.horizon(needed);
        for _ in 0..most {
            let Some((_, key)) = self.events.pop_front_if(|(revision, _)| *revision < horizon) else { break };
            if let btree_map::Entry::Occupied(mut slot) = self.keys.entry(key) {
                let (gone, stays) = slot.get_mut().trim(horizon);
                self.versions -= gone;
                if !stays {
                    slot.remove();
                }
            }
        }
        if self.events.capacity() > 4 * self.events.len().max(1024) {
            self.events.shrink_to(2 * self.events.len());
        }
    }
}

/// A key as a checkpoint holds it.
pub(crate) struct Base {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) create: u64,
    pub(crate) modified: u64,
    pub(crate) version: u64,
}

/// Checkpoints: the keys as they stood just before the oldest revision, then every transaction since.
impl Index {
    /// Some keys from `start` on as they stood before `oldest`, looking at no more than `steps`, and where to go on.
    pub(crate) fn bases(&self, start: &Bytes, oldest: u64, steps: usize) -> (Vec<Base>, Option<Bytes>) {
        let mut bases = Vec::new();
        let rest = self.keys.range::<[u8], _>((Bound::Included(&start[..]), Bound::Unbounded));
        for (step, (key, history)) in rest.enumerate() {
            if step == steps {
                return (bases, Some(key.clone()));
            }
            let Some(version) = history.before(oldest) else { continue };
            let Some(value) = version.value.clone() else { continue };
            let Version { create, modified, version, .. } = *version;
            bases.push(Base { key: key.clone(), value, create, modified, version });
        }
        (bases, None)
    }

    /// As [`Index::batches`] for all keys, but each transaction with its revision and changes as they were written.
    pub(crate) fn changes(&self, from: u64, to: u64, most: usize) -> (Vec<(u64, Vec<Change>)>, u64) {
        let change = |event: Event| match event {
            Event::Put { kv, .. } => Change::Put(kv.key, kv.value),
            Event::Delete { key, .. } => Change::Delete(key),
        };
        let (batches, next) = self.batches(&KeyRange::all(), from, to, most);
        let txn = |batch: Vec<Event>| (batch[0].revision(), batch.into_iter().map(change).collect());
        (batches.into_iter().map(txn).collect(), next)
    }

    /// An index that starts from a checkpoint's keys, which come in order.
    pub(crate) fn from_bases(bases: Vec<Base>, oldest: u64) -> Self {
        let versions = bases.len();
        let history = |base: Base| {
            let Base { key, value, create, modified, version } = base;
            (key, History { newest: Version { value: Some(value), create, modified, version }, older: Vec::new() })
        };
        let keys = bases.into_iter().map(history).collect();
        Self { keys, versions, oldest, newest: oldest.saturating_sub(1), ..Self::default() }
    }
}
