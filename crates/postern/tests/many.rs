//! Fifty clusters in ten VPCs, made at once by ten clients, and two daemons beside each other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Postern;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn fifty_clusters_in_ten_vpcs_at_once() {
    let postern = Postern::up("eu-north-1");
    postern.python("many.py");
    let names = postern.aws("eks list-clusters").json();
    let names: Vec<String> = serde_json::from_value(names["clusters"].clone()).unwrap();
    assert_eq!(names.len(), 50);
    let status = postern.cli(&["status", "--output", "json"]).json();
    let mut public = BTreeSet::new();
    for cluster in status["clusters"].as_array().unwrap() {
        for address in cluster["public_addresses"].as_array().unwrap() {
            assert!(public.insert(address.to_string()), "{address} was given twice");
        }
    }
    assert_eq!(public.len(), 100);
    let interfaces = postern.aws("ec2 describe-network-interfaces").json();
    let mut private = BTreeSet::new();
    for it in interfaces["NetworkInterfaces"].as_array().unwrap() {
        let key = (it["VpcId"].to_string(), it["PrivateIpAddress"].to_string());
        assert!(private.insert(key.clone()), "{key:?} was given twice");
    }
    assert_eq!(private.len(), 100);
    // each answers at its own endpoint, with its own certificate's name
    let hosts: Vec<String> = status["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it: &Value| it["endpoint"].as_str().unwrap().to_owned())
        .collect();
    let urls: Vec<String> = hosts.iter().map(|it| format!("{it}/healthz")).collect();
    let mut command = vec!["curl", "-ks", "--max-time", "5"];
    command.extend(urls.iter().map(String::as_str));
    assert_eq!(postern.at("outside", &command).ok(), "ok".repeat(50));
}

#[test]
fn two_daemons_do_not_see_each_other() {
    let (one, two) = (Postern::up("eu-west-3"), Postern::up("eu-west-3"));
    let (_, subnets) = one.public_vpc("10.5.0.0/16", [("a", "10.5.1.0/24"), ("b", "10.5.2.0/24")]);
    one.cluster("mine", "1.33", &subnets, "");
    assert_eq!(two.aws("eks list-clusters").json()["clusters"], serde_json::json!([]));
    let lost = two.aws(&format!("ec2 describe-subnets --subnet-ids {}", subnets[0]));
    assert!(lost.failed().contains("InvalidSubnetID.NotFound"));
    let mut stranger = one.environment();
    let key = stranger.iter_mut().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
    key.1 = format!("http://{}", two.listen);
    let ran = std::process::Command::new("aws").args(["sts", "get-caller-identity"]).envs(stranger).output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("InvalidClientTokenId"), "{ran:?}");
    let again = one.cli(&["up", "--listen", "127.0.0.1:1"]);
    assert!(again.failed().contains("runs already"));
}

#[test]
fn down_leaves_nothing_and_up_brings_it_back() {
    let postern = Postern::up("sa-east-1");
    let (_, subnets) = postern.public_vpc("10.6.0.0/16", [("a", "10.6.1.0/24"), ("b", "10.6.2.0/24")]);
    let instance = postern.instance(&subnets[0]);
    postern.at(&instance, &["sh", "-c", "echo kept > /var/tmp/note"]).ok();
    let cluster = postern.cluster("back", "1.34", &subnets, "");
    let marks = own_marks(&postern);
    assert!(!marks.is_empty());
    postern.cli(&["down"]).ok();
    assert_eq!(own_marks(&postern), Vec::<String>::new());
    postern.start();
    postern.aws(&format!("ec2 wait instance-running --instance-ids {instance}")).ok();
    common::until("the instance runs again", || postern.at(&instance, &["cat", "/var/tmp/note"]).out == "kept\n");
    assert_eq!(postern.active("back")["endpoint"], cluster["endpoint"]);
}

/// What on this machine bears the marks of a daemon: namespaces, mounts, cgroups, processes.
fn own_marks(postern: &Postern) -> Vec<String> {
    let data = postern.data_dir().display().to_string();
    let mut marks = Vec::new();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    marks.extend(mounts.lines().filter(|it| it.contains(&data)).map(|it| format!("mount {it}")));
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        if command.contains(&data) || environment.contains(&format!("POSTERN_DATA_DIR={data}")) {
            marks.push(format!("process {command}"));
        }
    }
    let prefix = namespace_prefix(&data);
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) {
            marks.push(format!("namespace {name}"));
        }
    }
    marks
}

/// The prefix of a data directory's namespaces, as ARCHITECTURE.md states it.
fn namespace_prefix(data: &str) -> String {
    let path = std::fs::canonicalize(data).unwrap();
    let digest = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |digest, byte| (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("pn{}-", &format!("{digest:08x}")[..6])
}
