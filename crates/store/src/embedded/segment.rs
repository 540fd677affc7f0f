//! The log: numbered files, written with zeros beforehand, each a header and frames.
//!
//! Overwriting zeros changes neither the file's length nor its extents, so that making a frame durable has no
//! metadata to commit. A frame lies in one segment, and a segment is begun only when all before it are durable.

use super::disk::{Disk, DiskFile};
use super::frame::{self, BadHeader, HEADER, Header, Kind};
use crate::api::StoreError;
use std::io;

/// How much is zeroed at once, so that zeroing a large segment leaves the disk to others in between.
const ZEROS: usize = 256 << 10;

/// A segment that is being written.
pub(crate) struct Segment {
    pub(crate) number: u64,
    salt: u64,
    file: Box<dyn DiskFile>,
    /// Where the next frame goes.
    end: u64,
    /// Bytes that are there to be overwritten.
    size: u64,
}

/// The file of the segment with this number.
pub(crate) fn name(number: u64) -> String {
    format!("log-{number:016}")
}

/// The number in a name that [`name`] made.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_prefix("log-")?.parse().ok()
}

impl Segment {
    /// Makes a segment of `size` bytes that is there after a crash.
    pub(crate) fn create(disk: &dyn Disk, number: u64, size: u64) -> io::Result<Self> {
        let file = disk.create(&name(number))?;
        let header = Header::new(Kind::Log, number);
        file.write_at(&header.encode(), 0)?;
        zero(&*file, HEADER as u64, size)?;
        file.sync()?;
        disk.sync()?;
        Ok(Self { number, salt: header.salt, file, end: HEADER as u64, size })
    }

    /// Whether `length` more bytes lie within what was zeroed. An empty segment takes any frame.
    pub(crate) fn fits(&self, length: usize) -> bool {
        self.end == HEADER as u64 || self.end + length as u64 <= self.size
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.end > self.size / 2
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Seals `buffer` as the frame with this sequence and makes it durable.
    pub(crate) fn append(&mut self, buffer: &mut Vec<u8>, sequence: u64) -> io::Result<()> {
        frame::seal(buffer, self.salt, sequence);
        self.file.write_at(buffer, self.end)?;
        self.file.sync()?;
        self.end += buffer.len() as u64;
        self.size = self.size.max(self.end);
        Ok(())
    }
}

fn zero(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS.min(usize::try_from(to.saturating_sub(from)).unwrap_or(ZEROS))];
    let mut at = from;
    while at < to {
        let length = zeros.len().min(usize::try_from(to - at).unwrap_or(ZEROS));
        file.write_at(&zeros[..length], at)?;
        at += length as u64;
        if at < to {
            file.sync()?;
        }
    }
    Ok(())
}

/// A segment as it was found on disk.
pub(crate) struct Found {
    number: u64,
    salt: u64,
    file: Box<dyn DiskFile>,
    /// All of it until it was replayed, then the last frame alone.
    bytes: Vec<u8>,
    size: usize,
    /// Where the last whole frame starts, and where it ends.
    last: usize,
    end: usize,
    /// Where bytes behind the last frame that are not zero end: a write that was torn.
    torn: Option<usize>,
}

impl Found {
    /// Reads a segment. `None` when it was never begun: a crash came while it was made, before anything was written
    /// to it.
    pub(crate) fn read(disk: &dyn Disk, number: u64) -> Result<Option<Self>, StoreError> {
        let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", name(number)));
        let file = disk.open(&name(number)).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let size = usize::try_from(size).map_err(|_| StoreError::Io(format!("{} is too large", name(number))))?;
        let mut bytes = vec![0; size];
        file.read_at(&mut bytes, 0).map_err(failed)?;
        match Header::decode(&bytes, Kind::Log, number) {
            Ok(Header { salt, .. }) => {
                Ok(Some(Self { number, salt, file, bytes, size, last: HEADER, end: HEADER, torn: None }))
            }
            Err(BadHeader::Newer(format)) => {
                Err(StoreError::Damaged(format!("{} has format {format}, of a later version", name(number))))
            }
            Err(BadHeader::Broken) if last_set(&bytes, HEADER).is_none() => Ok(None),
            Err(BadHeader::Broken) => Err(StoreError::Damaged(format!("{}: its header is broken", name(number)))),
        }
    }

    /// Gives every frame's payload to `each`, in order, and checks that none is missing: the first has the sequence
    /// `sequence`. Returns the sequence after the last.
    pub(crate) fn replay(
        &mut self,
        mut sequence: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        while let Some(frame) = frame::open(&self.bytes, self.end, self.salt) {
            if frame.sequence != sequence {
                let what = format!("{}: frame {sequence} is missing before {}", name(self.number), frame.sequence);
                return Err(StoreError::Damaged(what));
            }
            each(frame.payload)?;
            sequence += 1;
            self.last = self.end;
            self.end = frame.next;
        }
        self.torn = last_set(&self.bytes, self.end);
        if self.torn.is_some_and(|torn| frame::any_from(&self.bytes[..torn], self.end, self.salt)) {
            let what = format!("{}: a whole frame stands behind a broken one at {}", name(self.number), self.end);
            return Err(StoreError::Damaged(what));
        }
        self.bytes.truncate(self.end);
        self.bytes.drain(..self.last);
        self.bytes.shrink_to_fit();
        Ok(sequence)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == HEADER
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// How many bytes of frames it has.
    pub(crate) fn used(&self) -> u64 {
        (self.end - HEADER) as u64
    }

    /// Makes what was read durable and clears a torn write, so that the segment can be written on.
    ///
    /// What was read may never have reached the disk (the process was killed, or an earlier sync failed and the system
    /// forgot that the pages were dirty), so the header and the last frame are written again before the sync.
    pub(crate) fn resume(self) -> io::Result<Segment> {
        let header = Header { kind: Kind::Log, number: self.number, salt: self.salt };
        self.file.write_at(&header.encode(), 0)?;
        if !self.is_empty() {
            self.file.write_at(&self.bytes, self.last as u64)?;
        }
        if let Some(torn) = self.torn {
            zero(&*self.file, self.end as u64, torn as u64)?;
        }
        self.file.sync()?;
        let (end, size) = (self.end as u64, self.size.max(self.end) as u64);
        Ok(Segment { number: self.number, salt: self.salt, file: self.file, end, size })
    }
}

/// The place after the last byte from `from` on that is not zero. By blocks, because a segment is mostly zeros.
fn last_set(bytes: &[u8], from: usize) -> Option<usize> {
    const BLANK: [u8; 4096] = [0; 4096];
    let mut rest = bytes.get(from..)?;
    loop {
        let block = rest.len().min(BLANK.len());
        if block == 0 {
            return None;
        }
        let (before, last) = rest.split_at(rest.len() - block);
        if let Some(at) = (last != &BLANK[..block]).then(|| last.iter().rposition(|byte| *byte != 0)).flatten() {
            return Some(from + before.len() + at + 1);
        }
        rest = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_that_is_set_is_found() {
        let mut bytes = vec![0; 10_000];
        assert_eq!((last_set(&bytes, 0), last_set(&bytes, 10_000), last_set(&bytes, 10_001)), (None, None, None));
        for at in [0, 1, 1807, 1808, 4095, 4096, 5903, 5904, 9999] {
            bytes[at] = 1;
            assert_eq!(last_set(&bytes, 0), Some(at + 1));
            assert_eq!(last_set(&bytes, at), Some(at + 1));
            assert_eq!(last_set(&bytes, at + 1), None);
        }
    }

    #[test]
    fn names_sort_as_their_numbers() {
        assert_eq!(number(&name(17)), Some(17));
        assert!(name(9) < name(10));
        assert_eq!(number("lock"), None);
    }
}
