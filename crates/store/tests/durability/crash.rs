//! A disk that dies, or fails once, at every single step.

use crate::check::{open, run, same};
use crate::model::{self, Model};
use crate::sim::{Chance, Sim};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use store::{Embedded, KeyRange, Op, Store, StoreError, Txn};

const TXNS: usize = 45;

/// Always the same transactions, none of which is refused.
fn workload() -> Vec<Txn> {
    let mut runner = TestRunner::deterministic();
    let mut model = Model::new();
    let mut txns = Vec::new();
    while txns.len() < TXNS {
        let txn = model::txn().new_tree(&mut runner).unwrap().current();
        if model.txn(&txn).is_some() {
            txns.push(txn);
        }
    }
    txns
}

/// Runs transactions until all are done or the disk is gone. What is acknowledged goes into the model and out of
/// `rest`.
async fn drive(store: &Embedded, model: &mut Model, rest: &mut &[Txn]) -> Result<(), StoreError> {
    while let Some((txn, after)) = rest.split_first() {
        let done = run(store, txn).await?;
        assert_eq!(Some(done), model.txn(txn));
        *rest = after;
        if after.len() % 9 == 0 {
            store.compact(model.revision().saturating_sub(4)).await?;
        }
    }
    Ok(())
}

/// After a crash, the transaction that was under way is there whole or not at all: the model learns which.
fn settle(store: &Embedded, model: &mut Model, rest: &mut &[Txn]) {
    let Some((txn, after)) = rest.split_first() else { return };
    if store.revision() > model.revision() {
        model.txn(txn);
        *rest = after;
    }
}

/// Works through the workload on a disk that dies after `first` steps, and later again and again.
async fn crash_at(first: usize, seed: u64, workload: &[Txn]) -> bool {
    let chance = &mut Chance(seed ^ ((first as u64) << 20));
    let (mut sim, mut model, mut rest) = (Sim::default(), Model::new(), workload);
    sim.cut_after(first);
    let mut crashes = 0;
    loop {
        let outcome = match open(&sim) {
            Ok(store) => {
                settle(&store, &mut model, &mut rest);
                same(&store, &model).await;
                drive(&store, &mut model, &mut rest).await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => break,
            Err(StoreError::Io(_)) => crashes += 1,
            Err(error) => panic!("step {first}, seed {seed}, crash {crashes}: {error}"),
        }
        // A process that was killed leaves what it wrote to the system; then the power may go all the same.
        sim = if chance.below(3) == 0 { sim.after_kill() } else { sim.after_power_cut(chance) };
        if crashes < 4 {
            sim.cut_after(chance.below(60));
        }
    }
    let store = open(&sim.after_power_cut(chance)).unwrap();
    same(&store, &model).await;
    crashes > 0
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_the_power_is_cut() {
    let workload = workload();
    for seed in 0..3 {
        let mut first = 0;
        while crash_at(first, seed, &workload).await {
            first += 1;
        }
        assert!(first > 2 * TXNS, "the disk died at {first} places only");
    }
}

#[tokio::test]
async fn a_failed_write_or_sync_is_never_acknowledged_and_nothing_is_after_it() {
    let workload = workload();
    let (mut step, mut poisoned) = (0, 0);
    loop {
        let sim = Sim::default();
        sim.fail_after(step);
        let (mut model, mut rest) = (Model::new(), &workload[..]);
        let failed = match open(&sim) {
            Ok(store) => {
                let failed = drive(&store, &mut model, &mut rest).await;
                assert_eq!(store.revision(), model.revision());
                if failed.is_err() {
                    poisoned += 1;
                    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
                    let success = vec![Op::Put("after".into(), "x".into())];
                    let refused = run(&store, &Txn { success, ..Txn::default() }).await;
                    assert!(matches!(refused, Err(StoreError::Io(_))), "{refused:?}");
                    let seen = store.range(&KeyRange::all(), None, 0).unwrap();
                    assert_eq!(seen, model.range(&KeyRange::all(), model.revision(), 0));
                }
                drop(store);
                true
            }
            Err(error) => matches!(error, StoreError::Io(_)),
        };
        assert!(failed);
        // Whatever the next process shows is there for good.
        let sim_after = sim.after_kill();
        let store = open(&sim_after).unwrap();
        settle(&store, &mut model, &mut rest);
        same(&store, &model).await;
        let cut = sim_after.after_power_cut(&mut Chance(step as u64));
        same(&open(&cut).unwrap(), &model).await;
        // And what it writes is there too.
        drive(&store, &mut model, &mut rest).await.unwrap();
        drop(store);
        let cut = sim_after.after_power_cut(&mut Chance(step as u64));
        same(&open(&cut).unwrap(), &model).await;
        if sim.steps() < step {
            break;
        }
        step += 1;
    }
    assert!(poisoned > TXNS, "{poisoned}");
}

#[tokio::test]
async fn what_a_torn_write_left_is_not_in_the_way_later() {
    for seed in 0..40 {
        let (mut sim, mut model) = (Sim::default(), Model::new());
        let put = |key: &'static str, length: usize| Txn {
            success: vec![Op::Put(key.into(), vec![b'x'; length].into())],
            ..Txn::default()
        };
        let store = open(&sim).unwrap();
        model.txn(&put("first", 10));
        run(&store, &put("first", 10)).await.unwrap();
        // The write is made, and the sync dies: most of a segment is in doubt.
        sim.cut_after(1);
        let torn = put("torn", 1700);
        run(&store, &torn).await.unwrap_err();
        drop(store);
        sim = sim.after_power_cut(&mut Chance(seed));
        let store = open(&sim).unwrap();
        settle(&store, &mut model, &mut &[torn][..]);
        // Little of it is written over before the next segment is begun.
        for txn in [put("small", 10), put("large", 1900), put("last", 10)] {
            model.txn(&txn);
            run(&store, &txn).await.unwrap();
        }
        drop(store);
        same(&open(&sim).unwrap(), &model).await;
    }
}

/// Several clients at once: each one's last acknowledged value is there, or the one that it was writing.
async fn crowd_at(first: usize, seed: u64) -> bool {
    const CLIENTS: usize = 6;
    const EACH: u64 = 8;
    let sim = Sim::default();
    sim.cut_after(first);
    let Ok(store) = open(&sim) else { return true };
    let key = |client: usize| format!("client/{client}");
    let clients = (0..CLIENTS).map(|client| {
        let store = &store;
        async move {
            let mut acknowledged = (0, 0);
            for value in 1..=EACH {
                let success = vec![Op::Put(key(client).into(), value.to_string().into())];
                match run(store, &Txn { success, ..Txn::default() }).await {
                    Ok(done) => acknowledged = (value, done.revision),
                    Err(_) => break,
                }
            }
            acknowledged
        }
    });
    let acknowledged = futures::future::join_all(clients).await;
    drop(store);
    let store = open(&sim.after_power_cut(&mut Chance(seed + first as u64))).unwrap();
    for (client, (value, revision)) in acknowledged.iter().enumerate() {
        let found = store.range(&KeyRange::key(key(client)), None, 0).unwrap();
        let there: u64 = found.kvs.first().map_or(0, |kv| std::str::from_utf8(&kv.value).unwrap().parse().unwrap());
        assert!(there == *value || there == value + 1, "client {client}: {there} is there, {value} was acknowledged");
        assert!(store.revision() >= *revision, "the revision went back");
    }
    acknowledged.iter().any(|(value, _)| *value < EACH)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_many_write_at_once() {
    for seed in 0..10 {
        let mut first = 0;
        while crowd_at(first, seed).await {
            first += 1;
        }
        assert!(first > 10, "{first}");
    }
}
