//! Taking fields out of an object, and taking nothing but fields out of it.

use super::{ListPlace, MapPlace, Place, Schema, Slot};
use crate::fields::Set;
use serde_json::{Map, Value};

impl<'a> Schema<'a> {
    /// Removes `fields` with all that is below of them. A container that is empty then becomes null where it is not
    /// itself removed.
    pub fn remove_items(&self, object: &mut Value, fields: &Set) {
        if let Value::Object(map) = object {
            self.remove_members(&self.of_struct(self.root, false), map, fields);
        }
    }

    fn remove_below(&self, slot: Slot<'a>, value: &mut Value, fields: &Set) {
        let place = self.place(slot, value);
        let empty = match (place, &mut *value) {
            (Place::Scalar(_), _) => false,
            (Place::Map(place), Value::Object(map)) if !place.atomic => {
                self.remove_members(&place, map, fields);
                map.is_empty()
            }
            (Place::List(place), Value::Array(items)) => {
                self.remove_from_list(&place, items, fields);
                items.is_empty()
            }
            // What is owned as a whole has nothing below that could go alone.
            _ => true,
        };
        if empty {
            *value = Value::Null;
        }
    }

    fn remove_members(&self, place: &MapPlace<'a>, map: &mut Map<String, Value>, fields: &Set) {
        map.retain(|name, value| match fields.named(name) {
            Some((true, _)) => false,
            Some((false, below)) => {
                self.remove_below(place.member(name), value, below);
                true
            }
            None => true,
        });
    }

    fn remove_from_list(&self, place: &ListPlace<'a>, items: &mut Vec<Value>, fields: &Set) {
        items.retain_mut(|item| {
            let Ok(element) = self.item_element(place, item) else { return true };
            if fields.has_member(&element) {
                return false;
            }
            if let Some(below) = fields.child(&element) {
                self.remove_below(place.item.into(), item, below);
            }
            true
        });
    }

    /// Only what `fields` names of an object: what a manager's own object would be.
    pub fn extract_items(&self, object: &Value, fields: &Set) -> Value {
        match object {
            Value::Object(map) => Value::Object(self.extract_members(&self.of_struct(self.root, false), map, fields)),
            _ => Value::Null,
        }
    }

    /// What of `value` is kept: all of what is owned as a whole.
    fn extract_below(&self, slot: Slot<'a>, value: &Value, fields: &Set) -> Value {
        let kept = match (self.place(slot, value), value) {
            (Place::Map(place), Value::Object(map)) if !place.atomic => {
                Value::Object(self.extract_members(&place, map, fields))
            }
            (Place::List(place), Value::Array(items)) => Value::Array(self.extract_from_list(&place, items, fields)),
            _ => return value.clone(),
        };
        // An empty container that is there stays what it is; one of which nothing is kept is null.
        if super::is_empty(&kept) && !super::is_empty(value) { Value::Null } else { kept }
    }

    fn extract_members(&self, place: &MapPlace<'a>, map: &Map<String, Value>, fields: &Set) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in map {
            if let Some((_, below)) = fields.named(name) {
                out.insert(name.clone(), self.extract_below(place.member(name), value, below));
            }
        }
        out
    }

    fn extract_from_list(&self, place: &ListPlace<'a>, items: &[Value], fields: &Set) -> Vec<Value> {
        let keep = |item: &Value| {
            let element = self.item_element(place, item).ok()?;
            let below = fields.child(&element);
            let any = fields.has_member(&element) || below.is_some();
            any.then(|| self.extract_below(place.item.into(), item, below.unwrap_or(&Set::new())))
        };
        items.iter().filter_map(keep).collect()
    }
}
