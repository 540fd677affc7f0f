//! How bytes lie in a file: a header, then frames. A frame is one group commit (or one piece of a checkpoint) under one
//! checksum, so it is there whole or not at all.
//!
//! All numbers are little-endian. The header fills 64 bytes: magic (8), format (4), kind (4), number (8), salt (8),
//! crc32c of these (4), zeros. A frame starts at a multiple of 8: mark (4), crc32c (4), sequence (8), payload length
//! (8), payload, zeros up to the next multiple of 8. The file's random salt goes into every checksum, so that a value
//! which holds a copy of a frame is never taken for one.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes of a file's header.
pub(crate) const HEADER: usize = 64;
/// Bytes before a frame's payload.
pub(crate) const PREFIX: usize = 24;
const MAGIC: &[u8; 8] = b"postern\x01";
const MARK: u32 = 0x7f70_6e21;
const FORMAT: u32 = 1;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Log = 1,
    Checkpoint = 2,
}

/// Why a header cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// It is not one, or damaged.
    Broken,
    /// A later version of this program wrote it.
    Newer(u32),
}

/// The first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) salt: u64,
}

impl Header {
    /// A header with a salt of its own.
    pub(crate) fn new(kind: Kind, number: u64) -> Self {
        Self { kind, number, salt: RandomState::new().build_hasher().finish() }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..32]);
        bytes[32..36].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], kind: Kind, number: u64) -> Result<Self, BadHeader> {
        let whole =
            bytes.len() >= HEADER && bytes[..8] == MAGIC[..] && crc32c::crc32c(&bytes[..32]) == u32_at(bytes, 32);
        if !whole {
            return Err(BadHeader::Broken);
        }
        if u32_at(bytes, 8) != FORMAT {
            return Err(BadHeader::Newer(u32_at(bytes, 8)));
        }
        if u32_at(bytes, 12) != kind as u32 || u64_at(bytes, 16) != number {
            return Err(BadHeader::Broken);
        }
        Ok(Self { kind, number, salt: u64_at(bytes, 24) })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn checksum(salt: u64, rest_of_prefix: &[u8], payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), rest_of_prefix);
    crc32c::crc32c_append(sum, payload)
}

/// Turns a buffer of [`PREFIX`] spare bytes and a payload into a frame.
pub(crate) fn seal(buffer: &mut Vec<u8>, salt: u64, sequence: u64) {
    let length = buffer.len() - PREFIX;
    buffer[..4].copy_from_slice(&MARK.to_le_bytes());
    buffer[8..16].copy_from_slice(&sequence.to_le_bytes());
    buffer[16..24].copy_from_slice(&(length as u64).to_le_bytes());
    let sum = checksum(salt, &buffer[8..PREFIX], &buffer[PREFIX..]);
    buffer[4..8].copy_from_slice(&sum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(8), 0);
}

/// A frame found in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) sequence: u64,
    pub(crate) payload: &'a [u8],
    /// Where the next one would start, counted from the buffer's start.
    pub(crate) next: usize,
}

/// The whole frame that starts at `at`, if there is one.
pub(crate) fn open(bytes: &[u8], at: usize, salt: u64) -> Option<Frame<'_>> {
    let rest = bytes.get(at..)?;
    if rest.len() < PREFIX || u32_at(rest, 0) != MARK {
        return None;
    }
    let length = usize::try_from(u64_at(rest, 16)).ok()?;
    let payload = rest[PREFIX..].get(..length)?;
    let whole = checksum(salt, &rest[8..PREFIX], payload) == u32_at(rest, 4);
    whole.then(|| Frame { sequence: u64_at(rest, 8), payload, next: at + (PREFIX + length).next_multiple_of(8) })
}

/// What a frame's prefix says about how many bytes it and its payload take, before anything is checked.
pub(crate) fn claimed_length(prefix: &[u8; PREFIX]) -> Option<u64> {
    (u32_at(prefix, 0) == MARK).then(|| u64_at(prefix, 16))
}

/// Whether a whole frame starts anywhere from `at` on. Frames are written only after the one before is durable, so
/// one that stands behind a broken place says that the place was whole once.
pub(crate) fn any_from(bytes: &[u8], at: usize, salt: u64) -> bool {
    let first = at.next_multiple_of(8);
    (first..bytes.len()).step_by(8).any(|at| open(bytes, at, salt).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8], salt: u64, sequence: u64) -> Vec<u8> {
        let mut buffer = vec![0; PREFIX];
        buffer.extend_from_slice(payload);
        seal(&mut buffer, salt, sequence);
        buffer
    }

    #[test]
    fn a_frame_comes_back_and_no_flipped_bit_is_overlooked() {
        let bytes = frame(b"hello", 7, 3);
        let found = open(&bytes, 0, 7).unwrap();
        assert_eq!((found.sequence, found.payload, found.next), (3, &b"hello"[..], 32));
        assert_eq!(open(&bytes, 0, 8), None);
        for bit in 0..(PREFIX + 5) * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&broken, 0, 7), None, "bit {bit}");
        }
        for length in 0..PREFIX + 5 {
            assert_eq!(open(&bytes[..length], 0, 7), None, "cut at {length}");
        }
    }

    #[test]
    fn a_frame_is_found_behind_a_broken_one_but_a_copy_inside_a_value_is_not() {
        let inner = frame(b"forged", 1, 9);
        let mut bytes = frame(&inner, 7, 1);
        bytes[6] ^= 1;
        assert!(!any_from(&bytes, 0, 7));
        bytes.extend(frame(b"real", 7, 2));
        assert!(any_from(&bytes, 0, 7));
    }

    #[test]
    fn a_header_is_for_one_kind_and_number() {
        let header = Header::new(Kind::Log, 4);
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes, Kind::Log, 4), Ok(header));
        assert_eq!(Header::decode(&bytes, Kind::Log, 5), Err(BadHeader::Broken));
        assert_eq!(Header::decode(&bytes, Kind::Checkpoint, 4), Err(BadHeader::Broken));
        bytes[30] ^= 4;
        assert_eq!(Header::decode(&bytes, Kind::Log, 4), Err(BadHeader::Broken));
        assert_ne!(Header::new(Kind::Log, 4).salt, Header::new(Kind::Log, 4).salt);
    }
}
