//! Plans as an engineer would type them.

use super::plan;
use crate::topology::*;
use std::net::Ipv4Addr;

fn name(text: &str) -> NsName {
    NsName::new(text)
}

fn eni() -> Veth {
    Veth {
        name: "e-1a2b".into(),
        alt_name: Some("eni-0e0e1e15c769414a9".into()),
        peer_ns: name("c1a"),
        peer_name: "xeni0".into(),
        mtu: 9001,
        peer_mac: Some([2, 0, 10, 0, 0, 9]),
        proxy_arp: true,
    }
}

fn route(destination: &str, kind: RouteKind) -> Fact {
    Fact::Route(Route { table: 254, destination: destination.parse().unwrap(), kind })
}

fn by(dev: &str, gateway: Option<Ipv4Addr>, source: Option<Ipv4Addr>) -> RouteKind {
    RouteKind::Via { dev: dev.into(), gateway, onlink: false, source }
}

const ENI: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn world() -> Topology {
    let mut router = Namespace::pinned(Profile::Router);
    let dev = || "e-1a2b".to_owned();
    router.facts.extend([
        Fact::Veth(eni()),
        Fact::Address { dev: "lo".into(), address: GATEWAY, prefix: 32, connected: false },
        Fact::Neighbour { dev: dev(), address: ENI, mac: [2, 0, 10, 0, 0, 9] },
        route("10.0.0.9/32", by("e-1a2b", None, None)),
        route("10.0.0.0/16", RouteKind::Blackhole),
        Fact::Rule { priority: 33_001, selector: Selector::Mark(1), table: Some(1) },
        Fact::Rule { priority: 40_000, selector: Selector::All, table: None },
    ]);
    let mut ruleset = Ruleset { table: "vpc".into(), ..Ruleset::default() };
    ruleset.chains.insert("sg_1".into(), Chain { hook: None, rules: vec!["ip saddr @g1 accept".into()] });
    let hook = Some("type filter hook forward priority 10; policy drop;".into());
    ruleset.chains.insert("sg_in".into(), Chain { hook, rules: vec!["oifname vmap @ing".into()] });
    let ing = Set {
        is_map: true,
        declaration: "type ifname : verdict;".into(),
        elements: ["\"e-1a2b\" : goto sg_1".to_owned()].into_iter().collect(),
    };
    ruleset.sets.insert("ing".into(), ing);
    let g1 = Set {
        declaration: "type ipv4_addr;".into(),
        elements: ["10.0.0.4".to_owned()].into_iter().collect(),
        is_map: false,
    };
    ruleset.sets.insert("g1".into(), g1);
    router.ruleset = Some(ruleset);
    let mut instance = Namespace::pinned(Profile::Host);
    instance.facts.extend([
        Fact::Address { dev: "xeni0".into(), address: ENI, prefix: 24, connected: true },
        route("0.0.0.0/0", by("xeni0", Some(GATEWAY), None)),
        route("10.0.0.0/16", by("xeni0", Some(GATEWAY), Some(ENI))),
    ]);
    Topology::from([(name("vpc"), router), (name("c1a"), instance)])
}

fn check(have: &Topology, want: &Topology, expected: &str) {
    let text = plan(have, want).to_string();
    assert_eq!(text.trim(), expected.trim(), "the plan is\n{text}");
}

#[test]
fn a_network_from_nothing() {
    check(
        &Topology::new(),
        &world(),
        r#"
ip netns add c1a # host
ip netns add vpc # router
ip netns exec vpc nft -f - <<END
add table inet vpc
delete table inet vpc
add table inet vpc
add chain inet vpc sg_1
add chain inet vpc sg_in { type filter hook forward priority 10; policy drop; }
add set inet vpc g1 { type ipv4_addr; }
add element inet vpc g1 { 10.0.0.4 }
add map inet vpc ing { type ifname : verdict; }
add element inet vpc ing { "e-1a2b" : goto sg_1 }
add rule inet vpc sg_1 ip saddr @g1 accept
add rule inet vpc sg_in oifname vmap @ing
END
ip -n vpc link add e-1a2b mtu 9001 up type veth peer name xeni0 mtu 9001 address 02:00:0a:00:00:09 netns c1a # proxy_arp on, altname eni-0e0e1e15c769414a9
ip -n c1a addr add 10.0.0.9/24 dev xeni0
ip -n c1a route add 0.0.0.0/0 via 10.0.0.1 dev xeni0
ip -n c1a route add 10.0.0.0/16 via 10.0.0.1 dev xeni0 src 10.0.0.9
ip -n vpc addr add 10.0.0.1/32 dev lo noprefixroute
ip -n vpc neigh add 10.0.0.9 lladdr 02:00:0a:00:00:09 dev e-1a2b nud permanent
ip -n vpc route add blackhole 10.0.0.0/16
ip -n vpc route add 10.0.0.9/32 dev e-1a2b
ip -n vpc rule add pref 33001 fwmark 0x1 lookup 1
ip -n vpc rule add pref 40000 blackhole
"#,
    );
}

#[test]
fn a_network_to_nothing() {
    check(&world(), &Topology::new(), "ip netns del c1a\nip netns del vpc");
}

#[test]
fn a_namespace_that_goes_takes_its_facts_along_and_the_link_goes_by_name() {
    let mut want = world();
    want.remove(&name("c1a"));
    let facts = &mut want.get_mut(&name("vpc")).unwrap().facts;
    *facts = facts.iter().filter(|fact| !fact_text(fact).contains("e-1a2b")).cloned().collect();
    check(&world(), &want, "ip -n vpc link del e-1a2b\nip netns del c1a");
}

fn fact_text(fact: &Fact) -> String {
    format!("{fact:?}")
}

#[test]
fn another_address_stands_before_the_old_one_goes() {
    let mut want = world();
    let instance = want.get_mut(&name("c1a")).unwrap();
    let other = Ipv4Addr::new(10, 0, 0, 8);
    instance.facts.clear();
    instance.facts.extend([
        Fact::Address { dev: "xeni0".into(), address: other, prefix: 24, connected: true },
        route("0.0.0.0/0", by("xeni0", Some(GATEWAY), None)),
        route("10.0.0.0/16", by("xeni0", Some(GATEWAY), Some(other))),
    ]);
    check(
        &world(),
        &want,
        "ip -n c1a addr add 10.0.0.8/24 dev xeni0\n\
         ip -n c1a route replace 10.0.0.0/16 via 10.0.0.1 dev xeni0 src 10.0.0.8\n\
         ip -n c1a addr del 10.0.0.9/24 dev xeni0",
    );
}

#[test]
fn another_hardware_address_is_set_in_place() {
    let mut want = world();
    let router = want.get_mut(&name("vpc")).unwrap();
    router.facts.remove(&Fact::Veth(eni()));
    router.facts.insert(Fact::Veth(Veth { peer_mac: Some([2, 0, 0, 0, 0, 1]), ..eni() }));
    let expected = "ip -n vpc link set e-1a2b up\nip -n c1a link set xeni0 address 02:00:00:00:00:01";
    check(&world(), &want, expected);
}

#[test]
fn a_filter_changes_in_one_transaction_and_what_points_goes_first() {
    let mut want = world();
    let ruleset = want.get_mut(&name("vpc")).unwrap().ruleset.as_mut().unwrap();
    let rules = ruleset.chains.remove("sg_1").unwrap().rules;
    ruleset.chains.insert("sg_2".into(), Chain { hook: None, rules });
    ruleset.chains.get_mut("sg_in").unwrap().rules.push("drop".into());
    ruleset.sets.get_mut("ing").unwrap().elements = ["\"e-1a2b\" : goto sg_2".to_owned()].into_iter().collect();
    ruleset.sets.get_mut("g1").unwrap().declaration = "type ipv4_addr; flags interval;".into();
    check(
        &world(),
        &want,
        r#"
ip netns exec vpc nft -f - <<END
add chain inet vpc sg_2
flush chain inet vpc sg_1
delete set inet vpc g1
delete element inet vpc ing { "e-1a2b" : goto sg_1 }
delete chain inet vpc sg_1
add set inet vpc g1 { type ipv4_addr; flags interval; }
add element inet vpc g1 { 10.0.0.4 }
add element inet vpc ing { "e-1a2b" : goto sg_2 }
add rule inet vpc sg_2 ip saddr @g1 accept
add rule inet vpc sg_in drop
END
"#,
    );
}

#[test]
fn another_policy_makes_the_table_anew() {
    let mut want = world();
    let ruleset = want.get_mut(&name("vpc")).unwrap().ruleset.as_mut().unwrap();
    ruleset.chains.get_mut("sg_in").unwrap().hook = Some("type filter hook forward priority 10; policy accept;".into());
    let text = plan(&world(), &want).to_string();
    assert!(text.contains("add table inet vpc\ndelete table inet vpc\nadd table inet vpc\n"), "{text}");
}

#[test]
fn a_route_by_a_gateway_comes_after_the_one_that_takes_its_gateway_out_of_a_blackhole() {
    let mut want = world();
    let behind = RouteKind::Via { dev: "e-1a2b".into(), gateway: Some(ENI), onlink: true, source: None };
    want.get_mut(&name("vpc")).unwrap().facts.insert(route("10.0.0.8/32", behind));
    let text = plan(&Topology::new(), &want).to_string();
    let place = |step: &str| text.find(step).unwrap();
    assert!(place("route add 10.0.0.9/32 dev e-1a2b") < place("route add 10.0.0.8/32 via 10.0.0.9"), "{text}");
}
