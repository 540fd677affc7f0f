//! Who owns which field: `metadata.managedFields`, kept on every write.
//!
//! A [`Manager`] stands for one endpoint: a kind in one version, and maybe a subresource of it. [`Manager::update`] is
//! called on every create, update and patch that is no apply, [`Manager::apply`] carries out an apply.

mod apply;
mod cap;
mod conflict;
mod entry;
mod last_applied;
mod name;
mod scale;
#[cfg(test)]
mod tests;
mod update;
mod versions;

pub use conflict::{ApplyError, Conflict, Owner};
pub use entry::Operation;
pub use name::{MAX_NAME, check_name, name_from_user_agent};
pub use scale::ScalePaths;
pub use versions::{SameFields, Versions};

use crate::fields::Set;
use crate::typed::{Comparison, Schema, same};
use entry::Entry;
use k8s_types::schema::{Empty, Shape};
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// One endpoint's bookkeeping.
#[derive(Clone, Copy)]
pub struct Manager<'a> {
    /// The kind's shape in the endpoint's version.
    pub schema: Schema<'a>,
    /// The endpoint's version, as `apps/v1`.
    pub api_version: &'a str,
    /// The Kind.
    pub kind: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// The kind's object without any value, see [`zero_object`]; what a create is compared with.
    pub zero: &'a Value,
    /// Fields that this endpoint resets: nobody comes to own them through it.
    pub reset: &'a Set,
    /// The kind's other versions.
    pub versions: &'a dyn Versions,
}

impl std::fmt::Debug for Manager<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager")
            .field("api_version", &self.api_version)
            .field("kind", &self.kind)
            .field("subresource", &self.subresource)
            .finish_non_exhaustive()
    }
}

/// Fields that nobody owns.
fn unowned() -> &'static Set {
    static UNOWNED: OnceLock<Set> = OnceLock::new();
    UNOWNED.get_or_init(|| {
        let system = ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation"];
        let more = ["managedFields", "resourceVersion"];
        let mut set = Set::of_names([["apiVersion"], ["kind"], ["metadata"]]);
        set.add(Set::of_names(system.iter().chain(&more).map(|it| ["metadata", *it])));
        set
    })
}

impl Manager<'_> {
    /// How two objects of the endpoint's version differ, without what nobody owns.
    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        let mut comparison = self.schema.compare(old, new);
        self.disregard(&mut comparison);
        comparison
    }

    fn disregard(&self, comparison: &mut Comparison) {
        comparison.added.subtract(unowned());
        comparison.modified.subtract(unowned());
        comparison.removed.subtract(unowned());
        comparison.exclude(self.reset);
    }

    /// The comparison in the version of an entry; `None` where that version is not served any more.
    fn compare_in(&self, version: &str, old: &Value, new: &Value) -> Option<Comparison> {
        let schema = self.versions.schema(version)?;
        let old = self.versions.convert(old, self.api_version, version)?;
        let new = self.versions.convert(new, self.api_version, version)?;
        let mut comparison = schema.compare(&old, &new);
        self.disregard(&mut comparison);
        Some(comparison)
    }

    /// Brings entries that were written under an older schema up to this one.
    fn reconcile(&self, entries: &mut [Entry]) {
        for entry in entries {
            let schema = if entry.api_version == self.api_version {
                Some(self.schema)
            } else {
                self.versions.schema(&entry.api_version)
            };
            if schema.is_some_and(|it| it.reconcile(&mut entry.fields)) {
                entry.changed();
            }
        }
    }
}

/// The object of a kind without any value, as a server would write it: with the fields that are always there.
pub fn zero_object(schema: &Schema<'_>) -> Value {
    Value::Object(zero_members(schema, &Shape::Struct { id: schema.root, atomic: false }, 0))
}

fn zero_members(schema: &Schema<'_>, shape: &Shape, depth: usize) -> Map<String, Value> {
    let mut map = Map::new();
    let fields = match shape {
        // Types that hold themselves by value can't be; the bound is for a schema that says so.
        Shape::Struct { id, .. } if depth < 32 => schema.types.get(*id),
        _ => None,
    };
    for field in fields.into_iter().flat_map(|it| it.fields.iter()) {
        let value = match (field.empty, &field.shape) {
            (Empty::Shown, inner @ Shape::Struct { .. }) => Value::Object(zero_members(schema, inner, depth + 1)),
            (Empty::Shown, Shape::Scalar(scalar)) => zero_scalar(*scalar),
            (Empty::Shown | Empty::Null, _) => Value::Null,
            _ => continue,
        };
        map.insert(field.name.to_string(), value);
    }
    map
}

fn zero_scalar(scalar: k8s_types::schema::Scalar) -> Value {
    use k8s_types::schema::Scalar;
    match scalar {
        Scalar::String => Value::from(""),
        Scalar::Boolean => Value::from(false),
        Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => Value::from(0),
        Scalar::Double => Value::from(0.0),
        Scalar::Duration => Value::from("0s"),
        Scalar::Quantity => Value::from("0"),
        Scalar::Time | Scalar::MicroTime | Scalar::Bytes => Value::Null,
    }
}

/// Undoes a write that would change nothing but times of entries: gives `new` the entries of `live` and answers
/// true where all else is the same. To be called when a new object is complete, before it gets a new version.
pub fn keep_times(live: &Value, new: &mut Value) -> bool {
    if !same_but_times(live, new) {
        return false;
    }
    if let (Some(old), Some(now)) = (live.pointer(ENTRIES), new.pointer_mut(ENTRIES)) {
        now.clone_from(old);
    }
    true
}

const ENTRIES: &str = "/metadata/managedFields";

fn same_but_times(live: &Value, new: &Value) -> bool {
    let (Some(live), Some(new)) = (live.as_object(), new.as_object()) else { return false };
    equal_maps(live, new, |name, a, b| match (name, a, b) {
        ("metadata", Value::Object(a), Value::Object(b)) => equal_maps(a, b, |name, a, b| match (name, a, b) {
            ("managedFields", Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_entries(a, b))
            }
            (_, a, b) => same(a, b),
        }),
        (_, a, b) => same(a, b),
    })
}

fn same_entries(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let but_time = |it: &Map<String, Value>| it.len() - usize::from(it.contains_key("time"));
    but_time(a) == but_time(b) && a.iter().all(|(name, it)| name == "time" || b.get(name) == Some(it))
}

fn equal_maps(a: &Map<String, Value>, b: &Map<String, Value>, each: impl Fn(&str, &Value, &Value) -> bool) -> bool {
    a.len() == b.len() && a.iter().all(|(name, it)| b.get(name).is_some_and(|other| each(name, it, other)))
}
