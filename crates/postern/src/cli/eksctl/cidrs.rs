//! `utils set-public-access-cidrs`: who can reach the endpoint by its public addresses.

use super::endpoints::read_file;
use super::flags::{Common, Timeout, cluster_name};
use super::update::{check_updatable, go_list, strings, update};
use super::work::Work;
use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use crate::cli::session::Session;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Changes who can reach the public endpoint.
#[derive(Debug, clap::Args)]
pub struct SetPublicAccessCidrs {
    /// The blocks, separated by commas.
    #[arg(value_delimiter = ',', value_name = "CIDR")]
    blocks: Vec<String>,
    /// The cluster's name.
    #[arg(short, long)]
    cluster: Option<String>,
    /// A ClusterConfig file, `-` for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Do it; without this the change is only shown.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    approve: Option<bool>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    common: Common,
}

impl SetPublicAccessCidrs {
    /// Does it, or shows what it would do.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        session.note(
            "Command \"set-public-access-cidrs\" is deprecated, this command is deprecated and will be removed soon. \
             Use `eksctl utils update-cluster-vpc-config --public-access-cidrs=<> instead.",
        );
        let file = read_file(session, self.config_file.as_ref(), &["approve", "timeout"])?;
        let in_file = file.as_ref().and_then(|it| it.metadata.name.as_deref());
        let name = cluster_name(&[("--cluster", self.cluster.as_deref()), ("file", in_file)], "cluster")?;
        let in_file = file.as_ref().and_then(|it| it.vpc.public_access_cidrs.clone());
        let blocks = match (in_file, self.blocks) {
            (Some(_), given) if !given.is_empty() => {
                return Err(CliError::told("the blocks are in the file or on the command line, not both"));
            }
            (Some(blocks), _) => blocks,
            (None, given) => given,
        };
        if blocks.is_empty() {
            return Err(CliError::told(
                "a comma-separated list of public access CIDRs must be given, as 198.18.0.0/24",
            ));
        }
        let region = self.common.region.as_deref().or(file.as_ref().and_then(|it| it.metadata.region.as_deref()));
        let mut work = Work::new(session, &self.common, region)?;
        let region = work.region.clone();
        work.info(format!("using region {region}"))?;
        let cluster = work.existing_cluster(&name)?;
        check_updatable(&work, &name, &cluster)?;
        let plan = self.approve != Some(true);
        let changed = change(&mut work, &name, &cluster, &blocks, plan, self.timeout.timeout)?;
        work.plan_warning(plan && changed)
    }
}

/// Makes the list as asked, or says what would be made. Whether there is a difference; order is none.
pub fn change(
    work: &mut Work<'_, '_>,
    name: &str,
    cluster: &Value,
    blocks: &[String],
    plan: bool,
    limit: Duration,
) -> Result<bool, CliError> {
    let now = strings(&cluster["resourcesVpcConfig"]["publicAccessCidrs"]);
    let what = format!("public access CIDRs for cluster {name:?} in {:?}", work.region);
    work.info(format!("current public access CIDRs: {}", go_list(&now)))?;
    if now.iter().collect::<BTreeSet<_>>() == blocks.iter().collect() {
        work.success(format!("{what} are already up-to-date"))?;
        return Ok(false);
    }
    work.intent(plan, format!("update {what} to: {}", go_list(blocks)))?;
    if !plan {
        update(work, name, json!({ "publicAccessCidrs": blocks }), limit)?;
        work.success(format!("{what} have been updated to: {}", go_list(blocks)))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::FakeDaemon;

    fn daemon() -> FakeDaemon {
        FakeDaemon::aws(|_, operation, _| {
            Ok(match operation {
                "DescribeCluster" => json!({"cluster": {"status": "ACTIVE", "resourcesVpcConfig": {
                    "endpointPublicAccess": true, "publicAccessCidrs": ["0.0.0.0/0", "198.18.1.1/32"]}}}),
                "UpdateClusterConfig" => json!({"update": {"id": "u", "type": "EndpointAccessUpdate"}}),
                _ => json!({"update": {"status": "Successful"}}),
            })
        })
    }

    #[test]
    fn the_list_is_replaced() {
        let daemon = daemon();
        let ran = daemon.run("postern utils set-public-access-cidrs --cluster=c 198.18.0.0/24,198.18.9.9/32 --approve");
        assert_eq!(
            ran.output(),
            "[ℹ]  using region ap-northeast-2\n\
             [ℹ]  current public access CIDRs: [0.0.0.0/0 198.18.1.1/32]\n\
             [ℹ]  will update public access CIDRs for cluster \"c\" in \"ap-northeast-2\" to: [198.18.0.0/24 \
             198.18.9.9/32]\n\
             [✔]  public access CIDRs for cluster \"c\" in \"ap-northeast-2\" have been updated to: \
             [198.18.0.0/24 198.18.9.9/32]\n"
        );
        assert!(ran.err.starts_with("Command \"set-public-access-cidrs\" is deprecated, "), "{}", ran.err);
        let inputs: Vec<_> = daemon.calls().into_iter().filter(|(it, _)| it == "UpdateClusterConfig").collect();
        let want =
            json!({"name": "c", "resourcesVpcConfig": {"publicAccessCidrs": ["198.18.0.0/24", "198.18.9.9/32"]}});
        assert_eq!(inputs, [("UpdateClusterConfig".to_owned(), want)]);
    }

    #[test]
    fn the_same_set_in_another_order_is_no_update() {
        let daemon = daemon();
        let ran = daemon.run("postern utils set-public-access-cidrs --cluster=c 198.18.1.1/32,0.0.0.0/0 --approve");
        let last = "[✔]  public access CIDRs for cluster \"c\" in \"ap-northeast-2\" are already up-to-date";
        assert_eq!(ran.output().lines().last(), Some(last));
        assert!(!daemon.calls().iter().any(|(it, _)| it == "UpdateClusterConfig"));
    }

    #[test]
    fn a_plan_says_what_it_would_do() {
        let daemon = daemon();
        let ran = daemon.run("postern utils set-public-access-cidrs --cluster=c 198.18.0.0/24");
        let tail: Vec<_> = ran.output().lines().skip(2).collect();
        assert_eq!(
            tail,
            [
                "[ℹ]  (plan) would update public access CIDRs for cluster \"c\" in \"ap-northeast-2\" to: \
                 [198.18.0.0/24]",
                "[!]  no changes were applied, run again with '--approve' to apply the changes"
            ]
        );
        assert!(!daemon.calls().iter().any(|(it, _)| it == "UpdateClusterConfig"));
        let ran = daemon.run("postern utils set-public-access-cidrs --cluster=c");
        assert!(ran.failure().contains("a comma-separated list"), "{}", ran.err);
    }
}
