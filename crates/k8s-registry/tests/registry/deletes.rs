//! The end of objects, and of the namespaces that they are in.

use crate::harness::{Cluster, code, named, pod, version};
use k8s_registry::{DeleteOptions, ListQuery, Propagation, Target};
use serde_json::{Value, json};

fn finalizers(object: &Value) -> Vec<&str> {
    let listed = object["metadata"]["finalizers"].as_array();
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn propagation(policy: Propagation) -> DeleteOptions {
    DeleteOptions { propagation: Some(policy), ..DeleteOptions::default() }
}

#[tokio::test]
async fn an_object_without_ties_is_gone_at_once() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let created = maps.create(named("a")).await.unwrap();
    let done = maps.delete("a").await.unwrap();
    assert!(done.deleted && version(&done.object) == cluster.registry.revision());
    assert_eq!(code(maps.get("a")), 404);
    assert_eq!(code(maps.delete("a").await), 404);
    let again = maps.create(named("a")).await.unwrap();
    assert_ne!(again["metadata"]["uid"], created["metadata"]["uid"]);
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_taken() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    maps.create(json!({"metadata": {"name": "a", "finalizers": ["x.io/a", "x.io/b"]}})).await.unwrap();
    let done = maps.delete("a").await.unwrap();
    assert!(!done.deleted);
    assert!(done.object["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(done.object["metadata"]["deletionGracePeriodSeconds"], 0);
    let revision = cluster.registry.revision();
    assert!(!maps.delete("a").await.unwrap().deleted);
    assert_eq!(cluster.registry.revision(), revision, "a second delete changes nothing");
    let taken = maps.create(named("a")).await.unwrap_err();
    assert!(taken.message.starts_with("object is being deleted: "), "{}", taken.message);
    let kept = maps.merge("a", json!({"metadata": {"deletionTimestamp": null}})).await.unwrap();
    assert!(kept["metadata"]["deletionTimestamp"].is_string(), "nobody takes it back");
    let more = json!({"metadata": {"finalizers": ["x.io/a", "x.io/b", "x.io/c"]}});
    assert_eq!(code(maps.merge("a", more).await), 422, "none may be added any more");
    let one = maps.merge("a", json!({"metadata": {"finalizers": ["x.io/b"]}})).await.unwrap();
    assert_eq!(finalizers(&one), ["x.io/b"]);
    assert!(maps.exists("a"));
    let last = maps.update("a", named("a")).await.unwrap();
    assert!(last.deleted && !maps.exists("a"));
}

#[tokio::test]
async fn a_pod_on_a_node_gets_its_time() {
    let cluster = Cluster::new().await;
    let pods = cluster.api("v1/pods", "default");
    for name in ["free", "bound", "hasty"] {
        let node = if name == "free" { "" } else { "n" };
        pods.create(pod(name, node)).await.unwrap();
    }
    assert!(pods.delete("free").await.unwrap().deleted);
    let marked = pods.delete("bound").await.unwrap();
    assert!(!marked.deleted);
    let metadata = &marked.object["metadata"];
    assert_eq!(metadata["deletionGracePeriodSeconds"], 30);
    let end: jiff::Timestamp = metadata["deletionTimestamp"].as_str().unwrap().parse().unwrap();
    let left = end.as_second() - pods.options.now.as_second();
    assert_eq!(left, 30);
    let grace = |seconds| DeleteOptions { grace: Some(seconds), ..DeleteOptions::default() };
    let longer = pods.delete_with("bound", grace(60)).await.unwrap().object;
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 30, "never longer");
    let mut later = pods;
    later.options.now = pods.options.now.checked_add(jiff::SignedDuration::from_secs(10)).unwrap();
    let shorter = later.delete_with("bound", grace(5)).await.unwrap().object;
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let shorter: jiff::Timestamp = shorter["metadata"]["deletionTimestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(shorter.as_second() - pods.options.now.as_second(), 5, "counted from the first delete");
    pods.create(pod("long", "n")).await.unwrap();
    pods.delete_with("long", grace(90)).await.unwrap();
    let again = later.delete("long").await.unwrap();
    assert_eq!((again.deleted, &again.object["metadata"]["deletionGracePeriodSeconds"]), (false, &json!(90)));
    assert!(pods.delete_with("long", grace(0)).await.unwrap().deleted);
    assert!(pods.delete_with("bound", grace(0)).await.unwrap().deleted);
    assert!(pods.delete_with("hasty", grace(0)).await.unwrap().deleted);
    assert!(pods.names().is_empty());
}

#[tokio::test]
async fn a_delete_may_name_the_object_that_it_means() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let created = maps.create(named("a")).await.unwrap();
    let uid = |uid: &str| DeleteOptions { uid: Some(uid.to_owned()), ..DeleteOptions::default() };
    let at = |version: &str| DeleteOptions { resource_version: Some(version.to_owned()), ..DeleteOptions::default() };
    assert_eq!(code(maps.delete_with("a", uid("another")).await), 409);
    let changed = maps.merge("a", json!({"data": {"x": "1"}})).await.unwrap();
    assert_eq!(code(maps.delete_with("a", at(&version(&created).to_string())).await), 409);
    let both = DeleteOptions { orphan: Some(true), ..propagation(Propagation::Orphan) };
    assert_eq!(code(maps.delete_with("a", both).await), 422);
    assert!(maps.exists("a"));
    let mut exact = at(&version(&changed).to_string());
    exact.uid = created["metadata"]["uid"].as_str().map(str::to_owned);
    assert!(maps.delete_with("a", exact).await.unwrap().deleted);
}

#[tokio::test]
async fn what_becomes_of_dependents_is_a_finalizer() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    for name in ["a", "b", "c"] {
        maps.create(named(name)).await.unwrap();
    }
    let orphaned = maps.delete_with("a", propagation(Propagation::Orphan)).await.unwrap();
    assert_eq!((orphaned.deleted, finalizers(&orphaned.object)), (false, vec!["orphan"]));
    let held = maps.delete_with("b", propagation(Propagation::Foreground)).await.unwrap();
    assert_eq!((held.deleted, finalizers(&held.object)), (false, vec!["foregroundDeletion"]));
    let again = maps.delete("b").await.unwrap();
    assert_eq!(finalizers(&again.object), ["foregroundDeletion"], "what was asked for first stays");
    let other = maps.delete_with("b", propagation(Propagation::Orphan)).await.unwrap();
    assert_eq!(finalizers(&other.object), ["orphan"], "unless another way is asked for");
    assert!(maps.delete_with("b", propagation(Propagation::Background)).await.unwrap().deleted);
    assert!(maps.delete_with("c", propagation(Propagation::Background)).await.unwrap().deleted);
    let older = DeleteOptions { orphan: Some(true), ..DeleteOptions::default() };
    maps.create(named("c")).await.unwrap();
    assert_eq!(finalizers(&maps.delete_with("c", older).await.unwrap().object), ["orphan"]);
}

#[tokio::test]
async fn a_collection_is_deleted_one_by_one() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    cluster.namespace("other").await;
    cluster.api("v1/configmaps", "other").create(named("a")).await.unwrap();
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut body = json!({"metadata": {"name": name, "labels": {"l": label}}});
        if name == "c" {
            body["metadata"]["finalizers"] = json!(["x.io/a"]);
        }
        maps.create(body).await.unwrap();
    }
    let (registry, target) = (&cluster.registry, maps.target(""));
    let delete = DeleteOptions::default();
    let picked = |object: &Value| object["metadata"]["labels"]["l"] == "x";
    let some = ListQuery { namespace: target.namespace, matches: Some(&picked), ..ListQuery::default() };
    let dry = registry.delete_collection(target, &some, &delete, maps.dry().options).await.unwrap();
    assert_eq!((dry.items.len(), maps.names().len()), (2, 3));
    let ended = registry.delete_collection(target, &some, &delete, maps.options).await.unwrap();
    assert_eq!((ended.items.len(), maps.names()), (2, vec!["b".to_owned(), "c".to_owned()]));
    let all = ListQuery { namespace: target.namespace, ..ListQuery::default() };
    registry.delete_collection(target, &all, &delete, maps.options).await.unwrap();
    assert_eq!(maps.names(), ["c"], "which has a finalizer");
    assert!(cluster.api("v1/configmaps", "other").exists("a"));
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_not_there_or_ends() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "n");
    let missing = maps.create(named("a")).await.unwrap_err();
    assert_eq!((missing.code, &*missing.message), (404, "namespaces \"n\" not found"));
    cluster.namespace("n").await;
    maps.create(named("a")).await.unwrap();
    let namespaces = cluster.api("v1/namespaces", "");
    let marked = namespaces.delete("n").await.unwrap();
    assert!(!marked.deleted);
    assert_eq!(marked.object["status"]["phase"], "Terminating");
    let refused = maps.create(named("b")).await.unwrap_err();
    assert_eq!((refused.code, &*refused.reason), (403, "Forbidden"));
    assert_eq!(refused.details.as_ref().unwrap().causes[0].reason, "NamespaceTerminating");
    assert!(maps.merge("a", json!({"data": {"x": "1"}})).await.is_ok(), "what is there can be changed");
    maps.delete("a").await.unwrap();
    let mut body = namespaces.get("n").unwrap();
    body["spec"]["finalizers"] = json!([]);
    let target = Target { subresource: "finalize", ..namespaces.target("n") };
    let body = namespaces.body(body);
    assert!(cluster.registry.update(target, body, namespaces.options).await.unwrap().deleted);
    assert!(!namespaces.exists("n"));
}

/// However a namespace's end and a create in it fall together: afterwards there is nothing in what has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespaces_end_and_creates_in_it_are_in_one_order() {
    let cluster = std::sync::Arc::new(Cluster::new().await);
    for round in 0..20 {
        let name = format!("n{round}");
        cluster.namespace(&name).await;
        let creates = (0..4).map(|it| {
            let (cluster, name) = (cluster.clone(), name.clone());
            tokio::spawn(async move {
                let maps = cluster.api("v1/configmaps", &name);
                let created = maps.create(named(&format!("m{it}"))).await;
                created.map(|object| version(&object)).map_err(|status| status.code)
            })
        });
        let creates: Vec<_> = creates.collect();
        let marked = cluster.api("v1/namespaces", "").delete(&name).await.unwrap();
        for create in creates {
            match create.await.unwrap() {
                Ok(created) => assert!(created < version(&marked.object)),
                Err(code) => assert_eq!(code, 403),
            }
        }
    }
}
