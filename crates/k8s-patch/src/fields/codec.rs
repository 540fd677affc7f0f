//! FieldsV1: a set as the JSON that stands in `metadata.managedFields`.

use super::{Element, Node, Set};
use serde_json::{Map, Value};

/// A step that says what it is and can't be read as that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to read path element {0:?}")]
pub struct FieldsError(pub String);

impl Set {
    /// Reads FieldsV1. Steps of an unknown sort are left out, as they may be a newer server's.
    pub fn from_json(value: &Value) -> Result<Self, FieldsError> {
        let Value::Object(map) = value else {
            return if value.is_null() { Ok(Self::new()) } else { Err(FieldsError(value.to_string())) };
        };
        Ok(read(map)?.1)
    }

    /// Writes FieldsV1, steps in their order.
    pub fn to_json(&self) -> Value {
        self.write(false)
    }

    fn write(&self, marked: bool) -> Value {
        let mut map = Map::with_capacity(self.nodes.len() + usize::from(marked));
        if marked {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for Node { element, member, below } in &self.nodes {
            map.insert(element.to_step(), below.write(*member && !below.is_empty()));
        }
        Value::Object(map)
    }
}

/// Whether the object says that its own place is a member, and what is below.
fn read(map: &Map<String, Value>) -> Result<(bool, Set), FieldsError> {
    let mut set = Set { nodes: Vec::with_capacity(map.len()) };
    let mut marked = false;
    for (step, value) in map {
        if step == "." {
            marked = true;
            continue;
        }
        let Some(element) = Element::from_step(step)? else { continue };
        let (member, below) = match value {
            Value::Object(inner) if !inner.is_empty() => read(inner)?,
            Value::Object(_) | Value::Null => (true, Set::new()),
            other => return Err(FieldsError(other.to_string())),
        };
        set.push(element, member, below);
    }
    set.sort();
    Ok((marked, set))
}

impl Element {
    /// Reads a step; `None` for one of an unknown sort.
    pub fn from_step(step: &str) -> Result<Option<Self>, FieldsError> {
        let wrong = || FieldsError(step.to_owned());
        let Some((sort, rest)) = step.split_once(':') else { return Ok(None) };
        match sort {
            "f" => Ok(Some(Self::field(rest))),
            "v" => serde_json::from_str(rest).map(|it| Some(Self::Value(it))).map_err(|_| wrong()),
            "i" => rest.parse().map(|it| Some(Self::Index(it))).map_err(|_| wrong()),
            "k" => {
                let fields: Map<String, Value> = serde_json::from_str(rest).map_err(|_| wrong())?;
                Ok(Some(Self::key(fields.into_iter().map(|(name, it)| (name.into(), it)).collect())))
            }
            _ => Ok(None),
        }
    }

    /// Writes a step, as `f:name` or `k:{"name":"c"}`.
    pub fn to_step(&self) -> String {
        match self {
            Self::Field(name) => ["f:", name].concat(),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
            Self::Key(fields) => {
                let mut text = String::from("k:{");
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    text.push_str(&Value::from(&**name).to_string());
                    text.push(':');
                    text.push_str(&value.to_string());
                }
                text.push('}');
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steps_are_read_and_written() {
        for step in ["f:a", "f:x.io/y:z", r#"k:{"k":"x","p":"TCP"}"#, r#"v:"a""#, "v:1", "i:-3"] {
            assert_eq!(Element::from_step(step).unwrap().unwrap().to_step(), step);
        }
        assert_eq!(Element::from_step("q:new"), Ok(None));
        assert_eq!(Element::from_step("junk"), Ok(None));
        assert!(Element::from_step("k:{").is_err() && Element::from_step("i:x").is_err());
    }

    #[test]
    fn unreadable_sets_are_told() {
        assert!(Set::from_json(&json!("x")).is_err());
        assert!(Set::from_json(&json!({"f:a": 1})).is_err());
        assert!(Set::from_json(&json!({"f:a": {"v:{": {}}})).is_err());
        assert!(Set::from_json(&json!(null)).unwrap().is_empty());
        assert_eq!(Set::from_json(&json!({"f:b": {}, "f:a": {".": {}}})).unwrap().paths(), [".a", ".b"]);
    }
}
