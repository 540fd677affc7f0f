//! `delete cluster`: a cluster, and what was made for it.

use super::config_file::ClusterConfig;
use super::flags::{Common, Timeout, cluster_name, only_file};
use super::work::Work;
use super::{network, role};
use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use crate::cli::session::Session;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Deletes a cluster.
#[derive(Debug, clap::Args)]
pub struct DeleteCluster {
    /// The cluster's name.
    name: Option<String>,
    /// The same, as a flag.
    #[arg(short, long = "name", value_name = "NAME", id = "name-flag")]
    name_flag: Option<String>,
    /// A ClusterConfig file, `-` for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Wait until all is deleted; it always does, in some milliseconds.
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    wait: Option<bool>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    common: Common,
}

impl DeleteCluster {
    /// Does it.
    ///
    /// # Errors
    /// When there is no such cluster nor anything that was made for one, or something can't be deleted.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        if self.wait == Some(false) {
            return Err(CliError::told("--wait=false is not served: what was made for the cluster goes after it"));
        }
        let file = match &self.config_file {
            Some(path) => {
                only_file(session, &["wait", "timeout"])?;
                Some(ClusterConfig::read(path)?)
            }
            None => None,
        };
        let in_file = file.as_ref().and_then(|it| it.metadata.name.as_deref());
        let sources = [("argument", self.name.as_deref()), ("--name", self.name_flag.as_deref()), ("file", in_file)];
        let name = cluster_name(&sources, "name")?;
        let region = self.common.region.as_deref().or(file.as_ref().and_then(|it| it.metadata.region.as_deref()));
        let mut work = Work::new(session, &self.common, region)?;
        let exists = work.cluster(&name)?.is_some();
        if !exists && network::find(&mut work, &name)?.is_empty() {
            // in eksctl's words; a role alone is not worth another question
            work.existing_cluster(&name)?;
        }
        work.info(format!("deleting EKS cluster {name:?}"))?;
        tear_down(&mut work, &name, exists, self.timeout.timeout)?;
        work.success("all cluster resources were deleted")
    }
}

/// Deletes a cluster, if it exists, then the network and the role that were made for one of its name. Goes on after a
/// failure, as what is left would only cost another run, and reports the first.
///
/// # Errors
/// The first.
pub fn tear_down(work: &mut Work<'_, '_>, name: &str, exists: bool, limit: Duration) -> Result<(), CliError> {
    if exists {
        // the network and the role are in use until the cluster is gone
        delete_cluster(work, name, limit)?;
        work.info(format!("deleted EKS cluster {name:?}"))?;
    }
    let mut first = None;
    for removed in [network::remove(work, name), role::remove(work, name)] {
        match removed {
            Ok(list) if list.is_empty() => {}
            Ok(list) => work.info(format!("deleted {}", list.join(", ")))?,
            Err(e) => {
                work.critical(&e)?;
                first = first.or(Some(e));
            }
        }
    }
    match first {
        Some(e) => Err(CliError::told(format!("failed to delete all resources of cluster {name:?}: {e}"))),
        None => Ok(()),
    }
}

fn delete_cluster(work: &mut Work<'_, '_>, name: &str, limit: Duration) -> Result<(), CliError> {
    match work.call("eks", "DeleteCluster", json!({ "name": name })) {
        // gone, or on its way since an earlier run
        Err(e) if e.is_code("ResourceNotFoundException") => return Ok(()),
        Err(e) if e.is_code("ResourceInUseException") && is_deleting(work, name)? => {}
        other => drop(other?),
    }
    let mut shown = String::new();
    work.wait(limit, &format!("waiting for cluster {name:?} to be deleted"), |work| {
        let Some(cluster) = work.cluster(name)? else { return Ok(Some(())) };
        let why = issues(&cluster);
        if !why.is_empty() && why != shown {
            work.warning(format!("cluster {name:?} is not deleted yet: {why}"))?;
            shown = why;
        }
        Ok(None)
    })
}

fn is_deleting(work: &mut Work<'_, '_>, name: &str) -> Result<bool, CliError> {
    Ok(work.cluster(name)?.is_none_or(|it| it["status"] == "DELETING"))
}

/// What is wrong with a cluster, in EKS's words.
pub fn issues(cluster: &Value) -> String {
    let list = cluster["health"]["issues"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|it| it["message"].as_str()).collect::<Vec<_>>().join("; ")
}
