//! What `/version` says.

use base::{KubernetesRelease, KubernetesVersion};
use serde::Serialize;

/// The server's version, in the order in which its members are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    major: &'static str,
    minor: String,
    #[serde(flatten)]
    compatibility: Option<Compatibility>,
    git_version: &'static str,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: &'static str,
}

/// Which older server this one can act as. Told since 1.33.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compatibility {
    emulation_major: &'static str,
    emulation_minor: String,
    min_compatibility_major: &'static str,
    min_compatibility_minor: String,
}

impl VersionInfo {
    /// As labels of a metric.
    pub fn labels(&self) -> [(&'static str, &str); 9] {
        [
            ("build_date", self.build_date),
            ("compiler", self.compiler),
            ("git_commit", self.git_commit),
            ("git_tree_state", self.git_tree_state),
            ("git_version", self.git_version),
            ("go_version", self.go_version),
            ("major", self.major),
            ("minor", &self.minor),
            ("platform", self.platform),
        ]
    }

    /// What a server of `release` says.
    pub fn of(release: &KubernetesRelease) -> Self {
        let minor = release.version.minor();
        let emulates = release.version >= KubernetesVersion::new(33);
        Self {
            major: "1",
            // The build marks a version with a suffix by a plus; servers that emulate others (from 1.31) work the
            // number out of their effective version and lose the mark. Captured for 1.24 to 1.26.
            minor: if minor <= 30 { format!("{minor}+") } else { minor.to_string() },
            compatibility: emulates.then(|| Compatibility {
                emulation_major: "1",
                emulation_minor: minor.to_string(),
                min_compatibility_major: "1",
                min_compatibility_minor: (minor - 1).to_string(),
            }),
            git_version: release.git_version,
            git_commit: release.git_commit,
            git_tree_state: "clean",
            build_date: release.build_date,
            go_version: release.go_version,
            compiler: "gc",
            platform: "linux/amd64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(minor: u8) -> String {
        serde_json::to_string(&VersionInfo::of(KubernetesVersion::new(minor).release().unwrap())).unwrap()
    }

    #[test]
    fn members_come_in_their_order() {
        let old = text(24);
        assert!(
            old.starts_with(r#"{"major":"1","minor":"24+","gitVersion":"v1.24.17-eks-7f9249a","gitCommit":""#),
            "{old}"
        );
        assert!(old.ends_with(r#","goVersion":"go1.20.7","compiler":"gc","platform":"linux/amd64"}"#), "{old}");
        let new = text(34);
        let start = r#"{"major":"1","minor":"34","emulationMajor":"1","emulationMinor":"34","minCompatibilityMajor":"1","minCompatibilityMinor":"33","gitVersion":"#;
        assert!(new.starts_with(start), "{new}");
    }

    #[test]
    fn the_plus_goes_with_1_31_and_the_compatibility_comes_with_1_33() {
        for release in base::kubernetes::releases() {
            let text = text(release.version.minor());
            assert_eq!(text.contains("+\""), release.version.minor() <= 30, "{text}");
            assert_eq!(text.contains("emulation"), release.version.minor() >= 33, "{text}");
        }
    }
}
