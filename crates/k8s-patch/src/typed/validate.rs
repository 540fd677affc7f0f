//! Whether an object fits its schema, as far as ownership needs it.

use super::{ListPlace, MapPlace, Place, ScalarKind, Schema, Slot};
use crate::fields::Element;
use k8s_types::status::quote;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An object does not fit its schema. The text lists what is wrong with the paths to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", if .0.len() == 1 { .0.concat() } else { format!("errors:\n  {}", .0.join("\n  ")) })]
pub struct Invalid(pub Vec<String>);

impl<'a> Schema<'a> {
    /// Checks an object. Items that can't be told from each other are let pass in live objects only.
    pub fn check(&self, object: &Value, duplicates: bool) -> Result<(), Invalid> {
        let mut check = Check { schema: self, duplicates, path: Vec::new(), errors: Vec::new() };
        let root = self.of_struct(self.root, false);
        match object {
            Value::Object(map) => check.map(&root, map),
            Value::Null => {}
            other => check.error(&format!("expected map, got {}", show(other))),
        }
        if check.errors.is_empty() { Ok(()) } else { Err(Invalid(check.errors)) }
    }
}

/// A walk through one object.
struct Check<'s, 'a, 'v> {
    schema: &'s Schema<'a>,
    duplicates: bool,
    /// Where it is: kept as it goes, written out for errors only.
    path: Vec<Step<'v>>,
    errors: Vec<String>,
}

enum Step<'v> {
    Name(&'v str),
    Item(Element),
    Index(usize),
}

impl<'a, 'v> Check<'_, 'a, 'v> {
    fn error(&mut self, text: &str) {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) => path.push_str(&format!(".{name}")),
                Step::Item(element) => path.push_str(&element.to_string()),
                Step::Index(at) => path.push_str(&format!("[{at}]")),
            }
        }
        self.errors.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    fn map(&mut self, place: &MapPlace<'a>, map: &'v Map<String, Value>) {
        for (name, value) in map {
            self.path.push(Step::Name(name));
            let slot = place.member(name);
            let known = slot.field.is_some() || place.others.is_some();
            if known {
                self.value(slot, value);
            } else {
                self.error("field not declared in schema");
            }
            self.path.pop();
            if !known {
                // One unknown field is told of each object.
                return;
            }
        }
    }

    fn value(&mut self, slot: Slot<'a>, value: &'v Value) {
        match (self.schema.place(slot, value), value) {
            (_, Value::Null) => {}
            (Place::Scalar(kind), _) => self.scalar(kind, value),
            (Place::Map(place), Value::Object(map)) => self.map(&place, map),
            (Place::AtomicList(item), Value::Array(items)) => {
                for (at, value) in items.iter().enumerate() {
                    self.path.push(Step::Index(at));
                    self.value(item.into(), value);
                    self.path.pop();
                }
            }
            (Place::List(place), Value::Array(items)) => self.list(&place, items),
            (Place::Map(_), other) => self.error(&format!("expected map, got {}", show(other))),
            (Place::AtomicList(_) | Place::List(_), other) => {
                self.error(&format!("expected list, got {}", show(other)));
            }
            (Place::AnyNull, _) => {}
        }
    }

    fn list(&mut self, place: &ListPlace<'a>, items: &'v [Value]) {
        let mut seen = BTreeSet::new();
        for (at, value) in items.iter().enumerate() {
            match self.schema.item_element(place, value) {
                Err(why) => return self.error(&format!("element {at}: {why}")),
                Ok(element) => {
                    if !self.duplicates && !seen.insert(element.clone()) {
                        self.error(&format!("duplicate entries for key {element}"));
                    }
                    self.path.push(Step::Item(element));
                    self.value(place.item.into(), value);
                    self.path.pop();
                }
            }
        }
    }

    fn scalar(&mut self, kind: ScalarKind, value: &Value) {
        let text = match (kind, value) {
            (ScalarKind::String, Value::String(_))
            | (ScalarKind::Boolean, Value::Bool(_))
            | (ScalarKind::Number, Value::Number(_))
            | (ScalarKind::Any, Value::String(_) | Value::Bool(_) | Value::Number(_)) => return,
            (ScalarKind::String, _) => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go(value)),
            (ScalarKind::Boolean, _) => format!("expected boolean, got {}", show(value)),
            (ScalarKind::Number, _) => format!("expected numeric (int or float), got {}", go_type(value)),
            (ScalarKind::Any, _) => format!("expected any scalar, got {}", show(value)),
        };
        self.error(&text);
    }
}

/// A value as Go prints a pointer to a struct with it.
fn show(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}

/// A value as Go prints it: maps with sorted keys, no quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            members.sort_by_key(|it| it.0);
            let members: Vec<String> = members.iter().map(|(name, it)| format!("{name}:{}", plain(it))).collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}

/// A value as Go writes it in source.
fn go(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", items.iter().map(go).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let mut members: Vec<String> = map.iter().map(|(name, it)| format!("{}:{}", quote(name), go(it))).collect();
            members.sort();
            format!("map[string]interface {{}}{{{}}}", members.join(", "))
        }
        Value::Null => "interface {}(nil)".to_owned(),
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
