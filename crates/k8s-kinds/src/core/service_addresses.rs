//! A service's cluster addresses and node ports: what a type needs, what a change keeps and releases.

use super::check;
use crate::value::{self, Look, copy_field, items_mut, same};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};
use std::net::IpAddr;

const ONCE: &str = "may not change once set";

/// Whether a service's type comes with an address in the cluster.
pub fn needs_cluster_ip(spec: &Value) -> bool {
    matches!(spec.text("type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether a service's ports are open on every node.
pub fn needs_node_port(spec: &Value) -> bool {
    match spec.text("type") {
        "NodePort" => true,
        "LoadBalancer" => spec.at("allocateLoadBalancerNodePorts") != false,
        _ => false,
    }
}

/// Whether a load balancer asks the nodes for their health.
pub fn needs_health_check_port(spec: &Value) -> bool {
    spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local"
}

/// Whether a service has no address on purpose.
pub(super) fn is_headless(spec: &Value) -> bool {
    let mut ips = spec.texts("clusterIPs");
    ips.next() == Some("None") && ips.next().is_none()
}

/// Clients that know one address only mean the list too.
pub(super) fn mirror(spec: &mut Value, before: Option<&Value>) {
    let ip = spec.text("clusterIP").to_owned();
    let Some(before) = before else {
        if !ip.is_empty() && spec.items("clusterIPs").is_empty() {
            value::set(spec, "clusterIPs", json!([ip]));
        }
        return;
    };
    if ip == before.text("clusterIP") {
        return;
    }
    let unchanged = same(spec.at("clusterIPs"), before.at("clusterIPs"));
    if ip.is_empty() && unchanged {
        value::remove(spec, "clusterIPs");
    } else if !ip.is_empty() && (unchanged || spec.items("clusterIPs").is_empty()) {
        value::set(spec, "clusterIPs", json!([ip]));
    }
}

/// What was given out and the client leaves out stays.
pub(super) fn keep_allocated(spec: &mut Value, before: &Value) {
    if needs_cluster_ip(before) && needs_cluster_ip(spec) {
        if spec.text("clusterIP").is_empty() && before.has("clusterIP") {
            copy_field(spec, before, "clusterIP");
        }
        if spec.items("clusterIPs").is_empty() && spec.text("clusterIP") == before.text("clusterIP") {
            copy_field(spec, before, "clusterIPs");
        }
    }
    if needs_node_port(before) && needs_node_port(spec) {
        let mut taken: Vec<i64> =
            spec.items("ports").iter().map(|it| it.int("nodePort")).filter(|port| *port != 0).collect();
        for port in items_mut(spec, "ports").iter_mut().filter(|it| it.int("nodePort") == 0) {
            let same =
                |old: &&Value| old.text("protocol") == port.text("protocol") && old.int("port") == port.int("port");
            let old = before.items("ports").iter().find(same).map_or(0, |it| it.int("nodePort"));
            if old != 0 && !taken.contains(&old) {
                taken.push(old);
                value::set(port, "nodePort", old);
            }
        }
    }
    let health = "healthCheckNodePort";
    if needs_health_check_port(before) && needs_health_check_port(spec) && spec.int(health) == 0 {
        copy_field(spec, before, health);
    }
}

/// What the new type does not need is released, unless the client asks for something else there.
pub(super) fn release(spec: &mut Value, before: &Value) {
    if needs_cluster_ip(before) && !needs_cluster_ip(spec) {
        let kept = |name: &str, spec: &Value| same(spec.at(name), before.at(name));
        if kept("clusterIP", spec) && kept("clusterIPs", spec) {
            value::remove(spec, "clusterIP");
            value::remove(spec, "clusterIPs");
        }
        for name in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if kept(name, spec) {
                value::remove(spec, name);
            }
        }
    }
    let ports = |spec: &Value| -> Vec<i64> {
        let mut ports: Vec<i64> =
            spec.items("ports").iter().map(|it| it.int("nodePort")).filter(|it| *it != 0).collect();
        ports.sort_unstable();
        ports
    };
    if needs_node_port(before) && !needs_node_port(spec) && ports(spec) == ports(before) {
        for port in items_mut(spec, "ports") {
            value::remove(port, "nodePort");
        }
    }
    let mut release = |needed: fn(&Value) -> bool, name: &str| {
        if needed(before) && !needed(spec) && same(spec.at(name), before.at(name)) {
            value::remove(spec, name);
        }
    };
    let balanced: fn(&Value) -> bool = |it| it.text("type") == "LoadBalancer";
    let external: fn(&Value) -> bool =
        |it| matches!(it.text("type"), "NodePort" | "LoadBalancer") || !it.items("externalIPs").is_empty();
    release(needs_health_check_port, "healthCheckNodePort");
    release(balanced, "allocateLoadBalancerNodePorts");
    release(balanced, "loadBalancerClass");
    release(external, "externalTrafficPolicy");
}

/// What is wrong with the addresses that a service asks for.
pub(super) fn validate(errors: &mut Errors, spec: &Value) {
    if spec.text("type") == "ExternalName" {
        return;
    }
    let path = Path::new("spec.clusterIPs");
    let (ip, ips) = (spec.text("clusterIP"), spec.items("clusterIPs"));
    let list = || spec.at("clusterIPs").clone();
    match ips.first().and_then(Value::as_str) {
        None if !ip.is_empty() => errors.push(FieldError::required(&path, "")),
        Some(_) if ip.is_empty() => {
            errors.push(FieldError::invalid(&path, list(), "must be empty when `clusterIP` is not specified"));
        }
        Some(first) if first != ip => {
            errors.push(FieldError::invalid(&path, list(), "first value must match `clusterIP`"));
        }
        _ => {}
    }
    validate_families(errors, spec);
    let mut parsed: Vec<IpAddr> = Vec::new();
    let mut bad = false;
    for (at, ip) in spec.texts("clusterIPs").enumerate() {
        if at == 0 && ip == "None" {
            if ips.len() > 1 {
                bad = true;
                errors.push(FieldError::invalid(&path, list(), "'None' must be the first and only value"));
            }
            continue;
        }
        match check::ip(errors, ip, &path.index(at)) {
            Some(ip) => parsed.push(ip),
            None => bad = true,
        }
    }
    if ips.len() > 2 {
        errors.push(FieldError::invalid(&path, list(), "may only hold up to 2 values"));
    }
    if bad {
        return;
    }
    if ips.len() > 1 && !check::is_dual_stack(&parsed) {
        errors.push(FieldError::invalid(&path, list(), "may specify no more than one IP for each IP family"));
    }
    for (at, (ip, family)) in parsed.iter().zip(spec.texts("ipFamilies")).enumerate() {
        let fits = match family {
            "IPv4" => ip.is_ipv4(),
            "IPv6" => ip.is_ipv6(),
            _ => true,
        };
        if !fits {
            let text = format!("expected an {family} value as indicated by `ipFamilies[{at}]`");
            let shown = ips.get(at).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(&path.index(at), shown, &text));
        }
    }
}

fn validate_families(errors: &mut Errors, spec: &Value) {
    let families = spec.items("ipFamilies");
    for (at, family) in spec.texts("ipFamilies").enumerate() {
        let path = Path::new("spec.ipFamilies").index(at);
        check::one_of(errors, family, &["IPv4", "IPv6"], &path);
        if families.iter().take(at).any(|it| it == family) {
            errors.push(FieldError::duplicate(&path, family));
        }
    }
    if spec.has("ipFamilyPolicy") {
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        check::one_of(errors, spec.text("ipFamilyPolicy"), &policies, &Path::new("spec.ipFamilyPolicy"));
    }
}

/// What is wrong with a change of addresses: a second one may come and go, the first stays.
pub(super) fn validate_change(errors: &mut Errors, spec: &Value, before: &Value) {
    if spec.text("type") == "ExternalName" || before.text("type") == "ExternalName" {
        return;
    }
    let (now_headless, was_headless) = (is_headless(spec), is_headless(before));
    if now_headless && was_headless {
        return;
    }
    validate_list(errors, spec, before, "clusterIPs", "clusterIP");
    if !now_headless && !was_headless {
        validate_list(errors, spec, before, "ipFamilies", "ipFamily");
    }
}

fn validate_list(errors: &mut Errors, spec: &Value, before: &Value, name: &str, one: &str) {
    let path = Path::new("spec").child(name);
    let (new, old) = (spec.items(name), before.items(name));
    let mut push =
        |at: usize, text: &str| errors.push(FieldError::invalid(&path.index(at), spec.at(name).clone(), text));
    if new.len() == old.len() {
        for (at, _) in new.iter().zip(old).enumerate().filter(|(_, (new, old))| new != old) {
            push(if one == "ipFamily" { 0 } else { at }, ONCE);
        }
        return;
    }
    if new.is_empty() {
        push(0, &format!("primary {one} can not be unset"));
    }
    if let (Some(new), Some(old)) = (new.first(), old.first())
        && new != old
    {
        push(0, ONCE);
    }
    if old.len() > new.len() && new.len() == 1 && spec.text("ipFamilyPolicy") != "SingleStack" {
        let text = format!("must be set to 'SingleStack' when releasing the secondary {one}");
        let policy = spec.at("ipFamilyPolicy").clone();
        errors.push(FieldError::invalid(&Path::new("spec.ipFamilyPolicy"), policy, &text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(spec: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        validate(&mut errors, spec);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_and_addresses_agree() {
        let it = json!({"clusterIP": "fd00::1", "clusterIPs": ["fd00::1"], "ipFamilies": ["IPv4"]});
        assert_eq!(
            texts(&it),
            ["spec.clusterIPs[0]: Invalid value: \"fd00::1\": expected an IPv4 value as indicated by `ipFamilies[0]`"]
        );
        let it = json!({"clusterIP": "None", "clusterIPs": ["None", "10.0.0.1"]});
        assert_eq!(texts(&it).len(), 1);
    }

    #[test]
    fn a_second_address_may_go_where_the_client_says_so() {
        let old = json!({"type": "ClusterIP", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"]});
        let count = |policy: &str| {
            let new = json!({"type": "ClusterIP", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": policy});
            let mut errors = Errors::new();
            validate_change(&mut errors, &new, &old);
            errors.len()
        };
        assert_eq!((count("SingleStack"), count("PreferDualStack")), (0, 2));
    }

    #[test]
    fn node_ports_stay_with_their_ports() {
        let before = json!({"type": "NodePort", "ports": [{"port": 1, "protocol": "TCP", "nodePort": 30000}]});
        let mut spec =
            json!({"type": "NodePort", "ports": [{"port": 2, "protocol": "TCP"}, {"port": 1, "protocol": "TCP"}]});
        keep_allocated(&mut spec, &before);
        assert_eq!(spec["ports"][1]["nodePort"], 30000);
        assert!(!spec["ports"][0].has("nodePort"));
    }
}
