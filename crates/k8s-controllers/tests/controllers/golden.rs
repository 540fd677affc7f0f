//! What controllers were seen to do: the steps of clients are done again, and each object's writes compared.
//!
//! Not compared are statuses of workloads and the doings of controllers that are not here, nor what later releases do
//! otherwise: token Secrets that nobody asked for.

use crate::harness::{Cluster, options};
use k8s_registry::write::Patch;
use k8s_registry::{DeleteOptions, Propagation, Stored, Target, keys};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use store::{Event, KeyRange};

/// The scenarios of a file of records.
pub fn scenarios(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(format!("{file}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// Whether a value is as it was recorded; what stands in angle brackets stands for anything.
pub fn looks_like(value: &Value, recorded: &Value) -> bool {
    match (value, recorded) {
        (_, Value::String(it)) if it.starts_with('<') && it.ends_with('>') => true,
        (Value::Object(value), Value::Object(recorded)) => {
            recorded.iter().all(|(name, it)| value.get(name).is_some_and(|value| looks_like(value, it)))
        }
        (Value::Array(value), Value::Array(recorded)) => {
            value.len() == recorded.len() && value.iter().zip(recorded).all(|(value, it)| looks_like(value, it))
        }
        _ => value == recorded,
    }
}

/// One write: what happened, and which fields came to what.
type Write = (String, BTreeMap<String, Value>);
/// The writes of each object, by kind and name.
type Writes = BTreeMap<String, Vec<Write>>;

fn differences(before: &Value, now: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for name in before.keys().chain(now.keys().filter(|it| !before.contains_key(*it))) {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                if matches!(path.as_str(), "/metadata/managedFields" | "/metadata/resourceVersion") {
                    continue;
                }
                match (before.get(name), now.get(name)) {
                    (Some(before), Some(now)) => differences(before, now, &path, found),
                    (None, Some(now)) => drop(found.insert(path, now.clone())),
                    _ => drop(found.insert(path, json!("<removed>"))),
                }
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (at, (before, now)) in before.iter().zip(now).enumerate() {
                differences(before, now, &format!("{path}/{at}"), found);
            }
        }
        _ if before != now => drop(found.insert(path.to_owned(), now.clone())),
        _ => {}
    }
}

/// What is compared of a write; nothing if it is not.
fn compared(kind: &str, name: &str, event: &str, mut changed: BTreeMap<String, Value>) -> Option<Write> {
    let namespaces_grace = |path: &str| kind == "Namespace" && path == "/metadata/deletionGracePeriodSeconds";
    changed.retain(|path, _| !path.starts_with("/status") && path != "/secrets" && !namespaces_grace(path));
    let own_token = kind == "Secret" && name.contains("-token-");
    // A terminating pod whose time is over is first marked so, then removed, which is the registry's doing.
    let over = kind == "Pod" && changed.get("/metadata/deletionGracePeriodSeconds") == Some(&json!(0));
    if own_token || over || event == "MODIFIED" && changed.is_empty() {
        return None;
    }
    Some((event.to_owned(), changed))
}

/// The writes that were recorded from some entry of a stream on.
fn recorded(stream: &[Value]) -> Writes {
    let mut writes = Writes::new();
    for entry in stream.iter().filter(|it| it.get("kind").is_some()) {
        let (kind, name) = (entry["kind"].as_str().unwrap(), entry["name"].as_str().unwrap());
        let changed = entry.get("changed").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(write) = compared(kind, name, entry["type"].as_str().unwrap(), changed.into_iter().collect()) {
            writes.entry(format!("{kind}/{name}")).or_default().push(write);
        }
    }
    writes
}

/// The writes that happened after a revision.
async fn happened(cluster: &Cluster, after: u64) -> Writes {
    let store = cluster.registry.store();
    let last = store.revision();
    let mut writes = Writes::new();
    let mut watch = store.watch(KeyRange::prefix(keys::ROOT), Some(after + 1)).unwrap();
    let mut at = after;
    while at < last {
        for event in watch.events.recv().await.unwrap().unwrap() {
            at = event.revision();
            let key = String::from_utf8(event.key().to_vec()).unwrap();
            let endpoints = cluster.registry.catalog().endpoints();
            let endpoint = endpoints.iter().find(|it| !it.prefix.is_empty() && key.starts_with(&it.prefix)).unwrap();
            let read = |kv| cluster.registry.read(endpoint, &Stored::from(kv));
            let (kind, name) = (endpoint.resource().kind.to_string(), key.rsplit('/').next().unwrap());
            let mut changed = BTreeMap::new();
            let what = match event {
                Event::Put { prev: None, .. } => "ADDED",
                Event::Delete { .. } => "DELETED",
                Event::Put { kv, prev: Some(prev) } => {
                    differences(&read(prev), &read(kv), "", &mut changed);
                    "MODIFIED"
                }
            };
            if let Some(write) = compared(&kind, name, what, changed) {
                writes.entry(format!("{kind}/{name}")).or_default().push(write);
            }
        }
    }
    writes
}

fn assert_alike(scenario: &str, happened: &Writes, recorded: &Writes) {
    for (object, want) in recorded {
        let got = happened.get(object).cloned().unwrap_or_default();
        let alike = got.len() == want.len()
            && got.iter().zip(want).all(|((what, changed), (wanted, wanted_changed))| {
                what == wanted
                    && (what != "MODIFIED" || changed.keys().eq(wanted_changed.keys()))
                    && wanted_changed.iter().all(|(path, it)| looks_like(&changed[path], it))
            });
        assert!(alike, "{scenario} {object}\nhappened: {got:?}\nrecorded: {want:?}");
    }
    // Not every record watched service accounts.
    let known =
        |it: &&String| recorded.contains_key(*it) || it.starts_with("Event/") || *it == "ServiceAccount/default";
    let others: Vec<&String> = happened.keys().filter(|it| !known(it)).collect();
    assert!(others.is_empty(), "{scenario}: {others:?}");
}

/// The parts of a path: group, version, namespace, plural and name.
fn parse(path: &str) -> (String, String, String, String, String) {
    let path = path.split('?').next().unwrap();
    let mut words = path.trim_start_matches('/').split('/').map(str::to_owned);
    let group = if words.next().unwrap() == "apis" { words.next().unwrap() } else { String::new() };
    let version = words.next().unwrap();
    let rest: Vec<String> = words.collect();
    let (namespace, rest) = match rest.as_slice() {
        [space, name, rest @ ..] if space == "namespaces" && !rest.is_empty() => (name.clone(), rest.to_vec()),
        all => (String::new(), all.to_vec()),
    };
    (group, version, namespace, rest[0].clone(), rest.get(1).cloned().unwrap_or_default())
}

/// Puts the uids of owners that are there into an object.
fn bind_owners(cluster: &Cluster, namespace: &str, object: &mut Value, note: &str) {
    let owners = object["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        let plural = format!("{}s", owner["kind"].as_str().unwrap().to_lowercase());
        let there = cluster.get(&plural, namespace, owner["name"].as_str().unwrap());
        let there = there.filter(|_| !note.contains("another uid"));
        owner["uid"] = there.map_or(json!("11111111-2222-3333-4444-555555555555"), |it| it["metadata"]["uid"].clone());
    }
}

/// Does a client's step again.
async fn step(cluster: &Cluster, step: &Value) {
    if step.get("method").is_none() {
        return;
    }
    let path = step["path"].as_str().unwrap();
    let (group, version, namespace, plural, name) = parse(path);
    let catalog = cluster.registry.catalog();
    let endpoint = catalog.endpoint(&group, &version, &plural).unwrap();
    let target = Target { endpoint, subresource: "", namespace: &namespace, name: &name };
    let mut body = step.get("body").cloned().unwrap_or_default();
    let code = match step["method"].as_str().unwrap() {
        "POST" => {
            bind_owners(cluster, &namespace, &mut body, step["note"].as_str().unwrap_or_default());
            cluster.registry.create(target, body, options("client")).await.map(|_| 201)
        }
        "PATCH" => cluster.registry.patch(target, Patch::Merge(body), options("client")).await.map(|_| 200),
        "DELETE" => {
            let policy = path.split_once("propagationPolicy=").and_then(|(_, it)| Propagation::parse(it));
            let delete = DeleteOptions { propagation: policy, ..DeleteOptions::default() };
            cluster.registry.delete(target, &delete, options("client")).await.map(|_| 200)
        }
        other => panic!("{other}"),
    };
    let code = code.unwrap_or_else(|status| status.code);
    assert_eq!(json!(code), step["status"], "{step}");
}

/// Ends pods that are told to go, as a kubelet does, until nothing happens any more.
async fn settle(cluster: &Cluster, namespace: &str) {
    loop {
        cluster.quiet().await;
        let ending = |it: &Value| it["metadata"].get("deletionTimestamp").is_some();
        let pods: Vec<Value> = cluster.list("pods", namespace).into_iter().filter(ending).collect();
        if pods.is_empty() {
            return;
        }
        for pod in pods {
            let endpoint = cluster.registry.catalog().endpoint("", "v1", "pods").unwrap();
            let name = pod["metadata"]["name"].as_str().unwrap();
            let target = Target { endpoint, subresource: "", namespace, name };
            let delete = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
            let ended = cluster.registry.delete(target, &delete, options("fake-kubelet")).await;
            // A pod that runs nowhere is marked and gone at once.
            assert!(ended.map_or_else(|status| status.code == 404, |_| true));
        }
    }
}

/// Makes an object as a controller that is not here was seen to make it.
async fn make_again(cluster: &Cluster, entry: &Value, namespace: &str, node: &str) {
    let mut object = entry["object"].clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| !matches!(name.as_str(), "uid" | "resourceVersion" | "generation" | "creationTimestamp"));
    bind_owners(cluster, namespace, &mut object, "");
    if object["kind"] == "Pod" {
        // It runs somewhere, or it would not take its time.
        object["spec"]["nodeName"] = json!(node);
        object["metadata"]["name"] = json!(entry["name"].as_str().unwrap().replace(['<', '>'], ""));
    }
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, it| {
                    !(it.is_null()
                        || matches!(name.as_str(), "status" | "creationTimestamp" | "volumes" | "volumeMounts"))
                });
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut object);
    cluster.create(namespace, object).await;
}

/// Entries from the client's first delete on; what was there before it is made again.
async fn replay_deletion(scenario: &Value) {
    let (_, _, namespace, _, _) = parse(scenario["stream"][0]["do"]["path"].as_str().unwrap());
    let namespace = namespace.as_str();
    let name = scenario["name"].as_str().unwrap();
    let cluster = Cluster::start(30).await;
    cluster.namespace(namespace).await;
    cluster.quiet().await;
    let stream = scenario["stream"].as_array().unwrap();
    let is_delete = |it: &Value| it["do"]["method"] == "DELETE";
    let begin = stream.iter().position(is_delete).unwrap();
    for entry in &stream[..begin] {
        if entry.get("do").is_some() {
            step(&cluster, &entry["do"]).await;
        } else if entry["type"] == "ADDED" && matches!(entry["kind"].as_str(), Some("ReplicaSet" | "Pod")) {
            make_again(&cluster, entry, namespace, "node-b").await;
        }
    }
    cluster.quiet().await;
    let revision = cluster.registry.revision();
    for entry in stream[begin..].iter().filter(|it| it.get("do").is_some()) {
        step(&cluster, &entry["do"]).await;
        settle(&cluster, namespace).await;
    }
    let renamed: Writes =
        recorded(&stream[begin..]).into_iter().map(|(it, writes)| (it.replace(['<', '>'], ""), writes)).collect();
    assert_alike(name, &happened(&cluster, revision).await, &renamed);
    for object in scenario["final"].as_array().unwrap() {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let object_name = object["metadata"]["name"].as_str().unwrap().replace(['<', '>'], "");
        let left = cluster.get(&plural, namespace, &object_name).unwrap();
        let owners = |it: &Value| it["metadata"].get("ownerReferences").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(owners(&left), owners(object), "{name} {object_name}");
    }
    told(&cluster, name, namespace, revision, &stream[begin..]).await;
}

/// Whatever a namespace told of its end, it was heard to tell before.
async fn told(cluster: &Cluster, scenario: &str, namespace: &str, after: u64, stream: &[Value]) {
    let heard = stream.iter().map(ToString::to_string).collect::<String>();
    let store = cluster.registry.store();
    let last = store.revision();
    let mut watch =
        store.watch(KeyRange::key(format!("{}namespaces/{namespace}", keys::ROOT)), Some(after + 1)).unwrap();
    while let Ok(Some(Ok(events))) =
        tokio::time::timeout(std::time::Duration::from_millis(50), watch.events.recv()).await
    {
        for event in events {
            let done = event.revision() >= last;
            let Event::Put { kv, .. } = event else { return };
            let endpoint = cluster.registry.catalog().endpoint("", "v1", "namespaces").unwrap();
            let object = cluster.registry.read(endpoint, &Stored::from(kv));
            for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
                for member in ["reason", "message"] {
                    assert!(heard.contains(&condition[member].to_string()), "{scenario}: {condition}");
                }
            }
            if done {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_and_dependents() {
    for scenario in scenarios("controller-gc") {
        if scenario["name"] != "controller/gc-owner-references" {
            replay_deletion(&scenario).await;
        }
    }
}

/// Does all steps of a scenario again.
async fn replay(scenario: &Value, namespace: &str, makes_it: bool) {
    let cluster = Cluster::start(30).await;
    cluster.quiet().await;
    let mut revision = cluster.registry.revision();
    if !makes_it {
        cluster.namespace(namespace).await;
        cluster.quiet().await;
        revision = cluster.registry.revision();
    }
    let stream = scenario["stream"].as_array().unwrap();
    for entry in stream.iter().filter(|it| it.get("do").is_some()) {
        step(&cluster, &entry["do"]).await;
        settle(&cluster, namespace).await;
    }
    let mut happened = happened(&cluster, revision).await;
    // The records leave out that the namespace itself was made, and what it was given then.
    happened.retain(|it, writes| *it != format!("Namespace/{namespace}") || writes.len() > 1);
    let name = scenario["name"].as_str().unwrap();
    assert_alike(name, &happened, &recorded(stream));
    for object in scenario["final"].as_array().unwrap() {
        let (kind, object_name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        if kind == "Secret" {
            continue;
        }
        let plural = format!("{}s", kind.to_lowercase());
        let left =
            cluster.get(&plural, namespace, object_name).unwrap_or_else(|| panic!("{name}: {kind} {object_name}"));
        let data = object.get("data").cloned().unwrap_or(Value::Object(Map::new()));
        assert!(looks_like(left.get("data").unwrap_or(&json!({})), &data), "{name}: {kind} {object_name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references() {
    let scenario =
        scenarios("controller-gc").into_iter().find(|it| it["name"] == "controller/gc-owner-references").unwrap();
    replay(&scenario, "gc-gc4", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_that_end() {
    for scenario in scenarios("controller-nsdel") {
        replay_deletion(&scenario).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_certificates() {
    for scenario in scenarios("controller-sa") {
        replay(&scenario, "gc-sa", true).await;
    }
}
