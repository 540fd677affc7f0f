//! What a cluster costs when there are many: creation among 1, 100 and 500 clusters in a few VPCs, memory of the daemon
//! and of the kernel, and how long a start takes that finds a hundred.

use crate::aws::Aws;
use crate::daemon::{Daemon, REGION, kib};
use crate::figure::{Figure, Target, median};
use crate::place::Place;
use crate::scenery::{self, Vpc};
use anyhow::Context;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// The clusters among which creation is measured.
const SIZES: [usize; 3] = [1, 100, 500];
/// Creations measured at each size.
const ROUNDS: usize = 15;
/// VPCs over which the clusters are spread.
const VPCS: u8 = 5;
/// Clients that fill at once.
const CLIENTS: usize = 8;

struct Stage {
    daemon: Daemon,
    aws: Aws,
    vpcs: Arc<Vec<Vpc>>,
    role: String,
    outside: Place,
    /// Clusters that stay.
    count: usize,
}

/// Memory in KiB.
#[derive(Clone, Copy)]
struct Memory {
    daemon: f64,
    kernel: f64,
}

/// Measures.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let mut stage = Stage::new().await?;
    let mut figures = Vec::new();
    let empty = stage.memory()?;
    let mut alone = 0.0;
    for size in SIZES {
        eprintln!("scale: {size} clusters");
        let filling = Instant::now();
        let added = stage.fill(size).await?;
        let rate = added as f64 / filling.elapsed().as_secs_f64();
        let memory = stage.memory()?;
        let took = stage.creations().await?;
        if size == 1 {
            alone = took;
        }
        let baseline = (size > 1).then_some((alone, "among 1"));
        figures.push(figure(format!("create and reach among {size}"), took, "ms", baseline, Target::Below(150.0)));
        if size > 1 {
            let each = |now: f64, then: f64| (now - then) / size as f64;
            let name = |what: &str| format!("{what} for each of {size} clusters");
            figures.push(figure(name("daemon memory"), each(memory.daemon, empty.daemon), "KiB", None, Target::None));
            figures.push(figure(name("kernel memory"), each(memory.kernel, empty.kernel), "KiB", None, Target::None));
            figures.push(figure(format!("making up to {size} at once"), rate, "clusters/s", None, Target::None));
        }
        if size == 100 {
            figures.extend(stage.starts().await?);
        }
    }
    Ok(figures)
}

fn figure(
    name: String,
    value: f64,
    unit: &'static str,
    baseline: Option<(f64, &'static str)>,
    target: Target,
) -> Figure {
    Figure { name, value, unit, baseline, target }
}

impl Stage {
    async fn new() -> anyhow::Result<Self> {
        let daemon = Daemon::up()?;
        let mut aws = Aws::new(daemon.listen, daemon.key.clone(), REGION);
        let mut vpcs = Vec::new();
        for number in 1..=VPCS {
            vpcs.push(scenery::vpc(&mut aws, number).await?);
        }
        let role = scenery::role(&mut aws).await?;
        let outside = Place::at(daemon.place("outside")?);
        Ok(Self { daemon, aws, vpcs: Arc::new(vpcs), role, outside, count: 0 })
    }

    /// Makes clusters until there are so many; how many it made.
    async fn fill(&mut self, size: usize) -> anyhow::Result<usize> {
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let (mut aws, vpcs, role) = (self.aws.another(), Arc::clone(&self.vpcs), self.role.clone());
            let numbers = (self.count..size).filter(move |it| it % CLIENTS == client);
            clients.push(tokio::spawn(async move {
                for number in numbers {
                    let vpc = vpcs.get(number % vpcs.len()).context("a VPC")?;
                    scenery::create(&mut aws, &format!("s{number}"), &role, vpc).await?;
                }
                anyhow::Ok(())
            }));
        }
        for client in clients {
            client.await??;
        }
        // A connection that stood idle for as long may be closed at any moment.
        self.aws = self.aws.another();
        let made = size.saturating_sub(self.count);
        self.count = size;
        Ok(made)
    }

    /// The median of some creations one after the other, each reached from outside and deleted again.
    async fn creations(&mut self) -> anyhow::Result<f64> {
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let vpc = self.vpcs.get(round % self.vpcs.len()).context("a VPC")?;
            let started = Instant::now();
            let cluster = scenery::create(&mut self.aws, "extra", &self.role, vpc).await?;
            scenery::reached(&cluster, &self.outside).await?;
            took.push(started.elapsed().as_secs_f64() * 1000.0);
            scenery::delete(&mut self.aws, "extra").await?;
        }
        Ok(median(&took))
    }

    /// The daemon's resident memory, and the kernel's own with what it keeps for each processor.
    fn memory(&self) -> anyhow::Result<Memory> {
        let kernel = |name| kib("/proc/meminfo", name);
        Ok(Memory {
            daemon: self.daemon.resident()?,
            kernel: kernel("SUnreclaim:")? + kernel("Percpu:")? + kernel("KernelStack:")?,
        })
    }

    /// A start after everything was taken down, and one after a crash: until `up` returns, and until every cluster
    /// answers.
    async fn starts(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (what, crash) in [("after down", false), ("after a crash", true)] {
            if crash {
                self.daemon.kill()?
            } else {
                self.daemon.down()?
            }
            // Its connection ended with the daemon.
            self.aws = self.aws.another();
            let started = Instant::now();
            let up = self.daemon.start()?.as_secs_f64() * 1000.0;
            self.outside = Place::at(self.daemon.place("outside")?);
            self.all_answer().await?;
            let all = started.elapsed().as_secs_f64() * 1000.0;
            let name = |end: &str| format!("up {what} with {} clusters, {end}", self.count);
            figures.push(figure(name("until it answers"), up, "ms", None, Target::None));
            figures.push(figure(name("until every cluster does"), all, "ms", None, Target::None));
        }
        Ok(figures)
    }

    /// Waits until every cluster answers at its public address.
    async fn all_answer(&mut self) -> anyhow::Result<()> {
        for number in 0..self.count {
            let cluster: Value = scenery::active(&mut self.aws, &format!("s{number}")).await?;
            let deadline = Instant::now() + std::time::Duration::from_secs(60);
            while let Err(error) = scenery::reached(&cluster, &self.outside).await {
                anyhow::ensure!(Instant::now() < deadline, "cluster {number}: {error:#}");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }
}
