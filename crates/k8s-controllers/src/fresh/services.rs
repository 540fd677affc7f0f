//! An APIService for each version of each group: who serves it.

use super::SERVER;
use super::batch::Batch;
use crate::metadata::at;
use k8s_registry::{DeleteOptions, Target};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::HashSet;

const VERSION: &str = "apiregistration.k8s.io/v1";
/// Marks those that the server makes when it starts.
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Makes those of all versions that are served, and ends those that the server made for versions that are not any more.
pub(super) async fn ensure(batch: &mut Batch<'_>) -> Result<(), Box<Status>> {
    let catalog = batch.registry.catalog().clone();
    let Some(endpoint) = catalog.any_version("apiregistration.k8s.io", "apiservices") else { return Ok(()) };
    let mut known: HashSet<String> = HashSet::new();
    for group in catalog.release().groups() {
        for version in group.versions.iter().filter(|it| it.served_by_default) {
            let name = format!("{}.{}", version.name, group.name);
            let mut spec = json!({
                "version": &*version.name,
                "groupPriorityMinimum": group.priority,
                "versionPriority": version.priority,
            });
            if !group.name.is_empty() {
                spec["group"] = json!(&*group.name);
            }
            let metadata = json!({"name": name, "labels": {AUTOMANAGED: "onstart"}});
            known.insert(name);
            let object = json!({"kind": "APIService", "apiVersion": VERSION, "metadata": metadata, "spec": spec});
            let time = k8s_types::age::format(batch.now);
            batch.make_with(object, SERVER, |it| it["status"] = available(&time)).await?;
        }
    }
    for live in batch.registry.peek_all("apiregistration.k8s.io", "apiservices", "") {
        let name = at(&live, "/metadata/name");
        let label = live.pointer("/metadata/labels").and_then(|it| it.get(AUTOMANAGED));
        if known.contains(name) || label.is_none_or(|it| it != "onstart") {
            continue;
        }
        let target = Target { endpoint, subresource: "", namespace: "", name };
        match batch.registry.delete(target, &DeleteOptions::default(), super::writer(SERVER, batch.now)).await {
            Err(status) if status.code != 404 => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

/// The status of what the server itself serves.
fn available(time: &str) -> Value {
    json!({"conditions": [{
        "type": "Available",
        "status": "True",
        "lastTransitionTime": time,
        "reason": "Local",
        "message": "Local APIServices are always available",
    }]})
}
