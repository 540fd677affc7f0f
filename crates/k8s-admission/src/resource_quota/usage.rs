//! What an object uses.

use super::evaluate::{CLASS, count_name};
use crate::amounts::{Amounts, amount, of_pod, raise};
use jiff::{SignedDuration, Timestamp};
use k8s_kinds::core::resources::{is_extended, is_huge_pages};
use k8s_kinds::value::Look;
use k8s_types::quantity::{Format, Quantity};
use serde_json::Value;

/// What an object uses, and what scopes ask of it.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// For as long as it is there.
    always: Amounts,
    /// For as long as it is alive.
    alive: Amounts,
    /// Since when it is to be taken for dead: its node has not told, but its time is up.
    dead_since: Option<Timestamp>,
    /// What scopes ask.
    pub(super) traits: Traits,
}

/// What scopes ask.
#[derive(Debug, Default)]
pub(super) enum Traits {
    /// It is nothing that has scopes.
    #[default]
    None,
    /// It is a pod.
    Pod {
        /// It ends by itself.
        terminating: bool,
        /// It asks for nothing.
        best_effort: bool,
        /// Its class.
        priority_class: String,
        /// It wants to be near to pods of other namespaces, or far from them.
        cross_namespace: bool,
    },
    /// It is a claim, with the classes of its attributes.
    Claim(Vec<String>),
}

fn one() -> Quantity {
    Quantity::new(1, Format::DecimalSi)
}

impl Usage {
    /// What an object of a resource uses.
    pub(super) fn of(group: &str, plural: &str, object: &Value) -> Self {
        let mut usage = Self::default();
        usage.always.insert(count_name(group, plural), one());
        match (group, plural) {
            ("", "pods") => usage.pod(object),
            ("", "services") => usage.service(object.at("spec")),
            ("", "persistentvolumeclaims") => usage.claim(object),
            ("", "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas") => {
                usage.always.insert(plural.to_owned(), one());
            }
            _ => {}
        }
        usage
    }

    /// What it uses at a time.
    pub(super) fn at(&self, now: Timestamp) -> impl Iterator<Item = (&String, &Quantity)> {
        let dead = self.dead_since.is_some_and(|since| now > since);
        self.always.iter().chain(self.alive.iter().filter(move |_| !dead))
    }

    /// What it uses of one thing at a time.
    pub(super) fn of_one(&self, name: &str, now: Timestamp) -> Option<&Quantity> {
        let dead = self.dead_since.is_some_and(|since| now > since);
        self.always.get(name).or_else(|| self.alive.get(name).filter(|_| !dead))
    }

    /// What it uses more than it did before, of what is limited.
    pub(super) fn beyond(&self, before: Option<&Self>, now: Timestamp, hard: &Amounts) -> Amounts {
        let old: Amounts =
            before.into_iter().flat_map(|it| it.at(now)).map(|(name, it)| (name.clone(), it.clone())).collect();
        let more = self.at(now).filter(|(name, _)| hard.contains_key(*name)).map(|(name, amount)| {
            let mut more = amount.clone();
            if let Some(old) = old.get(name) {
                more.sub(old);
            }
            (name.clone(), more)
        });
        more.filter(|(_, more)| more.signum() > 0).collect()
    }

    fn pod(&mut self, pod: &Value) {
        let spec = pod.at("spec");
        self.traits = Traits::Pod {
            terminating: spec.opt_int("activeDeadlineSeconds").is_some_and(|it| it >= 0),
            best_effort: pod.at("status").text("qosClass") == "BestEffort",
            priority_class: spec.text("priorityClassName").to_owned(),
            cross_namespace: is_cross_namespace(spec.at("affinity")),
        };
        if matches!(pod.at("status").text("phase"), "Succeeded" | "Failed") {
            return;
        }
        self.dead_since = end_of_grace(pod.at("metadata"));
        self.alive.insert("pods".to_owned(), one());
        for (name, amount) in of_pod(spec, "requests") {
            if is_native_compute(&name) || is_huge_pages(&name) {
                self.alive.insert(name.clone(), amount.clone());
                self.alive.insert(format!("requests.{name}"), amount);
            } else if is_extended(&name) {
                self.alive.insert(format!("requests.{name}"), amount);
            }
        }
        for (name, amount) in of_pod(spec, "limits").into_iter().filter(|(name, _)| is_native_compute(name)) {
            self.alive.insert(format!("limits.{name}"), amount);
        }
    }

    fn service(&mut self, spec: &Value) {
        let ports = spec.items("ports");
        let opened = match spec.text("type") {
            "NodePort" => ports.len(),
            "LoadBalancer" if spec.at("allocateLoadBalancerNodePorts").as_bool() == Some(false) => {
                ports.iter().filter(|it| it.int("nodePort") != 0).count()
            }
            "LoadBalancer" => ports.len(),
            _ => 0,
        };
        let balanced = i64::from(spec.text("type") == "LoadBalancer");
        let opened = i64::try_from(opened).unwrap_or(i64::MAX);
        for (name, count) in [("services", 1), ("services.nodeports", opened), ("services.loadbalancers", balanced)] {
            self.always.insert(name.to_owned(), Quantity::new(count, Format::DecimalSi));
        }
    }

    fn claim(&mut self, claim: &Value) {
        let (spec, status) = (claim.at("spec"), claim.at("status"));
        let mut size = amount(spec.look(&["resources", "requests", "storage"]));
        let allocated = amount(status.look(&["allocatedResources", "storage"]));
        if allocated > size {
            size = allocated;
        }
        size.round_up(0);
        let old_class = claim.look(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]).as_str();
        let class = old_class.unwrap_or_else(|| spec.text("storageClassName"));
        let has_size = spec.look(&["resources", "requests"]).has("storage");
        let mut own = Amounts::from([("persistentvolumeclaims".to_owned(), one())]);
        if has_size {
            own.insert("requests.storage".to_owned(), size);
        }
        let of_class: Amounts = match class {
            "" => Amounts::new(),
            class => own.iter().map(|(name, it)| (format!("{class}{CLASS}{name}"), it.clone())).collect(),
        };
        raise(&mut self.always, &own);
        raise(&mut self.always, &of_class);
        let classes = [
            spec.text("volumeAttributesClassName"),
            status.text("currentVolumeAttributesClassName"),
            status.at("modifyVolumeStatus").text("targetVolumeAttributesClassName"),
        ];
        self.traits = Traits::Claim(classes.into_iter().filter(|it| !it.is_empty()).map(str::to_owned).collect());
    }
}

fn is_native_compute(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

/// When the time is up that a pod was given to end.
fn end_of_grace(metadata: &Value) -> Option<Timestamp> {
    let asked: Timestamp = metadata.text("deletionTimestamp").parse().ok()?;
    let grace = metadata.opt_int("deletionGracePeriodSeconds")?;
    asked.checked_add(SignedDuration::from_secs(grace)).ok()
}

fn is_cross_namespace(affinity: &Value) -> bool {
    let crosses = |it: &Value| !it.items("namespaces").is_empty() || it.has("namespaceSelector");
    ["podAffinity", "podAntiAffinity"].iter().map(|it| affinity.at(it)).any(|it| {
        it.items("requiredDuringSchedulingIgnoredDuringExecution").iter().any(crosses)
            || it
                .items("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|it| crosses(it.at("podAffinityTerm")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(usage: &Usage, now: &str) -> Vec<String> {
        usage.at(now.parse().unwrap()).map(|(name, amount)| format!("{name}={amount}")).collect()
    }

    const NOW: &str = "2025-01-01T00:00:00Z";

    #[test]
    fn a_pod_uses_until_it_ends() {
        let spec = json!({"containers": [{"resources": {"requests": {"cpu": "1", "nvidia.com/gpu": "2"}}}]});
        let mut pod = json!({"metadata": {}, "spec": spec, "status": {"phase": "Running"}});
        let usage = Usage::of("", "pods", &pod);
        assert_eq!(
            shown(&usage, NOW),
            ["count/pods=1", "cpu=1", "pods=1", "requests.cpu=1", "requests.nvidia.com/gpu=2"]
        );
        pod["metadata"] = json!({"deletionTimestamp": "2024-12-31T23:59:00Z", "deletionGracePeriodSeconds": 30});
        assert_eq!(shown(&Usage::of("", "pods", &pod), NOW), ["count/pods=1"]);
        pod["metadata"] = json!({"deletionTimestamp": "2024-12-31T23:59:00Z", "deletionGracePeriodSeconds": 90});
        assert_eq!(shown(&Usage::of("", "pods", &pod), NOW).len(), 5);
        pod["status"]["phase"] = json!("Failed");
        assert_eq!(shown(&Usage::of("", "pods", &pod), NOW), ["count/pods=1"]);
    }

    #[test]
    fn a_balancer_opens_ports_unless_told_not_to() {
        let mut service =
            json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2, "nodePort": 30000}]}});
        let want = ["count/services=1", "services=1", "services.loadbalancers=1", "services.nodeports=2"];
        assert_eq!(shown(&Usage::of("", "services", &service), NOW), want);
        service["spec"]["allocateLoadBalancerNodePorts"] = json!(false);
        assert!(shown(&Usage::of("", "services", &service), NOW).contains(&"services.nodeports=1".to_owned()));
    }

    #[test]
    fn only_growth_is_asked_for() {
        let claim = |size: &str| {
            let spec = json!({"storageClassName": "c", "resources": {"requests": {"storage": size}}});
            Usage::of("", "persistentvolumeclaims", &json!({"spec": spec}))
        };
        let hard = Amounts::from([("requests.storage".to_owned(), one())]);
        let now = NOW.parse().unwrap();
        assert_eq!(claim("3Gi").beyond(Some(&claim("1Gi")), now, &hard)["requests.storage"].to_string(), "2Gi");
        assert!(claim("1Gi").beyond(Some(&claim("3Gi")), now, &hard).is_empty());
        assert!(shown(&claim("1500m"), NOW).contains(&"c.storageclass.storage.k8s.io/requests.storage=2".to_owned()));
    }
}
