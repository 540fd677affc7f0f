//! One step of a path to a field.

use k8s_types::status::quote;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// One step of a path. Steps of different sorts are ordered as they stand here.
#[derive(Debug, Clone)]
pub enum Element {
    /// A member of an object.
    Field(Box<str>),
    /// An item of a list, told by the values of its key fields, sorted by their names.
    Key(Box<[(Box<str>, Value)]>),
    /// An item of a set, told by itself.
    Value(Value),
    /// An item of a list, told by its index.
    Index(i64),
}

impl Element {
    /// A member of an object.
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// An item that is told by its key fields.
    pub fn key(mut fields: Box<[(Box<str>, Value)]>) -> Self {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(fields)
    }

    /// As comparing with [`Self::field`] of a name.
    pub(super) fn cmp_name(&self, name: &str) -> Ordering {
        match self {
            Self::Field(own) => (**own).cmp(name),
            _ => Ordering::Greater,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let each = a.iter().zip(b.iter()).map(|(a, b)| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1)));
                each.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// An order of JSON values in which `1` and `1.0` are the same.
fn compare(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        // Keys and set items are scalars; others only have to have some order.
        _ => rank(a)
            .cmp(&rank(b))
            .then_with(|| if rank(a) < 3 || a.is_null() { Ordering::Equal } else { a.to_string().cmp(&b.to_string()) }),
    }
}

/// A value as paths print it.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={}", show(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", show(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
