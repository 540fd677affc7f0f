//! Typed records and optimistic transactions over any [`Store`].
//!
//! A service decides from what it read and commits once: [`Records::transact`] runs a decision against a snapshot,
//! commits with a compare on everything that was read, and runs it again when somebody else was faster.

use crate::api::{Compare, KeyRange, Op, Store, StoreError, Txn};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a decision is taken again before the store is called too busy. Each round loses only to a commit that
/// went through, so this bounds how many others may overtake one caller.
const ROUNDS: usize = 200;

/// How many parsed records are kept for [`Records::shared`] before all of them are forgotten.
const KEPT: usize = 4096;

/// JSON records in a store. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    parsed: Arc<Mutex<HashMap<String, Parsed>>>,
}

/// A record as it was at a revision of its own. It is that record for as long as the store has that revision.
struct Parsed {
    mod_revision: u64,
    record: Arc<dyn Any + Send + Sync>,
}

/// A decision in progress: a snapshot to read from and the writes so far (which later reads see).
pub struct Tx<'a> {
    store: &'a dyn Store,
    revision: u64,
    compares: RefCell<Vec<Compare>>,
    writes: BTreeMap<String, Option<Bytes>>,
}

fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Damaged(format!("record {key}: {error}")))
}

impl Records {
    /// Records in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, parsed: Arc::default() }
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Reads one record as it is now.
    ///
    /// # Errors
    /// When the store fails or the record does not parse.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let found = self.store.range(&KeyRange::key(key.to_owned()), None, 1)?;
        found.kvs.first().map(|kv| decode(key, &kv.value)).transpose()
    }

    /// Reads one record as it is now, for those who read the same one again and again: it is parsed once for each
    /// change of it.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn shared<T: DeserializeOwned + Send + Sync + 'static>(&self, key: &str) -> Result<Option<Arc<T>>, StoreError> {
        let found = self.store.range(&KeyRange::key(key.to_owned()), None, 1)?;
        let Some(kv) = found.kvs.first() else { return Ok(None) };
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.get(key).filter(|it| it.mod_revision == kv.mod_revision)
            && let Ok(record) = Arc::clone(&known.record).downcast::<T>()
        {
            return Ok(Some(record));
        }
        let record: Arc<T> = Arc::new(decode(key, &kv.value)?);
        if parsed.len() >= KEPT {
            parsed.clear();
        }
        let known = Parsed { mod_revision: kv.mod_revision, record: record.clone() };
        parsed.insert(key.to_owned(), known);
        Ok(Some(record))
    }

    /// Reads all records under a prefix as they are now, in key order.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn scan<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let found = self.store.range(&KeyRange::prefix(prefix.to_owned()), None, 0)?;
        found.kvs.iter().map(|kv| named(&kv.key, &kv.value)).collect()
    }

    /// Takes a decision and commits it. `decide` may run several times and must have no effect of its own.
    ///
    /// # Errors
    /// What `decide` refused with, or what the store failed with.
    pub async fn transact<T, E, F>(&self, mut decide: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: FnMut(&mut Tx<'_>) -> Result<T, E>,
    {
        for _ in 0..ROUNDS {
            let (decided, txn) = {
                let mut tx = Tx::at(&*self.store);
                let decided = decide(&mut tx)?;
                (decided, tx.into_txn())
            };
            if txn.success.is_empty() {
                return Ok(decided);
            }
            if self.store.txn(txn).await.map_err(E::from)?.succeeded {
                return Ok(decided);
            }
        }
        Err(E::from(StoreError::BadTxn(format!("overtaken {ROUNDS} times"))))
    }
}

fn named<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<(String, T), StoreError> {
    let key = String::from_utf8_lossy(key).into_owned();
    let value = decode(&key, value)?;
    Ok((key, value))
}

impl<'a> Tx<'a> {
    fn at(store: &'a dyn Store) -> Self {
        Self { store, revision: store.revision(), compares: RefCell::default(), writes: BTreeMap::new() }
    }

    /// The revision this decision reads at.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Reads one record; the commit fails if it changes meanwhile.
    ///
    /// # Errors
    /// When the store fails or the record does not parse.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        if let Some(written) = self.writes.get(key) {
            return written.as_ref().map(|value| decode(key, value)).transpose();
        }
        let found = self.store.range(&KeyRange::key(key.to_owned()), Some(self.revision), 1)?;
        let seen = found.kvs.first();
        let compare = Compare::ModRevision(Bytes::from(key.to_owned()), seen.map_or(0, |kv| kv.mod_revision));
        self.compares.borrow_mut().push(compare);
        seen.map(|kv| decode(key, &kv.value)).transpose()
    }

    /// Reads all records under a prefix; the commit fails if one of them changes or a new one comes.
    /// (A deletion is not noticed: read the one record that must stay with [`Tx::get`].)
    ///
    /// # Errors
    /// As [`Tx::get`].
    pub fn scan<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let range = KeyRange::prefix(prefix.to_owned());
        self.compares.borrow_mut().push(Compare::UnchangedSince(range, self.revision));
        self.peek(prefix)
    }

    /// Reads all records under a prefix without making the commit depend on them.
    ///
    /// # Errors
    /// As [`Tx::get`].
    pub fn peek<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let found = self.store.range(&KeyRange::prefix(prefix.to_owned()), Some(self.revision), 0)?;
        let mut records = BTreeMap::new();
        for kv in &found.kvs {
            let (key, value) = named(&kv.key, &kv.value)?;
            records.insert(key, value);
        }
        for (key, written) in self.writes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            match written {
                Some(value) => records.insert(key.clone(), decode(key, value)?),
                None => records.remove(key),
            };
        }
        Ok(records.into_iter().collect())
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When the record cannot be written as JSON.
    pub fn put<T: Serialize>(&mut self, key: impl Into<String>, record: &T) -> Result<(), StoreError> {
        let value = serde_json::to_vec(record).map_err(|error| StoreError::BadTxn(error.to_string()))?;
        self.writes.insert(key.into(), Some(value.into()));
        Ok(())
    }

    /// Deletes a record.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.writes.insert(key.into(), None);
    }

    fn into_txn(self) -> Txn {
        let op = |(key, value): (String, Option<Bytes>)| match value {
            Some(value) => Op::Put(key.into(), value),
            None => Op::Delete(KeyRange::key(key)),
        };
        Txn {
            compares: self.compares.into_inner(),
            success: self.writes.into_iter().map(op).collect(),
            failure: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::Embedded;

    fn records(home: &tempfile::TempDir) -> Records {
        Records::new(Arc::new(Embedded::open(home.path()).unwrap()))
    }

    async fn write(records: &Records, key: &str, value: u64) {
        let wrote: Result<(), StoreError> = records.transact(|tx| tx.put(key, &value)).await;
        wrote.unwrap();
    }

    #[tokio::test]
    async fn a_shared_record_is_parsed_once_and_never_old() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        assert_eq!(records.shared::<u64>("a").unwrap(), None);
        write(&records, "a", 1).await;
        let first = records.shared::<u64>("a").unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &records.shared("a").unwrap().unwrap()));
        write(&records, "a", 2).await;
        assert_eq!((*first, *records.shared::<u64>("a").unwrap().unwrap()), (1, 2));
        assert!(records.shared::<String>("a").is_err(), "another type is not taken for it");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn concurrent_decisions_on_one_counter_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        let clients = (0..8).map(|_| {
            let records = records.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..25 {
                    let took: Result<u64, StoreError> = records
                        .transact(|tx| {
                            let next = tx.get::<u64>("counter")?.unwrap_or_default() + 1;
                            tx.put("counter", &next)?;
                            Ok(next)
                        })
                        .await;
                    seen.push(took.unwrap());
                }
                seen
            })
        });
        let mut seen = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            seen.extend(client.await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=200).collect::<Vec<u64>>(), "each number is given out once");
        assert_eq!(records.get::<u64>("counter").unwrap(), Some(200));
    }

    /// Names that must be few: at most three may be under the prefix, whoever adds them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_that_comes_under_a_scan_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        let clients = (0..16).map(|client| {
            let records = records.clone();
            tokio::spawn(async move {
                let added: Result<bool, StoreError> = records
                    .transact(|tx| {
                        let room = tx.scan::<u64>("seat/")?.len() < 3;
                        if room {
                            tx.put(format!("seat/{client}"), &client)?;
                        }
                        Ok(room)
                    })
                    .await;
                added.unwrap()
            })
        });
        let mut added = 0;
        for client in clients.collect::<Vec<_>>() {
            added += usize::from(client.await.unwrap());
        }
        assert_eq!((added, records.scan::<u64>("seat/").unwrap().len()), (3, 3));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_decision_is_taken_again_exactly_when_what_it_read_has_changed() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        write(&records, "a/1", 1).await;
        write(&records, "b/1", 1).await;
        type Look = fn(&Tx<'_>) -> Result<(), StoreError>;
        let looks: [(&str, Look, &str, usize); 6] = [
            ("a record that was read is written", |tx| tx.get::<u64>("a/1").map(drop), "a/1", 2),
            ("a record that was not there comes", |tx| tx.get::<u64>("new/1").map(drop), "new/1", 2),
            ("a record under a scan is written", |tx| tx.scan::<u64>("a/").map(drop), "a/1", 2),
            ("a record comes under a scan", |tx| tx.scan::<u64>("a/").map(drop), "a/2", 2),
            ("another record is written", |tx| tx.scan::<u64>("a/").map(drop), "b/1", 1),
            ("a record that was only peeked at is written", |tx| tx.peek::<u64>("a/").map(drop), "a/1", 1),
        ];
        for (what, look, meanwhile, expected) in looks {
            let mut rounds = 0;
            let decided: Result<(), StoreError> = records
                .transact(|tx| {
                    look(tx)?;
                    rounds += 1;
                    if rounds == 1 {
                        let others = records.clone();
                        let runtime = tokio::runtime::Handle::current();
                        tokio::task::block_in_place(|| runtime.block_on(write(&others, meanwhile, 7)));
                    }
                    tx.put("out", &rounds)
                })
                .await;
            decided.unwrap();
            assert_eq!(rounds, expected, "{what}");
        }
    }

    #[tokio::test]
    async fn a_decision_reads_its_own_writes_over_one_snapshot() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        for (key, value) in [("a/1", 1), ("a/2", 2), ("b/1", 3)] {
            write(&records, key, value).await;
        }
        let before = records.store().revision();
        let decided: Result<(), StoreError> = records
            .transact(|tx| {
                assert_eq!(tx.revision(), before);
                tx.put("a/3", &30)?;
                tx.put("a/1", &10)?;
                tx.delete("a/2");
                assert_eq!(tx.get::<u64>("a/1")?, Some(10));
                assert_eq!(tx.get::<u64>("a/2")?, None);
                let expected = vec![("a/1".to_owned(), 10), ("a/3".to_owned(), 30)];
                assert_eq!(tx.scan::<u64>("a/")?, expected);
                assert_eq!(tx.peek::<u64>("a/")?, expected);
                assert_eq!(records.scan::<u64>("a/")?.len(), 2, "nobody else sees it yet");
                Ok(())
            })
            .await;
        decided.unwrap();
        assert_eq!(records.scan::<u64>("a/").unwrap(), [("a/1".to_owned(), 10), ("a/3".to_owned(), 30)]);
        assert_eq!(records.store().revision(), before + 1, "it is one transaction");
    }

    #[tokio::test]
    async fn a_refused_decision_and_one_that_writes_nothing_change_nothing() {
        let home = tempfile::tempdir().unwrap();
        let records = records(&home);
        write(&records, "a", 1).await;
        let before = records.store().revision();
        let refused: Result<(), StoreError> = records
            .transact(|tx| {
                tx.put("a", &2)?;
                Err(StoreError::BadTxn("no".to_owned()))
            })
            .await;
        assert!(matches!(refused, Err(StoreError::BadTxn(why)) if why == "no"));
        let read: Result<Option<u64>, StoreError> = records.transact(|tx| tx.get("a")).await;
        assert_eq!((read.unwrap(), records.store().revision()), (Some(1), before));
        let wrong = records.get::<String>("a");
        assert!(matches!(wrong, Err(StoreError::Damaged(why)) if why.contains("record a")));
    }
}
