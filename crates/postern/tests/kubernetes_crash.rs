//! `kill -9` under clients of a cluster's API, through its endpoint.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, host, until};

/// Kills of the daemon while clients write and watch.
const KILLS: usize = 4;
/// What is acknowledged at least between two kills.
const WRITES: usize = 40;

#[test]
fn watchers_resume_over_kills_and_miss_nothing() {
    let postern = Postern::up("eu-north-1");
    let (_, subnets) = postern.public_vpc("10.71.0.0/16", [("a", "10.71.1.0/24"), ("b", "10.71.2.0/24")]);
    let cluster = postern.cluster("hardy", "1.33", &subnets, "");
    let token = postern.query("eks get-token --cluster-name hardy", "status.token");
    let files = tempfile::tempdir().unwrap();
    let end = files.path().join("end");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/resume.py");
    let words = ["python3", script, &host(&cluster), &token, end.to_str().unwrap()];
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| postern.at("outside", &words));
        let count = end.with_extension("count");
        let acknowledged = || std::fs::read_to_string(&count).ok().and_then(|it| it.parse::<usize>().ok()).unwrap_or(0);
        for _ in 0..KILLS {
            let before = acknowledged();
            until("writes go on", || acknowledged() >= before + WRITES);
            postern.kill();
            postern.start();
        }
        std::fs::write(&end, "").unwrap();
        clients.join().unwrap().ok();
    });
}
