//! A real process on a real disk, killed while it writes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use store::{Embedded, KeyRange, Op, Options, Retain, Store, Txn};

const DIR: &str = "STORE_TEST_KILL_DIR";
const CLIENTS: usize = 4;

fn options() -> Options {
    Options { segment_bytes: 64 << 10, checkpoint_bytes: 128 << 10, retain: Retain::Events(500), watch_buffer: 64 }
}

/// The process that is killed: not a test of its own, it does nothing unless it was started by the one below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_and_says_what_was_acknowledged() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = Embedded::open_with(Path::new(&dir), options()).unwrap();
    let clients = (0..CLIENTS).map(|client| {
        let store = &store;
        async move {
            let mut value = last(store, client);
            loop {
                value += 1;
                let text = format!("{value} {}", "x".repeat(200));
                let success = vec![Op::Put(format!("client/{client}").into(), text.into())];
                let done = store.txn(Txn { success, ..Txn::default() }).await.unwrap();
                println!("ack {client} {value} {}", done.revision);
            }
        }
    });
    futures::future::join_all(clients).await;
}

fn last(store: &Embedded, client: usize) -> u64 {
    let found = store.range(&KeyRange::key(format!("client/{client}")), None, 0).unwrap();
    let Some(kv) = found.kvs.first() else { return 0 };
    let text = std::str::from_utf8(&kv.value).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_killed_process_has_lost_nothing_that_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_writes_and_says_what_was_acknowledged", "--nocapture", "--test-threads=1"])
            .env(DIR, home.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = [(0, 0); CLIENTS];
        let mut count = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Read on after the kill: what was printed had been acknowledged.
        while let Some(Ok(line)) = lines.next() {
            let Some(at) = line.find("ack ") else { continue };
            let words: Vec<u64> = line[at + 4..].split(' ').map_while(|word| word.parse().ok()).collect();
            let [client, value, revision] = words[..] else { continue };
            acknowledged[client as usize] = (value, revision);
            count += 1;
            if count == 150 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= 150 * round, "the child stopped by itself after {count}");
        let store = Embedded::open_with(home.path(), options()).unwrap();
        for (client, (value, revision)) in acknowledged.into_iter().enumerate() {
            let there = last(&store, client);
            assert!(there == value || there == value + 1, "client {client}: {there} there, {value} acknowledged");
            assert!(store.revision() >= revision);
        }
    }
}
