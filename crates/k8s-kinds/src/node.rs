//! The group `node.k8s.io`: what runs containers.

use crate::checks::{by_rule, immutable};
use crate::core::{resources, scheduling};
use crate::kind::{Context, Kind};
use crate::value::Look;
use k8s_types::{Errors, Path, names};
use serde_json::Value;

/// RuntimeClass: a container runtime under a name.
pub(crate) struct RuntimeClass;

impl Kind for RuntimeClass {
    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        by_rule(&mut errors, &Path::new("handler"), object.text("handler"), names::dns1123_label);
        let overhead = object.look(&["overhead", "podFixed"]);
        if !overhead.is_null() {
            errors.extend(resources::validate_resource_list(overhead, &Path::new("overhead.podFixed")));
        }
        let placed = object.at("scheduling");
        if let Some(labels) = placed.map("nodeSelector") {
            errors.extend(names::validate_labels(labels, &Path::new("scheduling.nodeSelector")));
        }
        let tolerations = placed.items("tolerations");
        errors.extend(scheduling::validate_tolerations(tolerations, &Path::new("scheduling.tolerations")));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object, old, &Path::default(), "handler");
        errors
    }
}
