//! The resolvers' view of the scene.

use super::scene::SharedScene;
use dns::{Answer, Kind, Zone};
use landing::names::{self, Meaning, View};
use std::net::IpAddr;

/// One resolver's names: the Internet's, or a VPC's.
pub struct SceneZone {
    scene: SharedScene,
    view: View,
}

impl SceneZone {
    /// The names as `view` sees them.
    pub fn new(scene: SharedScene, view: View) -> Self {
        Self { scene, view }
    }
}

impl Zone for SceneZone {
    fn lookup(&self, name: &str, _kind: Kind, _source: IpAddr) -> Answer {
        let scene = self.scene.read();
        match names::resolve(&scene.world, &scene.gates, &self.view, name) {
            Meaning::Addresses(v4) => Answer::Addresses { v4, ttl: names::TTL },
            Meaning::Name(target) => Answer::Name { target, ttl: names::TTL },
            Meaning::Unknown => Answer::NoSuchName,
        }
    }
}
