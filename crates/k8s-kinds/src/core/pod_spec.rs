//! What is wrong with a pod's spec, in a pod or in a template.

use super::check;
use super::containers::{self, Pod};
use super::resources::{self, Of};
use super::{affinity, scheduling, security, totals, volumes, windows};
use crate::Context;
use crate::value::Look;
use k8s_types::names::{self, validate_labels};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_LENGTH_MAX: usize = 2048;
/// Linux takes no longer host names.
const HOSTNAME_MAX: usize = 64;

/// Whether the spec is a pod's own or in a template.
#[derive(Debug, Clone, Copy)]
pub(crate) enum In<'a> {
    /// The pod of this name.
    Pod(&'a str),
    /// A template of pods.
    Template,
}

/// Everything that is wrong with a pod's spec.
pub(crate) fn validate(errors: &mut Errors, spec: &Value, place: In<'_>, path: &Path, cx: &Context<'_>) {
    if !spec.has("terminationGracePeriodSeconds") {
        errors.push(FieldError::required(&path.child("terminationGracePeriodSeconds"), ""));
    }
    let name = if let In::Pod(name) = place { name } else { "" };
    let fine = volumes::validate(errors, spec, name, &path.child("volumes"), cx);
    let claims: Vec<&str> =
        spec.items("resourceClaims").iter().map(|it| it.text("name")).filter(|it| !it.is_empty()).collect();
    volumes::validate_resource_claims(errors, spec.items("resourceClaims"), &path.child("resourceClaims"));
    let pod = Pod { spec, volumes: &fine, claims: &claims, host_users: spec.at("hostUsers") != false };
    containers::validate(errors, &pod, path, cx);
    if cx.minor >= 34 {
        validate_pod_resources(errors, spec, &path.child("resources"));
    }
    validate_host_ports(errors, spec, matches!(place, In::Pod(_)), path);
    validate_basics(errors, spec, path);
    security::validate_pod(errors, spec, &path.child("securityContext"));
    affinity::validate(errors, spec.at("affinity"), &path.child("affinity"));
    validate_dns(errors, spec, &path.child("dnsConfig"), cx);
    for (at, gate) in spec.items("readinessGates").iter().enumerate() {
        let path = path.child("readinessGates").index(at).child("conditionType");
        check::qualified(errors, gate.text("conditionType"), &path);
    }
    scheduling::validate_gates(errors, spec.items("schedulingGates"), &path.child("schedulingGates"));
    let spread = path.child("topologySpreadConstraints");
    scheduling::validate_spread(errors, spec.items("topologySpreadConstraints"), &spread);
    windows::validate_host_process(errors, spec, path);
    validate_host_users(errors, spec, path);
    validate_names(errors, spec, path);
    errors.extend(scheduling::validate_tolerations(spec.items("tolerations"), &path.child("tolerations")));
    validate_host_aliases(errors, spec.items("hostAliases"), &path.child("hostAliases"));
    validate_class(errors, spec, path);
    windows::validate_os(errors, spec, path);
}

fn validate_basics(errors: &mut Errors, spec: &Value, path: &Path) {
    let policies = ["Always", "OnFailure", "Never"];
    check::needed_one_of(errors, spec.text("restartPolicy"), &policies, &path.child("restartPolicy"));
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    check::needed_one_of(errors, spec.text("dnsPolicy"), &policies, &path.child("dnsPolicy"));
    if let Some(selector) = spec.map("nodeSelector") {
        errors.extend(validate_labels(selector, &path.child("nodeSelector")));
    }
}

/// In a pod on the host's network every port is the host's; in a template it may still be left out.
fn validate_host_ports(errors: &mut Errors, spec: &Value, is_pod: bool, path: &Path) {
    if !spec.flag("hostNetwork") {
        return;
    }
    for (at, container) in spec.items("containers").iter().enumerate() {
        for (port_at, port) in container.items("ports").iter().enumerate() {
            let (host, own) = (port.int("hostPort"), port.int("containerPort"));
            if (is_pod || host != 0) && host != own {
                let path = path.child("containers").index(at).child("ports").index(port_at).child("hostPort");
                let text = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&path, host, text));
            }
        }
    }
}

fn validate_dns(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let config = spec.at("dnsConfig");
    let servers = config.items("nameservers");
    if spec.text("dnsPolicy") == "None" {
        if config.is_null() {
            errors.push(FieldError::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if servers.is_empty() {
            let text = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(FieldError::required(&path.child("nameservers"), text));
            return;
        }
    }
    if servers.len() > NAMESERVERS_MAX {
        let text = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        errors.push(FieldError::invalid(&path.child("nameservers"), servers.to_vec(), &text));
    }
    for (at, server) in config.texts("nameservers").enumerate() {
        check::ip(errors, server, &path.child("nameservers").index(at));
    }
    let (searches, at) = (config.items("searches"), path.child("searches"));
    if searches.len() > SEARCHES_MAX {
        let text = format!("must not have more than {SEARCHES_MAX} search paths");
        errors.push(FieldError::invalid(&at, searches.to_vec(), &text));
    }
    let length = config.texts("searches").map(|it| it.len() + 1).sum::<usize>().saturating_sub(1);
    if length > SEARCH_LENGTH_MAX {
        let text =
            format!("must not have more than {SEARCH_LENGTH_MAX} characters (including spaces) in the search list");
        errors.push(FieldError::invalid(&at, searches.to_vec(), &text));
    }
    for (index, search) in config.texts("searches").enumerate() {
        // From 1.33 on the root and labels with underscores are fine.
        let relaxed = cx.minor >= 33;
        if relaxed && search == "." {
            continue;
        }
        let rule = if relaxed { names::dns1123_subdomain_with_underscore } else { names::dns1123_subdomain };
        check::rule(errors, search.strip_suffix('.').unwrap_or(search), &at.index(index), rule);
    }
    for (at, option) in config.items("options").iter().enumerate() {
        if option.text("name").is_empty() {
            errors.push(FieldError::required(&path.child("options").index(at), "must not be empty"));
        }
    }
}

/// A pod with its own user namespace shares no other with its host.
fn validate_host_users(errors: &mut Errors, spec: &Value, path: &Path) {
    if spec.at("hostUsers") != false {
        return;
    }
    for (flag, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.flag(flag) {
            errors.push(FieldError::forbidden(&path.child(shown), "when `pod.Spec.HostUsers` is false"));
        }
    }
}

fn validate_names(errors: &mut Errors, spec: &Value, path: &Path) {
    for name in ["serviceAccountName", "nodeName"] {
        if !spec.text(name).is_empty() {
            check::subdomain(errors, spec.text(name), &path.child(name));
        }
    }
    if let Some(seconds) = spec.opt_int("activeDeadlineSeconds") {
        check::range(errors, seconds, 1, i64::from(i32::MAX), &path.child("activeDeadlineSeconds"));
    }
    let host = spec.text("hostnameOverride");
    if !host.is_empty() {
        let at = path.child("hostnameOverride");
        check::subdomain(errors, host, &at);
        if host.len() > HOSTNAME_MAX {
            errors.push(FieldError::too_long(&at, HOSTNAME_MAX));
        }
    }
    for name in ["hostname", "subdomain"] {
        if !spec.text(name).is_empty() {
            check::label(errors, spec.text(name), &path.child(name));
        }
    }
}

fn validate_host_aliases(errors: &mut Errors, aliases: &[Value], path: &Path) {
    for (at, alias) in aliases.iter().enumerate() {
        let path = path.index(at);
        check::ip(errors, alias.text("ip"), &path.child("ip"));
        for (at, name) in alias.texts("hostnames").enumerate() {
            check::subdomain(errors, name, &path.child("hostnames").index(at));
        }
    }
}

fn validate_class(errors: &mut Errors, spec: &Value, path: &Path) {
    if !spec.text("priorityClassName").is_empty() {
        check::subdomain(errors, spec.text("priorityClassName"), &path.child("priorityClassName"));
    }
    if spec.has("runtimeClassName") {
        check::subdomain(errors, spec.text("runtimeClassName"), &path.child("runtimeClassName"));
    }
    if spec.has("preemptionPolicy") {
        let policies = ["PreemptLowerPriority", "Never"];
        check::needed_one_of(errors, spec.text("preemptionPolicy"), &policies, &path.child("preemptionPolicy"));
    }
    if spec.has("overhead") {
        let overhead = serde_json::json!({"limits": spec.at("overhead")});
        resources::validate_requirements(errors, &overhead, Of::Container, &[], &path.child("overhead"));
    }
}

/// What a pod asks for as a whole is enough for its containers.
fn validate_pod_resources(errors: &mut Errors, spec: &Value, path: &Path) {
    let own = spec.at("resources");
    if own.is_null() {
        return;
    }
    if own.has("claims") {
        let text = "claims cannot be set for Resources at pod-level";
        errors.push(FieldError::forbidden(&path.child("claims"), text));
    }
    resources::validate_requirements(errors, own, Of::Pod, &[], path);
    for (name, sum) in totals::requests(spec) {
        if !resources::is_pod_level(&name) {
            continue;
        }
        let pod = resources::quantity(own.at("requests").at(&name));
        if sum > pod {
            let text = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.push(FieldError::invalid(&path.child("requests").key(&name), pod.to_string(), &text));
        }
    }
    for (at, container) in spec.items("containers").iter().enumerate() {
        for (name, limit) in container.at("resources").entries("limits") {
            let (limit, pod) = (resources::quantity(limit), own.at("limits").at(name));
            if !pod.is_null() && limit > resources::quantity(pod) {
                let text = format!("must be less than or equal to pod limits of {}", resources::quantity(pod));
                let path = path.child("containers").index(at).key(name).child("limits");
                errors.push(FieldError::invalid(&path, limit.to_string(), &text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    fn texts(patch: &Value) -> Vec<String> {
        let mut spec = json!({"containers": [{"name": "c", "image": "i"}]});
        for (name, value) in patch.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        super::super::pod_defaults::default_spec(&mut spec, &CX);
        let mut errors = Errors::new();
        validate(&mut errors, &spec, In::Template, &Path::new("spec"), &CX);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_defaulted_spec_is_fine() {
        assert!(texts(&json!({})).is_empty());
    }

    #[test]
    fn dns_of_ones_own_needs_servers() {
        assert_eq!(
            texts(&json!({"dnsPolicy": "None", "dnsConfig": {}})),
            [
                "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is \
                 None"
            ]
        );
        assert!(texts(&json!({"dnsConfig": {"searches": [".", "_a.b"], "nameservers": ["10.0.0.1"]}})).is_empty());
    }

    #[test]
    fn a_pods_resources_hold_its_containers() {
        let container =
            json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}});
        let found =
            texts(&json!({"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, "containers": [container]}));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn own_users_exclude_host_namespaces() {
        assert_eq!(texts(&json!({"hostUsers": false, "hostPID": true})).len(), 1);
    }
}
