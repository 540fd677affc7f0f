//! `postern status`: what runs.

use super::error::CliError;
use super::session::Session;
use super::table::{row, spaces};
use crate::control::{Request, Status as Report};
use std::net::Ipv4Addr;

/// How a listing is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Shows what runs.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Status {
    /// Prints it.
    ///
    /// # Errors
    /// As the daemon's.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let report: Report = session.ask(&Request::Status)?;
        match self.output {
            Format::Json => session.json(&report),
            Format::Table => session.text(&text(&report)),
        }
    }
}

/// Addresses in a cell.
pub fn addresses(list: &[Ipv4Addr]) -> String {
    if list.is_empty() {
        return "-".to_owned();
    }
    list.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ")
}

fn text(report: &Report) -> String {
    let hello = &report.hello;
    let mut text = spaces(&[
        row(["postern", &format!("{}, process {}", hello.version, hello.pid)]),
        row(["AWS API", &format!("http://{}, region {}", hello.listen, hello.region)]),
        row([
            "state",
            &format!("{}, {} store at revision {}", report.data_dir.display(), report.store, report.revision),
        ]),
        row(["control plane", &report.control_plane]),
    ]);
    for (title, rows) in [("Clusters", clusters(report)), ("VPCs", vpcs(report)), ("Instances", instances(report))] {
        text.push_str(&format!("\n{title}{}\n", if rows.len() > 1 { "" } else { ": none" }));
        if rows.len() > 1 {
            text.push_str(&spaces(&rows));
        }
    }
    if !report.problems.is_empty() {
        text.push_str("\nProblems\n");
        for it in &report.problems {
            text.push_str(&format!("! {it}\n"));
        }
    }
    text
}

fn clusters(report: &Report) -> Vec<Vec<String>> {
    let mut rows =
        vec![row(["NAME", "VERSION", "STATUS", "ACCESS", "PUBLIC", "PRIVATE", "ENDPOINT", "REGION", "ACCOUNT"])];
    rows.extend(report.clusters.iter().map(|it| {
        let (public, private) = (addresses(&it.public_addresses), addresses(&it.private_addresses));
        let endpoint = if it.endpoint.is_empty() { "-" } else { &it.endpoint };
        row([&it.name, &it.version, &it.status, &it.access, &public, &private, endpoint, &it.region, &it.account])
    }));
    rows
}

fn vpcs(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![row(["ID", "BLOCKS", "DEFAULT", "SUBNETS", "INTERFACES", "NAMESPACE", "REGION", "ACCOUNT"])];
    rows.extend(report.vpcs.iter().map(|it| {
        let default = if it.is_default { "yes" } else { "no" };
        let (subnets, interfaces) = (it.subnets.to_string(), it.interfaces.to_string());
        row([&it.id, &it.blocks.join(", "), default, &subnets, &interfaces, &it.namespace, &it.region, &it.account])
    }));
    rows
}

fn instances(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![row(["ID", "STATE", "PRIVATE", "PUBLIC", "REGION", "ACCOUNT"])];
    rows.extend(report.instances.iter().map(|it| {
        let public = it.public_address.map_or("-".to_owned(), |it| it.to_string());
        row([&it.id, &it.state, &it.private_address.to_string(), &public, &it.region, &it.account])
    }));
    rows
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::{FakeDaemon, hello, run};
    use crate::control::Reply;
    use serde_json::{Value, json};

    fn daemon(value: Value) -> FakeDaemon {
        FakeDaemon::start(move |_| vec![Reply::Done { value: value.clone() }])
    }

    fn empty() -> Value {
        json!({"hello": hello(), "data_dir": "/d", "store": "embedded", "revision": 7, "control_plane": "embedded",
               "clusters": [], "vpcs": [], "instances": [], "problems": []})
    }

    #[test]
    fn an_idle_service_says_so() {
        assert_eq!(
            daemon(empty()).run("postern status").output(),
            "postern        0.1.0, process 42\n\
             AWS API        http://127.0.0.1:4566, region ap-northeast-2\n\
             state          /d, embedded store at revision 7\n\
             control plane  embedded\n\
             \nClusters: none\n\nVPCs: none\n\nInstances: none\n"
        );
    }

    #[test]
    fn what_runs_and_what_is_wrong_is_shown() {
        let mut value = empty();
        value["clusters"] = json!([{"account": "1", "region": "r", "name": "blue", "version": "1.24",
            "status": "ACTIVE",
            "access": "public", "endpoint": "https://E", "public_addresses": ["198.18.0.1", "198.18.0.2"],
            "private_addresses": ["10.0.0.5"]}]);
        value["vpcs"] = json!([{"account": "1", "region": "r", "id": "vpc-1", "blocks": ["10.0.0.0/16"],
            "is_default": false,
            "subnets": 2, "interfaces": 3, "namespace": "pn-1"}]);
        value["instances"] = json!([{"account": "1", "region": "r", "id": "i-1", "state": "running",
            "private_address": "10.0.0.4", "public_address": null}]);
        value["problems"] = json!(["no nftables"]);
        let daemon = daemon(value.clone());
        let ran = daemon.run("postern status");
        let text = ran.output();
        for line in [
            "blue  1.24     ACTIVE  public  198.18.0.1, 198.18.0.2  10.0.0.5  https://E  r       1\n",
            "vpc-1  10.0.0.0/16  no       2        3           pn-1       r       1\n",
            "i-1  running  10.0.0.4  -       r       1\n",
            "\nProblems\n! no nftables\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let ran = daemon.run("postern status --output json");
        assert_eq!(serde_json::from_str::<Value>(ran.output()).unwrap(), value);
    }

    #[test]
    fn without_a_daemon_one_line_says_what_to_do() {
        let ran = run("postern status --data-dir /nowhere");
        assert_eq!(ran.failure(), "Error: no daemon answers at /nowhere: start one with `postern up`");
    }
}
