//! What waits to be done: each thing once, never twice at a time, and again later when it failed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left to do.
    Done,
    /// It has to be looked at again after a while.
    Later(Duration),
    /// It did not work; it is tried again, ever more seldom.
    Failed,
}

/// See the module. It holds nothing when nothing is to be done.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    ready: VecDeque<T>,
    queued: HashSet<T>,
    /// What is being done, and whether it has to be done again.
    running: HashMap<T, bool>,
    later: BTreeMap<(Instant, u64), T>,
    failures: HashMap<T, u32>,
    /// Tells apart what is due at the same time.
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashMap::new(),
            later: BTreeMap::new(),
            failures: HashMap::new(),
            sequence: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Queue<T> {
    /// Something has to be done.
    pub(crate) fn add(&mut self, it: T) {
        if let Some(again) = self.running.get_mut(&it) {
            *again = true;
        } else if self.queued.insert(it.clone()) {
            self.ready.push_back(it);
        }
    }

    /// Something has to be done at some time.
    pub(crate) fn add_at(&mut self, it: T, when: Instant) {
        self.sequence += 1;
        self.later.insert((when, self.sequence), it);
    }

    /// The next thing to do, which runs until [`Queue::finish`].
    pub(crate) fn pop(&mut self) -> Option<T> {
        let it = self.ready.pop_front()?;
        self.queued.remove(&it);
        if self.ready.is_empty() {
            // After thousands of things there may be none for days.
            self.ready.shrink_to(16);
            self.queued.shrink_to(16);
        }
        self.running.insert(it.clone(), false);
        Some(it)
    }

    /// Something is done, or it failed.
    pub(crate) fn finish(&mut self, it: T, outcome: Outcome, now: Instant) {
        let again = self.running.remove(&it).unwrap_or(false);
        match outcome {
            Outcome::Done => drop(self.failures.remove(&it)),
            Outcome::Later(after) => {
                self.failures.remove(&it);
                self.add_at(it.clone(), now + after);
            }
            Outcome::Failed => {
                let failures = self.failures.entry(it.clone()).or_default();
                *failures = failures.saturating_add(1);
                let wait = FIRST.checked_mul(1u32.checked_shl(*failures - 1).unwrap_or(u32::MAX));
                let wait = wait.map_or(LONGEST, |it| it.min(LONGEST));
                self.add_at(it.clone(), now + wait);
            }
        }
        if again {
            self.add(it);
        }
    }

    /// When the next thing is due that is not ready yet.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((when, _), _)| *when)
    }

    /// Makes ready what is due.
    pub(crate) fn wake(&mut self, now: Instant) {
        while self.due().is_some_and(|when| when <= now) {
            let Some((_, it)) = self.later.pop_first() else { return };
            self.add(it);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_done_once_and_again_when_news_come_meanwhile() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add("a");
        queue.add("b");
        queue.add("a");
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some("a"), Some("b"), None));
        queue.add("a");
        assert_eq!(queue.pop(), None, "it runs");
        queue.finish("a", Outcome::Done, now);
        queue.finish("b", Outcome::Done, now);
        assert_eq!((queue.pop(), queue.pop()), (Some("a"), None));
    }

    #[test]
    fn failures_wait_ever_longer() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..20 {
            queue.add("a");
            let it = queue.pop().unwrap();
            queue.finish(it, Outcome::Failed, now);
            waits.push(queue.due().unwrap() - now);
            queue.later.clear();
        }
        assert_eq!(&waits[..3], [5, 10, 20].map(Duration::from_millis));
        assert_eq!(waits[19], LONGEST);
        queue.add("a");
        queue.pop();
        queue.finish("a", Outcome::Done, now);
        assert!(queue.failures.is_empty() && queue.due().is_none());
    }

    #[test]
    fn what_is_due_wakes() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add_at("b", now + Duration::from_secs(2));
        queue.add_at("a", now + Duration::from_secs(1));
        queue.wake(now);
        assert_eq!(queue.pop(), None);
        queue.wake(now + Duration::from_secs(1));
        assert_eq!((queue.pop(), queue.pop()), (Some("a"), None));
        assert_eq!(queue.due(), Some(now + Duration::from_secs(2)));
    }
}
