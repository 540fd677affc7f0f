//! Subresources that the API server passes on to the node that runs a pod.

use super::{Answer, Api};
use k8s_registry::Target;
use k8s_types::Status;
use serde_json::Value;

/// Whether a node answers for a subresource, whatever the request's method.
pub(super) fn is_of_node(target: Target<'_>) -> bool {
    matches!(target.subresource, "log" | "exec" | "attach" | "portforward" | "proxy")
}

impl Api {
    /// Why no node answers: the object is not there, is on no node, or nothing can be reached there.
    pub(super) fn of_node(&self, target: Target<'_>) -> Answer {
        let object = self.registry.object(target.endpoint, target.namespace, target.name)?;
        let plural = &target.endpoint.resource().plural;
        let node = object.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        if &**plural == "pods" && target.subresource != "proxy" && node.is_empty() {
            let text = format!("pod {} does not have a host assigned", target.name);
            return Err(Box::new(Status::bad_request(text)));
        }
        let text = format!("{plural}/{} needs a node, and this cluster has none that runs pods", target.subresource);
        Err(Box::new(Status::failure(501, "NotImplemented", text, None)))
    }
}
