//! Subnets: a part of a VPC's block in one zone.

use crate::error::{Result, combination, dependency, invalid, required, unsupported};
use crate::filter::{Column, flag, keep, number, text};
use crate::page::page;
use crate::records::{RouteTable, Subnet, Vpc};
use crate::side_records::ADDRESS;
use crate::world::World;
use crate::{addressing, blocks, tag};
use aws_model::ec2 as wire;
use base::{SubnetId, Zone};

/// The zone that a call means, by name or id; the region's first when it names none.
pub(crate) fn zone(world: &World<'_, '_>, name: Option<&str>, id: Option<&str>) -> Result<Zone> {
    let zones = world.region().zones();
    let names = zones.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = match (name, id) {
        (Some(_), Some(_)) => {
            return Err(combination("Only one of AvailabilityZone and AvailabilityZoneId may be specified."));
        }
        (Some(name), None) => zones.into_iter().find(|it| it.name == name),
        (None, Some(id)) => zones.into_iter().find(|it| it.id == id),
        (None, None) => zones.into_iter().next(),
    };
    let given = name.or(id).unwrap_or_default();
    found.ok_or_else(|| {
        invalid(format!(
            "Value ({given}) for parameter availabilityZone is invalid. Subnets can currently only be created in the \
                following availability zones: {names}."
        ))
    })
}

/// CreateSubnet.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateSubnetRequest) -> Result<wire::CreateSubnetResult> {
    unsupported(&[
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("Ipv6Native", input.ipv6_native == Some(true)),
        ("OutpostArn", input.outpost_arn.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
    ])?;
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    let text = required(&input.cidr_block, "CidrBlock")?;
    let zone = zone(world, input.availability_zone.as_deref(), input.availability_zone_id.as_deref())?;
    let tags = tag::given(world, &input.tag_specifications, "subnet")?;
    let others = world.scan::<Subnet>()?;
    let others: Vec<_> = others.iter().filter(|it| it.vpc == vpc.id).map(|it| it.block).collect();
    let own: Vec<_> = vpc.blocks.iter().map(|it| it.block).collect();
    let subnet = Subnet {
        id: SubnetId::random(),
        vpc: vpc.id,
        zone: zone.name,
        block: blocks::subnet_block(text, &own, &others)?,
        map_public_ip_on_launch: false,
        default_for_az: false,
        tags,
    };
    world.put(&subnet)?;
    Ok(wire::CreateSubnetResult { subnet: Some(render(world, &subnet)?) })
}

/// DeleteSubnet: refused while an interface has an address in it; route table associations go with it.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteSubnetRequest) -> Result<()> {
    let subnet = world.find::<Subnet>(required(&input.subnet_id, "SubnetId")?)?;
    let taken = world.scan_entries::<String>(&world.key(ADDRESS, &format!("{}/", subnet.id)))?;
    if !taken.is_empty() {
        return Err(dependency(format!("The subnet '{}' has dependencies and cannot be deleted.", subnet.id)));
    }
    for mut table in world.scan::<RouteTable>()? {
        let before = table.associations.len();
        table.associations.retain(|it| it.subnet.as_ref() != Some(&subnet.id));
        if table.associations.len() != before {
            world.put(&table)?;
        }
    }
    world.remove::<Subnet>(subnet.id.as_str());
    Ok(())
}

/// ModifySubnetAttribute.
pub(crate) fn modify(world: &mut World<'_, '_>, input: &wire::ModifySubnetAttributeRequest) -> Result<()> {
    let on = |it: &Option<wire::AttributeBooleanValue>| it.as_ref().and_then(|it| it.value) == Some(true);
    unsupported(&[
        ("AssignIpv6AddressOnCreation", on(&input.assign_ipv6_address_on_creation)),
        ("MapCustomerOwnedIpOnLaunch", on(&input.map_customer_owned_ip_on_launch)),
        ("CustomerOwnedIpv4Pool", input.customer_owned_ipv4_pool.is_some()),
        ("EnableDns64", on(&input.enable_dns64)),
        ("EnableLniAtDeviceIndex", input.enable_lni_at_device_index.is_some()),
        ("EnableResourceNameDnsARecordOnLaunch", on(&input.enable_resource_name_dns_a_record_on_launch)),
        ("EnableResourceNameDnsAAAARecordOnLaunch", on(&input.enable_resource_name_dns_aaaa_record_on_launch)),
        (
            "PrivateDnsHostnameTypeOnLaunch",
            input.private_dns_hostname_type_on_launch.as_deref().is_some_and(|it| it != "ip-name"),
        ),
    ])?;
    let mut subnet = world.find::<Subnet>(required(&input.subnet_id, "SubnetId")?)?;
    if let Some(value) = input.map_public_ip_on_launch.as_ref().and_then(|it| it.value) {
        subnet.map_public_ip_on_launch = value;
        world.put(&subnet)?;
    }
    Ok(())
}

const FILTERS: &[Column<wire::Subnet>] = &[
    ("availability-zone", |it| text(&it.availability_zone)),
    ("availabilityZone", |it| text(&it.availability_zone)),
    ("availability-zone-id", |it| text(&it.availability_zone_id)),
    ("availabilityZoneId", |it| text(&it.availability_zone_id)),
    ("available-ip-address-count", |it| number(&it.available_ip_address_count)),
    ("cidr", |it| text(&it.cidr_block)),
    ("cidrBlock", |it| text(&it.cidr_block)),
    ("cidr-block", |it| text(&it.cidr_block)),
    ("default-for-az", |it| flag(&it.default_for_az)),
    ("defaultForAz", |it| flag(&it.default_for_az)),
    ("ipv6-native", |it| flag(&it.ipv6_native)),
    ("map-public-ip-on-launch", |it| flag(&it.map_public_ip_on_launch)),
    ("outpost-arn", |it| text(&it.outpost_arn)),
    ("owner-id", |it| text(&it.owner_id)),
    ("state", |it| text(&it.state)),
    ("subnet-arn", |it| text(&it.subnet_arn)),
    ("subnet-id", |it| text(&it.subnet_id)),
    ("vpc-id", |it| text(&it.vpc_id)),
];

/// DescribeSubnets.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeSubnetsRequest,
) -> Result<wire::DescribeSubnetsResult> {
    let found = world.select::<Subnet>(&input.subnet_ids)?;
    let found = found.iter().map(|it| render(world, it)).collect::<Result<Vec<_>>>()?;
    let found = keep(found, &input.filters, FILTERS)?;
    let key = |it: &wire::Subnet| it.subnet_id.clone().unwrap_or_default();
    let (subnets, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeSubnetsResult { next_token, subnets: Some(subnets) })
}

/// A subnet as answers show it.
pub(crate) fn render(world: &World<'_, '_>, subnet: &Subnet) -> Result<wire::Subnet> {
    let available = addressing::available(world, subnet)?;
    Ok(wire::Subnet {
        subnet_id: Some(subnet.id.to_string()),
        subnet_arn: Some(world.arn("subnet", subnet.id.as_str())),
        owner_id: Some(world.account().to_string()),
        vpc_id: Some(subnet.vpc.to_string()),
        state: Some("available".to_owned()),
        cidr_block: Some(subnet.block.to_string()),
        available_ip_address_count: Some(i32::try_from(available).unwrap_or(i32::MAX)),
        availability_zone: Some(subnet.zone.clone()),
        availability_zone_id: world.zone_id(&subnet.zone),
        default_for_az: Some(subnet.default_for_az),
        map_public_ip_on_launch: Some(subnet.map_public_ip_on_launch),
        map_customer_owned_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(vec![]),
        enable_dns64: Some(false),
        ipv6_native: Some(false),
        private_dns_name_options_on_launch: Some(wire::PrivateDnsNameOptionsOnLaunch {
            hostname_type: Some("ip-name".to_owned()),
            enable_resource_name_dns_a_record: Some(false),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        block_public_access_states: Some(wire::BlockPublicAccessStates {
            internet_gateway_block_mode: Some("off".to_owned()),
        }),
        tags: tag::render_some(&subnet.tags),
        ..Default::default()
    })
}
