//! Looking into stored objects without reading all of them: their metadata comes first.

use serde_json::{Map, Value};

/// What every stored object begins with, up to its metadata.
const BEGINNING: &[u8] = b"{\"metadata\":";

/// The metadata of a stored object.
pub(crate) fn of_stored(bytes: &[u8]) -> Map<String, Value> {
    let Some(rest) = bytes.strip_prefix(BEGINNING) else { return Map::new() };
    match serde_json::Deserializer::from_slice(rest).into_iter::<Value>().next() {
        Some(Ok(Value::Object(metadata))) => metadata,
        // The store checks what it reads from disk; this is an object that was written by an API server.
        _ => Map::new(),
    }
}

/// Whether a stored object has these words anywhere; most don't, and need not be read.
pub(crate) fn mentions(bytes: &[u8], words: &str) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|it| it.contains(words))
}

/// A text of some metadata; empty where it is not there.
pub(crate) fn text<'a>(metadata: &'a Map<String, Value>, name: &str) -> &'a str {
    metadata.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The names of the finalizers.
pub(crate) fn finalizers(metadata: &Map<String, Value>) -> impl Iterator<Item = &str> {
    metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The text at a JSON pointer of an object; empty where there is none.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_read_alone() {
        let object = json!({"metadata": {"name": "a", "finalizers": ["x", "y"]}, "data": {"metadata": "no"}});
        let stored = k8s_registry::encoding::encode(&object);
        let metadata = of_stored(&stored);
        assert_eq!(text(&metadata, "name"), "a");
        assert_eq!(text(&metadata, "uid"), "");
        assert_eq!(finalizers(&metadata).collect::<Vec<_>>(), ["x", "y"]);
        assert!(mentions(&stored, "finalizers") && !mentions(&stored, "ownerReferences"));
        assert!(of_stored(b"{}").is_empty());
    }
}
