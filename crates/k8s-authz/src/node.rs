//! The Node authorizer: a kubelet may read what the pods on its node use, and write what is its own.

mod graph;

pub use graph::Graph;

use crate::attributes::{Attributes, Authorizer, Decision};
use crate::bootstrap;
use crate::rule::PolicyRule;
use graph::Kind;
use k8s_types::status::quote;

/// From which minor on kubelets read only their own Node and pods.
const OWN_ONLY: u32 = 32;
/// From which minor on kubelets read the service accounts of their pods.
const READS_ACCOUNTS: u32 = 34;

/// The Node authorizer of one Kubernetes minor.
#[derive(Debug)]
pub struct NodeAuthorizer {
    /// What pods use; to be kept current.
    pub graph: Graph,
    rules: Vec<PolicyRule>,
    minor: u32,
}

impl NodeAuthorizer {
    /// An authorizer that knows of no pods yet.
    pub fn new(minor: u32) -> Self {
        Self { graph: Graph::default(), rules: bootstrap::node_rules(minor), minor }
    }

    fn decide_for(&self, node: &str, asked: &Attributes<'_>) -> Decision {
        let own_only = self.minor >= OWN_ONLY;
        match (asked.group, asked.resource) {
            ("", "secrets") => self.read(node, Kind::Secret, asked),
            ("", "configmaps") => self.read(node, Kind::ConfigMap, asked),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => match asked.verb {
                "update" | "patch" => self.related(node, Kind::Claim, asked),
                _ => Decision::no_opinion("can only get/update/patch this type"),
            },
            ("", "persistentvolumeclaims") => self.get(node, Kind::Claim, asked),
            ("", "persistentvolumes") => self.get(node, Kind::Volume, asked),
            ("resource.k8s.io", "resourceclaims") => self.get(node, Kind::ResourceClaim, asked),
            ("storage.k8s.io", "volumeattachments") => self.get(node, Kind::VolumeAttachment, asked),
            ("", "serviceaccounts") => self.service_account(node, asked),
            ("coordination.k8s.io", "leases") => lease(node, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, asked),
            ("resource.k8s.io", "resourceslices") => self.slice(node, asked),
            ("", "nodes") if own_only => own_node(node, asked),
            ("", "pods") if own_only => self.pod(node, asked),
            _ => self.by_rules(asked),
        }
    }

    /// Rights that do not depend on what runs where.
    fn by_rules(&self, asked: &Attributes<'_>) -> Decision {
        Decision { allowed: self.rules.iter().any(|it| it.allows(asked)), reason: String::new() }
    }

    fn related(&self, node: &str, kind: Kind, asked: &Attributes<'_>) -> Decision {
        if asked.name.is_empty() {
            return Decision::no_opinion("No Object name found");
        }
        if self.graph.is_used(kind, asked.namespace, asked.name, node) {
            return Decision::allow();
        }
        Decision::no_opinion(format!("no relationship found between node '{node}' and this object"))
    }

    fn get(&self, node: &str, kind: Kind, asked: &Attributes<'_>) -> Decision {
        if asked.verb != "get" {
            return Decision::no_opinion("can only get individual resources of this type");
        }
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot get subresource");
        }
        self.related(node, kind, asked)
    }

    fn read(&self, node: &str, kind: Kind, asked: &Attributes<'_>) -> Decision {
        if !is_read(asked.verb) {
            return Decision::no_opinion("can only read resources of this type");
        }
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot read subresource");
        }
        if asked.namespace.is_empty() {
            return Decision::no_opinion("can only read namespaced object of this type");
        }
        self.related(node, kind, asked)
    }

    fn service_account(&self, node: &str, asked: &Attributes<'_>) -> Decision {
        if self.minor >= READS_ACCOUNTS && asked.verb == "get" && asked.subresource.is_empty() {
            return self.related(node, Kind::ServiceAccount, asked);
        }
        if asked.verb != "create" || asked.name.is_empty() {
            return Decision::no_opinion("can only create tokens for individual service accounts");
        }
        if asked.subresource != "token" {
            return Decision::no_opinion("can only create token subresource of serviceaccount");
        }
        self.related(node, Kind::ServiceAccount, asked)
    }

    fn slice(&self, node: &str, asked: &Attributes<'_>) -> Decision {
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot authorize ResourceSlice subresources");
        }
        match asked.verb {
            "create" => Decision::allow(),
            "get" | "update" | "patch" | "delete" => self.related(node, Kind::ResourceSlice, asked),
            "watch" | "list" | "deletecollection" if self.minor < OWN_ONLY || selects_node(node, asked) => {
                Decision::allow()
            }
            "watch" | "list" | "deletecollection" => Decision::no_opinion(
                "can only list/watch/deletecollection resourceslices with spec.nodeName field selector",
            ),
            _ => Decision::no_opinion(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, \
                 delete, deletecollection",
            ),
        }
    }

    fn pod(&self, node: &str, asked: &Attributes<'_>) -> Decision {
        match (asked.subresource, asked.verb) {
            ("", "get") => self.get(node, Kind::Pod, asked),
            ("", "list" | "watch") if selects_node(node, asked) => Decision::allow(),
            ("", "list" | "watch") if !asked.name.is_empty() => self.related(node, Kind::Pod, asked),
            ("", "list" | "watch") => {
                Decision::no_opinion("can only list/watch pods with spec.nodeName field selector")
            }
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Decision::allow(),
            _ => Decision::default(),
        }
    }
}

impl Authorizer for NodeAuthorizer {
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        match attributes.user.node() {
            None => Decision::default(),
            Some("") => Decision::no_opinion(format!("unknown node for user {}", quote(&attributes.user.name))),
            Some(_) if attributes.path.is_some() => self.by_rules(attributes),
            Some(node) => self.decide_for(node, attributes),
        }
    }
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

fn selects_node(node: &str, asked: &Attributes<'_>) -> bool {
    asked.fields.iter().any(|it| it.equal && &*it.field == "spec.nodeName" && &*it.value == node)
}

fn is_own_write(verb: &str) -> bool {
    matches!(verb, "get" | "create" | "update" | "patch" | "delete")
}

fn lease(node: &str, asked: &Attributes<'_>) -> Decision {
    if !is_own_write(asked.verb) {
        return Decision::no_opinion("can only get, create, update, patch, or delete a node lease");
    }
    if asked.namespace != "kube-node-lease" {
        return Decision::no_opinion("can only access leases in the \"kube-node-lease\" system namespace");
    }
    // A create's name is looked at by admission: it is not known here.
    if asked.verb != "create" && asked.name != node {
        return Decision::no_opinion("can only access node lease with the same name as the requesting node");
    }
    Decision::allow()
}

fn csi_node(node: &str, asked: &Attributes<'_>) -> Decision {
    if !is_own_write(asked.verb) {
        return Decision::no_opinion("can only get, create, update, patch, or delete a CSINode");
    }
    if !asked.subresource.is_empty() {
        return Decision::no_opinion("cannot authorize CSINode subresources");
    }
    if asked.verb != "create" && asked.name != node {
        return Decision::no_opinion("can only access CSINode with the same name as the requesting node");
    }
    Decision::allow()
}

fn own_node(node: &str, asked: &Attributes<'_>) -> Decision {
    match (asked.subresource, asked.verb) {
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Decision::allow(),
        ("", "get" | "list" | "watch") if asked.name == node => Decision::allow(),
        ("", "get" | "list" | "watch") if asked.name.is_empty() => {
            Decision::no_opinion(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch") => {
            Decision::no_opinion(format!("node '{node}' cannot read '{}', only its own Node object", asked.name))
        }
        _ => Decision::default(),
    }
}

#[cfg(test)]
mod tests;
