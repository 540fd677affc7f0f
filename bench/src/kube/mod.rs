//! The Kubernetes API of a cluster through its endpoint: TLS, a service account's token and RBAC on every request.

mod client;
mod etcd;
pub mod responder;
mod stage;
mod watches;

use crate::figure::{Figure, Target, median};
use anyhow::{Context, ensure};
use client::Client;
use etcd::{Etcd, Putter};
use responder::Responder;
use stage::{Stage, object, path};

/// Connections at a time.
const CLIENTS: usize = 64;
/// Turns of each that is compared.
const TURNS: usize = 5;
/// Writes of a turn.
const WRITES: usize = 3200;
/// Reads of a turn.
const READS: usize = 12_800;
/// The objects that are listed.
const LISTED: usize = 75_000;
/// The objects among which writes are measured last.
const MANY: usize = 200_000;

/// What is measured, and with what.
struct Bench {
    stage: Stage,
    clients: Vec<Client>,
    /// Ends with this value.
    _etcd: Etcd,
    putters: Vec<Putter>,
    /// Objects that there are.
    count: usize,
}

/// Measures.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let mut figures = watches::run().await?;
    let mut bench = Bench::new().await?;
    eprintln!("kube: writes and reads");
    bench.fill(1000).await?;
    let (few, puts) = bench.writes().await?;
    figures.push(Figure {
        name: format!("creates of 1 KiB, {CLIENTS} connections, durable"),
        value: few,
        unit: "creates/s",
        baseline: Some((puts, "puts to etcd, without TLS")),
        target: Target::RatioAtLeast(1.0),
    });
    figures.push(bench.gets().await?);
    figures.extend(bench.lists().await?);
    eprintln!("kube: {MANY} objects");
    bench.fill(MANY).await?;
    let (many, puts) = bench.writes().await?;
    figures.push(Figure {
        name: format!("creates among {MANY}"),
        value: many,
        unit: "creates/s",
        baseline: Some((few, "among 1000")),
        target: Target::RatioAtLeast(0.8),
    });
    figures.push(Figure {
        name: format!("creates among {MANY}, beside etcd with as many puts as in the turns"),
        value: many,
        unit: "creates/s",
        baseline: Some((puts, "puts to etcd, without TLS")),
        target: Target::None,
    });
    Ok(figures)
}

impl Bench {
    async fn new() -> anyhow::Result<Self> {
        let stage = Stage::new().await?;
        stage.guarded().await?;
        let etcd = Etcd::start().await?;
        let (mut clients, mut putters) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            clients.push(stage.client().await?);
            putters.push(etcd.connect().await?);
        }
        Ok(Self { stage, clients, _etcd: etcd, putters, count: 0 })
    }

    /// Creates so many more objects; how many a second.
    async fn create(&mut self, count: usize) -> anyhow::Result<f64> {
        // Prepared by turns, or the requests of a large fill would be the machine's memory.
        let (mut left, mut rates) = (count, Vec::new());
        while left > 0 {
            let size = left.min(WRITES);
            let names: Vec<String> = (self.count..self.count + size).map(|it| format!("map-{it:07}")).collect();
            let requests = spread(names, |name| self.stage.request("POST", &path(""), &object(&name)));
            rates.push(client::rate(&mut self.clients, requests, 201).await?);
            self.count += size;
            left -= size;
        }
        Ok(median(&rates))
    }

    /// Creates until there are so many.
    async fn fill(&mut self, size: usize) -> anyhow::Result<()> {
        self.create(size.saturating_sub(self.count)).await?;
        Ok(())
    }

    /// Creates, and etcd's puts, by turns: the medians a second.
    async fn writes(&mut self) -> anyhow::Result<(f64, f64)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let names: Vec<String> = (self.count..self.count + WRITES).map(|it| format!("map-{it:07}")).collect();
            ours.push(self.create(WRITES).await?);
            let puts = spread(names, |name| (format!("/registry/configmaps/bench/{name}"), object(&name)));
            theirs.push(etcd::rate(&mut self.putters, puts).await?);
        }
        Ok((median(&ours), median(&theirs)))
    }

    /// Gets of all objects in an order that is not theirs, and as many bytes from the bare responder.
    async fn gets(&mut self) -> anyhow::Result<Figure> {
        let responder = Responder::start(&self.stage.namespace)?;
        let length = self.clients.first_mut().context("a client")?;
        let length = length.ask(&self.stage.request("GET", &path("map-0000000"), "")).await?.length;
        ensure!(length > 1024, "an object of {length} bytes");
        let mut bare = Vec::new();
        for _ in 0..CLIENTS {
            bare.push(Client::new(responder.connect().await?));
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let numbers = || (0..READS).map(|it| it * 7919 % self.count).collect();
            let get = |it| self.stage.request("GET", &path(&format!("map-{it:07}")), "");
            ours.push(client::rate(&mut self.clients, spread(numbers(), get), 200).await?);
            // The same request but for the path: reading a token's bytes is a part of both.
            let get = |_| self.stage.request("GET", &format!("/{length}"), "");
            theirs.push(client::rate(&mut bare, spread(numbers(), get), 200).await?);
        }
        Ok(Figure {
            name: format!("gets of 1 KiB, {CLIENTS} connections"),
            value: median(&ours),
            unit: "gets/s",
            baseline: Some((median(&theirs), "hyper and rustls alone")),
            target: Target::RatioAtLeast(0.5),
        })
    }

    /// Lists of all objects over one connection, and as many bytes from the bare responder; what an object takes.
    async fn lists(&mut self) -> anyhow::Result<Vec<Figure>> {
        eprintln!("kube: {LISTED} objects");
        let (before, had) = (self.stage.daemon.resident()?, self.count);
        self.fill(LISTED).await?;
        let each = (self.stage.daemon.resident()? - before) / (self.count - had) as f64;
        let responder = Responder::start(&self.stage.namespace)?;
        let (mut client, mut bare) = (self.stage.client().await?, Client::new(responder.connect().await?));
        let list = self.stage.request("GET", &path(""), "");
        let (mut firsts, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let (first, rate, length) = read_all(&mut client, &list).await?;
            ensure!(length > LISTED * 1024, "a list of {length} bytes");
            firsts.push(first);
            ours.push(rate);
            theirs.push(read_all(&mut bare, &self.stage.request("GET", &format!("/{length}"), "")).await?.1);
        }
        let figure = |name: String, value, unit, target| Figure { name, value, unit, baseline: None, target };
        Ok(vec![
            figure("daemon memory for each object of 1 KiB".to_owned(), each, "KiB", Target::Below(4000.0 / 1024.0)),
            figure(format!("first byte of a list of {LISTED}"), median(&firsts), "ms", Target::Below(10.0)),
            Figure {
                baseline: Some((median(&theirs), "hyper and rustls alone")),
                ..figure(format!("list of {LISTED}"), median(&ours), "MB/s", Target::RatioAtLeast(0.5))
            },
        ])
    }
}

/// Milliseconds to the first byte, MB a second after it, and the bytes.
async fn read_all(client: &mut Client, request: &[u8]) -> anyhow::Result<(f64, f64, usize)> {
    let started = std::time::Instant::now();
    let answer = client.ask(request).await?;
    ensure!(answer.status == 200, "a list: {}", answer.status);
    let rest = started.elapsed() - answer.first;
    Ok((answer.first.as_secs_f64() * 1e3, answer.length as f64 / 1e6 / rest.as_secs_f64(), answer.length))
}

/// Work for each client.
fn spread<T, U>(work: Vec<T>, make: impl Fn(T) -> U) -> Vec<Vec<U>> {
    let mut all: Vec<Vec<U>> = (0..CLIENTS).map(|_| Vec::new()).collect();
    for (at, it) in work.into_iter().enumerate() {
        if let Some(part) = all.get_mut(at % CLIENTS) {
            part.push(make(it));
        }
    }
    all
}
