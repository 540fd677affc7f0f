//! One pass over a text, with the type of every value at hand.

use super::scalar::{self, ScalarError};
use super::show::{is_absence, is_schema_or};
use super::{DecodeError, Strict};
use crate::schema::{Field, Scalar, Shape, Struct, Types};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt::{self, Write};

/// No more complaints than these are kept, each once.
const COMPLAINTS: usize = 100;

/// What is kept while an object is read.
pub struct Context<'t> {
    types: &'t Types,
    whole_floats: bool,
    /// Where we are.
    path: Vec<Step<'t>>,
    /// The innermost struct.
    within: Option<&'t Struct>,
    pub strict: Vec<Strict>,
    pub error: Option<DecodeError>,
}

/// A step of a path.
enum Step<'t> {
    Field(&'t str),
    Key(String),
    Index(usize),
}

impl<'t> Context<'t> {
    pub fn new(types: &'t Types, whole_floats: bool) -> Self {
        Self { types, whole_floats, path: Vec::new(), within: None, strict: Vec::new(), error: None }
    }

    /// As `spec.containers[0].name`.
    fn path_to(&self, last: &str) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Index(at) => _ = write!(text, "[{at}]"),
                Step::Field(name) => join(&mut text, name),
                Step::Key(name) => join(&mut text, name),
            }
        }
        join(&mut text, last);
        text
    }

    fn complain(&mut self, of: impl FnOnce(String) -> Strict, name: &str) {
        let complaint = of(self.path_to(name));
        if self.strict.len() < COMPLAINTS && !self.strict.contains(&complaint) {
            self.strict.push(complaint);
        }
    }

    fn mismatch(&self, found: String, wanted: String) -> DecodeError {
        let fields = self.path.iter().filter_map(|step| match step {
            Step::Field(name) => Some(*name),
            Step::Key(_) | Step::Index(_) => None,
        });
        let fields: Vec<&str> = fields.collect();
        let place = match self.within {
            Some(it) if !fields.is_empty() => format!("struct field {}.{}", last_word(&it.name), fields.join(".")),
            _ => "value".to_owned(),
        };
        DecodeError::Type { found, place, wanted }
    }

    /// Keeps an error for whoever called us; the reader only learns that there is one.
    fn fail<T, E: Error>(&mut self, error: DecodeError) -> Result<T, E> {
        self.error.get_or_insert(error);
        Err(E::custom("the value does not fit"))
    }

    /// The name that the API has for what belongs in a place.
    fn name_of(&self, shape: &Shape) -> String {
        match shape {
            Shape::Scalar(scalar) => scalar::name(*scalar).to_owned(),
            Shape::Any => "interface {}".to_owned(),
            Shape::Struct { id, .. } => self.types.get(*id).map_or_else(String::new, |it| {
                let from = it.name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
                it.name.get(from..).unwrap_or_default().to_owned()
            }),
            Shape::Map { value, .. } => format!("map[string]{}", self.name_of(value)),
            Shape::List { item, .. } => format!("[]{}", self.name_of(item)),
        }
    }

    /// What `null` leaves behind where a value must be: in a list or a map.
    fn zero(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Scalar(scalar) => scalar::zero(*scalar),
            Shape::Struct { .. } => Value::Object(Map::new()),
            Shape::Any | Shape::Map { .. } | Shape::List { .. } => Value::Null,
        }
    }
}

fn join(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Reads one value; nothing where it is `null`.
pub struct Seed<'c, 't> {
    pub shape: &'t Shape,
    pub context: &'c mut Context<'t>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<Value>, D::Error> {
        match self.shape {
            Shape::Any => Ok(Some(serde::Deserialize::deserialize(reader)?).filter(|it: &Value| !it.is_null())),
            _ => reader.deserialize_any(self),
        }
    }
}

impl<'c, 't> Seed<'c, 't> {
    fn mismatch<T, E: Error>(self, found: &str) -> Result<T, E> {
        let wanted = self.context.name_of(self.shape);
        let error = self.context.mismatch(found.to_owned(), wanted);
        self.context.fail(error)
    }

    fn scalar<E: Error>(
        self,
        found: &str,
        read: impl FnOnce(Scalar) -> Result<Value, ScalarError>,
    ) -> Result<Option<Value>, E> {
        let Shape::Scalar(scalar) = self.shape else { return self.mismatch(found) };
        match read(*scalar) {
            Ok(value) => Ok(Some(value)),
            Err(ScalarError::Type) => self.mismatch(found),
            Err(ScalarError::Number(text)) => self.mismatch(&format!("number {text}")),
            // Types that read themselves do not know in which field they stand.
            Err(ScalarError::Inner { wanted, number }) => {
                let found = number.map_or_else(|| found.to_owned(), |it| format!("number {it}"));
                self.context.fail(DecodeError::Type { found, place: "value".into(), wanted: wanted.into() })
            }
            Err(ScalarError::Form(text)) => self.context.fail(DecodeError::Form(text)),
        }
    }

    /// Reads an object with named fields.
    fn object<'de, A: MapAccess<'de>>(self, of: &'t Struct, mut map: A) -> Result<Value, A::Error> {
        let context = self.context;
        let outer = context.within.replace(of);
        let mut object = Map::new();
        let mut seen = Seen::default();
        while let Some(name) = map.next_key_seed(Name { of })? {
            let field = match name {
                Named::Known(at, field) => {
                    if seen.again(at) {
                        context.complain(Strict::Duplicate, &field.name);
                    }
                    field
                }
                Named::Unknown(name) if of.preserve_unknown => {
                    object.insert(name, map.next_value()?);
                    continue;
                }
                Named::Unknown(name) => {
                    context.complain(Strict::Unknown, &name);
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = context.field(of, field, &mut map)?;
            keep(&mut object, field, value);
        }
        context.within = outer;
        Ok(Value::Object(object))
    }

    /// Reads an object with keys of the user's choice.
    fn map<'de, A: MapAccess<'de>>(self, of: &'t Shape, mut map: A) -> Result<Value, A::Error> {
        let context = self.context;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                context.complain(Strict::Duplicate, &key);
            }
            context.path.push(Step::Key(key));
            let value = map.next_value_seed(Seed { shape: of, context: &mut *context })?;
            let value = value.unwrap_or_else(|| context.zero(of));
            if let Some(Step::Key(key)) = context.path.pop() {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

impl<'t> Context<'t> {
    /// Reads a field's value.
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        of: &'t Struct,
        field: &'t Field,
        map: &mut A,
    ) -> Result<Option<Value>, A::Error> {
        self.path.push(Step::Field(&field.name));
        let value = if is_schema_or(of, field) {
            // Such a value reads itself and drops what it does not know without a word.
            match self.schema_or(of, map.next_value()?) {
                Ok(value) => value,
                Err(error) => return self.fail(error),
            }
        } else {
            map.next_value_seed(Seed { shape: &field.shape, context: &mut *self })?
        };
        self.path.pop();
        Ok(value)
    }

    /// Reads a schema, or whatever else may stand in its place: a list of schemas, a boolean, a list of names.
    fn schema_or(&self, of: &'t Struct, value: Value) -> Result<Option<Value>, DecodeError> {
        let read = |value: Value| -> Result<Value, DecodeError> {
            let Some(id) = self.types.named(&of.name) else { return Ok(value) };
            super::conform(value, self.types, id).map(|it| it.value)
        };
        Ok(match value {
            Value::Null => None,
            Value::Array(items) if items.iter().all(Value::is_object) => {
                Some(items.into_iter().map(&read).collect::<Result<_, _>>()?)
            }
            Value::Object(_) => Some(read(value)?),
            other => Some(other),
        })
    }
}

/// Puts a field's value into its object, where it is one.
fn keep(object: &mut Map<String, Value>, field: &Field, value: Option<Value>) {
    match value {
        // No managed fields is a wish, too: that nobody owns anything from now on.
        Some(value) if !is_absence(field, &value) || &*field.name == "managedFields" => {
            _ = object.insert((*field.name).to_owned(), value)
        }
        // The last one counts, even where it is nothing.
        Some(_) => _ = object.shift_remove(&*field.name),
        None => {}
    }
}

/// Which fields of a struct were read already.
#[derive(Default)]
struct Seen {
    /// The first fields, one bit each.
    first: u128,
    others: Vec<usize>,
}

impl Seen {
    /// Whether the field at a place was seen before; from now on it was.
    fn again(&mut self, at: usize) -> bool {
        match u32::try_from(at).ok().and_then(|at| 1u128.checked_shl(at)) {
            Some(bit) => {
                let again = self.first & bit != 0;
                self.first |= bit;
                again
            }
            None => {
                let again = self.others.contains(&at);
                self.others.push(at);
                again
            }
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of its field's type")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.scalar("bool", |scalar| scalar::boolean(scalar, value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar("number", |scalar| scalar::integer(scalar, value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.scalar("number", |scalar| scalar::float(scalar, value.into(), false)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        let whole = self.context.whole_floats;
        match serde_json::Number::from_f64(value) {
            Some(number) => self.scalar("number", |scalar| scalar::float(scalar, number, whole)),
            None => self.mismatch("number"),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.scalar("string", |scalar| scalar::text(scalar, value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        match self.shape {
            Shape::Scalar(Scalar::String) => Ok(Some(Value::String(value))),
            _ => self.visit_str(&value),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Shape::List { item, .. } = self.shape else { return self.mismatch("array") };
        let context = self.context;
        let mut items = Vec::with_capacity(list.size_hint().unwrap_or_default().min(1024));
        loop {
            context.path.push(Step::Index(items.len()));
            let Some(value) = list.next_element_seed(Seed { shape: item, context: &mut *context })? else { break };
            context.path.pop();
            items.push(value.unwrap_or_else(|| context.zero(item)));
        }
        context.path.pop();
        Ok(Some(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match self.shape {
            Shape::Map { value, .. } => self.map(value, map).map(Some),
            Shape::Struct { id, .. } => match self.context.types.get(*id) {
                Some(of) => self.object(of, map).map(Some),
                None => self.mismatch("object"),
            },
            Shape::Scalar(_) | Shape::Any | Shape::List { .. } => self.mismatch("object"),
        }
    }
}

/// Finds a field by its name without keeping the name.
struct Name<'t> {
    of: &'t Struct,
}

enum Named<'t> {
    /// Its place among the struct's fields, and itself.
    Known(usize, &'t Field),
    Unknown(String),
}

impl<'de, 't> DeserializeSeed<'de> for Name<'t> {
    type Value = Named<'t>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Named<'t>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'t> Visitor<'_> for Name<'t> {
    type Value = Named<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named<'t>, E> {
        let found = self.of.fields.binary_search_by(|it| (*it.name).cmp(name)).ok();
        let field = found.and_then(|at| Some(Named::Known(at, self.of.fields.get(at)?)));
        Ok(field.unwrap_or_else(|| Named::Unknown(name.to_owned())))
    }
}
