//! Control planes that exist on paper.

use super::gate::Gate;
use crate::control_planes::{ControlPlaneError, ControlPlanes};
use crate::records::{Cluster, EndpointAccess};
use async_trait::async_trait;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// What stands for a cluster, by its endpoint id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    pub authority: Option<String>,
    pub access: Option<EndpointAccess>,
}

pub struct FakeControlPlanes {
    gate: Arc<Gate>,
    pub standing: Mutex<BTreeMap<String, Standing>>,
    pub calls: Mutex<Vec<String>>,
    failures: Mutex<VecDeque<(&'static str, ControlPlaneError)>>,
}

impl FakeControlPlanes {
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, standing: Mutex::default(), calls: Mutex::default(), failures: Mutex::default() }
    }

    /// The next call of `verb` fails (after those of it that are to fail already).
    pub fn fail(&self, verb: &'static str, error: ControlPlaneError) {
        self.failures.lock().unwrap().push_back((verb, error));
    }

    /// How often a verb was called.
    pub fn count(&self, verb: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|it| it.split(' ').next() == Some(verb)).count()
    }

    async fn call<T>(
        &self,
        verb: &str,
        cluster: &Cluster,
        effect: impl FnOnce(&mut BTreeMap<String, Standing>) -> T,
    ) -> Result<T, ControlPlaneError> {
        self.gate.pass().await;
        self.calls.lock().unwrap().push(format!("{verb} {}", cluster.name));
        let failure = {
            let mut failures = self.failures.lock().unwrap();
            failures.iter().position(|(of, _)| *of == verb).and_then(|at| failures.remove(at))
        };
        if let Some((_, error)) = failure {
            return Err(error);
        }
        let done = effect(&mut self.standing.lock().unwrap());
        self.gate.pass().await;
        Ok(done)
    }
}

#[async_trait]
impl ControlPlanes for FakeControlPlanes {
    async fn authority(&self, cluster: &Cluster) -> Result<String, ControlPlaneError> {
        let id = cluster.endpoint_id.clone();
        self.call("authority", cluster, |standing| {
            let pem = format!("-----BEGIN CERTIFICATE-----\n{id}\n-----END CERTIFICATE-----\n");
            standing.entry(id).or_default().authority.get_or_insert(pem).clone()
        })
        .await
    }

    async fn ensure(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        assert!(cluster.cluster_security_group.is_some() && cluster.certificate_authority.is_some());
        assert!(cluster.control_plane.iter().all(|it| it.interface.is_some()));
        self.call("ensure", cluster, |standing| {
            standing.entry(cluster.endpoint_id.clone()).or_default().access = Some(cluster.access.clone());
        })
        .await
    }

    async fn set_access(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        self.call("set_access", cluster, |standing| {
            let it = standing.get_mut(&cluster.endpoint_id).filter(|it| it.access.is_some());
            it.expect("nothing runs whose access could be set").access = Some(cluster.access.clone());
        })
        .await
    }

    async fn remove(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        self.call("remove", cluster, |standing| drop(standing.remove(&cluster.endpoint_id))).await
    }
}
