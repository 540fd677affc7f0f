//! What kubectl of several releases prints, area by area: `transcripts/*.txt`, run line by line at a cluster's endpoint.
//!
//! A line `$ …` is typed; what follows is printed, where `…` stands for anything. `[exit 1]` ends what a command that
//! fails prints. A line that begins with `[1.27+] ` or `[-1.26] ` is only of clients from, or up to, that release; so is
//! a command. Blanks are compared as one. Files of `transcripts/files` lie beside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::cluster::Cluster;
use common::transcript::{matches, steps};
use std::fmt::Write;
use std::path::Path;

/// The clients' minors; the cluster is one of the newest.
const CLIENTS: [u32; 4] = [24, 29, 32, 36];

/// A line as the client of a minor prints it, if it does.
fn line_of(minor: u32, line: &str) -> Option<&str> {
    let Some((range, rest)) = line.strip_prefix('[').and_then(|it| it.split_once("] ")) else { return Some(line) };
    let number = |text: &str| text.strip_prefix("1.").and_then(|it| it.parse::<u32>().ok());
    let (from, to) = (range.strip_suffix('+').and_then(number), range.strip_prefix('-').and_then(number));
    match (from, to) {
        (Some(from), _) => (minor >= from).then_some(rest),
        (_, Some(to)) => (minor <= to).then_some(rest),
        _ => Some(line),
    }
}

/// A line without the blanks that columns are made with: their widths follow names and addresses.
fn narrow(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs every transcript with one client; what was otherwise.
fn differences(cluster: &Cluster, config: &Path, minor: u32) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut shell = cluster.shell("kubectl", &format!("kubectl-1.{minor}"), config);
    let namespace = format!("with-{minor}");
    let files = folder.join("files");
    shell.run(&format!("cp {}/* . && kubectl create namespace {namespace}", files.display()));
    shell.run(&format!(
        "cp $KUBECONFIG own; export KUBECONFIG=$PWD/own; kubectl config set-context it --namespace={namespace}"
    ));
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    names.retain(|it| it.extension().is_some_and(|it| it == "txt"));
    names.sort();
    assert!(!names.is_empty());
    let mut told = String::new();
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("$NS", &namespace);
        let lines = text.lines().enumerate().filter_map(|(at, it)| Some((at + 1, line_of(minor, it)?)));
        for step in steps(lines.filter(|(_, it)| !it.starts_with('#') && !it.is_empty())) {
            let (code, printed) = shell.run(&step.command);
            let mut printed: Vec<String> = printed.iter().map(|it| narrow(it)).filter(|it| !it.is_empty()).collect();
            if code != 0 {
                printed.push(format!("[exit {code}]"));
            }
            let expected: Vec<String> = step.expected.iter().map(|it| narrow(it)).collect();
            if !matches(&expected, &printed) {
                let name = path.file_name().unwrap().display();
                let _ = writeln!(
                    told,
                    "--- kubectl 1.{minor}, {name}:{}: $ {}\n{}\n--- expected\n{}",
                    step.line,
                    step.command,
                    printed.join("\n"),
                    step.expected.join("\n")
                );
            }
        }
    }
    told
}

#[test]
fn kubectl_of_several_releases_prints_what_it_prints_on_eks() {
    let cluster = Cluster::new("eu-west-3", "many", "1.34");
    let config = cluster.with_token();
    let cluster = &cluster;
    let config = &config;
    let told: Vec<String> = std::thread::scope(|scope| {
        let running = CLIENTS.map(|minor| scope.spawn(move || differences(cluster, config, minor)));
        running.map(|it| it.join().unwrap()).into()
    });
    let told = told.concat();
    assert!(told.is_empty(), "{told}");
}
