//! `create cluster`: what the flags or the file ask for, made step by step, and unmade when a step fails.

use super::config_file::{self, ClusterConfig};
use super::create_flags::{CreateCluster, check_dry_run, check_real};
use super::existing::Existing;
use super::flags::{cluster_name, only_file, pairs};
use super::network::{self, Tags};
use super::work::Work;
use super::{CLUSTER_TAG, delete, dry_run, endpoints, role};
use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::cli::yaml;
use base::Ipv4Block;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The version that eksctl takes when none is given, whatever EKS's default is.
const DEFAULT_VERSION: &str = "1.34";

/// The block of a new VPC when none is given.
const DEFAULT_BLOCK: &str = "192.168.0.0/16";

/// Where a cluster stands.
pub enum Network {
    /// In a VPC that is made for it.
    New {
        /// Its block.
        block: Ipv4Block,
        /// Zones of its subnets.
        zones: Vec<String>,
    },
    /// In subnets that are there.
    Existing(Existing),
}

/// A cluster as asked for.
struct Wanted {
    name: String,
    version: Option<String>,
    tags: Tags,
    zones: Vec<String>,
    block: Option<String>,
    nat: Option<String>,
    vpc: Option<String>,
    public: Vec<config_file::Subnet>,
    private: Vec<config_file::Subnet>,
    endpoints: Option<config_file::ClusterEndpoints>,
    public_cidrs: Option<Vec<String>>,
    role: Option<String>,
    controller_policy: bool,
    authentication_mode: Option<String>,
    creator_is_admin: Option<bool>,
    log_types: Vec<String>,
    services: Option<String>,
    support_type: Option<String>,
}

/// Does what the flags say.
///
/// # Errors
/// When they are refused, or a step fails.
pub fn run(flags: CreateCluster, session: &mut Session<'_>) -> Result<(), CliError> {
    let dry = flags.dry_run == Some(true);
    let given = session.given.clone();
    if dry {
        check_dry_run(&given)?
    } else {
        check_real(&given)?
    }
    if flags.write_kubeconfig == Some(true) {
        return Err(CliError::told(
            "--write-kubeconfig is not served yet: `aws eks update-kubeconfig` writes the same",
        ));
    }
    let file = match &flags.config_file {
        Some(path) => {
            only_file(session, &["timeout", "write-kubeconfig"])?;
            let file = ClusterConfig::read(path)?;
            file.check_creatable()?;
            Some(file)
        }
        None => None,
    };
    let region = flags.common.region.clone().or_else(|| file.as_ref().and_then(|it| it.metadata.region.clone()));
    let wanted = match file {
        Some(file) => Wanted::of_file(file)?,
        None => Wanted::of_flags(&flags)?,
    };
    let mut work = Work::new(session, &flags.common, region.as_deref())?;
    if dry {
        let (version, network) = (resolve_version(&mut work, &wanted)?, resolve_network(&mut work, &wanted)?);
        let region = work.region.clone();
        let facts = dry_run::Facts { name: &wanted.name, region: &region, version: &version, network: &network };
        let config = dry_run::config(&flags, &facts)?;
        return work.session.text(&yaml::document(&config));
    }
    create(&mut work, &wanted, flags.timeout, flags.without_nodegroup == Some(true))
}

impl Wanted {
    fn of_flags(flags: &CreateCluster) -> Result<Self, CliError> {
        let sources = [("argument", flags.name_argument.as_deref()), ("--name", flags.name.as_deref())];
        let name = cluster_name(&sources, "name")?;
        let subnets = |list: &[String]| -> Vec<config_file::Subnet> {
            list.iter().map(|id| config_file::Subnet { id: Some(id.clone()), ..Default::default() }).collect()
        };
        let (public, private) = (subnets(&flags.vpc_public_subnets), subnets(&flags.vpc_private_subnets));
        if !(public.is_empty() && private.is_empty()) {
            for (flag, given) in [("--vpc-cidr", flags.vpc_cidr.is_some()), ("--zones", !flags.zones.is_empty())] {
                if given {
                    return Err(CliError::told(format!(
                        "{flag} and --vpc-private-subnets/--vpc-public-subnets cannot be used at the same time"
                    )));
                }
            }
        }
        Ok(Self {
            name,
            version: flags.version.clone(),
            tags: pairs(&flags.tags, "tags")?,
            zones: flags.zones.clone(),
            block: flags.vpc_cidr.clone(),
            nat: flags.vpc_nat_mode.clone(),
            vpc: None,
            public,
            private,
            endpoints: None,
            public_cidrs: None,
            role: None,
            controller_policy: true,
            authentication_mode: None,
            creator_is_admin: None,
            log_types: Vec::new(),
            services: None,
            support_type: flags.support_type.clone(),
        })
    }

    fn of_file(file: ClusterConfig) -> Result<Self, CliError> {
        let name = cluster_name(&[("metadata.name", file.metadata.name.as_deref())], "name")?;
        let (public, private): (Vec<_>, Vec<_>) =
            (file.vpc.subnets.public.into_values().collect(), file.vpc.subnets.private.into_values().collect());
        let none = public.is_empty() && private.is_empty();
        if file.vpc.id.is_some() && none {
            return Err(CliError::told("vpc.id without vpc.subnets is not served yet: name the subnets by their ids"));
        }
        let zones = file.availability_zones.unwrap_or_default();
        if !none && !zones.is_empty() {
            return Err(CliError::told("vpc.subnets and availabilityZones cannot be set at the same time"));
        }
        Ok(Self {
            name,
            version: file.metadata.version,
            tags: file.metadata.tags,
            zones,
            block: file.vpc.cidr,
            nat: file.vpc.nat.gateway,
            vpc: file.vpc.id,
            public,
            private,
            endpoints: file.vpc.cluster_endpoints,
            public_cidrs: file.vpc.public_access_cidrs,
            role: file.iam.service_role_arn,
            controller_policy: file.iam.vpc_resource_controller_policy.unwrap_or(true),
            authentication_mode: file.access_config.authentication_mode,
            creator_is_admin: file.access_config.bootstrap_cluster_creator_admin_permissions,
            log_types: log_types(file.cloud_watch.cluster_logging.enable_types),
            services: file.kubernetes_network_config.service_ipv4_cidr,
            support_type: file.upgrade_policy.support_type,
        })
    }

    /// Public and private access.
    fn access(&self) -> (bool, bool) {
        let endpoints = self.endpoints.clone().unwrap_or_default();
        (endpoints.public_access.unwrap_or(true), endpoints.private_access.unwrap_or(false))
    }

    /// Tags of all that is made.
    fn all_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.insert(CLUSTER_TAG.to_owned(), self.name.clone());
        tags.insert("eksctl.cluster.k8s.io/v1alpha1/cluster-name".to_owned(), self.name.clone());
        tags
    }
}

/// The log types that a file names; `*` and `all` are all of them.
fn log_types(list: Vec<String>) -> Vec<String> {
    const ALL: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];
    if list.iter().any(|it| it == "*" || it == "all") { ALL.map(str::to_owned).to_vec() } else { list }
}

/// The version: one that the service offers, those whose support has ended at AWS included.
fn resolve_version(work: &mut Work<'_, '_>, wanted: &Wanted) -> Result<String, CliError> {
    let list = work.list("eks", "DescribeClusterVersions", json!({"includeAll": true}), "clusterVersions")?;
    let minor = |it: &str| it.strip_prefix("1.").and_then(|it| it.parse::<u32>().ok());
    let offered: BTreeMap<u32, &str> =
        list.iter().filter_map(|it| it["clusterVersion"].as_str()).filter_map(|it| Some((minor(it)?, it))).collect();
    let version = match wanted.version.as_deref() {
        None | Some("" | "auto") => DEFAULT_VERSION,
        Some("latest") => offered.last_key_value().map_or(DEFAULT_VERSION, |(_, it)| it),
        Some(version) => version,
    };
    if offered.values().any(|it| *it == version) {
        return Ok(version.to_owned());
    }
    let values = offered.values().copied().collect::<Vec<_>>().join(", ");
    let old = minor(version).zip(offered.first_key_value()).is_some_and(|(it, (oldest, _))| it < *oldest);
    let old = if old { format!(" {version} is no longer supported,") } else { String::new() };
    Err(CliError::told(format!("resolving cluster version: invalid version,{old} supported values: {values}")))
}

/// The network: subnets looked up, or zones chosen.
fn resolve_network(work: &mut Work<'_, '_>, wanted: &Wanted) -> Result<Network, CliError> {
    if wanted.public.is_empty() && wanted.private.is_empty() {
        let block = network::block(wanted.block.as_deref().unwrap_or(DEFAULT_BLOCK))?;
        let zones = network::zones(work, &wanted.zones)?;
        network::split(block, zones.len())?;
        return Ok(Network::New { block, zones });
    }
    let ids = |list: &[config_file::Subnet]| -> Result<Vec<String>, CliError> {
        let told = || CliError::told("a subnet of vpc.subnets has no id: subnets are found by their ids only");
        list.iter().map(|it| it.id.clone().ok_or_else(told)).collect()
    };
    let found = Existing::find(work, &ids(&wanted.public)?, &ids(&wanted.private)?)?;
    if let Some(vpc) = wanted.vpc.as_ref().filter(|it| **it != found.vpc) {
        return Err(CliError::told(format!("vpc.id is {vpc}, but the subnets are in {}", found.vpc)));
    }
    for asked in wanted.public.iter().chain(&wanted.private) {
        let all = found.public.values().chain(found.private.values());
        for it in all.filter(|it| Some(&it.id) == asked.id.as_ref()) {
            for (what, asked, found) in [("az", &asked.az, &it.zone), ("cidr", &asked.cidr, &it.block)] {
                if let Some(asked) = asked.as_ref().filter(|asked| *asked != found) {
                    return Err(CliError::told(format!(
                        "{what} of {} is {asked} in the file, but it is {found}",
                        it.id
                    )));
                }
            }
        }
    }
    Ok(Network::Existing(found))
}

/// Says what is going to be made, in eksctl's words where it has them.
fn announce(work: &mut Work<'_, '_>, wanted: &Wanted, version: &str, network: &Network) -> Result<(), CliError> {
    let (name, region) = (&wanted.name, work.region.clone());
    match network {
        Network::New { block, zones } => {
            work.info(format!("setting availability zones to [{}]", zones.join(" ")))?;
            for (zone, block) in zones.iter().zip(network::split(*block, zones.len())?) {
                work.info(format!("subnets for {zone} - public:{block}"))?;
            }
            if wanted.nat.is_none() {
                work.warning("no private subnets are made, as NAT gateways are not served yet")?;
            }
        }
        Network::Existing(existing) => {
            work.success(format!("using existing VPC {}", existing.shown()))?;
            work.warning(
                "custom VPC/subnets will be used; if resulting cluster doesn't function as expected, make sure to \
                 review the \
                 configuration of VPC/subnets",
            )?;
        }
    }
    work.info(format!("using Kubernetes version {version}"))?;
    work.info(format!("creating EKS cluster {name:?} in {region:?} region"))?;
    let (public, private) = wanted.access();
    let which = if wanted.endpoints.is_some() { "provided values" } else { "default of" };
    work.info(format!(
        "Kubernetes API endpoint access will use {which} {{publicAccess={public}, privateAccess={private}}} for \
         cluster \
         {name:?} in {region:?}"
    ))?;
    if !public {
        endpoints::private_only(work)?;
    }
    let logs = &wanted.log_types;
    if logs.is_empty() {
        return work.info(format!("CloudWatch logging will not be enabled for cluster {name:?} in {region:?}"));
    }
    work.info(format!("configuring CloudWatch logging for cluster {name:?} in {region:?}: {}", logs.join(", ")))
}

fn create(work: &mut Work<'_, '_>, wanted: &Wanted, limit: Duration, without_nodes: bool) -> Result<(), CliError> {
    let name = &wanted.name;
    work.info(format!("postern version {}", env!("CARGO_PKG_VERSION")))?;
    let region = work.region.clone();
    work.info(format!("using region {region}"))?;
    let (version, network) = (resolve_version(work, wanted)?, resolve_network(work, wanted)?);
    check_possible(work, wanted, &network)?;
    announce(work, wanted, &version, &network)?;
    if !without_nodes {
        work.warning("no nodegroup is made: node groups are not served yet (--without-nodegroup says so yourself)")?;
    }
    let mut accepted = false;
    match make(work, wanted, &version, &network, limit, &mut accepted) {
        Ok(cluster) => {
            let endpoint = cluster["endpoint"].as_str().unwrap_or_default();
            work.success(format!("all EKS cluster resources for {name:?} have been created"))?;
            work.info(format!("its endpoint is {endpoint}"))?;
            work.info(format!(
                "no kubeconfig is written: try 'aws eks update-kubeconfig --region {region} --name {name}'"
            ))?;
            work.success(format!("EKS cluster {name:?} in {region:?} region is ready"))
        }
        Err(error) => {
            work.critical(&error)?;
            work.warning(
                "1 error(s) occurred and cluster hasn't been created properly; what was made for it is removed",
            )?;
            if delete::tear_down(work, name, accepted, limit).is_err() {
                work.info(format!(
                    "to cleanup resources, run 'postern delete cluster --region={region} --name={name}'"
                ))?;
            }
            Err(CliError::told(format!("failed to create cluster {name:?}: {error}")))
        }
    }
}

/// Refuses before anything is made.
fn check_possible(work: &mut Work<'_, '_>, wanted: &Wanted, network: &Network) -> Result<(), CliError> {
    let (name, region) = (&wanted.name, work.region.clone());
    if wanted.access() == (false, false) {
        return Err(CliError::told(
            "Kubernetes API access must have one of public or private clusterEndpoints enabled",
        ));
    }
    match network {
        Network::Existing(existing) => existing.check_enough()?,
        Network::New { .. } => {
            if let Some(nat) = wanted.nat.as_ref().filter(|it| *it != "Disable") {
                return Err(CliError::told(format!("NAT mode {nat} is not served yet: only Disable is")));
            }
        }
    }
    if let Some(cluster) = work.cluster(name)? {
        let status = cluster["status"].as_str().unwrap_or_default();
        return Err(CliError::told(format!("cluster {name:?} exists already in {region:?}, its status is {status}")));
    }
    // what is removed when a step fails is found by its tag: nothing else may bear it
    match network::find(work, name)?.first() {
        Some(vpc) => Err(CliError::told(format!(
            "{vpc} is left of an earlier cluster {name:?}: run 'postern delete cluster --region={region} \
             --name={name}' first"
        ))),
        None => Ok(()),
    }
}

fn make(
    work: &mut Work<'_, '_>,
    wanted: &Wanted,
    version: &str,
    network: &Network,
    limit: Duration,
    accepted: &mut bool,
) -> Result<Value, CliError> {
    let (name, tags) = (&wanted.name, wanted.all_tags());
    let subnets = match network {
        Network::Existing(existing) => existing.ids(),
        Network::New { block, zones } => network::make(work, name, &tags, *block, zones)?.1,
    };
    let role = match &wanted.role {
        Some(role) => role.clone(),
        None => role::make(work, name, &tags, wanted.controller_policy)?,
    };
    work.call("eks", "CreateCluster", input(wanted, version, &role, &subnets, &tags))?;
    *accepted = true;
    work.info("waiting for the control plane to become ready")?;
    let waiting = format!("waiting for cluster {name:?} to become ready");
    work.wait(limit, &waiting, |work| {
        let cluster = work.existing_cluster(name)?;
        match cluster["status"].as_str() {
            Some("ACTIVE") => Ok(Some(cluster)),
            Some("CREATING" | "UPDATING") => Ok(None),
            other => Err(CliError::told(format!(
                "cluster {name:?} is {}: {}",
                other.unwrap_or("without a status"),
                delete::issues(&cluster)
            ))),
        }
    })
}

/// The input of CreateCluster.
fn input(wanted: &Wanted, version: &str, role: &str, subnets: &[String], tags: &Tags) -> Value {
    let (public, private) = wanted.access();
    let mut input = json!({
        "name": wanted.name,
        "version": version,
        "roleArn": role,
        "resourcesVpcConfig": {
            "subnetIds": subnets,
            "endpointPublicAccess": public,
            "endpointPrivateAccess": private,
        },
        "accessConfig": {
            "authenticationMode": wanted.authentication_mode.as_deref().unwrap_or("API_AND_CONFIG_MAP"),
            "bootstrapClusterCreatorAdminPermissions": wanted.creator_is_admin.unwrap_or(true),
        },
        // as eksctl has it: add-ons come by CreateAddon
        "bootstrapSelfManagedAddons": false,
        "kubernetesNetworkConfig": {"ipFamily": "ipv4"},
        "tags": tags,
    });
    if let Some(blocks) = &wanted.public_cidrs {
        input["resourcesVpcConfig"]["publicAccessCidrs"] = json!(blocks);
    }
    if let Some(block) = &wanted.services {
        input["kubernetesNetworkConfig"]["serviceIpv4Cidr"] = json!(block);
    }
    if let Some(support) = &wanted.support_type {
        input["upgradePolicy"] = json!({ "supportType": support });
    }
    if !wanted.log_types.is_empty() {
        input["logging"] = json!({"clusterLogging": [{"types": wanted.log_types, "enabled": true}]});
    }
    input
}
