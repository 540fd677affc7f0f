//! One transaction seen from one account.

use crate::error::Result;
use crate::records::ROOT;
use base::AccountId;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Tx;

/// A transaction's view of one account.
pub(crate) struct World<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    /// The account.
    pub account: &'a AccountId,
    /// The time.
    pub now: Timestamp,
}

impl<'a, 'tx> World<'a, 'tx> {
    /// The view of `account` in `tx`.
    pub fn new(tx: &'a mut Tx<'tx>, account: &'a AccountId, now: Timestamp) -> Self {
        Self { tx, account, now }
    }

    /// The key of a record of this account. Names differ by more than case.
    pub fn key(&self, kind: &str, name: &str) -> String {
        format!("{ROOT}{}/{kind}/{}", self.account, name.to_ascii_lowercase())
    }

    /// Reads a record by its whole key.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.tx.get(key)?)
    }

    /// All records of a kind, for answers.
    pub fn peek<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        Ok(self.tx.peek(&self.key(kind, ""))?.into_iter().map(|(_, record)| record).collect())
    }

    /// All records of a kind, for decisions: the commit fails when one changes or comes meanwhile.
    pub fn scan<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        Ok(self.tx.scan(&self.key(kind, ""))?.into_iter().map(|(_, record)| record).collect())
    }

    /// All entries of an index under a part of a name, for decisions; see [`World::scan`].
    pub fn scan_under<T: DeserializeOwned>(&self, kind: &str, part: &str) -> Result<Vec<T>> {
        Ok(self.tx.scan(&self.key(kind, part))?.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Writes a record.
    pub fn put<T: Serialize>(&mut self, key: String, record: &T) -> Result<()> {
        Ok(self.tx.put(key, record)?)
    }

    /// Deletes a record.
    pub fn remove(&mut self, key: String) {
        self.tx.delete(key);
    }
}
