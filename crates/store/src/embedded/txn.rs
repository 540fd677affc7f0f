//! Transactions: what is refused, what the compares say, and what the operations change.

use super::entry::Change;
use super::index::Index;
use crate::api::{Compare, KeyRange, Op, RangeResult, StoreError, Txn, TxnResult};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Bound;

/// The most bytes of keys and values in one transaction. Five times what a Kubernetes object may have (etcd's request
/// limit is 1.5 MiB), and little enough that the others of its group commit don't wait long.
pub(crate) const TXN_BYTES_MAX: usize = 8 << 20;

/// The most compares or operations of one list. What decides over more records than this holds up every other writer.
pub(crate) const TXN_OPS_MAX: usize = 100_000;

/// Refuses a transaction that is too large or writes a key twice, whichever of its lists would run.
pub(crate) fn check(txn: &Txn) -> Result<(), StoreError> {
    let most = txn.compares.len().max(txn.success.len()).max(txn.failure.len());
    if most > TXN_OPS_MAX {
        return Err(StoreError::BadTxn(format!("{most} operations, and at most {TXN_OPS_MAX} may be")));
    }
    let compares: usize = txn.compares.iter().map(compare_size).sum();
    let ops: usize = txn.success.iter().chain(&txn.failure).map(op_size).sum();
    let size = compares.saturating_add(ops);
    if size > TXN_BYTES_MAX {
        return Err(StoreError::BadTxn(format!("{size} bytes, and at most {TXN_BYTES_MAX} may be")));
    }
    check_writes(&txn.success)?;
    check_writes(&txn.failure)
}

fn compare_size(compare: &Compare) -> usize {
    match compare {
        Compare::ModRevision(key, _) | Compare::CreateRevision(key, _) | Compare::Version(key, _) => key.len(),
        Compare::Value(key, value) => key.len() + value.len(),
        Compare::UnchangedSince(range, _) => range_size(range),
    }
}

fn op_size(op: &Op) -> usize {
    match op {
        Op::Put(key, value) => key.len() + value.len(),
        Op::Delete(range) | Op::Range(range) => range_size(range),
    }
}

fn range_size(range: &KeyRange) -> usize {
    range.start.len() + range.end.as_ref().map_or(0, Bytes::len)
}

fn check_writes(ops: &[Op]) -> Result<(), StoreError> {
    let twice = |key: &[u8]| StoreError::BadTxn(format!("key {} is written twice", key.escape_ascii()));
    let mut puts: BTreeSet<&[u8]> = BTreeSet::new();
    for op in ops {
        if let Op::Put(key, _) = op
            && !puts.insert(key)
        {
            return Err(twice(key));
        }
    }
    for op in ops {
        let Op::Delete(range) = op else { continue };
        let from = (Bound::Included(&range.start[..]), Bound::Unbounded);
        if let Some(first) = puts.range::<[u8], _>(from).next().filter(|key| range.contains(key)) {
            return Err(twice(first));
        }
    }
    Ok(())
}

/// Whether neither list changes anything, so that the transaction need not pass the writer.
pub(crate) fn only_reads(txn: &Txn) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| matches!(op, Op::Range(_)))
}

/// Runs a transaction of reads at `revision`.
pub(crate) fn read(index: &Index, txn: &Txn, revision: u64) -> TxnResult {
    let succeeded = txn.compares.iter().all(|compare| holds(index, compare, revision));
    let ops = if succeeded { &txn.success } else { &txn.failure };
    let read = |op: &Op| match op {
        Op::Range(range) => Some(range_result(index, range, revision)),
        Op::Put(..) | Op::Delete(_) => None,
    };
    TxnResult { succeeded, revision, ranges: ops.iter().filter_map(read).collect() }
}

/// Runs a checked transaction on the newest state, visible or not. What it changed takes the next revision.
pub(crate) fn run(index: &mut Index, txn: Txn) -> (TxnResult, Vec<Change>) {
    let before = index.newest();
    let own = before + 1;
    let succeeded = txn.compares.iter().all(|compare| holds(index, compare, before));
    let ops = if succeeded { txn.success } else { txn.failure };
    let (mut changes, mut ranges) = (Vec::new(), Vec::new());
    for op in ops {
        match op {
            Op::Put(key, value) => {
                index.put(own, &key, value.clone());
                changes.push(Change::Put(key, value));
            }
            Op::Delete(range) => {
                for key in index.living(&range) {
                    index.delete(own, &key);
                    changes.push(Change::Delete(key));
                }
            }
            Op::Range(range) => ranges.push(range_result(index, &range, index.newest())),
        }
    }
    (TxnResult { succeeded, revision: index.newest(), ranges }, changes)
}

fn range_result(index: &Index, range: &KeyRange, revision: u64) -> RangeResult {
    RangeResult { kvs: index.page(range, revision, 0, usize::MAX).kvs, more: false, revision }
}

fn holds(index: &Index, compare: &Compare, now: u64) -> bool {
    let found = |key: &Bytes| index.get(key, now);
    match compare {
        Compare::ModRevision(key, wanted) => found(key).map_or(0, |kv| kv.mod_revision) == *wanted,
        Compare::CreateRevision(key, wanted) => found(key).map_or(0, |kv| kv.create_revision) == *wanted,
        Compare::Version(key, wanted) => found(key).map_or(0, |kv| kv.version) == *wanted,
        Compare::Value(key, wanted) => found(key).is_some_and(|kv| kv.value == *wanted),
        Compare::UnchangedSince(range, since) => index.unchanged(range, *since, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static str) -> Op {
        Op::Put(key.into(), "v".into())
    }

    fn delete(prefix: &'static str) -> Op {
        Op::Delete(KeyRange::prefix(prefix))
    }

    #[test]
    fn a_key_is_written_once() {
        let first = |success: Vec<Op>| check(&Txn { success, ..Txn::default() });
        assert!(first(vec![put("a"), put("b"), delete("c"), delete("c")]).is_ok());
        for ops in [vec![put("a"), put("a")], vec![put("ab"), delete("a")], vec![delete("a"), put("x"), put("ab")]] {
            assert!(matches!(first(ops.clone()), Err(StoreError::BadTxn(_))), "{ops:?}");
            let other = Txn { failure: ops, ..Txn::default() };
            assert!(matches!(check(&other), Err(StoreError::BadTxn(_))));
        }
    }

    #[test]
    fn a_transaction_has_a_largest_size() {
        let value = Bytes::from(vec![0; TXN_BYTES_MAX]);
        let txn = |key: &'static str| Txn { success: vec![Op::Put(key.into(), value.clone())], ..Txn::default() };
        assert!(check(&txn("")).is_ok());
        assert!(matches!(check(&txn("k")), Err(StoreError::BadTxn(_))));
    }
}
