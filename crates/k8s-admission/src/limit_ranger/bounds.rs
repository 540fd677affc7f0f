//! What limit ranges allow.

use crate::amounts::{Amounts, amount, amounts, of_containers};
use k8s_kinds::value::Look;
use k8s_types::quantity::Quantity;
use serde_json::Value;

/// Something that is held within bounds.
struct Subject<'a> {
    /// `Container`, `Pod`, `PersistentVolumeClaim`.
    kind: &'a str,
    requests: Amounts,
    limits: Amounts,
}

/// What is wrong with a pod.
pub(super) fn of_pod(range: &Value, pod: &Value) -> Vec<String> {
    let spec = pod.at("spec");
    let mut complaints = Vec::new();
    for limit in range.at("spec").items("limits") {
        match limit.text("type") {
            kind @ "Container" => {
                for container in spec.items("containers").iter().chain(spec.items("initContainers")) {
                    let resources = container.at("resources");
                    let [requests, limits] = ["requests", "limits"].map(|part| amounts(resources, part));
                    Subject { kind, requests, limits }.judge(limit, &mut complaints);
                }
            }
            kind @ "Pod" => {
                let [requests, limits] = ["requests", "limits"].map(|part| of_containers(spec, part));
                Subject { kind, requests, limits }.judge(limit, &mut complaints);
            }
            _ => {}
        }
    }
    complaints
}

/// What is wrong with a claim.
pub(super) fn of_claim(range: &Value, claim: &Value) -> Vec<String> {
    let requests = amounts(claim.look(&["spec", "resources"]), "requests");
    let kind = "PersistentVolumeClaim";
    let mut complaints = Vec::new();
    for limit in range.at("spec").items("limits").iter().filter(|it| it.text("type") == kind) {
        for (word, relation, field) in [("minimum", Quantity::lt as Relation, "min"), ("maximum", Quantity::gt, "max")]
        {
            for (name, bound) in limit.entries(field).map(|(name, it)| (name, amount(it))) {
                let head = format!("{word} {name} usage per {kind} is {bound}");
                match requests.get(name) {
                    None => complaints.push(format!("{head}.  No request is specified")),
                    Some(it) if relation(it, &bound) => complaints.push(format!("{head}, but request is {it}")),
                    Some(_) => {}
                }
            }
        }
    }
    complaints
}

type Relation = fn(&Quantity, &Quantity) -> bool;

impl Subject<'_> {
    fn judge(&self, limit: &Value, complaints: &mut Vec<String>) {
        for (name, bound) in limit.entries("min") {
            complaints.extend(self.below(name, &amount(bound)));
        }
        for (name, bound) in limit.entries("max") {
            complaints.extend(self.above(name, &amount(bound)));
        }
        for (name, bound) in limit.entries("maxLimitRequestRatio") {
            complaints.extend(self.out_of_ratio(name, &amount(bound)));
        }
    }

    fn below(&self, name: &str, bound: &Quantity) -> Option<String> {
        let head = format!("minimum {name} usage per {} is {bound}", self.kind);
        match (self.requests.get(name), self.limits.get(name)) {
            (None, _) => Some(format!("{head}.  No request is specified")),
            (Some(it), _) if it < bound => Some(format!("{head}, but request is {it}")),
            (_, Some(it)) if it < bound => Some(format!("{head}, but limit is {it}")),
            _ => None,
        }
    }

    fn above(&self, name: &str, bound: &Quantity) -> Option<String> {
        let head = format!("maximum {name} usage per {} is {bound}", self.kind);
        match (self.requests.get(name), self.limits.get(name)) {
            (_, None) => Some(format!("{head}.  No limit is specified")),
            (_, Some(it)) if it > bound => Some(format!("{head}, but limit is {it}")),
            (Some(it), _) if it > bound => Some(format!("{head}, but request is {it}")),
            _ => None,
        }
    }

    fn out_of_ratio(&self, name: &str, bound: &Quantity) -> Option<String> {
        let head = format!("{name} max limit to request ratio per {} is {bound}", self.kind);
        let positive = |list: &Amounts| list.get(name).filter(|it| !it.is_zero()).map(Quantity::to_f64);
        let Some(request) = positive(&self.requests) else {
            return Some(format!("{head}, but no request is specified or request is 0"));
        };
        let Some(limit) = positive(&self.limits) else {
            return Some(format!("{head}, but no limit is specified or limit is 0"));
        };
        let ratio = limit / request;
        // The bound has three digits after the point; what is nearer than that is within it.
        (ratio - bound.to_f64() > 1e-9).then(|| format!("{head}, but provided ratio is {ratio:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn complaints(limit: Value, resources: Value) -> Vec<String> {
        let range = json!({"spec": {"limits": [limit]}});
        of_pod(&range, &json!({"spec": {"containers": [{"name": "c", "resources": resources}]}}))
    }

    #[test]
    fn what_is_not_said_is_out_of_bounds() {
        let min =
            json!({"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "2"}});
        assert_eq!(
            complaints(min, json!({})),
            [
                "minimum cpu usage per Pod is 1.  No request is specified",
                "maximum cpu usage per Pod is 2.  No limit is specified",
                "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0",
            ]
        );
    }

    #[test]
    fn bounds_belong_to_what_is_within() {
        let limit = json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "20"}});
        assert!(complaints(limit, json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}})).is_empty());
    }
}
