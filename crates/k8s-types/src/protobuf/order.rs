//! Fields by their numbers.

use crate::schema::{Field, Struct, TypeId, Types};

/// For every type of a release, its fields in the order of their numbers.
#[derive(Debug, Default)]
pub struct Order {
    /// By type: places in its fields.
    types: Box<[Box<[u16]>]>,
}

impl Order {
    /// Sorts all types' fields.
    pub fn new(types: &Types) -> Self {
        Self { types: types.iter().map(|(_, it)| sorted(it)).collect() }
    }

    /// A type's fields that have a number, in the order of their numbers.
    pub fn fields<'t>(&self, types: &'t Types, id: TypeId) -> Option<Numbered<'t, '_>> {
        Some(Numbered { of: types.get(id)?, places: self.types.get(id.0 as usize)? })
    }

    /// Whether a type has a protobuf form: a field with a number, or none but what its envelope has.
    pub fn is_message(&self, types: &Types, id: TypeId) -> bool {
        let named = |it: &Struct| it.fields.iter().any(|it| !matches!(&*it.name, "apiVersion" | "kind"));
        self.fields(types, id).is_some_and(|it| !it.places.is_empty() || !named(it.of))
    }
}

fn sorted(of: &Struct) -> Box<[u16]> {
    let mut places: Vec<u16> = (0u16..).zip(&of.fields).filter(|(_, it)| it.tag != 0).map(|(at, _)| at).collect();
    places.sort_by(|a, b| {
        let numbers = |at: &u16| of.fields.get(usize::from(*at)).into_iter().flat_map(path);
        numbers(a).cmp(numbers(b))
    });
    places.into()
}

/// A field's numbers, outermost first.
fn path(field: &Field) -> impl Iterator<Item = u32> + '_ {
    field.nested_in.iter().copied().chain(std::iter::once(field.tag))
}

/// Fields in the order of their numbers; those that lie in the same message are neighbours.
#[derive(Clone, Copy)]
pub struct Numbered<'t, 'o> {
    of: &'t Struct,
    places: &'o [u16],
}

/// What a number stands for.
pub enum Numbers<'t, 'o> {
    /// A field.
    Field(&'t Field),
    /// A message that holds these fields, which JSON has inline.
    Nested(Numbered<'t, 'o>),
}

impl<'t, 'o> Numbered<'t, 'o> {
    /// The type that has them.
    pub fn of(self) -> &'t Struct {
        self.of
    }

    fn field(self, at: u16) -> Option<&'t Field> {
        self.of.fields.get(usize::from(at))
    }

    fn number(self, at: u16, depth: usize) -> u32 {
        let Some(field) = self.field(at) else { return 0 };
        field.nested_in.get(depth).copied().unwrap_or(if field.nested_in.len() == depth { field.tag } else { 0 })
    }

    /// The fields, those of one nested message together.
    pub fn groups(self, depth: usize) -> impl Iterator<Item = (u32, Numbers<'t, 'o>)> {
        let same = move |a: &u16, b: &u16| self.number(*a, depth) == self.number(*b, depth);
        self.places.chunk_by(same).filter_map(move |places| self.group(places, depth))
    }

    /// What a number stands for, among fields that share their outer numbers.
    pub fn find(self, number: u32, depth: usize) -> Option<Numbers<'t, 'o>> {
        let start = self.places.partition_point(|at| self.number(*at, depth) < number);
        let end = self.places.partition_point(|at| self.number(*at, depth) <= number);
        self.group(self.places.get(start..end)?, depth).map(|(_, it)| it)
    }

    fn group(self, places: &'o [u16], depth: usize) -> Option<(u32, Numbers<'t, 'o>)> {
        let field = self.field(*places.first()?)?;
        let number = self.number(*places.first()?, depth);
        if field.nested_in.len() == depth {
            Some((number, Numbers::Field(field)))
        } else {
            Some((number, Numbers::Nested(Numbered { of: self.of, places })))
        }
    }
}
