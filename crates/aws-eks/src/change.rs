//! An accepted update made true, and taken back when it cannot be.
//!
//! ```text
//! UPDATING, InProgress ---------- done ----------> ACTIVE, Successful
//!        | cannot be                                    (cluster, update)
//!        v
//! UPDATING, InProgress, errors --- taken back ---> ACTIVE, Failed
//! ```

use crate::records::{Cluster, ClusterStatus, HealthIssue, Update, UpdateStatus, update_prefix};
use crate::steps::{Parts, Trouble, call, same};

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The cluster is as its record says.
    Settled,
    /// The change was given up and could not be taken back: the control plane has to be looked at again.
    Unsure,
}

/// Works on the update that a cluster is in. `served`: whether its control plane is known to run; after a restart there
/// is none yet whose access could be changed, so it is ensured first.
///
/// # Errors
/// What stopped it; the next turn goes on.
pub async fn settle(parts: &Parts, cluster: &Cluster, served: bool) -> Result<Outcome, Trouble> {
    let prefix = update_prefix(&cluster.account, &cluster.region, &cluster.name);
    let updates = parts.records.scan::<Update>(&prefix)?;
    let Some((key, update)) = updates.into_iter().find(|(_, it)| it.status == UpdateStatus::InProgress) else {
        // Not reached by our own transactions, which write both together; a cluster must not hang in it regardless.
        parts.record(cluster, |record| record.status = ClusterStatus::Active).await?;
        return Ok(Outcome::Settled);
    };
    if !update.errors.is_empty() {
        return take_back(parts, cluster, served, &key, &update).await;
    }
    match apply(parts, cluster, served, &update).await {
        Ok(()) => {
            end(parts, cluster, &key, UpdateStatus::Successful).await?;
            Ok(Outcome::Settled)
        }
        Err(trouble) if trouble.is_final(update.created, parts.clock.now()) => {
            let cluster = turn_round(parts, cluster, &key, &update, trouble.issue()).await?;
            match cluster {
                Some(cluster) => take_back(parts, &cluster, served, &key, &update).await,
                None => Ok(Outcome::Settled),
            }
        }
        Err(trouble) => Err(trouble),
    }
}

/// Only a change of access reaches beyond the record.
async fn apply(parts: &Parts, cluster: &Cluster, served: bool, update: &Update) -> Result<(), Trouble> {
    if update.previous_access.is_none() {
        return Ok(());
    }
    if !served {
        call("its control plane does not run", parts.control_planes.ensure(cluster)).await?;
    }
    call("the endpoint access could not be changed", parts.control_planes.set_access(cluster)).await
}

/// Writes down that the update failed and the access is to be what it was.
async fn turn_round(
    parts: &Parts,
    cluster: &Cluster,
    key: &str,
    update: &Update,
    issue: HealthIssue,
) -> Result<Option<Cluster>, Trouble> {
    // The error codes of updates are others than those of clusters.
    let error = HealthIssue { code: "Unknown".to_owned(), ..issue };
    let change = |cluster: &mut Cluster, record: &mut Update| {
        if let Some(previous) = &update.previous_access {
            cluster.access = previous.clone();
        }
        record.errors = vec![error.clone()];
    };
    both(parts, cluster, key, change).await
}

async fn take_back(
    parts: &Parts,
    cluster: &Cluster,
    served: bool,
    key: &str,
    update: &Update,
) -> Result<Outcome, Trouble> {
    let applied = apply(parts, cluster, served, update).await;
    end(parts, cluster, key, UpdateStatus::Failed).await?;
    match applied {
        Ok(()) => Ok(Outcome::Settled),
        Err(trouble) => {
            tracing::warn!(cluster = %cluster.arn(), error = %trouble, "a failed update could not be taken back yet");
            Ok(Outcome::Unsure)
        }
    }
}

async fn end(parts: &Parts, cluster: &Cluster, key: &str, status: UpdateStatus) -> Result<(), Trouble> {
    let change = |cluster: &mut Cluster, update: &mut Update| {
        cluster.status = ClusterStatus::Active;
        update.status = status;
    };
    both(parts, cluster, key, change).await.map(drop)
}

/// Changes cluster and update together, if they are still what they were.
async fn both(
    parts: &Parts,
    cluster: &Cluster,
    key: &str,
    change: impl Fn(&mut Cluster, &mut Update),
) -> Result<Option<Cluster>, Trouble> {
    let cluster_key = cluster.cluster_key().key();
    parts
        .records
        .transact(|tx| {
            let (found, update) = (tx.get::<Cluster>(&cluster_key)?, tx.get::<Update>(key)?);
            let found = found.filter(|found| same(found, cluster, ClusterStatus::Updating));
            let update = update.filter(|it| it.status == UpdateStatus::InProgress);
            let (Some(mut found), Some(mut update)) = (found, update) else { return Ok(None) };
            change(&mut found, &mut update);
            tx.put(&cluster_key, &found)?;
            tx.put(key, &update)?;
            Ok(Some(found))
        })
        .await
}
