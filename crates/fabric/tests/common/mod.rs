//! What the tests share: a fabric of its own prefix for each, gone at the end even of one that panics.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part; clippy knows only functions that are tests

use fabric::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

pub struct World {
    pub fabric: Fabric,
    pub prefix: String,
}

impl World {
    pub fn new() -> Self {
        let prefix = format!("t{:08x}-", getrandom::u32().unwrap());
        Self { fabric: open(&prefix), prefix }
    }

    pub async fn set(&self, namespaces: &Topology) -> Report {
        set(&self.fabric, namespaces).await
    }

    pub fn pin(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs `ip` in a namespace of this world.
    pub fn ip(&self, name: &str, args: &str) -> String {
        run(&format!("ip -n {} {args}", self.pin(name)))
    }

    pub fn nft(&self, name: &str, args: &str) -> String {
        run(&format!("ip netns exec {} nft {args}", self.pin(name)))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever the fabric did or forgot.
        for pin in pins(&self.prefix) {
            let _ = std::process::Command::new("ip").args(["netns", "del", &pin]).status();
        }
    }
}

pub fn open(prefix: &str) -> Fabric {
    Fabric::new(FabricOptions { prefix: prefix.to_owned() }).unwrap()
}

pub async fn set(fabric: &Fabric, namespaces: &Topology) -> Report {
    let changes = namespaces.iter().map(|(name, it)| (name.clone(), Some(it.clone()))).collect();
    let report = fabric.set(changes).await.unwrap();
    for failure in &report.failed {
        eprintln!("{failure}");
    }
    report
}

pub fn pins(prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with(prefix)).collect()
}

pub fn run(command: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Polls until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn name(text: &str) -> NsName {
    NsName::new(text)
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn via(dev: &str, destination: &str, gateway: Option<&str>) -> Fact {
    let kind = RouteKind::Via { dev: dev.into(), gateway: gateway.map(ip), onlink: gateway.is_some(), source: None };
    Fact::Route(Route { table: 254, destination: destination.parse().unwrap(), kind })
}

/// A router `r` with a filter, and hosts `h1`, `h2`, ... at 10.0.N.4, each by an ENI-like link.
pub fn routed(hosts: u8) -> Topology {
    let mut router = Namespace::pinned(Profile::Router);
    let mut topology = BTreeMap::new();
    let mut members = OrdSet::new();
    for n in 1..=hosts {
        let (dev, address, mac) = (format!("e{n}"), Ipv4Addr::new(10, 0, n, 4), [2, 0, 0, 0, 0, n]);
        router.facts.insert(Fact::Veth(Veth {
            name: dev.clone(),
            alt_name: Some(format!("eni-{n:017x}")),
            peer_ns: name(&format!("h{n}")),
            peer_name: "eth0".into(),
            mtu: 9001,
            peer_mac: Some(mac),
            proxy_arp: true,
        }));
        router.facts.insert(via(&dev, &format!("{address}/32"), None));
        router.facts.insert(Fact::Neighbour { dev, address, mac });
        router.facts.insert(Fact::Address {
            dev: "lo".into(),
            address: Ipv4Addr::new(10, 0, n, 1),
            prefix: 32,
            connected: false,
        });
        let mut host = Namespace::pinned(Profile::Host);
        host.facts.insert(Fact::Address { dev: "eth0".into(), address, prefix: 24, connected: true });
        host.facts.insert(via("eth0", "0.0.0.0/0", Some(&format!("10.0.{n}.1"))));
        topology.insert(name(&format!("h{n}")), host);
        members.insert(format!("\"e{n}\" : goto group"));
    }
    router.facts.insert(Fact::Route(Route {
        table: 254,
        destination: "10.0.0.0/8".parse().unwrap(),
        kind: RouteKind::Blackhole,
    }));
    router.ruleset = Some(filter(members));
    topology.insert(name("r"), router);
    topology
}

fn filter(members: OrdSet<String>) -> Ruleset {
    let mut ruleset = Ruleset { table: "vpc".into(), ..Ruleset::default() };
    let set = |is_map, declaration: &str, elements| Set { is_map, declaration: declaration.into(), elements };
    ruleset.sets.insert("ing".into(), set(true, "type ifname : verdict;", members));
    ruleset.sets.insert("allowed".into(), set(false, "type ipv4_addr; flags interval;", Default::default()));
    ruleset.sets.insert("nat".into(), set(true, "type ipv4_addr : ipv4_addr;", Default::default()));
    let chain = |hook: Option<&str>, rules: &[&str]| Chain {
        hook: hook.map(Into::into),
        rules: rules.iter().map(|rule| (*rule).into()).collect(),
    };
    ruleset.chains.insert("group".into(), chain(None, &["ip saddr @allowed accept", "drop"]));
    ruleset.chains.insert(
        "sg_in".into(),
        chain(
            Some("type filter hook forward priority 10; policy drop;"),
            &["ct state established,related accept", "oifname vmap @ing"],
        ),
    );
    ruleset.chains.insert(
        "nat_in".into(),
        chain(Some("type nat hook prerouting priority -100;"), &["dnat ip to ip daddr map @nat"]),
    );
    ruleset
}

pub fn allow(topology: &mut Topology, source: &str) {
    ruleset(topology).sets.get_mut("allowed").unwrap().elements.insert(source.into());
}

pub fn ruleset(topology: &mut Topology) -> &mut Ruleset {
    topology.get_mut(&name("r")).unwrap().ruleset.as_mut().unwrap()
}

/// Whether `from` can connect to an address; a listener must be there.
pub async fn reaches(fabric: &Fabric, from: &str, to: &str) -> bool {
    fabric.tcp_connect(&name(from), at(to), Duration::from_millis(300)).await.is_ok()
}
