//! What a pod's fields are where the client leaves them out.

use super::resources;
use crate::Context;
use crate::value::{self, Look, items_mut, object_made, object_mut, set_default, set_default_zero};
use serde_json::{Map, Value, json};

/// Lists of containers in a pod's spec.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// `0644`.
const FILE_MODE: u32 = 420;

/// Defaults of a pod's spec, which hold in pods and in templates.
pub(super) fn default_spec(spec: &mut Value, cx: &Context<'_>) {
    for volume in items_mut(spec, "volumes") {
        default_volume(volume, cx);
    }
    for list in CONTAINERS {
        for container in items_mut(spec, list) {
            default_container(container);
        }
    }
    set_default_zero(spec, "dnsPolicy", "ClusterFirst");
    set_default_zero(spec, "restartPolicy", "Always");
    set_default(spec, "securityContext", Map::new());
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default_zero(spec, "schedulerName", "default-scheduler");
    resources::default_list(object_mut(spec, "overhead"));
    if let Some(pod) = object_mut(spec, "resources") {
        resources::default_list(object_mut(pod, "limits"));
        resources::default_list(object_mut(pod, "requests"));
    }
    mirror_service_account(spec);
    // From 1.28 on a template keeps what the client wrote, and only the pod gets the ports.
    if cx.minor < 28 {
        default_host_ports(spec);
    }
}

/// Defaults that only a pod has, not a template.
pub(super) fn default_pod(spec: &mut Value, cx: &Context<'_>) {
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            let Some(it) = object_mut(container, "resources") else { continue };
            default_requests(it);
        }
    }
    if cx.minor >= 34 {
        default_pod_requests(spec);
    }
    set_default(spec, "enableServiceLinks", true);
    default_host_ports(spec);
}

/// The account's old name and its new one are one field.
fn mirror_service_account(spec: &mut Value) {
    let name = match (spec.text("serviceAccountName"), spec.text("serviceAccount")) {
        ("", "") => return,
        ("", old) => old.to_owned(),
        (name, old) if name == old => return,
        (name, _) => name.to_owned(),
    };
    value::set(spec, "serviceAccountName", name.as_str());
    value::set(spec, "serviceAccount", name);
}

/// On the host's network a container's port is the host's.
fn default_host_ports(spec: &mut Value) {
    if !spec.flag("hostNetwork") {
        return;
    }
    for list in ["containers", "initContainers"] {
        for port in items_mut(spec, list).iter_mut().flat_map(|it| items_mut(it, "ports")) {
            if port.int("hostPort") == 0 && port.int("containerPort") != 0 {
                let number = port.int("containerPort");
                value::set(port, "hostPort", number);
            }
        }
    }
}

/// What has a limit and no request requests its limit.
fn default_requests(resources: &mut Value) {
    let Some(limits) = resources.map("limits").filter(|it| !it.is_empty()).cloned() else { return };
    if let Some(requests) = object_made(resources, "requests") {
        for (name, limit) in limits {
            set_default(requests, &name, limit);
        }
    }
}

/// A pod with limits of its own requests what its containers request together, or else its limits.
fn default_pod_requests(spec: &mut Value) {
    let Some(limits) = spec.look(&["resources", "limits"]).as_object().filter(|it| !it.is_empty()).cloned() else {
        return;
    };
    let sums: Vec<(String, Value)> = super::totals::requests(spec)
        .into_iter()
        .filter(|(name, _)| resources::is_pod_level(name) && resources::is_overcommit_allowed(name))
        .map(|(name, amount)| (name, Value::String(amount.to_string())))
        .collect();
    let Some(requests) = object_mut(spec, "resources").and_then(|it| object_made(it, "requests")) else { return };
    for (name, amount) in sums {
        set_default(requests, &name, amount);
    }
    for (name, limit) in limits.into_iter().filter(|(name, _)| resources::is_pod_level(name)) {
        set_default(requests, &name, limit);
    }
}

fn default_container(container: &mut Value) {
    let policy = pull_policy(container.text("image"));
    set_default_zero(container, "imagePullPolicy", policy);
    set_default_zero(container, "terminationMessagePath", "/dev/termination-log");
    set_default_zero(container, "terminationMessagePolicy", "File");
    if let Some(it) = object_made(container, "resources") {
        resources::default_list(object_mut(it, "limits"));
        resources::default_list(object_mut(it, "requests"));
    }
    for port in items_mut(container, "ports") {
        set_default_zero(port, "protocol", "TCP");
    }
    for env in items_mut(container, "env") {
        if let Some(source) = object_mut(env, "valueFrom") {
            default_field_refs(source);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object_mut(container, probe) {
            default_probe(probe);
        }
    }
    if let Some(lifecycle) = object_mut(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = object_mut(lifecycle, hook) {
                default_handler(hook);
            }
        }
    }
}

fn default_probe(probe: &mut Value) {
    default_handler(probe);
    set_default_zero(probe, "timeoutSeconds", 1);
    set_default_zero(probe, "periodSeconds", 10);
    set_default_zero(probe, "successThreshold", 1);
    set_default_zero(probe, "failureThreshold", 3);
    if let Some(grpc) = object_mut(probe, "grpc") {
        set_default(grpc, "service", "");
    }
}

fn default_handler(handler: &mut Value) {
    if let Some(get) = object_mut(handler, "httpGet") {
        set_default_zero(get, "path", "/");
        set_default_zero(get, "scheme", "HTTP");
    }
}

/// References to the pod's own fields, in environments and in files.
fn default_field_refs(source: &mut Value) {
    if let Some(field) = object_mut(source, "fieldRef") {
        set_default_zero(field, "apiVersion", "v1");
    }
    if let Some(resource) = object_mut(source, "resourceFieldRef") {
        set_default(resource, "divisor", "0");
    }
}

fn default_volume(volume: &mut Value, cx: &Context<'_>) {
    let has_source =
        volume.as_object().is_some_and(|it| it.iter().any(|(key, value)| key != "name" && !value.is_null()));
    if !has_source {
        value::set(volume, "emptyDir", Map::new());
        return;
    }
    for (name, source) in volume.as_object_mut().into_iter().flatten() {
        if source.is_object() {
            default_source(name, source, cx);
        }
    }
}

fn default_source(name: &str, source: &mut Value, cx: &Context<'_>) {
    match name {
        "secret" | "configMap" => set_default(source, "defaultMode", FILE_MODE),
        "downwardAPI" => {
            set_default(source, "defaultMode", FILE_MODE);
            items_mut(source, "items").iter_mut().for_each(default_field_refs);
        }
        "projected" => {
            set_default(source, "defaultMode", FILE_MODE);
            items_mut(source, "sources").iter_mut().for_each(default_projection);
        }
        "hostPath" => set_default(source, "type", ""),
        "iscsi" => set_default_zero(source, "iscsiInterface", "default"),
        "rbd" => default_rbd(source),
        "azureDisk" => default_azure_disk(source),
        "scaleIO" => {
            set_default_zero(source, "storageMode", "ThinProvisioned");
            set_default_zero(source, "fsType", "xfs");
        }
        "image" => {
            let policy = pull_policy(source.text("reference"));
            set_default_zero(source, "pullPolicy", policy);
        }
        "ephemeral" => {
            if let Some(template) = object_mut(source, "volumeClaimTemplate") {
                default_template_meta(template, cx);
                super::claim::default_spec(template);
            }
        }
        _ => {}
    }
}

fn default_projection(source: &mut Value) {
    if let Some(token) = object_mut(source, "serviceAccountToken") {
        set_default(token, "expirationSeconds", 3600);
    }
    if let Some(fields) = object_mut(source, "downwardAPI") {
        items_mut(fields, "items").iter_mut().for_each(default_field_refs);
    }
}

/// Defaults of a Ceph block device, in a pod and as a volume of its own.
pub(super) fn default_rbd(source: &mut Value) {
    set_default_zero(source, "pool", "rbd");
    set_default_zero(source, "user", "admin");
    set_default_zero(source, "keyring", "/etc/ceph/keyring");
}

/// Defaults of an Azure disk, in a pod and as a volume of its own.
pub(super) fn default_azure_disk(source: &mut Value) {
    set_default(source, "cachingMode", "ReadWrite");
    set_default(source, "kind", "Shared");
    set_default(source, "fsType", "ext4");
    set_default(source, "readOnly", false);
}

/// Metadata inside a template: before 1.34 the server writes a time that nothing has.
pub(super) fn default_template_meta(template: &mut Value, cx: &Context<'_>) {
    if let Some(meta) = object_made(template, "metadata")
        && cx.minor < 34
    {
        value::set(meta, "creationTimestamp", json!(null));
    }
}

/// How an image is pulled: always, where its tag is `latest` or left out.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name.get(slash..).and_then(|last| last.find(':')) {
        Some(at) => (name.get(..slash + at).unwrap_or_default(), name.get(slash + at + 1..)),
        None => (name, None),
    };
    let latest = match (tag, digest) {
        (Some(tag), _) => tag == "latest",
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if latest && is_image_path(path) { "Always" } else { "IfNotPresent" }
}

/// Whether a path names an image: lower-case parts, of which the first may be a host. What names none has no tag.
fn is_image_path(path: &str) -> bool {
    let mut parts = path.split('/').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let host = first && parts.peek().is_some() && (part.contains(['.', ':']) || part == "localhost");
        first = false;
        let fits = |c: u8| match c {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => true,
            b'A'..=b'Z' | b':' | b'[' | b']' => host,
            _ => false,
        };
        let ends = |c: Option<&u8>| c.is_some_and(|c| host || c.is_ascii_alphanumeric());
        let bytes = part.as_bytes();
        if !(bytes.iter().all(|c| fits(*c)) && ends(bytes.first()) && ends(bytes.last())) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulling_depends_on_the_tag() {
        let always = ["i", "a/b", "reg.example:5000/i", "i:latest", "reg.example/x/i:latest"];
        let once = ["i:1", "i@sha256:aa", "reg:5000/i:1", " i ", "I", ""];
        assert!(always.iter().all(|it| pull_policy(it) == "Always"));
        assert!(once.iter().all(|it| pull_policy(it) == "IfNotPresent"));
    }

    #[test]
    fn a_pod_requests_its_limits_where_its_containers_request_nothing() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let mut spec = json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}, "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "300m"}}}, {"name": "b", "resources": {"requests": {"cpu": "200m"}}}]});
        default_pod(&mut spec, &cx);
        assert_eq!(spec.look(&["resources", "requests"]), &json!({"cpu": "500m", "memory": "1Gi"}));
    }
}
