//! eksctl's grammar, flags and output, for those who have no eksctl. The work is done by AWS operations, asked of the
//! daemon.
//!
//! Read [`flags`] (what is common), [`work`] (log lines and calls), then one command. What eksctl does by
//! CloudFormation, `create` and `delete` do by the services' own operations; what is made is found again by eksctl's
//! tag with the cluster's name.

mod cidrs;
mod config_file;
mod create;
mod create_flags;
mod delete;
mod dry_run;
mod endpoints;
mod existing;
mod flags;
mod get;
mod network;
mod refused;
mod role;
#[cfg(test)]
mod story;
mod update;
mod work;

pub use refused::group as refuse_group;

use super::error::CliError;
use super::session::Session;
use std::ffi::OsString;

/// eksctl's tag with the name of the cluster that a thing was made for.
const CLUSTER_TAG: &str = "alpha.eksctl.io/cluster-name";

/// `create ...`
#[derive(Debug, clap::Subcommand)]
pub enum Create {
    /// Create a cluster, and a VPC and a role for it where none are given.
    Cluster(Box<create_flags::CreateCluster>),
    /// What eksctl can create besides.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `get ...`
#[derive(Debug, clap::Subcommand)]
pub enum Get {
    /// List the clusters, or show one.
    #[command(alias = "clusters")]
    Cluster(get::GetCluster),
    /// What eksctl can get besides.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `delete ...`
#[derive(Debug, clap::Subcommand)]
pub enum Delete {
    /// Delete a cluster, and the VPC and the role that `create cluster` made for it.
    Cluster(delete::DeleteCluster),
    /// What eksctl can delete besides.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `utils ...`
#[derive(Debug, clap::Subcommand)]
pub enum Utils {
    /// Change how the endpoint can be reached (deprecated: see update-cluster-vpc-config).
    UpdateClusterEndpoints(endpoints::UpdateClusterEndpoints),
    /// Change how the endpoint can be reached, and by whom.
    UpdateClusterVpcConfig(endpoints::UpdateClusterVpcConfig),
    /// Change who can reach the public endpoint (deprecated: see update-cluster-vpc-config).
    SetPublicAccessCidrs(cidrs::SetPublicAccessCidrs),
    /// eksctl's other utilities.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

impl Create {
    /// Does it.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Cluster(it) => create::run(*it, session),
            Self::Other(words) => Err(refused::resource("create", &words)),
        }
    }
}

impl Get {
    /// Does it.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Cluster(it) => it.run(session),
            Self::Other(words) => Err(refused::resource("get", &words)),
        }
    }
}

impl Delete {
    /// Does it.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Cluster(it) => it.run(session),
            Self::Other(words) => Err(refused::resource("delete", &words)),
        }
    }
}

impl Utils {
    /// Does it.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::UpdateClusterEndpoints(it) => it.run(session),
            Self::UpdateClusterVpcConfig(it) => it.run(session),
            Self::SetPublicAccessCidrs(it) => it.run(session),
            Self::Other(words) => Err(refused::resource("utils", &words)),
        }
    }
}
