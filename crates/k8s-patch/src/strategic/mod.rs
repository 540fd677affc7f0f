//! Strategic merge patch: a merge patch that knows which lists are merged by which key, with directives for what a
//! merge can't say.

mod list;

use crate::json::undecodable;
use crate::merge::{drop_nulls, remove_all};
use crate::typed::{Schema, plain};
use k8s_types::Status;
use k8s_types::schema::{Field, Shape};
use k8s_types::status::{Details, quote};
use serde_json::{Map, Value};

pub(crate) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// Why a strategic merge patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategicError {
    /// The patch or a directive in it is not of its form: a bad request.
    #[error("{0}")]
    BadFormat(String),
    /// A list of lists: nothing can be merged there.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// Something else, which servers answer as a failure of their own.
    #[error("{0}")]
    Other(String),
}

impl StrategicError {
    /// What the API answers.
    pub fn status(&self) -> Status {
        match self {
            Self::BadFormat(text) => Status::bad_request(text.clone()),
            Self::ListOfLists => {
                let message = "the server rejected our request due to an error in our request";
                Status::failure(422, "Invalid", message, Some(Details::default()))
            }
            Self::Other(text) => Status::failure(500, "", text.clone(), None),
        }
    }

    fn bad_format(of: &str) -> Self {
        Self::BadFormat(format!("invalid patch format of {of}"))
    }

    fn no_merge_key(item: &Value, key: &str) -> Self {
        Self::Other(format!("map: {} does not contain declared merge key: {key}", plain(item)))
    }

    fn bad_type(expected: &str, got: &Value) -> Self {
        Self::Other(format!("expected a {expected}, but received a {}", go_type(got)))
    }

    fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> Self {
        let map = plain(&Value::Object(map.clone()));
        Self::Other(format!("unknown patch type: {} in map: {map}", plain(directive)))
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Reads the body of a request. `null` is a patch that changes nothing.
pub fn parse(body: &[u8]) -> Result<Value, StrategicError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        Ok(patch) if patch.is_object() => Ok(patch),
        Ok(other) => Err(StrategicError::BadFormat(undecodable(&other, "map[string]interface {}"))),
        Err(error) if error.is_eof() => Err(StrategicError::BadFormat("unexpected end of JSON input".to_owned())),
        Err(error) => Err(StrategicError::BadFormat(error.to_string())),
    }
}

/// Applies `patch` to an object. After a failure `object` is somewhere on the way and must be thrown away.
pub fn apply(object: &mut Value, patch: Value, schema: &Schema<'_>) -> Result<(), StrategicError> {
    let Value::Object(patch) = patch else {
        return Err(StrategicError::Other("invalid JSON document".to_owned()));
    };
    let original = match object.take() {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let root = Shape::Struct { id: schema.root, atomic: false };
    *object = Value::Object(Merge { schema }.maps(original, patch, Some(&root))?);
    Ok(())
}

/// What a merge looks things up in.
struct Merge<'s, 'a> {
    schema: &'s Schema<'a>,
}

/// What the schema says of a member.
#[derive(Clone, Copy, Default)]
struct Meta<'m> {
    shape: Option<&'m Shape>,
    field: Option<&'m Field>,
}

impl<'m> Meta<'m> {
    fn merge(&self) -> bool {
        self.field.is_some_and(|it| it.patch.merge)
    }

    fn merge_key(&self) -> Option<&'m str> {
        self.field.and_then(|it| it.patch.merge_key.as_deref())
    }

    fn item(&self) -> Option<&'m Shape> {
        match self.shape {
            Some(Shape::List { item, .. }) => Some(item),
            _ => None,
        }
    }
}

impl<'a> Merge<'_, 'a> {
    fn lookup<'m>(&self, shape: Option<&'m Shape>, name: &str) -> Result<Meta<'m>, StrategicError>
    where
        'a: 'm,
    {
        match shape {
            Some(Shape::Struct { id, .. }) => {
                let Some(owner) = self.schema.types.get(*id) else { return Ok(Meta::default()) };
                let field = owner.field(name).ok_or_else(|| {
                    let short = owner.name.rsplit('.').next().unwrap_or_default();
                    StrategicError::Other(format!(
                        "unable to find api field in struct {short} for the json field {}",
                        quote(name)
                    ))
                })?;
                Ok(Meta { shape: Some(&field.shape), field: Some(field) })
            }
            Some(Shape::Map { value, .. }) => Ok(Meta { shape: Some(value), field: None }),
            _ => Ok(Meta::default()),
        }
    }

    fn maps(
        &self,
        mut original: Map<String, Value>,
        mut patch: Map<String, Value>,
        shape: Option<&Shape>,
    ) -> Result<Map<String, Value>, StrategicError> {
        match patch.get(DIRECTIVE).map(|it| (it.as_str(), it)) {
            Some((Some("replace"), _)) => {
                patch.shift_remove(DIRECTIVE);
                return Ok(patch);
            }
            Some((Some("delete"), _)) => return Ok(Map::new()),
            Some((_, other)) => return Err(StrategicError::unknown_directive(other, &patch)),
            None => {}
        }
        retain_keys(&mut original, &mut patch)?;
        self.ordered_lists(&mut original, &mut patch, shape)?;
        let nulls = patch.iter().filter(|it| it.1.is_null());
        let gone: Vec<&str> = nulls.map(|(name, _)| name.strip_prefix(DELETE_FROM).unwrap_or(name)).collect();
        remove_all(&mut original, &gone);
        for (name, value) in patch {
            if !value.is_null() {
                self.member(&mut original, &name, value, shape)?;
            }
        }
        Ok(original)
    }

    fn member(
        &self,
        original: &mut Map<String, Value>,
        name: &str,
        patch: Value,
        shape: Option<&Shape>,
    ) -> Result<(), StrategicError> {
        let deletes = name.strip_prefix(DELETE_FROM);
        if deletes.is_none() && name.starts_with(DELETE_FROM.trim_end_matches('/')) {
            return Err(StrategicError::bad_format("primitive list"));
        }
        let name = deletes.unwrap_or(name);
        let merged = match (original.get_mut(name), patch) {
            (Some(Value::Object(base)), Value::Object(patch)) => {
                let meta = self.lookup(shape, name)?;
                Value::Object(self.maps(std::mem::take(base), patch, meta.shape)?)
            }
            (Some(Value::Array(base)), Value::Array(patch)) => {
                let meta = self.lookup(shape, name)?;
                Value::Array(self.lists(std::mem::take(base), patch, &meta, deletes.is_some())?)
            }
            _ if deletes.is_some() => return Ok(()),
            (_, mut patch) => {
                drop_nulls(&mut patch);
                match without_directives(patch) {
                    Some(value) => value,
                    None => {
                        original.shift_remove(name);
                        return Ok(());
                    }
                }
            }
        };
        original.insert(name.to_owned(), merged);
        Ok(())
    }

    /// Merges the lists for which the patch gives an order, and takes them out of the patch.
    fn ordered_lists(
        &self,
        original: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
        shape: Option<&Shape>,
    ) -> Result<(), StrategicError> {
        let names: Vec<String> = patch.keys().filter(|it| it.starts_with("$setElementOrder")).cloned().collect();
        for key in names {
            let order = match patch.shift_remove(&key) {
                Some(Value::Array(order)) => order,
                other => return Err(StrategicError::bad_type("[]interface {}", &other.unwrap_or_default())),
            };
            let wrong = StrategicError::bad_format("setElementOrder list");
            let name = key.strip_prefix(SET_ORDER).ok_or(wrong)?;
            let of = |value: Option<Value>| match value {
                None => Ok(None),
                Some(Value::Array(items)) => Ok(Some(items)),
                Some(other) => Err(StrategicError::bad_type("[]interface {}", &other)),
            };
            let base = of(original.get(name).cloned())?;
            let over = of(patch.shift_remove(name))?;
            let meta = self.lookup(shape, name)?;
            if let Some(merged) = self.ordered_list(base, over, order, &meta)? {
                original.insert(name.to_owned(), Value::Array(merged));
            }
        }
        Ok(())
    }
}

/// `$retainKeys`: drops all members that it does not name. The patch may not set others.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), StrategicError> {
    let wrong = StrategicError::bad_format("retainKeys");
    let retained = match patch.shift_remove(RETAIN_KEYS) {
        None => return Ok(()),
        Some(Value::Array(retained)) => retained,
        Some(_) => return Err(wrong),
    };
    let kept = |name: &str| retained.iter().any(|it| it.as_str() == Some(name));
    let directive = |name: &str| name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
    if patch.iter().any(|(name, value)| !value.is_null() && !directive(name) && !kept(name)) {
        return Err(wrong);
    }
    original.retain(|name, _| kept(name));
    Ok(())
}

/// A value as it is stored where nothing was: without objects that carry a directive.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(name, it)| Some((name, without_directives(it)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests;
