//! Priority and fairness as clients meet it: whose requests wait for whom, what is refused, and when time is up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[allow(dead_code, reason = "other tests use the rest")]
mod harness;

use bytes::Bytes;
use harness::{Answer, Identity, World};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const MINOR: u8 = 34;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

fn admin() -> Identity {
    Identity::Certificate("admin".to_owned(), vec!["system:masters".to_owned()])
}

fn user(name: &str) -> Identity {
    Identity::Certificate(name.to_owned(), Vec::new())
}

async fn send(world: &World, who: &Identity, method: Method, target: &str, body: Option<&Value>) -> Answer {
    let bytes = body.map(|it| Bytes::from(it.to_string())).unwrap_or_default();
    let request = Request::builder().method(method).uri(target).header("host", "cluster.test");
    let request = request.header("content-type", "application/json").body(Full::new(bytes)).unwrap();
    tokio::time::timeout(PATIENCE, world.client.send(who, request)).await.unwrap().unwrap()
}

async fn get(world: &World, who: &Identity, target: &str) -> Answer {
    send(world, who, Method::GET, target, None).await
}

async fn make(world: &World, target: &str, body: Value) -> Value {
    let answer = send(world, &admin(), Method::POST, target, Some(&body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}

async fn uid(world: &World, plural: &str, name: &str) -> String {
    let answer = get(world, &admin(), &format!("{FLOW}/{plural}/{name}")).await;
    let object: Value = serde_json::from_slice(&answer.body).unwrap();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// A level of one seat for `users`, each a flow, and what waits for it.
async fn level(world: &World, name: &str, users: &[&str], response: Value) {
    let limited = json!({"nominalConcurrencyShares": 0, "limitResponse": response});
    make(
        world,
        &format!("{FLOW}/prioritylevelconfigurations"),
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}),
    )
    .await;
    let subjects: Vec<Value> = users.iter().map(|it| json!({"kind": "User", "user": {"name": it}})).collect();
    let paths = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
    make(
        world,
        &format!("{FLOW}/flowschemas"),
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
            "spec": {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": name},
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [{"subjects": subjects, "nonResourceRules": paths}]}}),
    )
    .await;
}

/// Asks until answers carry the mark of the schema: objects are followed, not waited for.
async fn wait_for_schema(world: &World, who: &Identity, name: &str) {
    let uid = uid(world, "flowschemas", name).await;
    let seen = tokio::time::timeout(PATIENCE, async {
        while get(world, who, "/version").await.header("x-kubernetes-pf-flowschema-uid") != [uid.clone()] {
            tokio::task::yield_now().await;
        }
    });
    seen.await.expect("the new schema is not followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_name_the_objects_that_classified_them() {
    let world = World::new(MINOR).await;
    for (who, target, schema, level) in [
        (admin(), "/api/v1/namespaces", "exempt", "exempt"),
        (user("eve"), "/api/v1/namespaces", "global-default", "global-default"),
        (user("eve"), "/readyz", "probes", "exempt"),
        (user("system:kube-scheduler"), "/api/v1/pods", "kube-scheduler", "workload-high"),
        (user("system:serviceaccount:a:b"), "/api/v1/pods", "global-default", "global-default"),
    ] {
        let answer = get(&world, &who, target).await;
        let (schema, level) =
            (uid(&world, "flowschemas", schema).await, uid(&world, "prioritylevelconfigurations", level).await);
        assert_eq!(answer.header("x-kubernetes-pf-flowschema-uid"), [schema], "{who:?} {target}");
        assert_eq!(answer.header("x-kubernetes-pf-prioritylevel-uid"), [level], "{who:?} {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_without_seats_refuses_and_others_go_on() {
    let world = World::new(MINOR).await;
    let eve = user("eve");
    level(&world, "none", &["nobody", "eve"], json!({"type": "Reject"})).await;
    // Without a share there is no seat.
    wait_for_schema(&world, &eve, "none").await;
    let answer = get(&world, &eve, "/version").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), ["1"]);
    assert_eq!(answer.body.as_ref(), b"Too many requests, please try again later.\n");
    assert_eq!(get(&world, &user("adam"), "/version").await.status, StatusCode::OK);
    // The level is changed, and eve may go on.
    let patch = json!({"spec": {"limited": {"nominalConcurrencyShares": 1}}});
    let request = Request::builder().method(Method::PATCH).uri(format!("{FLOW}/prioritylevelconfigurations/none"));
    let request = request.header("host", "cluster.test").header("content-type", "application/merge-patch+json");
    let request = request.body(Full::new(Bytes::from(patch.to_string()))).unwrap();
    assert_eq!(world.client.send(&admin(), request).await.unwrap().status, StatusCode::OK);
    let goes_on = tokio::time::timeout(PATIENCE, async {
        while get(&world, &eve, "/version").await.status != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    });
    goes_on.await.expect("the changed level is not followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_the_clients_own_bounds_the_wait() {
    let world = World::new(MINOR).await;
    let eve = user("eve");
    let queuing = json!({"queues": 1, "handSize": 1, "queueLengthLimit": 100});
    level(&world, "slow", &["eve"], json!({"type": "Queue", "queuing": queuing})).await;
    let uid = uid(&world, "flowschemas", "slow").await;
    // Nobody has a seat here, so it waits for the part of its time that it may.
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = get(&world, &eve, "/version?timeout=80ms").await;
            if answer.header("x-kubernetes-pf-flowschema-uid") == [uid.clone()] {
                return answer;
            }
        }
    });
    let answer = seen.await.expect("the new schema is not followed");
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let answer = get(&world, &eve, "/version?timeout=soon").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let status: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(status["message"], "invalid timeout specified in the request URL - time: invalid duration \"soon\"");
}

/// One floods a level, another has its answers all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_and_the_other_user_is_answered() {
    let world = Arc::new(World::new(MINOR).await);
    let patch = json!({"type": "Queue", "queuing": {"queues": 64, "handSize": 1, "queueLengthLimit": 2}});
    level(&world, "shared", &["flood", "calm"], patch).await;
    let path = format!("{FLOW}/prioritylevelconfigurations/shared");
    let mut object: Value = serde_json::from_slice(&get(&world, &admin(), &path).await.body).unwrap();
    object["spec"]["limited"]["nominalConcurrencyShares"] = json!(1);
    assert_eq!(send(&world, &admin(), Method::PUT, &path, Some(&object)).await.status, StatusCode::OK);
    wait_for_schema(&world, &user("calm"), "shared").await;
    let flood: Vec<_> = (0..60)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut refused = 0;
                for _ in 0..20 {
                    let answer = get(&world, &user("flood"), "/openapi/v2").await;
                    if answer.status == StatusCode::TOO_MANY_REQUESTS {
                        assert_eq!(answer.header("retry-after"), ["1"]);
                        refused += 1;
                    }
                }
                refused
            })
        })
        .collect();
    let calm = tokio::time::timeout(PATIENCE, async {
        for _ in 0..50 {
            assert_eq!(get(&world, &user("calm"), "/version").await.status, StatusCode::OK);
        }
    });
    calm.await.expect("the calm user waits for the flood");
    let mut refused = 0;
    for it in flood {
        refused += it.await.unwrap();
    }
    println!("{refused} of 1200 refused");
}
