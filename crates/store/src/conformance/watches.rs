//! Watches: nothing lost, nothing repeated, and an end that says why.

use super::{delete, ending, is_compacted, next, put, put_op, run, shown, within};
use crate::api::{Event, KeyRange, Op, Store, WatchError};
use std::sync::Arc;

/// More than any engine buffers for one watcher.
const FAR_BEHIND: usize = 20_000;

pub(super) async fn a_watch_sees_what_comes(store: Arc<dyn Store>) {
    put(&*store, "a/old", "1").await;
    let mut watch = store.watch(KeyRange::prefix("a/"), None).unwrap();
    let first = put(&*store, "a/1", "1").await;
    put(&*store, "b/1", "1").await;
    put(&*store, "a/1", "2").await;
    let last = delete(&*store, "a/1").await;

    let events = [next(&mut watch).await, next(&mut watch).await, next(&mut watch).await].concat();
    assert_eq!(shown(&events), ["a/1=1", "a/1=2", "-a/1"]);
    assert_eq!(events.iter().map(Event::revision).collect::<Vec<_>>(), [first, first + 2, last]);
    let Event::Put { kv, prev: None } = &events[0] else { panic!("{events:?}") };
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (first, first, 1));
    let Event::Put { kv: second, prev: Some(prev) } = &events[1] else { panic!("{events:?}") };
    assert_eq!((prev, second.version), (kv, 2));
    assert!(matches!(&events[2], Event::Delete { prev: Some(prev), .. } if prev == second), "{events:?}");
}

pub(super) async fn a_watch_from_the_past_sees_all_of_it(store: Arc<dyn Store>) {
    let first = put(&*store, "a", "1").await;
    put(&*store, "b", "1").await;
    put(&*store, "a", "2").await;
    delete(&*store, "b").await;
    let expected = ["a=1", "b=1", "a=2", "-b", "a=3"];
    let watch = |from| store.watch(KeyRange::all(), Some(from)).unwrap();
    let mut watches: Vec<_> = (first..first + 5).map(watch).collect();
    put(&*store, "a", "3").await;
    for (skipped, watch) in watches.iter_mut().enumerate() {
        for expected in &expected[skipped..] {
            assert_eq!(shown(&next(watch).await), [*expected], "from {skipped} on");
        }
    }
    let mut one = store.watch(KeyRange::key("b"), Some(first)).unwrap();
    assert_eq!(shown(&[next(&mut one).await, next(&mut one).await].concat()), ["b=1", "-b"]);
}

pub(super) async fn a_watch_gets_one_batch_for_a_revision(store: Arc<dyn Store>) {
    let first = put(&*store, "a/0", "1").await;
    let mut live = store.watch(KeyRange::prefix("a/"), None).unwrap();
    let ops = vec![put_op("a/2", "1"), put_op("b/1", "1"), Op::Delete(KeyRange::key("a/0")), put_op("a/1", "1")];
    run(&*store, ops).await;
    put(&*store, "a/3", "1").await;
    let mut late = store.watch(KeyRange::prefix("a/"), Some(first + 1)).unwrap();
    for watch in [&mut live, &mut late] {
        let mut batch = shown(&next(watch).await);
        batch.sort();
        assert_eq!(batch, ["-a/0", "a/1=1", "a/2=1"]);
        assert_eq!(shown(&next(watch).await), ["a/3=1"]);
    }
}

pub(super) async fn a_watch_from_the_future_waits(store: Arc<dyn Store>) {
    let now = put(&*store, "a", "1").await;
    let mut watch = store.watch(KeyRange::all(), Some(now + 3)).unwrap();
    for value in ["2", "3", "4", "5"] {
        put(&*store, "a", value).await;
    }
    assert_eq!(shown(&[next(&mut watch).await, next(&mut watch).await].concat()), ["a=4", "a=5"]);
}

pub(super) async fn a_watch_of_compacted_history_is_refused(store: Arc<dyn Store>) {
    let first = put(&*store, "a", "1").await;
    put(&*store, "a", "2").await;
    let last = put(&*store, "a", "3").await;
    within(store.compact(last)).await.unwrap();
    for revision in [first, last - 1] {
        // An engine may say so at once or as the first thing that the watch says.
        match store.watch(KeyRange::all(), Some(revision)) {
            Ok(mut watch) => assert!(matches!(ending(&mut watch).await, WatchError::Compacted(_))),
            refused => assert!(is_compacted(refused.map(drop))),
        }
    }
    let mut watch = store.watch(KeyRange::all(), Some(last)).unwrap();
    assert_eq!(shown(&next(&mut watch).await), ["a=3"]);
    put(&*store, "a", "4").await;
    assert_eq!(shown(&next(&mut watch).await), ["a=4"]);
}

pub(super) async fn a_watch_during_writes_misses_and_repeats_nothing(store: Arc<dyn Store>) {
    const WRITES: u64 = 400;
    let base = put(&*store, "w/start", "0").await;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for round in 0..WRITES {
            put(&*writer, &format!("w/{}", round % 7), &round.to_string()).await;
        }
    });
    let mut readers = Vec::new();
    while !writing.is_finished() {
        let from = store.revision();
        let watch = store.watch(KeyRange::prefix("w/"), Some(from)).unwrap();
        readers.push(tokio::spawn(follow(watch, from, base + WRITES)));
        tokio::task::yield_now().await;
        if readers.len() >= 500 {
            break;
        }
    }
    within(writing).await.unwrap();
    for reader in readers {
        within(reader).await.unwrap();
    }
}

/// Reads every revision from one to another, each exactly once.
async fn follow(mut watch: crate::api::Watch, from: u64, to: u64) {
    for revision in from..=to {
        let batch = next(&mut watch).await;
        assert_eq!((batch.len(), batch[0].revision()), (1, revision));
    }
}

pub(super) async fn a_watcher_that_does_not_read_is_cut_off(store: Arc<dyn Store>) {
    let mut slow = store.watch(KeyRange::key("k"), None).unwrap();
    let mut other = store.watch(KeyRange::key("end"), None).unwrap();
    let writers = (0..64).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..FAR_BEHIND / 64 + 1 {
                put(&*store, "k", "v").await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        writer.await.unwrap();
    }
    put(&*store, "end", "1").await;
    assert_eq!(shown(&next(&mut other).await), ["end=1"], "the others are not disturbed");
    let (mut last, mut count) = (None, 0);
    let error = loop {
        match within(slow.events.recv()).await.expect("the watch ended without saying why") {
            Ok(batch) => {
                let revision = batch[0].revision();
                assert!(last.is_none_or(|last| revision == last + 1), "a gap before {revision}");
                last = Some(revision);
                count += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, WatchError::Lagged);
    assert!(count < FAR_BEHIND && within(slow.events.recv()).await.is_none());
}

pub(super) async fn many_watchers_each_see_their_own(store: Arc<dyn Store>) {
    const WATCHERS: usize = 10_000;
    let range = |number: usize| match number % 2 {
        0 => KeyRange::key(format!("n/{number:05}")),
        _ => KeyRange::prefix(format!("n/{number:05}")),
    };
    let watches: Vec<_> = (0..WATCHERS).map(|number| store.watch(range(number), None).unwrap()).collect();
    let mut all = store.watch(KeyRange::prefix("n/"), None).unwrap();
    let ops = (0..WATCHERS).map(|number| put_op(&format!("n/{number:05}"), "v")).collect();
    let done = run(&*store, ops).await;
    assert_eq!(next(&mut all).await.len(), WATCHERS);
    for (number, mut watch) in watches.into_iter().enumerate() {
        let batch = next(&mut watch).await;
        assert_eq!(shown(&batch), [format!("n/{number:05}=v")]);
        assert_eq!(batch[0].revision(), done.revision);
        assert!(watch.events.try_recv().is_err());
    }
}
