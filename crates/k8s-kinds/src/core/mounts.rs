//! Where a container's volumes and devices appear in it.

use super::check;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What is wrong with a container's mounts and devices, given the pod's volumes that are in order; `path` is the
/// container's.
pub(crate) fn validate(errors: &mut Errors, container: &Value, volumes: &[&Value], path: &Path) {
    let (mounts, devices) = (container.items("volumeMounts"), container.items("volumeDevices"));
    let list = path.child("volumeMounts");
    let find = |name: &str| volumes.iter().find(|it| it.text("name") == name).copied();
    let privileged = container.at("securityContext").flag("privileged");
    for (at, mount) in mounts.iter().enumerate() {
        let path = list.index(at);
        let (name, place) = (mount.text("name"), mount.text("mountPath"));
        check::text_needed(errors, mount, "name", &path);
        if find(name).is_none() {
            errors.push(FieldError::not_found(&path.child("name"), name));
        }
        check::text_needed(errors, mount, "mountPath", &path);
        if mounts.iter().take(at).any(|it| it.text("mountPath") == place) {
            errors.push(FieldError::invalid(&path.child("mountPath"), place, "must be unique"));
        }
        if devices.iter().any(|it| it.text("name") == name) {
            errors.push(FieldError::invalid(&path.child("name"), name, "must not already exist in volumeDevices"));
        }
        if devices.iter().any(|it| it.text("devicePath") == place) {
            let text = "must not already exist as a path in volumeDevices";
            errors.push(FieldError::invalid(&path.child("mountPath"), place, text));
        }
        if find(name).is_some_and(|it| it.has("image")) {
            for field in ["subPath", "subPathExpr"].into_iter().filter(|it| !mount.text(it).is_empty()) {
                let text = "not allowed in image volume sources";
                errors.push(FieldError::invalid(&path.child(field), mount.text(field), text));
            }
        }
        validate_sub_path(errors, mount, &path, &list);
        validate_propagation(errors, mount, privileged, &list);
    }
    validate_devices(errors, devices, mounts, &find, &path.child("volumeDevices"));
}

fn validate_sub_path(errors: &mut Errors, mount: &Value, path: &Path, list: &Path) {
    let (plain, expanded) = (mount.text("subPath"), mount.text("subPathExpr"));
    // The texts name the list, not the mount: so do API servers.
    check::descending_path(errors, plain, &list.child("subPath"));
    if !expanded.is_empty() {
        if !plain.is_empty() {
            let text = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(&path.child("subPathExpr"), expanded, text));
        }
        check::descending_path(errors, expanded, &list.child("subPathExpr"));
    }
}

fn validate_propagation(errors: &mut Errors, mount: &Value, privileged: bool, list: &Path) {
    let propagation = mount.text("mountPropagation");
    if mount.has("mountPropagation") {
        let at = list.child("mountPropagation");
        check::one_of(errors, propagation, &["Bidirectional", "HostToContainer", "None"], &at);
        if propagation == "Bidirectional" && !privileged {
            let text = "Bidirectional mount propagation is available only to privileged containers";
            errors.push(FieldError::forbidden(&at, text));
        }
    }
    let recursive = mount.text("recursiveReadOnly");
    let at = list.child("recursiveReadOnly");
    match recursive {
        "" | "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.flag("readOnly") {
                errors.push(FieldError::forbidden(&at, "may only be specified when readOnly is true"));
            }
            if !matches!(propagation, "" | "None") {
                let text = "may only be specified when mountPropagation is None or not specified";
                errors.push(FieldError::forbidden(&at, text));
            }
        }
        other => check::one_of(errors, other, &["Disabled", "Enabled", "IfPossible"], &at),
    }
}

fn validate_devices<'a>(
    errors: &mut Errors,
    devices: &[Value],
    mounts: &[Value],
    find: &dyn Fn(&str) -> Option<&'a Value>,
    path: &Path,
) {
    for (at, device) in devices.iter().enumerate() {
        let path = path.index(at);
        let (name, place) = (device.text("name"), device.text("devicePath"));
        let (name_path, place_path) = (path.child("name"), path.child("devicePath"));
        let earlier = || devices.iter().take(at);
        check::text_needed(errors, device, "name", &path);
        if !name.is_empty() && earlier().any(|it| it.text("name") == name) {
            errors.push(FieldError::invalid(&name_path, name, "must be unique"));
        }
        match find(name) {
            Some(volume) if volume.has("persistentVolumeClaim") || volume.has("ephemeral") => {}
            Some(_) => {
                let text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(FieldError::invalid(&name_path, name, text));
            }
            None => errors.push(FieldError::not_found(&name_path, name)),
        }
        check::text_needed(errors, device, "devicePath", &path);
        if earlier().any(|it| it.text("devicePath") == place && !check::has_backsteps(place)) {
            errors.push(FieldError::invalid(&place_path, place, "must be unique"));
        }
        if check::has_backsteps(place) {
            errors.push(FieldError::invalid(&place_path, place, "can not contain backsteps ('..')"));
        }
        if mounts.iter().any(|it| it.text("name") == name) {
            errors.push(FieldError::invalid(&name_path, name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|it| it.text("mountPath") == place) {
            let text = "must not already exist as a path in volumeMounts";
            errors.push(FieldError::invalid(&place_path, place, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn devices_are_claims() {
        let (claim, dir) = (json!({"name": "a", "persistentVolumeClaim": {}}), json!({"name": "b", "emptyDir": {}}));
        let container =
            json!({"volumeDevices": [{"name": "a", "devicePath": "/a"}, {"name": "b", "devicePath": "/../b"}]});
        let mut errors = Errors::new();
        validate(&mut errors, &container, &[&claim, &dir], &Path::new("c"));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[1].ends_with("can not contain backsteps ('..')"));
    }

    #[test]
    fn recursive_read_only_is_read_only() {
        let mount = json!({"name": "a", "mountPath": "/a", "recursiveReadOnly": "Enabled", "mountPropagation": "Bidirectional"});
        let mut errors = Errors::new();
        let volume = json!({"name": "a", "emptyDir": {}});
        validate(&mut errors, &json!({"volumeMounts": [mount]}), &[&volume], &Path::new("c"));
        assert_eq!(errors.len(), 3);
    }
}
