//! What frames carry: transactions and compactions in the log; in a checkpoint also the keys as they stood before the
//! history that it keeps.

use crate::api::StoreError;
use bytes::Bytes;

/// One key's change within a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Bytes, Bytes),
    Delete(Bytes),
}

/// One thing that happened, or one piece of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A transaction took this revision.
    Txn { revision: u64, changes: Vec<Change> },
    /// History before this revision is gone.
    Compact(u64),
    /// A checkpoint begins: its oldest revision, and the sequence of the first log frame after it.
    Begin { oldest: u64, sequence: u64 },
    /// A key as it stood before the oldest revision.
    Base { key: Bytes, value: Bytes, create: u64, modified: u64, version: u64 },
    /// A checkpoint is complete: its revision, and how many entries came before.
    End { revision: u64, entries: u64 },
}

const TXN: u8 = 1;
const COMPACT: u8 = 2;
const BEGIN: u8 = 3;
const BASE: u8 = 4;
const END: u8 = 5;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Appends a transaction; apart from [`Entry::encode`] so that its changes need not be owned by an entry.
pub(crate) fn encode_txn(out: &mut Vec<u8>, revision: u64, changes: &[Change]) {
    out.push(TXN);
    word(out, revision);
    word(out, changes.len() as u64);
    for change in changes {
        match change {
            Change::Put(key, value) => {
                out.push(PUT);
                text(out, key);
                text(out, value);
            }
            Change::Delete(key) => {
                out.push(DELETE);
                text(out, key);
            }
        }
    }
}

impl Entry {
    /// Appends the entry.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Txn { revision, changes } => encode_txn(out, *revision, changes),
            Self::Compact(revision) => numbers(out, COMPACT, &[*revision]),
            Self::Begin { oldest, sequence } => numbers(out, BEGIN, &[*oldest, *sequence]),
            Self::Base { key, value, create, modified, version } => {
                numbers(out, BASE, &[*create, *modified, *version]);
                text(out, key);
                text(out, value);
            }
            Self::End { revision, entries } => numbers(out, END, &[*revision, *entries]),
        }
    }
}

fn numbers(out: &mut Vec<u8>, tag: u8, words: &[u64]) {
    out.push(tag);
    for each in words {
        word(out, *each);
    }
}

fn word(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: &[u8]) {
    word(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Reads a payload's entries. Its checksum held, so what does not parse is damage and not a torn write.
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn word(&mut self) -> Option<u64> {
        let bytes = self.take(8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// Copied out, so that a value which stays does not hold the buffer it was read from.
    fn text(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.word()?).ok()?;
        self.take(length).map(Bytes::copy_from_slice)
    }

    fn entry(&mut self) -> Option<Entry> {
        Some(match self.byte()? {
            TXN => {
                let revision = self.word()?;
                let count = self.word()?;
                let mut changes = Vec::new();
                for _ in 0..count {
                    changes.push(match self.byte()? {
                        PUT => Change::Put(self.text()?, self.text()?),
                        DELETE => Change::Delete(self.text()?),
                        _ => return None,
                    });
                }
                Entry::Txn { revision, changes }
            }
            COMPACT => Entry::Compact(self.word()?),
            BEGIN => Entry::Begin { oldest: self.word()?, sequence: self.word()? },
            BASE => {
                let (create, modified, version) = (self.word()?, self.word()?, self.word()?);
                Entry::Base { key: self.text()?, value: self.text()?, create, modified, version }
            }
            END => Entry::End { revision: self.word()?, entries: self.word()? },
            _ => return None,
        })
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or_else(|| StoreError::Damaged("an entry with a right checksum does not parse".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Entry> {
        let (key, value) = (Bytes::from_static(b"key"), Bytes::from_static(b"value"));
        vec![
            Entry::Begin { oldest: 1, sequence: 2 },
            Entry::Base { key: key.clone(), value: value.clone(), create: 3, modified: 4, version: 5 },
            Entry::Txn { revision: 6, changes: vec![Change::Put(key.clone(), value), Change::Delete(key)] },
            Entry::Compact(7),
            Entry::End { revision: 8, entries: 4 },
        ]
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let mut bytes = Vec::new();
        samples().iter().for_each(|entry| entry.encode(&mut bytes));
        let read: Result<Vec<Entry>, StoreError> = Entries::new(&bytes).collect();
        assert_eq!(read.unwrap(), samples());
    }

    #[test]
    fn an_entry_that_is_cut_off_is_damage() {
        for entry in samples() {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            for length in 1..bytes.len() {
                let read: Vec<_> = Entries::new(&bytes[..length]).collect();
                assert!(matches!(read[..], [Err(StoreError::Damaged(_))]), "{entry:?} cut at {length}: {read:?}");
            }
        }
    }
}
