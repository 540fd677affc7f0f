//! How long a change of access mode takes to be true: from the UpdateClusterConfig call until every resolver answers
//! by the new mode and packets go by it. Probes ask all the time, from outside and from an instance; a way that closes
//! is closed from the start of the first connection that is never made.

use crate::aws::Aws;
use crate::daemon::{Daemon, REGION};
use crate::endpoint::Endpoint;
use crate::figure::{Figure, Target, median, quantile};
use crate::place::{Place, Resolver, shell};
use crate::scenery::{self, PUBLIC_RESOLVER, Vpc};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds through all changes.
const ROUNDS: usize = 12;
/// Between two questions or connections of one probe.
const TICK: Duration = Duration::from_millis(2);
/// A connection takes a fraction of a millisecond; one that takes this long met a closed way.
const SILENCE: Duration = Duration::from_millis(300);
/// Past it something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// The changes of a round; the last leads back to the first one's beginning.
const CHANGES: [(&str, Mode); 3] = [
    ("public to both", Mode { public: true, private: true }),
    ("both to private", Mode { public: false, private: true }),
    ("private to public", Mode { public: true, private: false }),
];

#[derive(Clone, Copy, PartialEq)]
struct Mode {
    public: bool,
    private: bool,
}

/// One cluster, and where it is looked at from.
struct Stage {
    aws: Aws,
    outside: Place,
    inside: Place,
    vpc: Vpc,
    endpoint: Endpoint,
    public: Vec<Ipv4Addr>,
    private: Vec<Ipv4Addr>,
}

/// Measures; a change and the baseline take turns.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::up()?;
    let mut stage = stage(&daemon).await?;
    let filter = tempfile::NamedTempFile::new()?;
    let namespace = format!("bench{}f", std::process::id());
    prepare_filter(&namespace, filter.path())?;
    let measured = rounds(&mut stage, &namespace, filter.path()).await;
    shell(&format!("ip netns del {namespace}"))?;
    let (took, byhand) = measured?;
    let all: Vec<f64> = took.values().flatten().copied().collect();
    let baseline = Some((median(&byhand), "one element added to a packet filter by the nft command"));
    let figure = |name: String, value, target| Figure { name, value, unit: "ms", baseline, target };
    let mut figures = vec![
        figure("UpdateClusterConfig to DNS and packets".to_owned(), median(&all), Target::Below(100.0)),
        figure("the same, 9 in 10 within".to_owned(), quantile(&all, 0.9), Target::None),
    ];
    figures.extend(took.iter().map(|(name, took)| figure(format!("the same, {name}"), median(took), Target::None)));
    Ok(figures)
}

async fn stage(daemon: &Daemon) -> anyhow::Result<Stage> {
    let mut aws = Aws::new(daemon.listen, daemon.key.clone(), REGION);
    let vpc = scenery::vpc(&mut aws, 1).await?;
    let role = scenery::role(&mut aws).await?;
    let subnet = vpc.subnets.first().context("a subnet")?;
    let instance = scenery::instance(&mut aws, subnet).await?;
    let cluster = scenery::create(&mut aws, "modes", &role, &vpc).await?;
    scenery::open(&mut aws, &cluster, 443).await?;
    let (outside, inside) = (Place::at(daemon.place("outside")?), Place::at(daemon.place(&instance)?));
    let endpoint = Endpoint::of(&cluster)?;
    let public = outside.resolver(PUBLIC_RESOLVER)?.addresses(&endpoint.host).await?;
    let private = scenery::interfaces(&mut aws, "modes").await?;
    ensure!(public.len() == 2 && private.len() == 2, "addresses: {public:?} {private:?}");
    for (place, addresses) in [(&outside, &public), (&inside, &public)] {
        for address in addresses {
            endpoint.healthz(place, *address).await?;
        }
    }
    Ok(Stage { aws, outside, inside, vpc, endpoint, public, private })
}

async fn rounds(
    stage: &mut Stage,
    namespace: &str,
    filter: &Path,
) -> anyhow::Result<(BTreeMap<&'static str, Vec<f64>>, Vec<f64>)> {
    let (mut took, mut byhand) = (BTreeMap::<_, Vec<f64>>::new(), Vec::new());
    let mut now = Mode { public: true, private: false };
    for _ in 0..ROUNDS {
        for (name, mode) in CHANGES {
            took.entry(name).or_default().push(stage.change(now, mode).await?);
            byhand.push(by_hand(namespace, filter)?);
            now = mode;
        }
    }
    Ok((took, byhand))
}

impl Stage {
    /// Changes the mode; the milliseconds until it was so everywhere.
    async fn change(&mut self, from: Mode, to: Mode) -> anyhow::Result<f64> {
        let (out, vpc) = (
            if to.public { &self.public } else { &self.private },
            if to.private { &self.private } else { &self.public },
        );
        let names = |it: &Place, resolver| it.resolver(resolver);
        let (outer, inner) = (names(&self.outside, PUBLIC_RESOLVER)?, names(&self.inside, self.vpc.resolver)?);
        let access = json!({"resourcesVpcConfig":
            {"endpointPublicAccess": to.public, "endpointPrivateAccess": to.private}});
        let target = *self.public.first().context("a public address")?;
        let private = *self.private.first().context("a private address")?;
        let started = Instant::now();
        let host = self.endpoint.host.as_str();
        let asked = self.aws.eks("POST", "/clusters/modes/update-config", Some(&access));
        let packets = |place| async move {
            match (from.public, to.public) {
                (true, false) => closed(place, target).await,
                (false, true) => opened(place, target).await,
                _ => stays(place, target, to.public).await.map(|()| started),
            }
        };
        let (update, outer, inner, outside, inside) = futures::join!(
            asked,
            answers(outer, host, out),
            answers(inner, host, vpc),
            packets(&self.outside),
            packets(&self.inside),
        );
        let last = [outer?, inner?, outside?, inside?].into_iter().max().unwrap_or(started);
        // The private way is there in every mode; names lead to it in some.
        self.endpoint.healthz(&self.inside, private).await?;
        let id = update?.pointer("/update/id").and_then(Value::as_str).context("an update")?.to_owned();
        self.done(&id).await?;
        Ok((last - started).as_secs_f64() * 1000.0)
    }

    /// Waits until an update is over.
    async fn done(&mut self, id: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.aws.eks("GET", &format!("/clusters/modes/updates/{id}"), None).await?;
            match seen.pointer("/update/status").and_then(Value::as_str) {
                Some("Successful") => return Ok(()),
                Some("InProgress") => tokio::time::sleep(TICK).await,
                _ => anyhow::bail!("{seen}"),
            }
            ensure!(Instant::now() < deadline, "the update does not end: {seen}");
        }
    }
}

/// When a resolver first answered so.
async fn answers(mut resolver: Resolver, host: &str, wanted: &[Ipv4Addr]) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if resolver.addresses(host).await? == wanted {
            return Ok(Instant::now());
        }
        ensure!(Instant::now() < deadline, "{host} is not {wanted:?}");
        tokio::time::sleep(TICK).await;
    }
}

async fn connects(place: &Place, address: Ipv4Addr) -> bool {
    place.connect(SocketAddr::from((address, 443)), SILENCE).await.is_ok()
}

/// When a connection was first made.
async fn opened(place: &Place, address: Ipv4Addr) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    let (found, mut seen) = tokio::sync::mpsc::unbounded_channel();
    loop {
        // A connection that meets a closed way hangs; the next one must not wait for it.
        let (place, found) = (place.clone(), found.clone());
        tokio::spawn(async move {
            if connects(&place, address).await {
                // Not the first one.
                let _ = found.send(Instant::now());
            }
        });
        if let Ok(Some(when)) = tokio::time::timeout(TICK, seen.recv()).await {
            return Ok(when);
        }
        ensure!(Instant::now() < deadline, "{address} does not open");
    }
}

/// When the first connection was begun that was not made.
async fn closed(place: &Place, address: Ipv4Addr) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let begun = Instant::now();
        if !connects(place, address).await {
            ensure!(!connects(place, address).await, "{address} closed and opened again");
            return Ok(begun);
        }
        ensure!(Instant::now() < deadline, "{address} does not close");
        tokio::time::sleep(TICK).await;
    }
}

/// Watches a way that must not change.
async fn stays(place: &Place, address: Ipv4Addr, open: bool) -> anyhow::Result<()> {
    for _ in 0..20 {
        ensure!(connects(place, address).await == open, "{address}: open is not {open} all the time");
        tokio::time::sleep(TICK).await;
    }
    Ok(())
}

fn prepare_filter(namespace: &str, path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, "add table inet bench\nadd set inet bench held { type ipv4_addr; }\n")?;
    shell(&format!("ip netns add {namespace}"))?;
    let made = shell(&format!("ip netns exec {namespace} nft -f {}", path.display()));
    if made.is_err() {
        shell(&format!("ip netns del {namespace}"))?;
    }
    made
}

/// One element by the command that an administrator would type, in milliseconds.
fn by_hand(namespace: &str, path: &Path) -> anyhow::Result<f64> {
    std::fs::write(path, "add element inet bench held { 198.18.0.1 }\n")?;
    let started = Instant::now();
    shell(&format!("ip netns exec {namespace} nft -f {}", path.display()))?;
    let took = started.elapsed().as_secs_f64() * 1000.0;
    std::fs::write(path, "delete element inet bench held { 198.18.0.1 }\n")?;
    shell(&format!("ip netns exec {namespace} nft -f {}", path.display()))?;
    Ok(took)
}
