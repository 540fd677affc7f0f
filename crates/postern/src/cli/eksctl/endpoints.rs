//! `utils update-cluster-endpoints` and `utils update-cluster-vpc-config`: which ways lead to the endpoint, and for
//! whom.

use super::cidrs;
use super::config_file::ClusterConfig;
use super::flags::{Common, Timeout, cluster_name, only_file};
use super::update::{UPDATE_LIMIT, check_updatable, update};
use super::work::Work;
use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use crate::cli::session::Session;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

const BOTH_OFF: &str = "Kubernetes API access must have one of public or private clusterEndpoints enabled";

/// Changes how the endpoint can be reached.
#[derive(Debug, clap::Args)]
pub struct UpdateClusterEndpoints {
    /// The cluster's name.
    #[arg(short, long)]
    cluster: Option<String>,
    /// The cluster's name (deprecated).
    #[arg(short, long)]
    name: Option<String>,
    /// A ClusterConfig file, `-` for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Do it; without this the change is only shown.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    approve: Option<bool>,
    /// Whether it can be reached by the private addresses, from the VPC.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    private_access: Option<bool>,
    /// Whether it can be reached by the public addresses.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    public_access: Option<bool>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    common: Common,
}

/// Changes how the endpoint can be reached, and by whom.
#[derive(Debug, clap::Args)]
pub struct UpdateClusterVpcConfig {
    /// The cluster's name.
    #[arg(short, long)]
    cluster: Option<String>,
    /// A ClusterConfig file, `-` for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Do it; without this the change is only shown.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    approve: Option<bool>,
    /// Whether it can be reached by the private addresses, from the VPC.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    private_access: Option<bool>,
    /// Whether it can be reached by the public addresses.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    public_access: Option<bool>,
    /// Who can reach it by the public addresses.
    #[arg(long, value_delimiter = ',', value_name = "CIDR")]
    public_access_cidrs: Option<Vec<String>>,
    /// Refused.
    #[arg(long, hide = true, value_delimiter = ',')]
    control_plane_subnet_ids: Option<Vec<String>>,
    /// Refused.
    #[arg(long, hide = true, value_delimiter = ',')]
    control_plane_security_group_ids: Option<Vec<String>>,
    /// Refused.
    #[arg(long, hide = true)]
    control_plane_egress_mode: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What is asked for; what is `None` stays as it is.
struct Access {
    public: Option<bool>,
    private: Option<bool>,
}

impl UpdateClusterEndpoints {
    /// Does it, or shows what it would do.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        session.note(
            "Command \"update-cluster-endpoints\" is deprecated, this command is deprecated and will be removed soon. \
             Use `eksctl utils update-cluster-vpc-config --public-access=<> --private-access=<> instead.",
        );
        if self.name.is_some() {
            session.note("Flag --name has been deprecated, use --cluster");
        }
        let file = read_file(session, self.config_file.as_ref(), &["approve", "timeout"])?;
        let in_file = file.as_ref().and_then(|it| it.metadata.name.as_deref());
        let sources = [("--cluster", self.cluster.as_deref()), ("--name", self.name.as_deref()), ("file", in_file)];
        let name = cluster_name(&sources, "cluster")?;
        let access = match &file {
            Some(file) => Access::of_file(file),
            None => Access { public: self.public_access, private: self.private_access },
        };
        if access.public.is_none() && access.private.is_none() {
            return Err(CliError::told(
                "at least one of these options must be specified: --private-access, --public-access",
            ));
        }
        // eksctl takes a missing flag for false here, so that `--public-access=false` alone is refused
        if !access.public.unwrap_or(false) && !access.private.unwrap_or(false) {
            return Err(CliError::told(BOTH_OFF));
        }
        let region = self.common.region.as_deref().or(file.as_ref().and_then(|it| it.metadata.region.as_deref()));
        let mut work = Work::new(session, &self.common, region)?;
        let region = work.region.clone();
        work.info(format!("using region {region}"))?;
        let cluster = work.existing_cluster(&name)?;
        check_updatable(&work, &name, &cluster)?;
        let plan = self.approve != Some(true);
        let changed = change_access(&mut work, &name, &cluster, &access, plan, self.timeout.timeout)?;
        work.plan_warning(plan && changed)
    }
}

impl UpdateClusterVpcConfig {
    /// Does it, or shows what it would do.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        for (flag, given) in [
            ("control-plane-subnet-ids", self.control_plane_subnet_ids.is_some()),
            ("control-plane-security-group-ids", self.control_plane_security_group_ids.is_some()),
            ("control-plane-egress-mode", self.control_plane_egress_mode.is_some()),
        ] {
            if given {
                return Err(CliError::told(format!(
                    "--{flag} is not served yet: only the ways to the endpoint can be changed"
                )));
            }
        }
        let file = read_file(session, self.config_file.as_ref(), &["approve"])?;
        let in_file = file.as_ref().and_then(|it| it.metadata.name.as_deref());
        let name = cluster_name(&[("--cluster", self.cluster.as_deref()), ("file", in_file)], "cluster")?;
        let access = match &file {
            Some(file) if file.vpc.cluster_endpoints.is_some() => Access::of_file(file),
            Some(_) => Access { public: None, private: None },
            None => Access { public: self.public_access, private: self.private_access },
        };
        let blocks = file.as_ref().map_or(self.public_access_cidrs, |it| it.vpc.public_access_cidrs.clone());
        if access.public.is_none() && access.private.is_none() && blocks.is_none() {
            return Err(CliError::told(
                "at least one of these options must be specified: --private-access, --public-access, \
                 --public-access-cidrs",
            ));
        }
        let region = self.common.region.as_deref().or(file.as_ref().and_then(|it| it.metadata.region.as_deref()));
        let mut work = Work::new(session, &self.common, region)?;
        let region = work.region.clone();
        work.info(format!("using region {region}"))?;
        let cluster = work.existing_cluster(&name)?;
        check_updatable(&work, &name, &cluster)?;
        let plan = self.approve != Some(true);
        let mut changed = false;
        if access.public.is_some() || access.private.is_some() {
            changed |= change_access(&mut work, &name, &cluster, &access, plan, UPDATE_LIMIT)?;
        }
        if let Some(blocks) = blocks {
            changed |= cidrs::change(&mut work, &name, &cluster, &blocks, plan, UPDATE_LIMIT)?;
        }
        work.plan_warning(plan && changed)
    }
}

impl Access {
    /// What a file leaves out is EKS's default, not what the cluster has.
    fn of_file(file: &ClusterConfig) -> Self {
        let endpoints = file.vpc.cluster_endpoints.clone().unwrap_or_default();
        Self {
            public: Some(endpoints.public_access.unwrap_or(true)),
            private: Some(endpoints.private_access.unwrap_or(false)),
        }
    }
}

/// The file, if one is given, and no flag that would fight with it.
pub fn read_file(
    session: &Session<'_>,
    path: Option<&PathBuf>,
    allowed: &[&str],
) -> Result<Option<ClusterConfig>, CliError> {
    let Some(path) = path else { return Ok(None) };
    only_file(session, allowed)?;
    ClusterConfig::read(path).map(Some)
}

/// Makes the ways as asked, or says what would be made. Whether there is a difference.
fn change_access(
    work: &mut Work<'_, '_>,
    name: &str,
    cluster: &Value,
    access: &Access,
    plan: bool,
    limit: Duration,
) -> Result<bool, CliError> {
    let config = &cluster["resourcesVpcConfig"];
    let now = |member: &str| config[member].as_bool().unwrap_or(false);
    let (public_now, private_now) = (now("endpointPublicAccess"), now("endpointPrivateAccess"));
    let (public, private) = (access.public.unwrap_or(public_now), access.private.unwrap_or(private_now));
    let what = format!("Kubernetes API endpoint access for cluster {name:?} in {:?}", work.region);
    if (public, private) == (public_now, private_now) {
        work.success(format!("{what} is already up-to-date"))?;
        return Ok(false);
    }
    if !public && !private {
        return Err(CliError::told(BOTH_OFF));
    }
    let wanted = format!("privateAccess={private}, publicAccess={public}");
    work.intent(plan, format!("update {what} to: {wanted}"))?;
    if !public {
        private_only(work)?;
    }
    if !plan {
        let members = json!({"endpointPublicAccess": public, "endpointPrivateAccess": private});
        update(work, name, members, limit)?;
        work.success(format!("{what} has been updated to: {wanted}"))?;
    }
    Ok(true)
}

/// The warning before the public way is taken away.
pub fn private_only(work: &mut Work<'_, '_>) -> Result<(), CliError> {
    work.warning(
        "warning, having public access disallowed will subsequently interfere with some features of eksctl. \
         From then on the Kubernetes API answers only inside the VPC: `postern at INSTANCE` stands there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::FakeDaemon;

    const DEPRECATED: &str = "Command \"update-cluster-endpoints\" is deprecated, this command is deprecated and will \
        be \
        removed soon. Use `eksctl utils update-cluster-vpc-config --public-access=<> --private-access=<> instead.\n";

    /// A daemon with cluster `myeks`; an update needs two looks.
    fn daemon(public: bool, private: bool, status: &'static str) -> FakeDaemon {
        let mut looks = 0;
        FakeDaemon::aws(move |_, operation, input| match operation {
            "DescribeCluster" if input["name"] == "myeks" => Ok(json!({"cluster": {"name": "myeks", "status": status,
                "resourcesVpcConfig": {"endpointPublicAccess": public, "endpointPrivateAccess": private,
                "publicAccessCidrs": ["0.0.0.0/0"]}}})),
            "DescribeCluster" => Err(("ResourceNotFoundException", "No cluster found for name: x.".to_owned())),
            "UpdateClusterConfig" => {
                Ok(json!({"update": {"id": "u1", "type": "EndpointAccessUpdate", "status": "InProgress"}}))
            }
            "DescribeUpdate" => {
                looks += 1;
                let status = if looks > 1 { "Successful" } else { "InProgress" };
                Ok(json!({"update": {"id": "u1", "status": status}}))
            }
            other => panic!("{other}"),
        })
    }

    fn updates(daemon: &FakeDaemon) -> Vec<Value> {
        let mut calls = daemon.calls();
        calls.retain(|(operation, _)| operation == "UpdateClusterConfig");
        calls.into_iter().map(|(_, input)| input["resourcesVpcConfig"].clone()).collect()
    }

    #[test]
    fn the_seeds_change_to_both_ways() {
        let daemon = daemon(true, false, "ACTIVE");
        let ran = daemon.run(
            "postern utils update-cluster-endpoints --region ap-northeast-2 --name=myeks --private-access=true \
             --public-access=true --verbose 4 --approve",
        );
        let waiting = "[▶]  waiting for requested \"EndpointAccessUpdate\" in cluster \"myeks\" to succeed\n";
        assert_eq!(
            ran.output(),
            format!(
                "[ℹ]  using region ap-northeast-2\n\
                 [ℹ]  will update Kubernetes API endpoint access for cluster \"myeks\" in \"ap-northeast-2\" to: \
                 privateAccess=true, publicAccess=true\n{waiting}{waiting}\
                 [✔]  Kubernetes API endpoint access for cluster \"myeks\" in \"ap-northeast-2\" has been updated to: \
                 privateAccess=true, publicAccess=true\n"
            )
        );
        assert_eq!(ran.err, format!("{DEPRECATED}Flag --name has been deprecated, use --cluster\n"));
        assert_eq!(updates(&daemon), [json!({"endpointPublicAccess": true, "endpointPrivateAccess": true})]);
    }

    #[test]
    fn a_plan_changes_nothing() {
        let daemon = daemon(true, true, "ACTIVE");
        let ran =
            daemon.run("postern utils update-cluster-endpoints --cluster myeks --private-access --public-access=false");
        let lines: Vec<_> = ran.output().lines().collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(
            lines[1],
            "[ℹ]  (plan) would update Kubernetes API endpoint access for cluster \"myeks\" in \"ap-northeast-2\" to: \
             privateAccess=true, publicAccess=false"
        );
        assert!(lines[2].starts_with("[!]  warning, having public access disallowed will subsequently interfere"));
        assert_eq!(lines[3], "[!]  no changes were applied, run again with '--approve' to apply the changes");
        assert_eq!(ran.err, DEPRECATED);
        assert!(updates(&daemon).is_empty());
    }

    #[test]
    fn the_same_as_now_is_no_update() {
        let daemon = daemon(true, false, "ACTIVE");
        let ran = daemon.run("postern utils update-cluster-endpoints --cluster myeks --public-access=true --approve");
        let last =
            "[✔]  Kubernetes API endpoint access for cluster \"myeks\" in \"ap-northeast-2\" is already up-to-date";
        assert_eq!(ran.output().lines().last(), Some(last));
        assert!(updates(&daemon).is_empty());
    }

    #[test]
    fn both_off_and_the_public_flag_alone_are_refused_before_any_call() {
        let daemon = daemon(true, true, "ACTIVE");
        for flags in ["--public-access=false", "--private-access=false", "--private-access=false --public-access=false"]
        {
            let ran = daemon.run(&format!("postern utils update-cluster-endpoints --cluster myeks {flags} --approve"));
            assert_eq!(ran.failure(), format!("Error: {BOTH_OFF}"));
        }
        let ran = daemon.run("postern utils update-cluster-endpoints --cluster myeks");
        assert!(ran.failure().contains("--private-access, --public-access"));
        assert!(daemon.requests().is_empty());
    }

    #[test]
    fn one_flag_leaves_the_other_way_as_it_is() {
        let daemon = daemon(false, false, "ACTIVE");
        daemon.run("postern utils update-cluster-endpoints --cluster myeks --private-access --approve").output();
        assert_eq!(updates(&daemon), [json!({"endpointPublicAccess": false, "endpointPrivateAccess": true})]);
    }

    #[test]
    fn a_cluster_that_is_not_there_or_busy_is_one_line() {
        let busy = daemon(true, false, "UPDATING");
        let flags = "--private-access=true --public-access=true";
        let ran = busy.run(&format!("postern utils update-cluster-endpoints --cluster myeks {flags}"));
        let want = "Error: cannot update cluster \"myeks\" in \"ap-northeast-2\" region due to status \"UPDATING\"";
        assert_eq!(ran.failure(), want);
        let ran = busy.run(&format!("postern utils update-cluster-endpoints --cluster x {flags}"));
        assert!(ran.failure().contains("unable to describe cluster control plane: No cluster found for name: x."));
    }

    #[test]
    fn a_failed_update_says_why() {
        let daemon = FakeDaemon::aws(|_, operation, _| match operation {
            "DescribeCluster" => Ok(json!({"cluster": {"status": "ACTIVE", "resourcesVpcConfig": {
                "endpointPublicAccess": true, "endpointPrivateAccess": false}}})),
            "UpdateClusterConfig" => Ok(json!({"update": {"id": "u1", "type": "EndpointAccessUpdate"}})),
            _ => Ok(json!({"update": {"status": "Failed", "errors": [{"errorMessage": "no DNS"}]}})),
        });
        let ran = daemon.run("postern utils update-cluster-vpc-config --cluster c --private-access --approve");
        assert!(ran.failure().ends_with("in cluster \"c\" to succeed: it is Failed: no DNS"), "{}", ran.err);
    }

    #[test]
    fn the_successor_changes_ways_and_blocks_by_one_update_each() {
        let daemon = daemon(true, false, "ACTIVE");
        let ran = daemon.run(
            "postern utils update-cluster-vpc-config -c myeks --private-access=true --public-access-cidrs \
             198.18.0.0/24,198.18.9.9/32 --approve",
        );
        assert!(
            ran.output()
                .contains("[✔]  public access CIDRs for cluster \"myeks\" in \"ap-northeast-2\" have been updated")
        );
        assert_eq!(
            updates(&daemon),
            [
                json!({"endpointPublicAccess": true, "endpointPrivateAccess": true}),
                json!({"publicAccessCidrs": ["198.18.0.0/24", "198.18.9.9/32"]}),
            ]
        );
        assert_eq!(ran.err, "");
    }

    #[test]
    fn what_the_successor_does_not_serve_is_refused_by_name() {
        let daemon = daemon(true, false, "ACTIVE");
        for (flag, value) in [
            ("control-plane-subnet-ids", "subnet-1"),
            ("control-plane-security-group-ids", "sg-1"),
            ("control-plane-egress-mode", "CUSTOMER_ROUTED"),
        ] {
            let ran = daemon.run(&format!("postern utils update-cluster-vpc-config --cluster myeks --{flag} {value}"));
            assert!(ran.failure().starts_with(&format!("Error: --{flag} is not served yet")), "{}", ran.err);
        }
        let ran = daemon.run("postern utils update-cluster-vpc-config --cluster myeks");
        assert!(ran.failure().contains("at least one of these options must be specified: "));
        let ran = daemon.run("postern utils update-cluster-vpc-config --cluster myeks --profile p --private-access");
        assert!(ran.failure().starts_with("Error: --profile is not served"));
    }

    #[test]
    fn a_files_missing_members_are_the_defaults() {
        let daemon = daemon(false, true, "ACTIVE");
        let path = daemon.dir().join("c.yaml");
        let text = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata:\n  name: myeks\n  region: \
            r\nvpc:\n  \
                    clusterEndpoints:\n    publicAccess: true\nmanagedNodeGroups:\n- name: x\n";
        std::fs::write(&path, text).unwrap();
        daemon.run(&format!("postern utils update-cluster-endpoints -f {} --approve", path.display())).output();
        assert_eq!(updates(&daemon), [json!({"endpointPublicAccess": true, "endpointPrivateAccess": false})]);
        let ran = daemon.run(&format!("postern utils update-cluster-endpoints -f {} --cluster x", path.display()));
        assert_eq!(ran.failure(), "Error: cannot use --cluster when --config-file/-f is set");
    }
}
