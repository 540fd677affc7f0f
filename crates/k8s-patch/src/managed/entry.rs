//! The entries of `metadata.managedFields` and their JSON.

use crate::fields::Set;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// How an entry came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By an apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn text(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What one manager owns.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
    pub time: Option<String>,
    pub fields: Set,
    /// The entry as it stood, as long as it is still that.
    json: Option<Value>,
}

impl Entry {
    pub fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
            time: None,
            fields: Set::new(),
            json: None,
        }
    }

    /// Must follow every change of what is in the entry's JSON.
    pub fn changed(&mut self) {
        self.json = None;
    }

    /// Whether both entries are of the same manager, doing the same: an apply is the same in every version.
    pub fn is_same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// A text that tells managers apart, and by which they are sorted among each other.
    pub fn identity(&self) -> String {
        let mut text = format!("{{\"manager\":{}", Value::from(self.manager.as_str()));
        let mut member = |name: &str, value: &str| {
            if !value.is_empty() {
                text.push_str(&format!(",\"{name}\":{}", Value::from(value)));
            }
        };
        member("operation", self.operation.text());
        if self.operation == Operation::Update {
            member("apiVersion", &self.api_version);
        }
        member("subresource", &self.subresource);
        text.push('}');
        text
    }

    fn from_json(json: Value) -> Result<Self, String> {
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        let api_version = text("apiVersion");
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType").as_str() {
            "FieldsV1" => {}
            "" => return Err("missing fieldsType in managed fields entry".to_owned()),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry")),
        }
        let fields = Set::from_json(json.get("fieldsV1").unwrap_or(&Value::Null)).map_err(|error| error.to_string())?;
        Ok(Self {
            manager: text("manager"),
            operation,
            api_version,
            subresource: text("subresource"),
            time: json.get("time").and_then(Value::as_str).map(str::to_owned),
            fields,
            json: Some(json),
        })
    }

    fn into_json(self) -> Value {
        if let Some(json) = self.json {
            return json;
        }
        let mut map = Map::with_capacity(7);
        let mut text = |name: &str, value: String| map.insert(name.to_owned(), Value::String(value));
        text("manager", self.manager);
        text("operation", self.operation.text().to_owned());
        text("apiVersion", self.api_version);
        if let Some(time) = self.time {
            text("time", time);
        }
        text("fieldsType", "FieldsV1".to_owned());
        map.insert("fieldsV1".to_owned(), self.fields.to_json());
        if !self.subresource.is_empty() {
            map.insert("subresource".to_owned(), Value::String(self.subresource));
        }
        Value::Object(map)
    }

    fn order(&self, other: &Self) -> Ordering {
        self.operation
            .cmp(&other.operation)
            .then_with(|| self.time.as_deref().unwrap_or_default().cmp(other.time.as_deref().unwrap_or_default()))
            .then_with(|| self.manager.cmp(&other.manager))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }
}

/// Reads the list of entries. Of entries of the same manager the last counts.
pub(super) fn decode(json: Value) -> Result<Vec<Entry>, String> {
    let items = match json {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err("managedFields must be a list".to_owned()),
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(items.len() + 1);
    for item in items {
        let entry = Entry::from_json(item)?;
        match entries.iter_mut().find(|it| it.is_same(&entry)) {
            Some(earlier) => *earlier = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

/// Writes the entries into an object: applies before updates, the oldest first. Without entries there is no list.
pub(super) fn store(object: &mut Value, mut entries: Vec<Entry>) {
    entries.sort_by(Entry::order);
    let list: Vec<Value> = entries.into_iter().map(Entry::into_json).collect();
    store_json(object, (!list.is_empty()).then_some(Value::Array(list)));
}

/// Puts a list of entries into an object, or takes it away.
pub(super) fn store_json(object: &mut Value, list: Option<Value>) {
    let Value::Object(map) = object else { return };
    match (map.get_mut("metadata"), list) {
        (Some(Value::Object(metadata)), Some(list)) => {
            metadata.insert("managedFields".to_owned(), list);
        }
        (Some(Value::Object(metadata)), None) => {
            metadata.shift_remove("managedFields");
        }
        (_, Some(list)) => {
            let metadata = Map::from_iter([("managedFields".to_owned(), list)]);
            map.insert("metadata".to_owned(), Value::Object(metadata));
        }
        (_, None) => {}
    }
}

/// Takes the list of entries out of an object.
pub(super) fn take(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.shift_remove("managedFields")
}

/// The list of entries of an object.
pub(super) fn of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// Whether a client asks to forget all entries: it sends some, and all are empty.
pub(super) fn is_reset(json: &Value) -> bool {
    let empty = |entry: &Value| match entry {
        Value::Object(map) => map.values().all(|it| it.is_null() || it.as_str() == Some("")),
        other => other.is_null(),
    };
    json.as_array().is_some_and(|it| !it.is_empty() && it.iter().all(empty))
}
