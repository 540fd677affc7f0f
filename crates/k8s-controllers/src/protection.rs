//! Volumes and claims are protected by a finalizer from going while somebody uses them. It is taken away once they are to
//! go and nobody does. (Kubernetes documentation, "Persistent Volumes", "Storage Object in Use Protection".)

use crate::access::{Cluster, Key, MANAGER, Place, options};
use crate::metadata::{at, finalizers, mentions};
use crate::runner::{Seen, Work};
use k8s_registry::Stored;
use k8s_types::Status;
use serde_json::{Value, json};
use std::sync::Arc;

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

/// What protects a resource, and who takes it away.
fn protection(place: &Place<'_>) -> Option<(&'static str, &'static str)> {
    if place.is("", CLAIMS) {
        let user = "system:serviceaccount:kube-system:pvc-protection-controller";
        return Some(("kubernetes.io/pvc-protection", user));
    }
    let user = "system:serviceaccount:kube-system:pv-protection-controller";
    place.is("", VOLUMES).then_some(("kubernetes.io/pv-protection", user))
}

/// Takes in a change of a volume, a claim or a pod. Returns what may go now.
pub(crate) fn observe(cluster: &Cluster, seen: &Seen<'_>) -> Vec<Work> {
    let place = &seen.place;
    if protection(place).is_some() {
        let ends = seen.now.as_ref().is_some_and(|it| mentions(&it.bytes, "deletionTimestamp"));
        return ends.then(|| Work::Unprotect(seen.key.clone())).into_iter().collect();
    }
    // A pod that is there before anything else is, as everything at the start, lets nothing go.
    if !seen.live || !place.is("", "pods") || seen.now.as_ref().is_some_and(uses_claims) {
        return Vec::new();
    }
    let before = seen.before.as_ref().filter(|it| uses_claims(it));
    let Some((before, claims)) = before.zip(cluster.core(CLAIMS).ok()) else { return Vec::new() };
    let pod = cluster.registry.read(&place.endpoint, before);
    let key = |name: &str| Work::Unprotect(format!("{}{}/{name}", claims.prefix, place.namespace).into());
    claims_of(&pod).map(key).collect()
}

/// Whether a pod uses claims: it has some, and its containers have not ended for good.
fn uses_claims(pod: &Stored) -> bool {
    let ended = ["\"phase\":\"Succeeded\"", "\"phase\":\"Failed\""];
    mentions(&pod.bytes, "persistentVolumeClaim") && !ended.iter().any(|it| mentions(&pod.bytes, it))
}

/// The claims of a pod.
fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    volumes.map(|it| at(it, "/persistentVolumeClaim/claimName")).filter(|it| !it.is_empty())
}

/// Takes the protection of a volume or a claim away, if it is to go and nobody uses it.
pub(crate) async fn unprotect(cluster: Arc<Cluster>, key: Key) -> Result<(), Box<Status>> {
    let Some(place) = Place::of(cluster.catalog(), &key) else { return Ok(()) };
    let Some((finalizer, user)) = protection(&place) else { return Ok(()) };
    let Some(stored) = cluster.stored(&key)? else { return Ok(()) };
    let object = cluster.registry.read(&place.endpoint, &stored);
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    let held = finalizers(metadata).any(|it| it == finalizer);
    if !held || at(&object, "/metadata/deletionTimestamp").is_empty() || is_used(&cluster, &place, &object)? {
        return Ok(());
    }
    let rest: Vec<&str> = finalizers(metadata).filter(|it| *it != finalizer).collect();
    let version = stored.revision.to_string();
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": rest}});
    cluster.merge(place.target(), patch, options(user, MANAGER)).await?;
    Ok(())
}

/// Whether a claim is some pod's, or a volume some claim's.
fn is_used(cluster: &Cluster, place: &Place<'_>, object: &Value) -> Result<bool, Box<Status>> {
    if place.is("", VOLUMES) {
        return Ok(at(object, "/status/phase") == "Bound");
    }
    let pods = cluster.core("pods")?;
    let used = |pod: &Stored| {
        uses_claims(pod) && claims_of(&cluster.registry.read(pods, pod)).any(|claim| claim == place.name)
    };
    Ok(cluster.all(pods, place.namespace)?.iter().any(used))
}
