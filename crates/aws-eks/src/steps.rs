//! What bring-up, tear-down and changes share: whom they ask, how they fail, and how they write down how far they got.

use crate::control_planes::{ControlPlaneError, ControlPlanes};
use crate::records::{Cluster, ClusterStatus, HealthIssue};
use crate::user_network::UserNetwork;
use base::Clock;
use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::{Records, StoreError};

/// How long a control plane may take over one call, before the call is dropped and made again: a hundred times what it
/// needs, and short enough that a deletion behind a stuck call is not given up by who waits for it.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a creation or a change is tried before it is called failed. Clients wait 20 minutes for a cluster
/// (`cluster-active`: 40 times 30 s) and must still see the failure.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Whom the steps ask.
#[derive(Clone)]
pub struct Parts {
    /// The records.
    pub records: Records,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What EKS makes in the user's VPC.
    pub network: UserNetwork,
    /// Who runs control planes.
    pub control_planes: Arc<dyn ControlPlanes>,
}

/// Why a step did not succeed. The issue is what the user is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// May go next time.
    #[error("{}", .0.message)]
    Retry(HealthIssue),
    /// Will not go, as things are.
    #[error("{}", .0.message)]
    Fatal(HealthIssue),
}

impl Trouble {
    /// What the user is told.
    pub fn issue(self) -> HealthIssue {
        match self {
            Self::Retry(issue) | Self::Fatal(issue) => issue,
        }
    }

    /// Whether to stop trying: it is fatal, or has been tried since `began` for too long.
    pub fn is_final(&self, began: Timestamp, now: Timestamp) -> bool {
        matches!(self, Self::Fatal(_)) || now.duration_since(began) > PATIENCE
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Retry(internal(format!("the records could not be read or written: {error}")))
    }
}

/// A failure of ours.
fn internal(message: String) -> HealthIssue {
    HealthIssue { code: "InternalFailure".to_owned(), message, resource_ids: vec![] }
}

/// Calls a control plane within the limit.
///
/// # Errors
/// Its own, or that it took too long.
pub async fn call<T>(
    what: &str,
    call: impl Future<Output = Result<T, ControlPlaneError>> + Send,
) -> Result<T, Trouble> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ControlPlaneError::Retry(error))) => Err(Trouble::Retry(internal(format!("{what}: {error}")))),
        Ok(Err(ControlPlaneError::Fatal(error))) => Err(Trouble::Fatal(internal(format!("{what}: {error}")))),
        Err(_) => Err(Trouble::Retry(internal(format!("{what}: no answer within {CALL_LIMIT:?}")))),
    }
}

impl Parts {
    /// Writes a step down: changes the record of `cluster`, if it is still that cluster and still has its status. `None`
    /// when it is not: then somebody decided otherwise meanwhile, and the turn is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(
        &self,
        cluster: &Cluster,
        change: impl Fn(&mut Cluster),
    ) -> Result<Option<Cluster>, StoreError> {
        let key = cluster.cluster_key().key();
        self.records
            .transact(|tx| {
                let Some(found) = tx.get::<Cluster>(&key)?.filter(|found| same(found, cluster, cluster.status)) else {
                    return Ok(None);
                };
                let mut changed = found.clone();
                change(&mut changed);
                if changed != found {
                    tx.put(&key, &changed)?;
                }
                Ok(Some(changed))
            })
            .await
    }

    /// Shows the user what holds a cluster up. Writes only news: each write wakes the reconciler.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show(&self, cluster: &Cluster, issue: &HealthIssue) -> Result<(), StoreError> {
        self.record(cluster, |record| record.issues = vec![issue.clone()]).await.map(drop)
    }
}

/// Whether a record found is about the same cluster, in a status.
pub fn same(found: &Cluster, cluster: &Cluster, status: ClusterStatus) -> bool {
    found.endpoint_id == cluster.endpoint_id && found.status == status
}
