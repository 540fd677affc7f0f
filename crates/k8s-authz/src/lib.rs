//! Who may do what: roles and bindings, kubelets, EKS access policies, and the API's questions about all that.
//!
//! May use: k8s-types. Must never learn: storage, transport, who the user was before (authentication).
//! Invariant: an answer depends on the objects that were put in and on the question, on nothing else; what a decision
//! costs depends on the user's own bindings.

pub mod aggregate;
pub mod attributes;
pub mod bootstrap;
pub mod cluster;
pub mod eks;
pub mod escalation;
mod json;
pub mod node;
pub mod rbac;
pub mod review;
pub mod rule;
pub mod signers;

pub use attributes::{Attributes, Authorizer, Decision, User};
pub use cluster::ClusterAuthorizer;
pub use rule::PolicyRule;
