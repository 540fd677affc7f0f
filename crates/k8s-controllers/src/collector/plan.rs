//! What becomes of an object with owners or dependents: decided from the object, its owners and the graph.

use super::graph::Graph;
use crate::access::Key;
use crate::metadata::{finalizers, text};
use k8s_registry::Propagation;
use serde_json::{Map, Value};

/// The finalizer of an object whose dependents are let go first.
pub(super) const ORPHAN: &str = "orphan";
/// The finalizer of an object that waits for its dependents to end.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// The finalizer has served.
    Release(&'static str),
    /// These dependents forget the object, then its finalizer has served.
    Orphan(Vec<Key>),
    /// These have to be looked at: the object waits for them.
    Visit(Vec<Key>),
    /// It stays, without the owners of these uids.
    Disown(Vec<String>),
    /// It ends; before that it stops keeping its owners if two wait for each other.
    Delete {
        /// What becomes of its own dependents.
        propagation: Propagation,
        /// Whether it stops keeping its owners.
        unblock: bool,
    },
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there.
    Solid,
    /// It is not there, or another object has its name.
    Absent,
    /// It waits for its dependents to end.
    Waiting,
    /// Nobody can tell.
    Unknown,
}

/// The references of an object to its owners.
pub(super) fn references(metadata: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Whether an object is on its way out.
pub(super) fn is_terminating(metadata: &Map<String, Value>) -> bool {
    !text(metadata, "deletionTimestamp").is_empty()
}

fn has(metadata: &Map<String, Value>, finalizer: &str) -> bool {
    finalizers(metadata).any(|it| it == finalizer)
}

/// What has to be done about an object, given its key, its metadata, and what `resolve` tells of each owner.
pub(super) fn step(
    key: &Key,
    metadata: &Map<String, Value>,
    graph: &Graph,
    mut resolve: impl FnMut(&Map<String, Value>) -> Owner,
) -> Step {
    let uid = text(metadata, "uid");
    if is_terminating(metadata) {
        if has(metadata, ORPHAN) {
            return Step::Orphan(graph.dependents(uid).cloned().collect());
        }
        if !has(metadata, FOREGROUND) {
            return Step::Nothing;
        }
        let mut blocking = graph.blocking(uid);
        if blocking.is_empty() {
            return Step::Release(FOREGROUND);
        }
        blocking.retain(|it| !graph.waits_for_dependents(it));
        return Step::Visit(blocking);
    }
    let (mut solid, mut waiting, mut unwanted) = (false, false, Vec::new());
    for reference in references(metadata) {
        match resolve(reference) {
            Owner::Unknown => return Step::Nothing,
            Owner::Solid => solid = true,
            owner => {
                waiting |= owner == Owner::Waiting;
                unwanted.push(text(reference, "uid").to_owned());
            }
        }
    }
    if unwanted.is_empty() {
        return Step::Nothing;
    }
    if solid {
        return Step::Disown(unwanted);
    }
    let mut own = graph.dependents(uid).filter(|it| *it != key).peekable();
    if waiting && own.peek().is_some() {
        let unblock = own.any(|it| graph.waits_for_dependents(it));
        return Step::Delete { propagation: Propagation::Foreground, unblock };
    }
    let propagation = match () {
        () if has(metadata, ORPHAN) => Propagation::Orphan,
        () if has(metadata, FOREGROUND) => Propagation::Foreground,
        () => Propagation::Background,
    };
    Step::Delete { propagation, unblock: false }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Waits;
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn key(name: &str) -> Key {
        Arc::from(name)
    }

    fn act(metadata: Value, graph: &Graph, owners: &[(&str, Owner)]) -> Step {
        let Value::Object(metadata) = metadata else { panic!() };
        step(&key("it"), &metadata, graph, |reference| {
            owners.iter().find(|(uid, _)| *uid == text(reference, "uid")).map_or(Owner::Unknown, |(_, owner)| *owner)
        })
    }

    fn with(owners: &[&str]) -> Value {
        let owners: Vec<Value> = owners.iter().map(|it| json!({"uid": it})).collect();
        json!({"uid": "u", "ownerReferences": owners})
    }

    #[test]
    fn an_object_lives_as_long_as_one_owner() {
        let graph = Graph::default();
        let background = Step::Delete { propagation: Propagation::Background, unblock: false };
        assert_eq!(act(with(&["a"]), &graph, &[("a", Owner::Solid)]), Step::Nothing);
        assert_eq!(act(with(&["a"]), &graph, &[("a", Owner::Absent)]), background);
        assert_eq!(act(with(&["a"]), &graph, &[("a", Owner::Waiting)]), background);
        assert_eq!(act(with(&["a"]), &graph, &[]), Step::Nothing, "nobody can tell");
        let owners = [("a", Owner::Solid), ("b", Owner::Absent), ("c", Owner::Waiting)];
        assert_eq!(act(with(&["a", "b", "c"]), &graph, &owners), Step::Disown(vec!["b".to_owned(), "c".to_owned()]));
        let mut orphaning = with(&["b"]);
        orphaning["finalizers"] = json!(["orphan"]);
        let orphan = Step::Delete { propagation: Propagation::Orphan, unblock: false };
        assert_eq!(act(orphaning, &graph, &owners), orphan);
    }

    #[test]
    fn foreground_goes_down_the_tree() {
        let mut graph = Graph::default();
        graph.put(&key("child"), "c", vec![("u", true)]);
        let foreground = |unblock| Step::Delete { propagation: Propagation::Foreground, unblock };
        assert_eq!(act(with(&["a"]), &graph, &[("a", Owner::Waiting)]), foreground(false));
        graph.wait("c", &key("child"), Waits::Foreground);
        assert_eq!(act(with(&["a"]), &graph, &[("a", Owner::Waiting)]), foreground(true), "a circle");
    }

    #[test]
    fn owners_wait() {
        let mut graph = Graph::default();
        let waiting = |finalizer| json!({"uid": "u", "deletionTimestamp": "t", "finalizers": [finalizer]});
        assert_eq!(act(waiting(FOREGROUND), &graph, &[]), Step::Release(FOREGROUND));
        assert_eq!(act(waiting(ORPHAN), &graph, &[]), Step::Orphan(vec![]));
        assert_eq!(act(waiting("x.io/y"), &graph, &[]), Step::Nothing);
        graph.put(&key("child"), "c", vec![("u", false)]);
        assert_eq!(act(waiting(FOREGROUND), &graph, &[]), Step::Release(FOREGROUND), "it does not block");
        assert_eq!(act(waiting(ORPHAN), &graph, &[]), Step::Orphan(vec![key("child")]));
        graph.put(&key("child"), "c", vec![("u", true)]);
        assert_eq!(act(waiting(FOREGROUND), &graph, &[]), Step::Visit(vec![key("child")]));
        graph.wait("c", &key("child"), Waits::Foreground);
        assert_eq!(act(waiting(FOREGROUND), &graph, &[]), Step::Visit(vec![]), "it is on its way");
    }
}
