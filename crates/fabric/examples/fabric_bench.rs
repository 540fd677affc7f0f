//! What a change costs, alone and among many other namespaces: `cargo run --release --example fabric_bench -p fabric`.
//!
//! A cluster-like change makes two hosts with two links each (one to a provider router, one to a VPC router) and adds
//! their elements to both packet filters. Needs root; everything stays in namespaces of its own and is removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use fabric::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Instant;

const ROUNDS: u32 = 20;

fn name(text: impl Into<String>) -> NsName {
    NsName::new(text)
}

fn link(host: u32, leg: &str, address: Ipv4Addr, facts: &mut Vec<Fact>) -> String {
    let dev = format!("{leg}{host}");
    let [_, b, c, d] = address.octets();
    let mac = [2, 0, 0, b, c, d];
    facts.push(Fact::Veth(Veth {
        name: dev.clone(),
        alt_name: Some(format!("eni-{leg}{host:016x}")),
        peer_ns: name(format!("h{host}")),
        peer_name: format!("{leg}0"),
        mtu: 9001,
        peer_mac: Some(mac),
        proxy_arp: true,
    }));
    facts.push(Fact::Neighbour { dev: dev.clone(), address, mac });
    let kind = RouteKind::Via { dev: dev.clone(), gateway: None, onlink: false, source: None };
    facts.push(Fact::Route(Route { table: 254, destination: base::Ipv4Block::host(address), kind }));
    dev
}

fn address(first: u8, host: u32) -> Ipv4Addr {
    let [_, _, c, d] = host.to_be_bytes();
    Ipv4Addr::new(first, 1, c, d)
}

struct Bench {
    fabric: Fabric,
    routers: [Namespace; 2],
    hosts: u32,
}

impl Bench {
    fn router(table: &str) -> Namespace {
        let mut router = Namespace::pinned(Profile::Router);
        let mut ruleset = Ruleset { table: table.into(), ..Ruleset::default() };
        let set = |is_map, declaration: &str| Set { is_map, declaration: declaration.into(), ..Set::default() };
        ruleset.sets.insert("ing".into(), set(true, "type ifname : verdict;"));
        ruleset.sets.insert("srcok".into(), set(false, "type ifname . ipv4_addr;"));
        ruleset.sets.insert("acl".into(), set(false, "type ipv4_addr . ipv4_addr; flags interval;"));
        ruleset.chains.insert("sg".into(), Chain { hook: None, rules: vec!["accept".into()] });
        let hook = Some("type filter hook forward priority 0; policy drop;".into());
        ruleset.chains.insert("sg_in".into(), Chain { hook, rules: vec!["oifname vmap @ing".into()] });
        router.ruleset = Some(ruleset);
        router
    }

    /// Adds hosts with both legs to the desired state, and returns what changed.
    fn grow(&mut self, count: u32, legs: &[usize]) -> BTreeMap<NsName, Option<Namespace>> {
        let mut changes = BTreeMap::new();
        for _ in 0..count {
            let number = self.hosts;
            self.hosts += 1;
            let mut host = Namespace::pinned(Profile::Host);
            for leg in legs {
                let (leg_name, first) = [("v", 10), ("p", 240)][*leg];
                let address = address(first, number);
                let mut facts = Vec::new();
                let dev = link(number, leg_name, address, &mut facts);
                let router = &mut self.routers[*leg];
                router.facts.extend(facts);
                let sets = &mut router.ruleset.as_mut().unwrap().sets;
                let mut add = |set: &str, element: String| sets.get_mut(set).unwrap().elements.insert(element);
                add("ing", format!("\"{dev}\" : goto sg"));
                add("srcok", format!("\"{dev}\" . {address}"));
                add("acl", format!("{address} . 198.18.0.0/16"));
                let dev = format!("{leg_name}0");
                host.facts.insert(Fact::Address { dev, address, prefix: 32, connected: false });
            }
            let dev = format!("{}0", if legs.contains(&1) { "p" } else { "v" });
            let gateway = Some(Ipv4Addr::new(169, 254, 1, 1));
            let kind = RouteKind::Via { dev, gateway, onlink: true, source: None };
            host.facts.insert(Fact::Route(Route { table: 254, destination: base::Ipv4Block::ANY, kind }));
            changes.insert(name(format!("h{number}")), Some(host));
        }
        for leg in legs {
            changes.insert(name(["vpc", "prov"][*leg]), Some(self.routers[*leg].clone()));
        }
        changes
    }

    fn shrink(&mut self, hosts: std::ops::Range<u32>) -> BTreeMap<NsName, Option<Namespace>> {
        let mut changes = BTreeMap::new();
        for router in &mut self.routers {
            let gone = |dev: &str| dev[1..].parse().is_ok_and(|number: u32| hosts.contains(&number));
            let stays = |fact: &&Fact| match fact {
                Fact::Veth(Veth { name: dev, .. }) | Fact::Neighbour { dev, .. } => !gone(dev),
                Fact::Route(Route { kind: RouteKind::Via { dev, .. }, .. }) => !gone(dev),
                _ => true,
            };
            router.facts = router.facts.iter().filter(stays).cloned().collect();
            let ruleset = router.ruleset.as_mut().unwrap();
            let names: Vec<String> = ruleset.sets.keys().cloned().collect();
            for name in names {
                let set = ruleset.sets.get_mut(&name).unwrap();
                let stays = |it: &&String| {
                    !hosts.clone().any(|number| {
                        it.contains(&format!("v{number}\""))
                            || it.contains(&format!("p{number}\""))
                            || it.starts_with(&format!("{} ", address(10, number)))
                            || it.starts_with(&format!("{} ", address(240, number)))
                    })
                };
                set.elements = set.elements.iter().filter(stays).cloned().collect();
            }
        }
        changes.extend(hosts.map(|number| (name(format!("h{number}")), None)));
        changes.insert(name("vpc"), Some(self.routers[0].clone()));
        changes.insert(name("prov"), Some(self.routers[1].clone()));
        changes
    }

    async fn timed(&self, changes: BTreeMap<NsName, Option<Namespace>>) -> f64 {
        let start = Instant::now();
        let report = self.fabric.set(changes).await.unwrap();
        let took = start.elapsed().as_secs_f64() * 1000.0;
        assert!(report.failed.is_empty(), "{:?}", report.failed.first());
        took
    }
}

fn median(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}

#[tokio::main]
async fn main() {
    let prefix = format!("bench{}-", std::process::id());
    let fabric = Fabric::new(FabricOptions { prefix }).unwrap();
    println!("packet filters by {}", fabric.filter_engine());
    let mut bench = Bench { fabric, routers: [Bench::router("vpc"), Bench::router("prov")], hosts: 0 };
    let changes = bench.grow(0, &[0, 1]);
    println!("two routers: {:.1} ms", bench.timed(changes).await);
    for others in [0, 200, 1000] {
        let more = others - bench.hosts.min(others);
        let changes = bench.grow(more, &[0]);
        let took = bench.timed(changes).await;
        if more > 0 {
            println!("{more} hosts at once: {took:.0} ms, {:.2} ms each", took / f64::from(more));
        }
        let (mut clusters, mut removals, mut enis, mut elements) = (vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let first = bench.hosts;
            let changes = bench.grow(2, &[0, 1]);
            clusters.push(bench.timed(changes).await);
            let changes = bench.shrink(first..first + 2);
            removals.push(bench.timed(changes).await);
            bench.hosts = first;
            let changes = bench.grow(1, &[0]);
            enis.push(bench.timed(changes).await);
            let changes = bench.shrink(first..first + 1);
            bench.timed(changes).await;
            bench.hosts = first;
            let number = elements.len() + others as usize;
            let element = format!("203.0.{}.{} . 10.0.0.0/8", number / 256, number % 256);
            let sets = &mut bench.routers[0].ruleset.as_mut().unwrap().sets;
            sets.get_mut("acl").unwrap().elements.insert(element);
            let changes = BTreeMap::from([(name("vpc"), Some(bench.routers[0].clone()))]);
            elements.push(bench.timed(changes).await);
        }
        let show = |what: &str, times: Vec<f64>| {
            let (median, worst) = median(times);
            println!("  among {others}: {what}: median {median:.1} ms, worst {worst:.1} ms");
        };
        show("a cluster (2 hosts, 4 links, filters)", clusters);
        show("its removal", removals);
        show("a host with one link", enis);
        show("one element", elements);
    }
    let start = Instant::now();
    bench.fabric.destroy().await.unwrap();
    println!("destroy: {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
}
