//! Bodies: JSON, YAML and protobuf, read as the type that they name. What was read is written and read again, and must
//! be the same.

use crate::world::WORLD;
use k8s_types::protobuf;
use serde_json::Value;

/// JSON and YAML.
pub fn run(input: &[u8]) {
    let catalog = WORLD.registry.catalog();
    let _ = protobuf::is_protobuf(input);
    let Ok(read) = k8s_api::yaml::read(input) else { return };
    let text = |name| read.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(endpoint) = catalog.endpoint_of_kind(text("apiVersion"), text("kind")) else { return };
    let Ok(first) = endpoint.decode(read.to_string().as_bytes()) else { return };
    let again = endpoint.decode(first.value.to_string().as_bytes()).unwrap();
    assert_eq!(first.value, again.value);
    let yaml = k8s_api::yaml::write(&first.value);
    assert_eq!(k8s_api::yaml::read(yaml.as_bytes()).unwrap(), first.value, "{yaml}");
    let Ok(message) = protobuf::encode(&first.value, catalog.release()) else { return };
    protobuf::decode(&message, catalog.release()).unwrap();
}

/// Protobuf.
pub fn protobuf(input: &[u8]) {
    let release = WORLD.registry.catalog().release();
    let Ok(object) = protobuf::decode(input, release) else { return };
    let Ok(message) = protobuf::encode(&object, release) else { return };
    let again = protobuf::decode(&message, release).unwrap();
    assert_eq!(object, again);
}
