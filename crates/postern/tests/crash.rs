//! `kill -9` in the middle of things, then `up`: the same world or the finished one, never a half.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, host, until};
use std::time::{Duration, Instant};

/// Kills the daemon `after` the moment a call went out, and starts it again.
fn kill_after(postern: &Postern, after: Duration) {
    let pid = postern.pid().to_string();
    let at = Instant::now() + after;
    while Instant::now() < at {
        std::hint::spin_loop();
    }
    std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
    until("the daemon is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    postern.start();
}

fn interfaces_of(postern: &Postern, cluster: &str) -> usize {
    let look = format!("ec2 describe-network-interfaces --filters Name=description,Values=Amazon?EKS?{cluster}");
    postern.aws(&look).json()["NetworkInterfaces"].as_array().unwrap().len()
}

fn cluster_groups(postern: &Postern, cluster: &str) -> usize {
    let look = format!("ec2 describe-security-groups --filters Name=tag:aws:eks:cluster-name,Values={cluster}");
    postern.aws(&look).json()["SecurityGroups"].as_array().unwrap().len()
}

#[test]
fn a_create_an_update_and_a_delete_survive_a_kill() {
    let postern = Postern::up("ap-southeast-1");
    let (_, subnets) = postern.public_vpc("10.77.0.0/16", [("a", "10.77.1.0/24"), ("b", "10.77.2.0/24")]);
    let role = postern.cluster_role();
    for (round, after) in [0, 3, 10, 40].into_iter().enumerate() {
        let name = format!("kill-{round}");
        let create = format!(
            "eks create-cluster --name {name} --role-arn {role} --kubernetes-version 1.31 --resources-vpc-config subnetIds={}",
            subnets.join(",")
        );
        postern.aws(&create).ok();
        kill_after(&postern, Duration::from_millis(after));
        let cluster = postern.active(&name);
        assert_eq!(
            (interfaces_of(&postern, &name), cluster_groups(&postern, &name)),
            (2, 1),
            "none lost, none doubled"
        );
        let url = format!("https://{}/healthz", host(&cluster));
        assert_eq!(postern.at("outside", &["curl", "-ks", "--max-time", "3", &url]).out, "ok");

        let change = format!(
            "eks update-cluster-config --name {name} --resources-vpc-config endpointPublicAccess=false,endpointPrivateAccess=true"
        );
        let update = postern.query(&change, "update.id");
        kill_after(&postern, Duration::from_millis(after));
        until("the update is done", || {
            let look = format!("eks describe-update --name {name} --update-id {update}");
            postern.query(&look, "update.status") == "Successful"
        });
        let ran = postern.at("outside", &["curl", "-ks", "--max-time", "1", &url]);
        assert_eq!(ran.code, 28, "the public way is closed: {ran:?}");

        postern.aws(&format!("eks delete-cluster --name {name}")).ok();
        kill_after(&postern, Duration::from_millis(after));
        until("the cluster is gone", || postern.aws(&format!("eks describe-cluster --name {name}")).code != 0);
        assert_eq!((interfaces_of(&postern, &name), cluster_groups(&postern, &name)), (0, 0));
    }
    let namespaces = std::process::Command::new("ip").args(["netns", "list"]).output().unwrap();
    let namespaces = String::from_utf8_lossy(&namespaces.stdout).into_owned();
    let status = postern.cli(&["status", "--output", "json"]).json();
    let own = status["vpcs"][0]["namespace"].as_str().unwrap().split("vpc-").next().unwrap().to_owned();
    assert!(!namespaces.lines().any(|it| it.starts_with(&format!("{own}cp-"))), "{namespaces}");
}

#[test]
fn a_kill_cuts_no_connection_between_instances() {
    let postern = Postern::up("us-east-2");
    let (vpc, subnets) = postern.public_vpc("10.8.0.0/16", [("a", "10.8.1.0/24"), ("b", "10.8.2.0/24")]);
    let (one, two) = (postern.instance(&subnets[0]), postern.instance(&subnets[1]));
    let group = postern.query(
        &format!("ec2 describe-security-groups --filters Name=vpc-id,Values={vpc}"),
        "SecurityGroups[0].GroupId",
    );
    assert!(group.starts_with("sg-"));
    let look = format!("ec2 describe-instances --instance-ids {two}");
    let address = postern.query(&look, "Reservations[0].Instances[0].PrivateIpAddress");
    let server = "import socket
s = socket.create_server(('', 7000)); print('up', flush=True); c, _ = s.accept()
while b := c.recv(100): c.sendall(b)";
    let client = format!(
        "import socket, sys
c = socket.create_connection(('{address}', 7000), 5); c.settimeout(5)
for line in sys.stdin:
    c.sendall(b'x'); print(c.recv(1).decode(), flush=True)"
    );
    let mut server = Talk::start(&postern, &two, server);
    assert_eq!(server.line(), "up");
    let mut client = Talk::start(&postern, &one, &client);
    assert_eq!(client.ask(), "x");
    postern.kill();
    assert_eq!(client.ask(), "x", "without a daemon");
    postern.start();
    assert_eq!(client.ask(), "x", "with another daemon");
}

#[test]
fn what_somebody_deletes_by_hand_comes_back() {
    let postern = Postern::up("ca-central-1");
    let (vpc, subnets) = postern.public_vpc("10.66.0.0/16", [("a", "10.66.1.0/24"), ("b", "10.66.2.0/24")]);
    let instance = postern.instance(&subnets[0]);
    let cluster = postern.cluster("mended", "1.30", &subnets, "");
    let url = format!("https://{}/healthz", host(&cluster));
    let status = postern.cli(&["status", "--output", "json"]).json();
    let namespace = status["vpcs"].as_array().unwrap().iter().find(|it| it["id"] == *vpc).unwrap()["namespace"].clone();
    let namespace = namespace.as_str().unwrap();
    let prefix = namespace.split("vpc-").next().unwrap();
    let works = |place: &str| postern.at(place, &["curl", "-ks", "--max-time", "1", &url]).out == "ok";
    assert!(works("outside") && works(&instance));
    let ip =
        |args: &[&str]| assert!(std::process::Command::new("ip").args(args).status().unwrap().success(), "{args:?}");

    ip(&["-n", namespace, "link", "del", "igw"]);
    until("the gateway's link is back", || works(&instance));
    ip(&["netns", "del", namespace]);
    until("the VPC's router is back", || works(&instance));
    ip(&["netns", "del", &format!("{prefix}provider")]);
    until("the provider's router is back", || works("outside") && works(&instance));
    let listed = std::process::Command::new("ip").args(["netns", "list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(namespace), "its name is back too");
}

/// A script at a place that answers a line with a line.
struct Talk {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Talk {
    fn start(postern: &Postern, place: &str, script: &str) -> Self {
        use std::io::BufRead as _;
        use std::process::Stdio;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["at", place, "--", "python3", "-c", script])
            .env("POSTERN_DATA_DIR", postern.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().map(Result::unwrap).unwrap_or_default()
    }

    fn ask(&mut self) -> String {
        use std::io::Write as _;
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.line()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
