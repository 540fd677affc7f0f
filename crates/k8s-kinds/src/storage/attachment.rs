//! VolumeAttachment: a volume at a node.

use super::driver::validate_driver_name;
use crate::checks::{IMMUTABLE, by_rule};
use crate::core::volume;
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, same, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const ONE_SOURCE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
const LONGEST_ERROR: usize = 1024;

/// See the module.
pub(crate) struct VolumeAttachment;

impl Kind for VolumeAttachment {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(status) = object_made(object, "status") {
            set_default(status, "attached", false);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({"attached": false}));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_driver_name(&mut errors, spec.text("attacher"), &path.child("attacher"));
        let (source, source_path) = (spec.at("source"), path.child("source"));
        let inline = source.at("inlineVolumeSpec");
        match (inline.is_null(), source.has("persistentVolumeName")) {
            (true, false) => errors.push(FieldError::required(&source_path, ONE_SOURCE)),
            (false, true) => errors.push(FieldError::forbidden(&source_path, ONE_SOURCE)),
            (true, true) if source.text("persistentVolumeName").is_empty() => {
                let why = "must specify non empty persistentVolumeName";
                errors.push(FieldError::required(&source_path.child("persistentVolumeName"), why));
            }
            (true, true) => {}
            (false, false) => {
                let path = source_path.child("inlineVolumeSpec");
                errors.extend(volume::validate_volume_spec(inline, "", true, &path, cx));
            }
        }
        by_rule(&mut errors, &path.child("nodeName"), spec.text("nodeName"), names::dns1123_subdomain);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let spec = object.at("spec");
        if !same(spec, old.at("spec")) {
            errors.push(FieldError::invalid(&Path::new("spec"), spec.clone(), IMMUTABLE));
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for field in ["attachError", "detachError"] {
            if object.at("status").at(field).text("message").len() > LONGEST_ERROR {
                let path = Path::new("status").child(field).child("message");
                errors.push(FieldError::too_long(&path, LONGEST_ERROR));
            }
        }
        errors
    }
}
