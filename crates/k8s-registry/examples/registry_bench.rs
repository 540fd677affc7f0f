//! What the registry does in a second and what an object takes, on one disk and without a network:
//! `cargo run --release -p k8s-registry --example registry_bench [objects] [part ...]`.
//!
//! Parts: `creates`, `gets`, `lists`, `watches`; all of them when none is named. Set `TMPDIR` to choose the disk.

#![allow(clippy::print_stdout, reason = "a program for the command line")]
#![allow(clippy::unwrap_used, reason = "whatever fails ends the measurement")]

use k8s_registry::{Asker, Catalog, Endpoint, ListQuery, Options, Registry, RegistryConfig, Target, Validation};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use store::Embedded;

const TASKS: usize = 64;
const WATCHERS: usize = 10_000;
const MINOR: u8 = 33;

struct Bench {
    registry: Arc<Registry>,
    maps: Arc<Endpoint>,
    pods: Arc<Endpoint>,
}

fn options() -> Options<'static> {
    Options {
        manager: "bench",
        dry_run: false,
        validation: Validation::Strict,
        now: jiff::Timestamp::now(),
        asker: Asker::server(),
    }
}

fn target<'a>(endpoint: &'a Endpoint, name: &'a str) -> Target<'a> {
    Target { endpoint, subresource: "", namespace: "default", name }
}

/// An object whose content is about a kibibyte.
fn map(name: &str) -> Vec<u8> {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "data": {"content": "x".repeat(1024)}});
    object.to_string().into_bytes()
}

fn pod(name: &str) -> Vec<u8> {
    let container = json!({"name": "app", "image": "registry.example/team/app:1.2.3", "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "x".repeat(200)}, {"name": "B", "value": "y".repeat(200)}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}]});
    let object = json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "bench", "tier": "web"}},
        "spec": {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "app"}}]}});
    object.to_string().into_bytes()
}

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn rate(what: &str, count: usize, took: Duration) {
    let each = took.as_secs_f64() / count as f64;
    println!("{what:<44} {:>9.0}/s  {:>8.1} us each", 1.0 / each, each * 1e6);
}

impl Bench {
    async fn new(dir: &std::path::Path) -> Self {
        let catalog = Arc::new(Catalog::load(MINOR).unwrap());
        let config = RegistryConfig {
            catalog: catalog.clone(),
            store: Arc::new(Embedded::open(dir).unwrap()),
            services: "10.100.0.0/16".parse().unwrap(),
            admission: Vec::new(),
        };
        let endpoint = |plural: &str| catalog.endpoint("", "v1", plural).unwrap().clone();
        let registry = Registry::new(config);
        let namespaces = endpoint("namespaces");
        let place = Target { namespace: "", ..target(&namespaces, "") };
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        registry.create(place, namespaces.conform(body).unwrap().value, options()).await.unwrap();
        Self { registry, maps: endpoint("configmaps"), pods: endpoint("pods") }
    }

    /// Creates objects from their JSON, with many at work at once.
    async fn fill(&self, endpoint: &Arc<Endpoint>, prefix: &'static str, count: usize, make: fn(&str) -> Vec<u8>) {
        let next = Arc::new(AtomicUsize::new(0));
        let tasks = (0..TASKS).map(|_| {
            let (registry, endpoint, next) = (self.registry.clone(), endpoint.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let body = endpoint.decode(&make(&format!("{prefix}-{at:06}"))).unwrap().value;
                    registry.create(target(&endpoint, ""), body, options()).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    async fn creates(&self, count: usize) {
        let start = Instant::now();
        self.fill(&self.maps, "warm", 200, map).await;
        println!("warmed up in {:?}", start.elapsed());
        let before = resident();
        let start = Instant::now();
        self.fill(&self.maps, "map", count, map).await;
        rate(&format!("creates of 1 KiB config maps, {TASKS} tasks"), count, start.elapsed());
        let grown = resident().saturating_sub(before);
        println!("{:<44} {:>9} bytes each", "memory of a config map", grown / count);
        let start = Instant::now();
        let pods = count / 4;
        self.fill(&self.pods, "pod", pods, pod).await;
        rate(&format!("creates of pods, {TASKS} tasks"), pods, start.elapsed());
        let one = self.registry.find(&self.maps, "default", "map-000000").unwrap().unwrap();
        let two = self.registry.find(&self.pods, "default", "pod-000000").unwrap().unwrap();
        println!("{:<44} {:>9} and {} bytes", "stored: a config map, a pod", one.bytes.len(), two.bytes.len());
    }

    fn gets(&self, count: usize) {
        let many = 200_000;
        let names: Vec<String> = (0..many).map(|it| format!("map-{:06}", (it * 7919) % count)).collect();
        let (start, mut out) = (Instant::now(), Vec::with_capacity(4096));
        for name in &names {
            let stored = self.registry.find(&self.maps, "default", name).unwrap().unwrap();
            out.clear();
            stored.write(&self.maps.head, &mut out);
        }
        rate("gets, as bytes, one thread", many, start.elapsed());
        let start = Instant::now();
        for name in names.iter().take(many / 4) {
            let object: Value = self.registry.object(&self.maps, "default", name).unwrap();
            assert!(object.is_object());
        }
        rate("gets, as an object, one thread", many / 4, start.elapsed());
    }

    fn lists(&self) {
        for round in 0..3 {
            let start = Instant::now();
            let list = self.registry.list(&self.maps, &ListQuery::default()).unwrap();
            let listed = start.elapsed();
            let mut out = Vec::with_capacity(64 << 10);
            let mut first = None;
            let mut sent = 0;
            for stored in &list.items {
                stored.write(b"{", &mut out);
                if out.len() >= 32 << 10 {
                    first.get_or_insert_with(|| start.elapsed());
                    sent += out.len();
                    out.clear();
                }
            }
            let all = start.elapsed();
            let count = list.items.len();
            println!("list {round} of {count}: found in {listed:?}, first chunk {first:?}, {sent} bytes in {all:?}");
        }
        let start = Instant::now();
        let list = self.registry.list(&self.maps, &ListQuery { limit: 500, ..ListQuery::default() }).unwrap();
        println!("first page of 500: {:?}, {:?} remain", start.elapsed(), list.remaining);
        let matches = |object: &Value| object["metadata"]["name"] == "map-000007";
        let query = ListQuery { matches: Some(&matches), ..ListQuery::default() };
        let start = Instant::now();
        let found = self.registry.list(&self.maps, &query).unwrap().items.len();
        println!("list with a selector that picks {found}: {:?}", start.elapsed());
    }

    async fn watches(&self) {
        const ROUNDS: usize = 200;
        let now = self.registry.revision();
        let before = resident();
        let seen = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let tasks = (0..WATCHERS).map(|_| {
            let mut changes = self.registry.changes(&self.pods, now).unwrap();
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut mine = 0;
                while mine < ROUNDS {
                    let got = changes.next(64).await.unwrap().len();
                    mine += got;
                    seen.fetch_add(got, Ordering::Relaxed);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        tokio::task::yield_now().await;
        println!("{WATCHERS} watchers began in {:?}", start.elapsed());
        println!("{:<44} {:>9} bytes each", "memory of a watcher", resident().saturating_sub(before) / WATCHERS);
        let mut slowest = Duration::ZERO;
        let start = Instant::now();
        for round in 0..ROUNDS {
            let one = Instant::now();
            let body = self.pods.decode(&pod(&format!("watched-{round}"))).unwrap().value;
            self.registry.create(target(&self.pods, ""), body, options()).await.unwrap();
            while seen.load(Ordering::Relaxed) < (round + 1) * WATCHERS {
                tokio::task::yield_now().await;
            }
            slowest = slowest.max(one.elapsed());
        }
        for task in tasks {
            task.await.unwrap();
        }
        rate("changes to 10,000 watchers", ROUNDS, start.elapsed());
        rate("deliveries", ROUNDS * WATCHERS, start.elapsed());
        println!("slowest change, from create to the last watcher: {slowest:?}");
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.first().and_then(|it| it.parse().ok()).unwrap_or(75_000);
    let wants =
        |part: &str| !arguments.iter().any(|it| it.parse::<usize>().is_err()) || arguments.iter().any(|it| it == part);
    let home = tempfile::tempdir().unwrap();
    let bench = Bench::new(home.path()).await;
    bench.creates(count).await;
    if wants("gets") {
        bench.gets(count);
    }
    if wants("lists") {
        bench.lists();
    }
    if wants("watches") {
        bench.watches().await;
    }
}
