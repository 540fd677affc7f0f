//! What EKS stores: clusters under `eks/<account>/<region>/cluster/<name>`, their updates under
//! `eks/<account>/<region>/update/<cluster>/<id>`. (Reserved addresses and access entries are elsewhere: see
//! [`crate::pool`] and [`crate::access_entries`].)

use base::{AccountId, Ipv4Block, NetworkInterfaceId, Region, SecurityGroupId, SubnetId, VpcId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The root of all EKS keys.
pub const ROOT: &str = "eks/";

/// The key of a cluster.
pub fn cluster_key(account: &AccountId, region: &Region, name: &str) -> String {
    format!("{ROOT}{account}/{region}/cluster/{name}")
}

/// The prefix of a region's clusters.
pub fn cluster_prefix(account: &AccountId, region: &Region) -> String {
    format!("{ROOT}{account}/{region}/cluster/")
}

/// The key of an update.
pub fn update_key(account: &AccountId, region: &Region, cluster: &str, id: &str) -> String {
    format!("{ROOT}{account}/{region}/update/{cluster}/{id}")
}

/// The prefix of a cluster's updates.
pub fn update_prefix(account: &AccountId, region: &Region, cluster: &str) -> String {
    format!("{ROOT}{account}/{region}/update/{cluster}/")
}

/// Which cluster: what its key says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// Its owner.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its name.
    pub name: String,
}

impl ClusterKey {
    /// Reads a key of the store; `None` when it is not a cluster's.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix(ROOT)?.splitn(4, '/');
        let (account, region, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (account, region) = (account.parse().ok()?, region.parse().ok()?);
        (kind == "cluster").then(|| Self { account, region, name: name.to_owned() })
    }

    /// The key of the store.
    pub fn key(&self) -> String {
        cluster_key(&self.account, &self.region, &self.name)
    }
}

/// A cluster's status. Spelt as in the *Amazon EKS API Reference*, `Cluster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClusterStatus {
    /// Being made.
    Creating,
    /// Serves.
    Active,
    /// Being changed; serves.
    Updating,
    /// Being deleted.
    Deleting,
    /// Could not be made.
    Failed,
}

impl ClusterStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Failed => "FAILED",
        }
    }

    /// Whether it is on its way to another one.
    pub fn is_transitional(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }
}

/// Which ways lead to the endpoint. At least one is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointAccess {
    /// By the public addresses.
    pub public: bool,
    /// By the X-ENIs, from the VPC.
    pub private: bool,
    /// Who may come by the public addresses.
    pub public_cidrs: Vec<Ipv4Block>,
}

/// One control plane instance: an API server replica with a network namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlPlaneInstance {
    /// Its zone's name.
    pub zone: String,
    /// Its address in the provider VPC, from 240.0.0.0/8.
    pub provider_address: Ipv4Addr,
    /// The public address that leads to it, from 198.18.0.0/15.
    pub public_address: Ipv4Addr,
    /// Its cross-account interface, once made.
    pub interface: Option<CrossAccountInterface>,
}

/// A cross-account interface: in the user's subnet, used by a control plane instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossAccountInterface {
    /// Its id.
    pub id: NetworkInterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its private address.
    pub address: Ipv4Addr,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its status.
    pub status: ClusterStatus,
    /// Its version, as `1.34`.
    pub version: String,
    /// Its platform version, as `eks.19`.
    pub platform_version: String,
    /// The role the service takes on.
    pub role_arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it (an ARN): the first administrator.
    pub creator: String,
    /// 32 upper-case hex digits: first label of the endpoint, last part of the OIDC issuer.
    pub endpoint_id: String,
    /// Three characters, as `gr7`: second label of the endpoint.
    pub shard: String,
    /// The VPC of its subnets.
    pub vpc: VpcId,
    /// The subnets given.
    pub subnets: Vec<SubnetId>,
    /// The security groups given.
    pub security_groups: Vec<SecurityGroupId>,
    /// The group that EKS made for it, once made.
    pub cluster_security_group: Option<SecurityGroupId>,
    /// Which ways lead to its endpoint.
    pub access: EndpointAccess,
    /// The range of Service addresses.
    pub service_block: Ipv4Block,
    /// Enabled log types.
    pub log_types: Vec<String>,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub authentication_mode: String,
    /// Whether the creator is an administrator.
    pub creator_is_admin: bool,
    /// `EXTENDED` or `STANDARD`.
    pub support_type: String,
    /// Whether DeleteCluster is refused.
    pub deletion_protection: bool,
    /// Whether self-managed add-ons are installed.
    pub bootstrap_self_managed_addons: bool,
    /// The token of the call that made it, and a digest of that call's input.
    pub client_token: Option<(String, String)>,
    /// Its two control plane instances, in different zones. Their addresses are reserved when the cluster is accepted.
    pub control_plane: Vec<ControlPlaneInstance>,
    /// The certificate of its authority, PEM, once made. (Private keys are not in the store.)
    pub certificate_authority: Option<String>,
    /// Why it failed, if it did.
    pub issues: Vec<HealthIssue>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Cluster {
    /// The endpoint's host name with the id in upper case, as `https://` URLs show it.
    pub fn endpoint_host(&self) -> String {
        format!("{}.{}.{}.eks.amazonaws.com", self.endpoint_id, self.shard, self.region)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:eks:{}:{}:cluster/{}", self.region, self.account, self.name)
    }

    /// Which cluster it is.
    pub fn cluster_key(&self) -> ClusterKey {
        ClusterKey { account: self.account.clone(), region: self.region.clone(), name: self.name.clone() }
    }

    /// The issuer of its service account tokens.
    pub fn oidc_issuer(&self) -> String {
        format!("https://oidc.eks.{}.amazonaws.com/id/{}", self.region, self.endpoint_id)
    }
}

/// What is wrong with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    /// As in the *Amazon EKS API Reference*, `ClusterIssue`.
    pub code: String,
    /// What the user reads.
    pub message: String,
    /// What it is about.
    pub resource_ids: Vec<String>,
}

/// An update's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// Under way.
    InProgress,
    /// Done.
    Successful,
    /// Could not be done.
    Failed,
    /// Given up.
    Cancelled,
}

impl UpdateStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// An update of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Its id, a UUID.
    pub id: String,
    /// Its status.
    pub status: UpdateStatus,
    /// As `EndpointAccessUpdate`, from the *Amazon EKS API Reference*, `Update`.
    pub kind: String,
    /// Its parameters in order: type and value.
    pub params: Vec<(String, String)>,
    /// When it was accepted.
    pub created: Timestamp,
    /// Why it failed: code, message, resource ids. While it is still under way: why it is being taken back.
    pub errors: Vec<HealthIssue>,
    /// For a change of access: the access before it, to go back to.
    #[serde(default)]
    pub previous_access: Option<EndpointAccess>,
    /// The token of the call that made it, and a digest of that call's input.
    pub client_token: Option<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clusters_keys_name_clusters() {
        let key = ClusterKey::parse("eks/111122223333/eu-west-1/cluster/blue").unwrap();
        assert_eq!((key.name.as_str(), key.key().as_str()), ("blue", "eks/111122223333/eu-west-1/cluster/blue"));
        assert_eq!(ClusterKey::parse("eks/111122223333/eu-west-1/update/blue/1"), None);
        assert_eq!(ClusterKey::parse("eks/111122223333/eu-west-1/cluster"), None);
        assert_eq!(ClusterKey::parse("ec2/111122223333/eu-west-1/cluster/blue"), None);
    }

    #[test]
    fn statuses_are_spelt_as_on_aws() {
        assert_eq!(ClusterStatus::Creating.as_str(), "CREATING");
        assert_eq!(serde_json::to_string(&ClusterStatus::Deleting).unwrap(), "\"DELETING\"");
        assert_eq!(UpdateStatus::InProgress.as_str(), "InProgress");
    }
}
