//! Subresources that have no object of their own behind them.
#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic; the harness is shared")]

mod harness;

use bytes::Bytes;
use harness::{Identity, World};
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

async fn ask(world: &World, method: &str, path: &str, accept: &str, body: &Value) -> (u16, Value) {
    let who = Identity::Certificate("admin".to_owned(), vec!["system:masters".to_owned()]);
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header("host", "cluster.test").header("accept", accept);
    let request = request.header("content-type", "application/json").body(Full::new(body)).unwrap();
    let answer = world.client.send(&who, request).await.unwrap();
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

#[tokio::test]
async fn what_a_node_would_answer_is_refused_for_a_pod_without_one_by_any_method() {
    let world = World::new(34).await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    ask(&world, "POST", "/api/v1/namespaces/default/serviceaccounts", "*/*", &account).await;
    let (code, made) = ask(&world, "POST", pods, "*/*", &pod).await;
    assert_eq!(code, 201, "{made}");
    for (method, what) in
        [("GET", "log"), ("GET", "exec"), ("POST", "exec"), ("POST", "attach"), ("POST", "portforward")]
    {
        let (code, told) = ask(&world, method, &format!("{pods}/p/{what}?command=ls"), "*/*", &Value::Null).await;
        assert_eq!((code, told["message"].as_str()), (400, Some("pod p does not have a host assigned")), "{method}");
        let (code, told) = ask(&world, method, &format!("{pods}/q/{what}"), "*/*", &Value::Null).await;
        assert_eq!((code, told["message"].as_str()), (404, Some("pods \"q\" not found")), "{method} {what}");
    }
}

#[tokio::test]
async fn a_scale_has_columns_of_its_own() {
    let world = World::new(34).await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    assert_eq!(ask(&world, "POST", sets, "*/*", &set).await.0, 201);
    let (code, table) = ask(&world, "GET", &format!("{sets}/r/scale"), TABLE, &Value::Null).await;
    assert_eq!(code, 200, "{table}");
    let names: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("r"), json!(3), json!(0)]);
}
