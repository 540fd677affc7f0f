//! `postern reach`: who can reach a cluster's endpoint, by which way, and for who can't, where it ends and what would
//! open it.

use super::at::check;
use super::error::CliError;
use super::session::Session;
use super::status::Format;
use crate::control::{ReachReport, Request};
use landing::reach::{Hop, Way};
use std::fmt::Write;

/// Says who can reach a cluster's endpoint.
#[derive(Debug, clap::Args)]
pub struct Reach {
    /// The cluster's name.
    cluster: String,
    /// One place only: `outside`, an instance id, a node name or NAMESPACE/POD@CLUSTER.
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// The cluster's region; the service's default when not given.
    #[arg(short, long)]
    region: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Reach {
    /// Prints it. That somebody can't reach the endpoint is an answer, not a failure.
    ///
    /// # Errors
    /// When the question can't be answered: no such cluster or place.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        if let Some(place) = &self.from {
            check(place)?;
        }
        let Self { cluster, from, region, output } = self;
        let reports: Vec<ReachReport> = session.ask(&Request::Reach { cluster: cluster.clone(), region, from })?;
        match output {
            Format::Json => session.json(&reports),
            Format::Table => session.text(&text(&cluster, &reports)),
        }
    }
}

/// What one way comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Records and packets agree.
    Open,
    /// Records and packets agree that it is not.
    Shut,
    /// The records say so, but no packet was sent.
    Untried(bool),
    /// They disagree; what the packets said.
    Disagree(bool),
}

impl Verdict {
    fn of(way: &Way, confirmed: Option<bool>) -> Self {
        match (way.is_open(), confirmed) {
            (open, None) => Self::Untried(open),
            (true, Some(true)) => Self::Open,
            (false, Some(false)) => Self::Shut,
            (_, Some(connected)) => Self::Disagree(connected),
        }
    }

    /// Whether packets arrive, as far as is known.
    fn arrives(self) -> bool {
        matches!(self, Self::Open | Self::Untried(true) | Self::Disagree(true))
    }

    fn words(self) -> &'static str {
        match self {
            Self::Open => "reachable (confirmed: it connects)",
            Self::Shut => "not reachable (confirmed: it does not connect)",
            Self::Untried(true) => "reachable by the records (not tried)",
            Self::Untried(false) => "not reachable by the records (not tried)",
            Self::Disagree(true) => "!! DISAGREEMENT: by the records it is not reachable, but it connects",
            Self::Disagree(false) => "!! DISAGREEMENT: by the records it is reachable, but it does not connect",
        }
    }
}

fn text(cluster: &str, reports: &[ReachReport]) -> String {
    let mut text = String::new();
    let endpoint = reports.first().map(|it| it.computed.endpoint.as_str());
    // writing to a string can't fail
    let _ = writeln!(text, "cluster {cluster}{}", endpoint.map_or(String::new(), |it| format!(", https://{it}")));
    let verdicts = reports.iter().map(verdicts).collect::<Vec<_>>();
    let can = |it: &Vec<Verdict>| it.iter().any(|it| it.arrives());
    for (title, wanted) in [("can reach it: ", true), ("can't reach it:", false)] {
        let who: Vec<_> = reports.iter().zip(&verdicts).filter(|(_, it)| can(it) == wanted).collect();
        let who: Vec<_> = who.into_iter().map(|(it, _)| it.computed.from.as_str()).collect();
        let _ = writeln!(text, "{title} {}", if who.is_empty() { "nobody".to_owned() } else { who.join(", ") });
    }
    let wrong = verdicts.iter().flatten().filter(|it| matches!(it, Verdict::Disagree(_))).count();
    if wrong > 0 {
        let _ = writeln!(text, "!! on {wrong} way(s) records and packets disagree; `postern status` may say why");
    }
    for (report, verdicts) in reports.iter().zip(&verdicts) {
        place(&mut text, report, verdicts);
    }
    text
}

fn verdicts(report: &ReachReport) -> Vec<Verdict> {
    let confirmed = report.confirmed.iter().copied().map(Some).chain(std::iter::repeat(None));
    report.computed.ways.iter().zip(confirmed).map(|(way, confirmed)| Verdict::of(way, confirmed)).collect()
}

fn place(text: &mut String, report: &ReachReport, verdicts: &[Verdict]) {
    let _ = writeln!(text, "\nfrom {}", report.computed.from);
    if let Some(hop) = &report.computed.unresolved {
        let _ = writeln!(text, "  the name does not resolve");
        hops(text, std::slice::from_ref(hop));
    } else if report.computed.ways.is_empty() {
        let _ =
            writeln!(text, "  the name has no addresses here: is the cluster ACTIVE? `postern get cluster NAME` says");
    }
    for (way, verdict) in report.computed.ways.iter().zip(verdicts) {
        let _ = writeln!(text, "  {} ({}): {}", way.address, way.leg, verdict.words());
        hops(text, &way.hops);
    }
}

fn hops(text: &mut String, hops: &[Hop]) {
    let width = hops.iter().map(|it| it.at.chars().count()).max().unwrap_or_default();
    for hop in hops {
        let mark = if hop.passes { '>' } else { 'x' };
        let _ = writeln!(text, "    {mark} {:width$}  {}", hop.at, hop.what);
        if let Some(remedy) = hop.remedy.as_ref().filter(|_| !hop.passes) {
            let _ = writeln!(text, "      {:width$}  to open it: {remedy}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::FakeDaemon;
    use crate::control::Reply;
    use serde_json::{Value, json};

    fn report(from: &str, passes: bool, confirmed: Value) -> Value {
        let mut hops =
            json!([{"at": "outside", "what": "198.18.0.9 sends to 198.18.0.1", "passes": true, "remedy": null}]);
        if !passes {
            let hop = json!({"at": "publicAccessCidrs", "what": "public access is off", "passes": false,
                "remedy": "aws eks x"});
            hops.as_array_mut().unwrap().push(hop);
        }
        let way = json!({"address": "198.18.0.1", "leg": "public", "hops": hops});
        json!({"computed": {"from": from, "endpoint": "E.gr7", "unresolved": null, "ways": [way]},
            "confirmed": confirmed})
    }

    fn daemon(value: Value) -> FakeDaemon {
        FakeDaemon::start(move |_| vec![Reply::Done { value: value.clone() }])
    }

    #[test]
    fn who_can_who_cannot_and_what_would_open_it() {
        let daemon = daemon(json!([report("outside", true, json!([true])), report("i-1", false, json!([false]))]));
        assert_eq!(
            daemon.run("postern reach blue").output(),
            "cluster blue, https://E.gr7\n\
             can reach it:  outside\n\
             can't reach it: i-1\n\
             \n\
             from outside\n\
             \x20 198.18.0.1 (public): reachable (confirmed: it connects)\n\
             \x20   > outside  198.18.0.9 sends to 198.18.0.1\n\
             \n\
             from i-1\n\
             \x20 198.18.0.1 (public): not reachable (confirmed: it does not connect)\n\
             \x20   > outside            198.18.0.9 sends to 198.18.0.1\n\
             \x20   x publicAccessCidrs  public access is off\n\
             \x20                        to open it: aws eks x\n"
        );
    }

    #[test]
    fn a_disagreement_of_records_and_packets_is_marked() {
        let daemon = daemon(json!([report("outside", true, json!([false])), report("i-1", false, json!([]))]));
        let ran = daemon.run("postern reach blue --from outside --region eu-west-1");
        assert!(ran.output().contains("!! on 1 way(s) records and packets disagree"), "{}", ran.out);
        assert!(ran.output().contains("!! DISAGREEMENT: by the records it is reachable, but it does not connect"));
        assert!(ran.output().contains("can reach it:  nobody\n"));
        assert!(ran.output().contains("not reachable by the records (not tried)"));
        let asked = daemon.requests().pop().unwrap();
        let Request::Reach { cluster, region, from } = asked else { panic!("{asked:?}") };
        assert_eq!(
            (cluster.as_str(), region.as_deref(), from.as_deref()),
            ("blue", Some("eu-west-1"), Some("outside"))
        );
    }

    #[test]
    fn a_name_that_does_not_resolve_says_why() {
        let hop = json!({"at": "resolver of vpc-1", "what": "enableDnsSupport is false", "passes": false,
            "remedy": "aws ec2 y"});
        let value =
            json!([{"computed": {"from": "i-1", "endpoint": "E", "unresolved": hop, "ways": []}, "confirmed": []}]);
        let ran = daemon(value.clone()).run("postern reach blue");
        assert!(
            ran.output().contains("the name does not resolve\n    x resolver of vpc-1  enableDnsSupport is false\n")
        );
        assert!(ran.output().contains("to open it: aws ec2 y"));
        let ran = daemon(value.clone()).run("postern reach blue --output json");
        assert_eq!(serde_json::from_str::<Value>(ran.output()).unwrap(), value);
    }

    #[test]
    fn an_unknown_cluster_is_one_line() {
        let daemon = FakeDaemon::start(|_| {
            vec![Reply::Failed {
                code: Some("ResourceNotFoundException".into()),
                message: "No cluster found for name: x.".into(),
            }]
        });
        assert_eq!(daemon.run("postern reach x").failure(), "Error: No cluster found for name: x.");
    }
}
