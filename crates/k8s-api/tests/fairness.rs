//! Priority and fairness as clients meet it: whose requests wait for whom, what is refused, and when time is up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use bytes::Bytes;
use harness::{Answer, Identity, Stream, World};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

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

/// A level for `users`, each of them a flow.
async fn level(world: &World, name: &str, shares: u32, users: &[&str], response: Value) {
    let limited = json!({"nominalConcurrencyShares": shares, "limitResponse": response});
    make(
        world,
        &format!("{FLOW}/prioritylevelconfigurations"),
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}),
    )
    .await;
    let subjects: Vec<Value> = users.iter().map(|it| json!({"kind": "User", "user": {"name": it}})).collect();
    let paths = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
    let resources = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"],
        "clusterScope": true}]);
    make(
        world,
        &format!("{FLOW}/flowschemas"),
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
            "spec": {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": name},
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [{"subjects": subjects, "nonResourceRules": paths, "resourceRules": resources}]}}),
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

/// Makes an administrator of a user, who is not exempt by that.
async fn allow_everything(world: &World, who: &Identity, name: &str) {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name});
    make(
        world,
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": name}, "roleRef": role, "subjects": [subject]}),
    )
    .await;
    let allowed = tokio::time::timeout(PATIENCE, async {
        while get(world, who, "/api/v1/namespaces").await.status != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    });
    allowed.await.expect("the binding is not followed");
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
    level(&world, "none", 0, &["nobody", "eve"], json!({"type": "Reject"})).await;
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
    level(&world, "slow", 0, &["eve"], json!({"type": "Queue", "queuing": queuing})).await;
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

/// Begins to send an object and stops in the middle of it.
async fn half_a_request(world: &World, who: &Identity, query: &str) -> TlsStream<TcpStream> {
    let mut stream = world.client.raw(who).await.unwrap();
    let head = format!(
        "POST /api/v1/namespaces{query} HTTP/1.1\r\nhost: cluster.test\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_cut_off() {
    let world = World::new(MINOR).await;
    let mut stream = half_a_request(&world, &admin(), "?timeout=200ms").await;
    let mut answer = Vec::new();
    // The connection is of no more use, so this ends.
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the slow client is not cut off");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{answer}");
    assert!(answer.contains("\"message\":\"request did not complete within the allotted timeout\""), "{answer}");
}

/// A flood's queue is full and its requests are refused; the other user is the next to have a seat.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_and_the_other_user_is_next() {
    let world = Arc::new(World::new(MINOR).await);
    let (flood, calm) = (user("flood"), user("calm"));
    let queuing = json!({"queues": 64, "handSize": 1, "queueLengthLimit": 2});
    level(&world, "shared", 1, &["flood", "calm"], json!({"type": "Queue", "queuing": queuing})).await;
    wait_for_schema(&world, &calm, "shared").await;
    allow_everything(&world, &flood, "flood").await;

    // A share of 1 is three seats of the 600.
    let mut seats = Vec::new();
    for _ in 0..3 {
        seats.push(half_a_request(&world, &flood, "").await);
    }
    let mut waiting = JoinSet::new();
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            let (world, flood) = (world.clone(), flood.clone());
            waiting.spawn(async move { get(&world, &flood, "/version").await });
            let ended = tokio::time::timeout(Duration::from_millis(50), waiting.join_next()).await;
            if let Ok(Some(Ok(answer))) = ended
                && answer.status == StatusCode::TOO_MANY_REQUESTS
            {
                return answer;
            }
        }
    });
    let refused = refused.await.expect("the flood is not refused");
    assert_eq!(refused.header("retry-after"), ["1"]);

    let other = tokio::spawn({
        let (world, calm) = (world.clone(), calm.clone());
        async move { get(&world, &calm, "/version").await }
    });
    assert!(!other.is_finished());
    seats.pop();
    let answer = tokio::time::timeout(PATIENCE, other).await.expect("the calm user waits for the flood").unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    drop(seats);
}

/// Far more watches than seats: each has its own only until it has begun.
#[tokio::test(flavor = "multi_thread")]
async fn watches_hold_no_seats() {
    let world = World::new(MINOR).await;
    let eve = user("eve");
    level(&world, "three", 1, &["eve"], json!({"type": "Reject"})).await;
    wait_for_schema(&world, &eve, "three").await;
    allow_everything(&world, &eve, "eve").await;
    let uid = uid(&world, "flowschemas", "three").await;
    let mut watches = Vec::new();
    for _ in 0..20 {
        let request = Request::builder().uri("/api/v1/namespaces?watch=1").header("host", "cluster.test");
        let watch = world.client.open(&eve, request.body(Full::default()).unwrap());
        let mut watch: Stream = tokio::time::timeout(PATIENCE, watch).await.unwrap().unwrap();
        assert_eq!(watch.status, StatusCode::OK);
        assert_eq!(watch.headers["x-kubernetes-pf-flowschema-uid"], uid.as_str());
        assert!(tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().is_some());
        watches.push(watch);
    }
    assert_eq!(get(&world, &eve, "/version").await.status, StatusCode::OK);
}
