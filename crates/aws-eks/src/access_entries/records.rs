//! What is stored: entries under `eks-access/<account>/<region>/<cluster>/<principal>`, the principal as
//! [`IamPrincipal::key`] writes it, so that whoever comes with a token is found with one look. They have a root of their
//! own: who looks through clusters must not wade through thousands of entries of each.

use super::principal::IamPrincipal;
use crate::records::ClusterKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The root of all keys here.
pub const ROOT: &str = "eks-access/";

/// The prefix of a cluster's entries.
pub fn entry_prefix(cluster: &ClusterKey) -> String {
    let ClusterKey { account, region, name } = cluster;
    format!("{ROOT}{account}/{region}/{name}/")
}

/// The key of a principal's entry.
pub fn entry_key(cluster: &ClusterKey, principal: &IamPrincipal) -> String {
    entry_prefix(cluster) + &principal.key()
}

/// What enters by an entry. Spelt as in the *Amazon EKS API Reference*, `CreateAccessEntry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryType {
    /// People and programs.
    Standard,
    /// Linux nodes of one's own.
    Ec2Linux,
    /// Windows nodes of one's own.
    Ec2Windows,
    /// Nodes under pods on Fargate.
    FargateLinux,
    /// Nodes of Auto Mode.
    Ec2,
    /// Nodes outside of AWS.
    HybridLinux,
    /// Nodes of SageMaker HyperPod.
    HyperpodLinux,
}

impl EntryType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::Ec2Linux,
        Self::Ec2Windows,
        Self::FargateLinux,
        Self::Ec2,
        Self::HybridLinux,
        Self::HyperpodLinux,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Ec2Linux => "EC2_LINUX",
            Self::Ec2Windows => "EC2_WINDOWS",
            Self::FargateLinux => "FARGATE_LINUX",
            Self::Ec2 => "EC2",
            Self::HybridLinux => "HYBRID_LINUX",
            Self::HyperpodLinux => "HYPERPOD_LINUX",
        }
    }

    /// The groups that the service puts those in who enter so.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Standard => &[],
            Self::Ec2Linux | Self::Ec2 | Self::HybridLinux | Self::HyperpodLinux => &["system:nodes"],
            Self::Ec2Windows => &["eks:kube-proxy-windows", "system:nodes"],
            // There is no DaemonSet on Fargate: the node's own identity runs kube-proxy.
            Self::FargateLinux => &["system:node-proxier", "system:nodes"],
        }
    }
}

/// Where an access policy holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Everywhere.
    Cluster,
    /// In these namespaces; `*` stands for any text.
    Namespaces(Vec<String>),
}

/// An access policy of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// The policy's ARN.
    pub policy: String,
    /// Where it holds.
    pub scope: Scope,
    /// Since when.
    pub associated: Timestamp,
    /// When its scope changed last.
    pub modified: Timestamp,
}

/// An access entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// The cluster's name.
    pub cluster: String,
    /// The principal's ARN, with its path.
    pub principal_arn: String,
    /// The principal's unique id. One of the same name that is made later is another one, and has no entry.
    pub principal_id: String,
    /// Its own ARN.
    pub arn: String,
    /// What enters by it.
    pub kind: EntryType,
    /// The Kubernetes user's name; a template.
    pub username: String,
    /// The Kubernetes user's groups.
    pub groups: Vec<String>,
    /// Its access policies, by ARN.
    pub policies: Vec<Association>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its name or groups changed last.
    pub modified: Timestamp,
    /// Whether the service made it with the cluster, for the cluster's creator.
    pub of_creator: bool,
    /// The token of the call that made it, and a digest of that call's input.
    pub client_token: Option<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_spelt_as_on_the_wire() {
        for kind in EntryType::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.as_str()));
        }
    }
}
