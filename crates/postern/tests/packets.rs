//! What EC2 says is what packets do: groups, routes, addresses and interfaces, tried with real servers in instances.
//! The scenarios are in `clients/packets.py`: boto3 asks in milliseconds what costs the CLI a second.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Postern;
use std::process::Command;

/// Runs one scenario in a region of its own.
#[track_caller]
fn scenario(name: &str, region: &str) {
    let postern = Postern::up(region);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/packets.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(name).envs(postern.environment());
    python.env("POSTERN", env!("CARGO_BIN_EXE_postern")).env("POSTERN_DATA_DIR", postern.data_dir());
    let output = python.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn groups_name_groups_also_within_one_subnet() {
    scenario("groups", "eu-west-2");
}

#[test]
fn a_public_address_comes_goes_and_changes() {
    scenario("public_address", "ca-central-1");
}

#[test]
fn a_second_interface_works_with_all_its_addresses() {
    scenario("second_interface", "sa-east-1");
}

#[test]
fn routes_decide_who_comes_through_and_vpcs_of_one_block_do_not_meet() {
    scenario("routes", "ap-southeast-2");
}

#[test]
fn an_instance_forwards_for_a_subnet_that_is_routed_to_it() {
    scenario("nat_instance", "us-east-2");
}

#[test]
fn the_resolver_follows_the_dns_attributes() {
    scenario("resolver", "eu-west-3");
}

#[test]
fn an_instance_must_be_listed_to_use_the_public_endpoint() {
    scenario("public_access_cidrs", "us-west-1");
}
