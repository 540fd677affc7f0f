//! Laying an applied object over a live one.

use super::{ListPlace, MapPlace, Place, Schema, Slot};
use crate::fields::Element;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Schema<'a> {
    /// `base` with all that `applied` says: what `applied` does not speak of stays.
    pub fn merge(&self, base: &Value, applied: &Value) -> Value {
        match (base, applied) {
            (Value::Object(base), Value::Object(applied)) => {
                Value::Object(self.merge_maps(&self.of_struct(self.root, false), base, applied))
            }
            _ => applied.clone(),
        }
    }

    fn merge_values(&self, slot: Slot<'a>, base: Option<&Value>, applied: Option<&Value>) -> Value {
        let (base, applied) = match (base, applied) {
            (Some(base), Some(applied)) => (base, applied),
            (one, other) => return one.or(other).cloned().unwrap_or(Value::Null),
        };
        match (self.place(slot, applied), base, applied) {
            (Place::Map(place), Value::Object(base), Value::Object(applied)) if !place.atomic => {
                if base.is_empty() || applied.is_empty() {
                    return Value::Object(if applied.is_empty() { base.clone() } else { applied.clone() });
                }
                Value::Object(self.merge_maps(&place, base, applied))
            }
            (Place::List(place), Value::Array(base), Value::Array(applied)) => {
                if base.is_empty() || applied.is_empty() {
                    return Value::Array(if applied.is_empty() { base.clone() } else { applied.clone() });
                }
                Value::Array(self.merge_lists(&place, base, applied))
            }
            // Null is an empty container to a granular one: what is there stays.
            (Place::Map(MapPlace { atomic: false, .. }), Value::Object(map), Value::Null) if !map.is_empty() => {
                base.clone()
            }
            (Place::List(_), Value::Array(items), Value::Null) if !items.is_empty() => base.clone(),
            (Place::AnyNull, Value::Object(map), _) if !map.is_empty() => base.clone(),
            _ => applied.clone(),
        }
    }

    fn merge_maps(
        &self,
        place: &MapPlace<'a>,
        base: &Map<String, Value>,
        applied: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut out = Map::with_capacity(base.len().max(applied.len()));
        for (name, value) in base {
            let merged = match applied.get(name) {
                None => value.clone(),
                over => self.merge_values(place.member(name), Some(value), over),
            };
            out.insert(name.clone(), merged);
        }
        for (name, value) in applied {
            if !base.contains_key(name) {
                out.insert(name.clone(), value.clone());
            }
        }
        out
    }

    /// Items of both in an order that keeps the applied items' order and puts the others where they stood.
    fn merge_lists(&self, place: &ListPlace<'a>, base: &[Value], applied: &[Value]) -> Vec<Value> {
        let steps = |items: &[Value]| -> Vec<(Element, usize)> {
            let all = items.iter().enumerate();
            all.filter_map(|(at, it)| Some((self.item_element(place, it).ok()?, at))).collect()
        };
        let (left, right) = (steps(base), steps(applied));
        // An item of the base that is there more than once is not merged with; the applied one replaces them all.
        let mut in_base: BTreeMap<&Element, Option<usize>> = BTreeMap::new();
        for (element, at) in &left {
            in_base.entry(element).and_modify(|it| *it = None).or_insert(Some(*at));
        }
        let in_applied: BTreeSet<&Element> = right.iter().map(|it| &it.0).collect();
        let mut walk = Walk {
            shared: right.iter().map(|it| &it.0).filter(|it| in_base.contains_key(it)).collect(),
            next: 0,
            done: BTreeSet::new(),
        };
        let take = |element: &Element, at: usize| {
            let under = in_base.get(element).copied().flatten().and_then(|it| base.get(it));
            self.merge_values(place.item.into(), under, applied.get(at))
        };

        let mut out = Vec::with_capacity(left.len().max(right.len()));
        let (mut l, mut r) = (0, 0);
        while l < left.len() || r < right.len() {
            if let (Some((a, _)), Some((b, at))) = (left.get(l), right.get(r)) {
                if a == b {
                    out.push(take(b, *at));
                    walk.done.insert(b);
                    walk.next += 1;
                    l += 1;
                    r += 1;
                    continue;
                }
                if in_applied.contains(a) && walk.wanted().is_some_and(|it| it != a) {
                    l += 1;
                    continue;
                }
            }
            if let Some((a, at)) = left.get(l) {
                if !in_applied.contains(a) {
                    out.extend(base.get(*at).cloned());
                    l += 1;
                    continue;
                } else if walk.done.contains(a) {
                    l += 1;
                }
            }
            if let Some((b, at)) = right.get(r) {
                out.push(take(b, *at));
                walk.done.insert(b);
                r += 1;
                if walk.wanted() == Some(b) {
                    walk.next += 1;
                }
            }
        }
        out
    }
}

/// Which of the items that both lists have comes next.
struct Walk<'e> {
    shared: Vec<&'e Element>,
    next: usize,
    done: BTreeSet<&'e Element>,
}

impl<'e> Walk<'e> {
    fn wanted(&self) -> Option<&'e Element> {
        self.shared.get(self.next).copied()
    }
}
