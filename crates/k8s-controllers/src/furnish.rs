//! What every namespace has: the service account `default`, and the certificates by which clients know the API server.

use crate::access::{Cluster, Key, MANAGER, options};
use crate::metadata::at;
use crate::runner::{Seen, Work};
use k8s_registry::Target;
use k8s_registry::write::Patch;
use k8s_types::Status;
use serde_json::{Value, json};
use std::sync::Arc;

const ACCOUNTS: &str = "system:serviceaccount:kube-system:service-account-controller";
const PUBLISHER: &str = "system:serviceaccount:kube-system:root-ca-cert-publisher";
/// The account that pods run as when they name none.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";
/// Where the certificates lie.
pub(crate) const ROOT_CA: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const WHAT_IT_IS: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
    distributions of Kubernetes clusters.";

/// Takes in a change. Returns the namespace to look at.
pub(crate) fn observe(seen: &Seen<'_>) -> Option<Work> {
    let place = &seen.place;
    let namespace = match () {
        () if place.is("", "namespaces") => (seen.now.is_some() && seen.before.is_none()).then_some(place.name),
        () if place.name == DEFAULT_ACCOUNT && place.is("", "serviceaccounts") => {
            seen.now.is_none().then_some(place.namespace)
        }
        () if place.name == ROOT_CA && place.is("", "configmaps") => Some(place.namespace),
        () => None,
    };
    namespace.map(|it| Work::Furnish(Arc::from(it)))
}

/// The ConfigMap with the certificates, as it must be.
pub(crate) fn root_ca(certificates: &str) -> Value {
    json!({
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": ROOT_CA, "annotations": {DESCRIPTION: WHAT_IT_IS}},
        "data": {"ca.crt": certificates},
    })
}

/// What the ConfigMap lacks, as a patch; nothing if it is as it must be.
fn repair(config_map: &Value, certificates: &str) -> Option<Value> {
    let annotation = config_map.pointer("/metadata/annotations").and_then(|it| it.get(DESCRIPTION));
    let right = json!({"ca.crt": certificates});
    if config_map.get("data") == Some(&right) && annotation.is_some_and(|it| it == WHAT_IT_IS) {
        return None;
    }
    let mut data = serde_json::Map::new();
    for (name, _) in config_map.get("data").and_then(Value::as_object).into_iter().flatten() {
        data.insert(name.clone(), Value::Null);
    }
    data.insert("ca.crt".to_owned(), Value::from(certificates));
    Some(json!({"metadata": {"annotations": {DESCRIPTION: WHAT_IT_IS}}, "data": data}))
}

/// Gives a namespace what it lacks.
pub(crate) async fn furnish(cluster: Arc<Cluster>, name: Key) -> Result<(), Box<Status>> {
    let namespaces = cluster.core("namespaces")?;
    let Some(stored) = cluster.registry.find(namespaces, "", &name)? else { return Ok(()) };
    let namespace = cluster.registry.read(namespaces, &stored);
    if at(&namespace, "/status/phase") != "Active" {
        return Ok(());
    }
    let accounts = cluster.core("serviceaccounts")?;
    if cluster.registry.find(accounts, &name, DEFAULT_ACCOUNT)?.is_none() {
        let account = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": DEFAULT_ACCOUNT}});
        let target = Target { endpoint: accounts, subresource: "", namespace: &name, name: DEFAULT_ACCOUNT };
        unless_ended(cluster.registry.create(target, account, options(ACCOUNTS, MANAGER)).await)?;
    }
    let config_maps = cluster.core("configmaps")?;
    let target = Target { endpoint: config_maps, subresource: "", namespace: &name, name: ROOT_CA };
    let certificates = &cluster.config.root_ca;
    let options = options(PUBLISHER, MANAGER);
    match cluster.registry.find(config_maps, &name, ROOT_CA)? {
        None => unless_ended(cluster.registry.create(target, root_ca(certificates), options).await),
        Some(stored) => match repair(&cluster.registry.read(config_maps, &stored), certificates) {
            None => Ok(()),
            Some(patch) => unless_ended(cluster.registry.patch(target, Patch::Merge(patch), options).await),
        },
    }
}

/// A write that came too late: the namespace ends, or somebody else was faster and is seen.
fn unless_ended<T>(done: Result<T, Box<Status>>) -> Result<(), Box<Status>> {
    match done {
        Err(status) if status.code == 404 || status.code == 409 => Ok(()),
        Err(status)
            if status
                .details
                .as_ref()
                .is_some_and(|it| it.causes.iter().any(|it| it.reason == "NamespaceTerminating")) =>
        {
            Ok(())
        }
        Err(status) => Err(status),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_put_right() {
        let right = root_ca("pem");
        assert_eq!(repair(&right, "pem"), None);
        let mut wrong = right.clone();
        wrong["data"] = json!({"ca.crt": "junk", "more": "x"});
        let patch = repair(&wrong, "pem").unwrap();
        assert_eq!(patch["data"], json!({"ca.crt": "pem", "more": null}));
        let mut bare = right;
        bare["metadata"] = json!({"name": ROOT_CA});
        assert!(repair(&bare, "pem").is_some());
    }
}
