//! Who depends on whom: objects with owners, by the uids of these owners.

use crate::access::Key;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How an owner waits for its dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// It goes when they have gone.
    Foreground,
    /// It goes when they are free of it.
    Orphan,
}

/// One owner of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    /// The owner's uid.
    pub(super) owner: Arc<str>,
    /// Whether the owner can't go before the object.
    pub(super) blocks: bool,
}

#[derive(Debug)]
struct Node {
    uid: Box<str>,
    edges: Box<[Edge]>,
}

#[derive(Debug, Default)]
struct Dependents {
    keys: HashSet<Key>,
    /// How many of them keep the owner.
    blocking: usize,
    /// No object has this uid.
    gone: bool,
}

/// See the module. Objects that nobody owns and that own nothing are not in it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<Key, Node>,
    dependents: HashMap<Arc<str>, Dependents>,
    waiting: HashMap<Box<str>, (Key, Waits)>,
}

impl Graph {
    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.waiting.is_empty()
    }

    /// Takes in an object as it is now. Returns whether its owners are new, and the owners that waited for it.
    pub(super) fn put(&mut self, key: &Key, uid: &str, owners: Vec<(&str, bool)>) -> (bool, Vec<Key>) {
        let same = |node: &Node| {
            *node.uid == *uid
                && node.edges.len() == owners.len()
                && node.edges.iter().zip(&owners).all(|(edge, it)| (&*edge.owner, edge.blocks) == *it)
        };
        if self.nodes.get(key).is_some_and(same) {
            return (false, Vec::new());
        }
        let before = self.nodes.remove(key);
        let edges: Box<[Edge]> =
            owners.into_iter().map(|(owner, blocks)| Edge { owner: self.owner(owner), blocks }).collect();
        for edge in &edges {
            let dependents = self.dependents.entry(edge.owner.clone()).or_default();
            dependents.keys.insert(key.clone());
            dependents.blocking += usize::from(edge.blocks);
        }
        if !edges.is_empty() {
            self.nodes.insert(key.clone(), Node { uid: uid.into(), edges });
        }
        let freed = before.map(|it| self.cut(key, &it)).unwrap_or_default();
        (true, freed)
    }

    /// Forgets an object. Returns the owners that waited for it.
    pub(super) fn remove(&mut self, key: &Key) -> Vec<Key> {
        let Some(node) = self.nodes.remove(key) else { return Vec::new() };
        if self.nodes.is_empty() {
            self.nodes.shrink_to_fit();
        }
        self.cut(key, &node)
    }

    /// One text for each uid, however many depend on it.
    fn owner(&self, uid: &str) -> Arc<str> {
        self.dependents.get_key_value(uid).map_or_else(|| Arc::from(uid), |(known, _)| known.clone())
    }

    /// Takes the edges of a node that is not in the graph any more.
    fn cut(&mut self, key: &Key, node: &Node) -> Vec<Key> {
        let mut freed = Vec::new();
        for edge in &node.edges {
            let Some(dependents) = self.dependents.get_mut(&edge.owner) else { continue };
            dependents.blocking = dependents.blocking.saturating_sub(usize::from(edge.blocks));
            let still = self.nodes.get(key).is_some_and(|it| it.edges.iter().any(|it| it.owner == edge.owner));
            if !still {
                dependents.keys.remove(key);
            }
            if edge.blocks
                && dependents.blocking == 0
                && let Some((owner, Waits::Foreground)) = self.waiting.get(&*edge.owner)
            {
                freed.push(owner.clone());
            }
            if dependents.keys.is_empty() {
                self.dependents.remove(&edge.owner);
            }
        }
        freed
    }

    /// An owner waits for its dependents from now on. Returns whether that is new.
    pub(super) fn wait(&mut self, uid: &str, key: &Key, how: Waits) -> bool {
        self.waiting.insert(uid.into(), (key.clone(), how)).is_none_or(|(_, before)| before != how)
    }

    /// An owner does not wait any more.
    pub(super) fn wait_no_more(&mut self, uid: &str) {
        self.waiting.remove(uid);
    }

    /// All owners that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Key> {
        self.waiting.values().map(|(key, _)| key)
    }

    /// All objects with owners.
    pub(super) fn owned(&self) -> impl Iterator<Item = &Key> {
        self.nodes.keys()
    }

    /// What depends on a uid.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.dependents.get(uid).into_iter().flat_map(|it| &it.keys)
    }

    /// What depends on a uid and keeps its object.
    pub(super) fn blocking(&self, uid: &str) -> Vec<Key> {
        let blocks = |key: &&Key| {
            self.nodes.get(*key).is_some_and(|it| it.edges.iter().any(|it| it.blocks && *it.owner == *uid))
        };
        match self.dependents.get(uid) {
            Some(it) if it.blocking > 0 => it.keys.iter().filter(blocks).cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether an object waits for its own dependents to go.
    pub(super) fn waits_for_dependents(&self, key: &Key) -> bool {
        let uid = self.nodes.get(key).map(|it| &it.uid);
        uid.and_then(|it| self.waiting.get(it)).is_some_and(|(_, how)| *how == Waits::Foreground)
    }

    /// No object has this uid, nor will one ever have it.
    pub(super) fn mark_gone(&mut self, uid: &str) {
        if let Some(dependents) = self.dependents.get_mut(uid) {
            dependents.gone = true;
        }
    }

    /// Whether no object has this uid, as far as is known.
    pub(super) fn is_gone(&self, uid: &str) -> bool {
        self.dependents.get(uid).is_some_and(|it| it.gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str) -> Key {
        Arc::from(name)
    }

    #[test]
    fn edges_follow_the_objects() {
        let mut graph = Graph::default();
        assert_eq!(graph.put(&key("pod"), "p", vec![("a", true), ("b", false)]), (true, vec![]));
        assert!(!graph.put(&key("pod"), "p", vec![("a", true), ("b", false)]).0, "nothing new");
        assert_eq!(graph.blocking("a"), [key("pod")]);
        assert!(graph.blocking("b").is_empty());
        assert!(graph.wait("a", &key("owner"), Waits::Foreground));
        assert!(!graph.wait("a", &key("owner"), Waits::Foreground));
        let (new, freed) = graph.put(&key("pod"), "p", vec![("a", false)]);
        assert!(new && freed == [key("owner")], "it does not block any more");
        assert_eq!(graph.dependents("b").count(), 0);
        assert!(graph.remove(&key("pod")).is_empty());
        graph.wait_no_more("a");
        assert!(graph.is_empty() && graph.dependents.is_empty());
    }

    #[test]
    fn the_last_that_blocks_frees_its_owner() {
        let mut graph = Graph::default();
        graph.put(&key("1"), "1", vec![("a", true)]);
        graph.put(&key("2"), "2", vec![("a", true)]);
        graph.wait("a", &key("owner"), Waits::Foreground);
        assert!(graph.remove(&key("1")).is_empty());
        assert_eq!(graph.remove(&key("2")), [key("owner")]);
    }

    proptest! {
        /// However objects come, change and go, what is left is what a graph made anew from them would have.
        #[test]
        fn it_is_what_the_objects_make_it(steps in proptest::collection::vec((0..4u8, proptest::collection::vec((0..3u8, any::<bool>()), 0..3)), 0..40)) {
            let mut graph = Graph::default();
            let mut objects: HashMap<Key, Vec<(String, bool)>> = HashMap::new();
            for (object, owners) in steps {
                let name = key(&object.to_string());
                let owners: Vec<(String, bool)> = owners.into_iter().map(|(it, blocks)| (it.to_string(), blocks)).collect();
                if owners.is_empty() {
                    graph.remove(&name);
                    objects.remove(&name);
                } else {
                    graph.put(&name, "u", owners.iter().map(|(it, blocks)| (it.as_str(), *blocks)).collect());
                    objects.insert(name, owners);
                }
            }
            for owner in ["0", "1", "2"] {
                let has = |it: &&Key| objects[*it].iter().any(|(it, _)| it == owner);
                let blocks = |it: &&Key| objects[*it].iter().any(|(it, blocks)| it == owner && *blocks);
                let want: HashSet<&Key> = objects.keys().filter(has).collect();
                prop_assert_eq!(graph.dependents(owner).collect::<HashSet<_>>(), want);
                let want: HashSet<Key> = objects.keys().filter(blocks).cloned().collect();
                prop_assert_eq!(graph.blocking(owner).into_iter().collect::<HashSet<_>>(), want);
            }
            prop_assert_eq!(graph.is_empty(), objects.is_empty());
        }
    }
}
