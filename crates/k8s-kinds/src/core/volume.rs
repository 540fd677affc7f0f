//! PersistentVolume: storage that is there, whoever uses it.

use super::affinity::validate_node_selector;
use super::claim::{VOLUME_MODES, difference, validate_access_modes};
use super::resources::{self, quantity};
use super::volume_sources::{self, Owner};
use super::{check, pod_defaults, pod_warnings};
use crate::meta::immutable;
use crate::value::{self, Look, copy_field, object_made, object_mut, same, set_default, set_default_zero};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Map, Value, json};

/// The kind.
#[derive(Debug)]
pub struct PersistentVolume;

/// A source by its field, and by the field that errors about a second source name.
const SOURCES: [(&str, &str); 22] = [
    ("hostPath", "hostPath"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("nfs", "nfs"),
    ("rbd", "rbd"),
    ("quobyte", "quobyte"),
    ("cephfs", "cephFS"),
    ("iscsi", "iscsi"),
    ("cinder", "cinder"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO"),
    ("local", "local"),
    ("storageos", "storageos"),
    ("csi", "csi"),
];
const SECRET_REFS: [&str; 4] =
    ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"];
const CLASS: &str = "volumeAttributesClassName";

/// What is wrong with a volume's spec. `name` is the volume's; `inline` specs stand in attachments and say less.
pub fn validate_volume_spec(spec: &Value, name: &str, inline: bool, path: &Path, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    if inline {
        validate_inline(&mut errors, spec, path);
    }
    if spec.items("accessModes").is_empty() {
        errors.push(FieldError::required(&path.child("accessModes"), ""));
    }
    validate_access_modes(&mut errors, spec, path);
    if !inline {
        validate_capacity(&mut errors, spec, &path.child("capacity"));
        let (policy, at) = (spec.text("persistentVolumeReclaimPolicy"), path.child("persistentVolumeReclaimPolicy"));
        if !policy.is_empty() {
            check::one_of(&mut errors, policy, &["Delete", "Recycle", "Retain"], &at);
        }
        validate_affinity(&mut errors, spec.at("nodeAffinity"), &path.child("nodeAffinity"));
    }
    validate_source(&mut errors, spec, name, path);
    let host = spec.at("hostPath").text("path");
    let root = !host.is_empty() && host.starts_with('/') && host.split('/').all(|part| matches!(part, "" | "."));
    if root && spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        let text = "may not be 'recycle' for a hostPath mount of '/'";
        errors.push(FieldError::forbidden(&path.child("persistentVolumeReclaimPolicy"), text));
    }
    if !inline {
        if !spec.text("storageClassName").is_empty() {
            check::subdomain(&mut errors, spec.text("storageClassName"), &path.child("storageClassName"));
        }
        if spec.has("volumeMode") {
            check::one_of(&mut errors, spec.text("volumeMode"), &VOLUME_MODES, &path.child("volumeMode"));
        }
    }
    if spec.has(CLASS) && cx.minor >= 34 {
        let at = path.child(CLASS);
        match spec.text(CLASS) {
            "" => errors.push(FieldError::required(&at, "an empty string is disallowed")),
            class => check::subdomain(&mut errors, class, &at),
        }
        if !spec.has("csi") {
            let text = "has to be specified when using volumeAttributesClassName";
            errors.push(FieldError::required(&path.child("csi"), text));
        }
    }
    errors
}

fn validate_inline(errors: &mut Errors, spec: &Value, path: &Path) {
    let text = "may not be specified in the context of inline volumes";
    for name in ["claimRef", "capacity", "nodeAffinity", "storageClassName"] {
        if !value::is_empty(spec.at(name)) {
            errors.push(FieldError::forbidden(&path.child(name), text));
        }
    }
    if !spec.has("csi") {
        let text = "has to be specified in the context of inline volumes";
        errors.push(FieldError::required(&path.child("csi"), text));
    }
    if !matches!(spec.text("persistentVolumeReclaimPolicy"), "" | "Retain") {
        let text = "may only be Retain in the context of inline volumes";
        errors.push(FieldError::forbidden(&path.child("persistentVolumeReclaimPolicy"), text));
    }
    if !matches!(spec.text("volumeMode"), "" | "Filesystem") {
        let text = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.push(FieldError::forbidden(&path.child("volumeMode"), text));
    }
}

fn validate_capacity(errors: &mut Errors, spec: &Value, path: &Path) {
    let empty = Map::new();
    let capacity = spec.map("capacity").unwrap_or(&empty);
    if capacity.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    if !capacity.contains_key("storage") || capacity.len() > 1 {
        errors.push(FieldError::not_supported(path, spec.at("capacity").clone(), &["storage"]));
    }
    for (name, amount) in capacity {
        let (amount, at) = (quantity(amount), path.key(name));
        if amount.value() < 0 {
            errors.push(FieldError::invalid(&at, amount.value(), "must be a valid resource quantity"));
        }
        if amount.signum() <= 0 {
            errors.push(FieldError::invalid(&at, amount.to_string(), check::NOT_POSITIVE));
        }
    }
}

fn validate_affinity(errors: &mut Errors, affinity: &Value, path: &Path) {
    if affinity.is_null() {
        return;
    }
    let at = path.child("required");
    if affinity.has("required") {
        errors.extend(validate_node_selector(affinity.at("required"), &at));
    } else {
        errors.push(FieldError::required(&at, "must specify required node constraints"));
    }
}

fn validate_source(errors: &mut Errors, spec: &Value, name: &str, path: &Path) {
    let mut given = SOURCES.iter().filter(|(source, _)| spec.has(source));
    let Some((source, _)) = given.next() else {
        errors.push(FieldError::required(path, "must specify a volume type"));
        return;
    };
    let it = spec.at(source);
    if !volume_sources::validate(errors, source, it, Owner::PersistentVolume(name), path) {
        validate_own(errors, source, it, spec, path);
    }
    for (_, shown) in given {
        errors.push(FieldError::forbidden(&path.child(shown), "may not specify more than 1 volume type"));
    }
}

/// Sources that only persistent volumes have.
fn validate_own(errors: &mut Errors, name: &str, it: &Value, spec: &Value, path: &Path) {
    let at = path.child(name);
    if name == "local" {
        if check::text_needed(errors, it, "path", &at) {
            check::no_backsteps(errors, it.text("path"), &at.child("path"));
        }
        if !spec.has("nodeAffinity") {
            let text = "Local volume requires node affinity";
            errors.push(FieldError::required(&path.child("nodeAffinity"), text));
        }
        return;
    }
    volume_sources::validate_csi_driver(errors, it.text("driver"), &at.child("driver"));
    check::text_needed(errors, it, "volumeHandle", &at);
    for name in SECRET_REFS.into_iter().filter(|name| it.has(name)) {
        let (secret, at) = (it.at(name), at.child(name));
        if check::text_needed(errors, secret, "name", &at) {
            check::subdomain(errors, secret.text("name"), &at.child("name"));
        }
        if check::text_needed(errors, secret, "namespace", &at) {
            check::label(errors, secret.text("namespace"), &at.child("namespace"));
        }
    }
}

fn default_source(spec: &mut Value) {
    if let Some(it) = object_mut(spec, "hostPath") {
        set_default(it, "type", "");
    }
    if let Some(it) = object_mut(spec, "iscsi") {
        set_default_zero(it, "iscsiInterface", "default");
    }
    if let Some(it) = object_mut(spec, "rbd") {
        pod_defaults::default_rbd(it);
    }
    if let Some(it) = object_mut(spec, "azureDisk") {
        pod_defaults::default_azure_disk(it);
    }
    if let Some(it) = object_mut(spec, "scaleIO") {
        set_default_zero(it, "storageMode", "ThinProvisioned");
        set_default_zero(it, "fsType", "xfs");
    }
}

fn drop_disabled(object: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    let used = old.is_some_and(|it| it.at("spec").has(CLASS));
    if let Some(spec) = object_mut(object, "spec").filter(|_| cx.minor < 34 && !used) {
        value::remove(spec, CLASS);
    }
}

impl Kind for PersistentVolume {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            set_default_zero(spec, "persistentVolumeReclaimPolicy", "Retain");
            set_default(spec, "volumeMode", "Filesystem");
            resources::default_list(object_mut(spec, "capacity"));
            default_source(spec);
        }
        if let Some(status) = object_made(object, "status") {
            set_default_zero(status, "phase", "Pending");
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        let mut status = json!({"phase": "Pending"});
        if cx.minor >= 29 {
            value::set(&mut status, "lastPhaseTransitionTime", cx.now);
        }
        value::set(object, "status", status);
        drop_disabled(object, None, cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx);
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "spec");
        let time = "lastPhaseTransitionTime";
        let before = old.at("status");
        let Some(status) = object_made(object, "status") else { return };
        let own = status.has(time) && status.at(time) != before.at(time);
        if cx.minor >= 29 && !own {
            if status.text("phase") == before.text("phase") {
                copy_field(status, before, time);
            } else {
                value::set(status, time, cx.now);
            }
        }
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let name = object.at("metadata").text("name");
        validate_volume_spec(object.at("spec"), name, false, &Path::new("spec"), cx)
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        validate_change(&mut errors, object.at("spec"), old.at("spec"));
        errors
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut found = Vec::new();
        let annotations = object.look(&["metadata", "annotations"]);
        let class = "volume.beta.kubernetes.io/storage-class";
        if annotations.has(class) {
            let text = "deprecated since v1.8; use \"storageClassName\" attribute instead";
            found.push(format!("metadata.annotations[{class}]: {text}"));
        }
        let options = "volume.beta.kubernetes.io/mount-options";
        if annotations.has(options) && cx.minor >= 31 {
            let text = "deprecated since v1.31; use \"mountOptions\" attribute instead";
            found.push(format!("metadata.annotations[{options}]: {text}"));
        }
        let spec = object.at("spec");
        if spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
            found.push(
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
                 approach is to use dynamic provisioning."
                    .to_owned(),
            );
        }
        found.extend(pod_warnings::storage_warnings(spec, &["capacity"], cx));
        found
    }
}

/// Where the content is, and whether it is files, stays as it is; where nodes reach it may be told once.
fn validate_change(errors: &mut Errors, spec: &Value, before: &Value) {
    let sources = |spec: &Value| -> Value {
        SOURCES.iter().filter(|(name, _)| spec.has(name)).map(|(name, _)| (*name, spec.at(name).clone())).collect()
    };
    let (mut new, old) = (sources(spec), sources(before));
    let secret = "controllerExpandSecretRef";
    if let Some(csi) = object_mut(&mut new, "csi").filter(|_| before.has("csi") && !before.at("csi").has(secret)) {
        value::remove(csi, secret);
    }
    if !same(&new, &old) {
        let text = format!("spec.persistentvolumesource is immutable after creation\n{}", difference(&old, &new));
        errors.push(FieldError::forbidden(&Path::new("spec.persistentvolumesource"), &text));
    }
    errors.extend(immutable(spec.at("volumeMode"), before.at("volumeMode"), &Path::new("volumeMode")));
    let (new, old) = (spec.at("nodeAffinity"), before.at("nodeAffinity"));
    if !old.is_null() && !same(new, &with_new_labels(old, new)) {
        let text = "field is immutable, except for updating from beta label to GA";
        errors.push(FieldError::invalid(&Path::new("nodeAffinity"), new.clone(), text));
    }
    if before.has(CLASS) && !spec.has(CLASS) {
        let text = "update from non-nil value to nil is forbidden";
        errors.push(FieldError::forbidden(&Path::new("spec").child(CLASS), text));
    }
}

const NEW_LABELS: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

/// The old affinity with those old labels' keys renamed that the new one has renamed.
fn with_new_labels(old: &Value, new: &Value) -> Value {
    let mut renamed = old.clone();
    let Some(required) = object_mut(&mut renamed, "required") else { return renamed };
    let terms = new.at("required").items("nodeSelectorTerms");
    for (term, new) in value::items_mut(required, "nodeSelectorTerms").iter_mut().zip(terms) {
        for list in ["matchExpressions", "matchFields"] {
            for (it, new) in value::items_mut(term, list).iter_mut().zip(new.items(list)) {
                let pair = (it.text("key"), new.text("key"));
                if NEW_LABELS.contains(&pair) {
                    copy_field(it, new, "key");
                }
            }
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "2026-01-01T00:00:00Z" };

    fn volume() -> Value {
        let mut it = json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"], "csi": {"driver": "d.example.com", "volumeHandle": "h"}}});
        PersistentVolume.default(&mut it, &CX);
        PersistentVolume.prepare_for_create(&mut it, &CX);
        it
    }

    #[test]
    fn the_source_stays_but_for_a_secret() {
        let old = volume();
        let mut new = old.clone();
        new["spec"]["csi"]["controllerExpandSecretRef"] = json!({"name": "a", "namespace": "b"});
        assert!(PersistentVolume.validate_update(&new, &old, &CX).is_empty());
        new["spec"]["csi"]["volumeHandle"] = json!("other");
        assert_eq!(PersistentVolume.validate_update(&new, &old, &CX)[0].path.as_str(), "spec.persistentvolumesource");
    }

    #[test]
    fn labels_in_affinities_may_take_their_new_names() {
        let with = |key: &str| {
            let mut it = volume();
            it["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": key, "operator": "In", "values": ["a"]}]}]}});
            it
        };
        let old = with("failure-domain.beta.kubernetes.io/zone");
        assert!(PersistentVolume.validate_update(&with("topology.kubernetes.io/zone"), &old, &CX).is_empty());
        assert_eq!(PersistentVolume.validate_update(&with("x"), &old, &CX).len(), 1);
    }

    #[test]
    fn inline_specs_say_less() {
        let spec = volume()["spec"].clone();
        assert_eq!(validate_volume_spec(&spec, "", true, &Path::new("s"), &CX).len(), 1);
    }

    #[test]
    fn the_phases_time_is_kept() {
        let old = volume();
        let mut new = old.clone();
        new["status"]["phase"] = json!("Available");
        let cx = Context { now: "2026-02-02T00:00:00Z", ..CX };
        PersistentVolume.prepare_for_status_update(&mut new, &old, &cx);
        assert_eq!(new["status"]["lastPhaseTransitionTime"], "2026-02-02T00:00:00Z");
    }
}
