//! What real API servers answered, replayed against the functions of this crate.
//!
//! A step is a request with its answer. Objects are kept as they were answered, so that one step's difference does not
//! spoil the next. What the server adds (defaults, system metadata) comes from the answer; what this crate makes
//! (patched members, owners, conflicts, errors) is compared with it.

#![allow(clippy::unwrap_used, reason = "a record that is not as it should be fails the test")]
#![allow(clippy::print_stdout, reason = "how much was compared is worth knowing")]

mod crd;
mod world;

use world::{Outcome, World};

/// Releases are built with json-patch 4.12 and 4.13 (`go.mod` of `k8s.io/apiserver`), which replace what is not there
/// and look at an operation only when its turn comes.
const OTHER_LIBRARY: &str = "recorded of a build with a newer JSON patch library than that of any release";

/// Steps that are not compared: file, scenario, the number of the step in it, and why.
const SKIPPED: &[(&str, &str, usize, &str)] = &[
    ("ssa", "errors", 5, LATER_TEXT),
    ("ssa", "errors", 6, LATER_TEXT),
    ("ssa", "metadata-ownership", 0, "later releases own an applied empty map"),
    ("ssa", "env-volumes-tolerations", 0, "later releases own an applied empty map"),
    ("ssa", "containers-list-map", 5, "later releases keep the applied order"),
    ("ssa", "duplicate-and-missing-list-keys", 1, "1.20 took an item without any key"),
    ("ssa", "service-ports-by-port-and-protocol", 0, "1.20 refused an item without one of its keys"),
    ("ssa", "service-ports-by-port-and-protocol", 1, "1.20 refused an item without one of its keys"),
    ("ssa", "service-ports-by-port-and-protocol", 3, "1.20 refused an item without one of its keys"),
    ("machinery-crd", "json-and-merge-patch", 6, OTHER_LIBRARY),
    ("machinery-crd", "json-and-merge-patch", 10, OTHER_LIBRARY),
    ("ssa", "managed-fields-reset", 6, "in later releases an empty list clears nothing: see ssa-crd"),
    ("ssa", "managed-fields-reset", 9, "follows a list of managed fields that was emptied"),
    ("ssa", "deployment-lifecycle", 3, "follows a write through /scale"),
    ("ssa-crd", "errors", 17, "the server refuses the media type first"),
    ("crud", "create-rejects-and-ignores-metadata", 1, "1.20 wiped a deletion time after it took note of its owner"),
    ("crud", "secret-and-binary", 2, "the server reads stringData into data"),
    ("patch-json", "malformed", 5, DECODER),
    ("patch-json", "arrays-and-typed", 10, DECODER),
    ("patch-merge", "merge-basics", 14, DECODER),
    ("patch-merge", "merge-basics", 23, LATER_TEXT),
    ("patch-strategic", "tolerations-are-atomic", 2, DECODER),
    ("patch-strategic", "errors", 4, DECODER),
    ("patch-strategic", "service-ports-by-port", 0, ADMISSION),
    ("patch-strategic", "conditions-by-type", 1, ADMISSION),
    ("patch-strategic", "conditions-by-type", 5, ADMISSION),
    ("managedfields", "pod-kubelet-status-and-scheduler", 1, ADMISSION),
    ("managedfields", "pod-kubelet-status-and-scheduler", 3, "follows a binding"),
    ("managedfields", "update-through-other-version", 2, "is read in another version than it was written in"),
];

const LATER_TEXT: &str = "later releases have another text";
const DECODER: &str = "the server's decoder drops an unknown field";
const ADMISSION: &str = "the server writes fields after it took note of their owners";

/// Replays a file; fails on a difference and where fewer than `least` steps were compared.
fn replay(file: &str, least: usize) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/{}.jsonl"), file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut compared, mut skipped, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let scenario: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = scenario["name"].as_str().unwrap();
        let mut world = World::new(scenario["oracle"].as_str().unwrap());
        for (at, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let outcome = world.step(step);
            if SKIPPED.iter().any(|it| (it.0, it.1, it.2) == (file, name, at)) {
                skipped += 1;
                continue;
            }
            match outcome {
                Outcome::Nothing => {}
                Outcome::Same(parts) => compared += parts,
                Outcome::Wrong(why) => wrong.push(format!("{name} step {at}: {why}")),
            }
        }
    }
    println!("{file}: {compared} compared, {skipped} skipped, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(compared >= least, "{compared} compared, less than {least}");
}

#[test]
fn json_patches_of_custom_resources() {
    replay("patch-json-crd", 50);
}

#[test]
fn json_patches() {
    replay("patch-json", 72);
}

#[test]
fn merge_patches() {
    replay("patch-merge", 47);
}

#[test]
fn strategic_patches() {
    replay("patch-strategic", 214);
}

#[test]
fn applies_of_custom_resources() {
    replay("ssa-crd", 116);
}

#[test]
fn applies_by_field_type_and_situation() {
    replay("ssa-matrix", 210);
}

#[test]
fn applies() {
    replay("ssa", 174);
}

#[test]
fn owners() {
    replay("managedfields", 42);
}

#[test]
fn patches_of_custom_resources() {
    replay("machinery-crd", 67);
}

#[test]
fn plain_writes() {
    replay("crud", 59);
}
