//! What every namespace has, token Secrets, and aggregated roles.

use crate::harness::{Cluster, ROOT_CA, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_namespace_has_its_account_and_the_root_certificates() {
    let cluster = Cluster::start(34).await;
    cluster.namespace("b").await;
    for namespace in ["a", "b"] {
        until("it has both", || {
            cluster.get("serviceaccounts", namespace, "default").is_some()
                && cluster
                    .get("configmaps", namespace, "kube-root-ca.crt")
                    .is_some_and(|it| it["data"] == json!({"ca.crt": ROOT_CA}))
        })
        .await;
    }
    cluster.delete("serviceaccounts", "a", "default", None).await;
    until("it is made again", || cluster.get("serviceaccounts", "a", "default").is_some()).await;
    cluster
        .merge(
            "configmaps",
            "a",
            "kube-root-ca.crt",
            json!({"data": {"ca.crt": "junk", "x": "y"}, "metadata": {"annotations": null}}),
        )
        .await;
    let right = |it: &Value| {
        it["data"] == json!({"ca.crt": ROOT_CA})
            && it["metadata"]["annotations"]["kubernetes.io/description"].is_string()
    };
    until("it is put right", || cluster.get("configmaps", "a", "kube-root-ca.crt").is_some_and(|it| right(&it))).await;
    cluster.delete("configmaps", "a", "kube-root-ca.crt", None).await;
    until("it is made again", || cluster.get("configmaps", "a", "kube-root-ca.crt").is_some_and(|it| right(&it))).await;
    cluster.quiet().await;
    let revision = cluster.registry.revision();
    cluster.quiet().await;
    assert_eq!(cluster.registry.revision(), revision, "controllers rest");
}

fn token_secret(name: &str, account: &str) -> Value {
    let metadata = json!({"name": name, "annotations": {"kubernetes.io/service-account.name": account}});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_secrets_are_filled_and_end_with_their_account() {
    let cluster = Cluster::start(34).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}, "secrets": [{"name": "x-token-1"}, {"name": "mine"}]});
    let account = cluster.create("a", account).await;
    cluster.create("a", token_secret("x-token-1", "x")).await;
    until("it has a token", || {
        cluster.get("secrets", "a", "x-token-1").is_some_and(|it| it["data"]["token"].is_string())
    })
    .await;
    let secret = cluster.get("secrets", "a", "x-token-1").unwrap();
    assert_eq!(secret["data"]["namespace"], "YQ==");
    assert_eq!(secret["data"]["token"], "dG9rZW4gb2YgYS94");
    assert_eq!(secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"], account["metadata"]["uid"]);
    cluster.create("a", token_secret("dangling", "nobody")).await;
    until("it is gone", || cluster.get("secrets", "a", "dangling").is_none()).await;
    cluster.delete("secrets", "a", "x-token-1", None).await;
    until("the account forgets it", || {
        cluster.get("serviceaccounts", "a", "x").is_some_and(|it| it["secrets"] == json!([{"name": "mine"}]))
    })
    .await;
    cluster.create("a", token_secret("second", "x")).await;
    until("it has a token", || cluster.get("secrets", "a", "second").is_some_and(|it| it["data"]["token"].is_string()))
        .await;
    cluster.delete("serviceaccounts", "a", "x", None).await;
    until("it ends with its account", || cluster.get("secrets", "a", "second").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_made_of_others() {
    let cluster = Cluster::start(34).await;
    let version = "rbac.authorization.k8s.io/v1";
    let rule = |verb: &str| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]});
    let role = |name: &str, label: &str, rules: Value| json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name, "labels": {label: "true"}}, "rules": rules});
    let made_of = |name: &str, label: &str, from: &str| {
        let mut role = role(name, label, Value::Null);
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {from: "true"}}]});
        role
    };
    cluster.create("", made_of("top", "none", "to-top")).await;
    cluster.create("", made_of("middle", "to-top", "to-middle")).await;
    cluster.create("", role("leaf", "to-middle", json!([rule("get")]))).await;
    let rules = |name: &str| cluster.get("clusterroles", "", name).unwrap()["rules"].clone();
    until("it comes up to the top", || rules("top") == json!([rule("get")])).await;
    cluster.merge("clusterroles", "", "leaf", json!({"rules": [rule("list")]})).await;
    until("it follows", || rules("top") == json!([rule("list")])).await;
    let managers = cluster.get("clusterroles", "", "top").unwrap()["metadata"]["managedFields"].clone();
    let applied = |it: &Value| it["manager"] == "clusterrole-aggregation-controller" && it["operation"] == "Apply";
    assert!(managers.as_array().unwrap().iter().any(applied), "{managers}");
}
