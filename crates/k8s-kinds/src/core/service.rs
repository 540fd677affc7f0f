//! Service. Addresses and node ports are given out elsewhere; here is what may be asked for.

use super::check;
use super::service_addresses as addresses;
use crate::value::{self, Look, copy_field, items_mut, object_made, object_mut, same, set_default, set_default_zero};
use crate::{Context, Kind};
use k8s_types::names::{self, NameRule, validate_labels};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

pub use super::service_addresses::{needs_cluster_ip, needs_health_check_port, needs_node_port};

/// The kind.
#[derive(Debug)]
pub struct Service;

const AFFINITY_SECONDS: i64 = 10800;
const AFFINITY_SECONDS_MAX: i64 = 86400;
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";

/// Whether traffic from outside the cluster can come to a service.
fn is_external(spec: &Value) -> bool {
    match spec.text("type") {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !spec.items("externalIPs").is_empty(),
        _ => false,
    }
}

fn default_spec(spec: &mut Value) {
    set_default_zero(spec, "type", "ClusterIP");
    set_default_zero(spec, "sessionAffinity", "None");
    match spec.text("sessionAffinity") {
        "None" => value::remove(spec, "sessionAffinityConfig"),
        "ClientIP" if spec.look(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).is_null() => {
            value::set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}));
        }
        _ => {}
    }
    for port in items_mut(spec, "ports") {
        set_default_zero(port, "protocol", "TCP");
        let number = port.int("port");
        set_default_zero(port, "targetPort", number);
    }
    if is_external(spec) {
        set_default_zero(spec, "externalTrafficPolicy", "Cluster");
    }
    if needs_cluster_ip(spec) {
        set_default(spec, "internalTrafficPolicy", "Cluster");
    }
    if spec.text("type") == "LoadBalancer" {
        set_default(spec, "allocateLoadBalancerNodePorts", true);
    }
}

impl Kind for Service {
    fn name_rule(&self) -> NameRule {
        names::name_is_1035_label
    }

    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        let Some(spec) = object_made(object, "spec") else { return };
        default_spec(spec);
        let balanced = spec.text("type") == "LoadBalancer";
        let Some(status) = object_made(object, "status").and_then(|it| object_made(it, "loadBalancer")) else { return };
        for ingress in items_mut(status, "ingress") {
            if balanced && cx.minor >= 30 && !ingress.text("ip").is_empty() {
                set_default(ingress, "ipMode", "VIP");
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        value::set(object, "status", json!({"loadBalancer": {}}));
        if let Some(spec) = object_mut(object, "spec") {
            drop_disabled(spec, &Value::Null, cx);
            addresses::mirror(spec, None);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        if let Some(spec) = object_mut(object, "spec") {
            let before = old.at("spec");
            drop_disabled(spec, before, cx);
            addresses::keep_allocated(spec, before);
            addresses::mirror(spec, Some(before));
            addresses::release(spec, before);
        }
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_service(&mut errors, object, cx);
        validate_class(&mut errors, object.at("spec"), None);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, before) = (object.at("spec"), old.at("spec"));
        addresses::validate_change(&mut errors, spec, before);
        validate_class(&mut errors, spec, Some(before));
        let port = "healthCheckNodePort";
        if needs_health_check_port(before) && needs_health_check_port(spec) && before.int(port) != spec.int(port) {
            errors.push(FieldError::forbidden(&Path::new("spec").child(port), "field is immutable"));
        }
        validate_service(&mut errors, object, cx);
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let path = Path::new("status.loadBalancer.ingress");
        let ingress = object.look(&["status", "loadBalancer"]).items("ingress");
        if object.at("spec").text("type") != "LoadBalancer" && !ingress.is_empty() && cx.minor >= 29 {
            errors.push(FieldError::forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'"));
            return errors;
        }
        for (at, it) in ingress.iter().enumerate() {
            validate_ingress(&mut errors, it, &path.index(at), cx);
        }
        errors
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _cx: &Context<'_>) -> Vec<String> {
        let mut found = Vec::new();
        let spec = object.at("spec");
        if object.look(&["metadata", "annotations"]).has(HINTS) {
            found.push(format!("metadata.annotations[{HINTS}] is deprecated, please use {MODE} instead"));
        }
        if addresses::is_headless(spec) && spec.text("sessionAffinity") != "None" {
            found.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
        let external = spec.text("type") == "ExternalName";
        if external && !spec.items("externalIPs").is_empty() {
            found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
        }
        if !external && !spec.text("externalName").is_empty() {
            found.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
        }
        found
    }
}

fn drop_disabled(spec: &mut Value, before: &Value, cx: &Context<'_>) {
    if cx.minor < 31 && !before.has("trafficDistribution") {
        value::remove(spec, "trafficDistribution");
    }
}

fn validate_service(errors: &mut Errors, object: &Value, cx: &Context<'_>) {
    let (spec, path) = (object.at("spec"), Path::new("spec"));
    let annotations = object.look(&["metadata", "annotations"]);
    if annotations.has(HINTS) && annotations.has(MODE) && annotations.text(HINTS) != annotations.text(MODE) {
        let text = format!("must match annotations[{HINTS}] when both are specified");
        let at = Path::new("metadata.annotations").key(MODE);
        errors.push(FieldError::invalid(&at, annotations.text(MODE), &text));
    }
    let headless = addresses::is_headless(spec);
    let kind = spec.text("type");
    if spec.items("ports").is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required(&path.child("ports"), ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let text = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid(&path.child("clusterIPs").index(0), "None", &text));
        }
        "ExternalName" => validate_external_name(errors, spec, &path),
        _ => {}
    }
    validate_ports(errors, spec, &path.child("ports"));
    if let Some(selector) = spec.map("selector") {
        errors.extend(validate_labels(selector, &path.child("selector")));
    }
    validate_affinity(errors, spec, &path);
    addresses::validate(errors, spec);
    for (at, ip) in spec.texts("externalIPs").enumerate() {
        let path = path.child("externalIPs").index(at);
        if check::ip(errors, ip, &path).is_some() {
            check::non_special_ip(errors, ip, &path);
        }
    }
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    check::needed_one_of(errors, kind, &types, &path.child("type"));
    validate_node_ports(errors, spec, &path.child("ports"));
    validate_ranges(errors, spec, annotations, &path);
    validate_policies(errors, spec, &path, cx);
}

fn validate_external_name(errors: &mut Errors, spec: &Value, path: &Path) {
    let text = "may not be set for ExternalName services";
    for name in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !value::is_empty(spec.at(name)) {
            errors.push(FieldError::forbidden(&path.child(name), text));
        }
    }
    let (name, path) = (spec.text("externalName"), path.child("externalName"));
    match name.strip_suffix('.').unwrap_or(name) {
        "" => errors.push(FieldError::required(&path, "")),
        name => check::subdomain(errors, name, &path),
    }
}

fn validate_ports(errors: &mut Errors, spec: &Value, path: &Path) {
    let ports = spec.items("ports");
    for (at, port) in ports.iter().enumerate() {
        let path = path.index(at);
        let name = port.text("name");
        if !name.is_empty() {
            check::label(errors, name, &path.child("name"));
            if ports.iter().take(at).any(|it| it.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        } else if ports.len() > 1 {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        check::range(errors, port.int("port"), 1, 65535, &path.child("port"));
        check::needed_one_of(errors, port.text("protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"));
        check::port_or_name(errors, port.at("targetPort"), &path.child("targetPort"));
        if port.has("appProtocol") {
            check::qualified(errors, port.text("appProtocol"), &path.child("appProtocol"));
        }
    }
}

fn validate_node_ports(errors: &mut Errors, spec: &Value, path: &Path) {
    let ports = spec.items("ports");
    for (at, port) in ports.iter().enumerate().filter(|(_, it)| it.int("nodePort") != 0) {
        let path = path.index(at).child("nodePort");
        if spec.text("type") == "ClusterIP" {
            errors.push(FieldError::forbidden(&path, "may not be used when `type` is 'ClusterIP'"));
        }
        let same =
            |it: &Value| it.int("nodePort") == port.int("nodePort") && it.text("protocol") == port.text("protocol");
        if ports.iter().take(at).any(same) {
            errors.push(FieldError::duplicate(&path, port.int("nodePort")));
        }
    }
    for (at, port) in ports.iter().enumerate() {
        let same = |it: &Value| it.int("port") == port.int("port") && it.text("protocol") == port.text("protocol");
        if ports.iter().take(at).any(same) {
            let key = json!({"protocol": port.text("protocol"), "port": port.int("port"), "targetPort": 0});
            errors.push(FieldError::duplicate(&path.index(at), key));
        }
    }
}

fn validate_affinity(errors: &mut Errors, spec: &Value, path: &Path) {
    let affinity = spec.text("sessionAffinity");
    check::needed_one_of(errors, affinity, &["ClientIP", "None"], &path.child("sessionAffinity"));
    let path = path.child("sessionAffinityConfig");
    if affinity == "None" && spec.has("sessionAffinityConfig") {
        errors.push(FieldError::forbidden(&path, "must not be set when session affinity is None"));
    }
    if affinity == "ClientIP" {
        let path = path.child("clientIP.timeoutSeconds");
        match spec.look(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).as_i64() {
            None => errors.push(FieldError::required(&path, "when session affinity type is ClientIP")),
            Some(seconds) if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) => {
                let text = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                errors.push(FieldError::invalid(&path, seconds, &text));
            }
            Some(_) => {}
        }
    }
}

/// Where a load balancer lets traffic come from: a field, or the annotation that came before it.
fn validate_ranges(errors: &mut Errors, spec: &Value, annotations: &Value, path: &Path) {
    let only = "may only be used when `type` is 'LoadBalancer'";
    let balanced = spec.text("type") == "LoadBalancer";
    if !spec.items("loadBalancerSourceRanges").is_empty() {
        let path = path.child("LoadBalancerSourceRanges");
        if !balanced {
            errors.push(FieldError::forbidden(&path, only));
        }
        for (at, range) in spec.texts("loadBalancerSourceRanges").enumerate() {
            check::cidr(errors, range.trim(), &path.index(at));
        }
    } else if let Some(ranges) = annotations.at(RANGES).as_str() {
        let path = Path::new("metadata.annotations").key(RANGES);
        if !balanced {
            errors.push(FieldError::forbidden(&path, only));
        }
        for range in ranges.split(',').map(str::trim).filter(|_| !ranges.trim().is_empty()) {
            check::cidr(errors, range, &path);
        }
    }
}

fn validate_policies(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let balanced = spec.text("type") == "LoadBalancer";
    let allocate = "allocateLoadBalancerNodePorts";
    if spec.has(allocate) && !balanced {
        let text = "may only be used when `type` is 'LoadBalancer'";
        errors.push(FieldError::forbidden(&path.child(allocate), text));
    }
    if balanced && !spec.has(allocate) {
        errors.push(FieldError::required(&Path::new(allocate), ""));
    }
    let (policy, at) = (spec.text("externalTrafficPolicy"), path.child("externalTrafficPolicy"));
    if is_external(spec) {
        check::needed_one_of(errors, policy, &["Cluster", "Local"], &at);
    } else if !policy.is_empty() {
        errors.push(FieldError::invalid(&at, policy, "may only be set for externally-accessible services"));
    }
    let (port, at) = (spec.int("healthCheckNodePort"), path.child("healthCheckNodePort"));
    match (needs_health_check_port(spec), port) {
        (false, 0) => {}
        (false, port) => {
            let text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.push(FieldError::invalid(&at, port, text));
        }
        (true, 0) => errors.push(FieldError::required(&at, "")),
        (true, port) => check::range(errors, port, 1, 65535, &at),
    }
    let at = path.child("internalTrafficPolicy");
    if spec.has("internalTrafficPolicy") {
        check::one_of(errors, spec.text("internalTrafficPolicy"), &["Cluster", "Local"], &at);
    } else if needs_cluster_ip(spec) {
        errors.push(FieldError::required(&at, ""));
    }
    if spec.has("trafficDistribution") {
        // Two more ways came with 1.34.
        let supported: &[&str] =
            if cx.minor >= 34 { &["PreferClose", "PreferSameZone", "PreferSameNode"] } else { &["PreferClose"] };
        check::one_of(errors, spec.text("trafficDistribution"), supported, &path.child("trafficDistribution"));
    }
}

fn validate_class(errors: &mut Errors, spec: &Value, before: Option<&Value>) {
    let (class, path) = (spec.at("loadBalancerClass"), Path::new("spec.loadBalancerClass"));
    let balanced = |it: &Value| it.text("type") == "LoadBalancer";
    if before.is_some_and(|it| balanced(it) && balanced(spec) && !same(it.at("loadBalancerClass"), class)) {
        errors.push(FieldError::invalid(&path, class.clone(), "may not change once set"));
    }
    match class.as_str() {
        Some(class) if balanced(spec) => check::qualified(errors, class, &path),
        Some(_) => errors.push(FieldError::forbidden(&path, "may only be used when `type` is 'LoadBalancer'")),
        None => {}
    }
}

fn validate_ingress(errors: &mut Errors, it: &Value, path: &Path, cx: &Context<'_>) {
    let (ip, host, mode) = (it.text("ip"), it.text("hostname"), path.child("ipMode"));
    if !ip.is_empty() {
        check::ip(errors, ip, &path.child("ip"));
    }
    match (it.has("ipMode"), ip.is_empty()) {
        (false, false) if cx.minor >= 30 => {
            errors.push(FieldError::required(&mode, "must be specified when `ip` is set"));
        }
        (true, true) => errors.push(FieldError::forbidden(&mode, "may not be specified when `ip` is not set")),
        (true, false) => check::one_of(errors, it.text("ipMode"), &["Proxy", "VIP"], &mode),
        _ => {}
    }
    if !host.is_empty() {
        let path = path.child("hostname");
        check::subdomain(errors, host, &path);
        if check::parse_ip(host).is_some() {
            errors.push(FieldError::invalid(&path, host, "must be a DNS name, not an IP address"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    fn service(spec: Value) -> Value {
        let mut it = json!({"metadata": {"name": "s"}, "spec": spec});
        Service.default(&mut it, &CX);
        it
    }

    #[test]
    fn policies_come_with_types() {
        let it = service(json!({"type": "LoadBalancer", "ports": [{"port": 1}]}));
        assert_eq!(it["spec"]["externalTrafficPolicy"], "Cluster");
        assert_eq!(it["spec"]["allocateLoadBalancerNodePorts"], true);
        assert!(Service.validate(&it, &CX).is_empty());
        let it = service(json!({"type": "ExternalName", "externalName": "a.b."}));
        assert!(!it["spec"].has("internalTrafficPolicy") && Service.validate(&it, &CX).is_empty());
    }

    #[test]
    fn a_change_of_type_releases_what_it_no_longer_needs() {
        let old = service(json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ports": [{"port": 1, "nodePort": 30000}]}));
        let mut new = old.clone();
        new["spec"]["type"] = json!("ClusterIP");
        Service.prepare_for_update(&mut new, &old, &CX);
        assert!(!new["spec"]["ports"][0].has("nodePort") && !new["spec"].has("externalTrafficPolicy"));
        assert!(Service.validate_update(&new, &old, &CX).is_empty());
        new["spec"]["type"] = json!("ExternalName");
        new["spec"]["externalName"] = json!("a.b");
        Service.prepare_for_update(&mut new, &old, &CX);
        assert!(!new["spec"].has("clusterIP") && !new["spec"].has("clusterIPs"));
    }

    #[test]
    fn the_balancers_addresses() {
        let mut it = service(json!({"type": "LoadBalancer", "ports": [{"port": 1}]}));
        it["status"]["loadBalancer"] = json!({"ingress": [{"ip": "1.2.3.4"}, {"hostname": "1.2.3.4"}]});
        assert_eq!(Service.validate_status_update(&it, &it, &CX).len(), 2);
        Service.default(&mut it, &CX);
        assert_eq!(it["status"]["loadBalancer"]["ingress"][0]["ipMode"], "VIP");
    }
}
