//! Namespaces that carry packets: hosts over a router, its filter and its address translation, restart, teardown.
#![allow(clippy::unwrap_used)] // clippy knows only functions that are tests

mod common;

use common::*;
use fabric::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn speak(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"over the fabric").await.unwrap();
    let mut heard = [0; 15];
    tokio::time::timeout(Duration::from_secs(5), far.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"over the fabric");
}

async fn listen(fabric: &Fabric, ns: &str, address: &str) -> TcpListener {
    fabric.tcp_listen(&name(ns), at(address), 16).await.unwrap()
}

async fn connect(fabric: &Fabric, ns: &str, address: &str) -> TcpStream {
    fabric.tcp_connect(&name(ns), at(address), Duration::from_secs(5)).await.unwrap()
}

#[tokio::test]
async fn two_hosts_talk_over_a_router_once_an_element_lets_them() {
    let world = World::new();
    let mut topology = routed(2);
    let report = world.set(&topology).await;
    assert!(report.is_complete(), "{report:?}");
    let listener = listen(&world.fabric, "h2", "[::]:80").await;
    assert!(!reaches(&world.fabric, "h1", "10.0.2.4:80").await, "the filter is closed at first");
    allow(&mut topology, "10.0.1.0/24");
    let report = world.set(&topology).await;
    assert_eq!(report.done.len(), 1, "{report:?}");
    let mut near = connect(&world.fabric, "h1", "10.0.2.4:80").await;
    let (mut far, peer) = listener.accept().await.unwrap();
    assert!(peer.ip().to_string().ends_with("10.0.1.4"), "{peer}");
    speak(&mut near, &mut far).await;
    // Taking the element away lets the connection live and refuses the next one.
    ruleset(&mut topology).sets.get_mut("allowed").unwrap().elements.clear();
    world.set(&topology).await;
    speak(&mut far, &mut near).await;
    assert!(!reaches(&world.fabric, "h1", "10.0.2.4:80").await);
}

#[tokio::test]
async fn datagrams_reach_and_bear_the_source_they_were_bound_to() {
    let world = World::new();
    let mut topology = routed(2);
    allow(&mut topology, "10.0.0.0/8");
    world.set(&topology).await;
    let far = world.fabric.udp_bind(&name("h2"), at("10.0.2.4:53")).await.unwrap();
    let near = world.fabric.udp_bind(&name("h1"), at("10.0.1.4:1053")).await.unwrap();
    near.send_to(b"who", at("10.0.2.4:53")).await.unwrap();
    let mut buffer = [0; 16];
    let (length, peer) =
        tokio::time::timeout(Duration::from_secs(5), far.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((&buffer[..length], peer), (&b"who"[..], at("10.0.1.4:1053")));
}

#[tokio::test]
async fn a_public_address_leads_to_the_host_that_the_map_names() {
    let world = World::new();
    let mut topology = routed(3);
    allow(&mut topology, "10.0.0.0/8");
    ruleset(&mut topology).sets.get_mut("nat").unwrap().elements.insert("198.18.0.9 : 10.0.2.4".into());
    world.set(&topology).await;
    let second = listen(&world.fabric, "h2", "0.0.0.0:80").await;
    let third = listen(&world.fabric, "h3", "0.0.0.0:80").await;
    let mut near = connect(&world.fabric, "h1", "198.18.0.9:80").await;
    let (mut far, _) = second.accept().await.unwrap();
    speak(&mut near, &mut far).await;
    // Fail-over is the change of one element.
    let nat = ruleset(&mut topology).sets.get_mut("nat").unwrap();
    nat.elements = OrdSet::unit("198.18.0.9 : 10.0.3.4".to_owned());
    world.set(&topology).await;
    let mut near = connect(&world.fabric, "h1", "198.18.0.9:80").await;
    let (mut far, _) = third.accept().await.unwrap();
    speak(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_restart_changes_nothing_and_cuts_nothing() {
    let world = World::new();
    let mut topology = routed(2);
    allow(&mut topology, "10.0.1.0/24");
    rules(&mut topology);
    world.set(&topology).await;
    let listener = listen(&world.fabric, "h2", "[::]:80").await;
    let mut near = connect(&world.fabric, "h1", "10.0.2.4:80").await;
    let (mut far, _) = listener.accept().await.unwrap();
    let again = open(&world.prefix);
    let report = set(&again, &topology).await;
    assert!(report.is_unchanged(), "{report:#?}");
    assert_eq!(report.refreshed, [name("r")], "the filter is written again");
    speak(&mut near, &mut far).await;
    let report = set(&again, &topology).await;
    assert!(report.is_unchanged() && report.refreshed.is_empty(), "{report:?}");
    // What changed in the meantime is all that is done.
    topology.get_mut(&name("h1")).unwrap().facts.insert(via("eth0", "172.16.0.0/12", Some("10.0.1.1")));
    let third = open(&world.prefix);
    let report = set(&third, &topology).await;
    let done: Vec<String> = report.done.iter().map(ToString::to_string).collect();
    assert_eq!(done, ["ip -n h1 route add 172.16.0.0/12 via 10.0.1.1 dev eth0 onlink"]);
}

/// One of each other kind of fact.
fn rules(topology: &mut Topology) {
    let facts = &mut topology.get_mut(&name("r")).unwrap().facts;
    let block = || "10.9.0.0/16".parse().unwrap();
    facts.insert(Fact::Rule { priority: 33_001, selector: Selector::Mark(1), table: Some(300) });
    facts.insert(Fact::Rule { priority: 33_002, selector: Selector::From(block()), table: Some(2) });
    facts.insert(Fact::Rule { priority: 40_000, selector: Selector::All, table: None });
    facts.insert(Fact::Route(Route { table: 300, destination: block(), kind: RouteKind::Blackhole }));
    facts.insert(Fact::Route(Route { table: 255, destination: block(), kind: RouteKind::Local }));
    let host = &mut topology.get_mut(&name("h2")).unwrap().facts;
    let kind = RouteKind::Via { dev: "eth0".into(), gateway: None, onlink: false, source: Some(ip("10.0.2.4")) };
    host.insert(Fact::Route(Route { table: 2, destination: block(), kind }));
}

#[tokio::test]
async fn leftovers_of_an_earlier_run_go_and_their_links_with_them() {
    let world = World::new();
    let topology = routed(3);
    world.set(&topology).await;
    let again = open(&world.prefix);
    let keep: Topology = routed(2);
    set(&again, &keep).await;
    let report = again.retain(&keep.keys().cloned().collect()).await.unwrap();
    assert_eq!(report.failed.len(), 0, "{report:?}");
    assert_eq!(pins(&world.prefix).len(), 3);
    assert!(!world.ip("r", "-br link").contains("e3"));
}

#[tokio::test]
async fn a_link_changes_in_place_and_moves_to_another_namespace() {
    let world = World::new();
    let mut topology = routed(2);
    allow(&mut topology, "10.0.0.0/8");
    world.set(&topology).await;
    let change = |topology: &mut Topology, change: &dyn Fn(&mut Veth)| {
        let router = topology.get_mut(&name("r")).unwrap();
        let old = router.facts.iter().find_map(|fact| match fact {
            Fact::Veth(veth) if veth.name == "e2" => Some(veth.clone()),
            _ => None,
        });
        let mut new = old.clone().unwrap();
        change(&mut new);
        router.facts.remove(&Fact::Veth(old.unwrap()));
        router.facts.insert(Fact::Veth(new));
    };
    change(&mut topology, &|veth| (veth.mtu, veth.alt_name, veth.proxy_arp) = (1500, Some("eni-new".into()), false));
    let report = world.set(&topology).await;
    assert!(report.is_complete() && report.done.len() == 1, "{report:?}");
    assert!(world.ip("r", "link show eni-new").contains("mtu 1500"));
    assert!(world.ip("h2", "link show eth0").contains("mtu 1500"));
    let proxy = run(&format!("ip netns exec {} cat /proc/sys/net/ipv4/conf/e2/proxy_arp", world.pin("r")));
    assert_eq!(proxy.trim(), "0");
    // The same near end, now leading into h1.
    change(&mut topology, &|veth| (veth.peer_ns, veth.peer_name) = (name("h1"), "eth1".into()));
    topology.get_mut(&name("h2")).unwrap().facts.clear();
    let report = world.set(&topology).await;
    assert!(report.is_complete(), "{report:?}");
    assert!(world.ip("h1", "-br link").contains("eth1"));
    assert!(!world.ip("h2", "-br link").contains("eth0"));
    assert!(world.ip("r", "route show 10.0.2.4").contains("dev e2"), "the facts of the link are made again");
}

#[tokio::test]
async fn a_pair_waits_for_its_far_namespace() {
    let world = World::new();
    let mut topology = routed(2);
    let late = topology.remove(&name("h2")).unwrap();
    let report = world.set(&topology).await;
    assert!(report.failed.is_empty() && !report.is_complete(), "{report:?}");
    assert_eq!(report.waiting, [(name("r"), "e2".to_owned(), name("h2"))]);
    let report = world.fabric.set(BTreeMap::from([(name("h2"), Some(late))])).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert!(world.ip("r", "route show 10.0.2.4").contains("dev e2"));
    // And waits again when that goes.
    let report = world.fabric.set(BTreeMap::from([(name("h2"), None)])).await.unwrap();
    assert!(report.failed.is_empty() && report.waiting.len() == 1, "{report:?}");
    assert!(!world.ip("r", "-br link").contains("e2@"));
}

#[tokio::test]
async fn a_process_that_is_gone_is_named_and_the_rest_is_done() {
    let world = World::new();
    let mut child = std::process::Command::new("unshare").args(["-n", "sleep", "60"]).spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let theirs = || std::fs::read_link(format!("/proc/{}/ns/net", child.id())).unwrap();
    until("the child's namespace", async || theirs() != own).await;
    let mut topology = routed(2);
    allow(&mut topology, "10.0.0.0/8");
    topology.get_mut(&name("h2")).unwrap().anchor = Anchor::Process(child.id());
    let report = world.set(&topology).await;
    assert!(report.is_complete(), "{report:?}");
    let inside = world.fabric.netns_fd(&name("h2")).unwrap();
    assert!(
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&inside))).unwrap() == theirs()
    );
    let report = set(&open(&world.prefix), &topology).await;
    assert!(report.is_unchanged(), "a restart finds it configured: {report:#?}");
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(inside);
    topology.get_mut(&name("h1")).unwrap().facts.insert(via("eth0", "172.16.0.0/12", Some("10.0.1.1")));
    topology.get_mut(&name("h2")).unwrap().facts.insert(via("eth0", "172.16.0.0/12", Some("10.0.2.1")));
    let report = world.set(&topology).await;
    let named =
        report.failed.iter().any(|it| it.ns == name("h2") && it.cause.contains(&format!("process {pid} is gone")));
    assert!(named, "{report:#?}");
    assert!(world.ip("h1", "route").contains("172.16.0.0/12"));
}

#[tokio::test]
async fn closing_an_address_cuts_the_connections_to_it_and_no_others() {
    let world = World::new();
    let mut topology = routed(3);
    allow(&mut topology, "10.0.0.0/8");
    let nat = ruleset(&mut topology).sets.get_mut("nat").unwrap();
    nat.elements = ["198.18.0.8 : 10.0.2.4", "198.18.0.9 : 10.0.3.4"].map(String::from).into_iter().collect();
    world.set(&topology).await;
    let second = listen(&world.fabric, "h2", "0.0.0.0:80").await;
    let third = listen(&world.fabric, "h3", "0.0.0.0:80").await;
    let mut cut = connect(&world.fabric, "h1", "198.18.0.8:80").await;
    let (mut cut_far, _) = second.accept().await.unwrap();
    let mut kept = connect(&world.fabric, "h1", "198.18.0.9:80").await;
    let (mut kept_far, _) = third.accept().await.unwrap();
    ruleset(&mut topology).sets.get_mut("allowed").unwrap().elements.clear();
    world.set(&topology).await;
    speak(&mut cut, &mut cut_far).await;
    let destinations = BTreeSet::from([ip("198.18.0.8"), ip("198.18.0.9")]);
    let none = world.fabric.cut(&name("r"), destinations, |source| source == ip("10.0.9.9")).await.unwrap();
    assert_eq!(none, 0, "the source picks");
    assert_eq!(world.fabric.cut(&name("r"), [ip("198.18.0.8")].into(), |_| true).await.unwrap(), 1);
    speak(&mut kept, &mut kept_far).await;
    cut.write_all(b"late").await.unwrap();
    let mut heard = [0; 4];
    let silence = tokio::time::timeout(Duration::from_millis(500), cut_far.read_exact(&mut heard)).await;
    assert!(silence.is_err(), "packets of a cut connection do not pass");
}

#[tokio::test]
async fn destroy_leaves_the_machine_as_it_was() {
    let host_links = || run("ip -br link");
    let before = host_links();
    let world = World::new();
    world.set(&routed(20)).await;
    assert_eq!(pins(&world.prefix).len(), 21);
    // Somebody stands in the router all the while, so that it can't go.
    let held = world.fabric.netns_fd(&name("r")).unwrap();
    world.fabric.destroy().await.unwrap();
    assert_eq!(pins(&world.prefix), Vec::<String>::new());
    let links =
        format!("nsenter --net=/proc/{}/fd/{} ip -br link", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&held));
    assert!(!run(&links).contains("e1"), "its links are gone all the same");
    assert_eq!(host_links(), before);
    assert!(matches!(world.fabric.set(BTreeMap::new()).await, Err(FabricError::Closed)));
}

#[tokio::test]
async fn independent_changes_at_once_all_arrive() {
    let world = World::new();
    let topology = routed(8);
    let parts = topology.iter().map(|(name, it)| {
        let fabric = world.fabric.clone();
        let change = BTreeMap::from([(name.clone(), Some(it.clone()))]);
        tokio::spawn(async move { fabric.set(change).await })
    });
    for part in parts.collect::<Vec<_>>() {
        // A host that comes before the router has no link yet, which is a failure until the router comes.
        part.await.unwrap().unwrap();
    }
    let report = world.set(&topology).await;
    assert!(report.is_unchanged(), "{report:?}");
    for n in 1..=8 {
        assert!(world.ip(&format!("h{n}"), "-br link").contains("eth0"), "h{n}");
    }
}

#[tokio::test]
async fn no_packet_leaves_by_the_machines_own_links() {
    // Our addresses are reserved ones; the machine has no route for them that is not its default.
    let world = World::new();
    let mut topology = routed(2);
    allow(&mut topology, "10.0.0.0/8");
    world.set(&topology).await;
    for ns in topology.keys() {
        let links = world.fabric.inside(ns, || std::fs::read_to_string("/proc/thread-self/net/dev")).await.unwrap();
        let names: Vec<&str> = links.lines().skip(2).filter_map(|it| it.split(':').next()).map(str::trim).collect();
        assert!(names.iter().all(|it| *it == "lo" || it.starts_with('e')), "{names:?}");
    }
    let mine = run("ip -br link");
    assert!(!mine.contains("e1@") && !mine.contains("e2@"), "{mine}");
    let strayed = world.fabric.tcp_connect(&name("h1"), at("192.0.2.1:80"), Duration::from_millis(300)).await;
    assert!(strayed.is_err(), "nothing leads out of the world");
}
