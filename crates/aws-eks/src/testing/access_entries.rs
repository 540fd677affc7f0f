//! Access entries through the operations.

use super::*;
use crate::access_entries::IamPrincipal;
use crate::access_entries::records::{AccessEntry, entry_key, entry_prefix};
use crate::identity::{self, KubernetesIdentity};
use crate::records::ClusterKey;
use crate::tokens::StsIdentity;

const DEV: &str = "arn:aws:iam::111122223333:role/team/dev";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const NODE: &str = "arn:aws:iam::111122223333:role/node";
const ADMIN: &str = "arn:aws:iam::111122223333:user/admin";
const VIEW: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

fn blue() -> ClusterKey {
    ClusterKey {
        account: "111122223333".parse().unwrap(),
        region: "ap-northeast-2".parse().unwrap(),
        name: "blue".to_owned(),
    }
}

/// A world with the cluster `blue` in `mode`.
async fn world(mode: &str, creator: bool) -> World {
    let world = World::running();
    let access = json!({"authenticationMode": mode, "bootstrapClusterCreatorAdminPermissions": creator});
    world.get("CreateCluster", World::request("blue", json!({ "accessConfig": access }))).await;
    world.settled().await;
    world
}

/// An input about `blue` and a principal, with changes.
fn about(principal: &str, change: Value) -> Value {
    let mut input = json!({"clusterName": "blue", "principalArn": principal});
    merge(&mut input, change);
    input
}

async fn refused(world: &World, operation: &str, input: Value, code: &str, text: &str) {
    let fault = world.ask(operation, input).await.unwrap_err();
    assert_eq!((fault.code.as_ref(), fault.message.as_str()), (code, text), "{operation}");
    assert_eq!(fault.members["clusterName"], "blue");
}

async fn listed(world: &World, change: Value) -> Value {
    let mut input = json!({"clusterName": "blue"});
    merge(&mut input, change);
    world.get("ListAccessEntries", input).await
}

#[tokio::test(start_paused = true)]
async fn an_entry_comes_is_shown_changes_and_goes() {
    let world = world("API", false).await;
    assert_eq!(listed(&world, json!({})).await, json!({"accessEntries": []}));
    let made = world.get("CreateAccessEntry", about(DEV, json!({"tags": {"a": "b"}}))).await;
    let made = &made["accessEntry"];
    assert_eq!(made["username"], "arn:aws:sts::111122223333:assumed-role/dev/{{SessionName}}");
    assert_eq!((&made["type"], &made["kubernetesGroups"]), (&json!("STANDARD"), &json!([])));
    assert_eq!((&made["clusterName"], &made["principalArn"]), (&json!("blue"), &json!(DEV)));
    let arn = made["accessEntryArn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:eks:ap-northeast-2:111122223333:access-entry/blue/role/111122223333/dev/"));
    assert_eq!((&made["tags"], &made["createdAt"]), (&json!({"a": "b"}), &made["modifiedAt"]));
    assert_eq!(world.get("DescribeAccessEntry", about(DEV, json!({}))).await["accessEntry"], *made);

    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let change = json!({"username": "me:{{SessionName}}", "kubernetesGroups": ["g", "h"]});
    let changed = world.get("UpdateAccessEntry", about(DEV, change)).await["accessEntry"].take();
    assert_eq!(
        (&changed["username"], &changed["kubernetesGroups"]),
        (&json!("me:{{SessionName}}"), &json!(["g", "h"]))
    );
    assert_eq!(changed["createdAt"], made["createdAt"]);
    assert_ne!(changed["modifiedAt"], made["modifiedAt"]);
    let groups = world.get("UpdateAccessEntry", about(DEV, json!({"kubernetesGroups": []}))).await;
    assert_eq!(groups["accessEntry"]["username"], "me:{{SessionName}}", "what is left out stays");
    assert_eq!(groups["accessEntry"]["kubernetesGroups"], json!([]));

    assert_eq!(world.get("DeleteAccessEntry", about(DEV, json!({}))).await, json!({}));
    let missing = "The specified principalArn could not be found. You can view your available access entries with \
                   'list-access-entries'.";
    for operation in ["DescribeAccessEntry", "UpdateAccessEntry", "DeleteAccessEntry", "ListAssociatedAccessPolicies"] {
        refused(&world, operation, about(DEV, json!({})), "ResourceNotFoundException", missing).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_creator_has_an_entry_where_it_is_asked_for() {
    let with = world("API_AND_CONFIG_MAP", true).await;
    assert_eq!(listed(&with, json!({})).await, json!({"accessEntries": [ADMIN]}));
    let policies = with.get("ListAssociatedAccessPolicies", about(ADMIN, json!({}))).await;
    assert_eq!(policies["associatedAccessPolicies"][0]["policyArn"], CLUSTER_ADMIN);
    assert_eq!(policies["associatedAccessPolicies"][0]["accessScope"], json!({"type": "cluster", "namespaces": []}));
    let without = world("API_AND_CONFIG_MAP", false).await;
    assert_eq!(listed(&without, json!({})).await, json!({"accessEntries": []}));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_creates_is_its_role_with_its_path() {
    let world = World::running();
    let caller = Caller {
        principal: Principal::AssumedRole { role: "dev".into(), session: "me".into() },
        arn: "arn:aws:sts::111122223333:assumed-role/dev/me".into(),
        user_id: "AROADEV:me".into(),
        ..world.context().caller
    };
    let ctx = Context { caller, ..world.context() };
    let ask = World::request("blue", json!({"accessConfig": {"authenticationMode": "API"}}));
    eks::dispatch(&world.service, &ctx, "CreateCluster", ask).await.unwrap();
    world.settled().await;
    assert_eq!(listed(&world, json!({})).await, json!({"accessEntries": [DEV]}));
    let principal = IamPrincipal::parse("arn:aws:iam::111122223333:role/dev").unwrap();
    let entry: AccessEntry = world.records.get(&entry_key(&blue(), &principal)).unwrap().unwrap();
    assert_eq!((entry.principal_id.as_str(), entry.of_creator), ("AROADEV", true));
}

#[tokio::test(start_paused = true)]
async fn config_map_mode_hides_entries_until_the_next_mode() {
    let world = world("CONFIG_MAP", true).await;
    let text =
        "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.";
    let policy = json!({"policyArn": VIEW, "accessScope": {"type": "cluster"}});
    for (operation, input) in [
        ("CreateAccessEntry", about(DEV, json!({}))),
        ("DescribeAccessEntry", about(DEV, json!({}))),
        ("ListAccessEntries", json!({"clusterName": "blue"})),
        ("UpdateAccessEntry", about(DEV, json!({}))),
        ("DeleteAccessEntry", about(ADMIN, json!({}))),
        ("AssociateAccessPolicy", about(ADMIN, policy.clone())),
        ("DisassociateAccessPolicy", about(ADMIN, policy)),
        ("ListAssociatedAccessPolicies", about(ADMIN, json!({}))),
    ] {
        refused(&world, operation, input, "InvalidRequestException", text).await;
    }
    let next = json!({"name": "blue", "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}});
    let update = world.get("UpdateClusterConfig", next).await;
    assert_eq!(update["update"]["type"], "AccessConfigUpdate");
    assert_eq!(update["update"]["params"], json!([{"type": "AuthenticationMode", "value": "API_AND_CONFIG_MAP"}]));
    world.settled().await;
    assert_eq!(listed(&world, json!({})).await, json!({"accessEntries": [ADMIN]}));
}

#[tokio::test(start_paused = true)]
async fn principals_must_be_there_and_have_one_entry() {
    let world = world("API", false).await;
    let invalid = "The specified principalArn is invalid: invalid principal.";
    for principal in [
        "arn:aws:iam::111122223333:role/nobody",
        "arn:aws:iam::111122223333:role/dev",
        "arn:aws:iam::111122223333:user/nobody",
        "arn:aws:sts::111122223333:assumed-role/dev/me",
    ] {
        let code = "InvalidParameterException";
        refused(&world, "CreateAccessEntry", about(principal, json!({})), code, invalid).await;
    }
    for principal in [BOB, "arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:role/team/dev"] {
        world.get("CreateAccessEntry", about(principal, json!({"clientRequestToken": "t"}))).await;
    }
    world.get("CreateAccessEntry", about(BOB, json!({"clientRequestToken": "t"}))).await;
    let text = "The specified access entry resource is already in use on this cluster.";
    let again = about(BOB, json!({"clientRequestToken": "u"}));
    refused(&world, "CreateAccessEntry", again, "ResourceInUseException", text).await;
}

#[tokio::test(start_paused = true)]
async fn nodes_entries_are_the_services_to_fill_in() {
    let world = world("API", false).await;
    let made = world.get("CreateAccessEntry", about(NODE, json!({"type": "EC2_LINUX", "kubernetesGroups": []}))).await;
    assert_eq!(made["accessEntry"]["username"], "system:node:{{EC2PrivateDNSName}}");
    assert_eq!(made["accessEntry"]["kubernetesGroups"], json!(["system:nodes"]));
    let (code, text) = (
        "InvalidParameterException",
        "This operation can only be performed on Access Entries with a type of \"STANDARD\".",
    );
    let policy = json!({"policyArn": VIEW, "accessScope": {"type": "cluster"}});
    refused(&world, "AssociateAccessPolicy", about(NODE, policy), code, text).await;
    refused(&world, "UpdateAccessEntry", about(NODE, json!({"kubernetesGroups": []})), code, text).await;
    let system = json!({"username": "system:node:{{EC2PrivateDNSName}}"});
    let text = "The username must not begin with system:";
    refused(&world, "UpdateAccessEntry", about(NODE, system), code, text).await;
    let unknown = world.ask("CreateAccessEntry", about(DEV, json!({"type": "BOAT"}))).await.unwrap_err();
    assert_eq!(unknown.code, code);
}

#[tokio::test(start_paused = true)]
async fn policies_are_associated_scoped_anew_and_taken_away() {
    let world = world("API", false).await;
    world.get("CreateAccessEntry", about(DEV, json!({}))).await;
    let view = |scope: Value| about(DEV, json!({"policyArn": VIEW, "accessScope": scope}));
    let first = world.get("AssociateAccessPolicy", view(json!({"type": "cluster"}))).await;
    assert_eq!((&first["clusterName"], &first["principalArn"]), (&json!("blue"), &json!(DEV)));
    let first = &first["associatedAccessPolicy"];
    assert_eq!(first["associatedAt"], first["modifiedAt"]);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let scope = json!({"type": "namespace", "namespaces": ["dev-*"]});
    let second = world.get("AssociateAccessPolicy", view(scope.clone())).await["associatedAccessPolicy"].take();
    assert_eq!((&second["accessScope"], &second["associatedAt"]), (&scope, &first["associatedAt"]));
    assert_ne!(second["modifiedAt"], first["modifiedAt"]);
    let admin = about(DEV, json!({"policyArn": CLUSTER_ADMIN, "accessScope": {"type": "cluster"}}));
    world.get("AssociateAccessPolicy", admin).await;
    let page = world.get("ListAssociatedAccessPolicies", about(DEV, json!({"maxResults": 1}))).await;
    assert_eq!(page["associatedAccessPolicies"][0]["policyArn"], CLUSTER_ADMIN);
    let next = about(DEV, json!({"nextToken": page["nextToken"]}));
    assert_eq!(world.get("ListAssociatedAccessPolicies", next).await["associatedAccessPolicies"], json!([second]));

    world.get("DisassociateAccessPolicy", about(DEV, json!({"policyArn": VIEW}))).await;
    let missing = "ResourceNotFoundException";
    let text = "The specified policyArn is not associated with the access entry.";
    refused(&world, "DisassociateAccessPolicy", about(DEV, json!({"policyArn": VIEW})), missing, text).await;
    let text = "The specified policyArn could not be found.";
    let wrong = json!({"policyArn": "arn:aws:eks:::cluster-access-policy/X", "accessScope": {"type": "cluster"}});
    refused(&world, "AssociateAccessPolicy", about(DEV, wrong), missing, text).await;
}

/// Who a caller is in `blue`.
fn enter(world: &World, caller: &Caller) -> Option<KubernetesIdentity> {
    let who = StsIdentity::of(caller).unwrap();
    identity::look_up(&world.records, &blue(), None, &who).unwrap()?.user(&who, None)
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_holds_at_once() {
    let world = world("API", false).await;
    let dev = Caller {
        principal: Principal::AssumedRole { role: "dev".into(), session: "me".into() },
        arn: "arn:aws:sts::111122223333:assumed-role/dev/me".into(),
        user_id: "AROADEV:me".into(),
        ..world.context().caller
    };
    assert_eq!(enter(&world, &dev), None);
    world.get("CreateAccessEntry", about(DEV, json!({"kubernetesGroups": ["g"]}))).await;
    let user = enter(&world, &dev).unwrap();
    assert_eq!(
        (user.username.as_str(), user.groups),
        ("arn:aws:sts::111122223333:assumed-role/dev/me", vec!["g".into()])
    );
    let scope = json!({"policyArn": VIEW, "accessScope": {"type": "namespace", "namespaces": ["a"]}});
    world.get("AssociateAccessPolicy", about(DEV, scope)).await;
    let policies = enter(&world, &dev).unwrap().policies;
    assert_eq!((policies.len(), policies[0].policy_arn.as_str()), (1, VIEW));
    let anew = Caller { user_id: "AROAANEW:me".into(), ..dev.clone() };
    assert_eq!(enter(&world, &anew), None, "a role of the same name is another one");
    world.get("DeleteAccessEntry", about(DEV, json!({}))).await;
    assert_eq!(enter(&world, &dev), None);
}

#[tokio::test(start_paused = true)]
async fn the_creator_goes_in_before_and_after_the_mode_changes() {
    let world = world("CONFIG_MAP", true).await;
    let admin = world.context().caller;
    assert_eq!(enter(&world, &admin).unwrap().username, "kubernetes-admin");
    let next = json!({"name": "blue", "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}});
    world.get("UpdateClusterConfig", next).await;
    assert_eq!(enter(&world, &admin).unwrap().policies[0].policy_arn, CLUSTER_ADMIN);
}

#[tokio::test(start_paused = true)]
async fn lists_have_pages_and_a_filter() {
    let world = world("API", true).await;
    for principal in [DEV, BOB, NODE] {
        world.get("CreateAccessEntry", about(principal, json!({}))).await;
    }
    let first = listed(&world, json!({"maxResults": 3})).await;
    assert_eq!(first["accessEntries"], json!([NODE, DEV, ADMIN]));
    let rest = listed(&world, json!({"maxResults": 3, "nextToken": first["nextToken"]})).await;
    assert_eq!(rest, json!({"accessEntries": [BOB]}));
    let admins = listed(&world, json!({"associatedPolicyArn": CLUSTER_ADMIN})).await;
    assert_eq!(admins, json!({"accessEntries": [ADMIN]}));
    let policies = world.get("ListAccessPolicies", json!({"maxResults": 6})).await;
    let last = json!({"name": "AmazonEKSClusterAdminPolicy", "arn": CLUSTER_ADMIN});
    assert_eq!(policies["accessPolicies"][5], last);
    let rest = world.get("ListAccessPolicies", json!({"nextToken": policies["nextToken"]})).await;
    assert_eq!(rest["accessPolicies"].as_array().unwrap().len(), 13);
}

#[tokio::test(start_paused = true)]
async fn entries_have_tags() {
    let world = world("API", false).await;
    let made = world.get("CreateAccessEntry", about(DEV, json!({}))).await;
    let arn = made["accessEntry"]["accessEntryArn"].as_str().unwrap();
    world.get("TagResource", json!({"resourceArn": arn, "tags": {"a": "1", "b": "2"}})).await;
    world.get("UntagResource", json!({"resourceArn": arn, "tagKeys": ["b"]})).await;
    assert_eq!(world.get("ListTagsForResource", json!({"resourceArn": arn})).await, json!({"tags": {"a": "1"}}));
    let shown = world.get("DescribeAccessEntry", about(DEV, json!({}))).await;
    assert_eq!(shown["accessEntry"]["tags"], json!({"a": "1"}));
    let other = json!({"resourceArn": format!("{arn}0")});
    assert_eq!(world.ask("ListTagsForResource", other).await.unwrap_err().code, "NotFoundException");
}

#[tokio::test(start_paused = true)]
async fn entries_go_with_their_cluster() {
    let world = world("API", true).await;
    world.get("CreateAccessEntry", about(DEV, json!({}))).await;
    world.get("DeleteCluster", json!({"name": "blue"})).await;
    let fault = world.ask("CreateAccessEntry", about(BOB, json!({}))).await.unwrap_err();
    assert_eq!(fault.message, "Cluster 'blue' is not in ACTIVE status");
    world.settled().await;
    assert!(world.records.scan::<Value>(&entry_prefix(&blue())).unwrap().is_empty());
    let fault = world.ask("ListAccessEntries", json!({"clusterName": "blue"})).await.unwrap_err();
    assert_eq!(fault.message, "No cluster found for name: blue.");
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_form_that_clients_read() {
    let world = world("API", false).await;
    let fault = world.ask("DescribeAccessEntry", about(DEV, json!({}))).await.unwrap_err();
    let models = aws_model::Models::load().unwrap();
    let reply = aws_wire::encode::fault(models.service("eks").unwrap(), &fault, "r-1");
    assert_eq!(reply.status, 404);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["clusterName"], "blue");
    assert!(body["message"].as_str().unwrap().starts_with("The specified principalArn could not be found."));
    let header = |name: &str| reply.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|it| &it.1[..]);
    assert_eq!(header("x-amzn-errortype"), Some("ResourceNotFoundException"));
}
