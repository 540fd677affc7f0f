//! Random operations against the model.

use crate::check::{open, replay, run, same};
use crate::model::{Model, range, txn};
use crate::sim::Sim;
use proptest::prelude::*;
use store::{KeyRange, Store, StoreError, Txn};

#[derive(Debug, Clone)]
enum Step {
    Txn(Txn),
    /// Reads at a revision this far back.
    Read(KeyRange, u64, usize),
    /// Watches from this far back.
    Watch(KeyRange, u64),
    /// Compacts to this far back.
    Compact(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => txn().prop_map(Step::Txn),
        3 => (range(), 0..12u64, 0..4usize).prop_map(|(range, back, limit)| Step::Read(range, back, limit)),
        2 => (range(), 0..12u64).prop_map(|(range, back)| Step::Watch(range, back)),
        1 => (0..12u64).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

async fn follows_the_model(steps: Vec<Step>) {
    let (sim, mut model, mut oldest) = (Sim::default(), Model::new(), 0);
    let mut store = open(&sim).unwrap();
    for step in steps {
        let back = |back: u64| model.revision().saturating_sub(back);
        match step {
            Step::Txn(txn) => match (run(&store, &txn).await, model.txn(&txn)) {
                (Ok(done), expected) => assert_eq!(Some(done), expected),
                (Err(StoreError::BadTxn(_)), None) => {}
                (refused, expected) => panic!("{refused:?}, not {expected:?}"),
            },
            Step::Read(range, revisions, limit) => {
                let at = back(revisions);
                match store.range(&range, Some(at), limit) {
                    Ok(found) if at >= oldest => assert_eq!(found, model.range(&range, at, limit)),
                    Err(StoreError::Compacted { wanted, oldest: said }) if at < oldest => {
                        assert_eq!((wanted, said), (at, oldest));
                    }
                    found => panic!("at {at}, oldest {oldest}: {found:?}"),
                }
                assert_eq!(store.range(&range, None, limit).unwrap(), model.range(&range, model.revision(), limit));
            }
            Step::Watch(range, revisions) => {
                let from = back(revisions);
                if from < oldest {
                    let refused = store.watch(range, Some(from));
                    assert!(matches!(refused, Err(StoreError::Compacted { .. })));
                } else {
                    let expected = model.batches(&range, from);
                    assert_eq!(replay(&store, range, from, expected.len()).await, expected);
                }
            }
            Step::Compact(revisions) => {
                let to = back(revisions);
                store.compact(to).await.unwrap();
                oldest = oldest.max(to);
            }
            Step::Reopen => {
                drop(store);
                store = open(&sim).unwrap();
                assert_eq!(store.stats().oldest, oldest);
            }
        }
    }
    same(&store, &model).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(follows_the_model(steps));
    }
}
