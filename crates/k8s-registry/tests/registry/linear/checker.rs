//! Whether what clients saw of one key can have happened in one order that respects real time.
//!
//! The search of Wing and Gong (*Testing and verifying concurrent objects*, 1993) with Lowe's memory of states that
//! were tried: take any operation that began before every remaining one ended, see whether the model allows what it
//! returned, go on; go back when nothing fits.

use std::collections::HashSet;

/// What a client asked of a key. Values are never written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Create(u32),
    /// With the version that it is about; none is whichever there is.
    Update(u32, Option<u64>),
    Delete,
    Get,
}

/// What it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was done at this revision.
    Done(u64),
    /// The value there is and its revision; none when there is none.
    Read(Option<(u32, u64)>),
    Exists,
    NotFound,
    Conflict,
}

/// An operation with the moments when it was asked and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub called: u64,
    pub returned: u64,
    pub ask: Ask,
    pub told: Told,
}

/// A key: its value with its revision, and the newest revision of the key, its end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Register {
    value: Option<(u32, u64)>,
    newest: u64,
}

impl Register {
    /// The key after an operation, if it can have answered so.
    fn after(self, operation: &Operation) -> Option<Self> {
        let written = |value: Option<u32>, revision: u64| {
            let next = Self { value: value.map(|it| (it, revision)), newest: revision };
            (revision > self.newest).then_some(next)
        };
        match (operation.ask, operation.told) {
            (Ask::Create(value), Told::Done(revision)) if self.value.is_none() => written(Some(value), revision),
            (Ask::Create(_), Told::Exists) => self.value.is_some().then_some(self),
            (Ask::Update(value, about), Told::Done(revision)) => {
                let there = self.value.is_some_and(|it| about.is_none_or(|about| about == it.1));
                there.then(|| written(Some(value), revision))?
            }
            (Ask::Update(_, Some(about)), Told::Conflict) => self.value.is_some_and(|it| it.1 != about).then_some(self),
            (Ask::Update(..) | Ask::Delete, Told::NotFound) => self.value.is_none().then_some(self),
            (Ask::Delete, Told::Done(revision)) if self.value.is_some() => written(None, revision),
            (Ask::Get, Told::Read(seen)) => (seen == self.value).then_some(self),
            _ => None,
        }
    }
}

/// Which operations of a history are in the order already.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Taken(Vec<u64>);

impl Taken {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    fn flip(&mut self, index: usize) {
        self.0[index / 64] ^= 1 << (index % 64);
    }
}

/// Whether one key's history has an order.
pub fn is_linearizable(history: &[Operation]) -> bool {
    let mut history = history.to_vec();
    history.sort_by_key(|it| it.called);
    let mut taken = Taken(vec![0; history.len().div_ceil(64)]);
    let mut state = Register::default();
    let mut tried = HashSet::new();
    // What was taken, with the state before it.
    let mut order: Vec<(usize, Register)> = Vec::new();
    let mut next = 0;
    while order.len() < history.len() {
        if let Some((index, after)) = step(&history, &taken, state, next) {
            taken.flip(index);
            if tried.insert((taken.clone(), after)) {
                order.push((index, state));
                (state, next) = (after, 0);
            } else {
                taken.flip(index);
                next = index + 1;
            }
        } else {
            let Some((index, before)) = order.pop() else { return false };
            taken.flip(index);
            (state, next) = (before, index + 1);
        }
    }
    true
}

/// The first operation from `from` on that can come next.
fn step(history: &[Operation], taken: &Taken, state: Register, from: usize) -> Option<(usize, Register)> {
    let rest = || history.iter().enumerate().filter(|(index, _)| !taken.has(*index));
    let soonest = rest().map(|(_, it)| it.returned).min()?;
    let open = rest().take_while(|(_, it)| it.called < soonest).filter(|(index, _)| *index >= from);
    open.filter_map(|(index, it)| Some((index, state.after(it)?))).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(called: u64, returned: u64, ask: Ask, told: Told) -> Operation {
        Operation { called, returned, ask, told }
    }

    #[test]
    fn what_overlaps_may_be_in_any_order() {
        let history = [
            at(0, 9, Ask::Create(1), Told::Done(5)),
            at(1, 2, Ask::Get, Told::Read(None)),
            at(3, 4, Ask::Get, Told::Read(Some((1, 5)))),
        ];
        assert!(is_linearizable(&history));
        let back = [history[0], at(1, 2, Ask::Get, Told::Read(Some((1, 5)))), at(3, 4, Ask::Get, Told::Read(None))];
        assert!(!is_linearizable(&back), "what was seen is seen");
    }

    #[test]
    fn what_no_register_does_is_refused() {
        let made = at(0, 1, Ask::Create(1), Told::Done(5));
        let wrong: [&[Operation]; 9] = [
            &[made, at(2, 3, Ask::Get, Told::Read(None))],
            &[made, at(2, 3, Ask::Get, Told::Read(Some((1, 6))))],
            &[made, at(2, 3, Ask::Create(2), Told::Done(6))],
            &[made, at(2, 3, Ask::Update(2, Some(5)), Told::Done(5))],
            &[made, at(2, 3, Ask::Update(2, Some(5)), Told::Conflict)],
            &[made, at(2, 3, Ask::Delete, Told::NotFound)],
            &[made, at(2, 5, Ask::Update(2, Some(5)), Told::Done(6)), at(3, 4, Ask::Update(3, Some(5)), Told::Done(7))],
            &[made, at(2, 3, Ask::Delete, Told::Done(6)), at(4, 5, Ask::Create(2), Told::Exists)],
            &[made, at(2, 5, Ask::Update(2, None), Told::Done(6)), at(6, 7, Ask::Get, Told::Read(Some((1, 5))))],
        ];
        for history in wrong {
            assert!(!is_linearizable(history), "{history:?}");
        }
    }

    /// Operations one after another as a register answers them.
    fn sequential(asks: &[u8]) -> Vec<Operation> {
        let (mut state, mut history) = (Register::default(), Vec::new());
        for (index, ask) in asks.iter().enumerate() {
            let value = u32::try_from(index).unwrap();
            let (point, revision) = (10 * index as u64, 100 + index as u64);
            let (ask, told) = match (ask % 4, state.value) {
                (0, None) => (Ask::Create(value), Told::Done(revision)),
                (0, Some(_)) => (Ask::Create(value), Told::Exists),
                (1, Some(it)) => (Ask::Update(value, (ask % 8 == 1).then_some(it.1)), Told::Done(revision)),
                (1, None) => (Ask::Update(value, None), Told::NotFound),
                (2, Some(_)) => (Ask::Delete, Told::Done(revision)),
                (2, None) => (Ask::Delete, Told::NotFound),
                (_, seen) => (Ask::Get, Told::Read(seen)),
            };
            let operation = at(point, point + 5, ask, told);
            state = state.after(&operation).unwrap();
            history.push(operation);
        }
        history
    }

    proptest! {
        /// Whatever order there was, stretching the operations around it hides it but does not undo it; an answer that
        /// no order explains is found however much they are stretched.
        #[test]
        fn an_order_is_found_exactly_where_there_is_one(
            asks in prop::collection::vec(any::<u8>(), 1..60),
            stretch in prop::collection::vec((0..30u64, 0..30u64), 60),
            wrong in any::<prop::sample::Index>(),
        ) {
            let mut history = sequential(&asks);
            for (operation, (before, after)) in history.iter_mut().zip(stretch) {
                operation.called = operation.called.saturating_sub(before);
                operation.returned += after;
            }
            prop_assert!(is_linearizable(&history));
            history[wrong.index(asks.len())].told = Told::Read(Some((u32::MAX, 1)));
            prop_assert!(!is_linearizable(&history));
        }
    }
}
