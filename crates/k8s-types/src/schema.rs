//! The shape of objects: an arena of struct types, and the shapes of their fields.
//!
//! Built from a release's facts for built-in kinds, and at run time from a custom resource's own schema, so nothing
//! here is tied to where it came from.

use serde_json::Value;

/// A struct type in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// Struct types that refer to each other by [`TypeId`]; a cycle is allowed.
#[derive(Debug, Default)]
pub struct Types {
    types: Vec<Struct>,
}

/// A JSON object with named fields.
#[derive(Debug, Clone, Default)]
pub struct Struct {
    /// The definition's name, as `io.k8s.api.core.v1.Pod`.
    pub name: Box<str>,
    /// Sorted by name.
    pub fields: Box<[Field]>,
    /// Whether fields that are not named here are kept as they are.
    pub preserve_unknown: bool,
}

/// One field of a [`Struct`].
#[derive(Debug, Clone)]
pub struct Field {
    /// Its JSON name.
    pub name: Box<str>,
    /// What stands in it.
    pub shape: Shape,
    /// Whether the API's documents list it as required.
    pub required: bool,
    /// The value that the API's documents give it where it is absent.
    pub default: Option<Value>,
    /// What a strategic merge patch does with it.
    pub patch: Patch,
    /// Its protobuf number; 0 where there is none.
    pub tag: u32,
    /// The protobuf message field that it is nested in on the wire (its number), where JSON has it inline; outermost
    /// first.
    pub nested_in: Box<[u32]>,
    /// What JSON shows where it has no value.
    pub empty: Empty,
}

/// What a field without a value looks like in the JSON that a server answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// It is absent, and an empty value (`""`, `0`, `{}`, `[]`) is a value of its own: as a custom resource's fields.
    #[default]
    Kept,
    /// It is absent, and so is an empty value.
    Omitted,
    /// It is absent, and so is an object that has nothing to show.
    OmittedZero,
    /// It shows the empty value: `""`, `0`, `false`, `{}`; `null` for a list, a map, a time or any JSON.
    Shown,
    /// It shows `null`, and an empty value is a value of its own.
    Null,
}

/// A strategic merge patch's instructions for a field: `x-kubernetes-patch-strategy` and `-patch-merge-key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// `merge`: a list is merged by its key (or as a set), not replaced.
    pub merge: bool,
    /// `retainKeys`: the patch names all keys that stay.
    pub retain_keys: bool,
    /// By which field the items of a merged list are told apart.
    pub merge_key: Option<Box<str>>,
}

/// What stands in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    Scalar(Scalar),
    /// Any JSON at all (a raw extension, a JSON schema's default).
    Any,
    /// An object with named fields.
    Struct {
        /// Which.
        id: TypeId,
        /// `x-kubernetes-map-type: atomic`: owned and replaced as a whole.
        atomic: bool,
    },
    /// An object with keys of the user's choice.
    Map {
        /// What every value is.
        value: Box<Shape>,
        /// `x-kubernetes-map-type: atomic`.
        atomic: bool,
    },
    /// A list.
    List {
        /// What every item is.
        item: Box<Shape>,
        /// How its items are told apart.
        kind: ListKind,
    },
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// Owned and replaced as a whole; what a list without a mark is.
    Atomic,
    /// Items are scalars and each is its own key.
    Set,
    /// Items are objects, told apart by these fields.
    Map {
        /// `x-kubernetes-list-map-keys`.
        keys: Box<[Box<str>]>,
    },
}

/// A value that is no container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating point number.
    Double,
    /// Bytes, base64 in JSON.
    Bytes,
    /// RFC 3339 in seconds.
    Time,
    /// RFC 3339 in microseconds.
    MicroTime,
    /// Text as `1h0m0s`; nanoseconds in protobuf.
    Duration,
    /// A resource quantity: text, or a number that is read as text.
    Quantity,
    /// An integer or a text.
    IntOrString,
}

impl Types {
    /// Adds a type and returns its id. [`Self::set`] fills it where it must refer to itself.
    pub fn add(&mut self, mut it: Struct) -> TypeId {
        it.fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.types.push(it);
        TypeId(u32::try_from(self.types.len() - 1).unwrap_or(u32::MAX))
    }

    /// Replaces a type that was added before; an unknown id is ignored.
    pub fn set(&mut self, id: TypeId, mut it: Struct) {
        it.fields.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(place) = self.types.get_mut(id.0 as usize) {
            *place = it;
        }
    }

    /// A type by its id.
    pub fn get(&self, id: TypeId) -> Option<&Struct> {
        self.types.get(id.0 as usize)
    }

    /// A type by its name, where they were added in the order of their names, as a release's are.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        let at = self.types.binary_search_by(|it| (*it.name).cmp(name)).ok()?;
        u32::try_from(at).ok().map(TypeId)
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Struct)> {
        (0u32..).map(TypeId).zip(&self.types)
    }
}

impl Struct {
    /// A field by its JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|it| (*it.name).cmp(name)).ok()?;
        self.fields.get(at)
    }
}

impl Field {
    /// A field that is optional, has no default, no patch instructions and no protobuf number.
    pub fn new(name: &str, shape: Shape) -> Self {
        Self {
            name: name.into(),
            shape,
            required: false,
            default: None,
            patch: Patch::default(),
            tag: 0,
            nested_in: Box::default(),
            empty: Empty::default(),
        }
    }
}
