//! The two laws of a planner, on random topologies: from a state to itself there is nothing to do, and after a plan
//! was done there is nothing left to do. Every plan is done by a kernel that refuses what the real one refuses.

use super::kernel::Kernel;
use super::{plan, possible};
use crate::topology::{
    Anchor, Chain, Fact, Namespace, NsName, Profile, Route, RouteKind, Ruleset, Selector, Set, Topology, Veth,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Choices, taken from bytes, so that a failing case shrinks to few and small ones.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, bound: u8) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                first % bound
            }
            None => 0,
        }
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 1
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

pub(super) fn topology(bytes: &[u8]) -> Topology {
    let mut choices = Choices(bytes);
    let mut topology = Topology::new();
    for name in NAMES {
        if choices.below(4) > 0 {
            let profile = if choices.yes() { Profile::Router } else { Profile::Host };
            topology.insert(NsName::new(name), Namespace::pinned(profile));
        }
    }
    let mut ends: BTreeSet<(NsName, String)> = BTreeSet::new();
    for _ in 0..choices.below(6) {
        add_link(&mut choices, &mut topology, &mut ends);
    }
    for (name, namespace) in &mut topology {
        let devs: Vec<String> =
            ends.iter().filter(|(ns, _)| ns == name).map(|(_, dev)| dev.clone()).chain(["lo".to_owned()]).collect();
        add_facts(&mut choices, namespace, &devs);
        if choices.yes() {
            namespace.ruleset = Some(ruleset(&mut choices));
        }
    }
    topology
}

fn add_link(choices: &mut Choices<'_>, topology: &mut Topology, ends: &mut BTreeSet<(NsName, String)>) {
    let [near, far] = [0; 2].map(|_| NsName::new(NAMES[usize::from(choices.below(4))]));
    let [name, peer_name] = [0; 2].map(|_| format!("k{}", choices.below(4)));
    let one = (near.clone(), name.clone());
    let other = (far.clone(), peer_name.clone());
    if one == other || ends.contains(&one) || ends.contains(&other) {
        return;
    }
    let Some(namespace) = topology.get_mut(&near) else { return };
    ends.extend([one, other]);
    let alt_name = format!("eni-{name}");
    namespace.facts.insert(Fact::Veth(Veth {
        name,
        alt_name: choices.yes().then_some(alt_name),
        peer_ns: far,
        peer_name,
        mtu: if choices.yes() { 9001 } else { 1500 },
        peer_mac: choices.yes().then_some([2, 0, 0, 0, 0, 1]),
        proxy_arp: choices.yes(),
    }));
}

fn address(choices: &mut Choices<'_>) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, choices.below(2), 1 + choices.below(3))
}

fn add_facts(choices: &mut Choices<'_>, namespace: &mut Namespace, devs: &[String]) {
    let mut held: BTreeMap<(String, Ipv4Addr, u8), bool> = BTreeMap::new();
    for _ in 0..choices.below(5) {
        let dev = pick(choices, devs);
        held.insert((dev, address(choices), if choices.yes() { 24 } else { 32 }), choices.yes());
    }
    let addresses: Vec<(String, Ipv4Addr, u8, bool)> =
        held.into_iter().map(|((dev, address, prefix), connected)| (dev, address, prefix, connected)).collect();
    for (dev, address, prefix, connected) in addresses.clone() {
        namespace.facts.insert(Fact::Address { dev, address, prefix, connected });
    }
    let mut neighbours = BTreeMap::new();
    // The kernel keeps no neighbours of the loopback, which is the last of the links.
    for _ in 0..if devs.len() > 1 { choices.below(3) } else { 0 } {
        let devs = &devs[..devs.len() - 1];
        neighbours.insert((pick(choices, devs), address(choices)), [2, 0, 0, 0, 0, choices.below(2)]);
    }
    let neighbours = neighbours.into_iter();
    namespace.facts.extend(neighbours.map(|((dev, address), mac)| Fact::Neighbour { dev, address, mac }));
    let mut routes = BTreeMap::new();
    for _ in 0..choices.below(6) {
        let table = if choices.yes() { 254 } else { 7 };
        let destination = ["0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.3/32"][usize::from(choices.below(4))];
        let kind = match (destination, route_kind(choices, devs, &addresses)) {
            // The kernel refuses a gateway that no packet could reach.
            ("0.0.0.0/0", RouteKind::Blackhole | RouteKind::Local) => continue,
            (_, kind) => kind,
        };
        routes.insert((table, destination), kind);
    }
    namespace.facts.extend(routes.into_iter().map(|((table, destination), kind)| {
        Fact::Route(Route { table, destination: destination.parse().unwrap(), kind })
    }));
    for _ in 0..choices.below(3) {
        let selector = match choices.below(3) {
            0 => Selector::All,
            1 => Selector::Mark(1),
            _ => Selector::From("10.0.0.0/8".parse().unwrap()),
        };
        let table = choices.yes().then_some(7);
        namespace.facts.insert(Fact::Rule { priority: 100 + u32::from(choices.below(2)), selector, table });
    }
}

fn pick(choices: &mut Choices<'_>, devs: &[String]) -> String {
    devs[usize::from(choices.below(devs.len() as u8))].clone()
}

/// Whether a subnet lies on one link only: else the kernel may look for a gateway on the other one.
fn alone(addresses: &[(String, Ipv4Addr, u8, bool)], dev: &str, address: Ipv4Addr) -> bool {
    dev != "lo" && addresses.iter().all(|(other, it, ..)| other == dev || it.octets()[..3] != address.octets()[..3])
}

fn route_kind(choices: &mut Choices<'_>, devs: &[String], addresses: &[(String, Ipv4Addr, u8, bool)]) -> RouteKind {
    let some = (!addresses.is_empty()).then(|| &addresses[usize::from(choices.below(addresses.len() as u8))]);
    match (choices.below(6), some) {
        (0, _) => RouteKind::Blackhole,
        (1, _) => RouteKind::Local,
        (2, Some((dev, address, 24, true))) if alone(addresses, dev, *address) => {
            let [a, b, c, _] = address.octets();
            let gateway = Some(Ipv4Addr::new(a, b, c, 254));
            RouteKind::Via { dev: dev.clone(), gateway, onlink: false, source: Some(*address) }
        }
        (3, some) => {
            let gateway = Some(Ipv4Addr::new(169, 254, 1, 1));
            RouteKind::Via { dev: pick(choices, devs), gateway, onlink: true, source: some.map(|it| it.1) }
        }
        (_, some) => {
            let source = some.map(|it| it.1).filter(|_| choices.yes());
            RouteKind::Via { dev: pick(choices, devs), gateway: None, onlink: false, source }
        }
    }
}

fn ruleset(choices: &mut Choices<'_>) -> Ruleset {
    let mut ruleset = Ruleset { table: if choices.below(8) == 1 { "u" } else { "t" }.into(), ..Ruleset::default() };
    let hook = |choices: &mut Choices<'_>| {
        let policy = if choices.below(4) == 1 { "accept" } else { "drop" };
        Some(format!("type filter hook forward priority 0; policy {policy};"))
    };
    let mut chains: Vec<&str> = ["c0", "c1"].into_iter().filter(|_| choices.yes()).collect();
    for name in chains.clone() {
        ruleset.chains.insert(name.into(), Chain::default());
    }
    if choices.yes() {
        ruleset.chains.insert("base".into(), Chain { hook: hook(choices), rules: vec![] });
        chains.push("base");
    }
    for name in ["m0", "s0", "s1"] {
        if choices.yes() {
            ruleset.sets.insert(name.into(), set(choices, name, &chains));
        }
    }
    for name in &chains {
        let mut rules = Vec::new();
        for _ in 0..choices.below(4) {
            let kind = choices.below(6);
            let has_set = |name: &str| ruleset.sets.contains_key(name);
            rules.push(match kind {
                1 if *name == "base" && has_set("m0") => "iifname vmap @m0".to_owned(),
                2 if has_set("s0") => "ip saddr @s0 accept".to_owned(),
                3 if has_set("s1") => "ip daddr @s1 drop".to_owned(),
                // Only towards a later chain, so that they go round in no circle.
                4 if *name != "c1" && chains.contains(&"c1") => "ip protocol tcp jump c1".to_owned(),
                5 if *name == "base" && chains.contains(&"c0") => "goto c0".to_owned(),
                _ => format!("tcp dport {} accept", 80 + kind),
            });
        }
        ruleset.chains.get_mut(*name).unwrap().rules = rules;
    }
    ruleset
}

fn set(choices: &mut Choices<'_>, name: &str, chains: &[&str]) -> Set {
    let is_map = name == "m0";
    let interval = !is_map && choices.yes();
    let declaration = match (is_map, interval) {
        (true, _) => "type ifname : verdict;",
        (_, true) => "type ipv4_addr; flags interval;",
        (_, false) => "type ipv4_addr;",
    };
    let mut elements = BTreeMap::new();
    for _ in 0..choices.below(4) {
        let key = choices.below(4);
        let target = chains.iter().find(|it| it.starts_with('c')).filter(|_| choices.yes());
        let element = match (is_map, target) {
            (true, Some(chain)) => format!("\"e{key}\" : goto {chain}"),
            (true, None) => format!("\"e{key}\" : drop"),
            _ if interval => format!("10.{key}.0.0/16"),
            _ => format!("10.0.0.{key}"),
        };
        elements.insert(key, element);
    }
    Set { is_map, declaration: declaration.into(), elements: elements.into_values().collect() }
}

/// What of a topology can exist.
fn stripped(topology: &Topology) -> Topology {
    let exists = |name: &NsName| topology.contains_key(name);
    topology.iter().map(|(name, it)| (name.clone(), possible(it, &exists).into_owned())).collect()
}

fn perform(kernel: &mut Kernel, want: &Topology) -> String {
    let plan = plan(&kernel.topology(), want);
    for step in &plan.steps {
        if let Err(why) = kernel.apply(step) {
            panic!("{why}, at\n{step}\nof\n{plan}");
        }
    }
    plan.to_string()
}

/// The same bytes but for a few: most changes are small.
fn nearly(bytes: &[u8], edits: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, value) in edits {
        if let Some(byte) = bytes.get_mut(*at) {
            *byte = *value;
        }
    }
    bytes
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

fn check(have: &[u8], want: &[u8]) {
    let (have, want) = (topology(have), topology(want));
    let mut kernel = Kernel::default();
    perform(&mut kernel, &have);
    let steps = perform(&mut kernel, &want);
    assert_eq!(kernel.topology(), stripped(&want), "after\n{steps}");
    assert_eq!(plan(&kernel.topology(), &want).to_string(), "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_a_state_to_itself_there_is_nothing_to_do(bytes in bytes()) {
        let wanted = topology(&bytes);
        let state = stripped(&wanted);
        prop_assert_eq!(plan(&state, &state).steps, vec![]);
        prop_assert_eq!(plan(&state, &wanted).steps, vec![]);
    }

    #[test]
    fn after_any_change_there_is_nothing_left_to_do(have in bytes(), want in bytes()) {
        check(&have, &want);
    }

    #[test]
    fn after_a_small_change_there_is_nothing_left_to_do(
        have in bytes(), edits in proptest::collection::vec((0_usize..300, any::<u8>()), 0..5)
    ) {
        check(&have, &nearly(&have, &edits));
    }
}

#[test]
fn a_process_that_is_another_one_gets_everything_again() {
    let mut have = Topology::new();
    let mut router = Namespace::pinned(Profile::Router);
    router.facts.insert(Fact::Veth(Veth {
        name: "e1".into(),
        alt_name: None,
        peer_ns: NsName::new("i"),
        peer_name: "eth0".into(),
        mtu: 9001,
        peer_mac: None,
        proxy_arp: true,
    }));
    let mut instance = Namespace::of_process(7);
    instance.facts.insert(Fact::Address {
        dev: "eth0".into(),
        address: Ipv4Addr::new(10, 0, 0, 4),
        prefix: 24,
        connected: true,
    });
    have.insert(NsName::new("r"), router);
    have.insert(NsName::new("i"), instance);
    let mut want = have.clone();
    want.get_mut(&NsName::new("i")).unwrap().anchor = Anchor::Process(8);
    let steps: Vec<String> = plan(&have, &want).steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps.len(), 4, "{steps:#?}");
    assert_eq!(steps[0], "ip netns attach i 8");
    assert_eq!(steps[1], "ip -n r link del e1");
    assert!(steps[2].starts_with("ip -n r link add e1 "));
    assert_eq!(steps[3], "ip -n i addr add 10.0.0.4/24 dev eth0");
}
