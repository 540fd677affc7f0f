//! One type per id, so that swapped arguments do not compile and a log line prints itself.
//! Forms are those of the *Amazon EC2 API Reference*: a prefix and 17 lower-case hex digits.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no id, account or region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    /// What was given.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

fn hex_suffix(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (rest.len() == 8 || rest.len() == 17) && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Random bytes from the kernel.
///
/// # Panics
/// Never on a kernel with `getrandom(2)`, which every supported one has.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the kernel gives no randomness: {error}");
    }
    bytes
}

/// Lower-case hex digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A random UUID in the usual form (version 4).
pub fn random_uuid() -> String {
    let mut bytes = random_bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// Defines an id type with the given prefix.
macro_rules! prefixed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The part before the hex digits, with its hyphen.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; like AWS's, its digits start with `0`.
            pub fn random() -> Self {
                let digits = hex(&random_bytes::<8>());
                Self(format!("{}0{}", $prefix, digits))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                if hex_suffix(text, $prefix) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseError { text: text.to_owned(), expected: concat!("an id like ", $prefix, "0123456789abcdef0") })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;
            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )+};
}

prefixed_id! {
    /// A VPC.
    VpcId = "vpc-";
    /// A subnet.
    SubnetId = "subnet-";
    /// A route table.
    RouteTableId = "rtb-";
    /// The association of a route table with a subnet or as a VPC's main table.
    RouteTableAssociationId = "rtbassoc-";
    /// An Internet gateway.
    InternetGatewayId = "igw-";
    /// A security group.
    SecurityGroupId = "sg-";
    /// One rule of a security group.
    SecurityGroupRuleId = "sgr-";
    /// A network interface.
    NetworkInterfaceId = "eni-";
    /// The attachment of a network interface.
    AttachmentId = "eni-attach-";
    /// An elastic address.
    AllocationId = "eipalloc-";
    /// The association of an elastic address.
    AddressAssociationId = "eipassoc-";
    /// An instance.
    InstanceId = "i-";
    /// A reservation: what one RunInstances call made.
    ReservationId = "r-";
    /// A key pair.
    KeyPairId = "key-";
    /// A machine image.
    ImageId = "ami-";
    /// A volume.
    VolumeId = "vol-";
    /// A set of DHCP options.
    DhcpOptionsId = "dopt-";
    /// A network access list.
    NetworkAclId = "acl-";
    /// The association of a network access list with a subnet.
    NetworkAclAssociationId = "aclassoc-";
    /// The association of an address block with a VPC.
    VpcCidrAssociationId = "vpc-cidr-assoc-";
}

/// Defines a checked text type.
macro_rules! checked_text {
    ($($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseError { text: text.to_owned(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;
            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> String {
                it.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )+};
}

checked_text! {
    /// An AWS account: twelve digits.
    AccountId, "an account id of 12 digits", |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    /// An AWS region, as `ap-northeast-2`. Only the form is checked here; which regions exist says [`Region::known`].
    Region, "a region like ap-northeast-2", |text| {
        let parts: Vec<&str> = text.split('-').collect();
        parts.len() >= 3
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
            && parts.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
    };
}

impl AccountId {
    /// A new account number; never one that starts with zero.
    pub fn random() -> Self {
        let number = u64::from_be_bytes(random_bytes::<8>()) % 900_000_000_000 + 100_000_000_000;
        Self(number.to_string())
    }
}

/// Regions that are served, with the short form that zone ids use and the letters of their zones.
/// Source: *Amazon EC2 User Guide*, "Regions and Zones".
const REGIONS: &[(&str, &str, &str)] = &[
    ("af-south-1", "afs1", "abc"),
    ("ap-east-1", "ape1", "abc"),
    ("ap-northeast-1", "apne1", "acd"),
    ("ap-northeast-2", "apne2", "abcd"),
    ("ap-northeast-3", "apne3", "abc"),
    ("ap-south-1", "aps1", "abc"),
    ("ap-south-2", "aps2", "abc"),
    ("ap-southeast-1", "apse1", "abc"),
    ("ap-southeast-2", "apse2", "abc"),
    ("ap-southeast-3", "apse3", "abc"),
    ("ap-southeast-4", "apse4", "abc"),
    ("ca-central-1", "cac1", "abd"),
    ("ca-west-1", "caw1", "abc"),
    ("eu-central-1", "euc1", "abc"),
    ("eu-central-2", "euc2", "abc"),
    ("eu-north-1", "eun1", "abc"),
    ("eu-south-1", "eus1", "abc"),
    ("eu-south-2", "eus2", "abc"),
    ("eu-west-1", "euw1", "abc"),
    ("eu-west-2", "euw2", "abc"),
    ("eu-west-3", "euw3", "abc"),
    ("il-central-1", "ilc1", "abc"),
    ("me-central-1", "mec1", "abc"),
    ("me-south-1", "mes1", "abc"),
    ("sa-east-1", "sae1", "abc"),
    ("us-east-1", "use1", "abcdef"),
    ("us-east-2", "use2", "abc"),
    ("us-west-1", "usw1", "ac"),
    ("us-west-2", "usw2", "abcd"),
];

/// The numbers in the ids of a region's zones, in the order of their letters, where they are not 1, 2, 3 and so on:
/// some zones are closed to new accounts, and each account has its own order. `use1-az3`, which EKS does not take, is
/// e here, as in most accounts.
const ZONE_NUMBERS: &[(&str, &str)] =
    &[("ap-northeast-1", "412"), ("ca-central-1", "124"), ("us-east-1", "124536"), ("us-west-1", "13")];

/// An availability zone of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// As `ap-northeast-2a`.
    pub name: String,
    /// As `apne2-az1`.
    pub id: String,
}

impl Region {
    /// All regions that are served, in alphabetical order.
    pub fn all() -> Vec<Region> {
        REGIONS.iter().map(|(name, ..)| Region((*name).to_owned())).collect()
    }

    /// Whether this region is served.
    pub fn known(&self) -> bool {
        REGIONS.iter().any(|(name, ..)| *name == self.0)
    }

    /// The region's availability zones in order; none when the region is not served.
    pub fn zones(&self) -> Vec<Zone> {
        let Some((name, short, letters)) = REGIONS.iter().find(|(name, ..)| *name == self.0) else {
            return Vec::new();
        };
        let numbers = ZONE_NUMBERS.iter().find(|(of, _)| of == name).map_or("123456", |(_, numbers)| numbers);
        let zone = |(letter, number)| Zone { name: format!("{name}{letter}"), id: format!("{short}-az{number}") };
        letters.chars().zip(numbers.chars()).map(zone).collect()
    }

    /// The domain of private host names: `ec2.internal` in us-east-1, `<region>.compute.internal` elsewhere.
    pub fn private_domain(&self) -> String {
        match self.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            region => format!("{region}.compute.internal"),
        }
    }

    /// The domain of public host names: `compute-1.amazonaws.com` in us-east-1, `<region>.compute.amazonaws.com` elsewhere.
    pub fn public_domain(&self) -> String {
        match self.as_str() {
            "us-east-1" => "compute-1.amazonaws.com".to_owned(),
            region => format!("{region}.compute.amazonaws.com"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_only_in_their_own_form() {
        let id = VpcId::random();
        assert_eq!(id.as_str().len(), "vpc-".len() + 17);
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert!(id.as_str().parse::<SubnetId>().is_err());
        assert!("vpc-XYZ".parse::<VpcId>().is_err());
        assert!("vpc-12345678".parse::<VpcId>().is_ok(), "the old short form is still accepted");
    }

    #[test]
    fn zones_carry_name_and_id() {
        let region: Region = "ap-northeast-2".parse().unwrap();
        let zones = region.zones();
        assert_eq!(zones[2], Zone { name: "ap-northeast-2c".into(), id: "apne2-az3".into() });
        assert!("mars-north-1".parse::<Region>().unwrap().zones().is_empty());
    }

    #[test]
    fn every_zone_has_a_number_of_its_own() {
        for (region, (_, _, letters)) in Region::all().iter().zip(REGIONS) {
            let ids: std::collections::BTreeSet<String> = region.zones().into_iter().map(|it| it.id).collect();
            assert_eq!(ids.len(), letters.len(), "{region}");
            assert!(!ids.contains("usw1-az2") && !ids.contains("cac1-az3"), "closed to new accounts");
        }
        let east: Region = "us-east-1".parse().unwrap();
        assert_eq!(east.zones()[4], Zone { name: "us-east-1e".into(), id: "use1-az3".into() });
    }

    #[test]
    fn us_east_1_has_its_own_domains() {
        let region: Region = "us-east-1".parse().unwrap();
        assert_eq!(region.private_domain(), "ec2.internal");
        assert_eq!(region.public_domain(), "compute-1.amazonaws.com");
    }
}
