//! eksctl's ClusterConfig file, as far as it is served. What is not is refused by its path; what eksctl does not know
//! either is refused by the reader, with its line.

use crate::cli::error::CliError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// More than any file that a person wrote; a larger one is something else.
const LARGEST: u64 = 4 << 20;

const API_VERSION: &str = "eksctl.io/v1alpha5";

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterConfig {
    /// Must be `eksctl.io/v1alpha5`.
    pub api_version: String,
    /// Must be `ClusterConfig`.
    pub kind: String,
    /// Name, region, version, tags.
    pub metadata: Metadata,
    /// Who is let in.
    #[serde(default)]
    pub access_config: AccessConfig,
    /// Zones of a new VPC.
    pub availability_zones: Option<Vec<String>>,
    /// Log types.
    #[serde(default)]
    pub cloud_watch: CloudWatch,
    /// The service role.
    #[serde(default)]
    pub iam: Iam,
    /// The range of Services.
    #[serde(default)]
    pub kubernetes_network_config: KubernetesNetwork,
    /// How long the version is supported.
    #[serde(default)]
    pub upgrade_policy: UpgradePolicy,
    /// The network and the endpoint.
    #[serde(default)]
    pub vpc: Vpc,
    /// Served as far as it is off.
    #[serde(default)]
    pub private_cluster: PrivateCluster,
    /// Served as far as it is empty; so all below.
    pub addons_config: Option<Value>,
    addons: Option<Value>,
    auto_mode_config: Option<Value>,
    capabilities: Option<Value>,
    control_plane_scaling_config: Option<Value>,
    fargate_profiles: Option<Value>,
    git_ops: Option<Value>,
    iam_identity_mappings: Option<Value>,
    identity_providers: Option<Value>,
    karpenter: Option<Value>,
    local_zones: Option<Value>,
    managed_node_groups: Option<Value>,
    node_groups: Option<Value>,
    outpost: Option<Value>,
    remote_network_config: Option<Value>,
    secrets_encryption: Option<Value>,
    zonal_shift_config: Option<Value>,
}

/// `metadata`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The cluster's name.
    pub name: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Tags of all that is made.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    annotations: Option<Value>,
}

/// `accessConfig`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessConfig {
    /// `API_AND_CONFIG_MAP` when not given.
    pub authentication_mode: Option<String>,
    /// True when not given.
    pub bootstrap_cluster_creator_admin_permissions: Option<bool>,
    access_entries: Option<Value>,
}

/// `cloudWatch`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudWatch {
    /// Which logs.
    #[serde(default)]
    pub cluster_logging: ClusterLogging,
}

/// `cloudWatch.clusterLogging`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterLogging {
    /// `*` and `all` are all.
    #[serde(default)]
    pub enable_types: Vec<String>,
    log_retention_in_days: Option<Value>,
}

/// `iam`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Iam {
    /// The service role; one is made when not given.
    #[serde(rename = "serviceRoleARN")]
    pub service_role_arn: Option<String>,
    /// Whether the role that is made may manage network interfaces for pods; true when not given.
    pub vpc_resource_controller_policy: Option<bool>,
    #[serde(rename = "withOIDC")]
    with_oidc: Option<bool>,
    service_accounts: Option<Value>,
    pod_identity_associations: Option<Value>,
    service_role_permissions_boundary: Option<Value>,
    fargate_pod_execution_role_arn: Option<Value>,
    fargate_pod_execution_role_permissions_boundary: Option<Value>,
    auto_create_pod_identity_associations: Option<bool>,
}

/// `kubernetesNetworkConfig`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesNetwork {
    ip_family: Option<String>,
    /// The range of Services.
    #[serde(rename = "serviceIPv4CIDR")]
    pub service_ipv4_cidr: Option<String>,
}

/// `upgradePolicy`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradePolicy {
    /// `STANDARD` or `EXTENDED`.
    pub support_type: Option<String>,
}

/// `privateCluster`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivateCluster {
    enabled: Option<bool>,
    skip_endpoint_creation: Option<bool>,
    additional_endpoint_services: Option<Value>,
}

/// `vpc`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vpc {
    /// An existing VPC.
    pub id: Option<String>,
    /// A new VPC's block.
    pub cidr: Option<String>,
    /// Existing subnets.
    #[serde(default)]
    pub subnets: Subnets,
    /// Which ways lead to the endpoint.
    pub cluster_endpoints: Option<ClusterEndpoints>,
    /// Who can reach it by the public addresses.
    #[serde(rename = "publicAccessCIDRs")]
    pub public_access_cidrs: Option<Vec<String>>,
    /// NAT of a new VPC.
    #[serde(default)]
    pub nat: Nat,
    #[serde(rename = "autoAllocateIPv6")]
    auto_allocate_ipv6: Option<bool>,
    manage_shared_node_security_group_rules: Option<bool>,
    security_group: Option<Value>,
    shared_node_security_group: Option<Value>,
    #[serde(rename = "extraCIDRs")]
    extra_cidrs: Option<Value>,
    #[serde(rename = "extraIPv6CIDRs")]
    extra_ipv6_cidrs: Option<Value>,
    #[serde(rename = "ipv6Cidr")]
    ipv6_cidr: Option<Value>,
    #[serde(rename = "ipv6Pool")]
    ipv6_pool: Option<Value>,
    #[serde(rename = "hostnameType")]
    hostname_type: Option<Value>,
    control_plane_on_private_subnets: Option<bool>,
    #[serde(rename = "controlPlaneSubnetIDs")]
    control_plane_subnet_ids: Option<Value>,
    #[serde(rename = "controlPlaneSecurityGroupIDs")]
    control_plane_security_group_ids: Option<Value>,
    control_plane_egress_mode: Option<Value>,
}

/// `vpc.subnets`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnets {
    /// By any name.
    #[serde(default)]
    pub public: BTreeMap<String, Subnet>,
    /// By any name.
    #[serde(default)]
    pub private: BTreeMap<String, Subnet>,
}

/// One subnet of `vpc.subnets`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// Its id.
    pub id: Option<String>,
    /// Must be its zone, when given.
    pub az: Option<String>,
    /// Must be its block, when given.
    pub cidr: Option<String>,
}

/// `vpc.clusterEndpoints`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterEndpoints {
    /// True when not given.
    pub public_access: Option<bool>,
    /// False when not given.
    pub private_access: Option<bool>,
}

/// `vpc.nat`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nat {
    /// `Disable`, `Single` or `HighlyAvailable`.
    pub gateway: Option<String>,
}

impl ClusterConfig {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// When it can't be read, or is no ClusterConfig.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let mut text = String::new();
        let shown = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let read = if path == Path::new("-") {
            std::io::stdin().take(LARGEST + 1).read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|it| it.take(LARGEST + 1).read_to_string(&mut text))
        };
        let read = read.map_err(CliError::io(format!("read {shown}")))?;
        if read as u64 > LARGEST {
            return Err(CliError::told(format!("{shown} is larger than {LARGEST} bytes")));
        }
        Self::parse(&text).map_err(|e| CliError::told(format!("{shown}: {e}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let it: Self = serde_saphyr::from_str(text).map_err(|e| one_line(&e.to_string()))?;
        if it.api_version != API_VERSION {
            return Err(format!("apiVersion is {:?}; only {API_VERSION} is served", it.api_version));
        }
        if it.kind != "ClusterConfig" {
            return Err(format!("kind is {:?}; only ClusterConfig is served", it.kind));
        }
        Ok(it)
    }

    /// Refuses what a cluster can't be made with.
    ///
    /// # Errors
    /// With the first member that is not served, by its path.
    pub fn check_creatable(&self) -> Result<(), CliError> {
        let (iam, vpc) = (&self.iam, &self.vpc);
        let present = [
            ("accessConfig.accessEntries", &self.access_config.access_entries),
            ("addons", &self.addons),
            ("addonsConfig", &self.addons_config),
            ("autoModeConfig", &self.auto_mode_config),
            ("capabilities", &self.capabilities),
            ("cloudWatch.clusterLogging.logRetentionInDays", &self.cloud_watch.cluster_logging.log_retention_in_days),
            ("controlPlaneScalingConfig", &self.control_plane_scaling_config),
            ("fargateProfiles", &self.fargate_profiles),
            ("gitOps", &self.git_ops),
            ("iam.fargatePodExecutionRoleARN", &iam.fargate_pod_execution_role_arn),
            ("iam.fargatePodExecutionRolePermissionsBoundary", &iam.fargate_pod_execution_role_permissions_boundary),
            ("iam.podIdentityAssociations", &iam.pod_identity_associations),
            ("iam.serviceAccounts", &iam.service_accounts),
            ("iam.serviceRolePermissionsBoundary", &iam.service_role_permissions_boundary),
            ("iamIdentityMappings", &self.iam_identity_mappings),
            ("identityProviders", &self.identity_providers),
            ("karpenter", &self.karpenter),
            ("localZones", &self.local_zones),
            ("managedNodeGroups", &self.managed_node_groups),
            ("metadata.annotations", &self.metadata.annotations),
            ("nodeGroups", &self.node_groups),
            ("outpost", &self.outpost),
            ("privateCluster.additionalEndpointServices", &self.private_cluster.additional_endpoint_services),
            ("remoteNetworkConfig", &self.remote_network_config),
            ("secretsEncryption", &self.secrets_encryption),
            ("vpc.controlPlaneEgressMode", &vpc.control_plane_egress_mode),
            ("vpc.controlPlaneSecurityGroupIDs", &vpc.control_plane_security_group_ids),
            ("vpc.controlPlaneSubnetIDs", &vpc.control_plane_subnet_ids),
            ("vpc.extraCIDRs", &vpc.extra_cidrs),
            ("vpc.extraIPv6CIDRs", &vpc.extra_ipv6_cidrs),
            ("vpc.hostnameType", &vpc.hostname_type),
            ("vpc.ipv6Cidr", &vpc.ipv6_cidr),
            ("vpc.ipv6Pool", &vpc.ipv6_pool),
            ("vpc.securityGroup", &vpc.security_group),
            ("vpc.sharedNodeSecurityGroup", &vpc.shared_node_security_group),
            ("zonalShiftConfig", &self.zonal_shift_config),
        ];
        match present.iter().find(|(_, it)| it.as_ref().is_some_and(says_something)) {
            Some((path, _)) => Err(not_served(path)),
            None => self.check_switches(),
        }
    }

    /// Refuses what is served in one position only.
    fn check_switches(&self) -> Result<(), CliError> {
        let (iam, vpc) = (&self.iam, &self.vpc);
        let on = [
            ("iam.autoCreatePodIdentityAssociations: true", iam.auto_create_pod_identity_associations),
            ("iam.withOIDC: true", iam.with_oidc),
            ("privateCluster.enabled: true", self.private_cluster.enabled),
            ("privateCluster.skipEndpointCreation: true", self.private_cluster.skip_endpoint_creation),
            ("vpc.autoAllocateIPv6: true", vpc.auto_allocate_ipv6),
            ("vpc.controlPlaneOnPrivateSubnets: true", vpc.control_plane_on_private_subnets),
            // with no nodes there is no shared group whose rules could be left alone
            (
                "vpc.manageSharedNodeSecurityGroupRules: false",
                vpc.manage_shared_node_security_group_rules.map(|it| !it),
            ),
        ];
        if let Some((path, _)) = on.iter().find(|(_, it)| *it == Some(true)) {
            return Err(not_served(path));
        }
        match self.kubernetes_network_config.ip_family.as_deref() {
            Some(family) if !family.eq_ignore_ascii_case("ipv4") => {
                Err(not_served(&format!("kubernetesNetworkConfig.ipFamily: {family}")))
            }
            _ => Ok(()),
        }
    }
}

fn not_served(path: &str) -> CliError {
    CliError::told(format!("{path} is not served yet: leave it out of the file"))
}

/// Whether leaving it out would make a difference.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => map.values().any(says_something),
        _ => true,
    }
}

/// The reader's message without the picture of the place that it draws below.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata:\n  name: c\n  version: 1.30\n";

    #[test]
    fn a_version_without_quotes_keeps_its_zero() {
        assert_eq!(ClusterConfig::parse(HEAD).unwrap().metadata.version.as_deref(), Some("1.30"));
    }

    #[test]
    fn what_nobody_knows_is_named() {
        for (text, word) in [
            (format!("{HEAD}vcp: {{}}\n"), "vcp"),
            (format!("{HEAD}vpc:\n  clusterEndpoints:\n    publicAcces: true\n"), "publicAcces"),
            (HEAD.replace("v1alpha5", "v1alpha4"), "v1alpha4"),
            (HEAD.replace("ClusterConfig", "Pod"), "Pod"),
            ("- 1\n".to_owned(), "1"),
        ] {
            let error = ClusterConfig::parse(&text).unwrap_err();
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_its_path() {
        for (text, path) in [
            ("managedNodeGroups:\n- name: x\n", "managedNodeGroups"),
            ("nodeGroups:\n- name: x\n", "nodeGroups"),
            ("fargateProfiles:\n- name: x\n", "fargateProfiles"),
            ("addons:\n- name: coredns\n", "addons"),
            ("autoModeConfig:\n  enabled: true\n", "autoModeConfig"),
            ("iam:\n  withOIDC: true\n", "iam.withOIDC: true"),
            ("iam:\n  serviceAccounts:\n  - metadata: {name: x}\n", "iam.serviceAccounts"),
            ("privateCluster:\n  enabled: true\n", "privateCluster.enabled: true"),
            ("vpc:\n  extraCIDRs: [10.0.0.0/8]\n", "vpc.extraCIDRs"),
            ("kubernetesNetworkConfig:\n  ipFamily: IPv6\n", "kubernetesNetworkConfig.ipFamily: IPv6"),
            ("secretsEncryption:\n  keyARN: arn:x\n", "secretsEncryption"),
        ] {
            let error = ClusterConfig::parse(&format!("{HEAD}{text}")).unwrap().check_creatable().unwrap_err();
            assert_eq!(error.to_string(), format!("{path} is not served yet: leave it out of the file"));
        }
    }

    #[test]
    fn defaults_that_a_dry_run_prints_are_served() {
        let text = "addonsConfig: {}\nprivateCluster:\n  enabled: false\n  skipEndpointCreation: \
            false\nupgradePolicy: {}\n\
                    cloudWatch:\n  clusterLogging: {}\nkubernetesNetworkConfig:\n  ipFamily: IPv4\niam:\n  \
                    vpcResourceControllerPolicy: true\n  withOIDC: false\nvpc:\n  autoAllocateIPv6: false\n  \
                    manageSharedNodeSecurityGroupRules: true\n  nat:\n    gateway: Disable\nmanagedNodeGroups: []\n";
        ClusterConfig::parse(&format!("{HEAD}{text}")).unwrap().check_creatable().unwrap();
    }
}
