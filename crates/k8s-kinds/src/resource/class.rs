//! DeviceClass: devices under a name.

use super::validate_selectors;
use crate::kind::{Context, Kind};
use crate::value::{Look, object_made};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const MOST_CONFIGS: usize = 32;

/// See the module.
pub(crate) struct DeviceClass;

impl Kind for DeviceClass {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_selectors(&mut errors, spec, &path);
        let (configs, path) = (spec.items("config"), path.child("config"));
        if configs.len() > MOST_CONFIGS {
            errors.push(FieldError::too_many(&path, configs.len(), MOST_CONFIGS));
        }
        for (index, config) in configs.iter().enumerate() {
            validate_config(&mut errors, config, &path.index(index));
        }
        errors
    }
}

/// Parameters for a driver.
pub(super) fn validate_config(errors: &mut Errors, config: &Value, path: &Path) {
    let (opaque, path) = (config.at("opaque"), path.child("opaque"));
    if opaque.is_null() {
        errors.push(FieldError::required(&path, ""));
        return;
    }
    validate_driver(errors, opaque.text("driver"), &path.child("driver"));
    if !opaque.has("parameters") {
        errors.push(FieldError::required(&path.child("parameters"), ""));
    }
}

/// A driver's name is a DNS name of at most a label's length.
pub(super) fn validate_driver(errors: &mut Errors, driver: &str, path: &Path) {
    if driver.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if driver.len() > names::LABEL_MAX {
        errors.push(FieldError::too_long(path, names::LABEL_MAX));
    }
    errors.extend(names::invalid_each(path, driver, names::dns1123_subdomain(driver)));
}
