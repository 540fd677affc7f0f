//! A document as it is sent: bytes with their ETag, and packed for those who want that.

use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::OnceLock;

/// A document that does not change.
#[derive(Debug)]
pub struct Document {
    bytes: Bytes,
    etag: Box<str>,
    gzip: OnceLock<Bytes>,
}

impl Document {
    /// Takes a document's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut etag = String::with_capacity(128);
        for byte in digest(&SHA512, &bytes).as_ref() {
            for half in [byte >> 4, byte & 0xf] {
                etag.push(char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
        Self { bytes: bytes.into(), etag: etag.into(), gzip: OnceLock::new() }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The hash of its bytes: SHA-512 in capital hexadecimal digits. An ETag has it in quotes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Its bytes, packed by gzip; packed when they are first asked for.
    pub fn gzip(&self) -> Bytes {
        let pack = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            // Writing to memory does not fail.
            drop(encoder.write_all(&self.bytes));
            Bytes::from(encoder.finish().unwrap_or_default())
        };
        self.gzip.get_or_init(pack).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_etag_is_of_the_bytes() {
        let it = Document::new(b"abc".to_vec());
        assert!(it.etag().starts_with("DDAF35A193617ABACC417349AE204131"));
        assert!(it.etag().ends_with("2A9AC94FA54CA49F") && it.etag().len() == 128);
    }

    #[test]
    fn what_is_packed_unpacks() {
        let it = Document::new(b"abc".repeat(1000));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*it.gzip()).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, *it.bytes());
        assert!(it.gzip().len() < 100);
    }
}
