//! Permissions of a security group as users write them (one protocol, many peers; structured or flat) and as they are
//! kept (one peer each), both ways.

use crate::error::{Result, combination, invalid, missing, refuse};
use crate::records::{RulePeer, SecurityGroup, SecurityGroupRule, Tags};
use crate::world::World;
use aws_model::ec2 as wire;
use base::{Ipv4Block, SecurityGroupRuleId, VpcId};
use std::net::Ipv6Addr;

/// Characters of a rule's description.
const MAX_DESCRIPTION: usize = 255;

/// What one rule lets through, without id and direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    /// As in the record.
    pub protocol: String,
    /// As in the record.
    pub from_port: Option<i32>,
    /// As in the record.
    pub to_port: Option<i32>,
    /// As in the record.
    pub peer: RulePeer,
    /// As in the record.
    pub description: Option<String>,
}

impl Permission {
    /// Whether a rule lets the same through; descriptions do not count.
    pub fn is(&self, rule: &SecurityGroupRule) -> bool {
        self.protocol == rule.protocol
            && self.from_port == rule.from_port
            && self.to_port == rule.to_port
            && self.peer == rule.peer
    }

    /// The same, between two permissions.
    pub fn same(&self, other: &Permission) -> bool {
        Permission { description: None, ..self.clone() } == Permission { description: None, ..other.clone() }
    }

    /// A new rule of it.
    pub fn into_rule(self, egress: bool, tags: Tags) -> SecurityGroupRule {
        SecurityGroupRule {
            id: SecurityGroupRuleId::random(),
            egress,
            protocol: self.protocol,
            from_port: self.from_port,
            to_port: self.to_port,
            peer: self.peer,
            description: self.description,
            tags,
        }
    }

    /// As AWS names it in the sentence about a duplicate.
    pub fn sentence(&self) -> String {
        let peer = match &self.peer {
            RulePeer::Block(block) => block.to_string(),
            RulePeer::Block6(block) => block.clone(),
            RulePeer::Group(group) => group.to_string(),
        };
        match (self.protocol.as_str(), self.from_port, self.to_port) {
            ("-1", ..) => format!("peer: {peer}, ALL, ALLOW"),
            ("icmp" | "icmpv6", Some(kind), Some(code)) => {
                format!("peer: {peer}, {}, type: {kind}, code: {code}, ALLOW", self.protocol.to_uppercase())
            }
            (protocol, Some(from), Some(to)) => {
                format!("peer: {peer}, {}, from port: {from}, to port: {to}, ALLOW", protocol.to_uppercase())
            }
            (protocol, ..) => format!("peer: {peer}, {protocol}, ALLOW"),
        }
    }
}

/// A protocol in EC2's spelling.
pub(crate) fn protocol(text: &str) -> Result<String> {
    let text = text.to_lowercase();
    Ok(match text.as_str() {
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "icmpv6" | "58" => "icmpv6".to_owned(),
        "-1" | "all" => "-1".to_owned(),
        number => match number.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => return Err(invalid(format!("Invalid value '{text}' for IP protocol. Unknown protocol."))),
        },
    })
}

/// Checks ports (or ICMP type and code) against the protocol.
pub(crate) fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Result<(Option<i32>, Option<i32>)> {
    match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                return Err(invalid(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
                ));
            };
            for port in [from, to] {
                if !(0..=65535).contains(&port) {
                    return Err(invalid(format!("Invalid value '{port}' for portRange. Must be between 0 and 65535.")));
                }
            }
            if from > to {
                return Err(invalid(format!("Invalid {} port range ({from},{to})", protocol.to_uppercase())));
            }
            Ok((Some(from), Some(to)))
        }
        "icmp" | "icmpv6" => {
            let (kind, code) = (from.unwrap_or(-1), to.unwrap_or(-1));
            if !(-1..=255).contains(&kind) || !(-1..=255).contains(&code) {
                return Err(invalid(format!("ICMP type ({kind}) and code ({code}) must be between -1 and 255")));
            }
            if kind == -1 && code != -1 {
                return Err(invalid(format!("ICMP code ({code}) must be -1 when the type is -1")));
            }
            Ok((Some(kind), Some(code)))
        }
        _ => Ok((None, None)),
    }
}

/// An IPv4 block as a peer; host bits are cleared.
pub(crate) fn block(text: &str) -> Result<Ipv4Block> {
    Ipv4Block::parse_lenient(text).map_err(|_| invalid(format!("CIDR block {text} is malformed")))
}

/// An IPv6 block as a peer, in its canonical spelling.
pub(crate) fn block6(text: &str) -> Result<String> {
    let bad = || invalid(format!("CIDR block {text} is malformed"));
    let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
    let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
    let prefix: u32 = prefix.parse().map_err(|_| bad())?;
    let shift = 128u32.checked_sub(prefix).ok_or_else(bad)?;
    let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
    Ok(format!("{}/{prefix}", Ipv6Addr::from_bits(address.to_bits() & mask)))
}

fn description(text: &Option<String>) -> Result<Option<String>> {
    let Some(text) = text.clone().filter(|it| !it.is_empty()) else { return Ok(None) };
    let known = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() > MAX_DESCRIPTION || !text.chars().all(known) {
        return Err(invalid(format!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following \
                set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$* ({text})"
        )));
    }
    Ok(Some(text))
}

/// The group that a pair names: by id or name, in the same VPC and account.
fn group(world: &World<'_, '_>, vpc: &VpcId, pair: &wire::UserIdGroupPair) -> Result<RulePeer> {
    if let Some(user) = pair.user_id.as_deref().filter(|it| *it != world.account().as_str()) {
        let message =
            format!("The security group of the account '{user}' cannot be used: there is no VPC peering here.");
        return Err(refuse("InvalidGroup.NotFound", message));
    }
    let id = match (&pair.group_id, &pair.group_name) {
        (Some(id), _) => id.clone(),
        (None, Some(name)) => crate::security_group::named(world, vpc, name)?.id.to_string(),
        (None, None) => return Err(missing("GroupId")),
    };
    let group = world.find::<SecurityGroup>(&id)?;
    if group.vpc != *vpc {
        let message = "You have specified two resources that belong to different networks.";
        return Err(refuse("InvalidGroup.NotFound", message));
    }
    Ok(RulePeer::Group(group.id))
}

/// The permissions of a structured list, one for each peer.
pub(crate) fn structured(world: &World<'_, '_>, vpc: &VpcId, given: &[wire::IpPermission]) -> Result<Vec<Permission>> {
    let mut found = Vec::new();
    for one in given {
        let protocol = protocol(one.ip_protocol.as_deref().ok_or_else(|| missing("IpProtocol"))?)?;
        let (from_port, to_port) = ports(&protocol, one.from_port, one.to_port)?;
        let mut add = |peer, text: &Option<String>| -> Result<()> {
            let description = description(text)?;
            found.push(Permission { protocol: protocol.clone(), from_port, to_port, peer, description });
            Ok(())
        };
        let mut peers = 0;
        for range in one.ip_ranges.iter().flatten() {
            let text = range.cidr_ip.as_deref().ok_or_else(|| missing("CidrIp"))?;
            add(RulePeer::Block(block(text)?), &range.description)?;
            peers += 1;
        }
        for range in one.ipv6_ranges.iter().flatten() {
            let text = range.cidr_ipv6.as_deref().ok_or_else(|| missing("CidrIpv6"))?;
            add(RulePeer::Block6(block6(text)?), &range.description)?;
            peers += 1;
        }
        for pair in one.user_id_group_pairs.iter().flatten() {
            add(group(world, vpc, pair)?, &pair.description)?;
            peers += 1;
        }
        if let Some(list) = one.prefix_list_ids.iter().flatten().next() {
            let id = list.prefix_list_id.as_deref().unwrap_or_default();
            return Err(refuse("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist")));
        }
        if peers == 0 {
            return Err(refuse(
                "MissingParameter",
                "Either cidrIp or a source group must be given for each permission",
            ));
        }
    }
    Ok(found)
}

/// The flat parameters of the four operations that take permissions.
pub(crate) struct Flat<'a> {
    /// IpProtocol.
    pub protocol: &'a Option<String>,
    /// FromPort.
    pub from_port: Option<i32>,
    /// ToPort.
    pub to_port: Option<i32>,
    /// CidrIp.
    pub cidr: &'a Option<String>,
    /// SourceSecurityGroupName.
    pub group_name: &'a Option<String>,
    /// SourceSecurityGroupOwnerId.
    pub group_owner: &'a Option<String>,
}

/// What a call gives, structured or flat; `None` when it gives neither.
pub(crate) fn given(
    world: &World<'_, '_>,
    vpc: &VpcId,
    structured_list: &Option<Vec<wire::IpPermission>>,
    flat: &Flat<'_>,
) -> Result<Option<Vec<Permission>>> {
    let is_flat = flat.protocol.is_some() || flat.cidr.is_some() || flat.group_name.is_some();
    match structured_list.as_deref() {
        Some(list) if !list.is_empty() && !is_flat => return structured(world, vpc, list).map(Some),
        Some(list) if !list.is_empty() => {
            return Err(combination("The parameter ipPermissions cannot be used with the flat parameters"));
        }
        _ if !is_flat => return Ok(None),
        _ => {}
    }
    let ranges = flat.cidr.iter().map(|cidr| wire::IpRange { cidr_ip: Some(cidr.clone()), description: None });
    let pairs = flat.group_name.iter().map(|name| wire::UserIdGroupPair {
        group_name: Some(name.clone()),
        user_id: flat.group_owner.clone(),
        ..Default::default()
    });
    let one = wire::IpPermission {
        // A whole group may be named without a protocol: then it is all of them.
        ip_protocol: flat.protocol.clone().or_else(|| flat.group_name.as_ref().map(|_| "-1".to_owned())),
        from_port: flat.from_port,
        to_port: flat.to_port,
        ip_ranges: Some(ranges.collect()),
        user_id_group_pairs: Some(pairs.collect()),
        ..Default::default()
    };
    structured(world, vpc, &[one]).map(Some)
}

/// Rules of one direction as DescribeSecurityGroups shows them: those of the same protocol and ports together.
pub(crate) fn render(account: &str, rules: &[SecurityGroupRule], egress: bool) -> Vec<wire::IpPermission> {
    let mut shown: Vec<wire::IpPermission> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.egress == egress) {
        let same = |it: &wire::IpPermission| {
            it.ip_protocol.as_ref() == Some(&rule.protocol)
                && it.from_port == rule.from_port
                && it.to_port == rule.to_port
        };
        let index = shown.iter().position(same).unwrap_or_else(|| {
            shown.push(wire::IpPermission {
                ip_protocol: Some(rule.protocol.clone()),
                from_port: rule.from_port,
                to_port: rule.to_port,
                user_id_group_pairs: Some(vec![]),
                ip_ranges: Some(vec![]),
                ipv6_ranges: Some(vec![]),
                prefix_list_ids: Some(vec![]),
            });
            shown.len() - 1
        });
        add_peer(account, &mut shown[index], rule);
    }
    shown
}

fn add_peer(account: &str, permission: &mut wire::IpPermission, rule: &SecurityGroupRule) {
    let description = rule.description.clone();
    match &rule.peer {
        RulePeer::Block(block) => permission
            .ip_ranges
            .get_or_insert_default()
            .push(wire::IpRange { cidr_ip: Some(block.to_string()), description }),
        RulePeer::Block6(block) => permission
            .ipv6_ranges
            .get_or_insert_default()
            .push(wire::Ipv6Range { cidr_ipv6: Some(block.clone()), description }),
        RulePeer::Group(group) => permission.user_id_group_pairs.get_or_insert_default().push(wire::UserIdGroupPair {
            group_id: Some(group.to_string()),
            user_id: Some(account.to_owned()),
            description,
            ..Default::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer() -> impl Strategy<Value = RulePeer> {
        prop_oneof![
            (any::<u32>(), 0u8..=32)
                .prop_map(|(bits, prefix)| { RulePeer::Block(Ipv4Block::containing(bits.into(), prefix).unwrap()) }),
            (any::<u128>(), 0u32..=128).prop_map(|(bits, prefix)| RulePeer::Block6(
                block6(&format!("{}/{prefix}", Ipv6Addr::from_bits(bits))).unwrap()
            )),
            "[0-9a-f]{17}".prop_map(|digits| RulePeer::Group(format!("sg-{digits}").parse().unwrap())),
        ]
    }

    fn rule() -> impl Strategy<Value = SecurityGroupRule> {
        let protocols = prop::sample::select(vec!["tcp", "udp", "icmp", "-1", "47"]);
        (protocols, 0..3i32, 0..3i32, peer(), any::<bool>()).prop_map(|(protocol, from, more, peer, egress)| {
            let (from_port, to_port) = ports(protocol, Some(from), Some(from + more)).unwrap();
            let protocol = protocol.to_owned();
            Permission { protocol, from_port, to_port, peer, description: None }.into_rule(egress, Tags::new())
        })
    }

    fn flatten(shown: &[wire::IpPermission]) -> Vec<(String, Option<i32>, Option<i32>, RulePeer)> {
        let mut found = Vec::new();
        for one in shown {
            let mut add = |peer| found.push((one.ip_protocol.clone().unwrap(), one.from_port, one.to_port, peer));
            for it in one.ip_ranges.iter().flatten() {
                add(RulePeer::Block(block(it.cidr_ip.as_deref().unwrap()).unwrap()));
            }
            for it in one.ipv6_ranges.iter().flatten() {
                add(RulePeer::Block6(block6(it.cidr_ipv6.as_deref().unwrap()).unwrap()));
            }
            for it in one.user_id_group_pairs.iter().flatten() {
                add(RulePeer::Group(it.group_id.as_deref().unwrap().parse().unwrap()));
            }
        }
        found.sort();
        found
    }

    proptest! {
        #[test]
        fn grouping_by_protocol_loses_no_rule_and_makes_none(rules in prop::collection::vec(rule(), 0..20)) {
            for egress in [false, true] {
                let one_way = rules.iter().filter(|it| it.egress == egress);
                let mut want: Vec<_> =
                    one_way.map(|it| (it.protocol.clone(), it.from_port, it.to_port, it.peer.clone())).collect();
                want.sort();
                let shown = render("111122223333", &rules, egress);
                prop_assert_eq!(flatten(&shown), want);
                let mut heads: Vec<_> =
                    shown.iter().map(|it| (it.ip_protocol.clone(), it.from_port, it.to_port)).collect();
                heads.sort();
                heads.dedup();
                prop_assert_eq!(heads.len(), shown.len());
            }
        }

        #[test]
        fn normal_forms_stay_as_they_are(bits: u128, prefix in 0u32..=128) {
            let once = block6(&format!("{}/{prefix}", Ipv6Addr::from_bits(bits))).unwrap();
            prop_assert_eq!(block6(&once).unwrap(), once);
        }
    }

    #[test]
    fn protocols_have_one_spelling() {
        for (given, want) in
            [("TCP", "tcp"), ("6", "tcp"), ("17", "udp"), ("all", "-1"), ("58", "icmpv6"), ("50", "50")]
        {
            assert_eq!(protocol(given).unwrap(), want);
        }
        assert!(protocol("tpc").is_err());
        assert!(protocol("256").is_err());
    }

    #[test]
    fn ports_are_checked_against_the_protocol() {
        assert!(ports("tcp", Some(443), None).is_err());
        assert!(ports("tcp", Some(2), Some(1)).is_err());
        assert!(ports("udp", Some(0), Some(65536)).is_err());
        assert_eq!(ports("-1", Some(1), Some(2)).unwrap(), (None, None));
        assert_eq!(ports("icmp", None, None).unwrap(), (Some(-1), Some(-1)));
        assert!(ports("icmp", Some(-1), Some(3)).is_err());
    }
}
