//! Accounts and regions are worlds of their own: nobody sees, names or changes what lies in another.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, until};
use std::process::{Command, Stdio};

/// A region and an access key.
type World<'a> = [&'a str; 3];

/// Furnishes two worlds, compares them with boto3, and returns the endpoint of the first, whose cluster stays, and of
/// the second, whose cluster is gone.
fn compare(postern: &Postern, first: World<'_>, second: World<'_>) -> (String, String) {
    let script = include_str!("clients/worlds.py");
    let mut python = Command::new("python3");
    python.args(["-c", script]).args(first).args(second).envs(postern.environment()).stdin(Stdio::null());
    let output = python.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let endpoints = text(&output.stdout);
    let (stays, gone) = endpoints.trim().split_once(' ').unwrap();
    (stays.to_owned(), gone.to_owned())
}

/// The first endpoint answers; nobody knows the second one's name any more.
fn one_is_left(postern: &Postern, (stays, gone): &(String, String)) {
    let url = format!("{stays}/readyz");
    assert_eq!(postern.at("outside", &["curl", "-k", "-s", "--max-time", "5", &url]).ok(), "ok");
    let name = gone.trim_start_matches("https://");
    until("the deleted cluster has no name", || postern.at("outside", &["dig", "+short", name]).ok().is_empty());
}

#[test]
fn accounts_are_separate_worlds() {
    let postern = Postern::up("me-south-1");
    let made = postern.cli(&["account", "create", "--output", "json"]).json();
    let text = |name: &str| made[name].as_str().unwrap();
    let first = ["me-south-1", &postern.key.0, &postern.key.1];
    let second = ["me-south-1", text("access_key_id"), text("secret_access_key")];
    let endpoints = compare(&postern, first, second);
    one_is_left(&postern, &endpoints);
}

#[test]
fn regions_are_separate_worlds() {
    let postern = Postern::up("af-south-1");
    let (key, secret) = (postern.key.0.as_str(), postern.key.1.as_str());
    let endpoints = compare(&postern, ["af-south-1", key, secret], ["ap-east-1", key, secret]);
    assert!(endpoints.0.ends_with(".af-south-1.eks.amazonaws.com"), "{}", endpoints.0);
    assert!(endpoints.1.ends_with(".ap-east-1.eks.amazonaws.com"), "{}", endpoints.1);
    one_is_left(&postern, &endpoints);
    // a signature for one region is none for another's host
    let (url, user) = ("https://eks.ap-east-1.amazonaws.com/clusters", format!("{key}:{secret}"));
    for (scope, code) in [("aws:amz:ap-east-1:eks", "200"), ("aws:amz:af-south-1:eks", "403")] {
        let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", scope, "--user", &user, url];
        assert_eq!(postern.at("outside", &curl).ok(), code, "{scope}");
    }
}
