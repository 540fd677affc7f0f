//! Addresses and blocks of them, as texts in objects.

use std::net::IpAddr;

/// What is wrong with text that is no block of addresses.
pub(crate) const NOT_A_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// 32 bits.
    V4,
    /// 128 bits.
    V6,
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    bits: u128,
    length: u32,
    family: Family,
}

impl Family {
    /// An address' family. An IPv4 address written as IPv6 is IPv4.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    fn width(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl Cidr {
    /// Reads `10.0.0.0/8`; bits beyond the prefix may be set.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ip, length) = text.split_once('/')?;
        let ip: IpAddr = parse_ip(ip)?;
        let (bits, family) = match ip {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)), Family::V4),
            IpAddr::V6(ip) => (u128::from(ip), Family::V6),
        };
        let digits = length.bytes().all(|c| c.is_ascii_digit()) && !length.is_empty();
        let length: u32 = if digits { length.parse().ok()? } else { return None };
        (length <= family.width()).then_some(Self { bits, length, family })
    }

    /// Its family.
    pub(crate) fn family(self) -> Family {
        self.family
    }

    fn prefix(self, length: u32) -> u128 {
        let host = self.family.width() - length;
        if host >= 128 { 0 } else { self.bits >> host }
    }

    /// Whether no bit beyond the prefix is set.
    pub(crate) fn is_canonical(self) -> bool {
        let host = self.family.width() - self.length;
        let mask = if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        self.bits & mask == 0
    }

    /// Whether all of this block, but not only it, is in `other`.
    pub(crate) fn is_strictly_within(self, other: Self) -> bool {
        self.family == other.family
            && self.length > other.length
            && self.prefix(other.length) == other.prefix(other.length)
    }
}

/// Reads an address.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Why nothing that is reached over the network has this address.
pub(crate) fn not_an_endpoint(ip: IpAddr) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        return Some(match ip {
            IpAddr::V4(_) => "may not be unspecified (0.0.0.0)",
            IpAddr::V6(_) => "may not be unspecified (::)",
        });
    }
    if ip.is_loopback() {
        return Some("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(ip) => ((ip.segments()[0] & 0xffc0) == 0xfe80, (ip.segments()[0] & 0xff0f) == 0xff02),
    };
    if link_local {
        return Some("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    link_local_multicast.then_some("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_within_each_other() {
        let cidr = |text: &str| Cidr::parse(text).unwrap();
        assert!(cidr("10.1.0.0/16").is_strictly_within(cidr("10.0.0.0/8")));
        assert!(!cidr("10.0.0.0/8").is_strictly_within(cidr("10.0.0.0/8")));
        assert!(!cidr("12.0.0.0/8").is_strictly_within(cidr("10.0.0.0/7")));
        assert!(cidr("11.0.0.0/8").is_strictly_within(cidr("0.0.0.0/0")));
        assert!(!cidr("11.0.0.0/8").is_strictly_within(cidr("::/0")));
        assert!(cidr("2001:db8:1::/48").is_strictly_within(cidr("2001:db8::/32")));
        assert!(cidr("10.0.0.0/8").is_canonical() && !cidr("10.0.0.1/8").is_canonical());
        for bad in ["x", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn some_addresses_are_nobodys() {
        for bad in ["0.0.0.0", "::", "127.0.0.1", "::1", "169.254.1.1", "fe80::1", "224.0.0.1", "ff02::1"] {
            assert!(not_an_endpoint(parse_ip(bad).unwrap()).is_some(), "{bad}");
        }
        for good in ["10.0.0.1", "2001:db8::1"] {
            assert_eq!(not_an_endpoint(parse_ip(good).unwrap()), None, "{good}");
        }
    }
}
