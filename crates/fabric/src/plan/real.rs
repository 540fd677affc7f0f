//! The laws once more, with the real kernel in place of the imitation: random topologies, one after the other.

use super::filter::{key_of, replaces};
use super::laws::topology;
use super::{Step, plan};
use crate::nft::Nft;
use crate::{Fabric, FabricOptions, NsName, Ruleset, Topology, netns};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};

/// Some random topologies; the same ones at each run, so that a failure comes back.
fn topologies(count: usize) -> Vec<Topology> {
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 150..300);
    let mut some = || bytes.new_tree(&mut runner).unwrap().current();
    (0..count).map(|_| topology(&some())).collect()
}

fn check(nft: &Nft, namespace: &OwnedFd, want: &Ruleset) {
    for (name, set) in &want.sets {
        let mut script = String::new();
        for element in &set.elements {
            // Of an interval its first address: the kernel keeps neighbouring ones without an end between them.
            let key = key_of(element).split('/').next().unwrap();
            writeln!(script, "get element inet {} {name} {{ {key} }}", want.table).unwrap();
        }
        nft.run(namespace.as_fd(), &script)
            .unwrap_or_else(|why| panic!("{name} lacks one of {:?}: {why}", set.elements));
    }
}

#[test]
fn the_kernel_takes_every_change_of_a_filter() {
    let nft = Nft::new();
    let namespace = netns::on_thread(|| netns::unshare().and_then(|()| netns::current())).unwrap();
    let mut have = Topology::new();
    let mut gradual = 0;
    for mut want in topologies(150) {
        // One namespace is enough: filters do not know of others.
        want.retain(|name, _| name.0 == "a");
        for step in plan(&have, &want).steps {
            let Step::Filter { edits, .. } = &step else { continue };
            gradual += usize::from(!replaces(edits));
            nft.run(namespace.as_fd(), &step.script()).unwrap_or_else(|why| panic!("{why} at {step}"));
        }
        if let Some(ruleset) = want.get(&NsName::new("a")).and_then(|it| it.ruleset.as_ref()) {
            check(&nft, &namespace, ruleset);
        }
        have = want;
    }
    assert!(gradual > 20, "{gradual} changes were none that make the table anew");
}

/// Removes what a test that panics leaves.
struct Sweep(String);

impl Drop for Sweep {
    fn drop(&mut self) {
        for name in netns::pins(&self.0).into_iter().flatten() {
            let _ = netns::unpin(&netns::pin_path(&format!("{}{name}", self.0)));
        }
    }
}

#[tokio::test]
async fn the_kernel_holds_what_was_wanted() {
    let prefix = format!("u{:08x}-", getrandom::u32().unwrap());
    let _sweep = Sweep(prefix.clone());
    let open = || Fabric::new(FabricOptions { prefix: prefix.clone() }).unwrap();
    let fabric = open();
    for want in topologies(30) {
        let mut changes: std::collections::BTreeMap<_, _> =
            ["a", "b", "c", "d"].map(|name| (NsName::new(name), None)).into();
        changes.extend(want.iter().map(|(name, it)| (name.clone(), Some(it.clone()))));
        let report = fabric.set(changes.clone()).await.unwrap();
        assert!(report.failed.is_empty(), "{:#?}", report.failed);
        let report = open().set(changes).await.unwrap();
        let done: Vec<String> = report.done.iter().map(ToString::to_string).collect();
        assert!(report.is_unchanged(), "a survey finds something else: {done:#?} {:#?}", report.failed);
    }
    fabric.destroy().await.unwrap();
}
