//! What the fabric knows: for each namespace what is wanted, what is there, and whether that is sure.

use crate::place::Place;
use crate::plan::{differences, links_of};
use crate::topology::{Fact, Namespace, NsName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// One namespace, wanted or there.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Held by whoever changes the namespace. Several are taken in the order of names.
    pub(crate) lock: Arc<Mutex<()>>,
    pub(crate) want: Option<Arc<Namespace>>,
    /// The same object as `want` when all is done, so that comparing them costs nothing.
    pub(crate) have: Option<Arc<Namespace>>,
    pub(crate) place: Option<Arc<Place>>,
    /// Whether `have` must be read from the kernel before it is used.
    pub(crate) unsure: bool,
    /// Whether the packet filter may be another than `have` says.
    pub(crate) filter_unsure: bool,
    /// Whether the namespace was there at any time.
    pub(crate) known: bool,
    /// Who lists a veth pair into this namespace (in `want`, `have` or both), and how many.
    pub(crate) listed_by: BTreeMap<NsName, usize>,
    pub(crate) watcher: Option<Watcher>,
    /// Failed attempts in a row, and when to try again.
    pub(crate) attempts: u32,
    pub(crate) retry_at: Option<Instant>,
}

/// A task that ends with its entry.
#[derive(Debug)]
pub(crate) struct Watcher(pub(crate) AbortHandle);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All namespaces.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entries: BTreeMap<NsName, Entry>,
    /// Those that somebody lists a pair into and that are not wanted: a few at most, so that nobody has to look
    /// through a router's thousand pairs for one that waits.
    missing: BTreeSet<NsName>,
}

impl State {
    /// The entry of a name, made if it is new.
    pub(crate) fn entry(&mut self, name: &NsName) -> &mut Entry {
        if !self.entries.contains_key(name) {
            self.entries.insert(name.clone(), Entry::default());
        }
        self.entries.entry(name.clone()).or_default()
    }

    /// Whether a namespace is wanted.
    pub(crate) fn wants(&self, name: &NsName) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.want.is_some())
    }

    /// Whether a namespace may list a pair into one that is not wanted.
    pub(crate) fn lacks_peers(&self, name: &NsName) -> bool {
        let lists = |peer: &NsName| self.entries.get(peer).is_some_and(|entry| entry.listed_by.contains_key(name));
        self.missing.iter().any(lists)
    }

    fn note_missing(&mut self, name: &NsName) {
        if self.entries.get(name).is_some_and(|it| it.want.is_none() && !it.listed_by.is_empty()) {
            self.missing.insert(name.clone());
        } else {
            self.missing.remove(name);
        }
    }

    /// Writes down what is wanted.
    pub(crate) fn set_want(&mut self, name: &NsName, want: Option<Namespace>) {
        let entry = self.entry(name);
        let old = entry.want.take();
        let new = match (&old, want) {
            (Some(old), Some(new)) if **old == new => Some(Arc::clone(old)),
            (_, new) => new.map(Arc::new),
        };
        let anchor = |it: &Option<Arc<Namespace>>| it.as_ref().map(|it| it.anchor.clone());
        // A process's namespace may have been configured by us before a restart; nobody but the kernel knows.
        if new.as_ref().is_some_and(|it| it.anchor != crate::Anchor::Pinned) && anchor(&old) != anchor(&new) {
            entry.unsure = true;
        }
        entry.want.clone_from(&new);
        entry.attempts = 0;
        entry.retry_at = None;
        self.note_missing(name);
        self.relist(name, old.as_deref(), new.as_deref());
    }

    /// Writes down what is there.
    pub(crate) fn set_have(&mut self, name: &NsName, have: Option<Arc<Namespace>>) {
        let entry = self.entry(name);
        entry.known |= have.is_some();
        let old = std::mem::replace(&mut entry.have, have.clone());
        self.relist(name, old.as_deref(), have.as_deref());
    }

    fn relist(&mut self, name: &NsName, old: Option<&Namespace>, new: Option<&Namespace>) {
        if let (Some(old), Some(new)) = (old, new)
            && std::ptr::eq(old, new)
        {
            return;
        }
        for peer in peers_only_in(new, old) {
            *self.entry(&peer).listed_by.entry(name.clone()).or_default() += 1;
            self.note_missing(&peer);
        }
        for peer in peers_only_in(old, new) {
            let listed = &mut self.entry(&peer).listed_by;
            match listed.get_mut(name) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(listed.remove(name)),
            }
            self.note_missing(&peer);
        }
    }

    /// All namespaces that a change of `names` can touch: the far ends of pairs that come or go, and the near ends of
    /// pairs into a namespace that comes or goes.
    pub(crate) fn involved(&self, names: &BTreeSet<NsName>) -> BTreeSet<NsName> {
        let mut all = names.clone();
        for name in names {
            let Some(entry) = self.entries.get(name) else { continue };
            match (&entry.have, &entry.want) {
                (Some(have), Some(want)) if have.anchor == want.anchor => {
                    if !Arc::ptr_eq(have, want) {
                        all.extend(peers_only_in(Some(have), Some(want)));
                        all.extend(peers_only_in(Some(want), Some(have)));
                    }
                }
                (None, None) => {}
                (have, want) => {
                    all.extend(entry.listed_by.keys().cloned());
                    for namespace in have.iter().chain(want) {
                        all.extend(links_of(&namespace.facts).map(|veth| veth.peer_ns.clone()));
                    }
                }
            }
        }
        all
    }

    /// Forgets a name about which there is nothing to know, unless somebody waits for its lock.
    pub(crate) fn prune(&mut self, name: &NsName) {
        let empty = self.entries.get(name).is_some_and(|entry| {
            entry.want.is_none()
                && entry.have.is_none()
                && !entry.unsure
                && entry.listed_by.is_empty()
                && Arc::strong_count(&entry.lock) == 1
        });
        if empty {
            self.entries.remove(name);
            self.missing.remove(name);
        }
    }
}

/// The far namespaces of pairs that one lists and the other does not.
fn peers_only_in(one: Option<&Namespace>, other: Option<&Namespace>) -> Vec<NsName> {
    let peer = |fact: &&Fact| match fact {
        Fact::Veth(veth) => Some(veth.peer_ns.clone()),
        _ => None,
    };
    match (one, other) {
        (None, _) => vec![],
        (Some(one), None) => links_of(&one.facts).map(|veth| veth.peer_ns.clone()).collect(),
        (Some(one), Some(other)) => differences(&one.facts, &other.facts).0.iter().filter_map(peer).collect(),
    }
}
