//! From an accepted cluster to one that serves, in phases that are types: a later step takes what only the earlier one
//! makes. The record says which phase to enter:
//!
//! ```text
//! Accepted --connect--> Networked --serve--> ACTIVE
//!    the record has        ... and security group,
//!    its addresses         interfaces, certificate
//! ```
//!
//! Two commits in all, and what does not depend on each other runs at once: this is what a user waits for.

use crate::records::{Cluster, ClusterStatus, CrossAccountInterface, HealthIssue};
use crate::steps::{Parts, Trouble, call};
use crate::tear_down;
use base::SecurityGroupId;
use futures::future::join_all;

/// A cluster with nothing but its record, as far as the record knows.
#[derive(Debug)]
pub struct Accepted(Cluster);

/// A cluster with security group, interfaces and certificate, all in its record.
#[derive(Debug)]
pub struct Networked(Cluster);

/// Where to enter.
#[derive(Debug)]
pub enum Phase {
    /// At the beginning.
    Accepted(Accepted),
    /// With the network made.
    Networked(Networked),
}

impl Phase {
    /// As the record says.
    pub fn of(cluster: Cluster) -> Self {
        let connected = cluster.control_plane.iter().all(|it| it.interface.is_some());
        if connected && cluster.cluster_security_group.is_some() && cluster.certificate_authority.is_some() {
            Self::Networked(Networked(cluster))
        } else {
            Self::Accepted(Accepted(cluster))
        }
    }
}

/// Brings a cluster up. `false` when somebody decided otherwise meanwhile.
///
/// # Errors
/// What stopped it; entering again goes on from there.
pub async fn bring_up(parts: &Parts, cluster: Cluster) -> Result<bool, Trouble> {
    let networked = match Phase::of(cluster) {
        Phase::Accepted(it) => it.connect(parts).await?,
        Phase::Networked(it) => Some(it),
    };
    match networked {
        Some(it) => it.serve(parts).await,
        None => Ok(false),
    }
}

impl Accepted {
    /// Makes the security group, the interfaces and the authority.
    async fn connect(self, parts: &Parts) -> Result<Option<Networked>, Trouble> {
        let (cluster, network) = (&self.0, &parts.network);
        let authority = call("its certificate authority could not be made", parts.control_planes.authority(cluster));
        // All run to their ends even if one fails: a call that is dropped half-way could still take effect, after the
        // tear-down has looked.
        let network = async {
            let (group, subnets) = futures::join!(network.group(cluster), network.subnets(cluster));
            let (group, subnets) = (group?, subnets?);
            let existing = network.interfaces(cluster, &group).await?;
            let make = |it: &crate::records::ControlPlaneInstance| {
                let zone = it.zone.clone();
                let (existing, subnets, group) = (&existing, &subnets, &group);
                async move { network.interface(cluster, &zone, existing, subnets, group).await }
            };
            let interfaces = join_all(cluster.control_plane.iter().map(make));
            let (rules, interfaces) = futures::join!(network.admit_members(cluster, &group), interfaces);
            rules?;
            let interfaces = interfaces.into_iter().collect::<Result<Vec<CrossAccountInterface>, Trouble>>()?;
            Ok::<(SecurityGroupId, Vec<CrossAccountInterface>), Trouble>((group, interfaces))
        };
        let (authority, network) = futures::join!(authority, network);
        let (group, interfaces) = network?;
        let authority = authority?;
        let recorded = parts.record(cluster, |record| {
            record.cluster_security_group = Some(group.clone());
            record.certificate_authority = Some(authority.clone());
            for (instance, interface) in record.control_plane.iter_mut().zip(&interfaces) {
                instance.interface = Some(interface.clone());
            }
        });
        Ok(recorded.await?.map(Networked))
    }
}

impl Networked {
    /// Starts the control plane.
    async fn serve(self, parts: &Parts) -> Result<bool, Trouble> {
        call("its control plane did not start", parts.control_planes.ensure(&self.0)).await?;
        let recorded = parts.record(&self.0, |record| {
            record.status = ClusterStatus::Active;
            record.issues.clear();
        });
        Ok(recorded.await?.is_some())
    }
}

/// Gives a creation up: takes back what was made in the user's VPC and calls the cluster failed. Its reserved addresses
/// stay with the record until it is deleted.
///
/// # Errors
/// When not all could be taken back, and it may be worth to try again.
pub async fn give_up(parts: &Parts, cluster: &Cluster, issue: &HealthIssue) -> Result<(), Trouble> {
    // First the record forgets, so that whoever enters after a crash does not build on what is being removed.
    let forget = |record: &mut Cluster| {
        record.cluster_security_group = None;
        record.certificate_authority = None;
        record.control_plane.iter_mut().for_each(|it| it.interface = None);
    };
    if parts.record(cluster, forget).await?.is_none() {
        return Ok(());
    }
    tear_down::undo(parts, cluster).await?;
    let fail = |record: &mut Cluster| {
        record.status = ClusterStatus::Failed;
        record.issues = vec![issue.clone()];
    };
    parts.record(cluster, fail).await?;
    Ok(())
}
