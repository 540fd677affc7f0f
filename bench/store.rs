//! How fast the embedded store writes, against the floor: a loop that appends to a file and flushes it. Both take turns
//! in one run, because a disk's speed changes by the minute, and the ratio is what counts. Then how its cost grows with
//! the number of keys, what a key takes in memory, and how long a store of a million keys takes to open.
//!
//! `cargo run --release -p store --example bench [DIR]`; DIR should be on the disk in question (default: the system's
//! directory for temporary files).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, which may stop at what it meets")]

use bytes::Bytes;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Embedded, KeyRange, Op, Options, Retain, Store, Txn};

const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 5;
const VALUE: usize = 1000;

fn main() {
    let home = match std::env::args_os().nth(1) {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(writes(home.path()));
    runtime.block_on(growth(home.path()));
    recovery(&runtime, home.path());
}

/// Appends a record and flushes, over and over; per second.
fn floor(file: &mut File) -> f64 {
    let record = vec![0x5a; VALUE];
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TURN {
        file.write_all(&record).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Lets so many clients write for a turn, each waiting for its write to be durable; per second.
async fn turn(store: &Arc<Embedded>, clients: usize, keys: usize) -> f64 {
    let start = Instant::now();
    let value = Bytes::from(vec![0xa5; VALUE]);
    let clients = (0..clients).map(|client| {
        let (store, value) = (Arc::clone(store), value.clone());
        tokio::spawn(async move {
            let (mut count, mut key) = (0_u32, client);
            while start.elapsed() < TURN {
                // A step that is prime to the number of keys visits them all.
                key = (key + 7919) % keys;
                let success = vec![Op::Put(format!("key/{key:09}").into(), value.clone())];
                store.txn(Txn { success, ..Txn::default() }).await.unwrap();
                count += 1;
            }
            count
        })
    });
    let mut count = 0;
    for client in clients.collect::<Vec<_>>() {
        count += client.await.unwrap();
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn writes(home: &Path) {
    let store = Arc::new(Embedded::open(&home.join("writes")).unwrap());
    let mut file = File::create(home.join("floor")).unwrap();
    let mut ratios = [const { Vec::new() }; 3];
    let mut floors = Vec::new();
    for _ in 0..TURNS {
        for (clients, ratios) in [1, 16, 64].into_iter().zip(&mut ratios) {
            let floor = floor(&mut file);
            ratios.push(turn(&store, clients, 1000).await / floor);
            floors.push(floor);
        }
    }
    println!("durable writes of {VALUE} bytes; 1 = one loop of append and fdatasync, {:.0} a second", median(floors));
    for (clients, ratios) in [1, 16, 64].into_iter().zip(ratios) {
        println!("  {clients:>2} clients: {:.2}", median(ratios));
    }
}

/// Fills a store by large transactions, which is quick.
async fn fill(store: &Embedded, from: usize, to: usize, value: usize) {
    const EACH: usize = 2000;
    for first in (from..to).step_by(EACH) {
        let keys = first..to.min(first + EACH);
        let op = |key| Op::Put(format!("key/{key:09}").into(), Bytes::from(vec![0xa5; value]));
        store.txn(Txn { success: keys.map(op).collect(), ..Txn::default() }).await.unwrap();
    }
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

async fn growth(home: &Path) {
    let (before, start) = (resident(), Instant::now());
    let small = Arc::new(Embedded::open(&home.join("small")).unwrap());
    println!("a new store opens in {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let large = Arc::new(Embedded::open(&home.join("large")).unwrap());
    fill(&small, 0, 1000, VALUE).await;
    fill(&large, 0, 1_000_000, VALUE).await;
    large.compact_by_policy().await.unwrap();
    while large.stats().events > 20_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let each = (resident() - before) / 1_001_000;
    println!("memory for a key with {VALUE} bytes: {each} bytes");
    for clients in [1, 64] {
        let mut ratios = Vec::new();
        for _ in 0..TURNS {
            let few = turn(&small, clients, 1000).await;
            ratios.push(turn(&large, clients, 1_000_000).await / few);
        }
        println!("writes by {clients} with 1,000,000 keys; 1 = with 1,000 keys: {:.2}", median(ratios));
    }
    stalls(&large).await;
}

/// Writes one after the other while a checkpoint of a gigabyte is taken: what is the worst that happens to a writer?
async fn stalls(store: &Embedded) {
    let quiet = latencies(store, || false).await;
    let before = store.stats().checkpoints;
    // As much log as the last checkpoint was large, and the next is due.
    while store.stats().checkpoints == before && store.stats().log_bytes < 1_300_000_000 {
        fill(store, 0, 100_000, VALUE).await;
    }
    let busy = latencies(store, || store.stats().checkpoints == before).await;
    println!("a write alone: {}", spread(quiet));
    println!("a write during a checkpoint of {} keys: {}", store.stats().keys, spread(busy));
}

/// How long each write takes, for a turn and then for as long as `more` says; in milliseconds.
async fn latencies(store: &Embedded, more: impl Fn() -> bool) -> Vec<f64> {
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < TURN || (more() && start.elapsed() < 60 * TURN) {
        let one = Instant::now();
        let success = vec![Op::Put("key/1".into(), Bytes::from(vec![0xa5; VALUE]))];
        store.txn(Txn { success, ..Txn::default() }).await.unwrap();
        took.push(one.elapsed().as_secs_f64() * 1000.0);
    }
    took
}

fn spread(mut took: Vec<f64>) -> String {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    format!("half within {:.2} ms, 99% within {:.1} ms, the slowest {:.1} ms", at(0.5), at(0.99), at(1.0))
}

fn recovery(runtime: &tokio::runtime::Runtime, home: &Path) {
    const KEYS: usize = 1_000_000;
    for (what, checkpoint_bytes) in [("log alone", u64::MAX), ("checkpoint", 16 << 20)] {
        let dir = home.join(what.replace(' ', "-"));
        let options = Options { checkpoint_bytes, retain: Retain::Events(10_000), ..Options::default() };
        let store = Embedded::open_with(&dir, options.clone()).unwrap();
        runtime.block_on(fill(&store, 0, KEYS, 100));
        drop(store);
        let start = Instant::now();
        let store = Embedded::open_with(&dir, options).unwrap();
        let took = start.elapsed();
        let listing = Instant::now();
        let listed = store.range(&KeyRange::all(), None, 0).unwrap().kvs.len();
        assert_eq!(listed, KEYS);
        println!(
            "{KEYS} keys with 100 bytes open in {:.2} s ({what}, {} bytes of log), list in {:.2} s",
            took.as_secs_f64(),
            store.stats().log_bytes,
            listing.elapsed().as_secs_f64(),
        );
    }
}
