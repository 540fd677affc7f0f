//! PersistentVolumeClaimResize: a claim grows only where its class can make volumes grow.

use crate::amounts::amount;
use crate::step::{Outcome, does, forbidden};
use k8s_kinds::value::Look;
use k8s_registry::Registry;
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::Value;

/// The plugin.
pub struct PersistentVolumeClaimResize;

/// Where a claim's class stood before there was a field for it; it still goes first.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

impl Admission for PersistentVolumeClaimResize {
    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        if !does(attempt, Operation::Update, "", "persistentvolumeclaims") {
            return Ok(());
        }
        let Some(old) = old else { return Ok(()) };
        let size = |claim: &Value| amount(claim.look(&["spec", "resources", "requests", "storage"]));
        if size(object) <= size(old) {
            return Ok(());
        }
        if old.at("status").text("phase") != "Bound" {
            return Err(forbidden(attempt, object, "Only bound persistent volume claims can be expanded"));
        }
        if !can_grow(attempt.registry, object, old) {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc \
                       must support resize";
            return Err(forbidden(attempt, object, why));
        }
        Ok(())
    }
}

fn can_grow(registry: &Registry, claim: &Value, old: &Value) -> bool {
    let class = class_of(claim);
    if class.is_empty() || class != class_of(old) {
        return false;
    }
    let found = registry.peek("storage.k8s.io", "storageclasses", "", class);
    found.is_some_and(|it| it.flag("allowVolumeExpansion"))
}

fn class_of(claim: &Value) -> &str {
    match claim.look(&["metadata", "annotations", OLD_CLASS]).as_str() {
        Some(class) => class,
        None => claim.at("spec").text("storageClassName"),
    }
}
