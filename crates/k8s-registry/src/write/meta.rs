//! The metadata that the server keeps.

use k8s_types::Status;
use serde_json::{Map, Value};

/// The alphabet of generated names: without vowels and what looks alike, so that no words come about.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many letters are generated.
const SUFFIX: usize = 5;
/// A base is cut to this, so that the name is a label.
const LONGEST_BASE: usize = 63 - SUFFIX;

/// What a client can't set.
const SYSTEM: &[&str] = &["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

/// The metadata of an object, which is made if it is not there.
pub(super) fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// A text of an object's metadata; empty where it is not there.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get("metadata").and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(metadata) = of(object) {
        metadata.insert(name.to_owned(), value.into());
    }
}

/// Takes what a client can't set from a new object.
pub(super) fn wipe(object: &mut Value) {
    if let Some(metadata) = of(object) {
        for name in SYSTEM {
            metadata.shift_remove(*name);
        }
    }
}

/// Takes over what a client can't change from the object that is there. What it says otherwise is left to stand where
/// validation refuses it by name.
pub(super) fn keep(object: &mut Value, old: &Value) {
    let before = old.get("metadata").and_then(Value::as_object);
    let Some(metadata) = of(object) else { return };
    for name in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if (!metadata.contains_key(name) || name == "creationTimestamp")
            && let Some(value) = before.and_then(|it| it.get(name))
        {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    metadata.shift_remove("selfLink");
    match before.and_then(|it| it.get("generation")) {
        Some(generation) => drop(metadata.insert("generation".to_owned(), generation.clone())),
        None => drop(metadata.shift_remove("generation")),
    }
}

/// A client that sends an empty list of managed fields of a built-in kind asks for a new beginning of them, as with one
/// empty entry. (Of a custom resource it asks for nothing.)
pub(super) fn keep_reset(object: &mut Value) {
    if let Some(Value::Array(entries)) = of(object).and_then(|it| it.get_mut("managedFields"))
        && entries.is_empty()
    {
        entries.push(Value::Object(Map::new()));
    }
}

/// Whether an object is on its way out.
pub(crate) fn is_terminating(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// The names of an object's finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    let listed = object.get("metadata").and_then(|it| it.get("finalizers")).and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The generation of an object.
pub(super) fn generation(object: &Value) -> i64 {
    object.get("metadata").and_then(|it| it.get("generation")).and_then(Value::as_i64).unwrap_or(0)
}

/// A name from the base that a client gave.
pub(super) fn generate_name(base: &str) -> String {
    let mut end = base.len().min(LONGEST_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut random = [0u8; SUFFIX];
    // Without random numbers the names collide, and a collision is answered as one.
    let _ = getrandom::fill(&mut random);
    let letters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    let mut name = base[..end].to_owned();
    name.extend(letters.map(|it| char::from(*it)));
    name
}

/// Checks that an object lies where the path says, and says so itself. What lies in no namespace may say what it likes.
pub(super) fn place(object: &mut Value, namespaced: bool, namespace: &str) -> Result<(), Box<Status>> {
    let given = text(object, "namespace");
    if !namespaced {
        if let Some(metadata) = of(object) {
            metadata.shift_remove("namespace");
        }
        return Ok(());
    }
    if given.is_empty() {
        set(object, "namespace", namespace);
    } else if given != namespace {
        return Err(Box::new(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )));
    }
    Ok(())
}

/// Checks that an object is called what the path says, and says so itself.
pub(super) fn name(object: &mut Value, wanted: &str) -> Result<(), Box<Status>> {
    let given = text(object, "name");
    if given.is_empty() {
        set(object, "name", wanted);
    } else if given != wanted {
        return Err(Box::new(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({wanted})"
        ))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn generated_names_are_labels(base in "[a-z-é]{0,80}") {
            let name = generate_name(&base);
            prop_assert!(name.len() <= 63);
            prop_assert!(name.bytes().rev().take(5).all(|it| ALPHABET.contains(&it)));
        }
    }
}
