//! StorageObjectInUseProtection: what is in use is not taken away before its users are done.

use crate::step::{Outcome, list_made};
use k8s_kinds::value::object_made;
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::Value;

/// The plugin.
pub struct StorageObjectInUseProtection;

fn finalizer(group: &str, plural: &str) -> Option<&'static str> {
    match (group, plural) {
        ("", "persistentvolumeclaims") => Some("kubernetes.io/pvc-protection"),
        ("", "persistentvolumes") => Some("kubernetes.io/pv-protection"),
        ("storage.k8s.io", "volumeattributesclasses") => Some("kubernetes.io/vac-protection"),
        _ => None,
    }
}

impl Admission for StorageObjectInUseProtection {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if attempt.operation != Operation::Create || !attempt.subresource.is_empty() {
            return Ok(());
        }
        let resource = attempt.endpoint.resource();
        let Some(finalizer) = finalizer(&resource.group, &resource.plural) else { return Ok(()) };
        let finalizers = object_made(object, "metadata").and_then(|metadata| list_made(metadata, "finalizers"));
        if let Some(finalizers) = finalizers
            && !finalizers.iter().any(|it| it == finalizer)
        {
            finalizers.push(Value::from(finalizer));
        }
        Ok(())
    }
}
