//! Transactions: compares, atomicity, and many at once.

use super::{delete, get, pairs, put, put_op, run, within};
use crate::api::{Compare, KeyRange, Op, Store, StoreError, Txn};
use std::sync::Arc;

/// Whether the compare holds, asked once by a transaction that only reads and once by one that could write.
async fn holds(store: &dyn Store, compare: Compare) -> bool {
    let reading = Txn { compares: vec![compare.clone()], ..Txn::default() };
    let reading = within(store.txn(reading)).await.unwrap().succeeded;
    let nothing = vec![Op::Delete(KeyRange::key("no such key"))];
    let writing = Txn { compares: vec![compare.clone()], success: nothing.clone(), failure: nothing };
    let writing = within(store.txn(writing)).await.unwrap().succeeded;
    assert_eq!(reading, writing, "{compare:?}");
    reading
}

pub(super) async fn every_compare_says_yes_and_no(store: Arc<dyn Store>) {
    let store = &*store;
    let create = put(store, "k", "1").await;
    let modified = put(store, "k", "2").await;
    put(store, "gone", "1").await;
    delete(store, "gone").await;
    for missing in ["gone", "never"] {
        for made in [Compare::ModRevision, Compare::CreateRevision, Compare::Version] {
            assert!(holds(store, made(missing.into(), 0)).await, "{missing}");
            assert!(!holds(store, made(missing.into(), 1)).await, "{missing}");
            assert!(!holds(store, made("k".into(), 0)).await);
        }
        assert!(!holds(store, Compare::Value(missing.into(), "1".into())).await);
        assert!(!holds(store, Compare::Value(missing.into(), "".into())).await);
    }
    assert!(holds(store, Compare::ModRevision("k".into(), modified)).await);
    assert!(!holds(store, Compare::ModRevision("k".into(), create)).await);
    assert!(holds(store, Compare::CreateRevision("k".into(), create)).await);
    assert!(!holds(store, Compare::CreateRevision("k".into(), modified)).await);
    assert!(holds(store, Compare::Version("k".into(), 2)).await);
    assert!(!holds(store, Compare::Version("k".into(), 1)).await);
    assert!(holds(store, Compare::Value("k".into(), "2".into())).await);
    assert!(!holds(store, Compare::Value("k".into(), "1".into())).await);

    // All must hold, and the other list runs when one does not.
    let compares = vec![Compare::Version("k".into(), 2), Compare::Version("k".into(), 1)];
    let txn = Txn { compares, success: vec![put_op("yes", "1")], failure: vec![put_op("no", "1")] };
    assert!(!within(store.txn(txn)).await.unwrap().succeeded);
    assert_eq!((get(store, "yes"), get(store, "no").is_some()), (None, true));
}

pub(super) async fn unchanged_since_sees_writes_and_not_deletions(store: Arc<dyn Store>) {
    let store = &*store;
    let unchanged = |since| Compare::UnchangedSince(KeyRange::prefix("a/"), since);
    let before = put(store, "a/1", "1").await;
    put(store, "b/1", "1").await;
    assert!(holds(store, unchanged(before)).await, "another range was written");
    assert!(!holds(store, unchanged(before - 1)).await);
    let after = put(store, "a/2", "1").await;
    assert!(!holds(store, unchanged(before)).await, "a key came");
    assert!(holds(store, unchanged(after)).await);
    let changed = put(store, "a/1", "2").await;
    assert!(!holds(store, unchanged(after)).await, "a key was written");
    delete(store, "a/1").await;
    assert!(holds(store, unchanged(after)).await, "the key that was written is gone");
    assert!(!holds(store, unchanged(before)).await);
    // The answer is the same when the history it could be read from is gone.
    let last = put(store, "a/3", "1").await;
    within(store.compact(last)).await.unwrap();
    assert!(!holds(store, unchanged(changed)).await);
    assert!(!holds(store, unchanged(last - 1)).await);
    assert!(holds(store, unchanged(last)).await);
}

pub(super) async fn a_transaction_is_one_revision(store: Arc<dyn Store>) {
    let store = &*store;
    let before = put(store, "old", "1").await;
    let done = run(store, vec![put_op("x", "1"), put_op("y", "1"), Op::Delete(KeyRange::key("old"))]).await;
    assert_eq!((done.succeeded, done.revision), (true, before + 1));
    let all = store.range(&KeyRange::all(), None, 0).unwrap();
    assert_eq!(pairs(&all.kvs), ["x=1", "y=1"]);
    assert!(all.kvs.iter().all(|kv| kv.mod_revision == done.revision));
    assert_eq!(pairs(&store.range(&KeyRange::all(), Some(before), 0).unwrap().kvs), ["old=1"]);
}

pub(super) async fn a_transaction_without_changes_takes_no_revision(store: Arc<dyn Store>) {
    let store = &*store;
    let before = put(store, "k", "1").await;
    let nothing = run(store, vec![Op::Delete(KeyRange::prefix("none"))]).await;
    assert_eq!(nothing.revision, before);
    assert_eq!(run(store, vec![]).await.revision, before);
    assert_eq!(run(store, vec![Op::Range(KeyRange::all())]).await.revision, before);
    assert_eq!(put(store, "k", "1").await, before + 1, "writing the same value is a change");
}

pub(super) async fn reads_in_a_transaction_see_what_came_before(store: Arc<dyn Store>) {
    let store = &*store;
    put(store, "a", "old").await;
    let all = || Op::Range(KeyRange::all());
    let ops = vec![all(), put_op("b", "new"), all(), Op::Delete(KeyRange::key("a")), all()];
    let done = run(store, ops).await;
    let seen: Vec<String> = done.ranges.iter().map(|found| pairs(&found.kvs).join(" ")).collect();
    assert_eq!(seen, ["a=old", "a=old b=new", "b=new"]);
    assert!(done.ranges.iter().all(|found| !found.more));
    assert_eq!(done.ranges[2].kvs[0].mod_revision, done.revision);

    let failing = Txn { compares: vec![Compare::Version("b".into(), 9)], failure: vec![all()], ..Txn::default() };
    let done = within(store.txn(failing)).await.unwrap();
    assert_eq!((done.succeeded, pairs(&done.ranges[0].kvs)), (false, vec!["b=new".to_owned()]));
}

pub(super) async fn deleting_a_range_deletes_just_that(store: Arc<dyn Store>) {
    let store = &*store;
    for key in ["a", "b/1", "b/2", "b0", "c"] {
        put(store, key, "v").await;
    }
    let done = run(store, vec![Op::Delete(KeyRange::prefix("b/"))]).await;
    assert_eq!(pairs(&store.range(&KeyRange::all(), None, 0).unwrap().kvs), ["a=v", "b0=v", "c=v"]);
    let before = store.range(&KeyRange::all(), Some(done.revision - 1), 0).unwrap();
    assert_eq!(before.kvs.len(), 5);
    // Two ranges that overlap delete a key once.
    run(store, vec![Op::Delete(KeyRange::prefix("b")), Op::Delete(KeyRange::all())]).await;
    assert!(store.range(&KeyRange::all(), None, 0).unwrap().kvs.is_empty());
    assert_eq!(store.revision(), done.revision + 1);
}

pub(super) async fn a_key_written_twice_is_refused(store: Arc<dyn Store>) {
    let store = &*store;
    let before = put(store, "a/1", "1").await;
    for ops in
        [vec![put_op("a/1", "2"), put_op("a/1", "3")], vec![put_op("a/1", "2"), Op::Delete(KeyRange::prefix("a"))]]
    {
        let refused = within(store.txn(Txn { success: ops, ..Txn::default() })).await;
        assert!(matches!(refused, Err(StoreError::BadTxn(_))), "{refused:?}");
    }
    assert_eq!((store.revision(), &get(store, "a/1").unwrap().value[..]), (before, &b"1"[..]));
}

pub(super) async fn concurrent_increments_lose_nothing(store: Arc<dyn Store>) {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 25;
    put(&*store, "counter", "0").await;
    let clients = (0..CLIENTS).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let kv = get(&*store, "counter").unwrap();
                let value: u64 = std::str::from_utf8(&kv.value).unwrap().parse().unwrap();
                let txn = Txn {
                    compares: vec![Compare::ModRevision("counter".into(), kv.mod_revision)],
                    success: vec![put_op("counter", &(value + 1).to_string())],
                    failure: vec![],
                };
                done += u64::from(store.txn(txn).await.unwrap().succeeded);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        within(client).await.unwrap();
    }
    let kv = get(&*store, "counter").unwrap();
    assert_eq!((kv.value, kv.version), ((CLIENTS * EACH).to_string().into(), CLIENTS * EACH + 1));
}

pub(super) async fn a_transaction_is_seen_whole_or_not_at_all(store: Arc<dyn Store>) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for round in 0..100 {
            let value = round.to_string();
            run(&*writer, vec![put_op("left", &value), put_op("right", &value)]).await;
        }
    });
    let (mut looks, mut last) = (0, 0);
    while !writing.is_finished() || looks == 0 {
        let found = store.range(&KeyRange::all(), None, 0).unwrap();
        let values: Vec<_> = found.kvs.iter().map(|kv| &kv.value).collect();
        assert!(values.windows(2).all(|two| two[0] == two[1]) && values.len() != 1, "{values:?}");
        assert!(found.revision >= last, "the revision went back");
        last = found.revision;
        looks += 1;
        tokio::task::yield_now().await;
    }
    within(writing).await.unwrap();
}
