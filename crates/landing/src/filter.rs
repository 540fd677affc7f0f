//! A VPC's security groups as a packet filter.
//!
//! Every interface jumps to the chain of its *combination* of groups, found by hash; a combination's chain asks each
//! group's chain and then drops. Members of a group are a set of addresses. So a new interface is a few elements, a
//! changed rule is one small chain, and a packet's cost does not grow with the number of interfaces.
//! Egress and ingress are two base chains on the forward hook: `accept` ends only the chain it stands in.

use crate::assembly::Part;
use crate::plan;
use crate::world::VpcWorld;
use aws_ec2::records::{NetworkInterface, RulePeer, SecurityGroup, SecurityGroupRule};
use base::SecurityGroupId;
use fabric::Chain;
use std::collections::BTreeSet;

/// The table of a VPC's router.
pub const TABLE: &str = "vpc";

/// Where a rule looks: at packets that come in to an interface or that leave it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// A set's name, whether it is a map, and its declaration.
type Declared = (&'static str, bool, &'static str);

const EIP_IN: Declared = ("eip_in", true, "type ipv4_addr : ipv4_addr;");
const EIP_OUT: Declared = ("eip_out", true, "type ipv4_addr : ipv4_addr;");
const EIP_PRIVATE: Declared = ("eip_private", false, "type ipv4_addr;");
const ROUTE_TABLE: Declared = ("route_table", true, "type ifname : mark;");
const SOURCE_OK: Declared = ("source_ok", false, "type ifname . ipv4_addr;");
const SOURCE_ANY: Declared = ("source_any", false, "type ifname;");
const UPLINKS: Declared = ("uplinks", false, "type ifname;");
const EGRESS: Declared = ("egress", true, "type ifname : verdict;");
const INGRESS: Declared = ("ingress", true, "type ifname : verdict;");
/// How the set of a group's members is declared.
const MEMBERS: &str = "type ipv4_addr;";

fn add(part: &mut Part, (name, is_map, declaration): Declared, element: String) {
    part.element(name, is_map, declaration, element);
}

/// What the packet filter of every VPC's router has.
pub fn base(part: &mut Part) {
    for (name, is_map, declaration) in [EIP_IN, EIP_OUT, EIP_PRIVATE, ROUTE_TABLE, SOURCE_OK, EGRESS, INGRESS] {
        part.declare(name, is_map, declaration);
    }
    add(part, SOURCE_ANY, "\"lo\"".to_owned());
    add(part, UPLINKS, "\"igw\"".to_owned());
    part.chains.extend(fixed_chains());
}

fn chain(hook: &str, rules: &[&str]) -> Chain {
    Chain { hook: Some(hook.to_owned()), rules: rules.iter().map(|it| (*it).to_owned()).collect() }
}

/// Chains that every VPC has. The order of the hooks: source check, route table, address translation, then groups,
/// which therefore see private addresses only.
fn fixed_chains() -> Vec<(String, Chain)> {
    let chains = [
        (
            "source_check",
            chain(
                "type filter hook prerouting priority raw; policy accept;",
                // what nearly every packet meets comes first
                &[
                    "iifname . ip saddr @source_ok accept",
                    "iifname @source_any accept",
                    "iifname @uplinks accept",
                    "drop",
                ],
            ),
        ),
        (
            "pick_table",
            chain(
                "type filter hook prerouting priority mangle; policy accept;",
                &["meta mark set iifname map @route_table"],
            ),
        ),
        (
            "gateway_in",
            chain(
                "type nat hook prerouting priority dstnat; policy accept;",
                &["iifname \"igw\" dnat ip to ip daddr map @eip_in"],
            ),
        ),
        (
            "gateway_out",
            chain(
                "type nat hook postrouting priority srcnat; policy accept;",
                &["oifname \"igw\" snat ip to ip saddr map @eip_out"],
            ),
        ),
        (
            "to_router",
            chain(
                "type filter hook input priority filter; policy drop;",
                &[
                    "iifname \"lo\" accept",
                    "ct state established,related accept",
                    "iifname @uplinks drop",
                    "ip daddr 169.254.169.254 tcp dport 80 accept",
                    "udp dport 53 accept",
                    "tcp dport 53 accept",
                    "icmp type echo-request accept",
                ],
            ),
        ),
        (
            "groups_out",
            chain(
                "type filter hook forward priority filter; policy drop;",
                &[
                    "ct state established,related accept",
                    "ct state invalid drop",
                    "iifname @uplinks accept",
                    "iifname vmap @egress",
                ],
            ),
        ),
        (
            "groups_in",
            chain(
                "type filter hook forward priority 10; policy drop;",
                &[
                    "ct state established,related accept",
                    "oifname \"igw\" ip saddr @eip_private accept",
                    "oifname @uplinks drop",
                    "oifname vmap @ingress",
                ],
            ),
        ),
    ];
    chains.into_iter().map(|(name, chain)| (name.to_owned(), chain)).collect()
}

/// An interface that has a link: who it may claim to be, which table routes it, which groups guard it.
pub fn admit(part: &mut Part, vpc: &VpcWorld, interface: &NetworkInterface) {
    let link = plan::interface_link(&interface.id);
    if interface.source_dest_check {
        for own in &interface.addresses {
            add(part, SOURCE_OK, format!("\"{link}\" . {}", own.address));
        }
    } else {
        add(part, SOURCE_ANY, format!("\"{link}\""));
    }
    if let Some(table) = vpc.route_table_of(&interface.subnet) {
        // 8 hex digits, as nft prints a mark
        add(part, ROUTE_TABLE, format!("\"{link}\" : 0x{:08x}", plan::table_number(&table.id)));
    }
    let groups: BTreeSet<&SecurityGroupId> = interface.groups.iter().filter(|it| vpc.groups.contains_key(it)).collect();
    for (way, map) in [(Way::Out, EGRESS), (Way::In, INGRESS)] {
        let name = combination(&groups, way);
        let mut jumps: Vec<String> = groups.iter().map(|id| format!("jump {}", group_chain(id, way))).collect();
        jumps.push("drop".to_owned());
        part.chain(&name, None, jumps);
        add(part, map, format!("\"{link}\" : goto {name}"));
    }
}

/// An interface, whether it has a link or not: its public addresses, and its addresses as a member of its groups.
pub fn name(part: &mut Part, interface: &NetworkInterface) {
    for own in &interface.addresses {
        if let Some(public) = &own.public {
            add(part, EIP_IN, format!("{} : {}", public.address, own.address));
            add(part, EIP_OUT, format!("{} : {}", own.address, public.address));
            add(part, EIP_PRIVATE, own.address.to_string());
        }
        for group in &interface.groups {
            part.element(&member_set(group), false, MEMBERS, own.address.to_string());
        }
    }
}

/// A group: its two chains. The sets of the groups that it refers to are declared with it, since a group may have no
/// members.
pub fn group(part: &mut Part, group: &SecurityGroup) {
    for way in [Way::In, Way::Out] {
        let mut lines = Vec::new();
        for rule in group.rules.iter().filter(|rule| rule.egress == (way == Way::Out)) {
            if let RulePeer::Group(other) = &rule.peer {
                part.declare(&member_set(other), false, MEMBERS);
            }
            lines.extend(accept(rule, way));
        }
        part.chain(&group_chain(&group.id, way), None, lines);
    }
}

fn digits(id: &SecurityGroupId) -> &str {
    id.as_str().trim_start_matches(SecurityGroupId::PREFIX)
}

fn group_chain(id: &SecurityGroupId, way: Way) -> String {
    match way {
        Way::In => format!("in_{}", digits(id)),
        Way::Out => format!("out_{}", digits(id)),
    }
}

fn member_set(id: &SecurityGroupId) -> String {
    format!("members_{}", digits(id))
}

/// The chain of a combination: named by a digest of its groups (FNV-1a; names need to differ, not to be secret).
fn combination(groups: &BTreeSet<&SecurityGroupId>, way: Way) -> String {
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in groups.iter().flat_map(|it| it.as_str().bytes()) {
        digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    match way {
        Way::In => format!("all_in_{digest:016x}"),
        Way::Out => format!("all_out_{digest:016x}"),
    }
}

/// The line that accepts what a rule allows; none for IPv6, which no VPC carries.
fn accept(rule: &SecurityGroupRule, way: Way) -> Option<String> {
    let side = if way == Way::In { "saddr" } else { "daddr" };
    let peer = match &rule.peer {
        RulePeer::Block(block) if block.prefix() == 0 => String::new(),
        RulePeer::Block(block) => format!("ip {side} {block} "),
        RulePeer::Group(id) => format!("ip {side} @{} ", member_set(id)),
        RulePeer::Block6(_) => return None,
    };
    Some(format!("{peer}{}accept", traffic(rule)?))
}

/// The part of a line that says which traffic.
fn traffic(rule: &SecurityGroupRule) -> Option<String> {
    let (from, to) = (rule.from_port.unwrap_or(-1), rule.to_port.unwrap_or(-1));
    Some(match rule.protocol.as_str() {
        "-1" => String::new(),
        protocol @ ("tcp" | "udp") => match (from, to) {
            (-1, _) | (0, 65535) => format!("meta l4proto {protocol} "),
            (from, to) if from == to => format!("{protocol} dport {from} "),
            (from, to) => format!("{protocol} dport {from}-{to} "),
        },
        "icmp" => match (from, to) {
            (-1, _) => "meta l4proto icmp ".to_owned(),
            (kind, -1) => format!("icmp type {kind} "),
            (kind, code) => format!("icmp type {kind} icmp code {code} "),
        },
        "icmpv6" => return None,
        number => format!("meta l4proto {} ", number.parse::<u8>().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CLUSTER_GROUP, NODE_GROUP, Scenery, VPC};
    use fabric::Ruleset;
    use serde_json::json;

    fn rules(scenery: &Scenery) -> Ruleset {
        let router = crate::vpc::router(&scenery.world, &scenery.runtime, &VPC.parse().unwrap()).unwrap();
        router.namespace().ruleset.unwrap()
    }

    fn ingress(ruleset: &Ruleset, group: &str) -> Vec<String> {
        ruleset.chains[&group_chain(&group.parse().unwrap(), Way::In)].rules.clone()
    }

    #[test]
    fn rules_become_lines() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        scenery.group(
            CLUSTER_GROUP,
            &[
                ("tcp", 443, 443, json!({"Block": "192.168.0.0/16"})),
                ("udp", 53, 60, json!({"Block": "0.0.0.0/0"})),
                ("icmp", -1, -1, json!({"Group": NODE_GROUP})),
                ("icmp", 8, 0, json!({"Block": "0.0.0.0/0"})),
                ("tcp", 22, 22, json!({"Block6": "::/0"})),
                ("50", -1, -1, json!({"Block": "10.0.0.0/8"})),
            ],
        );
        assert_eq!(
            ingress(&rules(&scenery), CLUSTER_GROUP),
            [
                "ip saddr @members_0cccccccccccccccc accept",
                "ip saddr 192.168.0.0/16 tcp dport 443 accept",
                "udp dport 53-60 accept",
                "ip saddr @members_0aaaaaaaaaaaaaaaa meta l4proto icmp accept",
                "icmp type 8 icmp code 0 accept",
                "ip saddr 10.0.0.0/8 meta l4proto 50 accept",
            ]
        );
    }

    #[test]
    fn members_are_all_addresses_of_the_groups_interfaces() {
        let rules = rules(&Scenery::new(true, false, &["0.0.0.0/0"]));
        let members: Vec<_> = rules.sets["members_0cccccccccccccccc"].elements.iter().collect();
        assert_eq!(members, ["192.168.1.121", "192.168.2.10"]);
    }

    #[test]
    fn every_chain_that_is_named_exists() {
        let rules = rules(&Scenery::new(true, false, &["0.0.0.0/0"]));
        let words = |text: &String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let elements = rules.sets.values().flat_map(|it| it.elements.iter().map(words));
        let lines = rules.chains.values().flat_map(|it| it.rules.iter().map(words));
        for line in elements.chain(lines) {
            for pair in line.windows(2).filter(|pair| pair[0] == "goto" || pair[0] == "jump") {
                assert!(rules.chains.contains_key(&pair[1]), "{line:?}");
            }
        }
    }

    #[test]
    fn only_a_public_address_leads_out() {
        let rules = rules(&Scenery::new(true, false, &["0.0.0.0/0"]));
        assert_eq!(rules.sets["eip_in"].elements.iter().collect::<Vec<_>>(), ["198.18.64.9 : 192.168.1.100"]);
        assert_eq!(rules.sets["eip_private"].elements.len(), 1);
    }
}
