//! Lists of resources, and what a pod's containers ask for together.

use k8s_kinds::value::Look;
use k8s_types::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by the names of their resources.
pub(crate) type Amounts = BTreeMap<String, Quantity>;

/// A field's amount. What is none was refused before, or will be.
pub(crate) fn amount(value: &Value) -> Quantity {
    Quantity::from_value(value).unwrap_or(Quantity::ZERO)
}

/// The amounts in the field `name`.
pub(crate) fn amounts(object: &Value, name: &str) -> Amounts {
    object.entries(name).map(|(key, value)| (key.to_owned(), amount(value))).collect()
}

/// Adds amounts to others.
pub(crate) fn add(sum: &mut Amounts, other: &Amounts) {
    for (name, more) in other {
        sum.entry(name.clone()).or_insert(Quantity::ZERO).add(more);
    }
}

/// Raises amounts to others where those are greater.
pub(crate) fn raise(sum: &mut Amounts, other: &Amounts) {
    for (name, more) in other {
        match sum.get_mut(name) {
            Some(there) if *there >= *more => {}
            Some(there) => *there = more.clone(),
            None => drop(sum.insert(name.clone(), more.clone())),
        }
    }
}

/// What a pod's containers have of `part` (`requests`, `limits`) together: containers and sidecars, or one init
/// container beside the sidecars before it where that is more. What the pod itself says goes before that.
pub(crate) fn of_containers(spec: &Value, part: &str) -> Amounts {
    let own = |container: &Value| amounts(container.at("resources"), part);
    let mut sum = Amounts::new();
    for container in spec.items("containers") {
        add(&mut sum, &own(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.items("initContainers") {
        if container.text("restartPolicy") == "Always" {
            add(&mut sum, &own(container));
            add(&mut sidecars, &own(container));
            raise(&mut peak, &sidecars);
        } else {
            let mut now = sidecars.clone();
            add(&mut now, &own(container));
            raise(&mut peak, &now);
        }
    }
    raise(&mut sum, &peak);
    sum.extend(amounts(spec.at("resources"), part));
    sum
}

/// What a pod has of `part`, with what its runtime needs besides.
pub(crate) fn of_pod(spec: &Value, part: &str) -> Amounts {
    let mut sum = of_containers(spec, part);
    let overhead = amounts(spec, "overhead");
    if part == "requests" {
        add(&mut sum, &overhead);
    } else {
        // Where there is no limit, none comes about.
        for (name, more) in &overhead {
            if let Some(there) = sum.get_mut(name).filter(|it| !it.is_zero()) {
                there.add(more);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        /// A pod with one container more needs no less, and never less than any of its containers.
        #[test]
        fn more_containers_need_no_less(amounts in prop::collection::vec((0u32..9, 0u8..3), 1..6)) {
            let mut spec = json!({"containers": [], "initContainers": []});
            let mut before = Quantity::ZERO;
            for (cpu, place) in amounts {
                let mut container = asks(&cpu.to_string());
                if place == 2 {
                    container["restartPolicy"] = json!("Always");
                }
                let list = if place == 0 { "containers" } else { "initContainers" };
                spec[list].as_array_mut().unwrap().push(container);
                let now = of_pod(&spec, "requests").get("cpu").cloned().unwrap();
                prop_assert!(now >= before && now >= Quantity::new(i64::from(cpu), k8s_types::quantity::Format::DecimalSi));
                before = now;
            }
        }
    }

    fn asks(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn an_init_container_counts_where_it_needs_more() {
        let mut sidecar = asks("1");
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({"containers": [asks("1"), asks("500m")], "initContainers": [sidecar, asks("3")]});
        assert_eq!(of_containers(&spec, "requests")["cpu"].to_string(), "4");
        let spec = json!({"containers": [asks("1"), asks("500m")], "initContainers": [asks("1")]});
        assert_eq!(of_containers(&spec, "requests")["cpu"].to_string(), "1500m");
    }

    #[test]
    fn overhead_is_added_to_limits_that_are_there() {
        let spec = json!({
            "containers": [{"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}}],
            "overhead": {"cpu": "10m", "memory": "1Gi"},
        });
        let requests = of_pod(&spec, "requests");
        assert_eq!((requests["cpu"].to_string(), requests["memory"].to_string()), ("1010m".into(), "1Gi".into()));
        let limits = of_pod(&spec, "limits");
        assert_eq!((limits.get("cpu"), limits["memory"].to_string()), (None, "2Gi".into()));
    }

    #[test]
    fn what_the_pod_says_goes_first() {
        let spec = json!({"containers": [asks("1")], "resources": {"requests": {"cpu": "5"}}});
        assert_eq!(of_pod(&spec, "requests")["cpu"].to_string(), "5");
    }
}
