//! Decisions, refusals and bootstrap objects against what an API server answered (1.20.2).

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use k8s_authz::review::{Kind, answer_access, rules_namespace, rules_status};
use k8s_authz::rule::{PolicyRule, compact, missing};
use k8s_authz::signers::{self, Act};
use k8s_authz::{Attributes, Authorizer, ClusterAuthorizer, User, bootstrap, escalation};
use serde_json::{Value, json};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/";

fn scenarios(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{GOLDEN}{file}")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scenario(file: &str, name: &str) -> Value {
    scenarios(file).into_iter().find(|it| it["name"] == name).unwrap()
}

fn user(of: &Value) -> User {
    let (name, groups, all) = match of {
        Value::Null => ("admin", vec!["system:masters"], "system:authenticated"),
        Value::String(_) => ("system:anonymous", vec![], "system:unauthenticated"),
        it => {
            let groups = it["groups"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            (it["user"].as_str().unwrap(), groups, "system:authenticated")
        }
    };
    let groups = groups.into_iter().chain([all]).map(str::to_owned).collect();
    User { name: name.to_owned(), groups, ..User::default() }
}

fn unescape(path: &str) -> String {
    path.replace("%3C", "<").replace("%3E", ">")
}

/// What a request wants: enough of the API's own rules for the requests recorded.
fn attributes<'a>(user: &'a User, method: &str, path: &'a str) -> Attributes<'a> {
    let verb = match method {
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        _ => "delete",
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut steps: Vec<&str> = path.split('/').skip(1).collect();
    let group = match steps.first() {
        Some(&"api") if steps.len() > 2 => "",
        Some(&"apis") if steps.len() > 3 => steps.remove(1),
        _ => return Attributes::path(user, if verb == "create" { "post" } else { verb }, path),
    };
    let mut rest = &steps[2..];
    let watch = rest[0] == "watch" || query.contains("watch=true");
    if rest[0] == "watch" {
        rest = &rest[1..];
    }
    let mut namespace = "";
    if rest[0] == "namespaces" && rest.len() > 1 {
        namespace = rest[1];
        if rest.len() > 2 && !matches!(rest[2], "status" | "finalize") {
            rest = &rest[2..];
        }
    }
    let name = rest.get(1).copied().unwrap_or_default();
    let selected = query.split('&').find_map(|it| it.strip_prefix("fieldSelector=metadata.name%3D"));
    let verb = match verb {
        "get" if name.is_empty() && watch => "watch",
        "get" if name.is_empty() => "list",
        "delete" if name.is_empty() => "deletecollection",
        verb => verb,
    };
    let subresource = rest.get(2).copied().unwrap_or_default();
    let name = selected.unwrap_or(name);
    Attributes { namespace, name, subresource, ..Attributes::resource(user, verb, group, rest[0]) }
}

fn cluster(minor: u32) -> ClusterAuthorizer {
    let mut cluster = ClusterAuthorizer::new(minor);
    for object in bootstrap::objects(minor) {
        cluster.put(&object);
    }
    cluster
}

/// The object that a successful request left.
fn written(method: &str, path: &str, body: &Value) -> Option<Value> {
    let path = path.split('?').next().unwrap();
    let collection = path.rsplit('/').next().unwrap();
    let kind = match collection {
        "roles" => "Role",
        "rolebindings" => "RoleBinding",
        "clusterroles" => "ClusterRole",
        "clusterrolebindings" => "ClusterRoleBinding",
        "pods" => "Pod",
        _ => return None,
    };
    if method != "POST" || !body["metadata"].is_object() {
        return None;
    }
    let mut object = body.clone();
    object["kind"] = json!(kind);
    if let Some((_, rest)) = path.split_once("/namespaces/") {
        object["metadata"]["namespace"] = json!(rest.split('/').next().unwrap());
    }
    Some(object)
}

fn prepare(cluster: &mut ClusterAuthorizer, scenario: &Value) {
    for step in scenario["setup"].as_array().into_iter().flatten() {
        let path = step["path"].as_str().unwrap();
        if let Some(object) = written(step["method"].as_str().unwrap(), path, &step["body"]) {
            cluster.put(&object);
        }
    }
}

#[test]
fn refusals_are_those_recorded() {
    let mut count = 0;
    for name in ["authz/forbidden-messages", "authz/reviews", "authz/rbac-escalation", "authz/csr"] {
        let scenario = scenario("admission-authz.jsonl", name);
        let mut cluster = cluster(24);
        prepare(&mut cluster, &scenario);
        for step in scenario["steps"].as_array().unwrap() {
            let (request, response) = (&step["request"], &step["response"]);
            let (method, path) = (request["method"].as_str().unwrap(), unescape(request["path"].as_str().unwrap()));
            if response["status"] == 401 {
                continue;
            }
            let user = user(&step["as"]);
            let mut ask = attributes(&user, method, &path);
            if ask.verb == "create" && ask.subresource.is_empty() {
                ask.name = "";
            }
            let decision = cluster.decide(&ask);
            let message = response["body"]["message"].as_str().unwrap_or_default();
            if response["status"] == 403 && message.contains(": User \"") {
                assert!(!decision.allowed, "{method} {path}");
                let status = ask.forbidden(&decision.reason).to_value();
                assert_eq!(status["message"], message, "{method} {path}");
                assert_eq!(status["details"], response["body"]["details"], "{method} {path}");
                count += 1;
            } else {
                assert!(decision.allowed, "{method} {path} by {}: {}", user.name, decision.reason);
            }
            if response["status"] == 201
                && let Some(object) = written(method, &path, &request["body"])
            {
                cluster.put(&object);
            }
        }
    }
    assert!(count > 35, "{count}");
}

#[test]
fn errors_are_those_recorded() {
    let scenario = scenario("errors.jsonl", "auth-errors");
    let cluster = cluster(24);
    let mut count = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let headers = &request["headers"];
        let user = match headers.get("authorization") {
            Some(_) => user(&json!("anonymous")),
            None if request["user"] == "unprivileged" => user(&json!({"user": "bob", "groups": ["devs"]})),
            None => user(&Value::Null),
        };
        let message = response["body"]["message"].as_str().unwrap_or_default();
        if matches!(response["status"].as_u64(), Some(401 | 500)) {
            continue;
        }
        if headers.get("impersonate-user").is_some() {
            // The whole server replays these.
            continue;
        }
        let mut ask = attributes(&user, method, path);
        if ask.verb == "create" {
            ask.name = "";
        }
        let decision = cluster.decide(&ask);
        assert_eq!(decision.allowed, response["status"] == 200, "{method} {path}");
        if !decision.allowed {
            let status = ask.forbidden(&decision.reason).to_value();
            assert_eq!(status["message"], message, "{method} {path}");
            assert_eq!(status["details"], response["body"]["details"], "{method} {path}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

fn as_set(list: &Value) -> Vec<String> {
    let mut texts: Vec<String> =
        list.as_array().into_iter().flatten().map(|it| PolicyRule::from_value(it).describe()).collect();
    texts.sort();
    texts
}

/// A recorded text as newer servers word it: JSON, not Go.
fn current(message: &str) -> String {
    message
        .replace("Invalid value: \"null\"", "Invalid value: null")
        .replace(r#"authorization.NonResourceAttributes{Path:"/x", Verb:"get"}"#, r#"{"path":"/x","verb":"get"}"#)
}

#[test]
fn reviews_are_answered_as_recorded() {
    let scenario = scenario("admission-authz.jsonl", "authz/reviews");
    let mut cluster = cluster(24);
    prepare(&mut cluster, &scenario);
    let mut count = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let path = request["path"].as_str().unwrap().strip_prefix(REVIEWS).unwrap();
        if response["status"] == 403 {
            continue;
        }
        count += 1;
        let (user, body) = (user(&step["as"]), &request["body"]);
        if path == "selfsubjectrulesreviews" {
            match rules_namespace(body) {
                Ok(namespace) => {
                    let got = rules_status(&user, &cluster.rbac.rules_for(&user, namespace));
                    let want = &response["body"]["status"];
                    for list in ["resourceRules", "nonResourceRules"] {
                        assert_eq!(as_set(&got[list]), as_set(&want[list]), "{body}");
                    }
                    for member in ["incomplete", "evaluationError"] {
                        assert_eq!(got.get(member), want.get(member), "{body}");
                    }
                }
                Err(status) => assert_eq!(status.message, response["body"]["message"].as_str().unwrap()),
            }
            continue;
        }
        let (kind, namespace) = match path.rsplit('/').next().unwrap() {
            "selfsubjectaccessreviews" => (Kind::SelfSubject, ""),
            "subjectaccessreviews" => (Kind::Subject, ""),
            _ => (Kind::LocalSubject, path.split('/').nth(1).unwrap()),
        };
        match answer_access(kind, body.clone(), &user, namespace, &cluster) {
            Ok(answer) => {
                assert_eq!(response["status"], 201, "{body}");
                // Two bindings allow it; upstream names either.
                let status = answer["status"].to_string().replace("system:discovery", "system:public-info-viewer");
                assert_eq!(status, response["body"]["status"].to_string(), "{body}");
                assert_eq!(answer["spec"], response["body"]["spec"], "{body}");
            }
            Err(status) => {
                assert_eq!(u64::from(status.code), response["status"].as_u64().unwrap(), "{body}");
                assert_eq!(status.message, current(response["body"]["message"].as_str().unwrap()), "{body}");
            }
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn nobody_grants_more_than_recorded() {
    let scenario = scenario("admission-authz.jsonl", "authz/rbac-escalation");
    let mut cluster = cluster(24);
    // What the view role allowed then; the recorded refusal lists it.
    for object in recorded("clusterroles").into_iter().filter(|it| it["metadata"]["name"] == "system:aggregate-to-view")
    {
        cluster.put(&object);
    }
    prepare(&mut cluster, &scenario);
    let mut refused = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let user = user(&step["as"]);
        let message = response["body"]["message"].as_str().unwrap_or_default();
        if message.contains(": User \"") {
            continue;
        }
        assert!(path.starts_with(RBAC));
        let mut object = written(method, path, &request["body"]).unwrap_or_else(|| {
            let mut role = json!({"kind": "Role", "metadata": {"name": "ok", "namespace": "gz-e"}});
            role["rules"] = request["body"].get("rules").cloned().unwrap_or_else(|| json!([]));
            role
        });
        let name = if method == "POST" { "" } else { "ok" };
        let result = if object.get("roleRef").is_some() {
            escalation::check_binding(&cluster.rbac, &cluster, &user, &object)
        } else {
            escalation::check_role(&cluster.rbac, &cluster, &user, &object, name)
        };
        match result {
            Ok(()) => assert!(response["status"].as_u64().unwrap() < 300, "{path} {}: {message}", step["case"]),
            Err(status) => {
                assert_eq!(status.message, message, "{}", step["case"]);
                assert_eq!(status.to_value()["details"], response["body"]["details"], "{}", step["case"]);
                refused += 1;
            }
        }
        if response["status"] == 201 {
            object["metadata"]["namespace"] = json!("gz-e");
            cluster.put(&object);
        }
    }
    assert_eq!(refused, 8);
}

#[test]
fn signers_are_refused_as_recorded() {
    let scenario = scenario("admission-authz.jsonl", "authz/csr");
    let mut cluster = cluster(24);
    prepare(&mut cluster, &scenario);
    let mut refused = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let message = step["response"]["body"]["message"].as_str().unwrap_or_default();
        for (act, path) in [(Act::Approve, "/approval"), (Act::Sign, "/status")] {
            if message.contains("user not permitted") && step["request"]["path"].as_str().unwrap().ends_with(path) {
                assert!(!signers::may(&cluster, &user(&step["as"]), act, "example.com/x"));
                assert!(signers::may(&cluster, &user(&Value::Null), act, "example.com/x"));
                assert_eq!(signers::refusal(act, "gz-a", "example.com/x").message, message);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2);
}

#[test]
fn kubelets_are_refused_as_recorded() {
    let scenario = scenario("admission-plugins.jsonl", "admission/noderestriction-and-node-authorizer");
    let mut cluster = cluster(24);
    let mut count = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let user = user(&step["as"]);
        let mut ask = attributes(&user, method, path);
        if ask.verb == "create" && ask.subresource.is_empty() {
            ask.name = "";
        }
        let decision = cluster.decide(&ask);
        let message = response["body"]["message"].as_str().unwrap_or_default();
        if message.contains(": User \"") {
            count += 1;
            assert_eq!(ask.forbidden(&decision.reason).message, message, "{method} {path}");
        }
        assert_eq!(decision.allowed, !message.contains(": User \""), "{method} {path}: {}", decision.reason);
        if response["status"] == 201
            && let Some(object) = written(method, path, &response["body"])
        {
            cluster.put(&object);
        }
    }
    assert!(count >= 10, "{count}");
}

fn recorded(kind: &str) -> Vec<Value> {
    let scenario = scenario("fresh-apiserver.jsonl", &format!("fresh/{kind}"));
    scenario["steps"][0]["response"]["items"].as_array().unwrap().clone()
}

/// What later minors took away from a role: the first of them, and a part of the rule's text.
const TAKEN_AWAY: &[(u32, &str, &str)] = &[
    (22, "system:aggregate-to-edit", r#"Resources:["endpoints"]"#),
    (22, "system:kubelet-api-admin", r#"Resources:["nodes/spec"]"#),
    (22, "system:controller:horizontal-pod-autoscaler", r#"Resources:["services/proxy"]"#),
    (28, "system:kube-controller-manager", r#"Resources:["endpoints"]"#),
    (28, "system:kube-scheduler", r#"Resources:["endpoints"]"#),
    (31, "system:controller:expand-controller", r#"Resources:["storageclasses"]"#),
    (31, "system:controller:expand-controller", r#"Resources:["endpoints"]"#),
    (31, "system:controller:expand-controller", r#"Resources:["secrets"]"#),
    (31, "system:controller:persistent-volume-binder", r#"Resources:["endpoints"]"#),
    (31, "system:controller:persistent-volume-binder", r#"Resources:["services"]"#),
    (31, "system:controller:persistent-volume-binder", r#"Resources:["secrets"]"#),
    (31, "system:controller:persistent-volume-binder", r#"Resources:["nodes"], Verbs:["get"]"#),
    (35, "system::leader-locking-kube-controller-manager", r#"Resources:["configmaps"]"#),
    (35, "system::leader-locking-kube-scheduler", r#"Resources:["configmaps"]"#),
    (36, "system:controller:expand-controller", r#"Resources:["services"]"#),
];

#[test]
fn a_fresh_cluster_has_what_was_recorded() {
    for minor in 24..=36 {
        let objects = bootstrap::objects(minor);
        for kind in ["clusterroles", "roles", "clusterrolebindings", "rolebindings"] {
            for old in recorded(kind) {
                let name = old["metadata"]["name"].as_str().unwrap();
                let is = |it: &&Value| {
                    it["kind"] == old["kind"]
                        && it["metadata"]["name"] == *name
                        && it["metadata"]["namespace"] == old["metadata"]["namespace"]
                };
                let new = objects.iter().find(is).unwrap_or_else(|| panic!("{minor}: {name}"));
                for member in ["labels", "annotations"] {
                    assert_eq!(new["metadata"][member], old["metadata"][member], "{name}");
                }
                for member in ["apiVersion", "roleRef", "subjects", "aggregationRule"] {
                    assert_eq!(new.get(member), old.get(member), "{minor}: {name} {member}");
                }
                let gone = missing(&PolicyRule::of_role(new), &PolicyRule::of_role(&old));
                for rule in compact(gone).iter().map(PolicyRule::describe) {
                    let known = |it: &&(u32, &str, &str)| it.0 <= minor && it.1 == name && rule.contains(it.2);
                    assert!(TAKEN_AWAY.iter().any(|it| known(&it)), "{minor}: {name} lacks {rule}");
                }
            }
        }
    }
}
