//! Who watches what. Finds the watchers of a key by hash (one lookup for the key itself, one for each length of prefix
//! that is watched), so an event costs what its own watchers cost, at one watcher and at ten thousand; only ranges that
//! are neither one key nor a prefix are tried one by one.

use crate::api::{Event, KeyRange, WatchError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::mpsc;

type Batch = Result<Vec<Event>, WatchError>;

struct Watcher {
    range: KeyRange,
    /// The first revision that it wants.
    from: u64,
    sender: mpsc::Sender<Batch>,
    /// A place in the channel for the error that ends the watch, however full it is.
    last: mpsc::OwnedPermit<Batch>,
}

/// How a range is looked up.
enum Shape {
    Key,
    Prefix,
    Other,
}

fn shape(range: &KeyRange) -> Shape {
    if *range == KeyRange::key(range.start.clone()) {
        Shape::Key
    } else if *range == KeyRange::prefix(range.start.clone()) {
        Shape::Prefix
    } else {
        Shape::Other
    }
}

/// See the module.
pub(crate) struct Hub {
    watchers: HashMap<u64, Watcher>,
    keys: HashMap<Bytes, BTreeSet<u64>>,
    prefixes: HashMap<Bytes, BTreeSet<u64>>,
    /// How many prefixes of each length are watched.
    lengths: BTreeMap<usize, usize>,
    others: BTreeSet<u64>,
    next_id: u64,
    /// Every revision up to this one was given to those who were watching.
    dispatched: u64,
    buffer: usize,
    /// When the next look for watches that were dropped is due, in watchers.
    sweep_at: usize,
    closed: bool,
}

const SWEEP_AT_LEAST: usize = 64;

impl Hub {
    pub(crate) fn new(dispatched: u64, buffer: usize) -> Self {
        Self {
            watchers: HashMap::new(),
            keys: HashMap::new(),
            prefixes: HashMap::new(),
            lengths: BTreeMap::new(),
            others: BTreeSet::new(),
            next_id: 0,
            dispatched,
            buffer,
            sweep_at: SWEEP_AT_LEAST,
            closed: false,
        }
    }

    pub(crate) fn dispatched(&self) -> u64 {
        self.dispatched
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Adds a watcher that has `backlog` to read before what comes from revision `from` on.
    pub(crate) fn add(&mut self, range: KeyRange, from: u64, backlog: Vec<Vec<Event>>) -> mpsc::Receiver<Batch> {
        self.sweep();
        let (sender, receiver) = mpsc::channel(backlog.len() + self.buffer + 1);
        // Neither can fail: the channel is new and has these places.
        if let Ok(last) = sender.clone().try_reserve_owned()
            && backlog.into_iter().all(|batch| sender.try_send(Ok(batch)).is_ok())
        {
            let id = self.next_id;
            self.next_id += 1;
            match shape(&range) {
                Shape::Key => self.keys.entry(range.start.clone()).or_default().insert(id),
                Shape::Prefix => {
                    let group = self.prefixes.entry(range.start.clone()).or_default();
                    if group.is_empty() {
                        *self.lengths.entry(range.start.len()).or_default() += 1;
                    }
                    group.insert(id)
                }
                Shape::Other => self.others.insert(id),
            };
            self.watchers.insert(id, Watcher { range, from, sender, last });
        }
        receiver
    }

    fn remove(&mut self, id: u64) -> Option<Watcher> {
        let watcher = self.watchers.remove(&id)?;
        let start = &watcher.range.start;
        match shape(&watcher.range) {
            Shape::Key => {
                leave(&mut self.keys, start, id);
            }
            Shape::Prefix => {
                if leave(&mut self.prefixes, start, id)
                    && let Some(count) = self.lengths.get_mut(&start.len())
                {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&start.len());
                    }
                }
            }
            Shape::Other => {
                self.others.remove(&id);
            }
        }
        Some(watcher)
    }

    /// Watches that were dropped are noticed when an event comes for them, and here for those to which none comes: they
    /// are never more than the living and [`SWEEP_AT_LEAST`].
    fn sweep(&mut self) {
        if self.watchers.len() < self.sweep_at {
            return;
        }
        let gone = self.watchers.iter().filter(|(_, watcher)| watcher.sender.is_closed());
        let gone: Vec<u64> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.remove(id);
        }
        self.sweep_at = SWEEP_AT_LEAST.max(2 * self.watchers.len());
    }

    fn watching(&self, key: &Bytes) -> impl Iterator<Item = u64> {
        let exact = self.keys.get(key);
        let lengths = self.lengths.keys().take_while(|length| **length <= key.len());
        let prefixes = lengths.filter_map(|length| self.prefixes.get(&key[..*length]));
        let groups = exact.into_iter().chain(prefixes).flatten().copied();
        let contains = |id: &&u64| self.watchers.get(id).is_some_and(|watcher| watcher.range.contains(key));
        groups.chain(self.others.iter().filter(contains).copied())
    }

    /// Gives out one transaction's events, which are all of one revision. Revisions come in order.
    pub(crate) fn deliver(&mut self, events: &[Event]) {
        let Some(revision) = events.first().map(Event::revision) else { return };
        if !self.watchers.is_empty() {
            let mut shares: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
            for event in events {
                for id in self.watching(event.key()) {
                    shares.entry(id).or_default().push(event.clone());
                }
            }
            for (id, share) in shares {
                self.send(id, revision, share);
            }
        }
        self.dispatched = revision;
    }

    fn send(&mut self, id: u64, revision: u64, share: Vec<Event>) {
        let Some(watcher) = self.watchers.get(&id).filter(|watcher| watcher.from <= revision) else { return };
        match watcher.sender.try_send(Ok(share)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.remove(id);
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                if let Some(watcher) = self.remove(id) {
                    watcher.last.send(Err(WatchError::Lagged));
                }
            }
        }
    }

    /// Notes that nobody needs the revisions up to this one.
    pub(crate) fn skip_to(&mut self, revision: u64) {
        self.dispatched = self.dispatched.max(revision);
    }

    /// Ends every watch, and refuses new ones.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for (_, watcher) in self.watchers.drain() {
            watcher.last.send(Err(WatchError::Closed));
        }
        (self.keys, self.prefixes) = (HashMap::new(), HashMap::new());
        self.lengths.clear();
        self.others.clear();
    }
}

/// Takes a watcher out of its group; true when the group is gone.
fn leave(groups: &mut HashMap<Bytes, BTreeSet<u64>>, start: &Bytes, id: u64) -> bool {
    let Some(group) = groups.get_mut(start) else { return false };
    group.remove(&id);
    if group.is_empty() {
        groups.remove(start);
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &'static str, revision: u64) -> Event {
        Event::Delete { key: key.into(), revision, prev: None }
    }

    fn keys(receiver: &mut mpsc::Receiver<Batch>) -> Vec<Bytes> {
        let batch = receiver.try_recv().ok().and_then(Result::ok).unwrap_or_default();
        batch.iter().map(|event| event.key().clone()).collect()
    }

    #[test]
    fn each_watcher_gets_its_range_and_none_the_past() {
        let mut hub = Hub::new(0, 8);
        let mut all = hub.add(KeyRange::all(), 1, vec![]);
        let mut key = hub.add(KeyRange::key("a/1"), 1, vec![]);
        let mut prefix = hub.add(KeyRange::prefix("a/"), 1, vec![]);
        let odd = KeyRange { start: "a/1".into(), end: Some("b/1".into()) };
        let mut odd = hub.add(odd, 1, vec![]);
        let mut late = hub.add(KeyRange::all(), 2, vec![]);
        hub.deliver(&[event("a/0", 1), event("a/1", 1), event("b/0", 1), event("b/1", 1)]);
        assert_eq!(keys(&mut all), ["a/0", "a/1", "b/0", "b/1"]);
        assert_eq!(keys(&mut key), ["a/1"]);
        assert_eq!(keys(&mut prefix), ["a/0", "a/1"]);
        assert_eq!(keys(&mut odd), ["a/1", "b/0"]);
        assert!(keys(&mut late).is_empty());
        hub.deliver(&[event("z", 2)]);
        assert_eq!(keys(&mut late), ["z"]);
        assert!(keys(&mut prefix).is_empty());
    }

    #[test]
    fn watches_that_were_dropped_go() {
        let mut hub = Hub::new(0, 1);
        for round in 0..10 * SWEEP_AT_LEAST {
            drop(hub.add(KeyRange::prefix(format!("quiet/{round}")), 1, vec![]));
        }
        assert!(hub.len() <= 2 * SWEEP_AT_LEAST, "{}", hub.len());
        assert!(hub.lengths.values().sum::<usize>() <= 2 * SWEEP_AT_LEAST);
        let kept = hub.add(KeyRange::key("k"), 1, vec![]);
        drop(kept);
        hub.deliver(&[event("k", 1)]);
        assert!(hub.keys.is_empty());
    }
}
