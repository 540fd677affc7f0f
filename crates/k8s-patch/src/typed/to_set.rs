//! All fields of an object.

use super::{MapPlace, Place, Schema, Slot};
use crate::fields::{Element, Set};
use k8s_types::schema::Shape;
use serde_json::{Map, Value};

impl<'a> Schema<'a> {
    /// The fields that whoever applies `object` owns: its leaves, its list items and its members that no struct names.
    pub fn to_field_set(&self, object: &Value) -> Set {
        match object {
            Value::Object(map) => self.map_set(&self.of_struct(self.root, false), map),
            _ => Set::new(),
        }
    }

    /// Whether the place of `value` itself is a leaf, and the fields below of it.
    pub(super) fn value_set(&self, slot: Slot<'a>, value: &Value) -> (bool, Set) {
        match (self.place(slot, value), value) {
            (Place::Scalar(_) | Place::AtomicList(_), _) => (true, Set::new()),
            (Place::Map(map), _) if map.atomic => (true, Set::new()),
            (Place::Map(place), Value::Object(map)) => (false, self.map_set(&place, map)),
            (Place::List(place), Value::Array(items)) => (false, self.list_set(&place, items)),
            _ => (false, Set::new()),
        }
    }

    fn map_set(&self, place: &MapPlace<'a>, map: &Map<String, Value>) -> Set {
        let mut set = Set::new();
        for (name, value) in map {
            let slot = place.member(name);
            let (leaf, below) = self.value_set(slot, value);
            let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            set.push(Element::field(name), leaf || empty || slot.field.is_none(), below);
        }
        set.sort();
        set
    }

    fn list_set(&self, place: &super::ListPlace<'a>, items: &[Value]) -> Set {
        let mut elements: Vec<(Element, &Value)> = Vec::with_capacity(items.len());
        elements.extend(items.iter().filter_map(|it| Some((self.item_element(place, it).ok()?, it))));
        elements.sort_by(|a, b| a.0.cmp(&b.0));
        let mut set = Set::new();
        for same in elements.chunk_by(|a, b| a.0 == b.0) {
            // Items that can't be told from each other are owned together, without what is in them.
            if let [(element, first), more @ ..] = same {
                let below = if more.is_empty() { self.value_set(place.item.into(), first).1 } else { Set::new() };
                set.push(element.clone(), true, below);
            }
        }
        set
    }

    /// Makes members of the named fields that lead to members of `set`.
    pub fn ensure_named(&self, set: &mut Set) {
        self.ensure_named_in(&self.root_shape(), set);
    }

    fn ensure_named_in(&self, shape: &Shape, set: &mut Set) {
        let fields = match shape {
            Shape::Struct { id, .. } => self.types.get(*id),
            _ => None,
        };
        for (element, member, below) in set.steps_mut() {
            if below.is_empty() {
                continue;
            }
            let named = match (element, shape) {
                (Element::Field(name), _) => fields.and_then(|it| it.field(name)).map(|it| &it.shape),
                _ => None,
            };
            *member |= named.is_some();
            match (named, shape) {
                (Some(inner), _) => self.ensure_named_in(inner, below),
                (None, Shape::Map { value: inner, .. } | Shape::List { item: inner, .. }) => {
                    self.ensure_named_in(inner, below);
                }
                // Below of anything nothing is named.
                _ => {}
            }
        }
    }
}
