//! What EKS makes in the user's VPC: the cluster security group and the cross-account interfaces, through EC2's own
//! operations as the service. Each is looked for before it is made, by what cannot belong to another cluster: so what a
//! crash left without a record is found again, by bring-up and tear-down alike.
//! Facts: *Amazon EKS User Guide*, "View Amazon EKS networking requirements" and "View Amazon EKS security group
//! requirements for clusters".

use crate::records::{Cluster, CrossAccountInterface, HealthIssue};
use crate::steps::Trouble;
use crate::trust;
use aws_model::ec2::*;
use aws_model::{Caller, Context, Fault};
use base::kubernetes::KubernetesVersion;
use base::{Clock, SecurityGroupId};
use futures::future::join_all;
use std::sync::Arc;

/// The description of cluster security groups.
const GROUP_DESCRIPTION: &str = "EKS created security group applied to ENI that is attached to EKS Control Plane \
                                 master nodes, as well as any managed workloads.";

/// The description of rules between members of the group.
const SELF_RULE: &str = "Allows EFA traffic, which is not matched by CIDR rules.";

/// From this version on, the group's egress names the group itself as well.
const SELF_EGRESS_SINCE: KubernetesVersion = KubernetesVersion::new(33);

/// EKS's hands in users' VPCs. Cheap to clone.
#[derive(Clone)]
pub struct UserNetwork {
    ec2: Arc<dyn Ec2>,
    clock: Arc<dyn Clock>,
}

/// The name of a cluster's security group: its number is derived, so that every try names the same group, and a later
/// cluster of the same name another one.
pub fn group_name(cluster: &Cluster) -> String {
    let digits = cluster.endpoint_id.get(..12).unwrap_or_default();
    let number = u64::from_str_radix(digits, 16).unwrap_or(0) % 9_999_000_000 + 1_000_000;
    format!("eks-cluster-sg-{}-{number}", cluster.name)
}

fn filter(name: &str, value: impl Into<String>) -> Filter {
    Filter { name: Some(name.to_owned()), values: Some(vec![value.into()]) }
}

fn tag(key: impl Into<String>, value: impl Into<String>) -> Tag {
    Tag { key: Some(key.into()), value: Some(value.into()) }
}

/// What a refusal of EC2 means for a cluster. Codes are those of `ClusterIssue`.
fn trouble(fault: Fault) -> Trouble {
    let code = match fault.code.as_ref() {
        "InvalidSubnetID.NotFound" => "Ec2SubnetNotFound",
        "InvalidGroup.NotFound" | "InvalidSecurityGroupID.NotFound" => "Ec2SecurityGroupNotFound",
        "InvalidVpcID.NotFound" => "VpcNotFound",
        "InsufficientFreeAddressesInSubnet" => "InsufficientFreeAddresses",
        "UnauthorizedOperation" | "AuthFailure" => "AccessDenied",
        "DependencyViolation" => "ConfigurationConflict",
        code if code.ends_with("LimitExceeded") && code != "RequestLimitExceeded" => "ResourceLimitExceeded",
        _ => "InternalFailure",
    };
    let message = format!("EC2 answered {}: {}", fault.code, fault.message);
    let issue = HealthIssue { code: code.to_owned(), message, resource_ids: vec![] };
    let passes = fault.status >= 500 || matches!(fault.code.as_ref(), "RequestLimitExceeded" | "Throttling");
    if passes { Trouble::Retry(issue) } else { Trouble::Fatal(issue) }
}

/// An answer that lacks what it must have.
fn odd(what: &str) -> Trouble {
    let message = format!("EC2 answered without {what}");
    Trouble::Retry(HealthIssue { code: "InternalFailure".to_owned(), message, resource_ids: vec![] })
}

/// That a thing is there, or gone, already is as good as making it so.
fn tolerate<T>(result: Result<T, Fault>, code: &str) -> Result<(), Trouble> {
    match result {
        Err(fault) if fault.code != code => Err(trouble(fault)),
        _ => Ok(()),
    }
}

impl UserNetwork {
    /// Works through `ec2`.
    pub fn new(ec2: Arc<dyn Ec2>, clock: Arc<dyn Clock>) -> Self {
        Self { ec2, clock }
    }

    fn context(&self, cluster: &Cluster) -> Context {
        Context {
            caller: Caller::service(cluster.account.clone(), trust::EKS),
            region: cluster.region.clone(),
            request_id: base::random_uuid(),
            now: self.clock.now(),
        }
    }

    async fn find_group(&self, cluster: &Cluster) -> Result<Option<SecurityGroupId>, Trouble> {
        let filters = vec![
            filter("vpc-id", cluster.vpc.as_str()),
            filter("group-name", group_name(cluster)),
            filter("tag:aws:eks:cluster-name", &*cluster.name),
        ];
        let ask = DescribeSecurityGroupsRequest { filters: Some(filters), ..Default::default() };
        let found = self.ec2.describe_security_groups(&self.context(cluster), ask).await.map_err(trouble)?;
        let id = found.security_groups.unwrap_or_default().into_iter().find_map(|it| it.group_id);
        id.map(|id| id.parse().map_err(|_| odd("a group id"))).transpose()
    }

    /// The cluster's security group, made if it is not there. Its rules are [`UserNetwork::admit_members`]'s.
    ///
    /// # Errors
    /// When EC2 refuses or fails.
    pub async fn group(&self, cluster: &Cluster) -> Result<SecurityGroupId, Trouble> {
        if let Some(found) = self.find_group(cluster).await? {
            return Ok(found);
        }
        let name = group_name(cluster);
        let tags = vec![
            tag("aws:eks:cluster-name", &*cluster.name),
            tag(format!("kubernetes.io/cluster/{}", cluster.name), "owned"),
            tag("Name", &*name),
        ];
        let specification = TagSpecification { resource_type: Some("security-group".to_owned()), tags: Some(tags) };
        let ask = CreateSecurityGroupRequest {
            description: Some(GROUP_DESCRIPTION.to_owned()),
            group_name: Some(name),
            vpc_id: Some(cluster.vpc.to_string()),
            tag_specifications: Some(vec![specification]),
            ..Default::default()
        };
        let made = self.ec2.create_security_group(&self.context(cluster), ask).await.map_err(trouble)?;
        made.group_id.and_then(|id| id.parse().ok()).ok_or_else(|| odd("a group id"))
    }

    /// Lets members of the cluster security group reach each other.
    ///
    /// # Errors
    /// When EC2 refuses or fails.
    pub async fn admit_members(&self, cluster: &Cluster, group: &SecurityGroupId) -> Result<(), Trouble> {
        let pair = UserIdGroupPair {
            group_id: Some(group.to_string()),
            user_id: Some(cluster.account.to_string()),
            description: Some(SELF_RULE.to_owned()),
            ..Default::default()
        };
        let permission = || {
            let permission = IpPermission {
                ip_protocol: Some("-1".to_owned()),
                user_id_group_pairs: Some(vec![pair.clone()]),
                ..Default::default()
            };
            Some(vec![permission])
        };
        let ctx = self.context(cluster);
        let ingress = AuthorizeSecurityGroupIngressRequest {
            group_id: Some(group.to_string()),
            ip_permissions: permission(),
            ..Default::default()
        };
        let egress = AuthorizeSecurityGroupEgressRequest {
            group_id: Some(group.to_string()),
            ip_permissions: permission(),
            ..Default::default()
        };
        let ingress = self.ec2.authorize_security_group_ingress(&ctx, ingress);
        let has_egress = cluster.version.parse::<KubernetesVersion>().is_ok_and(|it| it >= SELF_EGRESS_SINCE);
        let egress = async {
            if !has_egress {
                return Ok(());
            }
            tolerate(self.ec2.authorize_security_group_egress(&ctx, egress).await, "InvalidPermission.Duplicate")
        };
        let (ingress, egress) = futures::join!(ingress, egress);
        tolerate(ingress, "InvalidPermission.Duplicate")?;
        egress
    }

    /// The cluster's interfaces that there are. Each carries the cluster's own group, from its first moment to its last:
    /// so EC2 need not look through all that the user has.
    ///
    /// # Errors
    /// When EC2 refuses or fails.
    pub async fn interfaces(
        &self,
        cluster: &Cluster,
        group: &SecurityGroupId,
    ) -> Result<Vec<NetworkInterface>, Trouble> {
        let filters = vec![
            filter("group-id", group.as_str()),
            filter("description", description(cluster)),
            // A user's interface may have any description, but is never ours.
            filter("requester-managed", "true"),
        ];
        let ask = DescribeNetworkInterfacesRequest { filters: Some(filters), ..Default::default() };
        let found = self.ec2.describe_network_interfaces(&self.context(cluster), ask).await.map_err(trouble)?;
        Ok(found.network_interfaces.unwrap_or_default())
    }

    /// The cluster's subnets, in the order given.
    ///
    /// # Errors
    /// When one is gone, or EC2 fails.
    pub async fn subnets(&self, cluster: &Cluster) -> Result<Vec<Subnet>, Trouble> {
        let ids: Vec<String> = cluster.subnets.iter().map(ToString::to_string).collect();
        let ask = DescribeSubnetsRequest { subnet_ids: Some(ids.clone()), ..Default::default() };
        let found = self.ec2.describe_subnets(&self.context(cluster), ask).await.map_err(trouble)?;
        let mut subnets = found.subnets.unwrap_or_default();
        subnets.sort_by_key(|it| ids.iter().position(|id| it.subnet_id.as_ref() == Some(id)));
        Ok(subnets)
    }

    /// The cluster's interface in a zone: one of `existing`, or a new one in the first of `subnets` there with room.
    ///
    /// # Errors
    /// When EC2 refuses or fails.
    pub async fn interface(
        &self,
        cluster: &Cluster,
        zone: &str,
        existing: &[NetworkInterface],
        subnets: &[Subnet],
        group: &SecurityGroupId,
    ) -> Result<CrossAccountInterface, Trouble> {
        if let Some(found) = existing.iter().find(|it| it.availability_zone.as_deref() == Some(zone)) {
            return recorded(found).ok_or_else(|| odd("an interface's id, subnet and address"));
        }
        let here = || subnets.iter().filter(|it| it.availability_zone.as_deref() == Some(zone));
        let roomy = here().find(|it| it.available_ip_address_count.is_some_and(|free| free > 0));
        let subnet = roomy.or_else(|| here().next()).and_then(|it| it.subnet_id.clone());
        let groups = cluster.security_groups.iter().chain([group]).map(ToString::to_string).collect();
        let ask = CreateNetworkInterfaceRequest {
            subnet_id: Some(subnet.ok_or_else(|| odd("a subnet in one of the cluster's zones"))?),
            description: Some(description(cluster)),
            groups: Some(groups),
            ..Default::default()
        };
        let made = self.ec2.create_network_interface(&self.context(cluster), ask).await.map_err(trouble)?;
        let made = made.network_interface.as_ref().and_then(recorded);
        made.ok_or_else(|| odd("an interface's id, subnet and address"))
    }

    /// Deletes all interfaces of the cluster.
    ///
    /// # Errors
    /// When EC2 refuses or fails; the others are deleted nevertheless.
    pub async fn remove_interfaces(&self, cluster: &Cluster) -> Result<(), Trouble> {
        // Without the group there are none: EC2 keeps a group that an interface carries.
        let Some(group) = self.find_group(cluster).await? else { return Ok(()) };
        let ctx = self.context(cluster);
        let delete = |it: NetworkInterface| {
            let ask = DeleteNetworkInterfaceRequest { network_interface_id: it.network_interface_id, dry_run: None };
            let ctx = &ctx;
            async move {
                let deleted = self.ec2.delete_network_interface(ctx, ask).await;
                tolerate(deleted, "InvalidNetworkInterfaceID.NotFound")
            }
        };
        join_all(self.interfaces(cluster, &group).await?.into_iter().map(delete)).await.into_iter().collect()
    }

    /// Deletes the cluster's security group.
    ///
    /// # Errors
    /// When something still uses it, named in the trouble; when EC2 refuses or fails.
    pub async fn remove_group(&self, cluster: &Cluster) -> Result<(), Trouble> {
        let Some(group) = self.find_group(cluster).await? else { return Ok(()) };
        let ask = DeleteSecurityGroupRequest { group_id: Some(group.to_string()), ..Default::default() };
        match self.ec2.delete_security_group(&self.context(cluster), ask).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.code == "InvalidGroup.NotFound" => Ok(()),
            Err(fault) if fault.code == "DependencyViolation" => Err(self.held(cluster, &group).await),
            Err(fault) => Err(trouble(fault)),
        }
    }

    /// What holds a security group.
    async fn held(&self, cluster: &Cluster, group: &SecurityGroupId) -> Trouble {
        let ctx = self.context(cluster);
        let by = |name: &str| Some(vec![filter(name, group.as_str())]);
        let interfaces = DescribeNetworkInterfacesRequest { filters: by("group-id"), ..Default::default() };
        let groups = DescribeSecurityGroupsRequest { filters: by("ip-permission.group-id"), ..Default::default() };
        let (interfaces, groups) = futures::join!(
            self.ec2.describe_network_interfaces(&ctx, interfaces),
            self.ec2.describe_security_groups(&ctx, groups),
        );
        let interfaces = interfaces.ok().and_then(|it| it.network_interfaces).unwrap_or_default();
        let groups = groups.ok().and_then(|it| it.security_groups).unwrap_or_default();
        let mut holders: Vec<String> = interfaces.into_iter().filter_map(|it| it.network_interface_id).collect();
        holders.extend(groups.into_iter().filter_map(|it| it.group_id).filter(|it| it != group.as_str()));
        let named = if holders.is_empty() { "something".to_owned() } else { holders.join(", ") };
        let message = format!(
            "The cluster security group {group} cannot be deleted because {named} still uses it. The deletion goes on \
             when it does not any more."
        );
        holders.insert(0, group.to_string());
        Trouble::Retry(HealthIssue { code: "ConfigurationConflict".to_owned(), message, resource_ids: holders })
    }
}

/// The description of a cluster's interfaces.
fn description(cluster: &Cluster) -> String {
    format!("Amazon EKS {}", cluster.name)
}

fn recorded(it: &NetworkInterface) -> Option<CrossAccountInterface> {
    Some(CrossAccountInterface {
        id: it.network_interface_id.as_deref()?.parse().ok()?,
        subnet: it.subnet_id.as_deref()?.parse().ok()?,
        address: it.private_ip_address.as_deref()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::active_cluster;

    #[test]
    fn group_names_are_the_same_each_time_and_differ_between_clusters_of_a_name() {
        let cluster = active_cluster();
        let other = Cluster { endpoint_id: "00000000000000000000000000000000".into(), ..cluster.clone() };
        assert_eq!(group_name(&cluster), group_name(&cluster));
        assert_ne!(group_name(&cluster), group_name(&other));
        for cluster in [cluster, other] {
            let number = group_name(&cluster).strip_prefix("eks-cluster-sg-blue-").unwrap().to_owned();
            assert!((7..=10).contains(&number.len()) && number.bytes().all(|it| it.is_ascii_digit()), "{number}");
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        assert!(matches!(trouble(Fault::server("InternalError", "x")), Trouble::Retry(_)));
        assert!(matches!(trouble(Fault::client("RequestLimitExceeded", "x")), Trouble::Retry(_)));
        let full = trouble(Fault::client("InsufficientFreeAddressesInSubnet", "x"));
        assert!(matches!(&full, Trouble::Fatal(issue) if issue.code == "InsufficientFreeAddresses"));
        let limit = trouble(Fault::client("SecurityGroupLimitExceeded", "x"));
        assert_eq!(limit.issue().code, "ResourceLimitExceeded");
    }
}
