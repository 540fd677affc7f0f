//! What all of a pod's containers ask for together, and the quality of service that follows from it.

use super::resources::quantity;
use crate::value::Look;
use k8s_types::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

type Amounts = BTreeMap<String, Quantity>;

/// The pod's requests by resource: its containers and sidecars together, or what one init container needs beside the
/// sidecars before it where that is more.
pub fn requests(spec: &Value) -> BTreeMap<String, Quantity> {
    let mut sum = Amounts::new();
    for container in spec.items("containers") {
        add(&mut sum, container);
    }
    let mut sidecars = Amounts::new();
    let mut peak = Amounts::new();
    for container in spec.items("initContainers") {
        if container.text("restartPolicy") == "Always" {
            add(&mut sum, container);
            add(&mut sidecars, container);
            greatest(&mut peak, &sidecars);
        } else {
            let mut now = sidecars.clone();
            add(&mut now, container);
            greatest(&mut peak, &now);
        }
    }
    greatest(&mut sum, &peak);
    sum
}

fn add(sum: &mut Amounts, container: &Value) {
    for (name, amount) in container.at("resources").entries("requests") {
        sum.entry(name.to_owned()).or_insert(Quantity::ZERO).add(&quantity(amount));
    }
}

fn greatest(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        match sum.get_mut(name) {
            Some(there) if *there >= *amount => {}
            Some(there) => *there = amount.clone(),
            None => {
                sum.insert(name.clone(), amount.clone());
            }
        }
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub fn qos_class(spec: &Value) -> &'static str {
    let own = spec.at("resources");
    let pod = [own];
    let all: Vec<&Value> = if own.entries("requests").chain(own.entries("limits")).any(|(name, _)| counts(name)) {
        pod.to_vec()
    } else {
        ["containers", "initContainers"].iter().flat_map(|list| spec.items(list)).map(|it| it.at("resources")).collect()
    };
    let mut sums = [Amounts::new(), Amounts::new()];
    let mut guaranteed = true;
    for it in &all {
        let mut limited = 0;
        for (sum, part) in sums.iter_mut().zip(["requests", "limits"]) {
            for (name, value) in it.entries(part).filter(|(name, _)| counts(name)) {
                let amount = quantity(value);
                if amount.signum() > 0 {
                    limited += usize::from(part == "limits");
                    sum.entry(name.to_owned()).or_insert(Quantity::ZERO).add(&amount);
                }
            }
        }
        guaranteed &= limited == 2;
    }
    let [requests, limits] = &sums;
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    let met = requests.iter().all(|(name, amount)| limits.get(name) == Some(amount));
    if guaranteed && met && requests.len() == limits.len() { "Guaranteed" } else { "Burstable" }
}

/// Only these make a difference to the quality of service.
fn counts(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_class_follows_from_cpu_and_memory() {
        let class = |resources: Value| qos_class(&json!({"containers": [{"resources": resources}]}));
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(class(json!({"limits": both, "requests": both})), "Guaranteed");
        assert_eq!(class(json!({"limits": both, "requests": {"cpu": "500m", "memory": "1Gi"}})), "Burstable");
        assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
        assert_eq!(class(json!({"requests": {"a.b/c": "1"}})), "BestEffort");
        let two = json!({"containers": [{"resources": {"limits": both, "requests": both}}, {}]});
        assert_eq!(qos_class(&two), "Burstable");
    }

    #[test]
    fn an_init_container_counts_where_it_needs_more_than_the_rest() {
        let of = |cpu: &str, restart: &str| json!({"restartPolicy": restart, "resources": {"requests": {"cpu": cpu}}});
        let spec = json!({"containers": [of("1", "")], "initContainers": [of("500m", "Always"), of("2", "")]});
        assert_eq!(requests(&spec).get("cpu").map(ToString::to_string).as_deref(), Some("2500m"));
    }
}
