//! EC2 with one VPC of three subnets and a few others, and just what EKS asks of it.

use super::gate::Gate;
use async_trait::async_trait;
use aws_model::ec2::*;
use aws_model::{Context, Fault};
use base::{NetworkInterfaceId, SecurityGroupId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

pub const VPC: &str = "vpc-00000000000000001";
pub const OTHER_VPC: &str = "vpc-00000000000000002";
pub const SUBNET_A: &str = "subnet-0000000000000000a";
pub const SUBNET_A2: &str = "subnet-000000000000000a2";
pub const SUBNET_C: &str = "subnet-0000000000000000c";
pub const FULL_SUBNET: &str = "subnet-0000000000000000f";
pub const OTHER_SUBNET: &str = "subnet-000000000000000e1";
pub const BAD_ZONE_SUBNET: &str = "subnet-000000000000000b3";
pub const GROUP: &str = "sg-00000000000000001";
pub const OTHER_GROUP: &str = "sg-00000000000000002";

/// What there is besides what never changes.
#[derive(Default)]
pub struct State {
    pub groups: Vec<SecurityGroup>,
    pub interfaces: Vec<NetworkInterface>,
    next: u8,
}

pub struct FakeEc2 {
    gate: Arc<Gate>,
    pub state: Mutex<State>,
    failures: Mutex<VecDeque<(&'static str, Fault)>>,
}

fn subnet(id: &str, vpc: &str, zone: &str, zone_id: &str, free: i32) -> Subnet {
    Subnet {
        subnet_id: Some(id.into()),
        vpc_id: Some(vpc.into()),
        availability_zone: Some(zone.into()),
        availability_zone_id: Some(zone_id.into()),
        available_ip_address_count: Some(free),
        ..Default::default()
    }
}

fn subnets() -> Vec<Subnet> {
    vec![
        subnet(SUBNET_A, VPC, "ap-northeast-2a", "apne2-az1", 251),
        subnet(SUBNET_A2, VPC, "ap-northeast-2a", "apne2-az1", 251),
        subnet(SUBNET_C, VPC, "ap-northeast-2c", "apne2-az3", 6),
        subnet(FULL_SUBNET, VPC, "ap-northeast-2b", "apne2-az2", 5),
        subnet(OTHER_SUBNET, OTHER_VPC, "ap-northeast-2b", "apne2-az2", 251),
        subnet(BAD_ZONE_SUBNET, VPC, "us-east-1c", "use1-az3", 251),
    ]
}

/// A security group that a user made.
fn users_group(id: &str, vpc: &str) -> SecurityGroup {
    SecurityGroup {
        group_id: Some(id.into()),
        vpc_id: Some(vpc.into()),
        group_name: Some(id.into()),
        ..Default::default()
    }
}

/// Whether a thing passes a request's filters; `of` gives the values it has under a filter's name.
fn passes(filters: Option<&Vec<Filter>>, of: impl Fn(&str) -> Vec<String>) -> bool {
    filters.into_iter().flatten().all(|filter| {
        let have = of(filter.name.as_deref().unwrap());
        filter.values.iter().flatten().any(|want| have.contains(want))
    })
}

impl FakeEc2 {
    pub fn new(gate: Arc<Gate>) -> Self {
        let groups = vec![users_group(GROUP, VPC), users_group(OTHER_GROUP, OTHER_VPC)];
        let state = State { groups, ..State::default() };
        Self { gate, state: Mutex::new(state), failures: Mutex::default() }
    }

    /// The next call of `operation` fails (after those of it that are to fail already).
    pub fn fail(&self, operation: &'static str, fault: Fault) {
        self.failures.lock().unwrap().push_back((operation, fault));
    }

    /// The groups that EKS made.
    pub fn cluster_groups(&self) -> Vec<SecurityGroup> {
        let groups = self.state.lock().unwrap().groups.clone();
        groups.into_iter().filter(|it| it.group_name.as_deref().unwrap().starts_with("eks-cluster-sg-")).collect()
    }

    /// The interfaces there are.
    pub fn interfaces(&self) -> Vec<NetworkInterface> {
        self.state.lock().unwrap().interfaces.clone()
    }

    /// Puts an interface of the user's into a group.
    pub fn use_group(&self, group: &str) -> String {
        let id = NetworkInterfaceId::random().to_string();
        self.state.lock().unwrap().interfaces.push(NetworkInterface {
            network_interface_id: Some(id.clone()),
            groups: Some(vec![GroupIdentifier { group_id: Some(group.into()), group_name: None }]),
            requester_managed: Some(false),
            vpc_id: Some(VPC.into()),
            ..Default::default()
        });
        id
    }

    /// Removes an interface of the user's.
    pub fn drop_interface(&self, id: &str) {
        self.state.lock().unwrap().interfaces.retain(|it| it.network_interface_id.as_deref() != Some(id));
    }

    async fn call<T>(
        &self,
        ctx: &Context,
        operation: &str,
        effect: impl FnOnce(&mut State) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        assert!(ctx.caller.is_service(), "EKS asks as itself");
        self.gate.pass().await;
        let failure = {
            let mut failures = self.failures.lock().unwrap();
            failures.iter().position(|(of, _)| *of == operation).and_then(|at| failures.remove(at))
        };
        if let Some((_, fault)) = failure {
            return Err(fault);
        }
        let done = effect(&mut self.state.lock().unwrap());
        self.gate.pass().await;
        done
    }
}

fn add_self_rule(permissions: &mut Option<Vec<IpPermission>>, more: Option<Vec<IpPermission>>) -> Result<(), Fault> {
    let (permissions, more) = (permissions.get_or_insert_default(), more.unwrap());
    if more.iter().any(|it| permissions.contains(it)) {
        return Err(Fault::client("InvalidPermission.Duplicate", "the specified rule already exists"));
    }
    permissions.extend(more);
    Ok(())
}

fn find<'a>(state: &'a mut State, id: Option<&String>) -> Result<&'a mut SecurityGroup, Fault> {
    let found = state.groups.iter_mut().find(|it| it.group_id.as_ref() == id);
    found.ok_or_else(|| Fault::client("InvalidGroup.NotFound", format!("The security group '{id:?}' does not exist")))
}

#[async_trait]
impl Ec2 for FakeEc2 {
    async fn describe_subnets(
        &self,
        ctx: &Context,
        input: DescribeSubnetsRequest,
    ) -> Result<DescribeSubnetsResult, Fault> {
        self.call(ctx, "DescribeSubnets", |_| {
            let find = |id: &String| {
                let found = subnets().into_iter().find(|it| it.subnet_id.as_ref() == Some(id));
                let text = || format!("The subnet ID '{id}' does not exist");
                found.ok_or_else(|| Fault::client("InvalidSubnetID.NotFound", text()))
            };
            let mut found = input.subnet_ids.iter().flatten().map(find).collect::<Result<Vec<_>, _>>()?;
            // EC2 does not answer in the order of the request.
            found.reverse();
            Ok(DescribeSubnetsResult { subnets: Some(found), next_token: None })
        })
        .await
    }

    async fn describe_vpcs(&self, ctx: &Context, input: DescribeVpcsRequest) -> Result<DescribeVpcsResult, Fault> {
        self.call(ctx, "DescribeVpcs", |_| {
            let blocks = ["192.168.0.0/16", "192.169.0.0/16"]
                .map(|block| VpcCidrBlockAssociation { cidr_block: Some(block.into()), ..Default::default() });
            let vpc = Vpc {
                vpc_id: input.vpc_ids.and_then(|it| it.into_iter().next()),
                cidr_block: Some("192.168.0.0/16".into()),
                cidr_block_association_set: Some(blocks.to_vec()),
                ..Default::default()
            };
            Ok(DescribeVpcsResult { vpcs: Some(vec![vpc]), next_token: None })
        })
        .await
    }

    async fn describe_security_groups(
        &self,
        ctx: &Context,
        input: DescribeSecurityGroupsRequest,
    ) -> Result<DescribeSecurityGroupsResult, Fault> {
        self.call(ctx, "DescribeSecurityGroups", |state| {
            for id in input.group_ids.iter().flatten() {
                find(state, Some(id))?;
            }
            let of = |group: &SecurityGroup, name: &str| match name {
                "vpc-id" => group.vpc_id.iter().cloned().collect(),
                "group-name" => group.group_name.iter().cloned().collect(),
                "tag:aws:eks:cluster-name" => {
                    let mine =
                        group.tags.iter().flatten().filter(|it| it.key.as_deref() == Some("aws:eks:cluster-name"));
                    mine.filter_map(|it| it.value.clone()).collect()
                }
                "ip-permission.group-id" => {
                    let pairs =
                        group.ip_permissions.iter().flatten().flat_map(|it| it.user_id_group_pairs.iter().flatten());
                    pairs.filter_map(|it| it.group_id.clone()).collect()
                }
                other => panic!("filter {other}"),
            };
            let named = |it: &&SecurityGroup| {
                input.group_ids.as_ref().is_none_or(|ids| ids.contains(it.group_id.as_ref().unwrap()))
            };
            let groups =
                state.groups.iter().filter(named).filter(|it| passes(input.filters.as_ref(), |name| of(it, name)));
            Ok(DescribeSecurityGroupsResult { security_groups: Some(groups.cloned().collect()), next_token: None })
        })
        .await
    }

    async fn create_security_group(
        &self,
        ctx: &Context,
        input: CreateSecurityGroupRequest,
    ) -> Result<CreateSecurityGroupResult, Fault> {
        self.call(ctx, "CreateSecurityGroup", |state| {
            if state.groups.iter().any(|it| it.group_name == input.group_name && it.vpc_id == input.vpc_id) {
                return Err(Fault::client("InvalidGroup.Duplicate", "The security group already exists"));
            }
            let id = Some(SecurityGroupId::random().to_string());
            let tags = input.tag_specifications.into_iter().flatten().find_map(|it| it.tags);
            state.groups.push(SecurityGroup {
                group_id: id.clone(),
                group_name: input.group_name,
                vpc_id: input.vpc_id,
                description: input.description,
                tags,
                ..Default::default()
            });
            Ok(CreateSecurityGroupResult { group_id: id, ..Default::default() })
        })
        .await
    }

    async fn authorize_security_group_ingress(
        &self,
        ctx: &Context,
        input: AuthorizeSecurityGroupIngressRequest,
    ) -> Result<AuthorizeSecurityGroupIngressResult, Fault> {
        self.call(ctx, "AuthorizeSecurityGroupIngress", |state| {
            let group = find(state, input.group_id.as_ref())?;
            add_self_rule(&mut group.ip_permissions, input.ip_permissions)?;
            Ok(AuthorizeSecurityGroupIngressResult::default())
        })
        .await
    }

    async fn authorize_security_group_egress(
        &self,
        ctx: &Context,
        input: AuthorizeSecurityGroupEgressRequest,
    ) -> Result<AuthorizeSecurityGroupEgressResult, Fault> {
        self.call(ctx, "AuthorizeSecurityGroupEgress", |state| {
            let group = find(state, input.group_id.as_ref())?;
            add_self_rule(&mut group.ip_permissions_egress, input.ip_permissions)?;
            Ok(AuthorizeSecurityGroupEgressResult::default())
        })
        .await
    }

    async fn delete_security_group(
        &self,
        ctx: &Context,
        input: DeleteSecurityGroupRequest,
    ) -> Result<DeleteSecurityGroupResult, Fault> {
        self.call(ctx, "DeleteSecurityGroup", |state| {
            find(state, input.group_id.as_ref())?;
            let uses = |it: &NetworkInterface| it.groups.iter().flatten().any(|it| it.group_id == input.group_id);
            if state.interfaces.iter().any(uses) {
                return Err(Fault::client("DependencyViolation", "resource has a dependent object"));
            }
            state.groups.retain(|it| it.group_id != input.group_id);
            Ok(DeleteSecurityGroupResult::default())
        })
        .await
    }

    async fn describe_network_interfaces(
        &self,
        ctx: &Context,
        input: DescribeNetworkInterfacesRequest,
    ) -> Result<DescribeNetworkInterfacesResult, Fault> {
        self.call(ctx, "DescribeNetworkInterfaces", |state| {
            let of = |it: &NetworkInterface, name: &str| match name {
                "vpc-id" => it.vpc_id.iter().cloned().collect(),
                "description" => it.description.iter().cloned().collect(),
                "requester-managed" => it.requester_managed.iter().map(ToString::to_string).collect(),
                "group-id" => it.groups.iter().flatten().filter_map(|it| it.group_id.clone()).collect(),
                other => panic!("filter {other}"),
            };
            let found = state.interfaces.iter().filter(|it| passes(input.filters.as_ref(), |name| of(it, name)));
            Ok(DescribeNetworkInterfacesResult { network_interfaces: Some(found.cloned().collect()), next_token: None })
        })
        .await
    }

    async fn create_network_interface(
        &self,
        ctx: &Context,
        input: CreateNetworkInterfaceRequest,
    ) -> Result<CreateNetworkInterfaceResult, Fault> {
        self.call(ctx, "CreateNetworkInterface", |state| {
            let subnet = subnets().into_iter().find(|it| it.subnet_id == input.subnet_id).unwrap();
            state.next += 1;
            let group = |id: &String| GroupIdentifier { group_id: Some(id.clone()), group_name: None };
            let interface = NetworkInterface {
                network_interface_id: Some(NetworkInterfaceId::random().to_string()),
                subnet_id: subnet.subnet_id,
                vpc_id: subnet.vpc_id,
                availability_zone: subnet.availability_zone,
                private_ip_address: Some(format!("192.168.1.{}", state.next)),
                description: input.description,
                groups: Some(input.groups.iter().flatten().map(group).collect()),
                requester_managed: Some(true),
                ..Default::default()
            };
            state.interfaces.push(interface.clone());
            Ok(CreateNetworkInterfaceResult { network_interface: Some(interface), client_token: None })
        })
        .await
    }

    async fn delete_network_interface(&self, ctx: &Context, input: DeleteNetworkInterfaceRequest) -> Result<(), Fault> {
        self.call(ctx, "DeleteNetworkInterface", |state| {
            let before = state.interfaces.len();
            state.interfaces.retain(|it| it.network_interface_id != input.network_interface_id);
            let gone = state.interfaces.len() < before;
            gone.then_some(()).ok_or_else(|| Fault::client("InvalidNetworkInterfaceID.NotFound", "does not exist"))
        })
        .await
    }
}
