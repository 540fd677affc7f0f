//! The operation trait over the decisions: each operation is one transaction on one account and region.

use crate::error::{Ec2Error, Result};
use crate::instance::Profile;
use crate::instance_state::Event;
use crate::side_records::{TERMINATED_ROOT, TOKEN_ROOT, Terminated, TokenUse};
use crate::world::{Scope, World};
use crate::{
    address, default_vpc, group_rules, image, instance, instance_change, instance_query, instance_status,
    instance_type, interface, interface_change, interface_query, internet_gateway, key_pair, lifecycle, network_acl,
    regions, route, route_table, security_group, subnet, tag, token, volume, vpc,
};
use async_trait::async_trait;
use aws_model::ec2::{self as wire, Ec2};
use aws_model::iam::{GetInstanceProfileRequest, Iam};
use aws_model::{Context, Fault};
use base::{AccountId, Clock, InstanceId, Region};
use jiff::Timestamp;
use std::sync::Arc;
use store::Records;

/// EC2 for all accounts and regions.
pub struct Ec2Service {
    records: Records,
    clock: Arc<dyn Clock>,
    iam: Arc<dyn Iam>,
}

impl Ec2Service {
    /// EC2 over `records`; instance profiles are looked up in `iam`.
    pub fn new(records: Records, clock: Arc<dyn Clock>, iam: Arc<dyn Iam>) -> Self {
        Self { records, clock, iam }
    }

    /// Makes the default VPC of a region unless the account had one there before. Every operation does it first.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn ensure_region(&self, account: &AccountId, region: &Region) -> Result<()> {
        self.change(&self.machine_scope(account, region), default_vpc::ensure).await
    }

    /// The machine of a pending instance runs: `pending` becomes `running`. Otherwise nothing changes.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn instance_started(&self, account: &AccountId, region: &Region, id: &InstanceId) -> Result<()> {
        self.report(account, region, id, Event::Started, None).await
    }

    /// The machine has stopped: `stopping` becomes `stopped`, and auto-assigned public addresses are released.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn instance_stopped(&self, account: &AccountId, region: &Region, id: &InstanceId) -> Result<()> {
        self.report(account, region, id, Event::Stopped, None).await
    }

    /// The machine is gone: `shutting-down` becomes `terminated`, and what the instance held is given back.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn instance_gone(&self, account: &AccountId, region: &Region, id: &InstanceId) -> Result<()> {
        self.report(account, region, id, Event::Gone, None).await
    }

    /// The machine cannot be made or kept: the instance is terminated, and `reason` (one sentence) is shown with it.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn instance_failed(
        &self,
        account: &AccountId,
        region: &Region,
        id: &InstanceId,
        reason: &str,
    ) -> Result<()> {
        self.report(account, region, id, Event::Failed, Some(reason)).await
    }

    /// Forgets instances that were terminated an hour before `now`, and client tokens of the day before; says how many
    /// instances it were.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn purge(&self, now: Timestamp) -> Result<usize> {
        let mut count = 0;
        for (key, entry) in self.records.scan::<Terminated>(TERMINATED_ROOT)? {
            if lifecycle::is_over(&entry, now) {
                let scope = self.machine_scope(&entry.account, &entry.region);
                let forget = |world: &mut World<'_, '_>| {
                    lifecycle::forget(world, &key, &entry.instance);
                    Ok(())
                };
                self.change(&scope, forget).await?;
                count += 1;
            }
        }
        let tokens = self.records.scan::<TokenUse>(TOKEN_ROOT)?;
        let over: Vec<String> = tokens.into_iter().filter(|(_, it)| token::is_over(it, now)).map(|it| it.0).collect();
        // In pieces, so that no transaction grows with the number of clients.
        for keys in over.chunks(100) {
            let forget = self.records.transact(|tx| -> Result<()> {
                keys.iter().for_each(|key| tx.delete(key.clone()));
                Ok(())
            });
            forget.await?;
        }
        Ok(count)
    }

    fn machine_scope(&self, account: &AccountId, region: &Region) -> Scope {
        Scope { account: account.clone(), region: region.clone(), now: self.clock.now(), by_service: true }
    }

    async fn report(
        &self,
        account: &AccountId,
        region: &Region,
        id: &InstanceId,
        event: Event,
        reason: Option<&str>,
    ) -> Result<()> {
        let scope = self.machine_scope(account, region);
        self.change(&scope, |world| lifecycle::report(world, id, event, reason)).await
    }

    /// Takes one decision and commits it.
    async fn change<T>(&self, scope: &Scope, mut decide: impl FnMut(&mut World<'_, '_>) -> Result<T>) -> Result<T> {
        self.records.transact(|tx| decide(&mut World::new(tx, scope))).await
    }

    /// Serves one call: the region's default VPC first, then the decision, unless it is a dry run.
    async fn serve<T>(
        &self,
        ctx: &Context,
        dry_run: bool,
        mut decide: impl FnMut(&mut World<'_, '_>) -> Result<T>,
    ) -> std::result::Result<T, Fault> {
        if !ctx.region.known() {
            let message = format!("The region {} is not served.", ctx.region);
            return Err(Fault::client("InvalidParameterValue", message));
        }
        let scope = Scope {
            account: ctx.caller.account.clone(),
            region: ctx.region.clone(),
            now: ctx.now,
            by_service: ctx.caller.is_service(),
        };
        self.change(&scope, default_vpc::ensure).await?;
        let decided = self.change(&scope, |world| {
            let decided = decide(world)?;
            if dry_run { Err(dry_run_passed()) } else { Ok(decided) }
        });
        Ok(decided.await?)
    }

    /// The instance profile that a launch names, as IAM knows it.
    async fn profile(
        &self,
        ctx: &Context,
        given: &Option<wire::IamInstanceProfileSpecification>,
    ) -> std::result::Result<Option<Profile>, Fault> {
        let Some(given) = given else { return Ok(None) };
        let bad = |message: String| Fault::client("InvalidParameterValue", message);
        let (name, wanted) = match (&given.name, &given.arn) {
            (Some(_), Some(_)) => {
                let message =
                    "The parameter iamInstanceProfile.name may not be used in combination with iamInstanceProfile.arn";
                return Err(Fault::client("InvalidParameterCombination", message));
            }
            (Some(name), None) => (name.clone(), None),
            (None, Some(arn)) => (arn.rsplit('/').next().unwrap_or_default().to_owned(), Some(arn.clone())),
            (None, None) => return Ok(None),
        };
        let shown = wanted.as_ref().map_or_else(|| format!("name '{name}'"), |arn| format!("ARN '{arn}'"));
        let absent = || {
            bad(format!(
                "Value ({name}) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile {shown}"
            ))
        };
        let request = GetInstanceProfileRequest { instance_profile_name: Some(name.clone()) };
        let answer = self.iam.get_instance_profile(ctx, request).await;
        let found = match answer {
            Ok(answer) => answer.instance_profile.ok_or_else(absent)?,
            Err(fault) if fault.status >= 500 => return Err(fault),
            Err(_) => return Err(absent()),
        };
        match (found.arn, found.instance_profile_id) {
            (Some(arn), Some(id)) if wanted.as_ref().is_none_or(|it| *it == arn) => Ok(Some(Profile { arn, id })),
            _ => Err(absent()),
        }
    }
}

fn dry_run_passed() -> Ec2Error {
    let message = "Request would have succeeded, but DryRun flag is set.";
    Ec2Error::Refused(Fault::with_status(412, "DryRunOperation", message))
}

/// Every operation in a line: its name, its input (with `dry_run` where it has that), its output, its decision.
macro_rules! operations {
    ($($name:ident($input:ident $(, $dry:ident)?) -> $output:ty = $decide:path;)+) => {
        #[async_trait]
        impl Ec2 for Ec2Service {
            $(
                async fn $name(&self, ctx: &Context, input: wire::$input) -> std::result::Result<$output, Fault> {
                    let dry_run = false $(|| input.$dry == Some(true))?;
                    self.serve(ctx, dry_run, |world| $decide(world, &input)).await
                }
            )+

            async fn create_default_vpc(
                &self,
                ctx: &Context,
                input: wire::CreateDefaultVpcRequest,
            ) -> std::result::Result<wire::CreateDefaultVpcResult, Fault> {
                self.serve(ctx, input.dry_run == Some(true), default_vpc::create).await
            }

            async fn create_key_pair(
                &self,
                ctx: &Context,
                input: wire::CreateKeyPairRequest,
            ) -> std::result::Result<wire::KeyPair, Fault> {
                let (key, kind) = key_pair::generate(&input)?;
                self.serve(ctx, input.dry_run == Some(true), |world| key_pair::create(world, &input, &key, kind)).await
            }

            async fn run_instances(
                &self,
                ctx: &Context,
                input: wire::RunInstancesRequest,
            ) -> std::result::Result<wire::Reservation, Fault> {
                let profile = self.profile(ctx, &input.iam_instance_profile).await?;
                let dry_run = input.dry_run == Some(true);
                self.serve(ctx, dry_run, |world| instance::run(world, &input, profile.as_ref())).await
            }
        }
    };
}

operations! {
    allocate_address(AllocateAddressRequest, dry_run) -> wire::AllocateAddressResult = address::allocate;
    assign_private_ip_addresses(AssignPrivateIpAddressesRequest) -> wire::AssignPrivateIpAddressesResult
        = interface_change::assign;
    associate_address(AssociateAddressRequest, dry_run) -> wire::AssociateAddressResult = address::associate;
    associate_route_table(AssociateRouteTableRequest, dry_run) -> wire::AssociateRouteTableResult
        = route_table::associate;
    associate_vpc_cidr_block(AssociateVpcCidrBlockRequest) -> wire::AssociateVpcCidrBlockResult = vpc::associate_block;
    attach_internet_gateway(AttachInternetGatewayRequest, dry_run) -> () = internet_gateway::attach;
    attach_network_interface(AttachNetworkInterfaceRequest, dry_run) -> wire::AttachNetworkInterfaceResult
        = interface_change::attach;
    authorize_security_group_egress(AuthorizeSecurityGroupEgressRequest, dry_run)
        -> wire::AuthorizeSecurityGroupEgressResult = group_rules::authorize_egress;
    authorize_security_group_ingress(AuthorizeSecurityGroupIngressRequest, dry_run)
        -> wire::AuthorizeSecurityGroupIngressResult = group_rules::authorize_ingress;
    create_default_subnet(CreateDefaultSubnetRequest, dry_run) -> wire::CreateDefaultSubnetResult
        = default_vpc::create_subnet;
    create_internet_gateway(CreateInternetGatewayRequest, dry_run) -> wire::CreateInternetGatewayResult
        = internet_gateway::create;
    create_network_interface(CreateNetworkInterfaceRequest, dry_run) -> wire::CreateNetworkInterfaceResult
        = interface::create;
    create_route(CreateRouteRequest, dry_run) -> wire::CreateRouteResult = route::create;
    create_route_table(CreateRouteTableRequest, dry_run) -> wire::CreateRouteTableResult = route_table::create;
    create_security_group(CreateSecurityGroupRequest, dry_run) -> wire::CreateSecurityGroupResult
        = security_group::create;
    create_subnet(CreateSubnetRequest, dry_run) -> wire::CreateSubnetResult = subnet::create;
    create_tags(CreateTagsRequest, dry_run) -> () = tag::create;
    create_vpc(CreateVpcRequest, dry_run) -> wire::CreateVpcResult = vpc::create;
    delete_internet_gateway(DeleteInternetGatewayRequest, dry_run) -> () = internet_gateway::delete;
    delete_key_pair(DeleteKeyPairRequest, dry_run) -> wire::DeleteKeyPairResult = key_pair::delete;
    delete_network_interface(DeleteNetworkInterfaceRequest, dry_run) -> () = interface::delete;
    delete_route(DeleteRouteRequest, dry_run) -> () = route::delete;
    delete_route_table(DeleteRouteTableRequest, dry_run) -> () = route_table::delete;
    delete_security_group(DeleteSecurityGroupRequest, dry_run) -> wire::DeleteSecurityGroupResult
        = security_group::delete;
    delete_subnet(DeleteSubnetRequest, dry_run) -> () = subnet::delete;
    delete_tags(DeleteTagsRequest, dry_run) -> () = tag::delete;
    delete_vpc(DeleteVpcRequest, dry_run) -> () = vpc::delete;
    describe_account_attributes(DescribeAccountAttributesRequest, dry_run) -> wire::DescribeAccountAttributesResult
        = regions::account_attributes;
    describe_addresses(DescribeAddressesRequest, dry_run) -> wire::DescribeAddressesResult = address::describe;
    describe_availability_zones(DescribeAvailabilityZonesRequest, dry_run) -> wire::DescribeAvailabilityZonesResult
        = regions::zones;
    describe_dhcp_options(DescribeDhcpOptionsRequest, dry_run) -> wire::DescribeDhcpOptionsResult = vpc::dhcp_options;
    describe_images(DescribeImagesRequest, dry_run) -> wire::DescribeImagesResult = image::describe;
    describe_instance_attribute(DescribeInstanceAttributeRequest, dry_run) -> wire::InstanceAttribute
        = instance_change::attribute;
    describe_instance_status(DescribeInstanceStatusRequest, dry_run) -> wire::DescribeInstanceStatusResult
        = instance_status::describe;
    describe_instance_type_offerings(DescribeInstanceTypeOfferingsRequest, dry_run)
        -> wire::DescribeInstanceTypeOfferingsResult = instance_type::offerings;
    describe_instance_types(DescribeInstanceTypesRequest, dry_run) -> wire::DescribeInstanceTypesResult
        = instance_type::describe;
    describe_instances(DescribeInstancesRequest, dry_run) -> wire::DescribeInstancesResult = instance_query::describe;
    describe_internet_gateways(DescribeInternetGatewaysRequest, dry_run) -> wire::DescribeInternetGatewaysResult
        = internet_gateway::describe;
    describe_key_pairs(DescribeKeyPairsRequest, dry_run) -> wire::DescribeKeyPairsResult = key_pair::describe;
    describe_network_acls(DescribeNetworkAclsRequest, dry_run) -> wire::DescribeNetworkAclsResult
        = network_acl::describe;
    describe_network_interface_attribute(DescribeNetworkInterfaceAttributeRequest, dry_run)
        -> wire::DescribeNetworkInterfaceAttributeResult = interface_query::attribute;
    describe_network_interfaces(DescribeNetworkInterfacesRequest, dry_run) -> wire::DescribeNetworkInterfacesResult
        = interface_query::describe;
    describe_regions(DescribeRegionsRequest, dry_run) -> wire::DescribeRegionsResult = regions::describe;
    describe_route_tables(DescribeRouteTablesRequest, dry_run) -> wire::DescribeRouteTablesResult
        = route_table::describe;
    describe_security_group_rules(DescribeSecurityGroupRulesRequest, dry_run)
        -> wire::DescribeSecurityGroupRulesResult = group_rules::describe;
    describe_security_groups(DescribeSecurityGroupsRequest, dry_run) -> wire::DescribeSecurityGroupsResult
        = security_group::describe;
    describe_subnets(DescribeSubnetsRequest, dry_run) -> wire::DescribeSubnetsResult = subnet::describe;
    describe_tags(DescribeTagsRequest, dry_run) -> wire::DescribeTagsResult = tag::describe;
    describe_volumes(DescribeVolumesRequest, dry_run) -> wire::DescribeVolumesResult = volume::describe;
    describe_vpc_attribute(DescribeVpcAttributeRequest, dry_run) -> wire::DescribeVpcAttributeResult = vpc::attribute;
    describe_vpcs(DescribeVpcsRequest, dry_run) -> wire::DescribeVpcsResult = vpc::describe;
    detach_internet_gateway(DetachInternetGatewayRequest, dry_run) -> () = internet_gateway::detach;
    detach_network_interface(DetachNetworkInterfaceRequest, dry_run) -> () = interface_change::detach;
    disassociate_address(DisassociateAddressRequest, dry_run) -> () = address::disassociate;
    disassociate_route_table(DisassociateRouteTableRequest, dry_run) -> () = route_table::disassociate;
    disassociate_vpc_cidr_block(DisassociateVpcCidrBlockRequest) -> wire::DisassociateVpcCidrBlockResult
        = vpc::disassociate_block;
    import_key_pair(ImportKeyPairRequest, dry_run) -> wire::ImportKeyPairResult = key_pair::import;
    modify_instance_attribute(ModifyInstanceAttributeRequest, dry_run) -> () = instance_change::modify;
    modify_network_interface_attribute(ModifyNetworkInterfaceAttributeRequest, dry_run) -> ()
        = interface_change::modify;
    modify_security_group_rules(ModifySecurityGroupRulesRequest, dry_run) -> wire::ModifySecurityGroupRulesResult
        = group_rules::modify;
    modify_subnet_attribute(ModifySubnetAttributeRequest) -> () = subnet::modify;
    modify_vpc_attribute(ModifyVpcAttributeRequest) -> () = vpc::modify;
    reboot_instances(RebootInstancesRequest, dry_run) -> () = instance_change::reboot;
    release_address(ReleaseAddressRequest, dry_run) -> () = address::release;
    replace_route(ReplaceRouteRequest, dry_run) -> () = route::replace;
    replace_route_table_association(ReplaceRouteTableAssociationRequest, dry_run)
        -> wire::ReplaceRouteTableAssociationResult = route_table::replace_association;
    revoke_security_group_egress(RevokeSecurityGroupEgressRequest, dry_run) -> wire::RevokeSecurityGroupEgressResult
        = group_rules::revoke_egress;
    revoke_security_group_ingress(RevokeSecurityGroupIngressRequest, dry_run)
        -> wire::RevokeSecurityGroupIngressResult = group_rules::revoke_ingress;
    start_instances(StartInstancesRequest, dry_run) -> wire::StartInstancesResult = instance_change::start;
    stop_instances(StopInstancesRequest, dry_run) -> wire::StopInstancesResult = instance_change::stop;
    terminate_instances(TerminateInstancesRequest, dry_run) -> wire::TerminateInstancesResult
        = instance_change::terminate;
    unassign_private_ip_addresses(UnassignPrivateIpAddressesRequest) -> () = interface_change::unassign;
    update_security_group_rule_descriptions_egress(UpdateSecurityGroupRuleDescriptionsEgressRequest, dry_run)
        -> wire::UpdateSecurityGroupRuleDescriptionsEgressResult = group_rules::describe_egress;
    update_security_group_rule_descriptions_ingress(UpdateSecurityGroupRuleDescriptionsIngressRequest, dry_run)
        -> wire::UpdateSecurityGroupRuleDescriptionsIngressResult = group_rules::describe_ingress;
}
