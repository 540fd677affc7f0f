//! Objects over their schema: which fields they have, how two of them differ, how one is laid over another.
//!
//! A place without a schema ([`Shape::Any`], a field that a struct does not name) is told by its value: objects are
//! owned member by member, lists as a whole.

mod compare;
mod item;
mod merge;
mod reconcile;
mod remove;
#[cfg(test)]
mod tests;
mod to_set;
mod validate;

pub use compare::Comparison;
pub use validate::Invalid;
pub(crate) use validate::plain;

use k8s_types::schema::{Field, ListKind, Scalar, Shape, Struct, TypeId, Types};
use serde_json::Value;

/// Shapes of one version of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// The arena.
    pub types: &'a Types,
    /// The kind's own type.
    pub root: TypeId,
}

/// What a place is, seen with the value that stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Scalar(ScalarKind),
    Map(MapPlace<'a>),
    /// Owned as a whole; only the items' shape matters, to check them.
    AtomicList(&'a Shape),
    List(ListPlace<'a>),
    /// Null where anything may stand.
    AnyNull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    String,
    Boolean,
    Number,
    Any,
}

/// The shape of a place, with what its field says besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<'a> {
    pub shape: &'a Shape,
    /// The field, where the place is one.
    pub field: Option<&'a Field>,
    /// Whether a list that is not marked is merged all the same.
    merged: bool,
}

impl<'a> From<&'a Shape> for Slot<'a> {
    fn from(shape: &'a Shape) -> Self {
        Self { shape, field: None, merged: false }
    }
}

impl<'a> Slot<'a> {
    /// How the items of a list are told apart, if they are: a list that a strategic merge patch merges is one whose
    /// items are, also where older documents do not mark it as such.
    pub fn keys(&self) -> Option<&'a [Box<str>]> {
        match self.shape {
            Shape::List { kind: ListKind::Set, .. } => Some(&[]),
            Shape::List { kind: ListKind::Map { keys }, .. } => Some(keys),
            Shape::List { kind: ListKind::Atomic, .. } => {
                let field = self.field.filter(|_| self.merged)?;
                Some(field.patch.merge_key.as_slice())
            }
            _ => None,
        }
    }
}

/// Fields that are marked as atomic although a strategic merge patch merges them.
const MARKED_ATOMIC: &[(&str, &str)] =
    &[("io.k8s.api.batch.v1.JobStatus", "conditions"), ("io.k8s.api.core.v1.PodStatus", "hostIPs")];

#[derive(Debug, Clone, Copy)]
pub(crate) struct MapPlace<'a> {
    pub fields: Option<&'a Struct>,
    /// What members are that have no field; `None` where there may be none.
    pub others: Option<&'a Shape>,
    pub atomic: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPlace<'a> {
    pub item: &'a Shape,
    /// The key fields; none in a set.
    pub keys: &'a [Box<str>],
}

static ANY: Shape = Shape::Any;

impl<'a> MapPlace<'a> {
    /// The place of a member. What is not declared is treated as anything.
    pub fn member(&self, name: &str) -> Slot<'a> {
        let found = self.fields.and_then(|it| Some((it, it.field(name)?)));
        let Some((owner, field)) = found else { return self.others.unwrap_or(&ANY).into() };
        let merged = field.patch.merge && !MARKED_ATOMIC.contains(&(&*owner.name, name));
        Slot { shape: &field.shape, field: Some(field), merged }
    }
}

impl<'a> Schema<'a> {
    /// The root as a place.
    pub(crate) fn root_shape(&self) -> Shape {
        Shape::Struct { id: self.root, atomic: false }
    }

    /// What stands at a place that holds `value`.
    pub(crate) fn place(&self, slot: Slot<'a>, value: &Value) -> Place<'a> {
        match slot.shape {
            Shape::Scalar(scalar) => Place::Scalar(kind_of(*scalar)),
            Shape::Any => match value {
                Value::Object(_) => Place::Map(MapPlace { fields: None, others: Some(&ANY), atomic: false }),
                Value::Array(_) => Place::AtomicList(&ANY),
                Value::Null => Place::AnyNull,
                _ => Place::Scalar(ScalarKind::Any),
            },
            Shape::Struct { id, atomic } => Place::Map(self.of_struct(*id, *atomic)),
            Shape::Map { value, atomic } => Place::Map(MapPlace { fields: None, others: Some(value), atomic: *atomic }),
            Shape::List { item, .. } => match slot.keys() {
                Some(keys) => Place::List(ListPlace { item, keys }),
                None => Place::AtomicList(item),
            },
        }
    }

    /// A struct type as a place; one that is not in the arena holds anything.
    pub(crate) fn of_struct(&self, id: TypeId, atomic: bool) -> MapPlace<'a> {
        let fields = self.types.get(id);
        let open = fields.is_none_or(|it| it.preserve_unknown);
        MapPlace { fields, others: open.then_some(&ANY), atomic }
    }
}

fn kind_of(scalar: Scalar) -> ScalarKind {
    match scalar {
        Scalar::String | Scalar::Bytes | Scalar::Duration => ScalarKind::String,
        Scalar::Boolean => ScalarKind::Boolean,
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => ScalarKind::Number,
        Scalar::Time | Scalar::MicroTime | Scalar::Quantity | Scalar::IntOrString => ScalarKind::Any,
    }
}

/// Whether two values are the same to an owner: `1` and `1.0` are.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, it)| b.get(name).is_some_and(|other| same(it, other)))
        }
        _ => a == b,
    }
}

/// Whether two values are the same, members in the same order: cheap, and enough to pass over what nobody touched.
/// A `false` says nothing.
pub(crate) fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && identical(a.1, b.1))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| identical(a, b)),
        _ => a == b,
    }
}

/// Null, an empty list, an empty object.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
