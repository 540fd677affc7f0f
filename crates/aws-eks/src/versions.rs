//! DescribeClusterVersions: the calendar of versions, as of a day.

use crate::error::EksError;
use crate::page;
use aws_model::eks::{ClusterVersionInformation, DescribeClusterVersionsRequest, DescribeClusterVersionsResponse};
use base::kubernetes::{KubernetesRelease, Support, default_version, releases};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The kind of clusters that are served.
const TYPE: &str = "eks";

fn day(at: Timestamp) -> Date {
    Zoned::new(at, TimeZone::UTC).date()
}

/// Midnight, UTC, as the calendar's dates are shown.
fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp())
}

/// The two spellings of a version's support: `versionStatus` and the older `status`.
fn spelt(support: Support) -> (&'static str, &'static str) {
    match support {
        Support::Standard => ("STANDARD_SUPPORT", "standard-support"),
        Support::Extended => ("EXTENDED_SUPPORT", "extended-support"),
        Support::Ended => ("UNSUPPORTED", "unsupported"),
    }
}

fn known_status(asked: Option<&String>) -> Result<(), EksError> {
    let all = [Support::Standard, Support::Extended, Support::Ended].map(spelt);
    match asked {
        Some(it) if !all.iter().any(|(new, old)| it == new || it == old) => {
            Err(EksError::Parameter(format!("Invalid version status '{it}'")))
        }
        _ => Ok(()),
    }
}

/// Whether a release is wanted. Those without support are shown only when asked for: all, by name, or by status.
fn wanted(ask: &DescribeClusterVersionsRequest, release: &KubernetesRelease, support: Support) -> bool {
    let (new, old) = spelt(support);
    let names = ask.cluster_versions.as_deref().unwrap_or_default();
    let statuses: Vec<&String> = ask.version_status.iter().chain(&ask.status).collect();
    let asked_for = ask.include_all == Some(true) || !names.is_empty() || !statuses.is_empty();
    ask.cluster_type.as_ref().is_none_or(|it| it == TYPE)
        && (ask.default_only != Some(true) || release.version == default_version())
        && (names.is_empty() || names.contains(&release.version.to_string()))
        && statuses.iter().all(|it| *it == new || *it == old)
        && (support != Support::Ended || asked_for)
}

/// The answer, newest version first.
///
/// # Errors
/// For an unknown status, page size or token.
pub fn describe(
    ask: &DescribeClusterVersionsRequest,
    now: Timestamp,
) -> Result<DescribeClusterVersionsResponse, EksError> {
    known_status(ask.version_status.as_ref())?;
    known_status(ask.status.as_ref())?;
    let today = day(now);
    let found: Vec<String> = releases()
        .iter()
        .rev()
        .filter(|release| wanted(ask, release, release.support(today)))
        .map(|release| release.version.to_string())
        .collect();
    let (shown, next_token) = page::page(found, ask.max_results, ask.next_token.as_deref(), page::by_place)?;
    let of = |name: &String| releases().iter().find(|it| it.version.to_string() == *name);
    let versions = shown.iter().filter_map(of).map(|release| render(release, today)).collect();
    Ok(DescribeClusterVersionsResponse { next_token, cluster_versions: Some(versions) })
}

fn render(release: &KubernetesRelease, today: Date) -> ClusterVersionInformation {
    let (new, old) = spelt(release.support(today));
    ClusterVersionInformation {
        cluster_version: Some(release.version.to_string()),
        cluster_type: Some(TYPE.to_owned()),
        default_platform_version: Some(release.platform_version.to_owned()),
        default_version: Some(release.version == default_version()),
        release_date: midnight(release.release_date),
        end_of_standard_support_date: midnight(release.end_of_standard_support),
        end_of_extended_support_date: midnight(release.end_of_extended_support),
        status: Some(old.to_owned()),
        version_status: Some(new.to_owned()),
        kubernetes_patch_version: Some(release.patch.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(ask: DescribeClusterVersionsRequest) -> Vec<String> {
        let now = "2026-07-01T12:00:00Z".parse().unwrap();
        let answer = describe(&ask, now).unwrap();
        answer.cluster_versions.unwrap().into_iter().filter_map(|it| it.cluster_version).collect()
    }

    #[test]
    fn what_has_no_support_any_more_is_shown_on_request() {
        let shown = ask(DescribeClusterVersionsRequest::default());
        assert_eq!((shown.first().unwrap().as_str(), shown.last().unwrap().as_str()), ("1.36", "1.30"));
        let all = DescribeClusterVersionsRequest { include_all: Some(true), ..Default::default() };
        assert_eq!(ask(all).last().unwrap(), "1.24");
        let named =
            DescribeClusterVersionsRequest { cluster_versions: Some(vec!["1.24".into()]), ..Default::default() };
        assert_eq!(ask(named), ["1.24"]);
    }

    #[test]
    fn filters_narrow() {
        let default = DescribeClusterVersionsRequest { default_only: Some(true), ..Default::default() };
        assert_eq!(ask(default), ["1.34"]);
        let extended =
            DescribeClusterVersionsRequest { version_status: Some("EXTENDED_SUPPORT".into()), ..Default::default() };
        assert_eq!(ask(extended), ["1.32", "1.31", "1.30"]);
        let old = DescribeClusterVersionsRequest { status: Some("standard-support".into()), ..Default::default() };
        assert_eq!(ask(old), ["1.36", "1.35", "1.34", "1.33"]);
        let other = DescribeClusterVersionsRequest { cluster_type: Some("boat".into()), ..Default::default() };
        assert!(ask(other).is_empty());
        let bad = DescribeClusterVersionsRequest { status: Some("fine".into()), ..Default::default() };
        assert!(describe(&bad, Timestamp::UNIX_EPOCH).is_err());
    }

    #[test]
    fn pages_go_on_where_they_ended() {
        let now = "2026-07-01T12:00:00Z".parse().unwrap();
        let mut ask = DescribeClusterVersionsRequest { max_results: Some(2), ..Default::default() };
        let first = describe(&ask, now).unwrap();
        ask.next_token = first.next_token;
        let second = describe(&ask, now).unwrap().cluster_versions.unwrap();
        assert_eq!(second[0].cluster_version.as_deref(), Some("1.34"));
        assert_eq!(second[0].default_version, Some(true));
        assert_eq!(second[0].release_date.unwrap().to_string(), "2025-10-02T00:00:00Z");
    }
}
