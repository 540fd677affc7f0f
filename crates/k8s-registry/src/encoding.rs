//! How an object lies in the store: as compact JSON without what its place says (kind, version, resource version),
//! its metadata first, so that an answer is made by writing three things before the stored bytes.

use bytes::Bytes;
use serde_json::{Map, Value};
use store::KeyValue;

/// The order in which API servers write metadata. Clients may not rely on it, but people compare what they see.
const ORDER: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// What stands before the resource version: texts that have no quotes in them.
const BEFORE_VERSION: [&[u8]; 4] = [b"\"name\":\"", b"\"generateName\":\"", b"\"namespace\":\"", b"\"uid\":\""];

/// What every stored object begins with. Metadata always has a member: an object has a name.
const BEGINNING: &[u8] = b"{\"metadata\":{";

/// An object as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: Bytes,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its resource version.
    pub revision: u64,
}

impl From<KeyValue> for Stored {
    fn from(kv: KeyValue) -> Self {
        Self { key: kv.key, bytes: kv.value, revision: kv.mod_revision }
    }
}

/// The stored form of an object. `apiVersion`, `kind` and `metadata.resourceVersion` are left out.
pub fn encode(object: &Value) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    let Some(object) = object.as_object() else { return Bytes::new() };
    out.extend_from_slice(b"{\"metadata\":{");
    let mut first = true;
    if let Some(metadata) = object.get("metadata").and_then(Value::as_object) {
        for (name, value) in in_order(metadata).filter(|(name, _)| *name != "resourceVersion") {
            member(&mut out, &mut first, name, value);
        }
    }
    out.push(b'}');
    first = false;
    for (name, value) in object {
        if !matches!(name.as_str(), "metadata" | "apiVersion" | "kind") {
            member(&mut out, &mut first, name, value);
        }
    }
    out.push(b'}');
    // It stays for as long as the object does: without the room that it grew into.
    Bytes::from(out.into_boxed_slice())
}

/// The members of metadata as they are written.
fn in_order(metadata: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let known = ORDER.iter().filter_map(|name| Some((*name, metadata.get(*name)?)));
    let others = metadata.iter().map(|(name, value)| (name.as_str(), value));
    known.chain(others.filter(|(name, _)| !ORDER.contains(name)))
}

/// Brings an object's metadata into the order in which it is written.
pub fn arrange(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let arranged = in_order(metadata).map(|(name, value)| (name.to_owned(), value.clone())).collect();
        *metadata = arranged;
    }
}

/// Sets an object's resource version, in its place.
pub fn set_version(object: &mut Value, version: u64) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let before = metadata.keys().take_while(|name| ORDER.iter().take(4).any(|it| it == name)).count();
    metadata.shift_remove("resourceVersion");
    metadata.shift_insert(before.min(metadata.len()), "resourceVersion".to_owned(), Value::from(version.to_string()));
}

fn member(out: &mut Vec<u8>, first: &mut bool, name: &str, value: &Value) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    // Writing a value to memory can't fail.
    let _ = serde_json::to_writer(&mut *out, name);
    out.push(b':');
    let _ = serde_json::to_writer(&mut *out, value);
}

/// What stands before an object's metadata where it is sent by itself.
pub fn head(api_version: &str, kind: &str) -> Vec<u8> {
    format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",").into_bytes()
}

impl Stored {
    /// Writes the object as JSON. `head` is [`head`]'s, or one brace for an item of a list.
    pub fn write(&self, head: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(head);
        let at = self.place_of_version();
        out.extend_from_slice(b"\"metadata\":{");
        out.extend_from_slice(self.bytes.get(BEGINNING.len()..at).unwrap_or_default());
        out.extend_from_slice(b"\"resourceVersion\":\"");
        out.extend_from_slice(itoa(self.revision, &mut [0; 20]));
        out.extend_from_slice(b"\",");
        out.extend_from_slice(self.bytes.get(at..).unwrap_or(b"}}"));
    }

    /// Where the resource version goes: before the first member of metadata that does not stand before it.
    fn place_of_version(&self) -> usize {
        let mut at = BEGINNING.len();
        for member in BEFORE_VERSION {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(value) = rest.strip_prefix(member) else { continue };
            let Some(end) = value.iter().position(|it| matches!(it, b'"' | b'\\')) else { break };
            // An object that has nothing else gets its version before its name.
            if value.get(end..end + 2) != Some(b"\",") {
                break;
            }
            at += member.len() + end + 2;
        }
        at
    }

    /// Reads the object, with `apiVersion`, `kind` and `metadata.resourceVersion`.
    pub fn object(&self, api_version: &str, kind: &str) -> Value {
        let mut read = match serde_json::from_slice(&self.bytes) {
            Ok(Value::Object(members)) => members,
            // The store checks what it reads from disk; this is an object that we wrote.
            _ => Map::new(),
        };
        let mut object = Map::with_capacity(read.len() + 2);
        object.insert("kind".to_owned(), Value::from(kind));
        object.insert("apiVersion".to_owned(), Value::from(api_version));
        object.append(&mut read);
        let mut object = Value::Object(object);
        set_version(&mut object, self.revision);
        object
    }
}

/// A number's digits.
fn itoa(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_comes_back_as_it_went_in() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "é\"\n"},
            "metadata": {"name": "a", "resourceVersion": "3", "labels": {}}});
        let stored = Stored { key: Bytes::new(), bytes: encode(&object), revision: 7 };
        let mut want = object.clone();
        want["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(stored.object("v1", "ConfigMap"), want);
        let mut sent = Vec::new();
        stored.write(&head("v1", "ConfigMap"), &mut sent);
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), want);
        let mut item = Vec::new();
        stored.write(b"{", &mut item);
        want.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != "apiVersion");
        assert_eq!(serde_json::from_slice::<Value>(&item).unwrap(), want);
    }

    #[test]
    fn metadata_is_written_in_the_order_of_api_servers() {
        let object =
            json!({"metadata": {"labels": {"uid": "x"}, "uid": "u", "other": 1, "namespace": "n", "name": "a"}});
        let stored = Stored { key: Bytes::new(), bytes: encode(&object), revision: 7 };
        let mut sent = Vec::new();
        stored.write(b"{", &mut sent);
        let want = r#"{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","labels":{"uid":"x"},"other":1}}"#;
        assert_eq!(String::from_utf8(sent).unwrap(), want);
        let mut read = stored.object("v1", "A");
        assert_eq!(read["metadata"].to_string(), want[12..want.len() - 1]);
        arrange(&mut read);
        assert_eq!(read["metadata"].to_string(), want[12..want.len() - 1]);
        let old = Stored {
            bytes: Bytes::from_static(b"{\"metadata\":{\"name\":\"a\",\"labels\":{\"uid\":\"x\"}}}"),
            ..stored
        };
        let mut sent = Vec::new();
        old.write(b"{", &mut sent);
        assert_eq!(sent, br#"{"metadata":{"name":"a","resourceVersion":"7","labels":{"uid":"x"}}}"#);
    }

    #[test]
    fn digits() {
        assert_eq!(itoa(0, &mut [0; 20]), b"0");
        assert_eq!(itoa(u64::MAX, &mut [0; 20]), b"18446744073709551615");
    }
}
