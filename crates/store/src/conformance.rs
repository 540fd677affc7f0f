//! What every engine must do, as a suite that any of them can run: `conformance::suite(|| my_engine()).await`.
//!
//! It assumes nothing about where a fresh store's revisions start, and leaves nothing to chance but the threads'
//! scheduling. A promise that is not checked here is not part of the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed check is a panic")]
#![allow(clippy::missing_panics_doc, reason = "a failed check is a panic")]

mod reads;
mod txns;
mod watches;

use crate::api::{Event, KeyRange, KeyValue, Op, Store, StoreError, Txn, TxnResult, Watch, WatchError};
use std::sync::Arc;
use std::time::Duration;

/// How long anything may take before it counts as hanging.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs every check, each on a store of its own that `make` makes empty.
pub async fn suite(make: impl Fn() -> Arc<dyn Store>) {
    reads::a_new_store_is_empty(make()).await;
    reads::versions_count_and_start_anew_after_a_deletion(make()).await;
    reads::a_range_is_ordered_and_limited(make()).await;
    reads::ranges_that_hold_nothing_are_empty(make()).await;
    reads::the_past_stays_readable(make()).await;
    reads::a_count_is_of_what_a_range_has(make()).await;
    reads::the_future_is_refused(make()).await;
    reads::compacted_history_is_refused_and_the_rest_stays(make()).await;
    reads::bytes_of_every_kind_come_back(make()).await;
    txns::every_compare_says_yes_and_no(make()).await;
    txns::unchanged_since_sees_writes_and_not_deletions(make()).await;
    txns::a_transaction_is_one_revision(make()).await;
    txns::a_transaction_without_changes_takes_no_revision(make()).await;
    txns::reads_in_a_transaction_see_what_came_before(make()).await;
    txns::deleting_a_range_deletes_just_that(make()).await;
    txns::a_key_written_twice_is_refused(make()).await;
    txns::concurrent_increments_lose_nothing(make()).await;
    txns::a_transaction_is_seen_whole_or_not_at_all(make()).await;
    watches::a_watch_sees_what_comes(make()).await;
    watches::a_watch_from_the_past_sees_all_of_it(make()).await;
    watches::a_watch_gets_one_batch_for_a_revision(make()).await;
    watches::a_watch_from_the_future_waits(make()).await;
    watches::a_watch_of_compacted_history_is_refused(make()).await;
    watches::a_watch_during_writes_misses_and_repeats_nothing(make()).await;
    watches::a_watcher_that_does_not_read_is_cut_off(make()).await;
    watches::many_watchers_each_see_their_own(make()).await;
}

async fn run(store: &dyn Store, success: Vec<Op>) -> TxnResult {
    within(store.txn(Txn { success, ..Txn::default() })).await.unwrap()
}

async fn put(store: &dyn Store, key: &str, value: &str) -> u64 {
    run(store, vec![put_op(key, value)]).await.revision
}

async fn delete(store: &dyn Store, key: &str) -> u64 {
    run(store, vec![Op::Delete(KeyRange::key(key.to_owned()))]).await.revision
}

fn put_op(key: &str, value: &str) -> Op {
    Op::Put(key.to_owned().into(), value.to_owned().into())
}

fn get(store: &dyn Store, key: &str) -> Option<KeyValue> {
    store.range(&KeyRange::key(key.to_owned()), None, 0).unwrap().kvs.pop()
}

/// `key=value` of each, which is easy to compare.
fn pairs(kvs: &[KeyValue]) -> Vec<String> {
    kvs.iter().map(|kv| format!("{}={}", kv.key.escape_ascii(), kv.value.escape_ascii())).collect()
}

/// `key=value` or `-key` of each.
fn shown(events: &[Event]) -> Vec<String> {
    let show = |event: &Event| match event {
        Event::Put { kv, .. } => pairs(std::slice::from_ref(kv)).concat(),
        Event::Delete { key, .. } => format!("-{}", key.escape_ascii()),
    };
    events.iter().map(show).collect()
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("the store hangs")
}

async fn next(watch: &mut Watch) -> Vec<Event> {
    within(watch.events.recv()).await.expect("the watch ended").unwrap()
}

/// The error that ends a watch, after whatever was still in it.
async fn ending(watch: &mut Watch) -> WatchError {
    loop {
        match within(watch.events.recv()).await.expect("the watch ended without saying why") {
            Ok(_) => {}
            Err(error) => {
                assert!(within(watch.events.recv()).await.is_none(), "something came after the error");
                return error;
            }
        }
    }
}

fn is_compacted<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Compacted { .. }))
}
