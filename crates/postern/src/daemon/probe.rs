//! Confirms with packets what the records say about who can reach an endpoint.

use super::Daemon;
use super::places;
use crate::control::ReachReport;
use base::Region;
use base::place::Place;
use landing::ClusterId;
use landing::reach::{self, Reach};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a connection may take: far longer than any path here needs, and what a closed one costs.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Reports for one place, or for all.
///
/// # Errors
/// One line: no such cluster or place.
pub async fn reach(
    daemon: &Daemon,
    cluster: &str,
    region: &Region,
    from: Option<&str>,
) -> Result<Vec<ReachReport>, String> {
    let account = daemon.administrator().account.parse().map_err(|error: base::ParseError| error.to_string())?;
    let id = ClusterId { account, region: region.clone(), name: cluster.to_owned() };
    let computed = compute(daemon, &id, from)?;
    let probes = computed.into_iter().map(|(place, reach)| confirm(daemon, place, reach));
    Ok(futures::future::join_all(probes).await)
}

fn compute(daemon: &Daemon, id: &ClusterId, from: Option<&str>) -> Result<Vec<(String, Reach)>, String> {
    let scene = daemon.scene.read();
    if scene.world.cluster(id).is_none() {
        return Err(format!("no cluster {} in {}; `postern status` lists what there is", id.name, id.region));
    }
    let places: Vec<String> = match from {
        Some(place) => {
            places::find(&scene, place).map_err(|error| error.to_string())?;
            vec![place.to_owned()]
        }
        None => places::list(&scene).into_iter().map(|it| it.place).collect(),
    };
    let answer = |place: String| {
        let parsed = place.parse::<Place>().ok()?;
        Some((place, reach::reach(&scene.world, &scene.gates, id, &parsed)?))
    };
    Ok(places.into_iter().filter_map(answer).collect())
}

async fn confirm(daemon: &Daemon, place: String, computed: Reach) -> ReachReport {
    let namespace = {
        let scene = daemon.scene.read();
        places::find(&scene, &place).ok().map(|spot| places::stand(&scene, &spot).namespace)
    };
    let Some(namespace) = namespace else {
        return ReachReport { confirmed: vec![false; computed.ways.len()], computed };
    };
    let dials = computed.ways.iter().map(|way| {
        let address = SocketAddr::from((way.address, 443));
        daemon.fabric.tcp_connect(&namespace, address, PATIENCE)
    });
    let confirmed = futures::future::join_all(dials).await.iter().map(Result::is_ok).collect();
    ReachReport { computed, confirmed }
}
