//! Lists, tags, versions and retries.

use super::*;

#[tokio::test(start_paused = true)]
async fn clusters_are_listed_by_name_in_pages() {
    let world = World::new();
    for name in ["c", "a", "b"] {
        world.get("CreateCluster", World::request(name, json!({}))).await;
    }
    assert_eq!(world.get("ListClusters", json!({"include": ["all"]})).await, json!({"clusters": ["a", "b", "c"]}));
    let first = world.get("ListClusters", json!({"maxResults": 2})).await;
    assert_eq!(first["clusters"], json!(["a", "b"]));
    let rest = world.get("ListClusters", json!({"maxResults": 2, "nextToken": first["nextToken"]})).await;
    assert_eq!(rest, json!({"clusters": ["c"]}));
    let other = Context { region: "eu-west-1".parse().unwrap(), ..world.context() };
    let there = eks::dispatch(&world.service, &other, "ListClusters", json!({})).await.unwrap();
    assert_eq!(there, json!({"clusters": []}), "regions do not see each other");
}

#[tokio::test(start_paused = true)]
async fn updates_are_listed_newest_first() {
    let world = World::running();
    world.create("blue").await;
    let mut ids = Vec::new();
    for on in [true, false, true] {
        let update = world.get("UpdateClusterConfig", json!({"name": "blue", "deletionProtection": on})).await;
        ids.insert(0, update["update"]["id"].clone());
        world.settled().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(world.get("ListUpdates", json!({"name": "blue"})).await["updateIds"], json!(ids));
    let first = world.get("ListUpdates", json!({"name": "blue", "maxResults": 1})).await;
    let next = json!({"name": "blue", "nextToken": first["nextToken"]});
    assert_eq!(world.get("ListUpdates", next).await, json!({"updateIds": ids[1..]}));
}

#[tokio::test(start_paused = true)]
async fn the_same_token_makes_one_cluster_and_one_update() {
    let world = World::running();
    let ask = World::request("blue", json!({"clientRequestToken": "t1"}));
    let first = world.get("CreateCluster", ask.clone()).await;
    world.settled().await;
    let again = world.get("CreateCluster", ask).await;
    assert_eq!(first["cluster"]["createdAt"], again["cluster"]["createdAt"]);
    assert_eq!(again["cluster"]["status"], "ACTIVE", "as it is now");
    let other = World::request("blue", json!({"clientRequestToken": "t1", "version": "1.33"}));
    assert_eq!(world.ask("CreateCluster", other).await.unwrap_err().code, "ResourceInUseException");

    let ask = json!({"name": "blue", "deletionProtection": true, "clientRequestToken": "t2"});
    let first = world.get("UpdateClusterConfig", ask.clone()).await;
    world.settled().await;
    let again = world.get("UpdateClusterConfig", ask).await;
    assert_eq!(first["update"]["id"], again["update"]["id"]);
    let other = json!({"name": "blue", "deletionProtection": false, "clientRequestToken": "t2"});
    assert_eq!(world.ask("UpdateClusterConfig", other).await.unwrap_err().code, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn tags_come_and_go_also_during_an_update() {
    let world = World::running();
    world.create("blue").await;
    let arn = "arn:aws:eks:ap-northeast-2:111122223333:cluster/blue";
    world.get("UpdateClusterConfig", json!({"name": "blue", "deletionProtection": true})).await;
    world.get("TagResource", json!({"resourceArn": arn, "tags": {"a": "1", "b": "2"}})).await;
    world.get("TagResource", json!({"resourceArn": arn, "tags": {"a": "3"}})).await;
    world.get("UntagResource", json!({"resourceArn": arn, "tagKeys": ["b", "never"]})).await;
    world.settled().await;
    assert_eq!(world.get("ListTagsForResource", json!({"resourceArn": arn})).await, json!({"tags": {"a": "3"}}));
    assert_eq!(world.describe("blue").await["tags"], json!({"a": "3"}));
}

#[tokio::test(start_paused = true)]
async fn versions_are_those_of_the_table() {
    let world = World::new();
    let found = world.get("DescribeClusterVersions", json!({"defaultOnly": true})).await;
    assert_eq!(found["clusterVersions"][0]["clusterVersion"], "1.34");
}
