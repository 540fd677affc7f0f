//! The VPC that `create cluster` makes where no subnets are given, and its removal. Everything in it bears eksctl's tag
//! with the cluster's name; by that it is found again, whatever moment a create was cut off at.

use super::CLUSTER_TAG;
use super::work::Work;
use crate::cli::error::CliError;
use base::Ipv4Block;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;

/// Zones that EKS does not use. Source: *Amazon EKS User Guide*, "VPC and subnet requirements".
const AVOIDED: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3"];

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Zones for a new VPC: those that were asked for, or the region's first three (two in us-east-1, as eksctl has it).
///
/// # Errors
/// When there are fewer than two.
pub fn zones(work: &mut Work<'_, '_>, wanted: &[String]) -> Result<Vec<String>, CliError> {
    let mut zones: Vec<String> = if wanted.is_empty() {
        let filters = json!([
            {"Name": "region-name", "Values": [work.region]},
            {"Name": "state", "Values": ["available"]},
            {"Name": "zone-type", "Values": ["availability-zone"]}
        ]);
        let answer = work.call("ec2", "DescribeAvailabilityZones", json!({ "Filters": filters }))?;
        let list = answer["AvailabilityZones"].as_array().map(Vec::as_slice).unwrap_or_default();
        let usable = list.iter().filter(|it| !AVOIDED.contains(&it["ZoneId"].as_str().unwrap_or_default()));
        usable.filter_map(|it| it["ZoneName"].as_str()).map(str::to_owned).collect()
    } else {
        wanted.to_vec()
    };
    zones.sort();
    zones.dedup();
    if wanted.is_empty() {
        zones.truncate(if work.region == "us-east-1" { 2 } else { 3 });
    }
    if zones.len() < 2 {
        let count = zones.len();
        return Err(CliError::told(format!(
            "only {count} zones discovered [{}], at least 2 are required",
            zones.join(" ")
        )));
    }
    Ok(zones)
}

/// The public subnets' blocks: an eighth of the VPC's each, a sixteenth where there are more than four zones.
///
/// # Errors
/// When the block can't be cut so.
pub fn split(block: Ipv4Block, count: usize) -> Result<Vec<Ipv4Block>, CliError> {
    let parts: u8 = if count > 4 { 4 } else { 3 };
    // private subnets would take as many again
    if count > 8 {
        return Err(CliError::told(format!("{count} zones are too many for one VPC: at most 8 are served")));
    }
    if !(16..=24).contains(&block.prefix()) {
        return Err(CliError::told(format!("VPC CIDR prefix must be between /16 and /24, it is {block}")));
    }
    let prefix = block.prefix() + parts;
    let size = 1_u64 << (32 - prefix);
    let part = |at: usize| block.nth(at as u64 * size).and_then(|it| Ipv4Block::containing(it, prefix));
    (0..count)
        .map(part)
        .collect::<Option<_>>()
        .ok_or_else(|| CliError::told(format!("{block} can't be cut in {count}")))
}

/// Makes a VPC with one public subnet a zone, an Internet gateway and a route table. Returns the VPC and the subnets.
///
/// # Errors
/// Those of EC2; what was made until then is found by its tag.
pub fn make(
    work: &mut Work<'_, '_>,
    name: &str,
    tags: &Tags,
    block: Ipv4Block,
    zones: &[String],
) -> Result<(String, Vec<String>), CliError> {
    let tagged = |kind: &str, what: &str, more: &[(&str, &str)]| {
        let mut tags = tags.clone();
        tags.insert("Name".to_owned(), format!("eksctl-{name}-cluster/{what}"));
        tags.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let tags: Vec<_> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        json!([{"ResourceType": kind, "Tags": tags}])
    };
    let input = json!({"CidrBlock": block.to_string(), "TagSpecifications": tagged("vpc", "VPC", &[])});
    let vpc = work.id("CreateVpc", input, &["Vpc", "VpcId"])?;
    work.call("ec2", "ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsSupport": {"Value": true}}))?;
    work.call("ec2", "ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}}))?;
    let input = json!({ "TagSpecifications": tagged("internet-gateway", "InternetGateway", &[]) });
    let gateway = work.id("CreateInternetGateway", input, &["InternetGateway", "InternetGatewayId"])?;
    work.call("ec2", "AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}))?;
    let input = json!({"VpcId": vpc, "TagSpecifications": tagged("route-table", "PublicRouteTable", &[])});
    let table = work.id("CreateRouteTable", input, &["RouteTable", "RouteTableId"])?;
    let route = json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway});
    work.call("ec2", "CreateRoute", route)?;
    work.info(format!("created VPC {vpc} ({block}) with Internet gateway {gateway}"))?;
    let mut subnets = Vec::new();
    for (zone, block) in zones.iter().zip(split(block, zones.len())?) {
        let what = format!("SubnetPublic{}", zone.replace('-', "").to_uppercase());
        let tags = tagged("subnet", &what, &[("kubernetes.io/role/elb", "1")]);
        let input =
            json!({"VpcId": vpc, "AvailabilityZone": zone, "CidrBlock": block.to_string(), "TagSpecifications": tags});
        let subnet = work.id("CreateSubnet", input, &["Subnet", "SubnetId"])?;
        work.call("ec2", "ModifySubnetAttribute", json!({"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": true}}))?;
        work.call("ec2", "AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": subnet}))?;
        work.info(format!("created public subnet {subnet} in {zone} ({block})"))?;
        subnets.push(subnet);
    }
    Ok((vpc, subnets))
}

/// The VPCs that were made for a cluster of this name.
///
/// # Errors
/// Those of EC2.
pub fn find(work: &mut Work<'_, '_>, name: &str) -> Result<Vec<String>, CliError> {
    tagged(work, name, "DescribeVpcs", "Vpcs", "VpcId")
}

/// Removes what was made for a cluster of this name; says what. Nothing there is nothing to do.
///
/// # Errors
/// When something else lies in it still, with EC2's own words.
pub fn remove(work: &mut Work<'_, '_>, name: &str) -> Result<Vec<String>, CliError> {
    let mut removed = Vec::new();
    for subnet in tagged(work, name, "DescribeSubnets", "Subnets", "SubnetId")? {
        work.call("ec2", "DeleteSubnet", json!({ "SubnetId": subnet }))?;
        removed.push(subnet);
    }
    for table in tagged(work, name, "DescribeRouteTables", "RouteTables", "RouteTableId")? {
        work.call("ec2", "DeleteRouteTable", json!({ "RouteTableId": table }))?;
        removed.push(table);
    }
    let gateways = work.list("ec2", "DescribeInternetGateways", filter(name), "InternetGateways")?;
    for gateway in &gateways {
        let id = gateway["InternetGatewayId"].as_str().unwrap_or_default();
        for it in gateway["Attachments"].as_array().map(Vec::as_slice).unwrap_or_default() {
            work.call("ec2", "DetachInternetGateway", json!({"InternetGatewayId": id, "VpcId": it["VpcId"]}))?;
        }
        work.call("ec2", "DeleteInternetGateway", json!({ "InternetGatewayId": id }))?;
        removed.push(id.to_owned());
    }
    for vpc in find(work, name)? {
        work.call("ec2", "DeleteVpc", json!({ "VpcId": vpc }))?;
        removed.push(vpc);
    }
    Ok(removed)
}

fn tagged(work: &mut Work<'_, '_>, name: &str, operation: &str, list: &str, id: &str) -> Result<Vec<String>, CliError> {
    let found = work.list("ec2", operation, filter(name), list)?;
    Ok(found.iter().filter_map(|it| it[id].as_str()).map(str::to_owned).collect())
}

fn filter(name: &str) -> Value {
    json!({"Filters": [{"Name": format!("tag:{CLUSTER_TAG}"), "Values": [name]}]})
}

impl Work<'_, '_> {
    /// Makes something in EC2 and returns its id.
    fn id(&mut self, operation: &str, input: Value, path: &[&str; 2]) -> Result<String, CliError> {
        let answer = self.call("ec2", operation, input)?;
        let id = answer[path[0]][path[1]].as_str();
        id.map(str::to_owned).ok_or_else(|| CliError::told(format!("{operation} answered without {}", path[1])))
    }
}

/// A number that nobody guesses by accident: for names that must differ. It is no secret.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A block as typed: its base address, not one inside it.
///
/// # Errors
/// When it is none.
pub fn block(text: &str) -> Result<Ipv4Block, CliError> {
    text.parse()
        .map_err(|_| CliError::told(format!("{text:?} is not an IPv4 block like {}/16", Ipv4Addr::new(192, 168, 0, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_as_eksctl_cuts_them() {
        let shown = |text: &str, count| {
            split(block(text).unwrap(), count).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown("192.168.0.0/16", 3), ["192.168.0.0/19", "192.168.32.0/19", "192.168.64.0/19"]);
        assert_eq!(shown("10.1.2.0/24", 2), ["10.1.2.0/27", "10.1.2.32/27"]);
        assert_eq!(shown("10.0.0.0/16", 5)[4], "10.0.64.0/20");
    }

    #[test]
    fn blocks_that_can_not_be_cut_are_refused() {
        for text in ["10.0.0.0/15", "10.0.0.0/25"] {
            assert!(split(block(text).unwrap(), 2).is_err(), "{text}");
        }
        assert!(split(block("10.0.0.0/16").unwrap(), 9).is_err());
        for text in ["10.0.0.0", "x", "10.0.0.0/33"] {
            assert!(block(text).is_err(), "{text}");
        }
    }

    #[test]
    fn random_names_differ() {
        assert_ne!(random(), random());
    }
}
