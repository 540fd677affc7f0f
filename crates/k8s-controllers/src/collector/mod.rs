//! The garbage collector: objects whose owners have gone end, owners that wait for dependents go when these have gone
//! or are free of them.
//!
//! Whether an owner is there is asked of the store each time, so that only objects with owners have to be known.

mod graph;
mod plan;

use crate::access::{Cluster, Key, MANAGER, Place, TOGETHER, options};
use crate::metadata::{finalizers, mentions, of_stored, text};
use crate::report::{self, Report};
use crate::runner::{Seen, Work};
use futures::stream::{self, StreamExt, TryStreamExt};
use graph::{Graph, Waits};
use k8s_registry::{DeleteOptions, Endpoint, Options, Stored};
use k8s_types::Status;
use plan::{FOREGROUND, ORPHAN, Owner, Step, is_terminating, references};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const USER: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
const COMPONENT: &str = "garbage-collector-controller";

/// What the collector knows of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    graph: Graph,
    /// The revision up to which changes are in the graph.
    revision: u64,
}

/// What has to be done about one object.
#[derive(Debug)]
pub(crate) struct Job {
    key: Key,
    revision: u64,
    metadata: Map<String, Value>,
    step: Step,
    /// References to owners in other namespaces.
    misplaced: Vec<Map<String, Value>>,
}

impl Collector {
    /// Takes in a change, or an object that was there before. Returns what has to be looked at.
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) -> Vec<Work> {
        self.revision = self.revision.max(seen.revision);
        if seen.place.is("", "events") {
            return Vec::new();
        }
        let found = match &seen.now {
            Some(now) => self.put(&seen.key, now),
            None => self.remove(seen),
        };
        found.into_iter().map(Work::Collect).collect()
    }

    /// What has to be done first: everything that has owners or waits.
    pub(crate) fn everything(&self) -> Vec<Work> {
        self.graph.owned().chain(self.graph.waiting()).cloned().map(Work::Collect).collect()
    }

    fn put(&mut self, key: &Key, now: &Stored) -> Vec<Key> {
        let owned = mentions(&now.bytes, "\"ownerReferences\"");
        let ending = mentions(&now.bytes, "\"deletionTimestamp\"");
        if !owned && !ending && self.graph.is_empty() {
            return Vec::new();
        }
        let metadata = if owned || ending { of_stored(&now.bytes) } else { Map::new() };
        let uid = text(&metadata, "uid");
        let blocks = |it: &Map<String, Value>| it.get("blockOwnerDeletion") == Some(&Value::Bool(true));
        let owners: Vec<(&str, bool)> = references(&metadata).map(|it| (text(it, "uid"), blocks(it))).collect();
        let (new, mut look) = match owners.is_empty() {
            true => (false, self.graph.remove(key)),
            false => self.graph.put(key, uid, owners),
        };
        if new {
            look.push(key.clone());
        }
        if ending && is_terminating(&metadata) {
            let has = |finalizer: &str| finalizers(&metadata).any(|it| it == finalizer);
            let how = if has(ORPHAN) { Some(Waits::Orphan) } else { has(FOREGROUND).then_some(Waits::Foreground) };
            match how {
                Some(how) => {
                    if self.graph.wait(uid, key, how) && how == Waits::Foreground {
                        look.extend(self.graph.dependents(uid).cloned());
                    }
                    look.push(key.clone());
                }
                None => self.graph.wait_no_more(uid),
            }
        }
        look
    }

    fn remove(&mut self, seen: &Seen<'_>) -> Vec<Key> {
        if self.graph.is_empty() {
            return Vec::new();
        }
        let mut look = self.graph.remove(&seen.key);
        let Some(before) = &seen.before else { return look };
        let metadata = of_stored(&before.bytes);
        let uid = text(&metadata, "uid");
        self.graph.wait_no_more(uid);
        self.graph.mark_gone(uid);
        look.extend(self.graph.dependents(uid).cloned());
        look
    }

    /// What has to be done about an object as it is now.
    pub(crate) fn plan(&mut self, cluster: &Cluster, key: &Key) -> Result<Option<Job>, Box<Status>> {
        let Some(place) = Place::of(cluster.catalog(), key) else { return Ok(None) };
        let Some(stored) = cluster.stored(key)? else { return Ok(None) };
        let metadata = of_stored(&stored.bytes);
        if is_terminating(&metadata) && stored.revision > self.revision {
            // What was made before this change is not all in the graph yet; the change itself comes, and with it this.
            return Ok(None);
        }
        let (mut misplaced, mut gone) = (Vec::new(), Vec::new());
        let step = plan::step(key, &metadata, &self.graph, |reference| {
            let uid = text(reference, "uid");
            if self.graph.is_gone(uid) {
                return Owner::Absent;
            }
            let (owner, elsewhere) = resolve(cluster, &place, reference);
            match (owner, elsewhere) {
                (_, true) => misplaced.push(reference.clone()),
                (Owner::Absent, false) => gone.push(uid.to_owned()),
                _ => {}
            }
            owner
        });
        gone.iter().for_each(|it| self.graph.mark_gone(it));
        Ok(Some(Job { key: key.clone(), revision: stored.revision, metadata, step, misplaced }))
    }
}

/// What is known of an owner, and whether it lies where this object can't have an owner.
fn resolve(cluster: &Cluster, place: &Place<'_>, reference: &Map<String, Value>) -> (Owner, bool) {
    let catalog = cluster.catalog();
    let Some(endpoint) = catalog.endpoint_of_kind(text(reference, "apiVersion"), text(reference, "kind")) else {
        return (Owner::Unknown, false);
    };
    let namespaced = endpoint.resource().namespaced;
    let (name, uid) = (text(reference, "name"), text(reference, "uid"));
    if namespaced && place.namespace.is_empty() {
        return (Owner::Unknown, lies_somewhere(cluster, endpoint, name, uid));
    }
    let namespace = if namespaced { place.namespace } else { "" };
    let Ok(found) = cluster.registry.find(endpoint, namespace, name) else { return (Owner::Unknown, false) };
    let metadata = found.map(|it| of_stored(&it.bytes)).filter(|it| text(it, "uid") == uid);
    match metadata {
        None => (Owner::Absent, namespaced && lies_somewhere(cluster, endpoint, name, uid)),
        Some(it) if is_terminating(&it) && finalizers(&it).any(|it| it == FOREGROUND) => (Owner::Waiting, false),
        Some(_) => (Owner::Solid, false),
    }
}

/// Whether any namespace has an object of this name and uid.
fn lies_somewhere(cluster: &Cluster, endpoint: &Endpoint, name: &str, uid: &str) -> bool {
    let all = cluster.all(endpoint, "").unwrap_or_default();
    let is = |it: &Stored| {
        it.key.ends_with(name.as_bytes())
            && it.key.get(..it.key.len() - name.len()).is_some_and(|it| it.ends_with(b"/"))
            && text(&of_stored(&it.bytes), "uid") == uid
    };
    all.iter().any(is)
}

impl Job {
    /// Takes what only has to be looked at.
    pub(crate) fn take_visits(&mut self) -> Vec<Work> {
        match &mut self.step {
            Step::Visit(keys) => std::mem::take(keys).into_iter().map(Work::Collect).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether nothing has to be written.
    pub(crate) fn is_nothing(&self) -> bool {
        self.misplaced.is_empty() && matches!(self.step, Step::Nothing | Step::Visit(_))
    }

    /// Does it.
    pub(crate) async fn carry_out(self, cluster: Arc<Cluster>) -> Result<(), Box<Status>> {
        let Some(place) = Place::of(cluster.catalog(), &self.key) else { return Ok(()) };
        for reference in &self.misplaced {
            complain(&cluster, &place, &self.metadata, reference).await?;
        }
        match &self.step {
            Step::Nothing | Step::Visit(_) => Ok(()),
            Step::Release(finalizer) => self.release(&cluster, &place, finalizer).await,
            Step::Orphan(dependents) => {
                let owner = text(&self.metadata, "uid");
                let free = stream::iter(dependents.clone()).map(|key| disown_one(&cluster, key, owner));
                free.buffer_unordered(TOGETHER).try_collect::<()>().await?;
                self.release(&cluster, &place, ORPHAN).await
            }
            Step::Disown(owners) => {
                let unwanted = |uid: &str| owners.iter().any(|it| it == uid);
                disown(&cluster, &place, self.revision, &self.metadata, &unwanted).await
            }
            Step::Delete { propagation, unblock } => {
                let mut delete = DeleteOptions {
                    propagation: Some(*propagation),
                    uid: Some(text(&self.metadata, "uid").to_owned()),
                    resource_version: Some(self.revision.to_string()),
                    ..DeleteOptions::default()
                };
                if *unblock {
                    delete.resource_version = self.unblock(&cluster, &place).await?;
                }
                cluster.delete(place.target(), &delete, writer()).await
            }
        }
    }

    /// Takes a finalizer that has served.
    async fn release(&self, cluster: &Cluster, place: &Place<'_>, finalizer: &str) -> Result<(), Box<Status>> {
        let left: Vec<&str> = finalizers(&self.metadata).filter(|it| *it != finalizer).collect();
        let left = if left.is_empty() { Value::Null } else { json!(left) };
        let patch = at_version(self.revision, &self.metadata, "finalizers", left);
        cluster.merge(place.target(), patch, writer()).await.map(drop)
    }

    /// The object does not keep its owners any more. Returns its version afterwards.
    async fn unblock(&self, cluster: &Cluster, place: &Place<'_>) -> Result<Option<String>, Box<Status>> {
        let mut owners: Vec<Map<String, Value>> = references(&self.metadata).cloned().collect();
        for owner in &mut owners {
            if owner.contains_key("blockOwnerDeletion") {
                owner.insert("blockOwnerDeletion".to_owned(), Value::Bool(false));
            }
        }
        let patch = at_version(self.revision, &self.metadata, "ownerReferences", json!(owners));
        let done = cluster.merge(place.target(), patch, writer()).await?;
        Ok(done.map(|it| crate::metadata::at(&it.object, "/metadata/resourceVersion").to_owned()))
    }
}

fn writer() -> Options<'static> {
    options(USER, MANAGER)
}

/// A patch of a member of an object's metadata, if the object is still the same.
fn at_version(revision: u64, metadata: &Map<String, Value>, member: &str, value: Value) -> Value {
    let (uid, revision) = (text(metadata, "uid"), revision.to_string());
    json!({"metadata": {"uid": uid, "resourceVersion": revision, member: value}})
}

/// Takes from an object the owners with unwanted uids.
async fn disown(
    cluster: &Cluster,
    place: &Place<'_>,
    revision: u64,
    metadata: &Map<String, Value>,
    unwanted: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), Box<Status>> {
    let left: Vec<_> = references(metadata).filter(|it| !unwanted(text(it, "uid"))).collect();
    let left = if left.is_empty() { Value::Null } else { json!(left) };
    let patch = at_version(revision, metadata, "ownerReferences", left);
    cluster.merge(place.target(), patch, writer()).await.map(drop)
}

/// Takes an owner from one of its dependents, as this is now.
async fn disown_one(cluster: &Cluster, key: Key, owner: &str) -> Result<(), Box<Status>> {
    let Some(place) = Place::of(cluster.catalog(), &key) else { return Ok(()) };
    let Some(stored) = cluster.stored(&key)? else { return Ok(()) };
    let metadata = of_stored(&stored.bytes);
    if !references(&metadata).any(|it| text(it, "uid") == owner) {
        return Ok(());
    }
    disown(cluster, &place, stored.revision, &metadata, &|uid| uid == owner).await
}

/// Tells that an owner lies where the object can't have one.
async fn complain(
    cluster: &Cluster,
    place: &Place<'_>,
    metadata: &Map<String, Value>,
    reference: &Map<String, Value>,
) -> Result<(), Box<Status>> {
    let message = format!(
        "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace {}",
        text(reference, "apiVersion"),
        text(reference, "kind"),
        place.namespace,
        text(reference, "name"),
        text(reference, "uid"),
        k8s_types::status::quote(place.namespace),
    );
    let report = Report { component: COMPONENT, user: USER, reason: "OwnerRefInvalidNamespace", message: &message };
    report::warn(cluster, place, text(metadata, "uid"), &report).await
}
