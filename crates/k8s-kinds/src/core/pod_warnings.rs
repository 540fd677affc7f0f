//! What a client is warned of in pods and templates: what is deprecated, and what won't do what it seems to.

use super::containers;
use super::resources::quantity;
use crate::Context;
use crate::value::Look;
use k8s_types::Path;
use k8s_types::status::quote;
use serde_json::Value;

/// Labels of nodes that have new names.
const OLD_LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
];

/// Sources of volumes that no longer work, by the first minor that says so.
const OLD_SOURCES: [(&str, &str, u8); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+", 0),
    ("gitRepo", "deprecated in v1.11", 0),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+", 0),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+", 0),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+", 0),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+", 0),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+", 25),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+", 28),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+", 28),
];

/// Annotations that fields have taken the place of.
const OLD_ANNOTATIONS: [(&str, &str, u8); 5] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
        0,
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead", 0),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead", 0),
    (
        "seccomp.security.alpha.kubernetes.io/pod",
        "non-functional in v1.27+; use the \"seccompProfile\" field instead",
        27,
    ),
    (
        "container.seccomp.security.alpha.kubernetes.io/",
        "non-functional in v1.27+; use the \"seccompProfile\" field instead",
        27,
    ),
];

/// All warnings about a pod or a template (what has `metadata` and `spec`); `path` leads to it.
pub(crate) fn warnings(it: &Value, path: &Path, cx: &Context<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let (spec, spec_path) = (it.at("spec"), path.child("spec"));
    for (key, _) in spec.entries("nodeSelector") {
        if let Some(text) = old_label(key) {
            found.push(format!("{}: {text}", spec_path.child("nodeSelector").key(key)));
        }
    }
    affinity(&mut found, spec.look(&["affinity", "nodeAffinity"]), &spec_path.child("affinity.nodeAffinity"));
    for (at, constraint) in spec.items("topologySpreadConstraints").iter().enumerate() {
        let key = constraint.text("topologyKey");
        if let Some(text) = old_label(key) {
            let path = spec_path.child("topologySpreadConstraints").index(at).child("topologyKey");
            found.push(format!("{path}: {key} is {text}"));
        }
    }
    annotations(&mut found, it.at("metadata"), &path.child("metadata.annotations"), cx);
    volumes(&mut found, spec.items("volumes"), &spec_path.child("volumes"), cx);
    let aliases = spec.items("hostAliases");
    for (at, alias) in aliases.iter().enumerate() {
        if aliases.iter().take(at).any(|other| other.text("ip") == alias.text("ip")) {
            let path = spec_path.child("hostAliases").index(at).child("ip");
            found.push(format!("{path}: duplicate ip {}", quote(alias.text("ip"))));
        }
    }
    let secrets = spec.items("imagePullSecrets");
    for (at, secret) in secrets.iter().enumerate() {
        let (name, path) = (secret.text("name"), spec_path.child("imagePullSecrets").index(at));
        if name.is_empty() {
            found.push(format!("{}: invalid empty name \"\"", path.child("name")));
        } else if secrets.iter().take(at).any(|other| other.text("name") == name) {
            found.push(format!("{}: duplicate name {}", path.child("name"), quote(name)));
        }
    }
    amounts(&mut found, spec.at("overhead"), &spec_path.child("overhead"));
    for (container, path) in containers::visit(spec, &spec_path) {
        of_container(&mut found, container, &path);
    }
    if spec.opt_int("terminationGracePeriodSeconds").is_some_and(|it| it < 0) {
        let path = spec_path.child("terminationGracePeriodSeconds");
        found.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    found
}

fn old_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(old, _)| *old == key).map(|(_, text)| *text)
}

fn affinity(found: &mut Vec<String>, node: &Value, path: &Path) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let terms = node
        .at(required)
        .items("nodeSelectorTerms")
        .iter()
        .enumerate()
        .map(|(at, term)| (term, path.child(required).child("nodeSelectorTerms").index(at)));
    let wishes = node
        .items(preferred)
        .iter()
        .enumerate()
        .map(|(at, term)| (term.at("preference"), path.child(preferred).index(at).child("preference")));
    for (term, path) in terms.chain(wishes) {
        for (at, it) in term.items("matchExpressions").iter().enumerate() {
            let key = it.text("key");
            if let Some(text) = old_label(key) {
                found.push(format!("{}: {key} is {text}", path.child("matchExpressions").index(at).child("key")));
            }
        }
    }
}

fn annotations(found: &mut Vec<String>, meta: &Value, path: &Path, cx: &Context<'_>) {
    for (key, _) in meta.entries("annotations") {
        let old = OLD_ANNOTATIONS.iter().find(|(old, _, since)| {
            *since <= cx.minor && (*old == key || (old.ends_with('/') && key.starts_with(old)))
        });
        if let Some((_, text, _)) = old {
            found.push(format!("{}: {text}", path.key(key)));
        }
        if key.starts_with(super::security::APPARMOR_PREFIX) && cx.minor >= 30 {
            found.push(format!("{}: deprecated since v1.30; use the \"appArmorProfile\" field instead", path.key(key)));
        }
    }
}

fn volumes(found: &mut Vec<String>, volumes: &[Value], path: &Path, cx: &Context<'_>) {
    for (at, volume) in volumes.iter().enumerate() {
        let path = path.index(at);
        for (name, text, since) in OLD_SOURCES.iter().filter(|(name, _, _)| volume.has(name)) {
            let disabled = *name == "gitRepo" && cx.minor >= 33;
            let tail = if disabled { ", and disabled by default in v1.33+" } else { "" };
            if *since <= cx.minor {
                found.push(format!("{}: {text}{tail}", path.child(name)));
            }
        }
        let requests = volume.look(&["ephemeral", "volumeClaimTemplate", "spec", "resources", "requests"]);
        amounts(found, requests, &path.child("ephemeral.volumeClaimTemplate.spec.resources.requests"));
    }
}

fn of_container(found: &mut Vec<String>, container: &Value, path: &Path) {
    for part in ["limits", "requests"] {
        amounts(found, container.at("resources").at(part), &path.child("resources").child(part));
    }
    let env = container.items("env");
    for (at, variable) in env.iter().enumerate() {
        let name = variable.text("name");
        let refers = variable.text("value").contains(&format!("$({name})"));
        if !refers && env.iter().take(at).any(|other| other.text("name") == name) {
            found.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                path.child("env").index(at),
                quote(name)
            ));
        }
    }
}

/// Bytes come whole.
fn amounts(found: &mut Vec<String>, list: &Value, path: &Path) {
    for (name, value) in list.as_object().into_iter().flatten() {
        let whole =
            matches!(name.as_str(), "memory" | "ephemeral-storage" | "storage") || name.starts_with("hugepages-");
        let amount = quantity(value);
        if whole && amount.milli_value() % 1000 != 0 {
            let shown = quote(&amount.to_string());
            found.push(format!("{}: fractional byte value {shown} is invalid, must be an integer", path.key(name)));
        }
    }
}

/// A persistent volume's source, a claim's or a volume's amounts.
pub(crate) fn storage_warnings(spec: &Value, amounts_at: &[&str], cx: &Context<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let path = Path::new("spec");
    for (name, text, since) in OLD_SOURCES.iter().filter(|(name, _, _)| spec.has(name)) {
        if *since <= cx.minor {
            found.push(format!("{}: {text}", path.child(name)));
        }
    }
    amounts(&mut found, spec.look(amounts_at), &amounts_at.iter().fold(path, |path, step| path.child(step)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_old_is_told() {
        let it = json!({"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}},
            "spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "volumes": [{"name": "a", "gitRepo": {}}],
                "containers": [{"name": "c", "resources": {"limits": {"memory": "1500m"}},
                    "env": [{"name": "A"}, {"name": "A", "value": "x"}, {"name": "A", "value": "$(A)"}]}]}});
        let cx = Context { minor: 34, version: "v1", now: "" };
        assert_eq!(
            warnings(&it, &Path::default(), &cx),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the \
                 \"seccompProfile\" field instead",
                "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
                "spec.containers[0].resources.limits[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
                "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply"
            ]
        );
    }
}
