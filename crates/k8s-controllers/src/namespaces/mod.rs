//! The end of a namespace: everything in it is deleted, the namespace tells what remains, and goes when nothing does.

mod conditions;

use crate::access::{Cluster, Key, MANAGER, TOGETHER, options};
use crate::metadata::{at, finalizers, mentions, of_stored, text};
use crate::queue::Outcome;
use crate::runner::{Seen, Work};
use conditions::Remains;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_registry::{DeleteOptions, Endpoint, Propagation, Stored, Target, keys};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const USER: &str = "system:serviceaccount:kube-system:namespace-controller";
/// What keeps a namespace until its content has gone.
const FINALIZER: &str = "kubernetes";
/// Since this minor a namespace's pods go before anything else does.
const PODS_FIRST: u8 = 33;

/// The namespaces that are on their way out.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    namespaces: HashSet<Key>,
}

impl Ending {
    /// Takes in a change, or an object that was there before. Returns what has to be looked at.
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) -> Option<Work> {
        if seen.place.is("", "namespaces") {
            let name: Key = Arc::from(seen.place.name);
            let ending = seen.now.as_ref().is_some_and(is_ending);
            if !ending {
                self.namespaces.remove(&name);
                return None;
            }
            // Later changes are mostly of its own status; what matters is what goes from it.
            return self.namespaces.insert(name.clone()).then_some(Work::Namespace(name));
        }
        self.namespaces.get(seen.place.namespace).cloned().map(Work::Namespace)
    }
}

fn is_ending(namespace: &Stored) -> bool {
    mentions(&namespace.bytes, "\"deletionTimestamp\"")
        && !text(&of_stored(&namespace.bytes), "deletionTimestamp").is_empty()
}

/// Whether objects of an endpoint are what a namespace's content is.
fn is_content(endpoint: &Endpoint) -> bool {
    let resource = endpoint.resource();
    !endpoint.prefix.is_empty()
        && resource.namespaced
        && resource.verbs.contains("delete")
        && resource.verbs.contains("list")
}

/// Brings the end of a namespace a step further.
pub(crate) async fn end(cluster: Arc<Cluster>, name: Key) -> Result<Outcome, Box<Status>> {
    let namespaces = cluster.core("namespaces")?;
    let Some(stored) = cluster.registry.find(namespaces, "", &name)? else { return Ok(Outcome::Done) };
    let namespace = cluster.registry.read(namespaces, &stored);
    let since = at(&namespace, "/metadata/deletionTimestamp");
    let Some(since) = k8s_types::age::parse(since) else { return Ok(Outcome::Done) };
    let held = namespace.pointer("/spec/finalizers").and_then(Value::as_array);
    if !held.is_some_and(|it| it.iter().any(|it| it == FINALIZER)) {
        return Ok(Outcome::Done);
    }
    let content = Content { cluster: &cluster, namespace: &name, since };
    let (remains, patience) = content.clear().await?;
    let namespace = tell(&cluster, namespaces, namespace, &remains).await?;
    match namespace {
        Some(namespace) if remains.is_nothing() => finalize(&cluster, namespaces, namespace).await,
        // What goes from it is seen, and brings us here again.
        _ => Ok(patience.map_or(Outcome::Done, Outcome::Later)),
    }
}

/// Writes what remains into the namespace's status. Returns the namespace; nothing if it has gone.
async fn tell(
    cluster: &Cluster,
    namespaces: &Endpoint,
    mut namespace: Value,
    remains: &Remains,
) -> Result<Option<Value>, Box<Status>> {
    let options = options(USER, MANAGER);
    let Some(conditions) = remains.conditions(&namespace, options.now) else { return Ok(Some(namespace)) };
    let name = at(&namespace, "/metadata/name").to_owned();
    namespace["status"] = json!({"phase": "Terminating", "conditions": conditions});
    let target = Target { endpoint: namespaces, subresource: "status", namespace: "", name: &name };
    match cluster.registry.update(target, namespace, options).await {
        Ok(done) => Ok(Some(done.object)),
        Err(status) if status.code == 404 => Ok(None),
        Err(status) => Err(status),
    }
}

/// Takes the finalizer that the content was kept by.
async fn finalize(cluster: &Cluster, namespaces: &Endpoint, mut namespace: Value) -> Result<Outcome, Box<Status>> {
    let name = at(&namespace, "/metadata/name").to_owned();
    if let Some(held) = namespace.pointer_mut("/spec/finalizers").and_then(Value::as_array_mut) {
        held.retain(|it| it != FINALIZER);
    }
    let target = Target { endpoint: namespaces, subresource: "finalize", namespace: "", name: &name };
    match cluster.registry.update(target, namespace, options(USER, MANAGER)).await {
        Err(status) if status.code != 404 => Err(status),
        _ => Ok(Outcome::Done),
    }
}

/// What is in a namespace that ends.
struct Content<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    since: Timestamp,
}

impl Content<'_> {
    /// Deletes everything. Returns what remains, and when it is worth a look even if nothing goes.
    async fn clear(&self) -> Result<(Remains, Option<Duration>), Box<Status>> {
        let catalog = self.cluster.catalog();
        let (mut remains, mut patience) = (Remains::default(), None);
        if catalog.release().minor() >= PODS_FIRST {
            patience = self.clear_one(self.cluster.core("pods")?, &mut remains).await?;
            if !remains.is_nothing() {
                return Ok((remains, patience));
            }
        }
        let mut done: HashSet<&str> = HashSet::new();
        for endpoint in catalog.endpoints().iter().filter(|it| is_content(it)) {
            if done.insert(&endpoint.prefix) {
                patience = self.clear_one(endpoint, &mut remains).await?.or(patience);
            }
        }
        Ok((remains, patience))
    }

    async fn clear_one(&self, endpoint: &Endpoint, remains: &mut Remains) -> Result<Option<Duration>, Box<Status>> {
        let all = self.cluster.all(endpoint, self.namespace)?;
        if all.is_empty() {
            return Ok(None);
        }
        let resource = endpoint.resource();
        // How long pods may take has to be asked before they are told to go.
        let grace = if &*resource.plural == "pods" { self.grace(endpoint, &all) } else { None };
        let deletes = stream::iter(all).map(|it| self.delete(endpoint, it)).buffer_unordered(TOGETHER);
        let failed: Vec<Box<Status>> = deletes.filter_map(|it| async { it.err() }).collect().await;
        // One tells why, as a delete of the whole collection would.
        remains.failures.extend(failed.first().map(|it| it.message.clone()));
        let left = self.cluster.all(endpoint, self.namespace)?;
        if left.is_empty() {
            return Ok(None);
        }
        remains.resources.insert(format!("{}.{}", resource.plural, resource.group), left.len());
        let mut held = false;
        for stored in &left {
            for finalizer in finalizers(&of_stored(&stored.bytes)) {
                *remains.finalizers.entry(finalizer.to_owned()).or_default() += 1;
                held = true;
            }
        }
        if grace.is_none() && !held && failed.is_empty() {
            let Resource { group, version, plural } = Resource::of(endpoint);
            remains.failures.push(format!(
                "unexpected items still remain in namespace: {} for gvr: {group}/{version}, Resource={plural}",
                self.namespace
            ));
        }
        Ok(grace)
    }

    async fn delete(&self, endpoint: &Endpoint, stored: Stored) -> Result<(), Box<Status>> {
        let Some((namespace, name)) = keys::parts(&endpoint.prefix, &stored.key) else { return Ok(()) };
        let target = Target { endpoint, subresource: "", namespace, name };
        let delete = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        self.cluster.delete(target, &delete, options(USER, MANAGER)).await
    }

    /// How much longer the namespace's pods may take; nothing when that time is over.
    fn grace(&self, endpoint: &Endpoint, pods: &[Stored]) -> Option<Duration> {
        let running = |pod: &Value| !matches!(at(pod, "/status/phase"), "Succeeded" | "Failed");
        let grace = |pod: Value| pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
        let pods = pods.iter().map(|it| self.cluster.registry.read(endpoint, it)).filter(running);
        let longest = Duration::from_secs(pods.filter_map(grace).max()?);
        let passed = Timestamp::now().duration_since(self.since);
        let passed = Duration::try_from(passed).unwrap_or_default();
        longest.checked_sub(passed).filter(|it| !it.is_zero())
    }
}

/// The names of a resource.
struct Resource<'a> {
    group: &'a str,
    version: &'a str,
    plural: &'a str,
}

impl<'a> Resource<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        let resource = endpoint.resource();
        Self { group: &resource.group, version: &resource.version, plural: &resource.plural }
    }
}
