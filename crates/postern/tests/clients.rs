//! boto3's paginators, waiters and error classes, unchanged.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Postern;
use std::process::Command;

fn python(postern: &Postern, script: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let output = Command::new("python3").arg(path).envs(postern.environment()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn boto3_eks() {
    python(&Postern::up("ap-northeast-1"), "eks.py");
}

#[test]
fn boto3_ec2() {
    python(&Postern::up("ap-south-1"), "ec2.py");
}

#[test]
fn at_outside_the_real_host_names_need_no_setting() {
    let postern = Postern::up("us-west-1");
    let who = postern.at("outside", &["aws", "sts", "get-caller-identity", "--output", "json"]).json();
    assert!(who["Arn"].as_str().unwrap().ends_with(":user/admin"), "{who}");
    postern.at("outside", &["aws", "eks", "list-clusters"]).ok();
    postern.at("outside", &["aws", "ec2", "describe-vpcs"]).ok();
    postern.at("outside", &["aws", "iam", "list-roles"]).ok();
    let image = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    postern.at("outside", &["aws", "ssm", "get-parameter", "--name", image]).ok();
    let other =
        postern.at("outside", &["aws", "--region", "eu-west-1", "ec2", "describe-vpcs", "--output", "json"]).json();
    assert_eq!(other["Vpcs"][0]["IsDefault"], true, "another region is another world");
}
