//! Two clusters of one account in one VPC: nothing that opens one opens the other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, host};
use serde_json::Value;

/// What `curl` at `outside` says with a token: the status code and the body.
fn ask(postern: &Postern, cluster: &Value, token: &str, path: &str, more: &[&str]) -> (String, String) {
    let url = format!("https://{}{path}", host(cluster));
    let bearer = format!("Authorization: Bearer {token}");
    let mut words = vec!["curl", "-ks", "--max-time", "5", "-w", "\n%{http_code}", "-H", &bearer, &url];
    words.extend(more);
    let out = postern.at("outside", &words).ok();
    let (body, code) = out.rsplit_once('\n').unwrap();
    (code.to_owned(), body.to_owned())
}

#[test]
fn what_opens_one_cluster_does_not_open_another() {
    let postern = Postern::up("eu-south-1");
    let (_, subnets) = postern.public_vpc("10.72.0.0/16", [("a", "10.72.1.0/24"), ("b", "10.72.2.0/24")]);
    let (one, two) = (postern.cluster("one", "1.32", &subnets, ""), postern.cluster("two", "1.32", &subnets, ""));
    let token = |name: &str| postern.query(&format!("eks get-token --cluster-name {name}"), "status.token");
    let (first, second) = (token("one"), token("two"));
    let namespaces = "/api/v1/namespaces";
    assert_eq!(ask(&postern, &one, &first, namespaces, &[]).0, "200");
    // The same caller is an administrator of both, and still a token is for the cluster that it names.
    assert_eq!(ask(&postern, &two, &first, namespaces, &[]).0, "401");
    assert_eq!(ask(&postern, &one, &second, namespaces, &[]).0, "401");

    let wish = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#;
    let json = ["-H", "Content-Type: application/json", "-d", wish];
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let (code, body) = ask(&postern, &one, &first, path, &json);
    assert_eq!(code, "201", "{body}");
    let account = serde_json::from_str::<Value>(&body).unwrap()["status"]["token"].as_str().unwrap().to_owned();
    let (code, body) = ask(&postern, &one, &account, namespaces, &[]);
    assert_eq!(code, "403", "{body}");
    assert!(body.contains("system:serviceaccount:default:default"), "{body}");
    assert_eq!(ask(&postern, &two, &account, namespaces, &[]).0, "401");

    // A cluster's certificate is no other authority's.
    let files = tempfile::tempdir().unwrap();
    let authority = files.path().join("ca.pem");
    let encoded = one["certificateAuthority"]["data"].as_str().unwrap();
    let script = format!("echo {encoded} | base64 -d > {}", authority.display());
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let trusting = |cluster: &Value| {
        let url = format!("https://{}/healthz", host(cluster));
        postern.at("outside", &["curl", "-s", "--max-time", "5", "--cacert", authority.to_str().unwrap(), &url]).code
    };
    assert_eq!((trusting(&one), trusting(&two)), (0, 60), "60: the certificate can't be verified");

    // What is written to one is not seen in the other, and numbers of one say nothing about the other.
    let body = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"mine"}}"#;
    let json = ["-H", "Content-Type: application/json", "-d", body];
    assert_eq!(ask(&postern, &one, &first, namespaces, &json).0, "201");
    assert_eq!(ask(&postern, &two, &second, "/api/v1/namespaces/mine", &[]).0, "404");
}
