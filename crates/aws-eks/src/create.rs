//! CreateCluster: from the wire shape to a request that cannot be half-valid, and from that to a record.
//! Every rule that needs nothing but the request is here; those about the user's VPC and role are in
//! [`crate::surroundings`].

use crate::cidrs;
use crate::error::EksError;
use crate::logging;
use crate::pool::{PROVIDER, PUBLIC, Seed};
use crate::records::{Cluster, ClusterStatus, ControlPlaneInstance, EndpointAccess};
use crate::surroundings::Surroundings;
use crate::tags;
use crate::trust::RoleArn;
use aws_model::Context;
use aws_model::eks::{CreateClusterRequest, VpcConfigRequest};
use base::kubernetes::{KubernetesRelease, KubernetesVersion, default_version};
use base::{Ipv4Block, SecurityGroupId, SubnetId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use store::Tx;

/// Security groups a cluster may be given: an interface carries five, one of them is the cluster's own.
const MAX_GROUPS: usize = 4;

/// The second label of endpoints. AWS has several and picks one; one is enough here.
const SHARD: &str = "gr7";

/// A well-formed request.
#[derive(Debug, Clone)]
pub struct CreateCluster {
    /// The cluster's name.
    pub name: String,
    /// The role the service takes on.
    pub role: RoleArn,
    /// The version.
    pub release: &'static KubernetesRelease,
    /// The subnets, each once, in the order given.
    pub subnets: Vec<SubnetId>,
    /// The security groups, each once, in the order given.
    pub groups: Vec<SecurityGroupId>,
    /// Which ways lead to the endpoint.
    pub access: EndpointAccess,
    /// The range of Service addresses, if one is wished.
    pub service_block: Option<Ipv4Block>,
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
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The request's token and digest, to know a retry by.
    pub token: Option<(String, String)>,
}

/// Checks a cluster's name.
///
/// # Errors
/// [`EksError::Name`].
pub fn name(name: Option<&String>) -> Result<String, EksError> {
    let name = name.ok_or(EksError::Missing("name"))?;
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if first && rest && name.len() <= 100 { Ok(name.clone()) } else { Err(EksError::Name(name.clone())) }
}

/// A request's token with a digest of all else in it; none without a token.
///
/// # Errors
/// When the input has no JSON form, which does not happen to generated shapes.
pub fn token<T: Serialize>(token: Option<&String>, rest: &T) -> Result<Option<(String, String)>, EksError> {
    let Some(token) = token.filter(|it| !it.is_empty()) else { return Ok(None) };
    let text = serde_json::to_vec(rest).map_err(|error| EksError::Parameter(error.to_string()))?;
    // FNV-1a. It tells a retry from another request of the same account; nobody gains by a collision.
    let digest = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Ok(Some((token.clone(), format!("{digest:016x}"))))
}

/// One of the values that a member may have.
///
/// # Errors
/// Names the member and what it may be.
pub fn one_of(member: &str, value: Option<&String>, default: &str, all: &[&str]) -> Result<String, EksError> {
    let value = value.map_or(default, String::as_str);
    if all.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(EksError::Parameter(format!("{member} '{value}' is not valid; it must be one of {}", all.join(", "))))
}

/// The values of `upgradePolicy.supportType`.
pub const SUPPORT_TYPES: [&str; 2] = ["EXTENDED", "STANDARD"];

/// The values of `accessConfig.authenticationMode`, in the order in which a cluster may go through them.
pub const MODES: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

/// Reads ids, each once.
fn ids<T: FromStr + PartialEq>(what: &str, texts: Option<&Vec<String>>) -> Result<Vec<T>, EksError> {
    let mut ids = Vec::new();
    for text in texts.into_iter().flatten() {
        let id = text.parse().map_err(|_| EksError::Parameter(format!("The {what} ID '{text}' is not valid")))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Refuses members that AWS has and we do not serve, unless they say what holds without them too.
fn refuse_unsupported(ask: &CreateClusterRequest) -> Result<(), EksError> {
    let network = ask.kubernetes_network_config.as_ref();
    let on = |enabled: Option<bool>| enabled == Some(true);
    let storage = ask.storage_config.as_ref().and_then(|it| it.block_storage.as_ref());
    let unsupported = [
        ("outpostConfig", ask.outpost_config.is_some()),
        ("encryptionConfig", ask.encryption_config.as_ref().is_some_and(|it| !it.is_empty())),
        (
            "computeConfig (EKS Auto Mode)",
            ask.compute_config.as_ref().is_some_and(|it| {
                on(it.enabled) || it.node_role_arn.is_some() || it.node_pools.as_ref().is_some_and(|it| !it.is_empty())
            }),
        ),
        ("storageConfig.blockStorage (EKS Auto Mode)", storage.is_some_and(|it| on(it.enabled))),
        (
            "kubernetesNetworkConfig.elasticLoadBalancing (EKS Auto Mode)",
            network.and_then(|it| it.elastic_load_balancing.as_ref()).is_some_and(|it| on(it.enabled)),
        ),
        (
            "remoteNetworkConfig",
            ask.remote_network_config.as_ref().is_some_and(|it| {
                it.remote_node_networks.as_ref().is_some_and(|it| !it.is_empty())
                    || it.remote_pod_networks.as_ref().is_some_and(|it| !it.is_empty())
            }),
        ),
        ("zonalShiftConfig", ask.zonal_shift_config.as_ref().is_some_and(|it| on(it.enabled))),
        (
            "controlPlaneScalingConfig.tier other than standard",
            ask.control_plane_scaling_config
                .as_ref()
                .and_then(|it| it.tier.as_ref())
                .is_some_and(|it| it != "standard"),
        ),
        (
            "kubernetesNetworkConfig.ipFamily ipv6",
            network.and_then(|it| it.ip_family.as_ref()).is_some_and(|it| it == "ipv6"),
        ),
    ];
    match unsupported.into_iter().find(|(_, asked)| *asked) {
        Some((member, _)) => Err(EksError::Unsupported(member)),
        None => Ok(()),
    }
}

fn release(version: Option<&String>) -> Result<&'static KubernetesRelease, EksError> {
    let refuse = || EksError::Version(version.cloned().unwrap_or_default());
    let version: KubernetesVersion = match version {
        Some(version) => version.parse().map_err(|_| refuse())?,
        None => default_version(),
    };
    version.release().ok_or_else(refuse)
}

fn access(ask: &VpcConfigRequest) -> Result<EndpointAccess, EksError> {
    let access = EndpointAccess {
        public: ask.endpoint_public_access.unwrap_or(true),
        private: ask.endpoint_private_access.unwrap_or(false),
        public_cidrs: cidrs::public_cidrs(ask.public_access_cidrs.as_deref().unwrap_or_default())?,
    };
    if access.public || access.private { Ok(access) } else { Err(EksError::NoAccess) }
}

impl CreateCluster {
    /// Reads a request.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(ask: &CreateClusterRequest) -> Result<Self, EksError> {
        let name = name(ask.name.as_ref())?;
        refuse_unsupported(ask)?;
        let vpc = ask.resources_vpc_config.as_ref().ok_or(EksError::Missing("resourcesVpcConfig"))?;
        let network = ask.kubernetes_network_config.as_ref();
        one_of("ipFamily", network.and_then(|it| it.ip_family.as_ref()), "ipv4", &["ipv4"])?;
        let service_block = network.and_then(|it| it.service_ipv4_cidr.as_ref());
        let groups: Vec<SecurityGroupId> = ids("security group", vpc.security_group_ids.as_ref())?;
        if groups.len() > MAX_GROUPS {
            return Err(EksError::Parameter(format!("At most {MAX_GROUPS} security groups can be specified")));
        }
        let subnets: Vec<SubnetId> = ids("subnet", vpc.subnet_ids.as_ref())?;
        if subnets.is_empty() {
            return Err(EksError::Missing("subnetIds"));
        }
        let config = ask.access_config.as_ref();
        let mode = config.and_then(|it| it.authentication_mode.as_ref());
        let authentication_mode = one_of("authenticationMode", mode, MODES[0], &MODES)?;
        let creator_is_admin = config.and_then(|it| it.bootstrap_cluster_creator_admin_permissions).unwrap_or(true);
        if authentication_mode == MODES[0] && !creator_is_admin {
            return Err(EksError::CreatorMustBeAdmin);
        }
        let support = ask.upgrade_policy.as_ref().and_then(|it| it.support_type.as_ref());
        let all_tags = ask.tags.clone().unwrap_or_default();
        tags::check(&all_tags).map_err(EksError::Parameter)?;
        let rest = CreateClusterRequest { client_request_token: None, ..ask.clone() };
        Ok(Self {
            name,
            role: RoleArn::parse(ask.role_arn.as_ref().ok_or(EksError::Missing("roleArn"))?)?,
            release: release(ask.version.as_ref())?,
            subnets,
            groups,
            access: access(vpc)?,
            service_block: service_block.map(|it| cidrs::service_block(it)).transpose()?,
            log_types: logging::apply(&[], ask.logging.as_ref())?,
            authentication_mode,
            creator_is_admin,
            support_type: one_of("supportType", support, SUPPORT_TYPES[0], &SUPPORT_TYPES)?,
            deletion_protection: ask.deletion_protection.unwrap_or(false),
            bootstrap_self_managed_addons: ask.bootstrap_self_managed_addons.unwrap_or(true),
            tags: all_tags,
            token: token(ask.client_request_token.as_ref(), &rest)?,
        })
    }

    /// Whether `existing` came from this very request: then it is the answer.
    ///
    /// # Errors
    /// [`EksError::Exists`] when it did not.
    pub fn is_retry_of(&self, existing: Cluster) -> Result<Cluster, EksError> {
        if self.token.is_some() && self.token == existing.client_token {
            return Ok(existing);
        }
        Err(EksError::Exists(existing.name))
    }

    /// The record of the accepted cluster: its addresses are reserved by the same transaction.
    ///
    /// # Errors
    /// When a pool is empty or the Service range meets the VPC's.
    pub fn accept(
        &self,
        ctx: &Context,
        around: &Surroundings,
        plan: &Plan,
        tx: &mut Tx<'_>,
    ) -> Result<Cluster, EksError> {
        let mut control_plane = Vec::new();
        for (zone, (provider, public)) in around.zones.iter().zip(plan.seeds) {
            control_plane.push(ControlPlaneInstance {
                zone: zone.clone(),
                provider_address: PROVIDER.reserve(tx, provider, &plan.endpoint_id)?,
                public_address: PUBLIC.reserve(tx, public, &plan.endpoint_id)?,
                interface: None,
            });
        }
        Ok(Cluster {
            name: self.name.clone(),
            account: ctx.caller.account.clone(),
            region: ctx.region.clone(),
            status: ClusterStatus::Creating,
            version: self.release.version.to_string(),
            platform_version: self.release.platform_version.to_owned(),
            role_arn: self.role.arn.clone(),
            created: ctx.now,
            creator: ctx.caller.arn.clone(),
            endpoint_id: plan.endpoint_id.clone(),
            shard: SHARD.to_owned(),
            vpc: around.vpc.clone(),
            subnets: self.subnets.clone(),
            security_groups: self.groups.clone(),
            cluster_security_group: None,
            access: self.access.clone(),
            service_block: cidrs::choose_service_block(self.service_block, &around.vpc_blocks)?,
            log_types: self.log_types.clone(),
            authentication_mode: self.authentication_mode.clone(),
            creator_is_admin: self.creator_is_admin,
            support_type: self.support_type.clone(),
            deletion_protection: self.deletion_protection,
            bootstrap_self_managed_addons: self.bootstrap_self_managed_addons,
            client_token: self.token.clone(),
            control_plane,
            certificate_authority: None,
            issues: vec![],
            tags: self.tags.clone(),
        })
    }
}

/// What is random about a new cluster, chosen before the decision.
#[derive(Debug, Clone)]
pub struct Plan {
    /// 32 upper-case hex digits.
    pub endpoint_id: String,
    /// The UUID of the creator's access entry.
    pub entry_id: String,
    /// For the provider and public address of each control plane instance.
    pub seeds: [(Seed, Seed); 2],
}

impl Plan {
    /// A new one.
    pub fn random() -> Self {
        let seeds = [(); 2].map(|()| (Seed::random(), Seed::random()));
        let endpoint_id = base::hex(&base::random_bytes::<16>()).to_ascii_uppercase();
        Self { endpoint_id, entry_id: base::random_uuid(), seeds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ask(change: Value) -> Result<CreateCluster, EksError> {
        let mut ask = json!({
            "name": "blue", "roleArn": "arn:aws:iam::111122223333:role/eks",
            "resourcesVpcConfig": {"subnetIds": ["subnet-00000000000000001", "subnet-00000000000000002"]},
        });
        merge(&mut ask, change);
        CreateCluster::parse(&serde_json::from_value(ask).unwrap())
    }

    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
            }
            (into, change) => *into = change,
        }
    }

    #[track_caller]
    fn refused(change: Value, text: &str) {
        let error = ask(change).unwrap_err();
        assert_eq!(error.code(), ("InvalidParameterException", 400));
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn what_is_left_out_has_awss_defaults() {
        let it = ask(json!({})).unwrap();
        assert_eq!(it.release.version, default_version());
        assert_eq!(it.access, EndpointAccess { public: true, private: false, public_cidrs: vec![Ipv4Block::ANY] });
        assert_eq!((it.authentication_mode.as_str(), it.support_type.as_str()), ("CONFIG_MAP", "EXTENDED"));
        assert!(it.creator_is_admin && it.bootstrap_self_managed_addons && !it.deletion_protection);
        assert!(it.log_types.is_empty() && it.token.is_none());
    }

    #[test]
    fn names_have_a_form() {
        for bad in ["", "-a", "_a", "a.b", "a/b", "a b", "ä", &"a".repeat(101)] {
            refused(json!({"name": bad}), "is not valid");
        }
        assert!(ask(json!({"name": "a".repeat(100)})).is_ok() && ask(json!({"name": "0-A_z"})).is_ok());
        refused(json!({"name": null}), "name must be specified");
    }

    #[test]
    fn required_members_are_asked_for() {
        refused(json!({"roleArn": null}), "roleArn must be specified");
        refused(json!({"roleArn": "eks"}), "Invalid Role Arn: 'eks'");
        refused(json!({"resourcesVpcConfig": null}), "resourcesVpcConfig must be specified");
        refused(json!({"resourcesVpcConfig": {"subnetIds": []}}), "subnetIds must be specified");
        refused(json!({"resourcesVpcConfig": {"subnetIds": ["x"]}}), "The subnet ID 'x' is not valid");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        refused(json!({"version": "1.23"}), "unsupported Kubernetes version");
        refused(json!({"version": "latest"}), "unsupported Kubernetes version");
        let groups: Vec<String> = (0..5).map(|n| format!("sg-0000000000000000{n}")).collect();
        refused(json!({"resourcesVpcConfig": {"securityGroupIds": groups}}), "At most 4 security groups");
        let off = json!({"resourcesVpcConfig": {"endpointPublicAccess": false}});
        refused(off, "Both private and public endpoint access cannot be false");
        let cidrs = json!({"resourcesVpcConfig": {"publicAccessCidrs": ["10.0.0.0/8"]}});
        refused(cidrs, "The following CIDRs are invalid in publicAccessCidrs: [10.0.0.0/8]");
        refused(json!({"kubernetesNetworkConfig": {"serviceIpv4Cidr": "8.0.0.0/16"}}), "serviceIpv4Cidr");
        refused(json!({"kubernetesNetworkConfig": {"ipFamily": "ipx"}}), "ipFamily");
        refused(json!({"accessConfig": {"authenticationMode": "NONE"}}), "authenticationMode");
        let admin = json!({"accessConfig": {"bootstrapClusterCreatorAdminPermissions": false}});
        refused(admin, "bootstrapClusterCreatorAdminPermissions must be true");
        refused(json!({"upgradePolicy": {"supportType": "FOREVER"}}), "supportType");
        refused(json!({"logging": {"clusterLogging": [{"types": ["boat"], "enabled": true}]}}), "boat");
        refused(json!({"tags": {"aws:x": "y"}}), "reserved");
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (change, member) in [
            (json!({"outpostConfig": {"outpostArns": ["x"]}}), "outpostConfig"),
            (json!({"encryptionConfig": [{"resources": ["secrets"]}]}), "encryptionConfig"),
            (json!({"computeConfig": {"enabled": true}}), "computeConfig"),
            (json!({"computeConfig": {"nodePools": ["system"]}}), "computeConfig"),
            (json!({"storageConfig": {"blockStorage": {"enabled": true}}}), "storageConfig"),
            (json!({"kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": true}}}), "elasticLoadBalancing"),
            (json!({"kubernetesNetworkConfig": {"ipFamily": "ipv6"}}), "ipv6"),
            (
                json!({"remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.1.0.0/16"]}]}}),
                "remoteNetworkConfig",
            ),
            (json!({"zonalShiftConfig": {"enabled": true}}), "zonalShiftConfig"),
            (json!({"controlPlaneScalingConfig": {"tier": "tier-xl"}}), "controlPlaneScalingConfig"),
        ] {
            refused(change, member);
        }
        let harmless = json!({
            "computeConfig": {"enabled": false}, "storageConfig": {"blockStorage": {"enabled": false}},
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": false}, "ipFamily": "ipv4"},
            "zonalShiftConfig": {"enabled": false}, "controlPlaneScalingConfig": {"tier": "standard"},
            "encryptionConfig": [], "remoteNetworkConfig": {},
        });
        assert!(ask(harmless).is_ok());
    }

    #[test]
    fn a_token_knows_its_request() {
        let one = ask(json!({"clientRequestToken": "t"})).unwrap().token;
        assert_eq!(one, ask(json!({"clientRequestToken": "t"})).unwrap().token);
        assert_ne!(one, ask(json!({"clientRequestToken": "t", "version": "1.33"})).unwrap().token);
        assert_ne!(one, ask(json!({"clientRequestToken": "u"})).unwrap().token);
    }
}
