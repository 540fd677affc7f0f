//! Checkpoints: everything that is in memory at one revision, in one file, so that the log before it can go.
//!
//! The file `checkpoint-N` stands for all segments before `N`. It is written under another name and renamed when it is
//! durable, so one that is there is complete; when it is not, it is damaged.

use super::disk::{Disk, DiskFile};
use super::entry::{Entries, Entry, encode_txn};
use super::frame::{self, BadHeader, HEADER, Header, Kind, PREFIX};
use super::index::{Base, Index};
use super::shared::read;
use crate::api::StoreError;
use bytes::Bytes;
use std::io;
use std::sync::RwLock;

/// A checkpoint that is not complete.
pub(crate) const UNFINISHED: &str = "checkpoint.new";

/// How many keys are copied under one lock: some hundred microseconds, so that a commit doesn't wait for more.
const KEYS_AT_ONCE: usize = 512;
/// When a frame is written out. Small against memory, large against its prefix.
const FRAME_BYTES: usize = 256 << 10;
/// How much may be written before it is flushed, so that the log's own flushes never stand behind a gigabyte.
const FLUSH_BYTES: u64 = 4 << 20;

/// The file of the checkpoint before the segment with this number.
pub(crate) fn name(number: u64) -> String {
    format!("checkpoint-{number:016}")
}

/// The number in a name that [`name`] made.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.parse().ok()
}

/// What a checkpoint is taken of: made by the writer between two commits, with history pinned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// The first segment that stays.
    pub(crate) segment: u64,
    /// The sequence of the first frame in it.
    pub(crate) sequence: u64,
    /// The oldest revision, from which on history is pinned.
    pub(crate) oldest: u64,
    /// The last revision before the segment.
    pub(crate) revision: u64,
}

struct Output {
    file: Box<dyn DiskFile>,
    salt: u64,
    at: u64,
    flushed: u64,
    frames: u64,
    entries: u64,
    buffer: Vec<u8>,
}

impl Output {
    fn create(disk: &dyn Disk, number: u64) -> io::Result<Self> {
        let file = disk.create(UNFINISHED)?;
        let header = Header::new(Kind::Checkpoint, number);
        file.write_at(&header.encode(), 0)?;
        let buffer = vec![0; PREFIX];
        Ok(Self { file, salt: header.salt, at: HEADER as u64, flushed: 0, frames: 0, entries: 0, buffer })
    }

    fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        encode(&mut self.buffer);
        self.entries += 1;
        if self.buffer.len() >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.len() > PREFIX {
            frame::seal(&mut self.buffer, self.salt, self.frames);
            self.file.write_at(&self.buffer, self.at)?;
            self.at += self.buffer.len() as u64;
            self.frames += 1;
            self.buffer.truncate(PREFIX);
        }
        if self.at - self.flushed > FLUSH_BYTES {
            self.file.sync()?;
            self.flushed = self.at;
        }
        Ok(())
    }
}

/// Writes a checkpoint and returns its size in bytes. `between` is asked between pieces and ends it with an error.
pub(crate) fn save(
    disk: &dyn Disk,
    index: &RwLock<Index>,
    point: Point,
    between: impl Fn() -> io::Result<()>,
) -> io::Result<u64> {
    let mut output = Output::create(disk, point.segment)?;
    output.push(|out| Entry::Begin { oldest: point.oldest, sequence: point.sequence }.encode(out))?;
    let mut next = (point.oldest > 0).then(Bytes::new);
    while let Some(start) = next {
        let (bases, then) = read(index).bases(&start, point.oldest, KEYS_AT_ONCE);
        for Base { key, value, create, modified, version } in bases {
            output.push(|out| Entry::Base { key, value, create, modified, version }.encode(out))?;
        }
        next = then;
        between()?;
    }
    let mut from = point.oldest;
    while from <= point.revision {
        let (txns, next) = read(index).changes(from, point.revision, KEYS_AT_ONCE);
        from = next;
        for (revision, changes) in txns {
            output.push(|out| encode_txn(out, revision, &changes))?;
        }
        between()?;
    }
    let entries = output.entries;
    output.push(|out| Entry::End { revision: point.revision, entries }.encode(out))?;
    output.flush()?;
    output.file.sync()?;
    disk.rename(UNFINISHED, &name(point.segment))?;
    disk.sync()?;
    Ok(output.at)
}

/// What [`load`] found.
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// The sequence of the first frame in the log after it.
    pub(crate) sequence: u64,
    pub(crate) size: u64,
}

/// Reads the checkpoint with this number. Everything in it was durable before it got its name, so any fault is damage.
pub(crate) fn load(disk: &dyn Disk, number: u64) -> Result<Loaded, StoreError> {
    let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", name(number)));
    let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", name(number)));
    let file = disk.open(&name(number)).map_err(failed)?;
    let size = file.size().map_err(failed)?;
    let mut header = [0; HEADER];
    if size < HEADER as u64 {
        return Err(damaged("it is cut off"));
    }
    file.read_at(&mut header, 0).map_err(failed)?;
    let salt = match Header::decode(&header, Kind::Checkpoint, number) {
        Ok(header) => header.salt,
        Err(BadHeader::Newer(format)) => return Err(damaged(&format!("format {format} is of a later version"))),
        Err(BadHeader::Broken) => return Err(damaged("its header is broken")),
    };
    let mut loading = Loading::default();
    let (mut at, mut frames) = (HEADER as u64, 0);
    let mut bytes = Vec::new();
    while at < size {
        read_frame(&*file, at, size, &mut bytes).map_err(failed)?;
        let frame = frame::open(&bytes, 0, salt).filter(|frame| frame.sequence == frames);
        let frame = frame.ok_or_else(|| damaged(&format!("the frame at {at} is broken")))?;
        for entry in Entries::new(frame.payload) {
            loading.take(entry?).map_err(damaged)?;
        }
        at += frame.next as u64;
        frames += 1;
    }
    loading.finish().map_err(damaged).map(|(index, sequence)| Loaded { index, sequence, size })
}

/// Reads as much as the frame at `at` claims to be; nothing more than what the file has.
fn read_frame(file: &dyn DiskFile, at: u64, size: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut prefix = [0; PREFIX];
    let rest = size - at;
    if rest < PREFIX as u64 {
        bytes.clear();
        return Ok(());
    }
    file.read_at(&mut prefix, at)?;
    let wanted = frame::claimed_length(&prefix).unwrap_or(0).saturating_add(PREFIX as u64).min(rest);
    bytes.resize(usize::try_from(wanted).unwrap_or(usize::MAX), 0);
    file.read_at(bytes, at)
}

#[derive(Default)]
struct Loading {
    began: Option<(u64, u64)>,
    bases: Vec<Base>,
    index: Option<Index>,
    entries: u64,
    ended: bool,
}

impl Loading {
    fn take(&mut self, entry: Entry) -> Result<(), &'static str> {
        let Some((oldest, _)) = self.began else {
            let Entry::Begin { oldest, sequence } = entry else { return Err("it has no beginning") };
            self.began = Some((oldest, sequence));
            self.entries = 1;
            return Ok(());
        };
        if self.ended {
            return Err("something stands behind its end");
        }
        match entry {
            Entry::Base { key, value, create, modified, version } if self.index.is_none() => {
                if self.bases.last().is_some_and(|last| last.key >= key) {
                    return Err("its keys are out of order");
                }
                self.bases.push(Base { key, value, create, modified, version });
            }
            Entry::Txn { revision, changes } => {
                let index = self.index(oldest);
                if revision != index.newest() + 1 {
                    return Err("a revision is missing");
                }
                index.apply(revision, &changes);
            }
            Entry::End { revision, entries } => {
                let counted = self.entries;
                if entries != counted || self.index(oldest).newest() != revision {
                    return Err("it is not complete");
                }
                self.ended = true;
            }
            _ => return Err("an entry is out of place"),
        }
        self.entries += 1;
        Ok(())
    }

    fn index(&mut self, oldest: u64) -> &mut Index {
        let bases = &mut self.bases;
        self.index.get_or_insert_with(|| Index::from_bases(std::mem::take(bases), oldest))
    }

    fn finish(self) -> Result<(Index, u64), &'static str> {
        match (self.ended, self.began, self.index) {
            (true, Some((_, sequence)), Some(index)) => Ok((index, sequence)),
            _ => Err("it has no end"),
        }
    }
}
