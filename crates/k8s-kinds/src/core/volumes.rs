//! A pod's volumes.

use super::check;
use super::env::{self, Use};
use super::volume_sources::{self, Owner};
use crate::Context;
use crate::meta::validate_label_selector;
use crate::value::Look;
use k8s_types::names::{self, invalid_each};
use k8s_types::status::quote;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// A source by its field, and by the field that errors about a second source name: API servers misspell some.
const SOURCES: [(&str, &str); 30] = [
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

/// Tokens last at least so many seconds.
const TOKEN_MIN: i64 = 600;
const TOKEN_MAX: i64 = 1 << 32;

/// What is wrong with a pod's volumes; answers those that are in order. `pod` is the pod's name where it has one,
/// `path` leads to the volumes.
pub(crate) fn validate<'a>(
    errors: &mut Errors,
    spec: &'a Value,
    pod: &str,
    path: &Path,
    cx: &Context<'_>,
) -> Vec<&'a Value> {
    let mut fine: Vec<&Value> = Vec::new();
    let volumes = spec.items("volumes");
    for (at, volume) in volumes.iter().enumerate() {
        let path = path.index(at);
        let before = errors.len();
        validate_volume(errors, volume, pod, &path, cx);
        let name = volume.text("name");
        if check::text_needed(errors, volume, "name", &path) {
            check::label(errors, name, &path.child("name"));
        }
        if fine.iter().any(|it| it.text("name") == name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        if errors.len() == before {
            fine.push(volume);
        }
        let claim = volume.at("persistentVolumeClaim").text("claimName");
        let makes = |it: &Value| it.has("ephemeral") && format!("{pod}-{}", it.text("name")) == claim;
        if !pod.is_empty() && !claim.is_empty() && volumes.iter().any(makes) {
            let text = "must not reference a PVC that gets created for an ephemeral volume";
            errors.push(FieldError::invalid(&path.child("persistentVolumeClaim.claimName"), claim, text));
        }
    }
    fine
}

fn validate_volume(errors: &mut Errors, volume: &Value, pod: &str, path: &Path, cx: &Context<'_>) {
    let mut given = SOURCES.iter().filter(|(name, _)| volume.has(name));
    let Some((name, _)) = given.next() else {
        errors.push(FieldError::required(path, "must specify a volume type"));
        return;
    };
    let source = volume.at(name);
    if !volume_sources::validate(errors, name, source, Owner::Pod, path) {
        validate_own(errors, name, source, volume, pod, path, cx);
    }
    if *name == "iscsi" {
        volume_sources::validate_iscsi_length(errors, volume, path);
    }
    for (_, shown) in given {
        errors.push(FieldError::forbidden(&path.child(shown), "may not specify more than 1 volume type"));
    }
}

/// Sources that only pods have.
fn validate_own(errors: &mut Errors, name: &str, it: &Value, volume: &Value, pod: &str, path: &Path, cx: &Context<'_>) {
    let at = path.child(name);
    match name {
        "emptyDir" if super::resources::quantity(it.at("sizeLimit")).signum() < 0 => {
            let text = "SizeLimit field must be a valid resource quantity";
            errors.push(FieldError::forbidden(&at.child("sizeLimit"), text));
        }
        "gitRepo" => {
            check::text_needed(errors, it, "repository", &at);
            check::descending_path(errors, it.text("directory"), &at.child("directory"));
        }
        "secret" | "configMap" => {
            check::text_needed(errors, it, if name == "secret" { "secretName" } else { "name" }, &at);
            check::file_mode(errors, it, "defaultMode", &at);
            validate_key_paths(errors, it, &at);
        }
        "persistentVolumeClaim" => {
            check::text_needed(errors, it, "claimName", &at);
        }
        "downwardAPI" => {
            check::file_mode(errors, it, "defaultMode", &at);
            it.items("items").iter().for_each(|file| validate_field_file(errors, file, &at));
        }
        "projected" => {
            check::file_mode(errors, it, "defaultMode", &at);
            validate_projection(errors, it, &at);
        }
        "csi" => {
            volume_sources::validate_csi_driver(errors, it.text("driver"), &at.child("driver"));
            if it.has("nodePublishSecretRef") {
                let secret = it.at("nodePublishSecretRef");
                if check::text_needed(errors, secret, "name", &at.child("nodePublishSecretRef")) {
                    check::subdomain(errors, secret.text("name"), &at.child("name"));
                }
            }
        }
        "ephemeral" => validate_ephemeral(errors, it, volume, pod, path, cx),
        "image" => validate_image(errors, it, &at),
        _ => {}
    }
}

fn validate_image(errors: &mut Errors, it: &Value, path: &Path) {
    check::text_needed(errors, it, "reference", path);
    let policies = super::containers::PULL_POLICIES;
    check::needed_one_of(errors, it.text("pullPolicy"), &policies, &path.child("pullPolicy"));
}

fn validate_ephemeral(errors: &mut Errors, it: &Value, volume: &Value, pod: &str, path: &Path, cx: &Context<'_>) {
    let at = path.child("ephemeral.volumeClaimTemplate");
    if !it.has("volumeClaimTemplate") {
        errors.push(FieldError::required(&at, ""));
        return;
    }
    let template = it.at("volumeClaimTemplate");
    let meta = template.at("metadata");
    let meta_path = at.child("metadata");
    if let Some(annotations) = meta.map("annotations") {
        errors.extend(names::validate_annotations(annotations, &meta_path.child("annotations")));
    }
    if let Some(labels) = meta.map("labels") {
        errors.extend(names::validate_labels(labels, &meta_path.child("labels")));
    }
    for (name, value) in template.entries("metadata") {
        if !matches!(name, "annotations" | "labels") && !crate::value::is_empty(value) {
            errors.push(FieldError::forbidden(&meta_path.child(name), "cannot be set"));
        }
    }
    errors.extend(super::claim::validate_spec(template.at("spec"), &at.child("spec"), cx));
    let name = volume.text("name");
    if !pod.is_empty() && !name.is_empty() {
        let claim = format!("{pod}-{name}");
        for text in names::dns1123_subdomain(&claim) {
            let text = format!("PVC name {}: {text}", quote(&claim));
            errors.push(FieldError::invalid(&path.child("name"), name, &text));
        }
    }
}

fn validate_key_paths(errors: &mut Errors, it: &Value, path: &Path) {
    for (at, item) in it.items("items").iter().enumerate() {
        let path = path.child("items").index(at);
        check::text_needed(errors, item, "key", &path);
        check::text_needed(errors, item, "path", &path);
        check::non_reserved_path(errors, item.text("path"), &path.child("path"));
        check::file_mode(errors, item, "mode", &path);
    }
}

/// The errors name the source, not its item: so do API servers.
fn validate_field_file(errors: &mut Errors, file: &Value, path: &Path) {
    check::text_needed(errors, file, "path", path);
    check::non_reserved_path(errors, file.text("path"), &path.child("path"));
    if file.has("fieldRef") {
        env::validate_field_ref(errors, file.at("fieldRef"), Use::File, &path.child("fieldRef"));
        if file.has("resourceFieldRef") {
            let text = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.push(FieldError::invalid(path, "resource", text));
        }
    } else if file.has("resourceFieldRef") {
        let at = path.child("resourceFieldRef");
        env::validate_resource_ref(errors, file.at("resourceFieldRef"), Use::File, &at);
    } else {
        errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    check::file_mode(errors, file, "mode", path);
}

fn validate_projection(errors: &mut Errors, it: &Value, path: &Path) {
    let mut taken: Vec<&str> = Vec::new();
    let kinds = ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
    for (at, source) in it.items("sources").iter().enumerate() {
        let source_path = path.child("sources").index(at);
        let mut count = 0;
        for kind in kinds.into_iter().filter(|kind| source.has(kind)) {
            count += 1;
            let (part, at) = (source.at(kind), source_path.child(kind));
            match kind {
                "secret" | "configMap" => {
                    check::text_needed(errors, part, "name", &at);
                    validate_key_paths(errors, part, &at);
                }
                "downwardAPI" => part.items("items").iter().for_each(|file| validate_field_file(errors, file, &at)),
                "serviceAccountToken" => validate_token(errors, part, &at, path),
                "clusterTrustBundle" => validate_bundle(errors, part, &at),
                _ => {}
            }
            let own = Some(part.text("path")).filter(|_| kind == "clusterTrustBundle");
            for file in part.items("items").iter().map(|item| item.text("path")).chain(own) {
                if !file.is_empty() && taken.contains(&file) {
                    let shown = if matches!(kind, "secret" | "configMap") { part.text("name") } else { file };
                    errors.push(FieldError::invalid(path, shown, "conflicting duplicate paths"));
                }
                taken.push(file);
            }
        }
        if count > 1 {
            let text = "may not specify more than 1 volume type per source";
            errors.push(FieldError::forbidden(&source_path, text));
        }
    }
}

fn validate_token(errors: &mut Errors, it: &Value, path: &Path, volume: &Path) {
    let seconds = it.int("expirationSeconds");
    let at = path.child("expirationSeconds");
    if seconds < TOKEN_MIN {
        errors.push(FieldError::invalid(&at, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > TOKEN_MAX {
        errors.push(FieldError::invalid(&at, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    if check::text_needed(errors, it, "path", volume) {
        check::non_reserved_path(errors, it.text("path"), &volume.child("path"));
    }
}

fn validate_bundle(errors: &mut Errors, it: &Value, path: &Path) {
    match (it.has("name"), it.has("signerName")) {
        (true, true) => {
            errors.push(FieldError::invalid(path, it.clone(), "only one of name and signerName may be used"));
        }
        (true, false) => {
            let (name, at) = (it.text("name"), path.child("name"));
            if name.is_empty() {
                errors.push(FieldError::required(&at, "must be a valid object name"));
            }
            // A signer's bundles have its name before theirs, with colons for the slash and after it.
            let last = name.rsplit(':').next().unwrap_or_default();
            for text in names::dns1123_subdomain(last) {
                errors.push(FieldError::invalid(&at, name, &format!("not a valid clustertrustbundlename: {text}")));
            }
            if it.has("labelSelector") {
                let (at, selector) = (path.child("labelSelector"), it.at("labelSelector").clone());
                let text = "labelSelector must be unset if name is specified";
                errors.push(FieldError::invalid(&at, selector, text));
            }
        }
        (false, true) => {
            let (signer, at) = (it.text("signerName"), path.child("signerName"));
            if signer.is_empty() {
                errors.push(FieldError::required(&at, "must be a valid signer name"));
            }
            let (domain, name) = signer.split_once('/').unwrap_or((signer, ""));
            let fits = domain.split('.').count() > 1 && names::dns1123_subdomain(domain).is_empty();
            if !fits || name.is_empty() {
                let text = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
                errors.push(FieldError::invalid(&at, signer, text));
            }
            errors.extend(validate_label_selector(it.at("labelSelector"), &path.child("labelSelector")));
        }
        (false, false) => errors.push(FieldError::required(path, "either name or signerName must be specified")),
    }
    check::text_needed(errors, it, "path", path);
    check::non_reserved_path(errors, it.text("path"), &path.child("path"));
}

/// What is wrong with a pod's resource claims; `path` leads to them.
pub(crate) fn validate_resource_claims(errors: &mut Errors, claims: &[Value], path: &Path) {
    for (at, claim) in claims.iter().enumerate() {
        let path = path.index(at);
        let name = claim.text("name");
        if check::text_needed(errors, claim, "name", &path) {
            if claims.iter().take(at).any(|it| it.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            } else {
                check::label(errors, name, &path.child("name"));
            }
        }
        let fields = ["resourceClaimName", "resourceClaimTemplateName"];
        match fields.iter().filter(|it| claim.has(it)).count() {
            1 => {}
            0 => {
                let text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                errors.push(FieldError::invalid(&path, claim.clone(), text));
            }
            _ => {
                let text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.push(FieldError::invalid(&path, claim.clone(), text));
            }
        }
        for field in fields.into_iter().filter(|it| claim.has(it)) {
            let value = claim.text(field);
            errors.extend(invalid_each(&path.child(field), value, names::dns1123_subdomain(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(spec: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        let cx = Context { minor: 34, version: "v1", now: "" };
        validate(&mut errors, spec, "pod", &Path::new("v"), &cx);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_source_each() {
        let spec = json!({"volumes": [{"name": "a"}, {"name": "b", "emptyDir": {}, "cephfs": {}}]});
        assert_eq!(
            texts(&spec),
            [
                "v[0]: Required value: must specify a volume type",
                "v[1].cephFS: Forbidden: may not specify more than 1 volume type"
            ]
        );
    }

    #[test]
    fn projected_files_do_not_collide() {
        let spec = json!({"volumes": [{"name": "a", "projected": {"sources": [
            {"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
            {"serviceAccountToken": {"path": "t", "expirationSeconds": 1}}]}}]});
        assert_eq!(
            texts(&spec),
            [
                "v[0].projected: Invalid value: \"c\": conflicting duplicate paths",
                "v[0].projected.sources[2].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a \
                 duration less than 10 minutes"
            ]
        );
    }

    #[test]
    fn a_claim_that_is_made_for_the_pod_is_not_referred_to() {
        let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        let spec = json!({"volumes": [{"name": "a", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "pod-a"}}]});
        assert!(texts(&spec)[0].ends_with("must not reference a PVC that gets created for an ephemeral volume"));
    }
}
