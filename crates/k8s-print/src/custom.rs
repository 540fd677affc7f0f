//! Custom resources: the columns that their definition declares.

mod path;
mod text;

pub use path::{JsonPath, PathError};

use crate::printer::Row;
use crate::table::definition;
use crate::view::View;
use jiff::Timestamp;
use k8s_types::age;
use serde_json::Value;

/// The columns of one version of a custom resource.
#[derive(Debug, Clone, Default)]
pub struct CustomColumns {
    columns: Vec<CustomColumn>,
}

#[derive(Debug, Clone)]
struct CustomColumn {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    path: JsonPath,
}

impl CustomColumns {
    /// Reads `additionalPrinterColumns`. Without any there is the age.
    pub fn new(declared: &[Value]) -> Result<Self, PathError> {
        if declared.is_empty() {
            let path = JsonPath::parse(".metadata.creationTimestamp")?;
            return Ok(Self { columns: vec![CustomColumn::age(path)] });
        }
        let columns: Result<_, _> = declared.iter().map(|it| CustomColumn::new(View::new(it))).collect();
        Ok(Self { columns: columns? })
    }

    /// The heads of the columns, as a table has them. `name` is what the API's documents say about an object's name,
    /// `age` what they say about the time it was made.
    pub fn definitions(&self, name: &str, age: &str) -> Vec<Value> {
        let mut definitions = vec![definition("Name", "string", "name", name, 0)];
        definitions.extend(self.columns.iter().map(|it| {
            let description = if it.description.is_empty() { age } else { &it.description };
            definition(&it.name, &it.kind, &it.format, description, it.priority)
        }));
        definitions
    }

    /// An object's row, with ages as of `now`.
    pub fn row(&self, object: &Value, now: Timestamp) -> Row {
        let mut cells = Vec::with_capacity(self.columns.len() + 1);
        cells.push(View::new(object).name());
        cells.extend(self.columns.iter().map(|it| it.cell(object, now)));
        Row { cells, conditions: Vec::new() }
    }
}

impl CustomColumn {
    fn new(declared: View<'_>) -> Result<Self, PathError> {
        let (path, description) =
            (declared.at("jsonPath").or(declared.at("JSONPath")).text(), declared.at("description"));
        let description = match description.text() {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            text => text.to_owned(),
        };
        Ok(Self {
            name: declared.at("name").text().to_owned(),
            kind: declared.at("type").text().to_owned(),
            format: declared.at("format").text().to_owned(),
            description,
            priority: declared.at("priority").number(),
            path: JsonPath::parse(path)?,
        })
    }

    /// Described as the field is that it shows.
    fn age(path: JsonPath) -> Self {
        let kind = "date".to_owned();
        Self { name: "Age".to_owned(), kind, format: String::new(), description: String::new(), priority: 0, path }
    }

    /// What the path leads to first, if it is of the column's type.
    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(value) = self.path.first(object) else {
            return Value::Null;
        };
        match (self.kind.as_str(), value) {
            ("string", value) => text::shown(value).into(),
            (_, Value::Null) => Value::Null,
            ("integer", Value::Number(number)) => match number.as_f64() {
                Some(float) if !number.is_i64() => Value::from(float as i64),
                _ => value.clone(),
            },
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::String(text)) => when(text, now).into(),
            _ => Value::Null,
        }
    }
}

fn when(text: &str, now: Timestamp) -> String {
    if text.is_empty() {
        return age::UNKNOWN.to_owned();
    }
    match (age::parse(text), View::new(&Value::from(text)).time()) {
        (None, _) => "<invalid>".to_owned(),
        (Some(_), None) => age::UNKNOWN.to_owned(),
        (Some(_), Some(time)) => age::since(time, now),
    }
}

#[cfg(test)]
mod tests;
