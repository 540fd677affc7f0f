//! Which object's turn it is. Pure: time is an argument.
//!
//! A key has at most one slot, however many nudges come:
//!
//! ```text
//!          nudge            take             finished, nudged meanwhile
//! (none) --------> ready --------> running --------------------------> ready
//!                    ^                | \
//!                    | due, or news   |  `--- finished --> (none)
//!                    `---- waiting <--' failed
//! ```

use crate::backoff::Backoff;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The slots of all keys that have something to do. Taking a turn costs a logarithm of their number.
#[derive(Debug)]
pub struct Slots<K> {
    backoff: Backoff,
    slots: BTreeMap<K, Slot>,
    ready: VecDeque<K>,
    waiting: BTreeSet<(Instant, K)>,
    running: usize,
    turns: u64,
}

#[derive(Debug)]
struct Slot {
    state: State,
    failures: u32,
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Running { again: bool },
    Waiting { until: Instant, not_before: Instant },
}

/// What a loop is doing, for people and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status<K> {
    /// Turns under way.
    pub running: usize,
    /// Keys whose turn comes as soon as there is room.
    pub ready: usize,
    /// Keys that wait after a failure.
    pub waiting: usize,
    /// Turns that ended since the start.
    pub turns: u64,
    /// What failed at its last turn.
    pub troubles: Vec<Trouble<K>>,
}

/// A key whose last turn failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble<K> {
    /// The key.
    pub key: K,
    /// How often in a row.
    pub failures: u32,
    /// Why.
    pub error: String,
}

impl<K: Ord + Clone> Slots<K> {
    /// No slots; failures wait as `backoff` says.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, slots: BTreeMap::new(), ready: VecDeque::new(), waiting: BTreeSet::new(), running: 0, turns: 0 }
    }

    /// Something may have changed about `key`. A key that waits after a failure gets its turn earlier, though not before
    /// the shortest wait has passed: a turn that writes its failure down nudges itself and must not spin.
    pub fn nudge(&mut self, key: K) {
        match self.slots.get_mut(&key) {
            None => {
                self.slots.insert(key.clone(), Slot { state: State::Ready, failures: 0, error: None });
                self.ready.push_back(key);
            }
            Some(slot) => match &mut slot.state {
                State::Ready => (),
                State::Running { again } => *again = true,
                State::Waiting { until, not_before } if *not_before < *until => {
                    let (old, new) = (*until, *not_before);
                    *until = new;
                    self.waiting.remove(&(old, key.clone()));
                    self.waiting.insert((new, key));
                }
                State::Waiting { .. } => (),
            },
        }
    }

    /// The next key whose turn it is, now running.
    pub fn take(&mut self, now: Instant) -> Option<K> {
        while self.waiting.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.waiting.pop_first() else { break };
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.state = State::Ready;
                self.ready.push_back(key);
            }
        }
        let key = self.ready.pop_front()?;
        let slot = self.slots.get_mut(&key)?;
        slot.state = State::Running { again: false };
        self.running += 1;
        Some(key)
    }

    /// When the next waiting key is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The turn of `key` ended. The answer is how long it waits, when it failed.
    pub fn finish(&mut self, key: &K, outcome: Result<(), String>, now: Instant) -> Option<Duration> {
        let slot = self.slots.get_mut(key)?;
        let State::Running { again } = slot.state else { return None };
        self.running -= 1;
        self.turns += 1;
        match outcome {
            Ok(()) if again => {
                (slot.state, slot.failures, slot.error) = (State::Ready, 0, None);
                self.ready.push_back(key.clone());
                None
            }
            Ok(()) => {
                self.slots.remove(key);
                None
            }
            Err(error) => {
                slot.failures = slot.failures.saturating_add(1);
                slot.error = Some(error);
                let not_before = now + self.backoff.first;
                let wait = if again { self.backoff.first } else { self.backoff.delay(slot.failures) };
                slot.state = State::Waiting { until: now + wait, not_before };
                self.waiting.insert((now + wait, key.clone()));
                Some(wait)
            }
        }
    }

    /// Whether no key has anything to do, now or later.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    /// What is going on.
    pub fn status(&self) -> Status<K> {
        let trouble = |(key, slot): (&K, &Slot)| {
            let error = slot.error.clone()?;
            Some(Trouble { key: key.clone(), failures: slot.failures, error })
        };
        Status {
            running: self.running,
            ready: self.ready.len(),
            waiting: self.waiting.len(),
            turns: self.turns,
            troubles: self.slots.iter().filter_map(trouble).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(1) };

    #[test]
    fn many_nudges_are_one_turn() {
        let (mut slots, now) = (Slots::new(BACKOFF), Instant::now());
        for _ in 0..1000 {
            slots.nudge("a");
        }
        assert_eq!(slots.take(now), Some("a"));
        assert_eq!(slots.take(now), None);
    }

    #[test]
    fn a_nudge_during_a_turn_leads_to_one_more() {
        let (mut slots, now) = (Slots::new(BACKOFF), Instant::now());
        slots.nudge("a");
        slots.take(now);
        slots.nudge("a");
        assert_eq!(slots.take(now), None, "turns of one key do not overlap");
        slots.finish(&"a", Ok(()), now);
        assert_eq!(slots.take(now), Some("a"));
        slots.finish(&"a", Ok(()), now);
        assert!(slots.is_idle());
    }

    #[test]
    fn news_shortens_a_wait_but_not_below_the_first() {
        let (mut slots, now) = (Slots::new(BACKOFF), Instant::now());
        slots.nudge("a");
        let mut at = now;
        for _ in 0..5 {
            slots.take(at);
            let wait = slots.finish(&"a", Err("no".into()), at).unwrap();
            at += wait;
        }
        assert_eq!(slots.next_due(), Some(at));
        let failed_at = at - BACKOFF.cap;
        slots.nudge("a");
        assert_eq!(slots.next_due(), Some(failed_at + BACKOFF.first));
        assert_eq!(slots.status().troubles, [Trouble { key: "a", failures: 5, error: "no".into() }]);
    }

    proptest! {
        #[test]
        fn no_nudge_is_lost_and_no_turn_overlaps(ops in prop::collection::vec((0u8..4, 0u8..5), 1..200)) {
            let mut slots = Slots::new(BACKOFF);
            let mut now = Instant::now();
            let mut running = BTreeSet::new();
            let mut owed = BTreeSet::new();
            for (op, key) in ops {
                match op {
                    0 => { slots.nudge(key); owed.insert(key); }
                    1 => if let Some(key) = slots.take(now) {
                        prop_assert!(running.insert(key), "two turns of {key}");
                        owed.remove(&key);
                    },
                    _ => if let Some(key) = running.pop_first() {
                        let outcome = if op == 2 { Ok(()) } else { owed.insert(key); Err("no".to_owned()) };
                        slots.finish(&key, outcome, now);
                    },
                }
            }
            for key in std::mem::take(&mut running) {
                slots.finish(&key, Ok(()), now);
            }
            now += BACKOFF.cap;
            while let Some(key) = slots.take(now) {
                owed.remove(&key);
                slots.finish(&key, Ok(()), now);
            }
            prop_assert!(owed.is_empty(), "never got their turn: {owed:?}");
            prop_assert!(slots.is_idle());
        }
    }
}
