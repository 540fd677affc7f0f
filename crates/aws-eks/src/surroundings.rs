//! What a new cluster finds in the user's account: the subnets with their zones and VPC, the security groups, the role.
//! Asked for through the operations of EC2 and IAM, as the service; nothing is changed.

use crate::create::CreateCluster;
use crate::error::EksError;
use crate::trust::{self, RoleArn};
use aws_model::ec2::{DescribeSecurityGroupsRequest, DescribeSubnetsRequest, DescribeVpcsRequest, Ec2, Subnet};
use aws_model::iam::{GetRoleRequest, Iam};
use aws_model::{Caller, Context, Fault};
use base::{Ipv4Block, Region, SubnetId, VpcId};
use std::collections::BTreeSet;

/// Zones in which EKS makes no clusters (*Amazon EKS User Guide*, "View Amazon EKS networking requirements").
const DISALLOWED_ZONES: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// Free addresses a subnet needs (same page).
const FREE_ADDRESSES: i32 = 6;

/// Control plane instances of a cluster, each in a zone of its own.
const INSTANCES: usize = 2;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The VPC of the subnets.
    pub vpc: VpcId,
    /// Its blocks.
    pub vpc_blocks: Vec<Ipv4Block>,
    /// The zones of the control plane instances.
    pub zones: Vec<String>,
}

/// The context in which EKS asks another service on behalf of the request `ctx`.
pub fn as_service(ctx: &Context) -> Context {
    Context { caller: Caller::service(ctx.caller.account.clone(), trust::EKS), ..ctx.clone() }
}

fn ec2_error(fault: Fault, ctx: &Context) -> EksError {
    if fault.status >= 500 {
        return EksError::Upstream { service: "EC2", source: fault };
    }
    EksError::Ec2 { message: fault.message, status: fault.status, request: ctx.request_id.clone() }
}

/// Looks around for a request and checks every rule about what it names.
///
/// # Errors
/// The first rule that is broken, the role's before the network's; [`EksError::Upstream`] when a service cannot answer.
pub async fn look(ec2: &dyn Ec2, iam: &dyn Iam, ctx: &Context, ask: &CreateCluster) -> Result<Surroundings, EksError> {
    let ours = as_service(ctx);
    let network = async {
        let (vpc, zones) = subnets(ec2, &ours, ask).await?;
        let (groups, blocks) = futures::join!(groups(ec2, &ours, ask, &vpc), blocks(ec2, &ours, &vpc));
        groups?;
        Ok(Surroundings { vpc_blocks: blocks?, vpc, zones })
    };
    let (role, network) = futures::join!(role(iam, &ours, &ask.role), network);
    role?;
    network
}

async fn role(iam: &dyn Iam, ctx: &Context, role: &RoleArn) -> Result<(), EksError> {
    let refuse = || EksError::Role(role.arn.clone());
    if role.account != ctx.caller.account {
        return Err(refuse());
    }
    // IAM is global and asked in one region.
    let region: Option<Region> = "us-east-1".parse().ok();
    let global = Context { region: region.unwrap_or_else(|| ctx.region.clone()), ..ctx.clone() };
    let ask = GetRoleRequest { role_name: Some(role.name.clone()) };
    let found = match iam.get_role(&global, ask).await {
        Ok(answer) => answer.role.ok_or_else(refuse)?,
        Err(fault) if fault.status >= 500 => return Err(EksError::Upstream { service: "IAM", source: fault }),
        Err(_) => return Err(refuse()),
    };
    let same = found.arn.as_ref() == Some(&role.arn);
    let trusted = found.assume_role_policy_document.as_deref().is_some_and(trust::trusts_eks);
    if same && trusted { Ok(()) } else { Err(refuse()) }
}

/// The subnets' VPC and the zones to use: the first two different ones in the order given.
async fn subnets(ec2: &dyn Ec2, ctx: &Context, ask: &CreateCluster) -> Result<(VpcId, Vec<String>), EksError> {
    let ids = ask.subnets.iter().map(ToString::to_string).collect();
    let request = DescribeSubnetsRequest { subnet_ids: Some(ids), ..Default::default() };
    let answer = ec2.describe_subnets(ctx, request).await.map_err(|fault| ec2_error(fault, ctx))?;
    let found = answer.subnets.unwrap_or_default();
    let by_id = |id: &SubnetId| {
        let subnet = found.iter().find(|it| it.subnet_id.as_deref() == Some(id.as_str()));
        subnet.ok_or_else(|| EksError::Ec2 {
            message: format!("The subnet ID '{id}' does not exist"),
            status: 400,
            request: ctx.request_id.clone(),
        })
    };
    let subnets: Vec<&Subnet> = ask.subnets.iter().map(by_id).collect::<Result<_, _>>()?;
    let vpcs: BTreeSet<&str> = subnets.iter().filter_map(|it| it.vpc_id.as_deref()).collect();
    let vpc = match (vpcs.first(), vpcs.len()) {
        (Some(vpc), 1) => vpc.parse().map_err(|_| EksError::SeveralVpcs)?,
        _ => return Err(EksError::SeveralVpcs),
    };
    allowed_zones(&subnets, &ctx.region, &ask.name)?;
    let mut zones: Vec<String> = Vec::new();
    for zone in subnets.iter().filter_map(|it| it.availability_zone.as_ref()) {
        if !zones.contains(zone) {
            zones.push(zone.clone());
        }
    }
    if zones.len() < INSTANCES {
        return Err(EksError::OneZone);
    }
    let full = |(subnet, _): &(&Subnet, &SubnetId)| subnet.available_ip_address_count.unwrap_or(0) < FREE_ADDRESSES;
    let full: Vec<SubnetId> = subnets.into_iter().zip(&ask.subnets).filter(full).map(|(_, id)| id.clone()).collect();
    if !full.is_empty() {
        return Err(EksError::Full { subnets: full, min: FREE_ADDRESSES });
    }
    zones.truncate(INSTANCES);
    Ok((vpc, zones))
}

fn allowed_zones(subnets: &[&Subnet], region: &Region, cluster: &str) -> Result<(), EksError> {
    let disallowed = |id: &str| DISALLOWED_ZONES.contains(&id);
    let bad = subnets.iter().find(|it| it.availability_zone_id.as_deref().is_some_and(disallowed));
    let Some(zone) = bad.and_then(|it| it.availability_zone.clone()) else { return Ok(()) };
    let valid = region.zones().into_iter().filter(|it| !disallowed(&it.id)).map(|it| it.name).collect();
    Err(EksError::Zone { cluster: cluster.to_owned(), zone, valid })
}

async fn groups(ec2: &dyn Ec2, ctx: &Context, ask: &CreateCluster, vpc: &VpcId) -> Result<(), EksError> {
    if ask.groups.is_empty() {
        return Ok(());
    }
    let ids = ask.groups.iter().map(ToString::to_string).collect();
    let request = DescribeSecurityGroupsRequest { group_ids: Some(ids), ..Default::default() };
    let answer = ec2.describe_security_groups(ctx, request).await.map_err(|fault| ec2_error(fault, ctx))?;
    let found = answer.security_groups.unwrap_or_default();
    let in_vpc = |id: &str| {
        found.iter().any(|it| it.group_id.as_deref() == Some(id) && it.vpc_id.as_deref() == Some(vpc.as_str()))
    };
    let foreign: Vec<_> = ask.groups.iter().filter(|id| !in_vpc(id.as_str())).cloned().collect();
    if foreign.is_empty() { Ok(()) } else { Err(EksError::ForeignGroups(foreign)) }
}

async fn blocks(ec2: &dyn Ec2, ctx: &Context, vpc: &VpcId) -> Result<Vec<Ipv4Block>, EksError> {
    let request = DescribeVpcsRequest { vpc_ids: Some(vec![vpc.to_string()]), ..Default::default() };
    let answer = ec2.describe_vpcs(ctx, request).await.map_err(|fault| ec2_error(fault, ctx))?;
    let mut blocks = Vec::new();
    for vpc in answer.vpcs.unwrap_or_default() {
        let more = vpc.cidr_block_association_set.unwrap_or_default().into_iter().filter_map(|it| it.cidr_block);
        blocks.extend(vpc.cidr_block.into_iter().chain(more).filter_map(|text| text.parse::<Ipv4Block>().ok()));
    }
    blocks.sort();
    blocks.dedup();
    Ok(blocks)
}
