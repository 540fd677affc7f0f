//! The thread that tells watchers what became visible, and then frees history that nobody can ask for any more.
//!
//! It reads the events from the index, so a commit costs the writer one ring of a bell however many watch.

use super::shared::{Ear, Shared, lock, read, write};
use crate::api::{Event, KeyRange, StoreError, Watch};
use std::sync::Arc;

/// How many events are read, given out or freed under one lock: some hundred microseconds.
const EVENTS_AT_ONCE: usize = 512;

/// Runs until all bells are gone.
pub(crate) fn run(shared: &Arc<Shared>, ear: &Ear) {
    let mut ringing = true;
    while ringing {
        ringing = ear.wait();
        dispatch(shared);
        trim(shared);
    }
    lock(&shared.hub).close();
}

fn dispatch(shared: &Shared) {
    loop {
        let mut hub = lock(&shared.hub);
        let visible = shared.visible();
        if hub.len() == 0 {
            hub.skip_to(visible);
        }
        if hub.dispatched() >= visible {
            return;
        }
        let from = hub.dispatched() + 1;
        let (batches, next) = read(&shared.index).batches(&KeyRange::all(), from, visible, EVENTS_AT_ONCE);
        for batch in batches {
            hub.deliver(&batch);
        }
        hub.skip_to(next - 1);
    }
}

fn trim(shared: &Shared) {
    let needed = lock(&shared.hub).dispatched() + 1;
    while read(&shared.index).trimmable(needed) {
        write(&shared.index).trim(needed, EVENTS_AT_ONCE);
    }
}

/// Starts a watch. History is read in pieces; the last piece, up to what was dispatched, is read under the hub's lock,
/// and what comes later is dispatched under that lock: nothing falls between, nothing comes twice.
pub(crate) fn watch(shared: &Shared, range: KeyRange, from: Option<u64>) -> Result<Watch, StoreError> {
    let visible = shared.visible();
    let mut next = from.unwrap_or(visible + 1);
    let mut backlog = Vec::new();
    while next.saturating_add(EVENTS_AT_ONCE as u64) < visible {
        next = catch_up(shared, &range, next, visible, &mut backlog)?;
    }
    join(shared, range, next, backlog)
}

/// The last step of a watch that has read history up to `next`.
fn join(shared: &Shared, range: KeyRange, mut next: u64, mut backlog: Vec<Vec<Event>>) -> Result<Watch, StoreError> {
    let mut hub = lock(&shared.hub);
    if hub.is_closed() {
        return Err(StoreError::Closed);
    }
    let dispatched = hub.dispatched();
    // At least once, for the check that `next` is still there.
    next = catch_up(shared, &range, next, dispatched, &mut backlog)?;
    while next <= dispatched {
        next = catch_up(shared, &range, next, dispatched, &mut backlog)?;
    }
    Ok(Watch { events: hub.add(range, next, backlog) })
}

fn catch_up(
    shared: &Shared,
    range: &KeyRange,
    from: u64,
    to: u64,
    backlog: &mut Vec<Vec<Event>>,
) -> Result<u64, StoreError> {
    let index = read(&shared.index);
    if from < index.oldest() {
        return Err(StoreError::Compacted { wanted: from, oldest: index.oldest() });
    }
    let (batches, next) = index.batches(range, from, to, EVENTS_AT_ONCE);
    backlog.extend(batches);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::super::index::Index;
    use super::*;

    /// Makes the next revisions up to this one visible, without dispatching them.
    fn write_to(shared: &Shared, revision: u64) {
        let mut index = write(&shared.index);
        for next in index.newest() + 1..=revision {
            index.put(next, &"k".into(), next.to_string().into());
        }
        shared.show(revision);
    }

    fn revisions(watch: &mut Watch) -> Vec<u64> {
        let mut seen = Vec::new();
        while let Ok(Ok(batch)) = watch.events.try_recv() {
            seen.extend(batch.iter().map(Event::revision));
        }
        seen
    }

    #[test]
    fn what_comes_between_reading_history_and_joining_is_seen_once() {
        let shared = Shared::new(Index::default(), None, 0, 64);
        write_to(&shared, 3);
        dispatch(&shared);
        let mut backlog = Vec::new();
        let next = catch_up(&shared, &KeyRange::all(), 2, 3, &mut backlog).unwrap();
        // Someone must watch, or dispatching would skip.
        let mut other = watch(&shared, KeyRange::all(), None).unwrap();
        write_to(&shared, 5);
        dispatch(&shared);
        write_to(&shared, 6);
        let mut late = join(&shared, KeyRange::all(), next, backlog).unwrap();
        dispatch(&shared);
        assert_eq!(revisions(&mut late), [2, 3, 4, 5, 6]);
        assert_eq!(revisions(&mut other), [4, 5, 6]);
    }

    #[test]
    fn compacted_events_stay_until_they_are_dispatched() {
        let shared = Shared::new(Index::default(), None, 0, 64);
        let mut watch = watch(&shared, KeyRange::all(), None).unwrap();
        write_to(&shared, 5);
        write(&shared.index).compact(5);
        trim(&shared);
        dispatch(&shared);
        assert_eq!(revisions(&mut watch), [1, 2, 3, 4, 5]);
        trim(&shared);
        assert_eq!(read(&shared.index).counts(), (1, 2, 1), "the last event and what was before it stay");
    }
}
