//! Watches: what happened after a version, once each, in order.

use crate::harness::{Api, Cluster, MINOR, SERVICES, named, version};
use k8s_registry::{Changes, Gone};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Retain, Store};
use tokio::runtime::Handle;

/// How many changes a log keeps for those who are behind.
const KEPT: usize = 4096;

/// A change as it can be compared.
type Seen = (u64, String, Option<u64>);

async fn read(changes: &mut Changes, most: usize) -> Result<Vec<Seen>, Gone> {
    let found = changes.next(most).await?;
    let seen = |it: &Arc<k8s_registry::Change>| {
        let key = String::from_utf8_lossy(&it.key).into_owned();
        (it.revision, key, it.now.as_ref().map(|now| now.revision))
    };
    Ok(found.iter().map(seen).collect())
}

/// Reads until the change of a revision has come.
async fn read_to(changes: &mut Changes, last: u64, most: usize) -> Result<Vec<Seen>, Gone> {
    let mut seen: Vec<Seen> = Vec::new();
    while seen.last().is_none_or(|it| it.0 < last) {
        seen.extend(read(changes, most).await?);
    }
    Ok(seen)
}

async fn bump(maps: &Api<'_>, name: &str, value: usize) -> u64 {
    version(&maps.merge(name, json!({"data": {"x": value.to_string()}})).await.unwrap())
}

/// Many changes in short time: they go to the disk together.
async fn bumps(cluster: &Cluster, count: usize) -> u64 {
    let maps = cluster.api("v1/configmaps", "default");
    for name in 0..64 {
        let _ = maps.create(named(&format!("busy{name}"))).await;
    }
    let base = usize::try_from(cluster.registry.revision()).unwrap();
    for round in 0..count.div_ceil(64) {
        let names: Vec<String> = (0..64).map(|it| format!("busy{it}")).collect();
        let writes = names.iter().map(|name| bump(&maps, name, base + round));
        futures_join(writes).await;
    }
    cluster.registry.revision()
}

async fn futures_join(writes: impl Iterator<Item = impl Future<Output = u64>>) {
    let mut writes: Vec<_> = writes.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        writes.retain_mut(|it| it.as_mut().poll(cx).is_pending());
        if writes.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn a_watch_begins_after_its_version_and_shows_before_and_after() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let a = maps.create(named("a")).await.unwrap();
    let mut from_a = cluster.registry.changes(maps.endpoint, version(&a)).unwrap();
    let b = version(&maps.create(named("b")).await.unwrap());
    let a2 = bump(&maps, "a", 1).await;
    cluster.api("v1/secrets", "default").create(named("s")).await.unwrap();
    let gone = version(&maps.delete("a").await.unwrap().object);
    let mut all = Vec::new();
    while all.len() < 3 {
        all.extend(from_a.next(2).await.unwrap());
    }
    let shown: Vec<_> = all
        .iter()
        .map(|it| (it.revision, it.before.as_ref().map(|it| it.revision), it.now.as_ref().map(|it| it.revision)))
        .collect();
    assert_eq!(shown, [(b, None, Some(b)), (a2, Some(version(&a)), Some(a2)), (gone, Some(a2), None),]);
    let mut later = cluster.registry.changes(maps.endpoint, a2).unwrap();
    assert_eq!(read(&mut later, 9).await.unwrap(), [(gone, "/registry/configmaps/default/a".to_owned(), None)]);
}

#[tokio::test]
async fn what_is_forgotten_is_not_watched() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    maps.create(named("a")).await.unwrap();
    for it in 0..10 {
        bump(&maps, "a", it).await;
    }
    let now = cluster.registry.revision();
    cluster.store.compact(now).await.unwrap();
    let oldest = cluster.store.stats().oldest;
    assert!(matches!(cluster.registry.changes(maps.endpoint, 1), Err(Gone::TooOld(it)) if it == oldest));
    let mut here = cluster.registry.changes(maps.endpoint, now).unwrap();
    let next = bump(&maps, "a", 99).await;
    assert_eq!(read(&mut here, 9).await.unwrap()[0].0, next);
    cluster.store.close();
    assert_eq!(read(&mut here, 9).await, Err(Gone::Closed));
    assert!(matches!(cluster.registry.changes(maps.endpoint, next + 1), Err(Gone::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_share_a_log() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let now = cluster.registry.revision();
    let mut watchers: Vec<Changes> = (0..1000).map(|_| cluster.registry.changes(maps.endpoint, now).unwrap()).collect();
    let made = version(&maps.create(named("a")).await.unwrap());
    let mut first = None;
    for watcher in &mut watchers {
        let found = watcher.next(9).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].revision, made);
        let first = first.get_or_insert_with(|| found[0].clone());
        assert!(Arc::ptr_eq(first, &found[0]), "it is kept once");
    }
    assert_eq!(cluster.store.stats().watchers, 1);
}

#[tokio::test]
async fn only_the_slow_one_is_cut_off() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let now = cluster.registry.revision();
    let mut slow = cluster.registry.changes(maps.endpoint, now).unwrap();
    let mut quick = cluster.registry.changes(maps.endpoint, now).unwrap();
    let mut seen = 0;
    while seen <= KEPT + 512 {
        let last = bumps(&cluster, 512).await;
        seen += read_to(&mut quick, last, 100).await.unwrap().len();
    }
    assert_eq!(read(&mut slow, 9).await, Err(Gone::Lagged));
    assert_eq!(read(&mut slow, 9).await, Err(Gone::Lagged), "it stays so");
    let last = bumps(&cluster, 64).await;
    assert_eq!(read_to(&mut quick, last, 100).await.unwrap().len(), 64);
}

/// Whoever begins at the newest change of a long log isn't behind because the log's first changes go.
#[tokio::test]
async fn a_watcher_that_comes_late_to_a_long_log_is_not_a_slow_one() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let start = cluster.registry.revision();
    let mut quick = cluster.registry.changes(maps.endpoint, start).unwrap();
    for _ in 0..KEPT / 512 + 1 {
        let last = bumps(&cluster, 512).await;
        read_to(&mut quick, last, 1000).await.unwrap();
    }
    let mut late = cluster.registry.changes(maps.endpoint, cluster.registry.revision()).unwrap();
    let last = bumps(&cluster, 128).await;
    read_to(&mut quick, last, 1000).await.unwrap();
    assert_eq!(read_to(&mut late, last, 1000).await.unwrap().len(), 128);
}

/// What the store still has can be watched, however long the log is that comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_may_begin_as_long_ago_as_the_store_knows() {
    let cluster = Cluster::new().await;
    let maps = cluster.api("v1/configmaps", "default");
    let start = cluster.registry.revision();
    let last = bumps(&cluster, 2 * KEPT - 512).await;
    let mut all = cluster.registry.changes(maps.endpoint, start).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let seen = read_to(&mut all, last, 100).await.unwrap();
    assert_eq!(seen.iter().map(|it| it.0).collect::<Vec<_>>(), (start + 1..=last).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_of_a_log_that_nobody_watches() {
    let cluster = Arc::new(Cluster::new().await);
    let before = Handle::current().metrics().num_alive_tasks();
    let tasks = (0..8).map(|task| {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            for round in 0..200 {
                let plural = if task % 2 == 0 { "v1/pods" } else { "v1/secrets" };
                let api = cluster.api(plural, "default");
                let now = cluster.registry.revision();
                let one = cluster.registry.changes(api.endpoint, now).unwrap();
                if round % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                let two = cluster.registry.changes(api.endpoint, now).unwrap();
                drop(one);
                if round % 5 == 0 {
                    tokio::task::yield_now().await;
                }
                drop(two);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    crate::harness::eventually("no task is left", || Handle::current().metrics().num_alive_tasks() <= before).await;
}

/// One step of a test of interleavings.
#[derive(Debug, Clone)]
enum Step {
    /// Writer, key.
    Write(usize, usize),
    /// A watch from so many changes ago.
    Watch(usize),
    /// A watcher reads at most so many.
    Read(usize, usize),
    /// A watcher goes.
    Leave(usize),
    Yield,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3usize, 0..4usize).prop_map(|(writer, key)| Step::Write(writer, key)),
        2 => (0..12usize).prop_map(Step::Watch),
        4 => (0..8usize, 1..6usize).prop_map(|(watcher, most)| Step::Read(watcher, most)),
        1 => (0..8usize).prop_map(Step::Leave),
        2 => Just(Step::Yield),
    ]
}

/// What one watcher has seen so far.
struct Watcher {
    changes: Changes,
    after: u64,
    seen: Vec<Seen>,
}

/// Polls once: what is there now, without waiting.
fn poll(watcher: &mut Watcher, most: usize) {
    let mut next = Box::pin(read(&mut watcher.changes, most));
    let waker = std::task::Waker::noop();
    if let std::task::Poll::Ready(found) = next.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        let found = found.unwrap();
        drop(next);
        watcher.seen.extend(found);
    }
}

/// Creates the key, changes it or deletes it, by turns.
async fn write(maps: &Api<'_>, writer: usize, key: usize, turn: usize) -> Option<Seen> {
    let name = format!("k{key}");
    let path = format!("/registry/configmaps/default/{name}");
    if !maps.exists(&name) {
        let made = maps.create(named(&name)).await.ok()?;
        return Some((version(&made), path, Some(version(&made))));
    }
    if turn.is_multiple_of(3) {
        let ended = maps.delete(&name).await.ok()?;
        return Some((version(&ended.object), path, None));
    }
    let patch = json!({"data": {"x": format!("{writer}/{turn}")}});
    let changed = version(&maps.merge(&name, patch).await.ok()?);
    Some((changed, path, Some(changed)))
}

/// Runs a script: writes of one writer are in order, those of several run at once.
async fn run(cluster: &Cluster, script: Vec<Step>) -> Result<(), TestCaseError> {
    let (sender, mut done) = tokio::sync::mpsc::unbounded_channel::<Seen>();
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (work, mut queue) = tokio::sync::mpsc::unbounded_channel::<(usize, usize)>();
            let (registry, sender) = (cluster.registry.clone(), sender.clone());
            tokio::spawn(async move {
                let maps = Api::of(&registry, "v1/configmaps", "default");
                while let Some((key, turn)) = queue.recv().await {
                    if let Some(seen) = write(&maps, writer, key, turn).await {
                        sender.send(seen).unwrap();
                    }
                }
            });
            work
        })
        .collect();
    drop(sender);
    let maps = cluster.api("v1/configmaps", "default");
    let start = cluster.registry.revision();
    let mut watchers: Vec<Watcher> = Vec::new();
    for (turn, step) in script.into_iter().enumerate() {
        match step {
            Step::Write(writer, key) => writers[writer].send((key, turn)).unwrap(),
            Step::Watch(ago) => {
                let after = cluster.registry.revision().saturating_sub(ago as u64).max(start);
                let changes = cluster.registry.changes(maps.endpoint, after).unwrap();
                watchers.push(Watcher { changes, after, seen: Vec::new() });
            }
            Step::Read(watcher, most) => {
                let count = watchers.len().max(1);
                if let Some(watcher) = watchers.get_mut(watcher % count) {
                    poll(watcher, most);
                }
            }
            Step::Leave(watcher) if watcher < watchers.len() => drop(watchers.swap_remove(watcher)),
            Step::Leave(_) | Step::Yield => tokio::task::yield_now().await,
        }
    }
    drop(writers);
    let mut truth = BTreeMap::new();
    while let Some(seen) = done.recv().await {
        prop_assert_eq!(truth.insert(seen.0, seen), None);
    }
    let end = version(&maps.create(json!({"metadata": {"generateName": "end-"}})).await.unwrap());
    for watcher in &mut watchers {
        let rest = read_to(&mut watcher.changes, end, 3).await.unwrap();
        watcher.seen.extend(rest);
        prop_assert_eq!(watcher.seen.pop().map(|it| it.0), Some(end));
        let expected: Vec<&Seen> = truth.range(watcher.after + 1..).map(|(_, seen)| seen).collect();
        prop_assert_eq!(watcher.seen.iter().collect::<Vec<_>>(), expected);
    }
    Ok(())
}

/// Whatever happens at once: every watcher sees every change after its version, once, in order.
#[test]
fn nothing_is_lost_and_nothing_repeated() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = store::Options { retain: Retain::All, ..store::Options::default() };
    let cluster = runtime.block_on(Cluster::with(MINOR, SERVICES, options));
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(script in prop::collection::vec(step(), 1..80))| {
        runtime.block_on(run(&cluster, script))?;
    });
}
