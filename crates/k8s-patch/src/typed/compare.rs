//! How two versions of an object differ, field by field.

use super::{ListPlace, MapPlace, Place, Schema, Slot, identical, is_empty, same};
use crate::fields::{Element, Set};
use serde_json::{Map, Value};

/// The fields by which two objects differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In the second only.
    pub added: Set,
    /// In both, with different values.
    pub modified: Set,
    /// In the first only.
    pub removed: Set,
}

impl Comparison {
    /// Whether there is no difference.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// Leaves out `fields` with all that is below of them.
    pub fn exclude(&mut self, fields: &Set) {
        self.added.subtract_recursive(fields);
        self.modified.subtract_recursive(fields);
        self.removed.subtract_recursive(fields);
    }

    fn push(&mut self, element: Element, change: Option<Change>, below: Self) {
        let is = |it| change == Some(it);
        // Most steps are in one of the three only.
        if is(Change::Modified) || !below.modified.is_empty() {
            self.modified.push(element.clone(), is(Change::Modified), below.modified);
        }
        if is(Change::Removed) || !below.removed.is_empty() {
            self.removed.push(element.clone(), is(Change::Removed), below.removed);
        }
        self.added.push(element, is(Change::Added), below.added);
    }

    fn sort(&mut self) {
        self.added.sort();
        self.modified.sort();
        self.removed.sort();
    }
}

/// What became of a place itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Modified,
    Removed,
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(old), Some(new)) => (!same(old, new)).then_some(Change::Modified),
    }
}

/// The places that differ in how they are owned, by the value in them.
fn kind(place: &Place<'_>) -> u8 {
    match place {
        Place::Scalar(_) => 0,
        Place::Map(_) => 1,
        Place::AtomicList(_) => 2,
        Place::List(_) => 3,
        Place::AnyNull => 4,
    }
}

impl<'a> Schema<'a> {
    /// Compares two objects.
    pub fn compare(&self, old: &Value, new: &Value) -> Comparison {
        let mut all = Comparison::default();
        self.compare_maps(&self.of_struct(self.root, false), old.as_object(), new.as_object(), &mut all);
        all
    }

    fn compare_values(
        &self,
        slot: Slot<'a>,
        old: Option<&Value>,
        new: Option<&Value>,
        below: &mut Comparison,
    ) -> Option<Change> {
        if let (Some(old), Some(new)) = (old, new)
            && identical(old, new)
        {
            return None;
        }
        let places = (old.map(|it| self.place(slot, it)), new.map(|it| self.place(slot, it)));
        let change = match places {
            (None, None) => return None,
            (Some(place), None) | (None, Some(place)) => self.compare_at(&place, old, new, below),
            (Some(a), Some(b)) if kind(&a) == kind(&b) => self.compare_at(&b, old, new, below),
            (Some(a), Some(b)) => {
                // What was of one sort is now of another: what was below is gone, what is below now is new. A scalar
                // on either side makes the place itself a leaf that changed.
                let before = self.compare_at(&a, old, new, below);
                let after = self.compare_at(&b, old, new, below);
                below.sort();
                before.or(after)
            }
        };
        change.or(match (old, new) {
            (None, Some(_)) => Some(Change::Added),
            (Some(_), None) => Some(Change::Removed),
            _ => None,
        })
    }

    fn compare_at(
        &self,
        place: &Place<'a>,
        old: Option<&Value>,
        new: Option<&Value>,
        below: &mut Comparison,
    ) -> Option<Change> {
        match place {
            Place::Scalar(_) | Place::AtomicList(_) => leaf(old, new),
            Place::Map(map) => {
                let (a, b) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                // Two that are empty in any way are a leaf: empty and null are not the same.
                if map.atomic || (a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty)) {
                    return leaf(old, new);
                }
                self.compare_maps(map, a, b, below);
                None
            }
            Place::List(list) => {
                let (a, b) = (old.and_then(Value::as_array), new.and_then(Value::as_array));
                if a.is_none_or(Vec::is_empty) && b.is_none_or(Vec::is_empty) {
                    return leaf(old, new);
                }
                self.compare_lists(list, a.map_or(&[], Vec::as_slice), b.map_or(&[], Vec::as_slice), below);
                None
            }
            Place::AnyNull => {
                let empty = |it: Option<&Value>| it.is_none_or(|it| is_empty(it) || !(it.is_object() || it.is_array()));
                if empty(old) && empty(new) { leaf(old, new) } else { None }
            }
        }
    }

    fn compare_maps(
        &self,
        place: &MapPlace<'a>,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
        out: &mut Comparison,
    ) {
        let mut member = |name: &str, old: Option<&Value>, new: Option<&Value>| {
            let mut below = Comparison::default();
            let change = self.compare_values(place.member(name), old, new, &mut below);
            if change.is_some() || !below.is_same() {
                out.push(Element::field(name), change, below);
            }
        };
        let mut in_both = 0;
        for (name, value) in old.into_iter().flatten() {
            let other = new.and_then(|it| it.get(name));
            in_both += usize::from(other.is_some());
            member(name, Some(value), other);
        }
        if new.is_some_and(|it| it.len() > in_both) {
            for (name, value) in new.into_iter().flatten() {
                if old.is_none_or(|it| !it.contains_key(name)) {
                    member(name, None, Some(value));
                }
            }
        }
        out.sort();
    }

    fn compare_lists(&self, place: &ListPlace<'a>, old: &[Value], new: &[Value], out: &mut Comparison) {
        let (old, new) = (self.indexed(place, old), self.indexed(place, new));
        let (mut a, mut b) = (&old[..], &new[..]);
        loop {
            let order = match (a.first(), b.first()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => a.0.cmp(&b.0),
            };
            let olds = if order.is_le() { run(&mut a) } else { &[] };
            let news = if order.is_ge() { run(&mut b) } else { &[] };
            self.compare_items(place, olds, news, out);
        }
        out.sort();
    }

    /// The items with the steps to them, in the steps' order; those with the same step keep their order.
    fn indexed<'v>(&self, place: &ListPlace<'a>, items: &'v [Value]) -> Vec<(Element, &'v Value)> {
        let mut all = Vec::with_capacity(items.len());
        all.extend(items.iter().filter_map(|it| Some((self.item_element(place, it).ok()?, it))));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Compares the items that one step leads to: more than one on a side can't be told from each other and are
    /// compared as a whole.
    fn compare_items(
        &self,
        place: &ListPlace<'a>,
        old: &[(Element, &Value)],
        new: &[(Element, &Value)],
        out: &mut Comparison,
    ) {
        let Some((element, _)) = old.first().or(new.first()) else { return };
        let mut below = Comparison::default();
        let mut one = |old: Option<&(Element, &Value)>, new: Option<&(Element, &Value)>| {
            self.compare_values(place.item.into(), old.map(|it| it.1), new.map(|it| it.1), &mut below)
        };
        let change = match (old.len(), new.len()) {
            (0 | 1, 0 | 1) => one(old.first(), new.first()),
            (2.., 2..) => {
                let equal = old.len() == new.len() && old.iter().zip(new).all(|(a, b)| same(a.1, b.1));
                (!equal).then_some(Change::Modified)
            }
            (2.., _) => {
                let change = one(None, new.first());
                if change.is_some() {
                    out.added.push(element.clone(), true, Set::new());
                }
                Some(Change::Removed)
            }
            (_, 2..) => {
                let change = one(old.first(), None);
                if change.is_some() {
                    out.removed.push(element.clone(), true, Set::new());
                }
                Some(Change::Added)
            }
        };
        if change.is_some() || !below.is_same() {
            out.push(element.clone(), change, below);
        }
    }
}

/// Takes the items of the first step off the front.
fn run<'v, 's>(items: &mut &'s [(Element, &'v Value)]) -> &'s [(Element, &'v Value)] {
    let Some(first) = items.first() else { return &[] };
    let len = items.iter().take_while(|it| it.0 == first.0).count();
    let (head, tail) = items.split_at(len);
    *items = tail;
    head
}
