//! Ids that follow from others: things that every VPC, subnet or region has exactly one of need no record.

use aws_lc_rs::digest::{SHA256, digest};
use base::hex;

/// The hex digits of an id that follows from `parts`: 17 of them, the first `0`.
pub(crate) fn digits(parts: &[&str]) -> String {
    let hash = digest(&SHA256, parts.join("\n").as_bytes());
    format!("0{}", hex(&hash.as_ref()[..8]))
}

/// A number that follows from `parts`, spread over all of `u64`.
pub(crate) fn number(parts: &[&str]) -> u64 {
    let hash = digest(&SHA256, parts.join("\n").as_bytes());
    hash.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A digest that tells two requests apart.
pub(crate) fn fingerprint(text: &[u8]) -> String {
    hex(digest(&SHA256, text).as_ref())
}
