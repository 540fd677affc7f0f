//! The Kubernetes versions that are offered: what their servers say of themselves and how long they are supported.
//!
//! Both the EKS API and a cluster's API server speak of these, and neither may know the other, so the table is here.
//! Sources: *Understand the Kubernetes version lifecycle on EKS*, *View Amazon EKS platform versions*, and replies of
//! real clusters. What none of them tells is marked `(derived)`: the suffix of a build is that of the wave in which the
//! platform version came out, Go's version is that of the upstream release, the build's time is shortly before the
//! platform version's date, and the commit, which is in no public tree, is the start of the SHA-256 of the git version.

use crate::ids::ParseError;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A minor version of Kubernetes, as `1.34`. Well-formed, but not necessarily on offer: see
/// [`KubernetesVersion::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    minor: u8,
}

/// What is known of a minor version: its newest patch, as new clusters get it, and its calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubernetesRelease {
    /// The minor version.
    pub version: KubernetesVersion,
    /// The patch version, as `1.24.17`.
    pub patch: &'static str,
    /// The server's build, as `v1.24.17-eks-7f9249a`.
    pub git_version: &'static str,
    /// The commit of the build: 40 hex digits.
    pub git_commit: &'static str,
    /// When it was built, in RFC 3339.
    pub build_date: &'static str,
    /// The compiler, as `go1.20.7`.
    pub go_version: &'static str,
    /// EKS's platform version, as `eks.39`.
    pub platform_version: &'static str,
    /// The first day on EKS.
    pub release_date: Date,
    /// The last day of standard support.
    pub end_of_standard_support: Date,
    /// The last day of extended support.
    pub end_of_extended_support: Date,
}

/// How a version is supported on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Within 14 months of its release.
    Standard,
    /// Within the 12 months after.
    Extended,
    /// Not any more.
    Ended,
}

impl KubernetesVersion {
    /// Version `1.<minor>`.
    pub const fn new(minor: u8) -> Self {
        Self { minor }
    }

    /// The number after the dot.
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The release of this version, if it is on offer. Constant time: the table has no holes.
    pub fn release(self) -> Option<&'static KubernetesRelease> {
        RELEASES.get(usize::from(self.minor.checked_sub(RELEASES[0].version.minor)?))
    }
}

impl KubernetesRelease {
    /// How this version is supported on `day`.
    pub fn support(&self, day: Date) -> Support {
        if day <= self.end_of_standard_support {
            Support::Standard
        } else if day <= self.end_of_extended_support {
            Support::Extended
        } else {
            Support::Ended
        }
    }
}

impl FromStr for KubernetesVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.strip_prefix("1.")
            .filter(|minor| !minor.starts_with(['0', '+']))
            .and_then(|minor| minor.parse().ok())
            .map(Self::new)
            .ok_or_else(|| ParseError { text: text.to_owned(), expected: "a Kubernetes version like 1.34" })
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> String {
        version.to_string()
    }
}

/// Every release on offer, oldest first, one a minor version.
pub fn releases() -> &'static [KubernetesRelease] {
    RELEASES
}

/// The version of a cluster whose maker names none.
pub const fn default_version() -> KubernetesVersion {
    KubernetesVersion::new(34)
}

const RELEASES: &[KubernetesRelease] = &[
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 24 },
        patch: "1.24.17",
        git_version: "v1.24.17-eks-7f9249a",
        git_commit: "f966db3ed23f14012b8d5bd893ffa4f93c5ec9dc",
        build_date: "2024-11-06T17:02:11Z",
        go_version: "go1.20.7",
        platform_version: "eks.39",
        release_date: date(2022, 11, 15),
        end_of_standard_support: date(2024, 1, 31),
        end_of_extended_support: date(2025, 1, 31),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 25 },
        patch: "1.25.16",
        git_version: "v1.25.16-eks-7f9249a",
        git_commit: "20d130c2d5ddb7bc32c6ee5115a7bcb49a22c8f4",
        build_date: "2024-11-06T17:03:48Z",
        go_version: "go1.20.10",
        platform_version: "eks.35",
        release_date: date(2023, 2, 22),
        end_of_standard_support: date(2024, 5, 1),
        end_of_extended_support: date(2025, 5, 1),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 26 },
        patch: "1.26.15",
        git_version: "v1.26.15-eks-7f9249a",
        git_commit: "aaf1978a570c009ca26010e412afe566a917ea2d",
        build_date: "2024-11-06T17:04:26Z",
        go_version: "go1.21.8",
        platform_version: "eks.35",
        release_date: date(2023, 4, 11),
        end_of_standard_support: date(2024, 6, 11),
        end_of_extended_support: date(2025, 6, 11),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 27 },
        patch: "1.27.16",
        git_version: "v1.27.16-eks-7f9249a",
        git_commit: "3e5360edfd27a28ae21b85d60b5364f75e3f5ce5",
        build_date: "2024-11-06T17:05:37Z",
        go_version: "go1.22.5",
        platform_version: "eks.33",
        release_date: date(2023, 5, 24),
        end_of_standard_support: date(2024, 7, 24),
        end_of_extended_support: date(2025, 7, 24),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 28 },
        patch: "1.28.15",
        git_version: "v1.28.15-eks-7f9249a",
        git_commit: "a40482a8f31fffa20c6e54c101e1650ae5ea49d8",
        build_date: "2024-11-06T17:06:52Z",
        go_version: "go1.22.8",
        platform_version: "eks.29",
        release_date: date(2023, 9, 26),
        end_of_standard_support: date(2024, 11, 26),
        end_of_extended_support: date(2025, 11, 26),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 29 },
        patch: "1.29.15",
        git_version: "v1.29.15-eks-1fbb135",
        git_commit: "13a23d21f95dc4d52b073dd2b77c1ee014646c50",
        build_date: "2025-06-18T03:21:09Z",
        go_version: "go1.23.6",
        platform_version: "eks.40",
        release_date: date(2024, 1, 23),
        end_of_standard_support: date(2025, 3, 23),
        end_of_extended_support: date(2026, 3, 23),
    },
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 30 },
        patch: "1.30.14",
        git_version: "v1.30.14-eks-f69f56f",
        git_commit: "935e5b263f58c5c60b1d0e96ced721f96b57e1e7",
        build_date: "2026-03-12T20:11:34Z",
        go_version: "go1.23.10",
        platform_version: "eks.64",
        release_date: date(2024, 5, 23),
        end_of_standard_support: date(2025, 7, 23),
        end_of_extended_support: date(2026, 7, 23),
    },
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 31 },
        patch: "1.31.14",
        git_version: "v1.31.14-eks-f69f56f",
        git_commit: "3a44fb35b3f5e9e32e6c0d80059373274f78a627",
        build_date: "2026-03-12T20:12:51Z",
        go_version: "go1.24.9",
        platform_version: "eks.56",
        release_date: date(2024, 9, 26),
        end_of_standard_support: date(2025, 11, 26),
        end_of_extended_support: date(2026, 11, 26),
    },
    // git_version, git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 32 },
        patch: "1.32.12",
        git_version: "v1.32.12-eks-f69f56f",
        git_commit: "636e7ea860799e1d3a59fd218957da0a0f702db6",
        build_date: "2026-03-12T20:13:27Z",
        go_version: "go1.24.12",
        platform_version: "eks.40",
        release_date: date(2025, 1, 23),
        end_of_standard_support: date(2026, 3, 23),
        end_of_extended_support: date(2027, 3, 23),
    },
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 33 },
        patch: "1.33.8",
        git_version: "v1.33.8-eks-f69f56f",
        git_commit: "e085d688481e359488ecac1bc332ad9bbcfeb88d",
        build_date: "2026-03-12T20:14:46Z",
        go_version: "go1.24.12",
        platform_version: "eks.33",
        release_date: date(2025, 5, 29),
        end_of_standard_support: date(2026, 7, 29),
        end_of_extended_support: date(2027, 7, 29),
    },
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 34 },
        patch: "1.34.4",
        git_version: "v1.34.4-eks-f69f56f",
        git_commit: "e6c59d18b95c14077cd70b34178eae12171b0ff8",
        build_date: "2026-03-12T20:15:58Z",
        go_version: "go1.24.12",
        platform_version: "eks.19",
        release_date: date(2025, 10, 2),
        end_of_standard_support: date(2026, 12, 2),
        end_of_extended_support: date(2027, 12, 2),
    },
    // git_commit, build_date, go_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 35 },
        patch: "1.35.2",
        git_version: "v1.35.2-eks-f69f56f",
        git_commit: "7f224f7040a0ed88265c7b539d1aa088d77f0f19",
        build_date: "2026-03-12T20:16:40Z",
        go_version: "go1.25.7",
        platform_version: "eks.9",
        release_date: date(2026, 1, 27),
        end_of_standard_support: date(2027, 3, 27),
        end_of_extended_support: date(2028, 3, 27),
    },
    // patch, git_version, git_commit, build_date, go_version, platform_version: (derived)
    KubernetesRelease {
        version: KubernetesVersion { minor: 36 },
        patch: "1.36.2",
        git_version: "v1.36.2-eks-8f14419",
        git_commit: "e65949daf368487d0f3bbb4ab29b99afc03adfe7",
        build_date: "2026-06-25T18:30:05Z",
        go_version: "go1.26.3",
        platform_version: "eks.4",
        release_date: date(2026, 6, 2),
        end_of_standard_support: date(2027, 8, 2),
        end_of_extended_support: date(2028, 8, 2),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{Timestamp, ToSpan};

    #[test]
    fn versions_parse_and_print() {
        for text in ["1.24", "1.36", "1.9"] {
            assert_eq!(text.parse::<KubernetesVersion>().unwrap().to_string(), text);
        }
        for bad in ["", "1", "1.", "2.24", "v1.24", "1.024", "1.+24", "1.24.1", "1.-1", "1.256"] {
            assert!(bad.parse::<KubernetesVersion>().is_err(), "{bad}");
        }
        assert!(KubernetesVersion::new(9) < KubernetesVersion::new(24));
    }

    #[test]
    fn each_version_finds_its_own_release() {
        for release in releases() {
            assert_eq!(release.version.release(), Some(release));
        }
        assert_eq!((releases()[0].version.minor(), releases().len()), (24, 13));
        assert_eq!(KubernetesVersion::new(23).release(), None);
        assert_eq!(KubernetesVersion::new(37).release(), None);
        assert_eq!(default_version().release().unwrap().patch, "1.34.4");
    }

    #[test]
    fn the_table_agrees_with_itself() {
        for it in releases() {
            assert!(it.patch.starts_with(&format!("{}.", it.version)), "{}", it.patch);
            assert!(it.git_version.starts_with(&format!("v{}-eks-", it.patch)), "{}", it.git_version);
            assert_eq!(it.git_commit.len(), 40);
            let built: Timestamp = it.build_date.parse().unwrap();
            assert!(built.to_string() == it.build_date && built > "2022-01-01T00:00:00Z".parse().unwrap());
            assert!(it.release_date < it.end_of_standard_support);
        }
        let dates = |it: fn(&KubernetesRelease) -> Date| releases().iter().map(it).collect::<Vec<_>>();
        assert!(dates(|it| it.release_date).is_sorted() && dates(|it| it.end_of_extended_support).is_sorted());
    }

    #[test]
    fn extended_support_is_the_year_after_standard_support() {
        for it in releases() {
            assert_eq!(it.end_of_standard_support + 12.months(), it.end_of_extended_support, "{}", it.version);
            assert_eq!(it.support(it.end_of_standard_support), Support::Standard);
            assert_eq!(it.support(it.end_of_standard_support + 1.day()), Support::Extended);
            assert_eq!(it.support(it.end_of_extended_support + 1.day()), Support::Ended);
        }
    }
}
