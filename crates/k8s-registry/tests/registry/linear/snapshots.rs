//! Lists and watches: a list is one state of all keys, the one that its version names; a watch is all states in order.

use super::checker::{Ask, Operation, Told};
use std::collections::BTreeMap;

/// The state of all keys: value and revision of each.
pub type State = BTreeMap<usize, (u32, u64)>;

/// A list as somebody saw it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub called: u64,
    pub returned: u64,
    pub revision: u64,
    pub state: State,
}

/// A change as somebody saw it: its revision, the key, its value afterwards, and the revision of what was before.
pub type Shown = (u64, usize, Option<u32>, Option<u64>);

/// What somebody saw who watched from a revision on, until all was over.
#[derive(Debug, Clone)]
pub struct Watched {
    pub after: u64,
    pub shown: Vec<Shown>,
}

/// All that clients saw.
#[derive(Debug, Default)]
pub struct History {
    pub keys: Vec<Vec<Operation>>,
    pub lists: Vec<Listed>,
    pub watches: Vec<Watched>,
}

/// A write that was done.
#[derive(Debug, Clone, Copy)]
struct Write {
    called: u64,
    returned: u64,
    key: usize,
    value: Option<u32>,
}

impl History {
    /// All writes by their revisions; no two may have one.
    fn writes(&self) -> Result<BTreeMap<u64, Write>, String> {
        let mut writes = BTreeMap::new();
        for (key, history) in self.keys.iter().enumerate() {
            for it in history {
                let value = match it.ask {
                    Ask::Create(value) | Ask::Update(value, _) => Some(value),
                    Ask::Delete => None,
                    Ask::Get => continue,
                };
                let Told::Done(revision) = it.told else { continue };
                let write = Write { called: it.called, returned: it.returned, key, value };
                if writes.insert(revision, write).is_some() {
                    return Err(format!("two writes at {revision}"));
                }
            }
        }
        Ok(writes)
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        for (key, history) in self.keys.iter().enumerate() {
            if !super::checker::is_linearizable(history) {
                return Err(format!("key {key} has no order"));
            }
        }
        let writes = self.writes()?;
        let order: Vec<(&u64, &Write)> = writes.iter().collect();
        if let Some(pair) = order.windows(2).find(|pair| pair[1].1.returned < pair[0].1.called) {
            return Err(format!("revisions against time: {pair:?}"));
        }
        self.lists.iter().try_for_each(|it| list(it, &writes))?;
        let mut lists: Vec<&Listed> = self.lists.iter().collect();
        lists.sort_by_key(|it| it.called);
        for (index, later) in lists.iter().enumerate() {
            if let Some(earlier) =
                lists[..index].iter().find(|it| it.returned < later.called && it.revision > later.revision)
            {
                return Err(format!("a list after {} is of {}", earlier.revision, later.revision));
            }
        }
        self.watches.iter().try_for_each(|it| watch(it, &writes))
    }
}

fn list(seen: &Listed, writes: &BTreeMap<u64, Write>) -> Result<(), String> {
    let mut state = State::new();
    for (revision, write) in writes.range(..=seen.revision) {
        match write.value {
            Some(value) => drop(state.insert(write.key, (value, *revision))),
            None => drop(state.remove(&write.key)),
        }
        if write.called > seen.returned {
            return Err(format!("the list of {} has what came later: {revision}", seen.revision));
        }
    }
    if state != seen.state {
        return Err(format!("the list of {} is {:?}, not {state:?}", seen.revision, seen.state));
    }
    match writes.range(seen.revision + 1..).find(|(_, it)| it.returned < seen.called) {
        Some((missed, _)) => Err(format!("the list of {} misses {missed}", seen.revision)),
        None => Ok(()),
    }
}

fn watch(seen: &Watched, writes: &BTreeMap<u64, Write>) -> Result<(), String> {
    let mut last: BTreeMap<usize, u64> = BTreeMap::new();
    let mut expected: Vec<Shown> = Vec::new();
    for (revision, write) in writes {
        let before = match write.value {
            Some(_) => last.insert(write.key, *revision),
            None => last.remove(&write.key),
        };
        if *revision > seen.after {
            expected.push((*revision, write.key, write.value, before));
        }
    }
    if expected == seen.shown {
        return Ok(());
    }
    let at = expected.iter().zip(&seen.shown).take_while(|(one, two)| one == two).count();
    let (expected, shown) = (expected.get(at), seen.shown.get(at));
    Err(format!("a watch after {} showed {shown:?} as its {at}th, not {expected:?}", seen.after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key 0 made at 5 and changed at 7, key 1 made at 6 and gone at 8.
    fn history() -> History {
        let at = |point: u64, ask, revision| Operation {
            called: point,
            returned: point + 1,
            ask,
            told: Told::Done(revision),
        };
        let keys = vec![
            vec![at(0, Ask::Create(1), 5), at(4, Ask::Update(3, None), 7)],
            vec![at(2, Ask::Create(2), 6), at(6, Ask::Delete, 8)],
        ];
        let state = State::from([(0, (1, 5)), (1, (2, 6))]);
        let lists = vec![Listed { called: 3, returned: 5, revision: 6, state }];
        let shown = vec![(6, 1, Some(2), None), (7, 0, Some(3), Some(5)), (8, 1, None, Some(6))];
        History { keys, lists, watches: vec![Watched { after: 5, shown }] }
    }

    #[test]
    fn a_list_is_one_state_of_its_time_and_a_watch_all_of_them() {
        assert_eq!(history().check(), Ok(()));
        type Spoil = fn(&mut History);
        let spoils: [(&str, Spoil); 9] = [
            ("a torn list", |it| it.lists[0].state.extend([(0, (3, 7))])),
            ("a list without a key", |it| it.lists[0].state.retain(|key, _| *key != 1)),
            ("a list under another version", |it| it.lists[0].revision = 7),
            ("an old list", |it| (it.lists[0].called, it.lists[0].returned) = (8, 9)),
            ("a list of the future", |it| (it.lists[0].called, it.lists[0].returned) = (0, 1)),
            ("a lost change", |it| it.watches[0].shown.retain(|it| it.0 != 7)),
            ("a repeated change", |it| {
                let first = it.watches[0].shown[0];
                it.watches[0].shown.insert(1, first);
            }),
            ("changes in another order", |it| it.watches[0].shown.swap(0, 1)),
            ("a wrong past", |it| it.watches[0].shown[2].3 = Some(5)),
        ];
        for (what, spoil) in spoils {
            let mut history = history();
            spoil(&mut history);
            assert!(history.check().is_err(), "{what}");
        }
    }
}
