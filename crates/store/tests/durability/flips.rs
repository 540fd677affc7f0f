//! Flipped bits: the store refuses to open, or loses no more than its last commit. It never shows a wrong value.

use crate::check::{open, run, same};
use crate::model::Model;
use crate::sim::{Chance, Sim};
use store::{Op, Store, StoreError, Txn};

async fn fill(sim: &Sim, from: u64, count: u64, model: &mut Model) {
    let store = open(sim).unwrap();
    for number in from..from + count {
        let key = format!("key/{}", number % 5);
        let txn = Txn { success: vec![Op::Put(key.into(), format!("value {number}").into())], ..Txn::default() };
        let done = run(&store, &txn).await.unwrap();
        assert_eq!(Some(done), model.txn(&txn));
    }
}

/// Flips one bit of every byte of every file, one at a time. Returns how often the store did not open.
async fn flip_each(sim: &Sim, model: &Model) -> usize {
    let (mut damaged, chance) = (0, &mut Chance(1));
    for (name, length) in sim.files() {
        for byte in 0..length {
            let broken = sim.after_kill();
            let bit = 8 * byte + chance.below(8);
            broken.flip(&name, bit);
            match open(&broken) {
                Err(StoreError::Damaged(_)) => damaged += 1,
                Err(error) => panic!("{name}, bit {bit}: {error}"),
                Ok(store) if store.revision() == model.revision() => same(&store, model).await,
                Ok(store) => {
                    assert_eq!(store.revision() + 1, model.revision(), "{name}, bit {bit}: more than the tail is gone");
                    let last = model.states[store.revision() as usize].values().cloned().collect::<Vec<_>>();
                    assert_eq!(store.range(&store::KeyRange::all(), None, 0).unwrap().kvs, last, "{name}, bit {bit}");
                }
            }
        }
    }
    damaged
}

#[tokio::test]
async fn a_flipped_bit_in_the_log_is_noticed() {
    let (sim, mut model) = (Sim::default(), Model::new());
    fill(&sim, 0, 25, &mut model).await;
    let files = sim.files();
    assert!(files.iter().all(|(name, _)| !name.starts_with("checkpoint")), "{files:?}");
    let damaged = flip_each(&sim, &model).await;
    // Each transaction but the last takes 80 bytes and more, all of which matter.
    assert!(damaged > 24 * 72, "{damaged}");
}

#[tokio::test]
async fn a_flipped_bit_in_a_checkpoint_is_damage() {
    let (sim, mut model) = (Sim::default(), Model::new());
    let mut filled = 0;
    while !sim.files().iter().any(|(name, _)| name.starts_with("checkpoint-")) {
        fill(&sim, filled, 10, &mut model).await;
        filled += 10;
        assert!(filled < 1000, "no checkpoint is taken");
    }
    let sizes = sim.files();
    let size = sizes.iter().find_map(|(name, length)| name.starts_with("checkpoint-").then_some(*length)).unwrap();
    let damaged = flip_each(&sim, &model).await;
    // Not the header's and the last frame's padding.
    assert!(damaged > size - 64, "{damaged} of {size}");
}

#[tokio::test]
async fn what_is_blanked_or_gone_in_the_middle_is_damage() {
    let (sim, mut model) = (Sim::default(), Model::new());
    // More than one segment holds, and less than a checkpoint is taken at.
    fill(&sim, 0, 36, &mut model).await;
    let files = sim.files();
    let (first, length) = &files[0];
    assert!(files.len() >= 2 && files[0].0.starts_with("log-"), "{files:?}");
    // From any place in the first segment's header or frames on; what is behind its last frame was blank before.
    let mut opened = 0;
    for from in 0..*length {
        let broken = sim.after_kill();
        broken.blank(first, from);
        match open(&broken) {
            Err(StoreError::Damaged(_)) => assert_eq!(opened, 0, "damage behind what may be blank"),
            Err(error) => panic!("{error}"),
            Ok(store) => {
                opened += 1;
                same(&store, &model).await;
            }
        }
    }
    assert!(opened < 200, "{opened} of {length}");
    let broken = sim.after_kill();
    store::embedded::disk::Disk::remove(&broken, first).unwrap();
    assert!(matches!(open(&broken), Err(StoreError::Damaged(_))));
}
