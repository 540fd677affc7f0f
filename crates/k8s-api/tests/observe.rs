//! What a server tells of requests: metrics, and an audit record of each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod harness;

use bytes::Bytes;
use harness::{Answer, Identity, World};
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;
use std::time::{Duration, Instant};

fn user(name: &str, groups: &[&str]) -> Identity {
    Identity::Certificate(name.to_owned(), groups.iter().map(|it| (*it).to_owned()).collect())
}

fn request(method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

async fn ask(world: &World, who: &Identity, method: &str, path: &str) -> Answer {
    world.client.send(who, request(method, path, "", &[])).await.unwrap()
}

/// The records of a request for `path`, when there are as many as wanted.
async fn records(world: &World, path: &str, count: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found: Vec<Value> = world.audit().into_iter().filter(|it| it["requestURI"] == path).collect();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < end, "{path}: {found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn metrics(world: &World, who: &Identity) -> String {
    let answer = ask(world, who, "GET", "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The value of a sample, by its whole name with labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_leaves_a_record_of_who_did_what() {
    let world = World::new(34).await;
    let (admin, nobody) = (user("admin", &["system:masters"]), user("nobody", &[]));
    ask(&world, &admin, "GET", MAPS).await;
    let allowed = &records(&world, MAPS, 1).await[0];
    assert_eq!((&allowed["verb"], &allowed["user"]["username"]), (&"list".into(), &"admin".into()));
    assert_eq!(allowed["objectRef"]["resource"], "configmaps");
    assert_eq!(allowed["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!((&allowed["responseStatus"]["code"], &allowed["stage"]), (&200.into(), &"ResponseComplete".into()));
    assert_eq!(allowed["sourceIPs"], serde_json::json!(["127.0.0.1"]));

    let path = format!("{MAPS}/a");
    assert_eq!(ask(&world, &nobody, "DELETE", &path).await.status, 403);
    let refused = &records(&world, &path, 1).await[0];
    assert_eq!(refused["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert_eq!(refused["responseStatus"]["reason"], "Forbidden");
    assert!(refused["responseStatus"]["message"].as_str().unwrap().contains("\"nobody\" cannot delete"));

    let as_other = request("GET", &format!("{MAPS}?limit=1"), "", &[("impersonate-user", "other")]);
    assert_eq!(world.client.send(&admin, as_other).await.unwrap().status, 403);
    let acting = &records(&world, &format!("{MAPS}?limit=1"), 1).await[0];
    assert_eq!(acting["user"]["username"], "admin");
    assert_eq!(acting["impersonatedUser"]["username"], "other");

    let bad = request("GET", &format!("{MAPS}?limit=2"), "", &[("authorization", "Bearer nonsense")]);
    let bad = world.client.send(&Identity::None, bad).await.unwrap();
    assert_eq!(bad.status, 401);
    let stranger = &records(&world, &format!("{MAPS}?limit=2"), 1).await[0];
    assert_eq!((&stranger["responseStatus"]["code"], stranger.get("annotations")), (&401.into(), None));
    assert_eq!(stranger["auditID"].as_str(), bad.header("audit-id").first().map(|it| &**it));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_recorded_when_it_begins_and_when_it_ends() {
    let world = World::new(34).await;
    let admin = user("admin", &["system:masters"]);
    let path = format!("{MAPS}?watch=true");
    let series = r#"apiserver_longrunning_requests{component="apiserver",group="",resource="configmaps",scope="namespace",subresource="",verb="WATCH",version="v1"}"#;
    let stream = world.client.open(&admin, request("GET", &path, "", &[])).await.unwrap();
    let begun = records(&world, &path, 1).await;
    assert_eq!(begun[0]["stage"], "ResponseStarted");
    assert_eq!(sample(&metrics(&world, &admin).await, series), Some(1.0));
    drop(stream);
    let ended = records(&world, &path, 2).await;
    assert_eq!((&ended[1]["stage"], &ended[1]["auditID"]), (&"ResponseComplete".into(), &begun[0]["auditID"]));
    assert!(ended[1]["stageTimestamp"].as_str() > begun[0]["stageTimestamp"].as_str(), "{ended:?}");
    assert_eq!(sample(&metrics(&world, &admin).await, series), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_was_asked() {
    let world = World::new(34).await;
    let (admin, nobody) = (user("admin", &["system:masters"]), user("nobody", &[]));
    assert_eq!(ask(&world, &nobody, "GET", "/metrics").await.status, 403);
    let before = metrics(&world, &admin).await;
    let stored = |text: &str| sample(text, r#"apiserver_storage_objects{resource="configmaps"}"#).unwrap();
    for number in 0..3 {
        let body = format!(r#"{{"metadata":{{"name":"m{number}"}}}}"#);
        assert_eq!(world.client.send(&admin, request("POST", MAPS, &body, &[])).await.unwrap().status, 201);
    }
    ask(&world, &admin, "GET", &format!("{MAPS}/m0")).await;
    ask(&world, &admin, "GET", "/api/v1/nosuchthings/x").await;
    ask(&world, &admin, "GET", "/api/v1/whatever/y").await;
    let after = metrics(&world, &admin).await;
    let labels = |code: &str, scope: &str, verb: &str| {
        format!(
            r#"apiserver_request_total{{code="{code}",component="apiserver",dry_run="",group="",resource="configmaps",scope="{scope}",subresource="",verb="{verb}",version="v1"}}"#
        )
    };
    assert_eq!(sample(&after, &labels("201", "resource", "POST")), Some(3.0));
    assert_eq!(sample(&after, &labels("200", "resource", "GET")), Some(1.0));
    assert!(stored(&after) >= stored(&before) + 3.0);
    assert!(!after.contains("nosuchthings") && !after.contains("whatever"), "what is not served makes no series");
    let took = r#"apiserver_request_duration_seconds_count{component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"}"#;
    assert_eq!(sample(&after, took), Some(3.0));
    assert!(after.contains("kubernetes_build_info{") && after.contains("git_version=\"v1.34."), "{after}");
    let seats = r#"apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"}"#;
    assert!(sample(&after, seats).unwrap() > 1.0, "{after}");
    // Every sample belongs to a metric that was announced, and to one only.
    let announced: Vec<&str> = after.lines().filter_map(|it| it.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut once = announced.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), announced.len());
}
