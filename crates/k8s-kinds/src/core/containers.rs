//! Containers, init containers and ephemeral containers.

use super::resources::{self, Of};
use super::{check, env, mounts, probes, security};
use crate::Context;
use crate::value::{Look, is_empty};
use k8s_types::names;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// Pull policies of images.
pub(crate) const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
/// What an ephemeral container can't have.
const NOT_EPHEMERAL: [&str; 8] = [
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
];
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// What containers refer to in the rest of the pod.
pub(crate) struct Pod<'a> {
    /// Its spec.
    pub(crate) spec: &'a Value,
    /// Those of its volumes that nothing is wrong with.
    pub(crate) volumes: &'a [&'a Value],
    /// The names of its resource claims.
    pub(crate) claims: &'a [&'a str],
    /// Whether it shares the host's user namespace.
    pub(crate) host_users: bool,
}

impl Pod<'_> {
    fn grace(&self) -> Option<i64> {
        self.spec.opt_int("terminationGracePeriodSeconds")
    }
}

/// What is wrong with all of a pod's containers; `path` is the pod spec's.
pub(crate) fn validate(errors: &mut Errors, pod: &Pod<'_>, path: &Path, cx: &Context<'_>) {
    validate_regular(errors, pod, &path.child("containers"), cx);
    validate_init(errors, pod, &path.child("initContainers"), cx);
    validate_ephemeral(errors, pod, &path.child("ephemeralContainers"), cx);
}

fn validate_regular(errors: &mut Errors, pod: &Pod<'_>, path: &Path, cx: &Context<'_>) {
    let containers = pod.spec.items("containers");
    if containers.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    for (at, container) in containers.iter().enumerate() {
        let path = path.index(at);
        validate_common(errors, container, pod, &path, cx);
        duplicate_name(errors, container, containers.iter().take(at), &path);
        probes::validate(errors, container, pod.grace(), &path, cx);
        if container.has("restartPolicy") {
            let at = path.child("restartPolicy");
            if cx.minor >= 35 {
                check::one_of(errors, container.text("restartPolicy"), &["Always", "Never", "OnFailure"], &at);
            } else {
                errors.push(FieldError::forbidden(&at, "may not be set for non-init containers"));
            }
        }
    }
    host_port_conflicts(errors, containers, path);
}

fn validate_init(errors: &mut Errors, pod: &Pod<'_>, path: &Path, cx: &Context<'_>) {
    let containers = pod.spec.items("initContainers");
    for (at, container) in containers.iter().enumerate() {
        let item = path.index(at);
        validate_common(errors, container, pod, &item, cx);
        let sidecar = is_sidecar(container);
        if container.has("restartPolicy") {
            let supported: &[&str] = if cx.minor >= 35 { &["Always", "Never", "OnFailure"] } else { &["Always"] };
            check::one_of(errors, container.text("restartPolicy"), supported, &item.child("restartPolicy"));
        }
        let others = pod.spec.items("containers").iter().chain(containers.iter().take(at));
        duplicate_name(errors, container, others.filter(|it| !it.text("name").is_empty()), &item);
        host_port_conflicts(errors, std::slice::from_ref(container), path);
        if sidecar {
            probes::validate(errors, container, pod.grace(), &item, cx);
        } else {
            // Sidecars are known from 1.29 on, and the text with them.
            let text = if cx.minor >= 29 {
                "may not be set for init containers without restartPolicy=Always"
            } else {
                "must not be set for init containers"
            };
            for name in ["lifecycle"].into_iter().chain(PROBES).filter(|it| container.has(it)) {
                errors.push(FieldError::forbidden(&item.child(name), text));
            }
        }
        let resizable = sidecar && cx.minor >= 33;
        if !resizable && !container.items("resizePolicy").is_empty() {
            let policy = container.at("resizePolicy").clone();
            let text = "must not be set for init containers";
            errors.push(FieldError::invalid(&item.child("resizePolicy"), policy, text));
        }
    }
}

fn validate_ephemeral(errors: &mut Errors, pod: &Pod<'_>, path: &Path, cx: &Context<'_>) {
    let containers = pod.spec.items("ephemeralContainers");
    let others = || pod.spec.items("containers").iter().chain(pod.spec.items("initContainers"));
    for (at, container) in containers.iter().enumerate() {
        let path = path.index(at);
        validate_common(errors, container, pod, &path, cx);
        validate_image_form(errors, container, &path);
        duplicate_name(errors, container, others().chain(containers.iter().take(at)), &path);
        let target = container.text("targetContainerName");
        if !target.is_empty() && !others().any(|it| it.text("name") == target) {
            errors.push(FieldError::not_found(&path.child("targetContainerName"), target));
        }
        for name in NOT_EPHEMERAL.into_iter().filter(|it| !is_empty(container.at(it))) {
            let text = "cannot be set for an Ephemeral Container";
            errors.push(FieldError::forbidden(&path.child(name), text));
        }
        for (at, mount) in container.items("volumeMounts").iter().enumerate() {
            for name in ["subPath", "subPathExpr"].into_iter().filter(|it| !mount.text(it).is_empty()) {
                let path = path.child("volumeMounts").index(at).child(name);
                errors.push(FieldError::forbidden(&path, "cannot be set for an Ephemeral Container"));
            }
        }
    }
}

/// What is wrong with an image's name in a pod, where a template could still have it.
pub(crate) fn validate_image_form(errors: &mut Errors, container: &Value, path: &Path) {
    let image = container.text("image");
    if image.trim().len() != image.len() {
        let text = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(&path.child("image"), image, text));
    }
}

/// Whether an init container runs on beside the others.
pub(crate) fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}

fn duplicate_name<'a>(errors: &mut Errors, it: &Value, mut others: impl Iterator<Item = &'a Value>, path: &Path) {
    let name = it.text("name");
    if others.any(|other| other.text("name") == name) {
        errors.push(FieldError::duplicate(&path.child("name"), name));
    }
}

fn validate_common(errors: &mut Errors, it: &Value, pod: &Pod<'_>, path: &Path, cx: &Context<'_>) {
    if check::text_needed(errors, it, "name", path) {
        check::label(errors, it.text("name"), &path.child("name"));
    }
    check::text_needed(errors, it, "image", path);
    let policies = ["File", "FallbackToLogsOnError"];
    check::needed_one_of(
        errors,
        it.text("terminationMessagePolicy"),
        &policies,
        &path.child("terminationMessagePolicy"),
    );
    validate_ports(errors, it.items("ports"), &path.child("ports"));
    env::validate(errors, it, path, cx);
    mounts::validate(errors, it, pod.volumes, path);
    check::needed_one_of(errors, it.text("imagePullPolicy"), &PULL_POLICIES, &path.child("imagePullPolicy"));
    resources::validate_requirements(errors, it.at("resources"), Of::Container, pod.claims, &path.child("resources"));
    validate_resize(errors, it.items("resizePolicy"), pod.spec.text("restartPolicy"), &path.child("resizePolicy"));
    security::validate_container(errors, it.at("securityContext"), pod.host_users, &path.child("securityContext"));
}

fn validate_ports(errors: &mut Errors, ports: &[Value], path: &Path) {
    for (at, port) in ports.iter().enumerate() {
        let path = path.index(at);
        let name = port.text("name");
        if !name.is_empty() {
            let texts = names::port_name(name);
            if texts.is_empty() && ports.iter().take(at).any(|it| it.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
            errors.extend(names::invalid_each(&path.child("name"), name, texts));
        }
        match port.int("containerPort") {
            0 => errors.push(FieldError::required(&path.child("containerPort"), "")),
            number => check::range(errors, number, 1, 65535, &path.child("containerPort")),
        }
        if port.int("hostPort") != 0 {
            check::range(errors, port.int("hostPort"), 1, 65535, &path.child("hostPort"));
        }
        check::needed_one_of(errors, port.text("protocol"), &PROTOCOLS, &path.child("protocol"));
    }
}

/// Ports of the host that two of the containers want. Init containers come one by one, each counted from 0.
fn host_port_conflicts(errors: &mut Errors, containers: &[Value], path: &Path) {
    let mut taken: Vec<String> = Vec::new();
    for (at, container) in containers.iter().enumerate() {
        for (port_at, port) in container.items("ports").iter().enumerate() {
            let number = port.int("hostPort");
            if number == 0 {
                continue;
            }
            let shown = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
            if taken.contains(&shown) {
                let path = path.index(at).child("ports").index(port_at).child("hostPort");
                errors.push(FieldError::duplicate(&path, shown));
            } else {
                taken.push(shown);
            }
        }
    }
}

fn validate_resize(errors: &mut Errors, policies: &[Value], pod_restart: &str, path: &Path) {
    for (at, policy) in policies.iter().enumerate() {
        let (resource, restart) = (policy.text("resourceName"), policy.text("restartPolicy"));
        if policies.iter().take(at).any(|it| it.text("resourceName") == resource) {
            errors.push(FieldError::duplicate(&path.index(at), resource));
        }
        check::needed_one_of(errors, resource, &["cpu", "memory"], path);
        check::needed_one_of(errors, restart, &["NotRequired", "RestartContainer"], path);
        if pod_restart == "Never" && restart != "NotRequired" {
            let text = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(path, restart, text));
        }
    }
}

/// Every container of a pod with its path, init containers first.
pub(crate) fn visit<'a>(spec: &'a Value, path: &Path) -> Vec<(&'a Value, Path)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|list| {
            let path = path.child(list);
            spec.items(list).iter().enumerate().map(move |(at, it)| (it, path.index(at)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(spec: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        let pod = Pod { spec, volumes: &[], claims: &[], host_users: true };
        validate(&mut errors, &pod, &Path::new("spec"), &Context { minor: 34, version: "v1", now: "" });
        errors.iter().map(ToString::to_string).collect()
    }

    fn container(name: &str) -> Value {
        json!({"name": name, "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"})
    }

    #[test]
    fn names_are_unique_over_all_lists() {
        let spec = json!({"containers": [container("a")], "initContainers": [container("a")],
            "ephemeralContainers": [container("a")]});
        assert_eq!(
            texts(&spec),
            [
                "spec.initContainers[0].name: Duplicate value: \"a\"",
                "spec.ephemeralContainers[0].name: Duplicate value: \"a\""
            ]
        );
    }

    #[test]
    fn sidecars_have_probes_and_ephemeral_containers_nothing() {
        let mut it = container("b");
        it["livenessProbe"] = json!({"exec": {"command": ["a"]}, "successThreshold": 1});
        let init = |it: &Value| json!({"containers": [container("a")], "initContainers": [it]});
        assert_eq!(
            texts(&init(&it)),
            ["spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without \
                 restartPolicy=Always"]
        );
        it["restartPolicy"] = json!("Always");
        assert!(texts(&init(&it)).is_empty());
        let ephemeral = json!({"containers": [container("a")], "ephemeralContainers": [it]});
        assert_eq!(texts(&ephemeral).len(), 2);
    }
}
