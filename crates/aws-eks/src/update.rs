//! UpdateClusterConfig: exactly one kind of change, decided against the cluster as it is.

use crate::cidrs;
use crate::create::{MODES, SUPPORT_TYPES, one_of};
use crate::error::EksError;
use crate::logging;
use crate::records::{Cluster, ClusterStatus, EndpointAccess, Update, UpdateStatus};
use aws_model::eks::{Logging, UpdateClusterConfigRequest};
use base::Ipv4Block;
use jiff::Timestamp;
use serde_json::json;

/// One kind of change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Which ways lead to the endpoint; what is left out stays.
    Access {
        /// By the public addresses.
        public: Option<bool>,
        /// By the cross-account interfaces.
        private: Option<bool>,
        /// Who may come by the public addresses.
        public_cidrs: Option<Vec<Ipv4Block>>,
    },
    /// Log types on and off; what is not named stays.
    Logging(Logging),
    /// The next authentication mode.
    Mode(String),
    /// The support type.
    Support(String),
    /// Whether DeleteCluster is refused.
    Protection(bool),
}

impl Change {
    /// Reads a request.
    ///
    /// # Errors
    /// When it carries no kind of change, or several, or one that is not served.
    pub fn parse(ask: &UpdateClusterConfigRequest) -> Result<Self, EksError> {
        let vpc = ask.resources_vpc_config.as_ref();
        let auto =
            [ask.compute_config.is_some(), ask.kubernetes_network_config.is_some(), ask.storage_config.is_some()];
        let access = vpc.is_some_and(|it| {
            it.endpoint_public_access.is_some()
                || it.endpoint_private_access.is_some()
                || it.public_access_cidrs.is_some()
        });
        let kinds = [
            (access, "EndpointAccessUpdate"),
            (vpc.is_some_and(|it| it.subnet_ids.is_some() || it.security_group_ids.is_some()), "VpcConfigUpdate"),
            (ask.logging.is_some(), "LoggingUpdate"),
            (ask.access_config.is_some(), "AccessConfigUpdate"),
            (ask.upgrade_policy.is_some(), "UpgradePolicyUpdate"),
            (ask.deletion_protection.is_some(), "DeletionProtectionUpdate"),
            (ask.zonal_shift_config.is_some(), "ZonalShiftConfigUpdate"),
            (auto.contains(&true), "AutoModeUpdate"),
            (ask.remote_network_config.is_some(), "RemoteNetworkConfigUpdate"),
            (ask.control_plane_scaling_config.is_some(), "ControlPlaneScalingConfigUpdate"),
        ];
        let mut asked = kinds.iter().filter(|(asked, _)| *asked).map(|(_, kind)| *kind);
        let kind = asked.next().ok_or(EksError::Missing("One type of update"))?;
        if asked.next().is_some() {
            return Err(EksError::SeveralUpdates);
        }
        Self::of_kind(kind, ask)
    }

    fn of_kind(kind: &'static str, ask: &UpdateClusterConfigRequest) -> Result<Self, EksError> {
        let vpc = ask.resources_vpc_config.as_ref();
        match (kind, vpc, &ask.logging, ask.deletion_protection) {
            ("EndpointAccessUpdate", Some(vpc), ..) => Ok(Self::Access {
                public: vpc.endpoint_public_access,
                private: vpc.endpoint_private_access,
                public_cidrs: vpc.public_access_cidrs.as_deref().map(cidrs::public_cidrs).transpose()?,
            }),
            ("LoggingUpdate", _, Some(logging), _) => Ok(Self::Logging(logging.clone())),
            ("DeletionProtectionUpdate", .., Some(on)) => Ok(Self::Protection(on)),
            ("AccessConfigUpdate", ..) => {
                let mode = ask.access_config.as_ref().and_then(|it| it.authentication_mode.as_ref());
                let mode = mode.ok_or(EksError::Missing("authenticationMode"))?;
                Ok(Self::Mode(one_of("authenticationMode", Some(mode), "", &MODES)?))
            }
            ("UpgradePolicyUpdate", ..) => {
                let support = ask.upgrade_policy.as_ref().and_then(|it| it.support_type.as_ref());
                let support = support.ok_or(EksError::Missing("supportType"))?;
                Ok(Self::Support(one_of("supportType", Some(support), "", &SUPPORT_TYPES)?))
            }
            ("VpcConfigUpdate", ..) => {
                Err(EksError::Unsupported("changing subnetIds or securityGroupIds of a cluster"))
            }
            ("ZonalShiftConfigUpdate", ..) => Err(EksError::Unsupported("zonalShiftConfig")),
            ("RemoteNetworkConfigUpdate", ..) => Err(EksError::Unsupported("remoteNetworkConfig")),
            ("ControlPlaneScalingConfigUpdate", ..) => Err(EksError::Unsupported("controlPlaneScalingConfig")),
            _ => Err(EksError::Unsupported(
                "computeConfig, storageConfig and kubernetesNetworkConfig.elasticLoadBalancing (EKS Auto Mode)",
            )),
        }
    }

    /// The update's type, as in [`Update::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Access { .. } => "EndpointAccessUpdate",
            Self::Logging(_) => "LoggingUpdate",
            Self::Mode(_) => "AccessConfigUpdate",
            Self::Support(_) => "UpgradePolicyUpdate",
            Self::Protection(_) => "DeletionProtectionUpdate",
        }
    }

    /// Decides: the cluster with the change, being updated, and the update.
    ///
    /// # Errors
    /// When the cluster cannot be updated now, or the change is none or not allowed.
    pub fn decide(
        &self,
        mut cluster: Cluster,
        running: Option<String>,
        id: &str,
        token: Option<(String, String)>,
        now: Timestamp,
    ) -> Result<(Cluster, Update), EksError> {
        if let Some(id) = running {
            return Err(EksError::Updating { kind: self.kind(), cluster: cluster.name, id });
        }
        if cluster.status != ClusterStatus::Active {
            return Err(EksError::NotActive(cluster.name));
        }
        let previous = cluster.access.clone();
        let params = self.apply(&mut cluster)?;
        cluster.status = ClusterStatus::Updating;
        let update = Update {
            id: id.to_owned(),
            status: UpdateStatus::InProgress,
            kind: self.kind().to_owned(),
            params,
            created: now,
            errors: vec![],
            previous_access: (cluster.access != previous).then_some(previous),
            client_token: token,
        };
        Ok((cluster, update))
    }

    /// Changes the cluster; answers the update's parameters.
    fn apply(&self, cluster: &mut Cluster) -> Result<Vec<(String, String)>, EksError> {
        let param = |kind: &str, value: String| (kind.to_owned(), value);
        match self {
            Self::Access { public, private, public_cidrs } => {
                let access = EndpointAccess {
                    public: public.unwrap_or(cluster.access.public),
                    private: private.unwrap_or(cluster.access.private),
                    public_cidrs: public_cidrs.clone().unwrap_or_else(|| cluster.access.public_cidrs.clone()),
                };
                check_access(&cluster.access, &access)?;
                let cidrs = access.public_cidrs.iter().map(ToString::to_string).collect::<Vec<_>>();
                let params = vec![
                    param("EndpointPublicAccess", access.public.to_string()),
                    param("EndpointPrivateAccess", access.private.to_string()),
                    param("PublicAccessCidrs", json!(cidrs).to_string()),
                ];
                cluster.access = access;
                Ok(params)
            }
            Self::Logging(asked) => {
                let types = logging::apply(&cluster.log_types, Some(asked))?;
                if types == cluster.log_types {
                    return Err(EksError::SameConfig("logging"));
                }
                cluster.log_types = types;
                Ok(vec![param("ClusterLogging", json!(asked).to_string())])
            }
            Self::Mode(mode) => {
                let place = |mode: &str| MODES.iter().position(|it| *it == mode);
                let next = place(&cluster.authentication_mode).map(|it| it + 1);
                if next.is_none() || next != place(mode) {
                    return Err(EksError::Mode { from: cluster.authentication_mode.clone(), to: mode.clone() });
                }
                cluster.authentication_mode.clone_from(mode);
                Ok(vec![param("AuthenticationMode", mode.clone())])
            }
            Self::Support(support) => {
                if *support == cluster.support_type {
                    return Err(EksError::SameConfig("upgradePolicy"));
                }
                cluster.support_type.clone_from(support);
                Ok(vec![param("UpgradePolicy", json!({ "supportType": support }).to_string())])
            }
            Self::Protection(on) => {
                if *on == cluster.deletion_protection {
                    return Err(EksError::SameConfig("deletionProtection"));
                }
                cluster.deletion_protection = *on;
                Ok(vec![param("DeletionProtection", on.to_string())])
            }
        }
    }
}

fn check_access(now: &EndpointAccess, wish: &EndpointAccess) -> Result<(), EksError> {
    if !wish.public && !wish.private {
        return Err(EksError::NoAccess);
    }
    // The order of the blocks says nothing.
    let sorted = |blocks: &[Ipv4Block]| {
        let mut blocks = blocks.to_vec();
        blocks.sort();
        blocks
    };
    let same = (wish.public, wish.private) == (now.public, now.private)
        && sorted(&wish.public_cidrs) == sorted(&now.public_cidrs);
    if !same {
        return Ok(());
    }
    let cidrs = now.public_cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(EksError::SameAccess { private: now.private, public: now.public, cidrs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::active_cluster;
    use serde_json::Value;

    fn parse(ask: Value) -> Result<Change, EksError> {
        Change::parse(&serde_json::from_value(ask).unwrap())
    }

    fn decide(cluster: &Cluster, ask: Value) -> Result<(Cluster, Update), EksError> {
        parse(ask)?.decide(cluster.clone(), None, "u1", None, Timestamp::UNIX_EPOCH)
    }

    #[track_caller]
    fn refused(cluster: &Cluster, ask: Value, text: &str) {
        assert_eq!(decide(cluster, ask).unwrap_err().to_string(), text);
    }

    #[test]
    fn access_changes_keep_what_is_left_out() {
        let (cluster, update) =
            decide(&active_cluster(), json!({"resourcesVpcConfig": {"endpointPrivateAccess": true}})).unwrap();
        assert!(cluster.access.public && cluster.access.private);
        assert_eq!(cluster.status, ClusterStatus::Updating);
        assert_eq!((update.kind.as_str(), update.status), ("EndpointAccessUpdate", UpdateStatus::InProgress));
        let params: Vec<_> = update.params.iter().map(|(kind, value)| format!("{kind}={value}")).collect();
        let want = ["EndpointPublicAccess=true", "EndpointPrivateAccess=true", r#"PublicAccessCidrs=["0.0.0.0/0"]"#];
        assert_eq!(params, want);
        assert_eq!(update.previous_access, Some(active_cluster().access));
    }

    #[test]
    fn one_kind_at_a_time() {
        let cluster = active_cluster();
        let both = json!({"resourcesVpcConfig": {"endpointPrivateAccess": true}, "deletionProtection": true});
        refused(&cluster, both, "Only one type of update can be allowed.");
        let mixed = json!({"resourcesVpcConfig": {"endpointPrivateAccess": true, "subnetIds": ["subnet-1"]}});
        refused(&cluster, mixed, "Only one type of update can be allowed.");
        refused(&cluster, json!({}), "One type of update must be specified");
        refused(&cluster, json!({"resourcesVpcConfig": {}}), "One type of update must be specified");
    }

    #[test]
    fn access_that_is_none_or_the_same_is_refused() {
        let cluster = active_cluster();
        let off = json!({"resourcesVpcConfig": {"endpointPublicAccess": false}});
        refused(&cluster, off, "Both private and public endpoint access cannot be false");
        let same = json!({"resourcesVpcConfig": {"endpointPublicAccess": true, "publicAccessCidrs": []}});
        let text = "Cluster is already at the desired configuration with endpointPrivateAccess: false , \
                    endpointPublicAccess: true, and Public Endpoint Restrictions: [0.0.0.0/0]";
        refused(&cluster, same, text);
        let bad = json!({"resourcesVpcConfig": {"publicAccessCidrs": ["::/0"]}});
        refused(&cluster, bad, "The following CIDRs are invalid in publicAccessCidrs: [::/0]");
    }

    #[test]
    fn the_order_of_blocks_is_no_change() {
        let mut cluster = active_cluster();
        cluster.access.public_cidrs = ["203.0.113.0/24", "198.51.100.0/24"].map(|it| it.parse().unwrap()).to_vec();
        let swapped = json!({"resourcesVpcConfig": {"publicAccessCidrs": ["198.51.100.0/24", "203.0.113.0/24"]}});
        let error = decide(&cluster, swapped).unwrap_err().to_string();
        assert!(error.ends_with("[203.0.113.0/24, 198.51.100.0/24]"), "{error}");
    }

    #[test]
    fn authentication_modes_go_one_step_forward() {
        for (from, to, goes) in [
            ("CONFIG_MAP", "API_AND_CONFIG_MAP", true),
            ("API_AND_CONFIG_MAP", "API", true),
            ("CONFIG_MAP", "API", false),
            ("API", "API", false),
            ("API", "CONFIG_MAP", false),
            ("API_AND_CONFIG_MAP", "CONFIG_MAP", false),
        ] {
            let cluster = Cluster { authentication_mode: from.to_owned(), ..active_cluster() };
            let ask = json!({"accessConfig": {"authenticationMode": to}});
            match decide(&cluster, ask) {
                Ok((cluster, _)) => assert!(goes && cluster.authentication_mode == to),
                Err(error) => {
                    assert!(!goes);
                    assert_eq!(
                        error.to_string(),
                        format!("Unsupported authentication mode update from {from} to {to}")
                    );
                }
            }
        }
    }

    #[test]
    fn other_kinds_change_their_member() {
        let cluster = active_cluster();
        let (after, update) = decide(&cluster, json!({"deletionProtection": true})).unwrap();
        assert!(after.deletion_protection && update.params == [("DeletionProtection".into(), "true".into())]);
        let (after, update) = decide(&cluster, json!({"upgradePolicy": {"supportType": "STANDARD"}})).unwrap();
        assert_eq!(after.support_type, "STANDARD");
        assert_eq!(update.params[0].1, r#"{"supportType":"STANDARD"}"#);
        let logging = json!({"logging": {"clusterLogging": [{"types": ["api"], "enabled": true}]}});
        let (after, update) = decide(&cluster, logging).unwrap();
        assert_eq!(after.log_types, ["api"]);
        assert_eq!(update.params[0].1, r#"{"clusterLogging":[{"types":["api"],"enabled":true}]}"#);
        assert_eq!(update.previous_access, None);
    }

    #[test]
    fn no_change_is_refused() {
        let cluster = active_cluster();
        refused(
            &cluster,
            json!({"deletionProtection": false}),
            "No changes needed for the deletionProtection config provided",
        );
        let support = json!({"upgradePolicy": {"supportType": "EXTENDED"}});
        refused(&cluster, support, "No changes needed for the upgradePolicy config provided");
        let logging = json!({"logging": {"clusterLogging": [{"types": ["api"], "enabled": false}]}});
        refused(&cluster, logging, "No changes needed for the logging config provided");
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (ask, name) in [
            (json!({"resourcesVpcConfig": {"subnetIds": []}}), "subnetIds"),
            (json!({"resourcesVpcConfig": {"securityGroupIds": []}}), "securityGroupIds"),
            (json!({"zonalShiftConfig": {"enabled": true}}), "zonalShiftConfig"),
            (json!({"computeConfig": {"enabled": true}, "storageConfig": {}}), "computeConfig"),
            (json!({"remoteNetworkConfig": {}}), "remoteNetworkConfig"),
            (json!({"controlPlaneScalingConfig": {"tier": "tier-xl"}}), "controlPlaneScalingConfig"),
        ] {
            let error = parse(ask).unwrap_err();
            assert!(matches!(error, EksError::Unsupported(_)) && error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn only_an_active_cluster_without_another_update_changes() {
        let change = Change::Protection(true);
        for status in [ClusterStatus::Creating, ClusterStatus::Deleting, ClusterStatus::Failed] {
            let cluster = Cluster { status, ..active_cluster() };
            let error = change.decide(cluster, None, "u1", None, Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.to_string(), "Cluster 'blue' is not in ACTIVE status");
        }
        let updating = Cluster { status: ClusterStatus::Updating, ..active_cluster() };
        let error = change.decide(updating, Some("u0".into()), "u1", None, Timestamp::UNIX_EPOCH).unwrap_err();
        let text = "Cannot DeletionProtectionUpdate because cluster blue currently has update u0 in progress";
        assert_eq!(error.to_string(), text);
    }
}
