//! The checks that the level restricted adds, in the order of their names.

use super::baseline::{proc_mount, seccomp_fields};
use super::check::{Pod, Violation, containers, context, plural, quoted, setters};
use k8s_kinds::value::Look;
use serde_json::Value;
use std::collections::BTreeSet;

/// All that a pod does against it.
pub(super) fn check(pod: &Pod<'_>) -> Vec<Violation> {
    // Since 1.35 it counts here even for a pod with users of its own.
    let mount = if pod.version < 35 { None } else { proc_mount(pod) };
    let found = [escalation(pod), capabilities(pod), mount, volumes(pod), non_root(pod), root(pod), seccomp(pod)];
    found.into_iter().flatten().collect()
}

fn escalation(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 8 || pod.is_for_windows() {
        return None;
    }
    let names = pod.guilty(|it| context(it).at("allowPrivilegeEscalation").as_bool() != Some(false));
    (!names.is_empty()).then(|| {
        let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
        Violation::new("allowPrivilegeEscalation != false", detail)
    })
}

fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 22 || pod.is_for_windows() {
        return None;
    }
    let added = |it: &'_ Value| -> Vec<String> {
        let added = context(it).at("capabilities").texts("add").filter(|it| *it != "NET_BIND_SERVICE");
        added.map(str::to_owned).collect()
    };
    let keeping = pod.guilty(|it| !context(it).at("capabilities").texts("drop").any(|it| it == "ALL"));
    let adding = pod.guilty(|it| !added(it).is_empty());
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    }
    if !adding.is_empty() {
        let all: BTreeSet<String> = pod.containers().flat_map(added).collect();
        let all = quoted(all);
        details.push(format!("{} must not include {all} in securityContext.capabilities.add", containers(&adding)));
    }
    (!details.is_empty()).then(|| Violation::new("unrestricted capabilities", details.join("; ")))
}

/// What pods may have as volumes.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

fn volumes(pod: &Pod<'_>) -> Option<Violation> {
    // Images are volumes like these since 1.33, whatever version is asked for.
    let fine = |it: &Value| VOLUMES.iter().any(|kind| it.has(kind)) || pod.server >= 33 && it.has("image");
    let wrong = |it: &&Value| !fine(it);
    let wrong: Vec<&Value> = pod.spec.items("volumes").iter().filter(wrong).collect();
    let names: Vec<&str> = wrong.iter().map(|it| it.text("name")).collect();
    let kind = |it: &&Value| it.as_object()?.keys().find(|it| *it != "name").cloned();
    let kinds: BTreeSet<String> = wrong.iter().map(|it| kind(it).unwrap_or_else(|| "unknown".to_owned())).collect();
    (!names.is_empty()).then(|| {
        let what = plural("volume", "volumes", names.len());
        let uses = plural("uses", "use", names.len());
        let sort = plural("restricted volume type", "restricted volume types", kinds.len());
        Violation::new("restricted volume types", format!("{what} {} {uses} {sort} {}", quoted(&names), quoted(&kinds)))
    })
}

fn non_root(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() {
        return None;
    }
    let said = |it: &Value| context(it).at("runAsNonRoot").as_bool();
    let own = said(pod.spec);
    let reason = "runAsNonRoot != true";
    if let Some(guilty) = setters(own == Some(false), &pod.guilty(|it| said(it) == Some(false))) {
        return Some(Violation::new(reason, format!("{guilty} must not set securityContext.runAsNonRoot=false")));
    }
    let silent = pod.guilty(|it| own != Some(true) && said(it).is_none());
    (!silent.is_empty()).then(|| {
        Violation::new(reason, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent)))
    })
}

fn root(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 23 || pod.has_own_users() {
        return None;
    }
    let set = |it: &Value| context(it).opt_int("runAsUser") == Some(0);
    let guilty = setters(set(pod.spec), &pod.guilty(set))?;
    Some(Violation::new("runAsUser=0", format!("{guilty} must not set runAsUser=0")))
}

fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 19 || pod.is_for_windows() {
        return None;
    }
    if let Some(found) = seccomp_fields(pod) {
        return Some(found);
    }
    // What is set is harmless by now.
    let set = |it: &Value| context(it).has("seccompProfile");
    let silent = if set(pod.spec) { Vec::new() } else { pod.guilty(|it| !set(it)) };
    (!silent.is_empty()).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&silent)
        );
        Violation::new("seccompProfile", detail)
    })
}
