//! Damage that somebody does by hand is put right within about a second.
#![allow(clippy::unwrap_used)] // clippy knows only functions that are tests

mod common;

use common::*;
use fabric::*;
use std::time::Duration;

async fn standing() -> (World, Topology) {
    let world = World::new();
    let mut topology = routed(2);
    allow(&mut topology, "10.0.0.0/8");
    let report = world.set(&topology).await;
    assert!(report.is_complete(), "{report:?}");
    (world, topology)
}

async fn works_again(world: &World) {
    until("a connection", async || reaches(&world.fabric, "h1", "10.0.2.4:80").await).await;
}

#[tokio::test]
async fn a_deleted_link_comes_back_with_everything_on_it() {
    let (world, _) = standing().await;
    let _listener = world.fabric.tcp_listen(&name("h2"), at("0.0.0.0:80"), 4).await.unwrap();
    assert!(reaches(&world.fabric, "h1", "10.0.2.4:80").await);
    world.ip("r", "link del e2");
    works_again(&world).await;
    world.ip("h1", "link del eth0");
    works_again(&world).await;
    assert!(world.ip("h1", "route").contains("default via 10.0.1.1"));
}

#[tokio::test]
async fn a_link_set_down_is_set_up() {
    let (world, _) = standing().await;
    let _listener = world.fabric.tcp_listen(&name("h2"), at("0.0.0.0:80"), 4).await.unwrap();
    world.ip("r", "link set e2 down");
    works_again(&world).await;
}

#[tokio::test]
async fn a_deleted_route_and_address_come_back() {
    let (world, _) = standing().await;
    world.ip("r", "route del 10.0.2.4/32");
    world.ip("r", "addr del 10.0.2.1/32 dev lo");
    until("the route", async || world.ip("r", "route").contains("10.0.2.4")).await;
    until("the address", async || world.ip("r", "addr show lo").contains("10.0.2.1/32")).await;
}

#[tokio::test]
async fn a_flushed_filter_is_written_again() {
    let (world, _) = standing().await;
    world.nft("r", "flush ruleset");
    until("the table", async || world.nft("r", "list tables").contains("vpc")).await;
    until("its elements", async || world.nft("r", "list map inet vpc ing").contains("e2")).await;
}

#[tokio::test]
async fn an_edited_filter_heals_in_the_change_that_stumbles_over_it() {
    let (world, mut topology) = standing().await;
    world.nft("r", "delete table inet vpc");
    allow(&mut topology, "192.168.0.0/16");
    let report = world.set(&topology).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert!(world.nft("r", "list set inet vpc allowed").contains("192.168.0.0/16"));
}

#[tokio::test]
async fn a_name_that_was_taken_is_given_back_and_sockets_inside_live_on() {
    let (world, _) = standing().await;
    let _listener = world.fabric.tcp_listen(&name("h2"), at("0.0.0.0:80"), 4).await.unwrap();
    run(&format!("ip netns del {}", world.pin("h2")));
    until("the name", async || run("ip netns list").contains(&world.pin("h2"))).await;
    assert!(reaches(&world.fabric, "h1", "10.0.2.4:80").await);
    until("word of it", async || world.fabric.status().borrow().repairs > 0).await;
}

#[tokio::test]
async fn an_instance_with_a_new_process_is_wired_anew_and_its_owner_hears_of_it() {
    let (world, mut topology) = standing().await;
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let mut heard = world.fabric.on_rebuilt();
    let mut children = Vec::new();
    for round in 0..2 {
        let child = std::process::Command::new("unshare").args(["-n", "sleep", "60"]).spawn().unwrap();
        let theirs = || std::fs::read_link(format!("/proc/{}/ns/net", child.id())).unwrap();
        until("the child's namespace", async || theirs() != own).await;
        let host = topology.get_mut(&name("h2")).unwrap();
        host.anchor = Anchor::Process(child.id());
        let id = child.id();
        children.push(child);
        let report = world.set(&topology).await;
        assert!(report.is_complete(), "round {round}: {report:#?}");
        let eth0 = run(&format!("nsenter -t {id} -n ip -br addr show eth0"));
        assert!(eth0.contains("10.0.2.4/24"), "round {round}: {eth0}");
        assert_eq!(tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap(), name("h2"));
    }
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
