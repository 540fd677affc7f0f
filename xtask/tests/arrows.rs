//! The direction of dependencies, held by a test. `ARCHITECTURE.md` draws what this table says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who must not reach what, and why: the sentence is what a person reads when it fails.
/// `aws-*` stands for the crates of services; `*` at the end of a name matches any rest.
const MUST_NOT: &[(&str, &str, &str)] = &[
    ("base", "store", "it holds words, and every other crate is built on them"),
    ("base", "tokio", "words need no runtime"),
    ("store", "aws-*", "the store does not know what a key or a value means"),
    ("store", "fabric", "the store does not know what a key or a value means"),
    ("reconcile", "aws-*", "a loop runs for any domain"),
    ("reconcile", "store", "a loop runs for any domain"),
    ("dns", "aws-*", "the server of names does not know who owns a zone"),
    ("dns", "base", "the server of names does not know who owns a zone"),
    ("aws-model", "store", "shapes have no behaviour"),
    ("aws-model", "hyper", "shapes have no transport"),
    ("aws-wire", "tokio", "bytes in, bytes out: no sockets"),
    ("aws-wire", "store", "bytes in, bytes out: no state"),
    ("aws-ec2", "aws-eks", "services reach each other through their operation traits only"),
    ("aws-ec2", "aws-iam", "services reach each other through their operation traits only"),
    ("aws-eks", "aws-ec2", "services reach each other through their operation traits only"),
    ("aws-eks", "aws-iam", "services reach each other through their operation traits only"),
    ("aws-iam", "aws-ec2", "services reach each other through their operation traits only"),
    ("aws-iam", "aws-eks", "services reach each other through their operation traits only"),
    ("aws-ssm", "aws-ec2", "services reach each other through their operation traits only"),
    ("aws-*", "hyper", "services decide; only the gateway speaks HTTP"),
    ("aws-*", "fabric", "services decide; the fabric applies"),
    ("aws-*", "machine", "services decide; machines are made elsewhere"),
    ("aws-*", "k8s-api", "a service does not know how an API server is built"),
    ("k8s-*", "aws-*", "a cluster must run the same with no AWS around it"),
    ("k8s-*", "machine", "a cluster does not know what runs its pods"),
    ("k8s-types", "store", "words and facts have no state"),
    ("k8s-types", "hyper", "words and facts have no transport"),
    ("k8s-patch", "store", "what a patch makes of an object needs nothing else"),
    ("k8s-kinds", "store", "a kind's steps are functions of the object"),
    ("k8s-print", "store", "a row is a function of the object"),
    ("k8s-discovery", "store", "documents are functions of a release"),
    ("k8s-authn", "store", "who asks is told from what was looked up"),
    ("k8s-authz", "store", "who may is told from what was looked up"),
    ("k8s-registry", "hyper", "objects have no transport"),
    ("k8s-registry", "k8s-authz", "objects are written by whoever is let through"),
    ("k8s-controllers", "hyper", "a controller is beside the server, not behind its wire"),
    ("k8s-controllers", "k8s-api", "a controller is beside the server, not behind its wire"),
    ("k8s-admission", "hyper", "a step of admission sees objects"),
    ("k8s-api", "fabric", "a cluster must run the same wherever its sockets come from"),
    ("fabric", "aws-*", "it builds networks and never learns who asked"),
    ("fabric", "store", "it builds networks and never learns who asked"),
    ("fabric", "landing", "it builds networks and never learns who asked"),
    ("machine", "aws-*", "it builds machines and never learns who asked"),
    ("machine", "store", "it builds machines and never learns who asked"),
    ("machine", "fabric", "a machine's network is somebody else's"),
    ("gateway", "aws-ec2", "the edge knows no service's implementation"),
    ("gateway", "aws-eks", "the edge knows no service's implementation"),
    ("gateway", "aws-iam", "the edge knows no service's implementation"),
    ("gateway", "store", "the edge keeps no records"),
    ("landing", "hyper", "it translates; it does no I/O"),
    ("landing", "gateway", "it translates; it does no I/O"),
];

/// Other platforms' dependencies are not downloaded.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Crates that hold shapes or bytes of AWS and are no services.
const NOT_SERVICES: &[&str] = &["aws-model", "aws-wire"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("aws-") => name.starts_with("aws-") && !NOT_SERVICES.contains(&name) && is_ours(name),
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

fn is_ours(name: &str) -> bool {
    root().join("crates").join(name).is_dir()
}

/// Normal dependencies of every package, by name, from cargo's own resolution.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", PLATFORM])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |id: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        packages.iter().find(|it| it["id"] == id).unwrap()["name"].as_str().unwrap().to_owned()
    };
    let mut graph = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal = node["deps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dep| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null()));
        let names: BTreeSet<String> = normal.map(|dep| name(dep["pkg"].as_str().unwrap())).collect();
        graph.entry(name(node["id"].as_str().unwrap())).or_insert_with(BTreeSet::new).extend(names);
    }
    graph
}

fn reached(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn arrows_point_down() {
    let graph = graph();
    let ours: Vec<&String> = graph.keys().filter(|it| is_ours(it)).collect();
    assert!(ours.len() > 10, "the workspace was not found: {ours:?}");
    let mut broken = Vec::new();
    for (from, to, why) in MUST_NOT {
        for name in ours.iter().filter(|it| matches(from, it)) {
            let reached = reached(&graph, name);
            for target in reached.iter().filter(|it| matches(to, it) && *it != *name) {
                broken.push(format!("{name} reaches {target}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
