//! Reading an object of which nothing is certain: what is absent or of another type reads as the type's zero.

use jiff::Timestamp;
use k8s_types::age;
use k8s_types::quantity::{self, Quantity};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What stands in for nothing.
pub(crate) const NONE: &str = "<none>";
/// What stands in for what nobody set.
pub(crate) const UNSET: &str = "<unset>";

/// A place in an object, where something may stand.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(Option<&'a Value>);

/// Under which circumstances a row is printed.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    pub now: Timestamp,
    pub minor: u32,
}

impl<'a> View<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(Some(value))
    }

    /// A field.
    pub fn at(self, name: &str) -> Self {
        /// Of so few names the right one is found by looking, sooner than by its hash.
        const FEW: usize = 12;
        let Some(Value::Object(entries)) = self.0 else {
            return Self(None);
        };
        if entries.len() > FEW {
            return Self(entries.get(name));
        }
        Self(entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value))
    }

    /// Whether anything but null stands here.
    pub fn is_set(self) -> bool {
        self.0.is_some_and(|it| !it.is_null())
    }

    /// This place, or `other` if nothing stands here.
    pub fn or(self, other: Self) -> Self {
        if self.is_set() { self } else { other }
    }

    pub fn text(self) -> &'a str {
        self.0.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn text_or(self, other: &'a str) -> &'a str {
        match self.text() {
            "" => other,
            text => text,
        }
    }

    /// A text that may be empty, but not absent.
    pub fn set_or(self, other: &'a str) -> &'a str {
        if self.is_set() { self.text() } else { other }
    }

    pub fn number(self) -> i64 {
        self.0.and_then(Value::as_i64).unwrap_or_default()
    }

    pub fn flag(self) -> Option<bool> {
        self.0.and_then(Value::as_bool)
    }

    pub fn list(self) -> impl DoubleEndedIterator<Item = View<'a>> + ExactSizeIterator + Clone + use<'a> {
        self.0.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().map(View::new)
    }

    /// How many items or entries there are.
    pub fn count(self) -> i64 {
        let count = match self.0 {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(entries)) => entries.len(),
            _ => 0,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    pub fn entries(self) -> Option<&'a Map<String, Value>> {
        self.0.and_then(Value::as_object)
    }

    /// The keys and texts of a map, by key.
    pub fn sorted_texts(self) -> Vec<(&'a str, &'a str)> {
        let entries = self.entries().into_iter().flatten();
        let mut texts: Vec<_> = entries.map(|(key, value)| (key.as_str(), View::new(value).text())).collect();
        texts.sort_unstable();
        texts
    }

    /// The item whose `type` is this.
    pub fn of_type(self, kind: &str) -> Self {
        self.list().find(|it| it.at("type").text() == kind).unwrap_or(Self(None))
    }

    /// Whether among these conditions the one of this type is true.
    pub fn has_condition(self, kind: &str) -> bool {
        self.of_type(kind).at("status").text() == "True"
    }

    /// A time; the zero time is none.
    pub fn time(self) -> Option<Timestamp> {
        age::parse(self.text()).filter(|it| it.as_second() != ZERO_TIME)
    }

    /// How long ago the time here was.
    pub fn since(self, context: &Context) -> String {
        self.time().map_or_else(|| age::UNKNOWN.to_owned(), |it| age::since(it, context.now))
    }

    /// How old the object here is.
    pub fn age(self, context: &Context) -> Value {
        self.at("metadata").at("creationTimestamp").since(context).into()
    }

    pub fn name(self) -> Value {
        self.at("metadata").at("name").text().into()
    }

    pub fn is_deleting(self) -> bool {
        self.at("metadata").at("deletionTimestamp").is_set()
    }

    /// A quantity; none at all is zero.
    pub fn quantity(self) -> Cow<'a, str> {
        match self.0 {
            Some(Value::String(text)) => quantity::canonical(text).unwrap_or(Cow::Borrowed(text)),
            Some(value) => Quantity::from_value(value).unwrap_or(Quantity::ZERO).to_string().into(),
            None => "0".into(),
        }
    }

    /// A number or a text.
    pub fn number_or_text(self) -> Cow<'a, str> {
        match self.0 {
            Some(Value::String(text)) => text.as_str().into(),
            _ => self.number().to_string().into(),
        }
    }

    /// The texts of a list, with commas between.
    pub fn joined(self) -> String {
        join(self.list().map(View::text), ",")
    }
}

/// The first of January of the year 1.
const ZERO_TIME: i64 = -62_135_596_800;

pub(crate) fn join<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let mut joined = String::new();
    for (at, text) in texts.enumerate() {
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    joined
}

/// The first `max` texts, and how many there are besides.
pub(crate) fn first_few<T: AsRef<str>>(texts: impl Iterator<Item = T>, max: usize, separator: &str) -> String {
    let (mut list, mut count) = (String::new(), 0);
    for text in texts {
        if count < max {
            if count > 0 {
                list.push_str(separator);
            }
            list.push_str(text.as_ref());
        }
        count += 1;
    }
    if count > max {
        list.push_str(&format!(" + {} more...", count - max));
    }
    list
}

/// How an optional boolean is spelled.
pub(crate) fn spelled(flag: Option<bool>) -> &'static str {
    match flag {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    }
}
