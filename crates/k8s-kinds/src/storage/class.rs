//! StorageClass and VolumeAttributesClass: how volumes are made.

use super::driver::validate_driver_name;
use crate::checks::{immutable, required};
use crate::core::affinity;
use crate::kind::{Context, Kind};
use crate::value::{Look, same, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const MOST_PARAMETERS: usize = 512;
const LARGEST_PARAMETERS: usize = 256 * 1024;

/// See the module.
pub(crate) struct StorageClass;

/// See the module.
pub(crate) struct VolumeAttributesClass;

impl Kind for StorageClass {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default_zero(object, "reclaimPolicy", "Delete");
        set_default_zero(object, "volumeBindingMode", "Immediate");
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let root = Path::default();
        let (provisioner, path) = (object.text("provisioner"), Path::new("provisioner"));
        if provisioner.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            let texts = names::qualified_name(&provisioner.to_lowercase());
            errors.extend(names::invalid_each(&path, provisioner, texts));
        }
        validate_parameters(&mut errors, object, &root, true);
        crate::checks::one_of(&mut errors, object, &root, "reclaimPolicy", &["Delete", "Retain"]);
        let modes = &["Immediate", "WaitForFirstConsumer"];
        crate::checks::one_of(&mut errors, object, &root, "volumeBindingMode", modes);
        let topologies = object.items("allowedTopologies");
        if !topologies.is_empty() {
            let path = Path::new("allowedTopologies");
            errors.extend(affinity::validate_topology_selector_terms(topologies, &path));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            if !same(object.at(field), old.at(field)) {
                let why = format!("updates to {field} are forbidden.");
                errors.push(FieldError::forbidden(&Path::new(field), &why));
            }
        }
        immutable(&mut errors, object, old, &Path::default(), "volumeBindingMode");
        errors
    }
}

impl Kind for VolumeAttributesClass {
    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let root = Path::default();
        let driver = object.text("driverName");
        required(&mut errors, object, &root, "driverName", "");
        if !driver.is_empty() {
            validate_driver_name(&mut errors, driver, &Path::new("driverName"));
        }
        validate_parameters(&mut errors, object, &root, false);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        for field in ["driverName", "parameters"] {
            immutable(&mut errors, object, old, &Path::default(), field);
        }
        errors
    }
}

fn validate_parameters(errors: &mut Errors, object: &Value, root: &Path, may_be_empty: bool) {
    let path = root.child("parameters");
    let mut size = 0;
    let mut count = 0;
    for (key, value) in object.entries("parameters") {
        if key.is_empty() {
            errors.push(FieldError::invalid(&path, "", "field can not be empty."));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
        count += 1;
    }
    if count == 0 && !may_be_empty {
        errors.push(FieldError::required(&path, "must contain at least one key/value pair"));
    }
    if count > MOST_PARAMETERS {
        errors.push(FieldError::too_long(&path, MOST_PARAMETERS));
    }
    if size > LARGEST_PARAMETERS {
        errors.push(FieldError::too_long(&path, LARGEST_PARAMETERS));
    }
}
