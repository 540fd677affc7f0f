//! Regions, zones and account attributes: facts, not records.

use crate::error::{Result, invalid, refuse};
use crate::filter::{Column, keep, text};
use crate::world::World;
use aws_model::ec2 as wire;
use base::Region;

/// Regions that every account has without opting in: those from before March 2019.
/// Source: *AWS Account Management Reference Guide*, "Enable or disable AWS Regions".
fn needs_opt_in(region: &str) -> bool {
    const OPT_IN: &[&str] = &[
        "af-south-1",
        "ap-east-1",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ca-west-1",
        "eu-central-2",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-south-1",
    ];
    OPT_IN.contains(&region)
}

const REGION_FILTERS: &[Column<wire::Region>] = &[
    ("endpoint", |it| text(&it.endpoint)),
    ("opt-in-status", |it| text(&it.opt_in_status)),
    ("region-name", |it| text(&it.region_name)),
];

/// DescribeRegions.
pub(crate) fn describe(_: &World<'_, '_>, input: &wire::DescribeRegionsRequest) -> Result<wire::DescribeRegionsResult> {
    let render = |region: Region| wire::Region {
        opt_in_status: Some(if needs_opt_in(region.as_str()) { "opted-in" } else { "opt-in-not-required" }.to_owned()),
        endpoint: Some(format!("ec2.{region}.amazonaws.com")),
        region_name: Some(region.to_string()),
        geography: None,
    };
    let mut all: Vec<_> = Region::all().into_iter().map(render).collect();
    if let Some(names) = input.region_names.as_deref().filter(|it| !it.is_empty()) {
        let has = |name: &String| all.iter().any(|it| it.region_name.as_ref() == Some(name));
        if let Some(name) = names.iter().find(|name| !has(name)) {
            return Err(invalid(format!("Invalid region names: [{name}]")));
        }
        all.retain(|it| it.region_name.as_ref().is_some_and(|name| names.contains(name)));
    }
    Ok(wire::DescribeRegionsResult { regions: Some(keep(all, &input.filters, REGION_FILTERS)?) })
}

const ZONE_FILTERS: &[Column<wire::AvailabilityZone>] = &[
    ("group-name", |it| text(&it.group_name)),
    ("message", |_| vec![]),
    ("opt-in-status", |it| text(&it.opt_in_status)),
    ("parent-zone-id", |it| text(&it.parent_zone_id)),
    ("parent-zone-name", |it| text(&it.parent_zone_name)),
    ("region-name", |it| text(&it.region_name)),
    ("state", |it| text(&it.state)),
    ("zone-id", |it| text(&it.zone_id)),
    ("zone-name", |it| text(&it.zone_name)),
    ("zone-type", |it| text(&it.zone_type)),
];

/// DescribeAvailabilityZones.
pub(crate) fn zones(
    world: &World<'_, '_>,
    input: &wire::DescribeAvailabilityZonesRequest,
) -> Result<wire::DescribeAvailabilityZonesResult> {
    let region = world.region();
    let mut zones = region.zones();
    for (given, by_name) in [(&input.zone_names, true), (&input.zone_ids, false)] {
        let Some(given) = given.as_deref().filter(|it| !it.is_empty()) else { continue };
        let of = |zone: &base::Zone| if by_name { zone.name.clone() } else { zone.id.clone() };
        if let Some(bad) = given.iter().find(|it| !zones.iter().any(|zone| of(zone) == **it)) {
            return Err(invalid(format!("Invalid availability zone: [{bad}]")));
        }
        zones.retain(|zone| given.contains(&of(zone)));
    }
    let render = |zone: base::Zone| wire::AvailabilityZone {
        state: Some("available".to_owned()),
        opt_in_status: Some("opt-in-not-required".to_owned()),
        messages: Some(vec![]),
        region_name: Some(region.to_string()),
        zone_name: Some(zone.name),
        zone_id: Some(zone.id),
        group_name: Some(format!("{region}-zg-1")),
        network_border_group: Some(region.to_string()),
        zone_type: Some("availability-zone".to_owned()),
        ..Default::default()
    };
    let all = zones.into_iter().map(render).collect();
    Ok(wire::DescribeAvailabilityZonesResult { availability_zones: Some(keep(all, &input.filters, ZONE_FILTERS)?) })
}

/// DescribeAccountAttributes.
pub(crate) fn account_attributes(
    world: &World<'_, '_>,
    input: &wire::DescribeAccountAttributesRequest,
) -> Result<wire::DescribeAccountAttributesResult> {
    let default = world.default_vpc()?.map_or_else(|| "none".to_owned(), |vpc| vpc.id.to_string());
    let known = [
        ("supported-platforms", "VPC".to_owned()),
        ("vpc-max-security-groups-per-interface", crate::security_group::MAX_PER_INTERFACE.to_string()),
        ("max-elastic-ips", "5".to_owned()),
        ("max-instances", "20".to_owned()),
        ("vpc-max-elastic-ips", "5".to_owned()),
        ("default-vpc", default),
    ];
    let asked = input.attribute_names.as_deref().unwrap_or_default();
    if let Some(bad) = asked.iter().find(|name| !known.iter().any(|(known, _)| known == name)) {
        return Err(refuse("InvalidParameterValue", format!("Invalid attribute name: {bad}")));
    }
    let render = |(name, value): (&str, String)| wire::AccountAttribute {
        attribute_name: Some(name.to_owned()),
        attribute_values: Some(vec![wire::AccountAttributeValue { attribute_value: Some(value) }]),
    };
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let shown = known.into_iter().filter(|(name, _)| is_asked(name)).map(render).collect();
    Ok(wire::DescribeAccountAttributesResult { account_attributes: Some(shown) })
}
