//! Creates, reads, updates and patches.

use crate::harness::{Cluster, SERVICES, code, named, pod, version};
use k8s_patch::json::JsonPatch;
use k8s_registry::write::Patch;
use k8s_registry::{ListQuery, Target};
use serde_json::{Value, json};

fn owners(object: &Value) -> Vec<(String, String)> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let fields = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    fields.iter().map(|it| (text(it, "manager"), text(it, "operation"))).collect()
}

fn owns(object: &Value, manager: &str, path: &str) -> bool {
    let fields = object["metadata"]["managedFields"].as_array().unwrap();
    fields.iter().any(|it| it["manager"] == manager && it["fieldsV1"].pointer(path).is_some())
}

#[tokio::test]
async fn objects_are_listed_in_the_order_of_their_names_whatever_the_order_of_creation() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    for name in ["b", "a", "c", "a.b", "a-b"] {
        let created = maps.create(named(name)).await.unwrap();
        assert_eq!(version(&created), cluster.registry.revision());
        assert_eq!(maps.get(name).unwrap(), created);
    }
    assert_eq!(maps.names(), ["a", "a-b", "a.b", "b", "c"]);
    cluster.namespace("other").await;
    cluster.api("v1/configmaps", "other").create(named("z")).await.unwrap();
    assert_eq!(maps.names().len(), 5, "another namespace is not in it");
    assert_eq!(cluster.api("v1/configmaps", "").names().len(), 6, "all of them are");
    let list = maps.list(maps.query()).unwrap();
    assert_eq!(list.revision, cluster.registry.revision());
    let one = maps.list(ListQuery { name: Some("a"), ..maps.query() }).unwrap();
    assert_eq!(crate::harness::names(&one), ["a"]);
}

#[tokio::test]
async fn the_server_says_who_an_object_is() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let mut body = named("a");
    body["metadata"]["uid"] = json!("mine");
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    body["metadata"]["deletionTimestamp"] = json!("2001-01-01T00:00:00Z");
    let created = maps.create(body).await.unwrap();
    assert_eq!(created["metadata"]["namespace"], "default");
    assert_ne!(created["metadata"]["uid"], "mine");
    assert_ne!(created["metadata"]["creationTimestamp"], "2001-01-01T00:00:00Z");
    assert_eq!(created["metadata"].get("deletionTimestamp"), None);
    let again = maps.create(named("a")).await.unwrap_err();
    assert_eq!((again.code, &*again.reason), (409, "AlreadyExists"));
    assert_eq!(again.message, "configmaps \"a\" already exists");
    let mut versioned = named("v");
    versioned["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(code(maps.create(versioned).await), 500);
    let mut elsewhere = named("b");
    elsewhere["metadata"]["namespace"] = json!("other");
    assert_eq!(code(maps.create(elsewhere).await), 400);
    assert_eq!(code(maps.get("nobody")), 404);
}

#[tokio::test]
async fn generated_names_are_new_ones() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let created = maps.create(json!({"metadata": {"generateName": "job-"}})).await.unwrap();
        let name = created["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("job-") && name.len() == 9, "{name}");
        assert_eq!(created["metadata"]["generateName"], "job-");
        assert!(seen.insert(name));
    }
    assert_eq!(maps.names().len(), 200);
    assert_eq!(code(maps.create(json!({"metadata": {}})).await), 422);
}

#[tokio::test]
async fn a_dry_run_goes_all_the_way_and_writes_nothing() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let there = maps.create(json!({"metadata": {"name": "there"}, "data": {"a": "1"}})).await.unwrap();
    let before = cluster.registry.revision();
    let created = maps.dry().create(named("a")).await.unwrap();
    assert!(created["metadata"]["uid"].is_string());
    assert_eq!(created["metadata"].get("resourceVersion"), None);
    assert_eq!(code(maps.dry().create(named("there")).await), 409);
    let body = json!({"metadata": {"name": "there"}, "data": {"a": "2"}});
    assert_eq!(maps.dry().update("there", body).await.unwrap().object["data"]["a"], "2");
    assert_eq!(maps.dry().merge("there", json!({"data": {"a": "3"}})).await.unwrap()["data"]["a"], "3");
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}});
    assert!(maps.dry().patch("applied", Patch::Apply { object: apply, force: false }).await.unwrap().created);
    assert!(maps.dry().delete("there").await.unwrap().deleted);
    let services = cluster.api("v1/services", "default").dry();
    let body = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "type": "NodePort"}});
    services.create(body).await.unwrap();
    assert_eq!(cluster.registry.revision(), before);
    assert_eq!(maps.get("there").unwrap(), there);
    assert_eq!(maps.names(), ["there"]);
}

#[tokio::test]
async fn every_write_says_whose_fields_are_whose() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let created = maps.by("one").create(json!({"metadata": {"name": "a"}, "data": {"x": "1"}})).await.unwrap();
    assert_eq!(owners(&created), [("one".to_owned(), "Update".to_owned())]);
    let mut body = created.clone();
    body["data"]["y"] = json!("1");
    let updated = maps.by("two").update("a", body).await.unwrap().object;
    assert!(owns(&updated, "one", "/f:data/f:x") && owns(&updated, "two", "/f:data/f:y"));
    let patched = maps.by("three").merge("a", json!({"data": {"x": "2"}})).await.unwrap();
    assert!(owns(&patched, "three", "/f:data/f:x") && !owns(&patched, "one", "/f:data/f:x"));
    let ops = JsonPatch::from_value(json!([{"op": "add", "path": "/data/z", "value": "1"}])).unwrap();
    let patched = maps.by("four").patch("a", Patch::Json(ops)).await.unwrap().object;
    assert!(owns(&patched, "four", "/f:data/f:z"));
    let strategic = Patch::Strategic(json!({"data": {"w": "1"}}));
    assert!(owns(&maps.by("five").patch("a", strategic).await.unwrap().object, "five", "/f:data/f:w"));

    let wish = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "9"}});
    let apply = |force| Patch::Apply { object: wish.clone(), force };
    let refused = maps.by("six").patch("a", apply(false)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.reason), (409, "Conflict"));
    let applied = maps.by("six").patch("a", apply(true)).await.unwrap().object;
    assert!(owns(&applied, "six", "/f:data/f:x") && !owns(&applied, "three", "/f:data/f:x"));
    assert_eq!(applied["data"]["x"], "9");
    assert!(owners(&applied).contains(&("six".to_owned(), "Apply".to_owned())));
    let nothing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let applied = maps.by("six").patch("a", Patch::Apply { object: nothing, force: false }).await.unwrap().object;
    assert_eq!(applied["data"].get("x"), None, "what an applier owned alone goes when it is not applied any more");
}

#[tokio::test]
async fn an_update_is_about_the_version_that_it_names() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let first = maps.create(json!({"metadata": {"name": "a"}, "data": {"x": "0"}})).await.unwrap();
    let with = |from: &Value, x: &str| {
        let mut body = from.clone();
        body["data"]["x"] = json!(x);
        body
    };
    let second = maps.update("a", with(&first, "1")).await.unwrap().object;
    assert!(version(&second) > version(&first));
    let stale = maps.update("a", with(&first, "2")).await.unwrap_err();
    assert_eq!((stale.code, &*stale.reason), (409, "Conflict"));
    let unconditional = json!({"metadata": {"name": "a"}, "data": {"x": "3"}});
    let third = maps.update("a", unconditional.clone()).await.unwrap().object;
    assert_eq!(third["metadata"]["uid"], first["metadata"]["uid"]);
    let mut foreign = unconditional.clone();
    foreign["metadata"]["uid"] = json!("another");
    assert_eq!(code(maps.update("a", foreign).await), 409);
    let stale = json!({"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"x": "4"}});
    assert_eq!(code(maps.merge("a", stale).await), 409);
    assert_eq!(code(maps.update("a", named("b")).await), 400, "another name");
    assert_eq!(code(maps.update("nobody", named("nobody")).await), 404);
    assert_eq!(code(maps.merge("nobody", json!({})).await), 404);
    let mut odd = unconditional;
    odd["metadata"]["resourceVersion"] = json!("odd");
    assert!(maps.update("a", odd).await.is_err());
}

#[tokio::test]
async fn some_kinds_want_a_version_and_some_are_made_by_an_update() {
    let cluster = Cluster::new().await;
    let budgets = cluster.api("policy/v1/poddisruptionbudgets", "default");
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1}});
    assert_eq!(code(budgets.update("b", budget.clone()).await), 404, "that it is not there comes first");
    budgets.create(budget.clone()).await.unwrap();
    let refused = budgets.update("b", budget).await.unwrap_err();
    assert_eq!(refused.code, 422);
    assert!(
        refused.message.contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
        "{}",
        refused.message
    );
    let leases = cluster.api("coordination.k8s.io/v1/leases", "default");
    let made = leases.update("l", named("l")).await.unwrap();
    assert!(made.created);
    assert_eq!(code(leases.update("l", named("l")).await), 422);
    assert!(!leases.update("l", made.object).await.unwrap().created);
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_none() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let created = maps.create(json!({"metadata": {"name": "a"}, "data": {"x": "1"}})).await.unwrap();
    let before = cluster.registry.revision();
    assert_eq!(maps.update("a", created.clone()).await.unwrap().object, created);
    // Later, so that only the times of field ownership would differ.
    let mut later = maps;
    later.options.now = later.options.now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    let body = json!({"metadata": {"name": "a"}, "data": {"x": "1"}});
    assert_eq!(later.update("a", body).await.unwrap().object, created);
    assert_eq!(later.merge("a", json!({"data": {"x": "1"}})).await.unwrap(), created);
    let wish = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"y": "1"}});
    let apply = || Patch::Apply { object: wish.clone(), force: false };
    let applied = later.patch("a", apply()).await.unwrap().object;
    assert_eq!(cluster.registry.revision(), before + 1);
    later.options.now = later.options.now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    assert_eq!(later.patch("a", apply()).await.unwrap().object, applied);
    assert_eq!(cluster.registry.revision(), before + 1);
}

#[tokio::test]
async fn concurrent_patches_are_all_done() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    maps.create(named("a")).await.unwrap();
    let registry = &cluster.registry;
    let patches = (0..20).map(|it| {
        let registry = registry.clone();
        tokio::spawn(async move {
            let maps = crate::harness::Api::of(&registry, "v1/configmaps", "default");
            maps.merge("a", json!({"data": {format!("k{it}"): "v"}})).await.unwrap();
        })
    });
    for patch in patches.collect::<Vec<_>>() {
        patch.await.unwrap();
    }
    assert_eq!(maps.get("a").unwrap()["data"].as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn the_object_and_its_status_are_written_apart() {
    let cluster = Cluster::new().await;
    let deployments = cluster.api("apps/v1/deployments", "default");
    let mut body = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    body["status"] = json!({"replicas": 7});
    let created = deployments.create(body).await.unwrap();
    assert_eq!(created["metadata"]["generation"], 1);
    assert_ne!(created["status"]["replicas"], 7);
    let mut body = created.clone();
    body["spec"]["replicas"] = json!(5);
    body["status"]["replicas"] = json!(2);
    let updated = deployments.update_status("d", body.clone()).await.unwrap().object;
    assert_eq!((&updated["spec"]["replicas"], &updated["status"]["replicas"]), (&json!(2), &json!(2)));
    assert_eq!(updated["metadata"]["generation"], 1);
    body["metadata"]["resourceVersion"] = updated["metadata"]["resourceVersion"].clone();
    body["status"]["replicas"] = json!(9);
    let updated = deployments.update("d", body).await.unwrap().object;
    assert_eq!((&updated["spec"]["replicas"], &updated["status"]["replicas"]), (&json!(5), &json!(2)));
    assert_eq!(updated["metadata"]["generation"], 2);

    let registry = &cluster.registry;
    let scale = registry.scale(deployments.target("d")).unwrap();
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(5), &json!(2)));
    let make = |live: &Value| {
        let mut scale = live.clone();
        scale["spec"]["replicas"] = json!(8);
        Ok(scale)
    };
    let scaled = registry.change_scale(deployments.target("d"), deployments.options, &make).await.unwrap();
    assert_eq!((&scaled.object["kind"], &scaled.object["spec"]["replicas"]), (&json!("Scale"), &json!(8)));
    assert_eq!(deployments.get("d").unwrap()["spec"]["replicas"], 8);
    let stale = |_: &Value| Ok(scale.clone());
    assert_eq!(code(registry.change_scale(deployments.target("d"), deployments.options, &stale).await), 409);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let cluster = Cluster::new().await;
    let pods = cluster.api("v1/pods", "default");
    pods.create(pod("p", "")).await.unwrap();
    let to = |node: &str| {
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": node}})
    };
    let target: Target<'_> = pods.target("p");
    let (one, two) = (to("n1"), to("n2"));
    let racing = tokio::join!(
        cluster.registry.bind(target, &one, pods.options),
        cluster.registry.bind(target, &two, pods.options)
    );
    let (won, lost) = if racing.0.is_ok() { ("n1", racing.1) } else { ("n2", racing.0) };
    assert_eq!(code(lost), 409);
    assert_eq!(pods.get("p").unwrap()["spec"]["nodeName"], won);
}

#[tokio::test]
async fn versions_of_a_kind_share_its_objects() {
    let cluster = Cluster::new().await;
    let (old, new) = ("autoscaling/v1/horizontalpodautoscalers", "autoscaling/v2/horizontalpodautoscalers");
    let (old, new) = (cluster.api(old, "default"), cluster.api(new, "default"));
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    let spec = json!({"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 60});
    let created = old.create(json!({"metadata": {"name": "h"}, "spec": spec})).await.unwrap();
    assert_eq!(created["apiVersion"], "autoscaling/v1");
    assert_eq!(old.get("h").unwrap(), created);
    let mut seen = new.get("h").unwrap();
    assert_eq!(seen["apiVersion"], "autoscaling/v2");
    assert_eq!(seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    assert_eq!(version(&seen), version(&created));
    seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = json!(70);
    new.update("h", seen).await.unwrap();
    assert_eq!(old.get("h").unwrap()["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!((old.names(), new.names()), (vec!["h".to_owned()], vec!["h".to_owned()]));
    let mut changes = cluster.registry.changes(old.endpoint, version(&created)).unwrap();
    new.delete("h").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(changes.next(9).await.unwrap().iter().map(|it| it.now.is_some()));
    }
    assert_eq!(seen, [true, false], "a watch of one version sees writes through the other");
    assert!(!old.exists("h"));
}

#[tokio::test]
async fn every_minor_keeps_what_it_was_given() {
    for minor in 24..=36 {
        let cluster = Cluster::with(minor, SERVICES, store::Options::default()).await;
        let created = cluster.api("v1/configmaps", "default").create(named("a")).await.unwrap();
        assert_eq!(cluster.api("v1/configmaps", "default").get("a").unwrap(), created, "1.{minor}");
        let pods = cluster.api("v1/pods", "default");
        let created = pods.create(pod("p", "")).await.unwrap();
        assert_eq!(pods.get("p").unwrap(), created, "1.{minor}");
        assert_eq!(pods.update("p", created.clone()).await.unwrap().object, created, "1.{minor}");
    }
}

#[tokio::test]
async fn selectors_see_the_object_in_the_versions_form() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        maps.create(json!({"metadata": {"name": name, "labels": {"l": label}}})).await.unwrap();
    }
    let matches = |object: &Value| object["kind"] == "ConfigMap" && object["metadata"]["labels"]["l"] == "x";
    let list = maps.list(ListQuery { matches: Some(&matches), ..maps.query() }).unwrap();
    assert_eq!(crate::harness::names(&list), ["a", "c"]);
    let list = maps.list(ListQuery { matches: Some(&matches), limit: 1, ..maps.query() }).unwrap();
    assert_eq!((crate::harness::names(&list), list.remaining), (vec!["a".to_owned()], None));
    assert!(!list.continue_token.is_empty());
}
