//! Histories of a real registry: several clients at a few keys, some who list, some who watch.

use super::checker::{Ask, Operation, Told};
use super::snapshots::{History, Listed, Shown, State, Watched};
use crate::harness::{Answer, Api, MINOR, SERVICES, named, registry, version};
use k8s_registry::{Registry, Stored};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use store::{Embedded, Retain, Store};

pub const KEYS: usize = 3;
const CLIENTS: u64 = 5;
const WATCHERS: u64 = 3;

/// How much one history has.
#[derive(Clone, Copy)]
pub struct Size {
    pub operations: usize,
    pub lists: usize,
}

/// A generator that gives the same numbers for the same seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// What the clients of one history share.
struct Run {
    registry: Arc<Registry>,
    clock: AtomicU64,
    values: AtomicU32,
}

fn key_name(key: usize) -> String {
    format!("k{key}")
}

fn key_of(stored: &[u8]) -> Option<usize> {
    String::from_utf8_lossy(stored).rsplit('/').next()?.strip_prefix('k')?.parse().ok()
}

fn value(object: &Value) -> u32 {
    object["data"]["v"].as_str().and_then(|it| it.parse().ok()).unwrap_or(u32::MAX)
}

fn seen(object: &Value) -> (u32, u64) {
    (value(object), version(object))
}

fn body(key: usize, value: u32, about: Option<u64>) -> Value {
    let mut body = named(&key_name(key));
    body["data"] = json!({"v": value.to_string()});
    if let Some(about) = about {
        body["metadata"]["resourceVersion"] = json!(about.to_string());
    }
    body
}

fn told(answer: Answer<Value>) -> Told {
    match answer {
        Ok(object) => Told::Done(version(&object)),
        Err(status) => match &*status.reason {
            "AlreadyExists" => Told::Exists,
            "NotFound" => Told::NotFound,
            "Conflict" => Told::Conflict,
            other => panic!("{other}: {}", status.message),
        },
    }
}

impl Run {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn maps(&self) -> Api<'_> {
        Api::of(&self.registry, "v1/configmaps", "default")
    }

    fn read(&self, stored: &Stored) -> Value {
        self.registry.read(self.maps().endpoint, stored)
    }

    async fn ask(&self, key: usize, ask: Ask) -> Operation {
        let (maps, name) = (self.maps(), key_name(key));
        let called = self.tick();
        let told = match ask {
            Ask::Create(value) => told(maps.create(body(key, value, None)).await),
            Ask::Update(value, about) => told(maps.update(&name, body(key, value, about)).await.map(|it| it.object)),
            Ask::Delete => told(maps.delete(&name).await.map(|it| it.object)),
            Ask::Get => Told::Read(maps.get(&name).ok().map(|it| seen(&it))),
        };
        Operation { called, returned: self.tick(), ask, told }
    }

    /// One client: asks about keys as it likes, with the versions that it saw last.
    async fn client(self: Arc<Self>, seed: u64, operations: usize) -> Vec<(usize, Operation)> {
        let (mut random, mut done) = (Random::new(seed), Vec::new());
        let mut known = [None; KEYS];
        for _ in 0..operations {
            let key = usize::try_from(random.below(KEYS as u64)).unwrap();
            let value = self.values.fetch_add(1, Ordering::Relaxed);
            let ask = match random.below(10) {
                0 | 1 => Ask::Create(value),
                2..=4 if known[key].is_some() => Ask::Update(value, known[key]),
                2..=5 => Ask::Update(value, None),
                6 => Ask::Delete,
                _ => Ask::Get,
            };
            let operation = self.ask(key, ask).await;
            match operation.told {
                Told::Done(revision) => known[key] = Some(revision),
                Told::Read(found) => known[key] = found.map(|it| it.1),
                _ => {}
            }
            done.push((key, operation));
            if random.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        done
    }

    async fn lister(self: Arc<Self>, lists: usize) -> Vec<Listed> {
        let mut seen_lists = Vec::new();
        for _ in 0..lists {
            let maps = self.maps();
            let called = self.tick();
            let list = maps.list(maps.query()).unwrap();
            let returned = self.tick();
            let entry = |it: &Stored| Some((key_of(&it.key)?, seen(&self.read(it))));
            let state: State = list.items.iter().filter_map(entry).collect();
            seen_lists.push(Listed { called, returned, revision: list.revision, state });
            tokio::task::yield_now().await;
        }
        seen_lists
    }

    /// Watches from somewhere until the object that says that all is over.
    async fn watcher(self: Arc<Self>, start: u64, seed: u64) -> Watched {
        let mut random = Random::new(seed);
        for _ in 0..random.below(40) {
            tokio::task::yield_now().await;
        }
        let now = self.registry.revision();
        let after = now.saturating_sub(random.below(20)).max(start);
        let mut changes = self.registry.changes(self.maps().endpoint, after).unwrap();
        let mut shown: Vec<Shown> = Vec::new();
        loop {
            for change in changes.next(1 + usize::try_from(random.below(5)).unwrap()).await.unwrap() {
                let Some(key) = key_of(&change.key) else { return Watched { after, shown } };
                let value = change.now.as_ref().map(|it| value(&self.read(it)));
                shown.push((change.revision, key, value, change.before.as_ref().map(|it| it.revision)));
            }
        }
    }
}

/// What clients saw of a registry over a store, which `dress` may dress up.
pub async fn record(seed: u64, size: Size, dress: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> History {
    let home = tempfile::tempdir().unwrap();
    let options = store::Options { retain: Retain::All, ..store::Options::default() };
    let plain: Arc<dyn Store> = Arc::new(Embedded::open_with(home.path(), options).unwrap());
    let honest = registry(MINOR, SERVICES, plain.clone());
    Api::of(&honest, "v1/namespaces", "").create(named("default")).await.unwrap();
    let start = plain.revision();
    let registry = registry(MINOR, SERVICES, dress(plain));
    let run = Arc::new(Run { registry, clock: AtomicU64::new(0), values: AtomicU32::new(0) });
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(run.clone().client(seed * 100 + client, size.operations))).collect();
    let watchers: Vec<_> =
        (0..WATCHERS).map(|it| tokio::spawn(run.clone().watcher(start, seed * 100 + 50 + it))).collect();
    let listers: Vec<_> = (0..2).map(|_| tokio::spawn(run.clone().lister(size.lists))).collect();
    let mut history = History { keys: vec![Vec::new(); KEYS], ..History::default() };
    for client in clients {
        for (key, operation) in client.await.unwrap() {
            history.keys[key].push(operation);
        }
    }
    for lister in listers {
        history.lists.extend(lister.await.unwrap());
    }
    Api::of(&honest, "v1/configmaps", "default").create(named("end")).await.unwrap();
    for watcher in watchers {
        history.watches.push(watcher.await.unwrap());
    }
    history
}

/// However clients come together, there is one order that explains what all of them saw.
#[test]
fn the_registry_is_linearizable() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let size = Size { operations: 40, lists: 40 };
    for seed in 0..40 {
        let history = runtime.block_on(record(seed, size, |store| store));
        assert_eq!(history.check(), Ok(()), "seed {seed}");
    }
}
