//! Where a volume's content comes from: the sources that pods and persistent volumes have in common.

use super::check;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// Whose source it is: persistent volumes name namespaces where pods mean their own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// A volume of a pod.
    Pod,
    /// The persistent volume of this name.
    PersistentVolume(&'a str),
}

const PARTITION: &str = "must be between 1 and 255, inclusive";
const IQN: &str = "must be valid format";
const TOO_LONG_ISCSI: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                              iscsi.initiatorName is specified.";

/// What is wrong with a source of the kind `name`; `path` is what the source stands in. Answers whether it is a kind
/// that is known here.
pub(crate) fn validate(errors: &mut Errors, name: &str, it: &Value, owner: Owner<'_>, path: &Path) -> bool {
    let at = path.child(name);
    let mut needs = |names: &[&str]| {
        for name in names {
            check::text_needed(errors, it, name, &at);
        }
    };
    match name {
        "glusterfs" => {
            needs(&["endpoints", "path"]);
            if let (Owner::PersistentVolume(_), Some(namespace)) = (owner, it.at("endpointsNamespace").as_str()) {
                let at = at.child("endpointsNamespace");
                if namespace.is_empty() {
                    let text = "if the endpointnamespace is set, it must be a valid namespace name";
                    errors.push(FieldError::invalid(&at, namespace, text));
                } else {
                    check::label(errors, namespace, &at);
                }
            }
        }
        "vsphereVolume" => needs(&["volumePath"]),
        "photonPersistentDisk" => needs(&["pdID"]),
        "portworxVolume" => needs(&["volumeID"]),
        "scaleIO" => needs(&["gateway", "system", "volumeName"]),
        "azureFile" => {
            needs(&["secretName", "shareName"]);
            if it.at("secretNamespace") == "" {
                errors.push(FieldError::required(&at.child("secretNamespace"), ""));
            }
        }
        "gcePersistentDisk" => validate_disk(errors, it, "pdName", &path.child("persistentDisk")),
        "awsElasticBlockStore" => validate_disk(errors, it, "volumeID", &at),
        "hostPath" => validate_host_path(errors, it, &at),
        "nfs" => validate_nfs(errors, it, &at),
        "iscsi" => validate_iscsi(errors, it, owner, &at),
        "rbd" => {
            if it.items("monitors").is_empty() {
                errors.push(FieldError::required(&at.child("monitors"), ""));
            }
            check::text_needed(errors, it, "image", &at);
        }
        "cephfs" => {
            if it.items("monitors").is_empty() {
                errors.push(FieldError::required(&at.child("monitors"), ""));
            }
        }
        "cinder" => {
            check::text_needed(errors, it, "volumeID", &at);
            validate_secret_ref(errors, it, owner, &at);
        }
        "storageos" => validate_storageos(errors, it, owner, &at),
        "fc" => validate_fc(errors, it, &at),
        "flocker" => validate_flocker(errors, it, &at),
        "flexVolume" => validate_flex(errors, it, &at),
        "quobyte" => validate_quobyte(errors, it, &at),
        "azureDisk" => validate_azure_disk(errors, it, &at),
        _ => return false,
    }
    true
}

fn validate_disk(errors: &mut Errors, it: &Value, name: &str, path: &Path) {
    check::text_needed(errors, it, name, path);
    let partition = it.int("partition");
    if !(0..=255).contains(&partition) {
        errors.push(FieldError::invalid(&path.child("partition"), partition, PARTITION));
    }
}

fn validate_host_path(errors: &mut Errors, it: &Value, path: &Path) {
    if !check::text_needed(errors, it, "path", path) {
        return;
    }
    check::no_backsteps(errors, it.text("path"), &path.child("path"));
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    check::one_of(errors, it.text("type"), &types, &path.child("type"));
}

fn validate_nfs(errors: &mut Errors, it: &Value, path: &Path) {
    check::text_needed(errors, it, "server", path);
    check::text_needed(errors, it, "path", path);
    let exported = it.text("path");
    if !exported.starts_with('/') {
        errors.push(FieldError::invalid(&path.child("path"), exported, "must be an absolute path"));
    }
}

fn validate_iscsi(errors: &mut Errors, it: &Value, owner: Owner<'_>, path: &Path) {
    check::text_needed(errors, it, "targetPortal", path);
    let (portal, persistent) = (it.text("targetPortal"), matches!(owner, Owner::PersistentVolume(_)));
    if let Owner::PersistentVolume(name) = owner
        && it.has("initiatorName")
        && name.len() + 1 + portal.len() > 64
    {
        errors.push(FieldError::invalid(&path.child("targetportal"), portal, TOO_LONG_ISCSI));
    }
    if check::text_needed(errors, it, "iqn", path) {
        validate_iscsi_name(errors, it.text("iqn"), persistent, &path.child("iqn"));
    }
    let lun = it.int("lun");
    if !(0..=255).contains(&lun) {
        errors.push(FieldError::invalid(&path.child("lun"), lun, "must be between 0 and 255, inclusive"));
    }
    if (it.flag("chapAuthDiscovery") || it.flag("chapAuthSession")) && !it.has("secretRef") {
        errors.push(FieldError::required(&path.child("secretRef"), ""));
    }
    if persistent && it.has("secretRef") {
        check::text_needed(errors, it.at("secretRef"), "name", &path.child("secretRef"));
    }
    if let Some(name) = it.at("initiatorName").as_str() {
        validate_iscsi_name(errors, name, persistent, &path.child("initiatorname"));
    }
}

/// The error about a pod's volume whose name and portal are too long together; `path` is the volume's.
pub(crate) fn validate_iscsi_length(errors: &mut Errors, volume: &Value, path: &Path) {
    let (iscsi, name) = (volume.at("iscsi"), volume.text("name"));
    if iscsi.has("initiatorName") && name.len() + 1 + iscsi.text("targetPortal").len() > 64 {
        errors.push(FieldError::invalid(&path.child("name"), name, TOO_LONG_ISCSI));
    }
}

fn validate_iscsi_name(errors: &mut Errors, name: &str, persistent: bool, path: &Path) {
    let alphanumeric = |it: &str, length: usize| it.len() == length && it.bytes().all(|c| c.is_ascii_alphanumeric());
    let fits = match (name.get(..3), name.get(4..)) {
        (Some("iqn"), _) => is_iqn(name),
        (Some("eui"), Some(rest)) => alphanumeric(rest, 16),
        (Some("naa"), Some(rest)) => alphanumeric(rest, 32),
        (Some("eui" | "naa"), None) => false,
        _ => {
            let text = if persistent { IQN } else { "must be valid format starting with iqn, eui, or naa" };
            errors.push(FieldError::invalid(path, name, text));
            return;
        }
    };
    if !fits {
        errors.push(FieldError::invalid(path, name, IQN));
    }
}

/// `iqn.2001-04.com.example:storage`: a month, a host, a colon and a name.
fn is_iqn(name: &str) -> bool {
    let Some((host, target)) = name.split_once(':') else { return false };
    let parts: Vec<&str> = host.splitn(3, '.').collect();
    let [_, month, domain] = parts.as_slice() else { return false };
    let digits = |it: &str, length: usize| it.len() == length && it.bytes().all(|c| c.is_ascii_digit());
    let month_fits = month.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    let domain_fits =
        !domain.is_empty() && domain.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.'));
    let bad = |c: char| c.is_whitespace() || ",;*&$|".contains(c);
    month_fits && domain_fits && !target.is_empty() && !target.contains(bad)
}

fn validate_secret_ref(errors: &mut Errors, it: &Value, owner: Owner<'_>, path: &Path) {
    if it.has("secretRef") {
        let path = path.child("secretRef");
        check::text_needed(errors, it.at("secretRef"), "name", &path);
        if matches!(owner, Owner::PersistentVolume(_)) {
            check::text_needed(errors, it.at("secretRef"), "namespace", &path);
        }
    }
}

fn validate_storageos(errors: &mut Errors, it: &Value, owner: Owner<'_>, path: &Path) {
    if check::text_needed(errors, it, "volumeName", path) {
        check::label(errors, it.text("volumeName"), &path.child("volumeName"));
    }
    if !it.text("volumeNamespace").is_empty() {
        check::label(errors, it.text("volumeNamespace"), &path.child("volumeNamespace"));
    }
    validate_secret_ref(errors, it, owner, path);
}

fn validate_fc(errors: &mut Errors, it: &Value, path: &Path) {
    let (targets, ids) = (it.items("targetWWNs"), it.items("wwids"));
    let at = path.child("targetWWNs");
    if targets.is_empty() && ids.is_empty() {
        errors.push(FieldError::required(&at, "must specify either targetWWNs or wwids, but not both"));
    }
    if !targets.is_empty() && !ids.is_empty() {
        let text = "targetWWNs and wwids can not be specified simultaneously";
        errors.push(FieldError::invalid(&at, targets.to_vec(), text));
    }
    if !targets.is_empty() {
        let at = path.child("lun");
        match it.opt_int("lun") {
            None => errors.push(FieldError::required(&at, "lun is required if targetWWNs is specified")),
            Some(lun) => check::range(errors, lun, 0, 255, &at),
        }
    }
}

fn validate_flocker(errors: &mut Errors, it: &Value, path: &Path) {
    let (name, id) = (it.text("datasetName"), it.text("datasetUUID"));
    if name.is_empty() && id.is_empty() {
        errors.push(FieldError::required(path, "one of datasetName and datasetUUID is required"));
    }
    if !name.is_empty() && !id.is_empty() {
        let text = "datasetName and datasetUUID can not be specified simultaneously";
        errors.push(FieldError::invalid(path, "resource", text));
    }
    if name.contains('/') {
        errors.push(FieldError::invalid(&path.child("datasetName"), name, "must not contain '/'"));
    }
}

fn validate_flex(errors: &mut Errors, it: &Value, path: &Path) {
    check::text_needed(errors, it, "driver", path);
    for (key, _) in it.entries("options") {
        let domain = format!(".{}", key.split('/').next().unwrap_or_default().to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let text = "kubernetes.io and k8s.io namespaces are reserved";
            errors.push(FieldError::invalid(&path.child("options").key(key), key, text));
        }
    }
}

fn validate_quobyte(errors: &mut Errors, it: &Value, path: &Path) {
    let registry = it.text("registry");
    let text = "must be a host:port pair or multiple pairs separated by commas";
    if registry.is_empty() {
        errors.push(FieldError::required(&path.child("registry"), text));
    } else if it.text("tenant").len() >= 65 {
        let text = "must be a UUID and may not exceed a length of 64 characters";
        errors.push(FieldError::required(&path.child("tenant"), text));
    } else {
        for _ in registry.split(',').filter(|pair| !is_host_and_port(pair)) {
            errors.push(FieldError::invalid(&path.child("registry"), registry, text));
        }
    }
    check::text_needed(errors, it, "volume", path);
}

fn is_host_and_port(pair: &str) -> bool {
    match pair.strip_prefix('[') {
        Some(rest) => {
            rest.split_once("]:").is_some_and(|(host, port)| !host.contains(['[', ']']) && !port.contains(':'))
        }
        None => pair.matches(':').count() == 1 && !pair.contains(['[', ']']),
    }
}

fn validate_azure_disk(errors: &mut Errors, it: &Value, path: &Path) {
    check::text_needed(errors, it, "diskName", path);
    check::text_needed(errors, it, "diskURI", path);
    if it.has("cachingMode") {
        let modes = ["None", "ReadOnly", "ReadWrite"];
        check::one_of(errors, it.text("cachingMode"), &modes, &path.child("cachingMode"));
    }
    if !it.has("kind") {
        return;
    }
    let (kind, uri, at) = (it.text("kind"), it.text("diskURI"), path.child("diskURI"));
    check::one_of(errors, kind, &["Dedicated", "Managed", "Shared"], &path.child("kind"));
    if kind == "Managed" && !uri.starts_with("/subscriptions/") {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        errors.push(FieldError::not_supported(&at, uri, &[form]));
    }
    if kind != "Managed" && !uri.starts_with("https://") {
        let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        errors.push(FieldError::not_supported(&at, uri, &[form]));
    }
}

/// The name of a CSI driver.
pub(crate) fn validate_csi_driver(errors: &mut Errors, name: &str, path: &Path) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    if name.len() > 63 {
        errors.push(FieldError::too_long(path, 63));
    }
    let texts = k8s_types::names::dns1123_subdomain(&name.to_lowercase());
    errors.extend(k8s_types::names::invalid_each(path, name, texts));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(name: &str, it: &Value, owner: Owner<'_>) -> Vec<String> {
        let mut errors = Errors::new();
        assert!(validate(&mut errors, name, it, owner, &Path::new("v")));
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn iscsi_names() {
        let iqn = "iqn.2001-04.com.example:storage.kube.sys1.xyz";
        for (name, count) in [(iqn, 0), ("eui.0123456789abcdef", 0), ("eui.0", 1), ("x", 1), ("iqn.2001.a:b", 1)] {
            let it = json!({"targetPortal": "p", "iqn": name});
            assert_eq!(texts("iscsi", &it, Owner::Pod).len(), count, "{name}");
        }
        let it = json!({"targetPortal": "p".repeat(64), "iqn": iqn, "initiatorName": iqn});
        assert_eq!(texts("iscsi", &it, Owner::PersistentVolume("pv")).len(), 1);
    }

    #[test]
    fn persistent_volumes_name_the_namespace_of_secrets() {
        let it = json!({"volumeID": "a", "secretRef": {"name": "s"}});
        assert!(texts("cinder", &it, Owner::Pod).is_empty());
        assert_eq!(
            texts("cinder", &it, Owner::PersistentVolume("a")),
            ["v.cinder.secretRef.namespace: Required value"]
        );
    }

    #[test]
    fn forms_of_the_rest() {
        assert_eq!(texts("gcePersistentDisk", &json!({"partition": 256}), Owner::Pod).len(), 2);
        assert_eq!(texts("quobyte", &json!({"registry": "a:1,b", "volume": "v"}), Owner::Pod).len(), 1);
        assert_eq!(
            texts("flexVolume", &json!({"driver": "d", "options": {"kubernetes.io/x": ""}}), Owner::Pod).len(),
            1
        );
        assert_eq!(
            texts("azureDisk", &json!({"diskName": "a", "diskURI": "x", "kind": "Managed"}), Owner::Pod).len(),
            1
        );
        assert_eq!(texts("fc", &json!({"targetWWNs": ["a"], "wwids": ["b"]}), Owner::Pod).len(), 2);
        assert_eq!(texts("flocker", &json!({}), Owner::Pod).len(), 1);
    }
}
