//! Places as the daemon knows them: what there is, and how one stands there.

use super::proxy::Stand;
use super::scene::Scene;
use crate::control::PlaceInfo;
use aws_ec2::records::InstanceState;
use base::InstanceId;
use base::place::Place;
use landing::names::View;
use landing::plan;

/// A place that cannot be stood at, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not the form of any place.
    #[error(transparent)]
    Form(#[from] base::ParseError),
    /// No such instance.
    #[error("there is no instance {0}; `postern places` lists what there is")]
    Unknown(InstanceId),
    /// An instance that does not run.
    #[error("instance {0} does not run; start it with `aws ec2 start-instances --instance-ids {0}`")]
    NotRunning(InstanceId),
    /// Nodes and pods are not served yet.
    #[error("{0}: nodes and pods are no places yet; stand at `outside` or at an instance id")]
    NotServed(String),
}

/// Where an instance's process tree begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// The laptop.
    Outside,
    /// An instance and its first process.
    Instance(InstanceId, u32),
}

/// Finds a place.
///
/// # Errors
/// When there is no such place, or one cannot stand there now.
pub fn find(scene: &Scene, text: &str) -> Result<Spot, PlaceError> {
    match text.parse::<Place>()? {
        Place::Outside => Ok(Spot::Outside),
        Place::Instance(id) => match (scene.world.instance(&id), scene.runtime.pids.get(&id)) {
            (None, _) => Err(PlaceError::Unknown(id)),
            (Some(_), None) => Err(PlaceError::NotRunning(id)),
            (Some(_), Some(pid)) => Ok(Spot::Instance(id, *pid)),
        },
        place @ (Place::Node(_) | Place::Pod { .. }) => Err(PlaceError::NotServed(place.to_string())),
    }
}

/// The network of a place.
pub fn stand(scene: &Scene, spot: &Spot) -> Stand {
    match spot {
        Spot::Outside => Stand { namespace: plan::outside(), view: View::Public },
        Spot::Instance(id, _) => {
            let view = scene.world.instance(id).map_or(View::Public, |(_, it)| View::Vpc(it.vpc.clone()));
            Stand { namespace: plan::instance(id), view }
        }
    }
}

/// All places one can stand at.
pub fn list(scene: &Scene) -> Vec<PlaceInfo> {
    let outside = PlaceInfo {
        place: "outside".to_owned(),
        kind: "a laptop on the Internet".to_owned(),
        addresses: vec![plan::OUTSIDE_ADDRESS],
        location: "Internet".to_owned(),
        name: None,
    };
    let instances = scene.world.instances().filter(|(_, it)| it.state == InstanceState::Running);
    let info = |(vpc, it): (&landing::VpcWorld, &aws_ec2::records::Instance)| {
        let own = vpc.interfaces_of(&it.id).flat_map(|nic| &nic.addresses);
        let addresses = own.flat_map(|it| [Some(it.address), it.public.as_ref().map(|it| it.address)]).flatten();
        PlaceInfo {
            place: it.id.to_string(),
            kind: "instance".to_owned(),
            addresses: addresses.collect(),
            location: format!("{} {} {}", it.zone, it.vpc, it.subnet),
            name: it.tags.get("Name").cloned(),
        }
    };
    std::iter::once(outside).chain(instances.map(info)).collect()
}
