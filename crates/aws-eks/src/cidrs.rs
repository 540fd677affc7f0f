//! The two kinds of address blocks that a cluster is given: who may come to the public endpoint, and its Services' range.

use crate::error::EksError;
use base::Ipv4Block;
use std::net::Ipv4Addr;

/// Blocks a cluster may admit. *Amazon EKS service quotas*: "Public endpoint access CIDR ranges per cluster".
pub const MAX_PUBLIC_CIDRS: usize = 40;

const fn octets(a: u8, b: u8, prefix: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(a, b, 0, 0), prefix)
}

/// Ranges from which nobody can come over the Internet (IANA *IPv4 Special-Purpose Address Registry*). The documentation
/// ranges are not among them, since AWS's own examples use them, nor is 198.18.0.0/15, which is Postern's Internet.
const RESERVED: &[(Ipv4Addr, u8)] = &[
    octets(0, 0, 8),
    octets(10, 0, 8),
    octets(100, 64, 10),
    octets(127, 0, 8),
    octets(169, 254, 16),
    octets(172, 16, 12),
    octets(192, 168, 16),
    octets(224, 0, 4),
    octets(240, 0, 4),
];

/// The ranges that may hold a Service range (*Amazon EKS API Reference*, `KubernetesNetworkConfigRequest`).
const PRIVATE: &[(Ipv4Addr, u8)] = &[octets(10, 0, 8), octets(172, 16, 12), octets(192, 168, 16)];

fn within(block: &Ipv4Block, ranges: &[(Ipv4Addr, u8)]) -> bool {
    ranges.iter().filter_map(|(address, prefix)| Ipv4Block::containing(*address, *prefix)).any(|it| it.covers(block))
}

/// Reads `publicAccessCidrs`: host bits are cleared, duplicates collapse, none means everyone.
///
/// # Errors
/// [`EksError::PublicCidrs`] with all entries that are no IPv4 block or lie in a reserved range.
pub fn public_cidrs(texts: &[String]) -> Result<Vec<Ipv4Block>, EksError> {
    let (mut blocks, mut invalid) = (Vec::new(), Vec::new());
    for text in texts {
        match Ipv4Block::parse_lenient(text) {
            // Everyone is 0.0.0.0/0, which lies in no reserved range: only they could cover it.
            Ok(block) if !within(&block, RESERVED) => {
                if !blocks.contains(&block) {
                    blocks.push(block);
                }
            }
            _ => invalid.push(text.clone()),
        }
    }
    if !invalid.is_empty() {
        return Err(EksError::PublicCidrs(invalid));
    }
    if blocks.len() > MAX_PUBLIC_CIDRS {
        let text = format!("publicAccessCidrs has {} blocks; at most {MAX_PUBLIC_CIDRS} are allowed", blocks.len());
        return Err(EksError::Parameter(text));
    }
    if blocks.is_empty() {
        blocks.push(Ipv4Block::ANY);
    }
    Ok(blocks)
}

/// Reads `serviceIpv4Cidr`.
///
/// # Errors
/// When it is no block, too small, too large or not private.
pub fn service_block(text: &str) -> Result<Ipv4Block, EksError> {
    let refuse = || {
        EksError::Parameter(format!(
            "serviceIpv4Cidr {text} is not valid: it must be a block between /24 and /12 within 10.0.0.0/8, \
             172.16.0.0/12 or 192.168.0.0/16"
        ))
    };
    let block: Ipv4Block = text.parse().map_err(|_| refuse())?;
    let fits = (12..=24).contains(&block.prefix()) && within(&block, PRIVATE);
    if fits { Ok(block) } else { Err(refuse()) }
}

/// The Service range of a cluster in a VPC with these blocks: the one asked for, or the one of EKS's two that does not
/// meet a VPC in 10.0.0.0/8.
///
/// # Errors
/// When the one asked for overlaps the VPC.
pub fn choose_service_block(asked: Option<Ipv4Block>, vpc: &[Ipv4Block]) -> Result<Ipv4Block, EksError> {
    if let Some(block) = asked {
        return match vpc.iter().find(|it| it.overlaps(&block)) {
            None => Ok(block),
            Some(taken) => Err(EksError::Parameter(format!(
                "serviceIpv4Cidr {block} overlaps {taken} of the VPC; choose a range outside of it"
            ))),
        };
    }
    let ten = Ipv4Block::containing(Ipv4Addr::new(10, 0, 0, 0), 8);
    let in_ten = vpc.iter().any(|block| ten.is_some_and(|ten| ten.covers(block)));
    let first = if in_ten { Ipv4Addr::new(172, 20, 0, 0) } else { Ipv4Addr::new(10, 100, 0, 0) };
    Ipv4Block::containing(first, 16).ok_or(EksError::Missing("serviceIpv4Cidr"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(texts: &[&str], want: Result<&[&str], &str>) {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let got = public_cidrs(&texts).map(|blocks| blocks.iter().map(ToString::to_string).collect::<Vec<_>>());
        match want {
            Ok(want) => assert_eq!(got.unwrap(), want),
            Err(want) => assert_eq!(got.unwrap_err().to_string(), want),
        }
    }

    #[test]
    fn none_is_everyone_and_duplicates_collapse() {
        check(&[], Ok(&["0.0.0.0/0"]));
        check(&["203.0.113.7/24", "203.0.113.0/24", "198.18.10.0/24"], Ok(&["203.0.113.0/24", "198.18.10.0/24"]));
        check(&["0.0.0.0/1", "128.0.0.0/1"], Ok(&["0.0.0.0/1", "128.0.0.0/1"]));
    }

    #[test]
    fn every_bad_one_is_named() {
        let texts = ["10.0.0.0/8", "1.2.3.4/32", "1.2.3.4", "::/0", "192.168.7.0/24", "5.0.0.0/33", "224.0.0.0/4"];
        let want = "The following CIDRs are invalid in publicAccessCidrs: [10.0.0.0/8, 1.2.3.4, ::/0, 192.168.7.0/24, \
                    5.0.0.0/33, 224.0.0.0/4]";
        check(&texts, Err(want));
    }

    #[test]
    fn forty_are_allowed_and_no_more() {
        let texts: Vec<String> = (0..41).map(|n| format!("203.0.113.{n}/32")).collect();
        assert_eq!(public_cidrs(&texts[..40]).unwrap().len(), 40);
        assert!(public_cidrs(&texts).unwrap_err().to_string().contains("at most 40"));
        assert_eq!(public_cidrs(&vec!["1.2.3.4/32".to_owned(); 41]).unwrap().len(), 1, "duplicates do not count");
    }

    #[test]
    fn service_ranges_are_private_and_of_a_size() {
        assert!(["10.100.0.0/16", "172.16.0.0/12", "192.168.255.0/24"].iter().all(|it| service_block(it).is_ok()));
        let bad = ["10.0.0.0/8", "10.0.0.0/25", "11.0.0.0/16", "10.100.0.1/16", "192.160.0.0/12", "fd00::/108", ""];
        assert!(bad.iter().all(|it| service_block(it).is_err()));
    }

    #[test]
    fn the_service_range_keeps_out_of_the_vpc() {
        let block = |text: &str| text.parse::<Ipv4Block>().unwrap();
        let choose = |asked: Option<&str>, vpc: &[&str]| {
            let vpc: Vec<Ipv4Block> = vpc.iter().map(|it| block(it)).collect();
            choose_service_block(asked.map(block), &vpc).map(|it| it.to_string())
        };
        assert_eq!(choose(None, &["192.168.0.0/16"]).unwrap(), "10.100.0.0/16");
        assert_eq!(choose(None, &["10.0.0.0/16"]).unwrap(), "172.20.0.0/16");
        assert_eq!(choose(None, &["192.168.0.0/16", "10.9.0.0/16"]).unwrap(), "172.20.0.0/16");
        assert_eq!(choose(Some("10.9.0.0/16"), &["10.0.0.0/16"]).unwrap(), "10.9.0.0/16");
        assert!(choose(Some("10.0.128.0/20"), &["10.0.0.0/16"]).is_err());
    }

    proptest! {
        #[test]
        fn a_block_is_refused_when_it_lies_in_one_reserved_range(bits: u32, prefix in 0u8..=32) {
            const RANGES: [(u32, u32); 9] = [
                (0x0000_0000, 0x00ff_ffff), (0x0a00_0000, 0x0aff_ffff), (0x6440_0000, 0x647f_ffff),
                (0x7f00_0000, 0x7fff_ffff), (0xa9fe_0000, 0xa9fe_ffff), (0xac10_0000, 0xac1f_ffff),
                (0xc0a8_0000, 0xc0a8_ffff), (0xe000_0000, 0xefff_ffff), (0xf000_0000, 0xffff_ffff),
            ];
            let block = Ipv4Block::containing(Ipv4Addr::from_bits(bits), prefix).unwrap();
            let (first, last) = (block.network().to_bits(), block.last().to_bits());
            let reserved = RANGES.iter().any(|(low, high)| *low <= first && last <= *high);
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(bits));
            prop_assert_eq!(public_cidrs(&[text]).is_err(), reserved);
        }

        #[test]
        fn any_text_is_accepted_or_named(text in "[0-9a-f.:/ ]{0,24}") {
            match public_cidrs(std::slice::from_ref(&text)) {
                Ok(blocks) => prop_assert_eq!(blocks.len(), 1),
                Err(EksError::PublicCidrs(named)) => prop_assert_eq!(named, vec![text]),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
