//! A cluster's authorizers in the order in which they are asked.

use crate::attributes::{Attributes, Authorizer, Decision};
use crate::eks::AccessPolicies;
use crate::node::NodeAuthorizer;
use crate::rbac::Rules;
use serde_json::Value;

/// Who may do what in a cluster: masters anything, kubelets what is theirs, all others what roles and access policies
/// give them.
#[derive(Debug)]
pub struct ClusterAuthorizer {
    /// Kubelets' rights.
    pub node: NodeAuthorizer,
    /// Roles and bindings.
    pub rbac: Rules,
    /// What EKS grants beside them.
    pub policies: AccessPolicies,
}

impl ClusterAuthorizer {
    /// The authorizers of a cluster of the Kubernetes minor `minor`, without any objects.
    pub fn new(minor: u32) -> Self {
        Self { node: NodeAuthorizer::new(minor), rbac: Rules::new(), policies: AccessPolicies::default() }
    }

    /// Takes in an object of any kind as it is now.
    pub fn put(&mut self, object: &Value) {
        self.node.graph.put(object);
        self.rbac.put(object);
    }

    /// Forgets an object of any kind.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        self.node.graph.remove(kind, namespace, name);
        self.rbac.remove(kind, namespace, name);
    }
}

impl Authorizer for ClusterAuthorizer {
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.is_master() {
            return Decision::allow();
        }
        let mut reasons = Vec::new();
        let all: [&dyn Authorizer; 3] = [&self.node, &self.rbac, &self.policies];
        for it in all {
            let decision = it.decide(attributes);
            if decision.allowed {
                return decision;
            }
            if !decision.reason.is_empty() {
                reasons.push(decision.reason);
            }
        }
        Decision::no_opinion(reasons.join("\n"))
    }
}
