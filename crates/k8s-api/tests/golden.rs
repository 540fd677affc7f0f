//! All recorded answers of real API servers, replayed over TLS against one of ours.
//!
//! A file's steps that are answered neither as recorded nor as a newer version answers must not become more than the
//! committed ones in `golden/baseline.json`. With `UPDATE_GOLDEN=1` the counts of this run are written there and into
//! `docs/conformance.md`. Every difference is told in `golden-differences.txt` in the folder of build products.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod harness;
#[path = "golden/mod.rs"]
mod replay;

use harness::World;
use replay::report::{self, Result};
use replay::scenario::Scenario;
use replay::{MINOR, run::run, skips};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Replays a file, `parallel` scenarios at a time, and holds it to the committed counts.
async fn replay(file: &'static str, parallel: usize) {
    let scenarios = Scenario::read(file);
    let count = scenarios.len();
    let results = if scenarios.iter().all(|it| skips::reason(file, &it.name, "").is_some()) {
        skipped(file, &scenarios)
    } else {
        replayed(file, scenarios, parallel).await
    };
    let counts = report::count(count, &results);
    report::write_differences(file, &results);
    println!("{}", report::line(file, &counts, &results));
    if report::updates() {
        report::commit(file, &counts);
        return;
    }
    let committed = report::baseline().remove(file).unwrap_or_default();
    assert!(
        counts.different <= committed.different,
        "{file}: {} steps differ, {} did before; see golden-differences.txt",
        counts.different,
        committed.different
    );
    if counts != committed {
        println!("{file}: the counts changed from {committed:?}; commit them with UPDATE_GOLDEN=1");
    }
}

/// The results of a file of which nothing is replayed.
fn skipped(file: &str, scenarios: &[Scenario]) -> Vec<Result> {
    let mut results = Vec::new();
    for scenario in scenarios {
        let steps = scenario.setup().len() + scenario.steps.len();
        // Records of controllers have no steps; each counts as one.
        for index in 0..steps.max(1) {
            let reason = skips::reason(file, &scenario.name, "").unwrap();
            let outcome = report::Outcome::Skipped(reason);
            let (scenario, step) = (scenario.name.clone(), index.to_string());
            results.push(Result { scenario, step, request: String::new(), outcome });
        }
    }
    results
}

/// Scenarios that forget history come last, one by one.
async fn replayed(file: &'static str, scenarios: Vec<Scenario>, parallel: usize) -> Vec<Result> {
    let world = Arc::new(World::new(MINOR).await);
    let (last, first): (Vec<Scenario>, Vec<Scenario>) =
        scenarios.into_iter().partition(|it| it.steps.iter().any(|step| step.action.is_some()));
    let places = Arc::new(Semaphore::new(parallel));
    let mut tasks = Vec::new();
    for scenario in first {
        let (world, places) = (world.clone(), places.clone());
        tasks.push(tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            run(&world, file, &scenario).await
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.extend(task.await.unwrap());
    }
    for scenario in last {
        results.extend(run(&world, file, &scenario).await);
    }
    results
}

macro_rules! files {
    ($($test:ident: $($file:literal $parallel:literal),+;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $(replay($file, $parallel).await;)+
        })*

        /// All files that are replayed.
        const FILES: &[&str] = &[$($($file),+),*];
    };
}

files! {
    admission: "admission-authz" 1, "admission-plugins" 1;
    controllers: "controller-cronjob" 1, "controller-csr" 1, "controller-deployment" 1, "controller-ds" 1,
        "controller-endpoints" 1, "controller-gc" 1, "controller-hpa" 1, "controller-job" 1, "controller-nodes" 1,
        "controller-nsdel" 1, "controller-pdbq" 1, "controller-pv" 1, "controller-rs" 1, "controller-sa" 1,
        "controller-sched" 1, "controller-sts" 1, "fresh-with-controller-manager" 1;
    custom_resources: "crd" 1, "crd-cel" 1, "crd-schema" 1, "machinery-crd" 1, "patch-json-crd" 1, "ssa-crd" 1,
        "ssa-matrix" 1, "strict" 1;
    deletion: "delete" 1;
    discovery: "discovery" 1, "negotiation" 1, "protobuf" 1;
    errors: "crud" 2, "errors" 2;
    fresh: "fresh-apiserver" 1, "fresh-misc" 1;
    kinds_defaults: "kind-defaults" 1;
    kinds_validation: "kind-validation" 1;
    lists: "lists" 1;
    names: "names" 2, "namespaces" 1;
    patches: "patch-json" 2, "patch-merge" 2, "patch-strategic" 2;
    server_side_apply: "managedfields" 2, "ssa" 2;
    subresources: "subresources" 2;
    tables: "table-kinds" 1, "tables" 1;
    watches: "watch" 4;
}

#[test]
fn every_file_is_replayed_or_skipped() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|it| it.strip_suffix(".jsonl").map(str::to_owned)).collect();
    names.sort_unstable();
    let mut files: Vec<&str> = FILES.to_vec();
    files.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn the_document_has_the_committed_counts() {
    assert_eq!(report::documented(), report::markdown(&report::baseline()));
}
