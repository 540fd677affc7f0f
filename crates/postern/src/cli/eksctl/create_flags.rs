//! The flags of `create cluster`, sorted by what becomes of them.

use super::flags::{Common, go_duration};
use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use clap::{Arg, ArgMatches, Command};
use std::path::PathBuf;
use std::time::Duration;

/// Creates a cluster, and a VPC and a role for it where none are given.
#[derive(Debug, clap::Args)]
pub struct CreateCluster {
    /// The cluster's name.
    pub name_argument: Option<String>,
    /// The same, as a flag.
    #[arg(short, long)]
    pub name: Option<String>,
    /// Tags of all that is made, as a=1,b=2.
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
    /// Zones of the new VPC's subnets.
    #[arg(long, value_delimiter = ',', value_name = "ZONE")]
    pub zones: Vec<String>,
    /// The Kubernetes version, or `latest`.
    #[arg(long)]
    pub version: Option<String>,
    /// STANDARD or EXTENDED.
    #[arg(long)]
    pub support_type: Option<String>,
    /// A ClusterConfig file, `-` for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// How long to wait at most, as 25m0s.
    #[arg(long, default_value = "25m0s", value_parser = go_duration)]
    pub timeout: Duration,
    /// Print the ClusterConfig that the flags come to, and create nothing.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub dry_run: Option<bool>,
    /// The new VPC's block; 192.168.0.0/16 when not given.
    #[arg(long, value_name = "CIDR")]
    pub vpc_cidr: Option<String>,
    /// Existing private subnets.
    #[arg(long, value_delimiter = ',', value_name = "SUBNET")]
    pub vpc_private_subnets: Vec<String>,
    /// Existing public subnets.
    #[arg(long, value_delimiter = ',', value_name = "SUBNET")]
    pub vpc_public_subnets: Vec<String>,
    /// NAT of the new VPC; only Disable is served.
    #[arg(long, value_parser = ["Disable", "Single", "HighlyAvailable"])]
    pub vpc_nat_mode: Option<String>,
    /// No node group; how every cluster is made.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub without_nodegroup: Option<bool>,
    /// Served as far as it is false: no kubeconfig is written.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool,
        hide = true)]
    pub write_kubeconfig: Option<bool>,
    #[command(flatten)]
    pub nodes: NodeFlags,
    #[command(flatten)]
    pub refused: Refused,
    #[command(flatten)]
    pub common: Common,
}

/// Flags of the initial node group: a dry run shows what they come to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Initial node group (with --dry-run only)")]
pub struct NodeFlags {
    /// Its name.
    #[arg(long)]
    pub nodegroup_name: Option<String>,
    /// Its instance type.
    #[arg(short = 't', long, default_value = "m5.large")]
    pub node_type: String,
    /// How many nodes.
    #[arg(short = 'N', long)]
    pub nodes: Option<u32>,
    /// How many nodes at least.
    #[arg(short = 'm', long)]
    pub nodes_min: Option<u32>,
    /// How many nodes at most.
    #[arg(short = 'M', long)]
    pub nodes_max: Option<u32>,
    /// The size of its volumes in GiB.
    #[arg(long, default_value_t = 80)]
    pub node_volume_size: u32,
    /// The type of its volumes.
    #[arg(long, default_value = "gp3", value_parser = ["gp2", "gp3"])]
    pub node_volume_type: String,
    /// How many pods a node takes.
    #[arg(long)]
    pub max_pods_per_node: Option<u32>,
    /// The image's family.
    #[arg(long, default_value = "AmazonLinux2023")]
    pub node_ami_family: String,
    /// Labels, as a=1,b=2.
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub node_labels: Vec<String>,
    /// The public key that is let in.
    #[arg(long)]
    pub ssh_public_key: Option<String>,
    /// Whether ssh is let in.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub ssh_access: Option<bool>,
    /// Whether nodes lie in private subnets.
    #[arg(short = 'P', long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = go_bool)]
    pub node_private_networking: Option<bool>,
    /// Whether pods are kept from the metadata service.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub disable_pod_imds: Option<bool>,
    /// Whether EKS manages the group; only true is served.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub managed: Option<bool>,
    /// Whether spot instances are used.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub spot: Option<bool>,
    /// Whether nodes may use the Cluster Autoscaler's calls.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub asg_access: Option<bool>,
    /// Whether nodes may change Route 53 records.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub external_dns_access: Option<bool>,
    /// Whether nodes may push images.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub full_ecr_access: Option<bool>,
    /// Whether nodes may use App Mesh.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub appmesh_access: Option<bool>,
    /// Whether nodes may use App Mesh's preview.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub appmesh_preview_access: Option<bool>,
    /// Whether nodes may make load balancers.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    pub alb_ingress_access: Option<bool>,
}

/// The flags of [`NodeFlags`].
const NODE_FLAGS: &[&str] = &[
    "nodegroup-name",
    "node-type",
    "nodes",
    "nodes-min",
    "nodes-max",
    "node-volume-size",
    "node-volume-type",
    "max-pods-per-node",
    "node-ami-family",
    "node-labels",
    "ssh-public-key",
    "ssh-access",
    "node-private-networking",
    "disable-pod-imds",
    "managed",
    "spot",
    "asg-access",
    "external-dns-access",
    "full-ecr-access",
    "appmesh-access",
    "appmesh-preview-access",
    "alb-ingress-access",
];

/// eksctl's flags that are refused in every run, and whether they take a value.
const REFUSED: &[(&str, bool)] = &[
    ("authenticator-role-arn", true),
    ("auto-kubeconfig", false),
    ("cfn-disable-rollback", false),
    ("cfn-role-arn", true),
    ("enable-auto-mode", false),
    ("enable-node-repair", false),
    ("enable-ssm", false),
    ("fargate", false),
    ("install-neuron-plugin", false),
    ("install-nvidia-plugin", false),
    ("install-vpc-controllers", false),
    ("instance-name", true),
    ("instance-prefix", true),
    ("instance-selector-cpu-architecture", true),
    ("instance-selector-gpus", true),
    ("instance-selector-memory", true),
    ("instance-selector-vcpus", true),
    ("instance-types", true),
    ("kubeconfig", true),
    ("node-ami", true),
    ("node-repair-max-parallel-count", true),
    ("node-repair-max-parallel-percentage", true),
    ("node-repair-max-unhealthy-count", true),
    ("node-repair-max-unhealthy-percentage", true),
    ("node-security-groups", true),
    ("node-zones", true),
    ("nodegroup-parallelism", true),
    ("set-kubeconfig-context", false),
    ("vpc-from-kops-cluster", true),
    ("with-oidc", false),
];

/// Flags that eksctl itself refuses with `--dry-run`.
const NOT_IN_DRY_RUN: &[&str] = &[
    "profile",
    "timeout",
    "cfn-role-arn",
    "cfn-disable-rollback",
    "install-neuron-plugin",
    "install-nvidia-plugin",
    "install-vpc-controllers",
    "kubeconfig",
    "auto-kubeconfig",
    "write-kubeconfig",
    "set-kubeconfig-context",
    "authenticator-role-arn",
];

/// Takes the flags of [`REFUSED`], so that they are refused by their names.
#[derive(Debug, Clone, Copy)]
pub struct Refused;

impl clap::Args for Refused {
    fn augment_args(command: Command) -> Command {
        let arg = |(name, value): &(&'static str, bool)| {
            let arg = Arg::new(*name).long(*name).hide(true);
            if *value {
                arg.num_args(1)
            } else {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true")
            }
        };
        command.args(REFUSED.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Refused {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

/// Refuses flags that a dry run can't show.
///
/// # Errors
/// With the first of them, in eksctl's words where eksctl refuses it.
pub fn check_dry_run(given: &[String]) -> Result<(), CliError> {
    if let Some(flag) = NOT_IN_DRY_RUN.iter().find(|it| given.iter().any(|given| given == *it)) {
        let more = if *flag == "profile" { ": set the AWS_PROFILE environment variable instead" } else { "" };
        return Err(CliError::told(format!(
            "cannot use --{flag} with --dry-run as this option cannot be represented in ClusterConfig{more}"
        )));
    }
    refuse(given)
}

/// Refuses flags that a cluster can't be made with.
///
/// # Errors
/// With all that are about nodes, or the first of the others.
pub fn check_real(given: &[String]) -> Result<(), CliError> {
    let nodes: Vec<_> =
        given.iter().filter(|it| NODE_FLAGS.contains(&it.as_str())).map(|it| format!("--{it}")).collect();
    if !nodes.is_empty() {
        let flags = nodes.join(", ");
        return Err(CliError::told(format!(
            "node groups are not served yet: leave out {flags}, or add --dry-run to see what they come to"
        )));
    }
    refuse(given)
}

fn refuse(given: &[String]) -> Result<(), CliError> {
    match REFUSED.iter().find(|(it, _)| given.iter().any(|given| given == it)) {
        Some((flag, _)) => Err(CliError::told(format!("--{flag} is not served yet: leave it out"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::run;

    #[test]
    fn every_refused_flag_is_refused_by_name() {
        for (flag, value) in REFUSED {
            let value = if *value { "=x" } else { "" };
            let ran = run(&format!("postern create cluster --name c --{flag}{value} --data-dir /nowhere"));
            assert_eq!(ran.failure(), format!("Error: --{flag} is not served yet: leave it out"));
        }
    }

    #[test]
    fn node_flags_are_refused_in_a_real_create() {
        for flag in NODE_FLAGS {
            let takes = ["nodes", "nodes-min", "nodes-max", "node-volume-size", "max-pods-per-node"].contains(flag);
            let takes_type = *flag == "node-volume-type";
            let text =
                ["nodegroup-name", "node-type", "node-ami-family", "node-labels", "ssh-public-key"].contains(flag);
            let value = if takes {
                "=3"
            } else if takes_type {
                "=gp2"
            } else if text {
                "=a=b"
            } else {
                ""
            };
            let ran = run(&format!("postern create cluster --name c --{flag}{value} --data-dir /nowhere"));
            assert!(ran.failure().contains(&format!("leave out --{flag}, or add --dry-run")), "{}", ran.err);
        }
    }

    #[test]
    fn what_a_dry_run_cannot_show_is_refused_in_eksctls_words() {
        for flag in NOT_IN_DRY_RUN {
            let value = match *flag {
                "timeout" => "=5m",
                "profile" | "cfn-role-arn" | "kubeconfig" | "authenticator-role-arn" => "=x",
                _ => "",
            };
            let ran = run(&format!("postern create cluster --name c --dry-run --{flag}{value} --data-dir /nowhere"));
            let want = format!(
                "Error: cannot use --{flag} with --dry-run as this option cannot be represented in ClusterConfig"
            );
            let more = if *flag == "profile" { ": set the AWS_PROFILE environment variable instead" } else { "" };
            assert_eq!(ran.failure(), format!("{want}{more}"));
        }
    }
}
