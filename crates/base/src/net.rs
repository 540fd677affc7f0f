//! IPv4 address blocks.

use crate::ids::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 block in CIDR form whose host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv4Block {
    network: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Block {
    /// Every address.
    pub const ANY: Ipv4Block = Ipv4Block { network: Ipv4Addr::UNSPECIFIED, prefix: 0 };

    /// The block of `prefix` bits that holds `address`; host bits are cleared. `None` for a prefix past 32.
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        let mask = mask(prefix)?;
        Some(Self { network: Ipv4Addr::from_bits(address.to_bits() & mask), prefix })
    }

    /// The block that holds just `address`.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { network: address, prefix: 32 }
    }

    /// The first address.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// The last address.
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask(self.prefix).unwrap_or(u32::MAX))
    }

    /// The length of the prefix in bits, 0 to 32.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// How many addresses it holds.
    pub fn size(&self) -> u64 {
        1u64 << (32 - u32::from(self.prefix))
    }

    /// The address `offset` places after the first, if it still lies in the block.
    pub fn nth(&self, offset: u64) -> Option<Ipv4Addr> {
        let offset = (offset < self.size()).then_some(offset)?;
        Some(Ipv4Addr::from_bits(self.network.to_bits().wrapping_add(u32::try_from(offset).ok()?)))
    }

    /// Whether `address` lies in the block.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        mask(self.prefix).is_some_and(|mask| address.to_bits() & mask == self.network.to_bits())
    }

    /// Whether all of `other` lies in the block.
    pub fn covers(&self, other: &Ipv4Block) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Ipv4Block) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Parses a block and clears host bits that are set, as some AWS calls do.
    ///
    /// # Errors
    /// When the text is no CIDR block at all.
    pub fn parse_lenient(text: &str) -> Result<Self, ParseError> {
        let refuse = || ParseError { text: text.to_owned(), expected: "an IPv4 block like 10.0.0.0/16" };
        let (address, prefix) = text.split_once('/').ok_or_else(refuse)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
        if prefix.is_empty() || prefix.len() > 2 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        prefix.parse().ok().and_then(|prefix| Self::containing(address, prefix)).ok_or_else(refuse)
    }
}

fn mask(prefix: u8) -> Option<u32> {
    match prefix {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - prefix)),
        _ => None,
    }
}

impl fmt::Display for Ipv4Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Ipv4Block {
    type Err = ParseError;

    /// Strict: host bits that are set are an error.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let block = Self::parse_lenient(text)?;
        if text.starts_with(&block.network.to_string()) && text.split('/').next() == Some(&block.network.to_string()) {
            Ok(block)
        } else {
            Err(ParseError { text: text.to_owned(), expected: "an IPv4 block without host bits, like 10.0.0.0/16" })
        }
    }
}

impl TryFrom<String> for Ipv4Block {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Ipv4Block> for String {
    fn from(block: Ipv4Block) -> String {
        block.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Ipv4Block {
        text.parse().unwrap()
    }

    #[test]
    fn blocks_parse_strictly_and_leniently() {
        assert!("10.0.0.1/16".parse::<Ipv4Block>().is_err());
        assert_eq!(Ipv4Block::parse_lenient("10.0.0.1/16"), Ok(block("10.0.0.0/16")));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "x/8", "10.0.0.0/", "10.0.0.0/008"] {
            assert!(Ipv4Block::parse_lenient(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn blocks_know_their_bounds() {
        let it = block("192.168.1.0/24");
        assert_eq!(it.last(), Ipv4Addr::new(192, 168, 1, 255));
        assert_eq!(it.nth(4), Some(Ipv4Addr::new(192, 168, 1, 4)));
        assert_eq!(it.nth(256), None);
        assert_eq!(Ipv4Block::ANY.size(), 1 << 32);
        assert!(Ipv4Block::ANY.contains(Ipv4Addr::BROADCAST));
    }

    #[test]
    fn overlap_is_cover_one_way_or_the_other() {
        assert!(block("10.0.0.0/8").overlaps(&block("10.1.0.0/16")));
        assert!(block("10.1.0.0/16").overlaps(&block("10.0.0.0/8")));
        assert!(!block("10.1.0.0/16").overlaps(&block("10.2.0.0/16")));
    }
}
