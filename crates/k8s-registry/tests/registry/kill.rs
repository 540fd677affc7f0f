//! A process that writes through the registry, killed in the middle of it.

use crate::harness::{Api, MINOR, SERVICES, named, open, registry, version};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use store::{Options, Retain};

const DIR: &str = "REGISTRY_TEST_KILL_DIR";
const CLIENTS: usize = 4;
const ROUNDS: usize = 12;

/// Small pieces, so that kills meet new segments and checkpoints; all of the history that the test asks for.
fn small() -> Options {
    let retain = Retain::Events(100_000);
    Options { segment_bytes: 256 << 10, checkpoint_bytes: 512 << 10, retain, ..Options::default() }
}

fn value(object: &Value) -> u64 {
    object["data"]["value"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// The process that is killed: not a test of its own, it does nothing unless it was started by the one below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_and_says_what_was_acknowledged() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let registry = registry(MINOR, SERVICES, open(Path::new(&dir), small()));
    let _ = Api::of(&registry, "v1/namespaces", "").create(named("default")).await;
    let clients = (0..CLIENTS).map(|client| tokio::spawn(write(registry.clone(), client)));
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// Counts in an object of its own, which is deleted and made anew now and then.
async fn write(registry: Arc<k8s_registry::Registry>, client: usize) {
    let maps = Api::of(&registry, "v1/configmaps", "default");
    let name = format!("client{client}");
    let mut at = maps.get(&name).map_or(0, |it| value(&it));
    loop {
        at += 1;
        let body = json!({"metadata": {"name": name}, "data": {"value": at.to_string(), "pad": "x".repeat(300)}});
        let written = if !maps.exists(&name) {
            maps.create(body).await.unwrap()
        } else if at.is_multiple_of(17) {
            let ended = maps.delete(&name).await.unwrap();
            println!("\nack {client} {at} {} gone", version(&ended.object));
            continue;
        } else {
            maps.update(&name, body).await.unwrap().object
        };
        println!("\nack {client} {at} {} there", version(&written));
    }
}

/// What was acknowledged: by revision, whose value it was, or that the object went.
type Acknowledged = BTreeMap<u64, (usize, Option<u64>)>;

fn parse(line: &str) -> Option<(u64, (usize, Option<u64>))> {
    let words: Vec<&str> = line.strip_prefix("ack ")?.split(' ').collect();
    let [client, value, revision, what] = words[..] else { return None };
    let value = match what {
        "there" => Some(value.parse().ok()?),
        "gone" => None,
        _ => return None,
    };
    Some((revision.parse().ok()?, (client.parse().ok()?, value)))
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_writes_and_says_what_was_acknowledged", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the child until some acknowledgements and a moment later. Returns what it acknowledged.
fn run(dir: &Path, after: usize, moment: std::time::Duration) -> Acknowledged {
    let mut child = start(dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut acknowledged, mut line) = (Acknowledged::new(), String::new());
    while acknowledged.len() < after {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child stopped by itself");
        acknowledged.extend(parse(line.trim_end()));
    }
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    // What was printed had been acknowledged; only a whole line counts.
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    acknowledged.extend(whole.lines().filter_map(parse));
    acknowledged
}

#[test]
fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut seen = 0;
    for round in 0..ROUNDS {
        let mut random = [0; 2];
        getrandom_fill(&mut random);
        let moment = std::time::Duration::from_micros(u64::from(random[0]) * 300);
        let acknowledged = run(home.path(), 1 + usize::from(random[1]), moment);
        let last = *acknowledged.last_key_value().unwrap().0;
        assert!(*acknowledged.first_key_value().unwrap().0 > seen, "round {round}: a version was given out twice");
        seen = runtime.block_on(check(home.path(), seen, &acknowledged));
        assert!(seen >= last, "round {round}: {seen} is there, {last} was acknowledged");
    }
}

fn getrandom_fill(bytes: &mut [u8]) {
    std::fs::File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
}

/// Opens what the child left and watches from where the last round ended.
async fn check(dir: &Path, from: u64, acknowledged: &Acknowledged) -> u64 {
    let store = open(dir, small());
    let registry = registry(MINOR, SERVICES, store.clone());
    let maps = Api::of(&registry, "v1/configmaps", "default");
    let mut changes = registry.changes(maps.endpoint, from).unwrap();
    let end = version(&maps.create(json!({"metadata": {"generateName": "end-"}})).await.unwrap());
    let (mut seen, mut order) = (Acknowledged::new(), Vec::new());
    while order.last().is_none_or(|it| *it < end) {
        for change in changes.next(50).await.unwrap() {
            order.push(change.revision);
            let key = String::from_utf8_lossy(&change.key).into_owned();
            let Some((_, client)) = key.split_once("client") else { continue };
            let value = change.now.as_ref().map(|it| value(&registry.read(maps.endpoint, it)));
            seen.insert(change.revision, (client.parse().unwrap(), value));
        }
    }
    assert!(order.is_sorted_by(|one, two| one < two), "in order, each once");
    for (revision, what) in acknowledged {
        assert_eq!(seen.get(revision), Some(what), "at {revision}");
    }
    // What was on its way when the child was killed may have arrived or not: at most one write of each client.
    let extra: Vec<usize> = seen.iter().filter(|it| !acknowledged.contains_key(it.0)).map(|it| it.1.0).collect();
    assert_eq!(extra.len(), extra.iter().collect::<BTreeSet<_>>().len(), "{extra:?}");
    for client in 0..CLIENTS {
        let newest = seen.values().rev().find(|it| it.0 == client).map(|it| it.1);
        let there = maps.get(&format!("client{client}")).ok().map(|it| value(&it));
        if let Some(newest) = newest {
            assert_eq!(there, newest, "client {client}");
        }
    }
    store.close();
    end
}
