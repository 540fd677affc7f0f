//! The end of a cluster: its control plane, its interfaces, its security group, and only then its addresses and record.

use crate::access_entries::records::entry_prefix;
use crate::error::EksError;
use crate::pool::{PROVIDER, PUBLIC};
use crate::records::{Cluster, ClusterStatus, Update, update_prefix};
use crate::steps::{Parts, Trouble, call, same};
use serde::de::IgnoredAny;

/// Removes all that was made for a cluster outside of our records, recorded or not.
///
/// # Errors
/// What is left and why.
pub async fn undo(parts: &Parts, cluster: &Cluster) -> Result<(), Trouble> {
    // The control plane stands on the interfaces, and the interfaces are in the group.
    call("its control plane could not be removed", parts.control_planes.remove(cluster)).await?;
    parts.network.remove_interfaces(cluster).await?;
    parts.network.remove_group(cluster).await
}

/// Forgets a deleted cluster: its record, its updates, its access entries, its addresses, in one transaction.
///
/// # Errors
/// When the store fails.
pub async fn forget(parts: &Parts, cluster: &Cluster) -> Result<(), EksError> {
    let key = cluster.cluster_key().key();
    let updates = update_prefix(&cluster.account, &cluster.region, &cluster.name);
    let entries = entry_prefix(&cluster.cluster_key());
    parts
        .records
        .transact(|tx| {
            let found = tx.get::<Cluster>(&key)?;
            let Some(found) = found.filter(|found| same(found, cluster, ClusterStatus::Deleting)) else {
                return Ok(());
            };
            for (update, _) in tx.peek::<Update>(&updates)? {
                tx.delete(update);
            }
            // New ones cannot come: they need a cluster that is not being deleted.
            for (entry, _) in tx.peek::<IgnoredAny>(&entries)? {
                tx.delete(entry);
            }
            for instance in &found.control_plane {
                PROVIDER.release(tx, instance.provider_address, &found.endpoint_id)?;
                PUBLIC.release(tx, instance.public_address, &found.endpoint_id)?;
            }
            tx.delete(&key);
            Ok(())
        })
        .await
}
