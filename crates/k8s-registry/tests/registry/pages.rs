//! Lists in pages, and lists of states that were.

use crate::harness::{Api, Cluster, MINOR, SERVICES, code, named, names};
use k8s_registry::continue_token::ContinueToken;
use k8s_registry::read::At;
use k8s_registry::{List, ListQuery};
use serde_json::{Value, json};
use store::{Retain, Store};

async fn filled(count: usize) -> Cluster {
    let options = store::Options { retain: Retain::All, ..store::Options::default() };
    let cluster = Cluster::with(MINOR, SERVICES, options).await;
    let maps = cluster.api("v1/configmaps", "default");
    for it in 0..count {
        maps.create(json!({"metadata": {"name": format!("m{it:03}"), "labels": {"odd": (it % 2).to_string()}}}))
            .await
            .unwrap();
    }
    cluster
}

fn page(maps: &Api<'_>, limit: usize, token: &str) -> Result<List, Box<k8s_types::Status>> {
    let continue_token = (!token.is_empty()).then(|| ContinueToken::parse(token).unwrap());
    maps.list(ListQuery { limit, continue_token, ..maps.query() })
}

#[tokio::test]
async fn all_pages_are_of_the_first_ones_state() {
    let cluster = filled(25).await;
    let maps = cluster.api("v1/configmaps", "default");
    let first = page(&maps, 10, "").unwrap();
    assert_eq!((first.items.len(), first.remaining), (10, Some(15)));
    maps.create(named("m0095")).await.unwrap();
    maps.delete("m015").await.unwrap();
    maps.merge("m020", json!({"data": {"x": "1"}})).await.unwrap();
    cluster.namespace("e").await;
    cluster.api("v1/configmaps", "e").create(named("z")).await.unwrap();
    let second = page(&maps, 10, &first.continue_token).unwrap();
    let third = page(&maps, 10, &second.continue_token).unwrap();
    assert_eq!((second.revision, second.remaining), (first.revision, Some(5)));
    assert_eq!((third.revision, third.items.len(), &*third.continue_token), (first.revision, 5, ""));
    assert_eq!(third.remaining, None);
    let seen: Vec<String> = [&first, &second, &third].into_iter().flat_map(names).collect();
    assert_eq!(seen, (0..25).map(|it| format!("m{it:03}")).collect::<Vec<_>>());
    assert_eq!(names(&page(&maps, 25, "").unwrap()).len(), 25);
    assert_eq!(page(&maps, 25, "").unwrap().continue_token, "", "a page that just fits is the last");
}

#[tokio::test]
async fn a_selector_fills_pages_with_what_it_picks() {
    let cluster = filled(25).await;
    let maps = cluster.api("v1/configmaps", "default");
    let odd = |object: &Value| object["metadata"]["labels"]["odd"] == "1";
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let continue_token = (!token.is_empty()).then(|| ContinueToken::parse(&token).unwrap());
        let query = ListQuery { limit: 5, continue_token, matches: Some(&odd), ..maps.query() };
        let list = maps.list(query).unwrap();
        assert!(list.items.len() <= 5 && list.remaining.is_none());
        seen.extend(names(&list));
        token = list.continue_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, (0..12).map(|it| format!("m{:03}", 2 * it + 1)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_list_whose_state_is_gone_can_go_on_with_what_there_is() {
    let cluster = filled(25).await;
    let maps = cluster.api("v1/configmaps", "default");
    let first = page(&maps, 10, "").unwrap();
    maps.delete("m012").await.unwrap();
    maps.create(named("m0111")).await.unwrap();
    cluster.store.compact(cluster.registry.revision()).await.unwrap();
    let gone = page(&maps, 10, &first.continue_token).unwrap_err();
    assert_eq!((gone.code, &*gone.reason), (410, "Expired"));
    let token = ContinueToken::parse(&gone.metadata.continue_token).unwrap();
    assert_eq!((token.revision, &*token.start), (-1, "m009\0"));
    let second = page(&maps, 10, &gone.metadata.continue_token).unwrap();
    assert_eq!(second.revision, cluster.registry.revision());
    assert_eq!(&names(&second)[..4], ["m010", "m011", "m0111", "m013"]);
    // From here on the list has one state again.
    maps.delete("m022").await.unwrap();
    let third = page(&maps, 10, &second.continue_token).unwrap();
    assert_eq!(third.revision, second.revision);
    assert_eq!(names(&third), ["m020", "m021", "m022", "m023", "m024"]);
}

#[tokio::test]
async fn a_list_is_of_the_state_that_is_asked_for() {
    let cluster = filled(3).await;
    let maps = cluster.api("v1/configmaps", "default");
    let then = cluster.registry.revision();
    maps.delete("m000").await.unwrap();
    maps.create(named("x")).await.unwrap();
    let now = cluster.registry.revision();
    assert_eq!(maps.names_at(At::Exact(then)), ["m000", "m001", "m002"]);
    assert_eq!(maps.names_at(At::NotOlderThan(then)), ["m001", "m002", "x"]);
    assert_eq!(maps.names_at(At::NotOlderThan(now)), ["m001", "m002", "x"]);
    assert_eq!(maps.list(ListQuery { at: At::Exact(then), ..maps.query() }).unwrap().revision, then);
    for at in [At::Exact(now + 1), At::NotOlderThan(now + 1)] {
        let early = maps.list(ListQuery { at, ..maps.query() }).unwrap_err();
        assert_eq!(
            (early.code, early.details.as_ref().unwrap().causes[0].reason.as_str()),
            (504, "ResourceVersionTooLarge")
        );
    }
    cluster.store.compact(now).await.unwrap();
    assert_eq!(code(maps.list(ListQuery { at: At::Exact(then), ..maps.query() })), 410);
}
