//! Events that controllers write.

use crate::access::{Cluster, MANAGER, Place, options};
use k8s_registry::Target;
use k8s_types::Status;
use serde_json::json;

/// What an Event says.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The controller.
    pub(crate) component: &'static str,
    /// As whom it writes.
    pub(crate) user: &'static str,
    /// The reason, one word.
    pub(crate) reason: &'static str,
    /// The text.
    pub(crate) message: &'a str,
}

/// Writes a warning about an object. Without the object's namespace there is nobody to warn.
pub(crate) async fn warn(
    cluster: &Cluster,
    place: &Place<'_>,
    uid: &str,
    report: &Report<'_>,
) -> Result<(), Box<Status>> {
    // Events about objects without a namespace lie in the default one.
    let namespace = if place.namespace.is_empty() { "default" } else { place.namespace };
    let options = options(report.user, MANAGER);
    let now = k8s_types::age::format(options.now);
    let mut about = json!({"kind": &*place.endpoint.resource().kind, "name": place.name, "uid": uid,
        "apiVersion": place.endpoint.api_version});
    if !place.namespace.is_empty() {
        about["namespace"] = json!(place.namespace);
    }
    let event = json!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": format!("{}.{}", place.name, base::hex(&base::random_bytes::<8>())),
            "namespace": namespace,
        },
        "involvedObject": about,
        "reason": report.reason,
        "message": report.message,
        "source": {"component": report.component},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": "Warning",
        "reportingComponent": if cluster.catalog().release().minor() >= 27 { report.component } else { "" },
        "reportingInstance": "",
    });
    let target = Target { endpoint: cluster.core("events")?, subresource: "", namespace, name: "" };
    match cluster.registry.create(target, event, options).await {
        Err(status) if !matches!(status.code, 403 | 404 | 409) => Err(status),
        _ => Ok(()),
    }
}
