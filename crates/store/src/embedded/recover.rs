//! Opening: the last checkpoint, the log after it, and what a crash left at its end.
//!
//! Only the end may be torn, and only what was never acknowledged is there: a frame is written when all before it are
//! durable. Whatever else is wrong is damage, and the store stays shut.

use super::disk::Disk;
use super::entry::{Entries, Entry};
use super::index::Index;
use super::segment::{self, Found, Segment};
use super::{Options, checkpoint, keeper, writer};
use crate::api::StoreError;
use std::io;

pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) segment: Segment,
    pub(crate) spare: Option<Segment>,
    /// The sequence of the next frame.
    pub(crate) sequence: u64,
    pub(crate) log_bytes: u64,
    pub(crate) checkpoint_bytes: u64,
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}

/// Reads everything and makes the log ready to be written.
pub(crate) fn recover(disk: &dyn Disk, options: &Options) -> Result<Recovered, StoreError> {
    let names = disk.list().map_err(failed)?;
    let last = names.iter().filter_map(|name| checkpoint::number(name)).max();
    let first = last.unwrap_or(1);
    let (mut index, mut sequence, checkpoint_bytes) = match last {
        Some(number) => checkpoint::load(disk, number).map(|loaded| (loaded.index, loaded.sequence, loaded.size))?,
        None => (Index::default(), 0, 0),
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.retain(|number| *number >= first);
    numbers.sort_unstable();
    // The last segment with frames and the empty ones after it; the others are done with once they are read.
    let mut tail: Vec<Found> = Vec::new();
    let (mut log_bytes, mut torn) = (0, None);
    for (number, expected) in numbers.iter().zip(first..) {
        if *number != expected {
            return Err(missing(expected));
        }
        let Some(mut found) = Found::read(disk, *number)? else {
            // Never begun, and so the last.
            if numbers.last() == Some(number) {
                break;
            }
            return Err(StoreError::Damaged(format!("{} has no header", segment::name(*number))));
        };
        sequence = found.replay(sequence, |payload| replay(&mut index, payload))?;
        if !found.is_empty() {
            if let Some(torn) = torn {
                let what = format!("{} ends with a broken frame and is not the last", segment::name(torn));
                return Err(StoreError::Damaged(what));
            }
            tail.clear();
        }
        torn = torn.or(found.is_torn().then_some(*number));
        log_bytes += found.used();
        tail.push(found);
    }
    if tail.is_empty() && last.is_some() {
        return Err(missing(first));
    }
    if let Some(number) = torn {
        tracing::warn!(number, "the end of the log was torn by a crash; what was not acknowledged is dropped");
    }
    let (segment, spare) = resume(disk, options, tail)?;
    // A name that is there may not be durable yet, when the process ended between making it and the sync.
    disk.sync().map_err(failed)?;
    keeper::remove_before(disk, first).map_err(failed)?;
    Ok(Recovered { index, segment, spare, sequence, log_bytes, checkpoint_bytes })
}

fn missing(number: u64) -> StoreError {
    StoreError::Damaged(format!("{} is missing", segment::name(number)))
}

fn replay(index: &mut Index, payload: &[u8]) -> Result<(), StoreError> {
    for entry in Entries::new(payload) {
        match entry? {
            Entry::Txn { revision, changes } if revision == index.newest() + 1 => index.apply(revision, &changes),
            Entry::Txn { revision, .. } => {
                let what = format!("revision {revision} comes after {}", index.newest());
                return Err(StoreError::Damaged(what));
            }
            Entry::Compact(revision) if revision <= index.newest() => {
                index.compact(revision);
                index.trim(u64::MAX, usize::MAX);
            }
            _ => return Err(StoreError::Damaged("the log holds an entry that is out of place".to_owned())),
        }
    }
    Ok(())
}

/// Goes on writing in the last segment that has frames; an empty one after it is the spare.
fn resume(disk: &dyn Disk, options: &Options, tail: Vec<Found>) -> Result<(Segment, Option<Segment>), StoreError> {
    let mut tail = tail.into_iter();
    let segment = match tail.next() {
        Some(found) => found.resume().map_err(failed)?,
        None => Segment::create(disk, 1, writer::first_segment(options)).map_err(failed)?,
    };
    let spare = tail.next().map(Found::resume).transpose().map_err(failed)?;
    // More than one empty segment comes from a checkpoint that was not finished. Their numbers are given out again.
    for needless in tail {
        disk.remove(&segment::name(needless.number())).map_err(failed)?;
    }
    Ok((segment, spare))
}
