//! How long a user waits for a cluster: from the CreateCluster call to ACTIVE and an answer through the public endpoint
//! from outside, name resolution, TCP and TLS included.

use crate::aws::Aws;
use crate::daemon::{Daemon, REGION};
use crate::figure::{Figure, Target, median, quantile};
use crate::place::{Place, shell};
use crate::scenery;
use std::time::Instant;

/// Creations measured.
const ROUNDS: usize = 40;

/// Measures; a creation and the baseline take turns.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::up()?;
    let mut aws = Aws::new(daemon.listen, daemon.key.clone(), REGION);
    let vpc = scenery::vpc(&mut aws, 1).await?;
    let role = scenery::role(&mut aws).await?;
    let outside = Place::at(daemon.place("outside")?);
    let (mut creations, mut actives, mut byhand) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let name = format!("c{round}");
        let started = Instant::now();
        let cluster = scenery::create(&mut aws, &name, &role, &vpc).await?;
        let active = started.elapsed();
        scenery::reached(&cluster, &outside).await?;
        let all = started.elapsed();
        scenery::delete(&mut aws, &name).await?;
        let baseline = by_hand()?;
        // The first one fills caches.
        if round > 0 {
            creations.push(all.as_secs_f64() * 1000.0);
            actives.push(active.as_secs_f64() * 1000.0);
            byhand.push(baseline);
        }
    }
    let baseline = Some((median(&byhand), "its namespaces and links alone, by the ip command"));
    let figure = |name: &str, value, target| Figure { name: name.to_owned(), value, unit: "ms", baseline, target };
    Ok(vec![
        figure("CreateCluster to ACTIVE and /healthz from outside", median(&creations), Target::Below(150.0)),
        figure("the same, 9 in 10 within", quantile(&creations, 0.9), Target::None),
        figure("CreateCluster to ACTIVE", median(&actives), Target::None),
    ])
}

/// What an administrator would type for the namespaces and links of one cluster, in milliseconds.
fn by_hand() -> anyhow::Result<f64> {
    let name = |end: &str| format!("bench{}{end}", std::process::id());
    let (one, two) = (name("a"), name("b"));
    let started = Instant::now();
    let made = [
        format!("ip netns add {one}"),
        format!("ip netns add {two}"),
        format!("ip -n {one} link add eth0 type veth peer name eth0 netns {two}"),
        format!("ip -n {one} link add eth1 type veth peer name eth1 netns {two}"),
        format!("ip -n {one} link set eth0 up"),
        format!("ip -n {two} link set eth0 up"),
        format!("ip -n {one} link set eth1 up"),
        format!("ip -n {two} link set eth1 up"),
    ];
    let made: anyhow::Result<()> = made.iter().try_for_each(|it| shell(it));
    let took = started.elapsed().as_secs_f64() * 1000.0;
    for namespace in [one, two] {
        // Missing when the making failed half-way; that is the error to report.
        let _ = shell(&format!("ip netns del {namespace}"));
    }
    made.map(|()| took)
}
