//! EKS clusters: records, decisions, life cycle, bring-up.
//!
//! Read [`records`], then the operations ([`service`], which calls [`create`], [`update`], [`tags`], [`versions`]), then
//! what makes accepted wishes true ([`reconciler`], which drives [`bring_up`], [`tear_down`] and [`change`]). Who may
//! enter a cluster is in [`access_entries`]; who comes, in [`tokens`] and [`identity`].
//! May use: base, store, reconcile, aws-model, aws-wire (signatures).
//! Must never learn: how an API server is built or where it runs; another service's records (it asks EC2 and IAM
//! through their operation traits, as a user would).
//! Invariant: an operation commits one transaction and touches nothing else; only the reconciler acts, and whatever it
//! did without having recorded it, it finds again.

pub mod access_entries;
pub mod bring_up;
pub mod change;
pub mod cidrs;
pub mod control_planes;
pub mod create;
pub mod error;
pub mod identity;
pub mod logging;
pub mod page;
pub mod pool;
pub mod reconciler;
pub mod records;
pub mod render;
pub mod service;
pub mod steps;
pub mod surroundings;
pub mod tags;
pub mod tear_down;
pub mod tokens;
pub mod trust;
pub mod update;
pub mod user_network;
pub mod versions;

pub use control_planes::{ControlPlaneError, ControlPlanes};
pub use error::EksError;
pub use identity::{KubernetesIdentity, ScopedPolicy};
pub use reconciler::Reconciler;
pub use records::{Cluster, ClusterKey, ClusterStatus};
pub use service::EksService;

#[cfg(test)]
mod testing;
