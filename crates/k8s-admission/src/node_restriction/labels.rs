//! Which labels of its node a kubelet may change.

use k8s_kinds::value::Look;
use serde_json::Value;
use std::collections::BTreeSet;

/// Labels with this domain are there so that no kubelet can draw pods to its node.
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// What a kubelet tells of its node.
const OWN: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Domains in which it may tell whatever it likes.
const OWN_DOMAINS: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

/// The labels that differ and are not a kubelet's to change, in order.
pub(super) fn forbidden<'a>(node: &'a Value, old: &'a Value) -> Vec<&'a str> {
    let (new, old) = (node.at("metadata"), old.at("metadata"));
    let changed = |a: &'a Value, b: &'a Value| {
        a.entries("labels").filter(move |(key, value)| b.at("labels").at(key) != *value).map(|(key, _)| key)
    };
    let all: BTreeSet<&str> = changed(new, old).chain(changed(old, new)).filter(|it| is_forbidden(it)).collect();
    all.into_iter().collect()
}

fn is_forbidden(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    if within(domain, RESTRICTED) {
        return true;
    }
    let kubernetes = within(domain, "kubernetes.io") || within(domain, "k8s.io");
    kubernetes && !OWN.contains(&label) && !OWN_DOMAINS.iter().any(|it| within(domain, it))
}

/// Whether a domain is another one or below it.
fn within(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kubelet_keeps_to_its_labels() {
        let fine =
            ["a", "example.com/x", "kubernetes.io/hostname", "node.kubernetes.io/x", "x.kubelet.kubernetes.io/y"];
        assert!(!fine.iter().any(|it| is_forbidden(it)));
        let not =
            ["a.kubernetes.io/x", "x.node-restriction.kubernetes.io/y", "k8s.io/x", "node-restriction.kubernetes.io/z"];
        assert!(not.iter().all(|it| is_forbidden(it)));
        assert!(!is_forbidden("notkubernetes.io/x"));
    }

    #[test]
    fn labels_taken_away_count() {
        let labelled = json!({"metadata": {"labels": {"k8s.io/b": "1", "k8s.io/a": "1", "x": "1"}}});
        assert_eq!(forbidden(&json!({}), &labelled), ["k8s.io/a", "k8s.io/b"]);
        assert!(forbidden(&labelled, &labelled).is_empty());
    }
}
