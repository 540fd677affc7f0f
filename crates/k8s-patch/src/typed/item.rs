//! How an item of a list is told from the others.

use super::{ListPlace, Schema};
use crate::fields::Element;
use k8s_types::schema::Shape;
use serde_json::Value;

impl<'a> Schema<'a> {
    /// The step to an item. An absent key field counts with its default; one without a default is left out as long as
    /// another tells the item.
    pub(crate) fn item_element(&self, list: &ListPlace<'a>, item: &Value) -> Result<Element, String> {
        if list.keys.is_empty() {
            return set_element(item);
        }
        let map = match item {
            Value::Object(map) => map,
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let mut fields = Vec::with_capacity(list.keys.len());
        for name in list.keys {
            if let Some(value) = map.get(&**name).or_else(|| self.key_default(list.item, name)) {
                fields.push((name.clone(), value.clone()));
            }
        }
        if fields.is_empty() {
            let names: Vec<String> = list.keys.iter().map(|it| k8s_types::status::quote(it)).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                names.join(" ")
            ));
        }
        Ok(Element::key(fields.into()))
    }

    fn key_default(&self, item: &Shape, name: &str) -> Option<&'a Value> {
        let Shape::Struct { id, .. } = item else { return None };
        self.types.get(*id)?.field(name)?.default.as_ref()
    }
}

fn set_element(item: &Value) -> Result<Element, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(Element::Value(scalar.clone())),
    }
}
