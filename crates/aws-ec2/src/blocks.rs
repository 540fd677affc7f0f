//! Which blocks a VPC and a subnet may have. Source: *Amazon VPC User Guide*, "VPC CIDR blocks".

use crate::error::{Result, invalid, refuse};
use base::Ipv4Block;
use std::net::Ipv4Addr;

/// Blocks that one VPC may have; AWS's default quota.
pub(crate) const MAX_BLOCKS: usize = 5;

/// A range: where it begins, and its prefix.
type Range = (Ipv4Addr, u8);

const fn at(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Range {
    (Ipv4Addr::new(a, b, c, d), prefix)
}

/// What no VPC may hold: this network, loopback, link-local, multicast and reserved; and 198.18.0.0/15, which is the
/// Internet of this service.
const FORBIDDEN: &[Range] =
    &[at(0, 0, 0, 0, 8), at(127, 0, 0, 0, 8), at(169, 254, 0, 0, 16), at(198, 18, 0, 0, 15), at(224, 0, 0, 0, 3)];

/// RFC 1918's ranges: a second block must not be in another of them than the first, and in none of them when the first
/// is in none.
const PRIVATE: &[Range] = &[at(10, 0, 0, 0, 8), at(172, 16, 0, 0, 12), at(192, 168, 0, 0, 16)];

/// Besides: to a VPC in the first range no block of the second may be added.
const APART: &[(Range, Range)] =
    &[(at(10, 0, 0, 0, 15), at(10, 0, 0, 0, 16)), (at(172, 16, 0, 0, 12), at(172, 31, 0, 0, 16))];

fn within(block: &Ipv4Block, (network, prefix): Range) -> bool {
    Ipv4Block::containing(network, prefix).is_some_and(|range| range.covers(block))
}

fn touches(block: &Ipv4Block, (network, prefix): Range) -> bool {
    Ipv4Block::containing(network, prefix).is_some_and(|range| range.overlaps(block))
}

/// Parses a block; host bits are cleared, as EC2 does.
pub(crate) fn parse(text: &str, parameter: &str) -> Result<Ipv4Block> {
    let refusal =
        || invalid(format!("Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."));
    Ipv4Block::parse_lenient(text).map_err(|_| refusal())
}

/// Parses the block of a VPC: /16 to /28, in no forbidden range.
pub(crate) fn vpc_block(text: &str) -> Result<Ipv4Block> {
    let block = parse(text, "cidrBlock")?;
    if !(16..=28).contains(&block.prefix()) || FORBIDDEN.iter().any(|range| touches(&block, *range)) {
        return Err(refuse("InvalidVpc.Range", format!("The CIDR '{text}' is invalid.")));
    }
    Ok(block)
}

/// Checks one more block for a VPC that has others; the first is the primary one.
pub(crate) fn check_added(block: &Ipv4Block, others: &[Ipv4Block]) -> Result<()> {
    if let Some(other) = others.iter().find(|other| other.overlaps(block)) {
        let message = format!("The CIDR '{block}' conflicts with the CIDR '{other}' of this VPC.");
        return Err(refuse("InvalidVpc.Conflict", message));
    }
    if others.len() >= MAX_BLOCKS {
        return Err(refuse(
            "CidrLimitExceeded",
            format!("This network has met its maximum number of allowed CIDRs: {MAX_BLOCKS}"),
        ));
    }
    let range = |block: &Ipv4Block| PRIVATE.iter().position(|range| within(block, *range));
    let elsewhere = range(block).is_some() && others.first().is_some_and(|first| range(first) != range(block));
    let apart = |(have, add): &(Range, Range)| touches(block, *add) && others.iter().any(|other| within(other, *have));
    if elsewhere || APART.iter().any(apart) {
        return Err(refuse(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{block}' is restricted. Use a CIDR from the same private address range as the current VPC \
                    CIDR, \
                 or use a publicly-routable CIDR."
            ),
        ));
    }
    Ok(())
}

/// Parses the block of a subnet: /16 to /28, inside one of the VPC's, apart from the other subnets'.
pub(crate) fn subnet_block(text: &str, vpc: &[Ipv4Block], others: &[Ipv4Block]) -> Result<Ipv4Block> {
    let block = parse(text, "cidrBlock")?;
    if !(16..=28).contains(&block.prefix()) || !vpc.iter().any(|it| it.covers(&block)) {
        return Err(refuse("InvalidSubnet.Range", format!("The CIDR '{text}' is invalid.")));
    }
    if others.iter().any(|other| other.overlaps(&block)) {
        return Err(refuse("InvalidSubnet.Conflict", format!("The CIDR '{text}' conflicts with another subnet")));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Ipv4Block {
        text.parse().unwrap()
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: Result<T>, code: &str) {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(&format!("{code}:")), "{message}");
    }

    #[test]
    fn a_vpc_is_between_16_and_28_and_in_no_forbidden_range() {
        assert_eq!(vpc_block("10.0.3.7/16").unwrap(), block("10.0.0.0/16"));
        assert_eq!(vpc_block("100.64.0.0/16").unwrap(), block("100.64.0.0/16"));
        for bad in [
            "10.0.0.0/15",
            "10.0.0.0/29",
            "127.0.0.0/16",
            "169.254.0.0/20",
            "224.0.0.0/16",
            "240.0.0.0/16",
            "198.19.0.0/16",
        ] {
            refused(vpc_block(bad), "InvalidVpc.Range");
        }
        refused(vpc_block("ten"), "InvalidParameterValue");
    }

    #[test]
    fn a_second_block_stays_in_the_first_ones_range() {
        let have = [block("10.0.0.0/16")];
        assert!(check_added(&block("10.1.0.0/16"), &have).is_ok());
        assert!(check_added(&block("100.64.0.0/16"), &have).is_ok());
        refused(check_added(&block("192.168.0.0/16"), &have), "InvalidVpc.Range");
        for (first, added) in [
            ("100.64.0.0/16", "10.1.0.0/16"),
            ("172.20.0.0/16", "172.31.0.0/20"),
            ("10.1.0.0/16", "10.0.0.0/24"),
            ("203.0.112.0/20", "192.168.0.0/16"),
        ] {
            refused(check_added(&block(added), &[block(first)]), "InvalidVpc.Range");
        }
        assert!(check_added(&block("172.21.0.0/16"), &[block("172.20.0.0/16")]).is_ok());
        assert!(check_added(&block("10.0.0.0/16"), &[block("10.2.0.0/16")]).is_ok());
        assert!(check_added(&block("100.65.0.0/16"), &[block("100.64.0.0/16")]).is_ok());
        refused(check_added(&block("10.0.9.0/24"), &have), "InvalidVpc.Conflict");
        refused(check_added(&block("10.9.0.0/24"), &[have[0]; 5]), "CidrLimitExceeded");
    }

    #[test]
    fn a_subnet_lies_in_its_vpc_and_apart_from_others() {
        let vpc = [block("10.0.0.0/16")];
        assert!(subnet_block("10.0.1.0/24", &vpc, &[block("10.0.2.0/24")]).is_ok());
        refused(subnet_block("10.1.1.0/24", &vpc, &[]), "InvalidSubnet.Range");
        refused(subnet_block("10.0.1.0/29", &vpc, &[]), "InvalidSubnet.Range");
        refused(subnet_block("10.0.1.0/25", &vpc, &[block("10.0.1.0/24")]), "InvalidSubnet.Conflict");
    }
}
