//! Every served operation, with every member filled in as botocore writes it (`fixtures/record_requests.py`), is
//! decoded to what was given, and the generated structs take it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use async_trait::async_trait;
use aws_model::{Caller, Context, Fault, Models, ec2, eks, iam, ssm, sts};
use aws_wire::{Parts, decode};
use serde::Deserialize;
use serde_json::Value;
use std::pin::pin;
use std::task::{Poll, Waker};

#[derive(Deserialize)]
struct Case {
    service: String,
    operation: String,
    method: String,
    path: String,
    query: String,
    target: String,
    body: String,
    input: Value,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/requests.json")).unwrap()
}

fn decoded(models: &Models, case: &Case) -> (String, Value) {
    let model = models.service(&case.service).unwrap();
    let headers = vec![("x-amz-target", case.target.as_bytes())];
    let parts =
        Parts { method: &case.method, path: &case.path, query: &case.query, headers, body: case.body.as_bytes() };
    let decoded = decode(model, &parts).unwrap_or_else(|fault| panic!("{}: {fault}", case.operation));
    (decoded.operation.name.clone(), decoded.input)
}

/// A service that serves nothing: the traits' own answers.
struct Nothing;

#[async_trait]
impl ec2::Ec2 for Nothing {}
#[async_trait]
impl eks::Eks for Nothing {}
#[async_trait]
impl iam::Iam for Nothing {}
#[async_trait]
impl ssm::Ssm for Nothing {}
#[async_trait]
impl sts::Sts for Nothing {}

/// The answer of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn dispatch(service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
    let ctx = Context {
        caller: Caller::service("111122223333".parse().unwrap(), "test.amazonaws.com"),
        region: "ap-northeast-2".parse().unwrap(),
        request_id: "id".to_owned(),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    match service {
        "ec2" => now(ec2::dispatch(&Nothing, &ctx, operation, input)),
        "eks" => now(eks::dispatch(&Nothing, &ctx, operation, input)),
        "iam" => now(iam::dispatch(&Nothing, &ctx, operation, input)),
        "ssm" => now(ssm::dispatch(&Nothing, &ctx, operation, input)),
        "sts" => now(sts::dispatch(&Nothing, &ctx, operation, input)),
        other => panic!("no service {other}"),
    }
}

#[test]
fn what_botocore_writes_is_what_was_given() {
    let models = Models::load().unwrap();
    for case in cases() {
        let (operation, input) = decoded(&models, &case);
        assert_eq!(operation, case.operation);
        assert_eq!(input, case.input, "{}", case.operation);
    }
}

#[test]
fn every_served_operation_is_recorded() {
    let cases = cases();
    let recorded = |service: &str| -> Vec<String> {
        cases.iter().filter(|case| case.service == service).map(|case| case.operation.clone()).collect()
    };
    assert_eq!(recorded("ec2"), ec2::OPERATIONS);
    assert_eq!(recorded("eks"), eks::OPERATIONS);
    assert_eq!(recorded("iam"), iam::OPERATIONS);
    assert_eq!(recorded("ssm"), ssm::OPERATIONS);
    assert_eq!(recorded("sts"), sts::OPERATIONS);
}

#[test]
fn the_structs_take_every_input_and_refuse_by_name_what_nobody_serves() {
    let models = Models::load().unwrap();
    for case in cases() {
        let (_, input) = decoded(&models, &case);
        let fault = dispatch(&case.service, &case.operation, input).unwrap_err();
        let name = format!("{}:{}", case.service, case.operation);
        assert!(fault.message.contains(&name), "{name}: {fault}");
    }
}

#[test]
fn a_struct_refuses_what_is_of_another_type() {
    let fault = dispatch("ec2", "DescribeVpcs", serde_json::json!({"VpcIds": "vpc-1"})).unwrap_err();
    assert_eq!(fault.code, "SerializationException");
}
