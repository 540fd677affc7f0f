//! VPCs: create, delete, attributes, more blocks, and the DHCP options that each region has one set of.

use crate::error::{Result, dependency, invalid, refuse, required, unsupported};
use crate::filter::{Column, each, flag, keep, text, within};
use crate::page::page;
use crate::records::{InternetGateway, RouteTable, RouteTableAssociation, Subnet, Tags, Vpc, VpcBlock};
use crate::world::World;
use crate::{blocks, derive, interface_index, security_group, tag};
use aws_model::ec2 as wire;
use base::{DhcpOptionsId, Ipv4Block, RouteTableAssociationId, RouteTableId, VpcCidrAssociationId, VpcId};

/// The region's only set of DHCP options.
pub(crate) fn dhcp_options_id(world: &World<'_, '_>) -> String {
    let digits = derive::digits(&["dopt", world.account().as_str(), world.region().as_str()]);
    format!("{}{digits}", DhcpOptionsId::PREFIX)
}

/// CreateVpc.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateVpcRequest) -> Result<wire::CreateVpcResult> {
    unsupported(&[
        ("AmazonProvidedIpv6CidrBlock", input.amazon_provided_ipv6_cidr_block == Some(true)),
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("Ipv6Pool", input.ipv6_pool.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
        ("VpcEncryptionControl", input.vpc_encryption_control.is_some()),
    ])?;
    let block = blocks::vpc_block(required(&input.cidr_block, "CidrBlock")?)?;
    let tenancy = input.instance_tenancy.as_deref().unwrap_or("default");
    if !["default", "dedicated"].contains(&tenancy) {
        return Err(invalid(format!("Value ({tenancy}) for parameter instanceTenancy is invalid.")));
    }
    let tags = tag::given(world, &input.tag_specifications, "vpc")?;
    let mut vpc = make(world, block, false, tags)?;
    vpc.tenancy = tenancy.to_owned();
    world.put(&vpc)?;
    Ok(wire::CreateVpcResult { vpc: Some(render(world, &vpc)) })
}

/// Makes a VPC with what each has: a main route table and a default security group.
pub(crate) fn make(world: &mut World<'_, '_>, block: Ipv4Block, is_default: bool, tags: Tags) -> Result<Vpc> {
    let vpc = Vpc {
        id: VpcId::random(),
        account: world.account().clone(),
        region: world.region().clone(),
        blocks: vec![VpcBlock { association: VpcCidrAssociationId::random(), block }],
        is_default,
        dns_support: true,
        dns_hostnames: is_default,
        tenancy: "default".to_owned(),
        tags,
    };
    let main = RouteTableAssociation { id: RouteTableAssociationId::random(), subnet: None };
    let table = RouteTable {
        id: RouteTableId::random(),
        vpc: vpc.id.clone(),
        routes: vec![],
        associations: vec![main],
        tags: Tags::new(),
    };
    world.put(&vpc)?;
    world.put(&table)?;
    security_group::make_default(world, &vpc)?;
    Ok(vpc)
}

/// DeleteVpc: takes the main route table and the default group with it; anything else is in the way.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteVpcRequest) -> Result<()> {
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let tables: Vec<_> = world.scan::<RouteTable>()?.into_iter().filter(|it| it.vpc == vpc.id).collect();
    let groups = security_group::of_vpc(world, &vpc.id)?;
    let in_use = world.scan::<Subnet>()?.iter().any(|it| it.vpc == vpc.id)
        || !interface_index::of_vpc(world, &vpc.id)?.is_empty()
        || world.scan::<InternetGateway>()?.iter().any(|it| it.vpc.as_ref() == Some(&vpc.id))
        || tables.iter().any(|it| !it.is_main())
        || groups.iter().any(|it| it.name != security_group::DEFAULT);
    if in_use {
        return Err(dependency(format!("The vpc '{}' has dependencies and cannot be deleted.", vpc.id)));
    }
    for table in &tables {
        world.remove::<RouteTable>(table.id.as_str());
    }
    for group in &groups {
        security_group::forget(world, group);
    }
    let acl = world.key(crate::side_records::LOOSE_TAGS, &crate::network_acl::id_of(&vpc));
    world.remove_entry(acl);
    world.remove::<Vpc>(vpc.id.as_str());
    Ok(())
}

const FILTERS: &[Column<wire::Vpc>] = &[
    ("cidr", |it| text(&it.cidr_block)),
    ("cidrBlock", |it| text(&it.cidr_block)),
    ("cidr-block", |it| text(&it.cidr_block)),
    ("cidr-block-association.cidr-block", |it| each(&it.cidr_block_association_set, |one| text(&one.cidr_block))),
    ("cidr-block-association.association-id", |it| {
        each(&it.cidr_block_association_set, |one| text(&one.association_id))
    }),
    ("cidr-block-association.state", |it| {
        each(&it.cidr_block_association_set, |one| within(&one.cidr_block_state, |state| text(&state.state)))
    }),
    ("dhcp-options-id", |it| text(&it.dhcp_options_id)),
    ("is-default", |it| flag(&it.is_default)),
    ("isDefault", |it| flag(&it.is_default)),
    ("owner-id", |it| text(&it.owner_id)),
    ("state", |it| text(&it.state)),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeVpcs.
pub(crate) fn describe(world: &World<'_, '_>, input: &wire::DescribeVpcsRequest) -> Result<wire::DescribeVpcsResult> {
    let found = world.select::<Vpc>(&input.vpc_ids)?.iter().map(|it| render(world, it)).collect();
    let found = keep(found, &input.filters, FILTERS)?;
    let key = |it: &wire::Vpc| it.vpc_id.clone().unwrap_or_default();
    let (vpcs, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeVpcsResult { vpcs: Some(vpcs), next_token })
}

/// A VPC as answers show it.
pub(crate) fn render(world: &World<'_, '_>, vpc: &Vpc) -> wire::Vpc {
    wire::Vpc {
        vpc_id: Some(vpc.id.to_string()),
        owner_id: Some(vpc.account.to_string()),
        state: Some("available".to_owned()),
        cidr_block: Some(vpc.primary_block().to_string()),
        cidr_block_association_set: Some(vpc.blocks.iter().map(|it| render_block(it, "associated")).collect()),
        dhcp_options_id: Some(dhcp_options_id(world)),
        instance_tenancy: Some(vpc.tenancy.clone()),
        is_default: Some(vpc.is_default),
        block_public_access_states: Some(wire::BlockPublicAccessStates {
            internet_gateway_block_mode: Some("off".to_owned()),
        }),
        tags: tag::render_some(&vpc.tags),
        ..Default::default()
    }
}

fn render_block(block: &VpcBlock, state: &str) -> wire::VpcCidrBlockAssociation {
    wire::VpcCidrBlockAssociation {
        association_id: Some(block.association.to_string()),
        cidr_block: Some(block.block.to_string()),
        cidr_block_state: Some(wire::VpcCidrBlockState { state: Some(state.to_owned()), status_message: None }),
    }
}

/// DescribeVpcAttribute: one attribute at a time.
pub(crate) fn attribute(
    world: &World<'_, '_>,
    input: &wire::DescribeVpcAttributeRequest,
) -> Result<wire::DescribeVpcAttributeResult> {
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let mut result = wire::DescribeVpcAttributeResult { vpc_id: Some(vpc.id.to_string()), ..Default::default() };
    let value = |value| Some(wire::AttributeBooleanValue { value: Some(value) });
    match required(&input.attribute, "Attribute")? {
        "enableDnsSupport" => result.enable_dns_support = value(vpc.dns_support),
        "enableDnsHostnames" => result.enable_dns_hostnames = value(vpc.dns_hostnames),
        "enableNetworkAddressUsageMetrics" => result.enable_network_address_usage_metrics = value(false),
        other => return Err(invalid(format!("Value ({other}) for parameter attribute is invalid."))),
    }
    Ok(result)
}

/// ModifyVpcAttribute: one attribute at a time, as AWS wants it.
pub(crate) fn modify(world: &mut World<'_, '_>, input: &wire::ModifyVpcAttributeRequest) -> Result<()> {
    let mut vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let asked = |it: &Option<wire::AttributeBooleanValue>| it.as_ref().and_then(|it| it.value);
    unsupported(&[(
        "EnableNetworkAddressUsageMetrics",
        asked(&input.enable_network_address_usage_metrics) == Some(true),
    )])?;
    match (asked(&input.enable_dns_support), asked(&input.enable_dns_hostnames)) {
        (Some(_), Some(_)) => return Err(crate::error::combination("Only one attribute may be modified at a time.")),
        (Some(support), None) => vpc.dns_support = support,
        (None, Some(hostnames)) => vpc.dns_hostnames = hostnames,
        (None, None) if input.enable_network_address_usage_metrics.is_some() => {}
        (None, None) => return Err(crate::error::missing("EnableDnsSupport")),
    }
    world.put(&vpc)
}

/// AssociateVpcCidrBlock.
pub(crate) fn associate_block(
    world: &mut World<'_, '_>,
    input: &wire::AssociateVpcCidrBlockRequest,
) -> Result<wire::AssociateVpcCidrBlockResult> {
    unsupported(&[
        ("AmazonProvidedIpv6CidrBlock", input.amazon_provided_ipv6_cidr_block == Some(true)),
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
    ])?;
    let mut vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let block = blocks::vpc_block(required(&input.cidr_block, "CidrBlock")?)?;
    let others: Vec<_> = vpc.blocks.iter().map(|it| it.block).collect();
    blocks::check_added(&block, &others)?;
    let added = VpcBlock { association: VpcCidrAssociationId::random(), block };
    let cidr_block_association = Some(render_block(&added, "associating"));
    vpc.blocks.push(added);
    world.put(&vpc)?;
    Ok(wire::AssociateVpcCidrBlockResult {
        cidr_block_association,
        vpc_id: Some(vpc.id.to_string()),
        ..Default::default()
    })
}

/// DisassociateVpcCidrBlock: not the primary block, and not one that holds subnets.
pub(crate) fn disassociate_block(
    world: &mut World<'_, '_>,
    input: &wire::DisassociateVpcCidrBlockRequest,
) -> Result<wire::DisassociateVpcCidrBlockResult> {
    let id = required(&input.association_id, "AssociationId")?;
    let absent = || {
        let message = format!("The vpc CIDR block with association ID '{id}' does not exist");
        refuse("InvalidVpcCidrBlockAssociationID.NotFound", message)
    };
    let place = |vpc: &Vpc| vpc.blocks.iter().position(|it| it.association.as_str() == id);
    let holder = world.peek::<Vpc>()?.into_iter().find(|vpc| place(vpc).is_some()).ok_or_else(absent)?;
    let mut vpc = world.find::<Vpc>(holder.id.as_str())?;
    let index = place(&vpc).ok_or_else(absent)?;
    if index == 0 {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block \
                of the VPC"
        );
        return Err(refuse("OperationNotPermitted", message));
    }
    let removed = vpc.blocks.remove(index);
    if world.scan::<Subnet>()?.iter().any(|it| it.vpc == vpc.id && removed.block.covers(&it.block)) {
        let message = format!("The vpc CIDR block with association ID {id} has subnets and may not be disassociated.");
        return Err(refuse("InvalidCidrBlock.InUse", message));
    }
    world.put(&vpc)?;
    Ok(wire::DisassociateVpcCidrBlockResult {
        cidr_block_association: Some(render_block(&removed, "disassociating")),
        vpc_id: Some(vpc.id.to_string()),
        ..Default::default()
    })
}

const DHCP_FILTERS: &[Column<wire::DhcpOptions>] = &[
    ("dhcp-options-id", |it| text(&it.dhcp_options_id)),
    ("owner-id", |it| text(&it.owner_id)),
    ("key", |it| each(&it.dhcp_configurations, |one| text(&one.key))),
    ("value", |it| each(&it.dhcp_configurations, |one| each(&one.values, |value| text(&value.value)))),
];

/// DescribeDhcpOptions.
pub(crate) fn dhcp_options(
    world: &World<'_, '_>,
    input: &wire::DescribeDhcpOptionsRequest,
) -> Result<wire::DescribeDhcpOptionsResult> {
    let id = dhcp_options_id(world);
    if let Some(other) = input.dhcp_options_ids.iter().flatten().find(|it| **it != id && *it != "default") {
        let message = format!("The dhcpOption ID '{other}' does not exist");
        return Err(refuse("InvalidDhcpOptionID.NotFound", message));
    }
    let option = |key: &str, value: String| wire::DhcpConfiguration {
        key: Some(key.to_owned()),
        values: Some(vec![wire::AttributeValue { value: Some(value) }]),
    };
    let options = wire::DhcpOptions {
        owner_id: Some(world.account().to_string()),
        tags: Some(tag::render(&world.loose_tags(&id)?)),
        dhcp_configurations: Some(vec![
            option("domain-name", world.region().private_domain()),
            option("domain-name-servers", "AmazonProvidedDNS".to_owned()),
        ]),
        dhcp_options_id: Some(id),
    };
    let found = keep(vec![options], &input.filters, DHCP_FILTERS)?;
    let key = |it: &wire::DhcpOptions| it.dhcp_options_id.clone().unwrap_or_default();
    let (dhcp_options, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeDhcpOptionsResult { next_token, dhcp_options: Some(dhcp_options) })
}
