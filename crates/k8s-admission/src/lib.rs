//! The admission plugins that an API server has built in, in its order: what else changes a write or refuses it.
//!
//! Read [`plugins`] for the list; every plugin is a module of its own over [`Admission`]. `step` and `amounts` hold
//! what they share. May use: k8s-types, k8s-kinds, k8s-authz, k8s-registry. Must never learn: HTTP, storage, webhooks.
//! Invariant: a plugin that has nothing to do with a write costs a comparison of names; only [`resource_quota`]
//! remembers objects between two writes.

mod amounts;
mod step;

pub mod certificates;
pub mod claim_resize;
pub mod default_class;
pub mod default_tolerations;
pub mod limit_ranger;
pub mod namespace_lifecycle;
pub mod node_restriction;
pub mod pod_security;
pub mod pod_topology;
pub mod priority;
pub mod resource_quota;
pub mod runtime_class;
pub mod service_account;
pub mod storage_protection;
pub mod taint_nodes;

use k8s_authz::Authorizer;
use k8s_registry::admission::Admission;
use std::sync::Arc;

/// Whoever decides who may act for a signer, and which tokens a kubelet may ask for.
pub type SharedAuthorizer = Arc<dyn Authorizer + Send + Sync>;

/// The plugins of one cluster, in the order in which they run. Each cluster needs its own: they remember. What is not
/// built in (webhooks, policies) belongs right before the last one, which counts what all others let through.
pub fn plugins(minor: u8, authorizer: SharedAuthorizer) -> Vec<Box<dyn Admission>> {
    let mut plugins: Vec<Box<dyn Admission>> = vec![
        Box::new(namespace_lifecycle::NamespaceLifecycle::default()),
        Box::new(limit_ranger::LimitRanger),
        Box::new(service_account::ServiceAccount),
        Box::new(node_restriction::NodeRestriction::new(minor, authorizer.clone())),
        Box::new(taint_nodes::TaintNodesByCondition),
        Box::new(pod_security::PodSecurity::new(minor)),
        Box::new(priority::Priority),
        Box::new(default_tolerations::DefaultTolerationSeconds),
        Box::new(default_class::DefaultClass::storage(minor)),
        Box::new(storage_protection::StorageObjectInUseProtection),
        Box::new(claim_resize::PersistentVolumeClaimResize),
        Box::new(runtime_class::RuntimeClass),
        Box::new(certificates::CertificateRequester),
        Box::new(certificates::CertificateApproval::new(authorizer.clone())),
        Box::new(certificates::CertificateSigning::new(authorizer)),
        Box::new(certificates::CertificateSubjectRestriction),
        Box::new(default_class::DefaultClass::ingress(minor)),
    ];
    if minor >= pod_topology::SINCE {
        plugins.push(Box::new(pod_topology::PodTopologyLabels));
    }
    plugins.push(Box::new(resource_quota::ResourceQuota::default()));
    plugins
}
