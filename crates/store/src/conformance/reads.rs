//! Reading: now, in the past, and what is refused.

use super::{delete, get, is_compacted, pairs, put, put_op, run, within};
use crate::api::{KeyRange, Op, Store, StoreError};
use bytes::Bytes;
use std::sync::Arc;

pub(super) async fn a_new_store_is_empty(store: Arc<dyn Store>) {
    let found = store.range(&KeyRange::all(), None, 0).unwrap();
    assert!(found.kvs.is_empty() && !found.more);
    assert_eq!(found.revision, store.revision());
}

pub(super) async fn versions_count_and_start_anew_after_a_deletion(store: Arc<dyn Store>) {
    let first = put(&*store, "k", "1").await;
    let second = put(&*store, "k", "2").await;
    assert_eq!(second, first + 1);
    let kv = get(&*store, "k").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version, &kv.value[..]), (first, second, 2, &b"2"[..]));

    delete(&*store, "k").await;
    assert_eq!(get(&*store, "k"), None);
    let again = put(&*store, "k", "3").await;
    assert_eq!(again, first + 3);
    let kv = get(&*store, "k").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (again, again, 1));
    assert_eq!(store.revision(), again);
}

pub(super) async fn a_range_is_ordered_and_limited(store: Arc<dyn Store>) {
    for key in ["b", "a/2", "a/10", "a", "c", "a/1"] {
        put(&*store, key, "v").await;
    }
    let read = |range: KeyRange, limit: usize| {
        let found = store.range(&range, None, limit).unwrap();
        let keys: Vec<String> = found.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect();
        (keys.join(" "), found.more)
    };
    assert_eq!(read(KeyRange::all(), 0), ("a a/1 a/10 a/2 b c".to_owned(), false));
    assert_eq!(read(KeyRange::prefix("a/"), 0), ("a/1 a/10 a/2".to_owned(), false));
    assert_eq!(read(KeyRange::prefix("a/"), 2), ("a/1 a/10".to_owned(), true));
    assert_eq!(read(KeyRange::prefix("a/"), 3), ("a/1 a/10 a/2".to_owned(), false));
    assert_eq!(read(KeyRange::all(), 1), ("a".to_owned(), true));
    assert_eq!(read(KeyRange { start: "a/10".into(), end: Some("c".into()) }, 0), ("a/10 a/2 b".to_owned(), false));
    assert_eq!(read(KeyRange { start: "b".into(), end: None }, 0), ("b c".to_owned(), false));
    assert_eq!(read(KeyRange::key("a/1"), 0), ("a/1".to_owned(), false));
}

pub(super) async fn ranges_that_hold_nothing_are_empty(store: Arc<dyn Store>) {
    put(&*store, "m", "v").await;
    for (start, end) in [("m", "m"), ("z", "a"), ("n", "z"), ("a", "m")] {
        let range = KeyRange { start: start.into(), end: Some(end.into()) };
        assert!(store.range(&range, None, 0).unwrap().kvs.is_empty(), "{start}..{end}");
    }
}

pub(super) async fn the_past_stays_readable(store: Arc<dyn Store>) {
    let first = put(&*store, "a", "1").await;
    put(&*store, "b", "1").await;
    put(&*store, "a", "2").await;
    delete(&*store, "b").await;
    put(&*store, "c", "1").await;
    let expected = ["a=1", "a=1 b=1", "a=2 b=1", "a=2", "a=2 c=1"];
    for (revision, expected) in (first..).zip(expected) {
        let found = store.range(&KeyRange::all(), Some(revision), 0).unwrap();
        assert_eq!((pairs(&found.kvs).join(" ").as_str(), found.revision), (expected, revision));
    }
    let limited = store.range(&KeyRange::all(), Some(first + 1), 1).unwrap();
    assert_eq!((pairs(&limited.kvs), limited.more), (vec!["a=1".to_owned()], true));
    let limited = store.range(&KeyRange::all(), Some(first), 1).unwrap();
    assert!(!limited.more, "what came later is not more");
}

pub(super) async fn a_count_is_of_what_a_range_has(store: Arc<dyn Store>) {
    assert_eq!(store.count(&KeyRange::all(), None).unwrap(), 0);
    let first = put(&*store, "a/1", "1").await;
    let many: Vec<Op> = (0..10_000).map(|it| put_op(&format!("b/{it}"), "1")).collect();
    let second = run(&*store, many).await.revision;
    put(&*store, "a/1", "2").await;
    delete(&*store, "a/1").await;
    let kept = put(&*store, "a/2", "1").await;
    for (at, all, some) in [(Some(first), 1, 1), (Some(second), 10_001, 1), (Some(kept - 1), 10_000, 0)] {
        assert_eq!(store.count(&KeyRange::all(), at).unwrap(), all, "at {at:?}");
        assert_eq!(store.count(&KeyRange::prefix("a/"), at).unwrap(), some, "at {at:?}");
    }
    assert_eq!(store.count(&KeyRange::all(), None).unwrap(), 10_001);
    assert_eq!(store.count(&KeyRange { start: "z".into(), end: Some("a".into()) }, None).unwrap(), 0);
    let refused = store.count(&KeyRange::all(), Some(kept + 1));
    assert!(matches!(refused, Err(StoreError::Future(revision)) if revision == kept + 1), "{refused:?}");
    within(store.compact(kept)).await.unwrap();
    assert!(is_compacted(store.count(&KeyRange::all(), Some(first))));
    assert_eq!(store.count(&KeyRange::all(), Some(kept)).unwrap(), 10_001);
}

pub(super) async fn the_future_is_refused(store: Arc<dyn Store>) {
    let now = put(&*store, "a", "1").await;
    let refused = store.range(&KeyRange::all(), Some(now + 1), 0);
    assert!(matches!(refused, Err(StoreError::Future(revision)) if revision == now + 1), "{refused:?}");
    let refused = within(store.compact(now + 1)).await;
    assert!(matches!(refused, Err(StoreError::Future(_))), "{refused:?}");
}

pub(super) async fn compacted_history_is_refused_and_the_rest_stays(store: Arc<dyn Store>) {
    let first = put(&*store, "quiet", "1").await;
    put(&*store, "busy", "1").await;
    put(&*store, "gone", "1").await;
    delete(&*store, "gone").await;
    let kept = put(&*store, "busy", "2").await;
    let last = put(&*store, "busy", "3").await;
    within(store.compact(kept)).await.unwrap();

    for revision in first..kept {
        let refused = store.range(&KeyRange::all(), Some(revision), 0);
        let as_said = matches!(&refused, Err(StoreError::Compacted { wanted, .. }) if *wanted == revision);
        assert!(as_said, "revision {revision}: {refused:?}");
    }
    let at = |revision| pairs(&store.range(&KeyRange::all(), revision, 0).unwrap().kvs).join(" ");
    assert_eq!(at(Some(kept)), "busy=2 quiet=1");
    assert_eq!(at(Some(last)), "busy=3 quiet=1");
    assert_eq!(at(None), "busy=3 quiet=1");
    assert_eq!(get(&*store, "quiet").unwrap().create_revision, first);
    assert_eq!(get(&*store, "busy").unwrap().version, 3);

    // What is gone already may be compacted again.
    within(store.compact(kept)).await.unwrap();
    within(store.compact(first)).await.unwrap();
    within(store.compact(last)).await.unwrap();
    assert!(is_compacted(store.range(&KeyRange::all(), Some(kept), 0)));
    assert_eq!(store.revision(), last, "compacting is not a change");
    assert_eq!(put(&*store, "gone", "2").await, last + 1);
    assert_eq!(get(&*store, "gone").unwrap().version, 1);
}

pub(super) async fn bytes_of_every_kind_come_back(store: Arc<dyn Store>) {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let large = Bytes::from(vec![0xa5; 1 << 20]);
    let ops = vec![
        Op::Put(every.clone().into(), every.clone().into()),
        Op::Put("empty".into(), Bytes::new()),
        Op::Put(vec![255, 255].into(), large.clone()),
    ];
    run(&*store, ops).await;
    let read = |key: Vec<u8>| store.range(&KeyRange::key(key), None, 0).unwrap().kvs.pop().unwrap().value;
    assert_eq!(read(every.clone()), every);
    assert_eq!(read(b"empty".to_vec()), Bytes::new());
    assert_eq!(read(vec![255, 255]), large);
    assert_eq!(store.range(&KeyRange::prefix(vec![255]), None, 0).unwrap().kvs.len(), 1);
}
