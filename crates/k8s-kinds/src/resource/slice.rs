//! ResourceSlice: the devices of a node, or of a pool.

use super::class::validate_driver;
use crate::checks::IMMUTABLE;
use crate::kind::{Context, Kind};
use crate::value::{Look, object_made};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const MOST_DEVICES: usize = 128;

/// See the module.
pub(crate) struct ResourceSlice;

impl Kind for ResourceSlice {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_driver(&mut errors, spec.text("driver"), &path.child("driver"));
        validate_pool(&mut errors, spec.at("pool"), &path.child("pool"));
        validate_place(&mut errors, spec, &path);
        let (devices, path) = (spec.items("devices"), path.child("devices"));
        if devices.len() > MOST_DEVICES {
            errors.push(FieldError::too_many(&path, devices.len(), MOST_DEVICES));
        }
        let mut seen = std::collections::HashSet::new();
        for (index, device) in devices.iter().enumerate() {
            let (name, path) = (device.text("name"), path.index(index).child("name"));
            if name.is_empty() {
                errors.push(FieldError::required(&path, ""));
                continue;
            }
            errors.extend(names::invalid_each(&path, name, names::dns1123_label(name)));
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(&path, name));
            }
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let (spec, before, path) = (object.at("spec"), old.at("spec"), Path::new("spec"));
        for way in [&["driver"][..], &["pool", "name"], &["nodeName"]] {
            let value = spec.look(way);
            if value != before.look(way) {
                errors.push(FieldError::invalid(&path.child(&way.join(".")), value.clone(), IMMUTABLE));
            }
        }
        errors
    }
}

fn validate_pool(errors: &mut Errors, pool: &Value, path: &Path) {
    let (name, name_path) = (pool.text("name"), path.child("name"));
    if name.is_empty() {
        errors.push(FieldError::required(&name_path, ""));
    }
    if name.len() > names::SUBDOMAIN_MAX {
        errors.push(FieldError::too_long(&name_path, names::SUBDOMAIN_MAX));
    }
    for part in name.split('/').filter(|_| !name.is_empty()) {
        errors.extend(names::invalid_each(&name_path, part, names::dns1123_subdomain(part)));
    }
    if pool.int("resourceSliceCount") <= 0 {
        let count = pool.int("resourceSliceCount");
        errors.push(FieldError::invalid(&path.child("resourceSliceCount"), count, "must be greater than zero"));
    }
    if pool.int("generation") < 0 {
        let generation = pool.int("generation");
        let why = "must be greater than or equal to zero";
        errors.push(FieldError::invalid(&path.child("generation"), generation, why));
    }
}

/// The devices are at one node, at some, at all, or each says where it is.
fn validate_place(errors: &mut Errors, spec: &Value, path: &Path) {
    let given = [
        !spec.text("nodeName").is_empty(),
        spec.has("nodeSelector"),
        spec.flag("allNodes"),
        spec.flag("perDeviceNodeSelection"),
    ];
    let fields = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match given.iter().filter(|it| **it).count() {
        1 => {}
        0 => errors.push(FieldError::required(path, fields)),
        _ => {
            let why = format!("{fields}, but multiple fields are set");
            errors.push(crate::checks::invalid_without_value(path, &why));
        }
    }
}
