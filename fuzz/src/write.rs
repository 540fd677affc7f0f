//! Whole writes, from the body to the object that would be stored: decoding, patching, defaults, validation, field
//! ownership. What is accepted must be stable: writing it again as it is changes nothing.

use crate::world::{WORLD, options, target};
use k8s_patch::{json::JsonPatch, merge, strategic};
use k8s_registry::Target;
use k8s_registry::write::Patch;
use serde_json::Value;

/// The words of the first line, and the rest.
fn header(input: &[u8]) -> Option<(&str, &str, &[u8])> {
    let end = input.iter().position(|it| *it == b'\n')?;
    let (line, rest) = input.split_at_checked(end)?;
    let (how, resource) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((how, resource, rest.get(1..)?))
}

/// A patch of an object that is there: `json`, `merge`, `strategic`, `apply` or `force`, then the resource.
pub fn patch(input: &[u8]) {
    let Some((how, resource, body)) = header(input) else { return };
    let Some(endpoint) = WORLD.endpoint(resource) else { return };
    let patch = match how {
        "json" => JsonPatch::parse(body).ok().map(Patch::Json),
        "merge" => merge::parse(body).ok().map(Patch::Merge),
        "strategic" => strategic::parse(body).ok().map(Patch::Strategic),
        "apply" | "force" => {
            k8s_api::yaml::read(body).ok().map(|object| Patch::Apply { object, force: how == "force" })
        }
        _ => None,
    };
    let Some(patch) = patch else { return };
    let options = options("fuzz", true);
    let Ok(done) = WORLD.wait(WORLD.registry.patch(target(endpoint), patch, options)) else { return };
    // Only what was decoded is shown, so it must be decodable.
    let decoded = endpoint.decode(done.object.to_string().as_bytes()).unwrap();
    assert!(decoded.strict.is_empty(), "{:?}", decoded.strict);
    // Written back as it is, it must be taken.
    if done.object.pointer("/metadata/name").and_then(Value::as_str) == Some("it") {
        WORLD.wait(WORLD.registry.update(target(endpoint), decoded.value, options)).unwrap();
    }
}

/// A new object: `create`, then the resource.
pub fn create(input: &[u8]) {
    let Some((_, resource, body)) = header(input) else { return };
    let Some(endpoint) = WORLD.endpoint(resource) else { return };
    let Ok(decoded) = endpoint.decode(body) else { return };
    let target = Target { name: "", ..target(endpoint) };
    let Ok(done) = WORLD.wait(WORLD.registry.create(target, decoded.value, options("fuzz", true))) else { return };
    endpoint.decode(done.object.to_string().as_bytes()).unwrap();
}
