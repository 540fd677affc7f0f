//! What EKS needs of whoever runs control planes: three verbs and the authority, each safe to call again at any time.

use crate::records::Cluster;
use async_trait::async_trait;

/// Why a control plane is not as wished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlPlaneError {
    /// Not now; it may well go next time.
    #[error("{0}")]
    Retry(String),
    /// Not ever, as the cluster is: trying again is of no use.
    #[error("{0}")]
    Fatal(String),
}

/// Runs control planes. Calls about one cluster do not overlap, except that [`ControlPlanes::authority`] may run beside
/// anything. Every call may be dropped or repeated at any time, also by another process after a crash, so each looks at
/// what there is and makes up the difference.
#[async_trait]
pub trait ControlPlanes: Send + Sync + 'static {
    /// The certificate of the cluster's authority, PEM: made at the first call, the same ever after. May be called
    /// before the cluster has interfaces.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    async fn authority(&self, cluster: &Cluster) -> Result<String, ControlPlaneError>;

    /// Makes network and API servers as the record says; returns when the endpoint answers in every way that the access
    /// mode opens. The record has its interfaces, security group and certificate.
    ///
    /// # Errors
    /// When that does not come about.
    async fn ensure(&self, cluster: &Cluster) -> Result<(), ControlPlaneError>;

    /// Brings the endpoint from whatever access it has to the record's, in the order that spares clients (names first,
    /// then connections, then packets); returns when names and packets follow.
    ///
    /// # Errors
    /// When that does not come about.
    async fn set_access(&self, cluster: &Cluster) -> Result<(), ControlPlaneError>;

    /// Removes everything it made for the cluster, the authority too. A cluster it does not know is removed already.
    ///
    /// # Errors
    /// When something is left.
    async fn remove(&self, cluster: &Cluster) -> Result<(), ControlPlaneError>;
}
