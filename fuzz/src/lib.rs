//! What is done to everything that comes from clients of the Kubernetes API, as functions of bytes: they must end, and
//! hold what they assert, whatever the bytes are. `fuzz/libfuzzer` has them driven by coverage (`make fuzz`), the test
//! `seeds` by every seed and by changes to it.
//!
//! A seed or input of a target that writes has a first line that says how: `apply deployments` and then the body.
//!
//! May use: the k8s crates. Must never learn: sockets, the host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is what fuzzing looks for")]

mod body;
mod request;
mod selector;
mod world;
mod write;

/// A target: what is run on an input.
pub type Target = fn(&[u8]);

/// All targets by name; each has its seeds in the folder `seeds/<name>`.
pub const TARGETS: &[(&str, Target)] = &[
    ("body", body::run),
    ("patch", write::patch),
    ("protobuf", body::protobuf),
    ("request", request::run),
    ("selector", selector::run),
    ("write", write::create),
];

/// The target of that name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run).unwrap()
}
