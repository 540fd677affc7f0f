//! The clusters' control planes on this host: an API server per cluster, listening in the namespaces of its control
//! plane instances, and the steps of a change of access mode.

use super::kubernetes::{Face, Kubernetes, KubernetesError, Running};
use super::networks::Networks;
use super::pki::{Authority, PkiError};
use super::scene::SharedScene;
use async_trait::async_trait;
use aws_eks::records::Cluster;
use aws_eks::{ControlPlaneError, ControlPlanes};
use base::kubernetes::KubernetesVersion;
use fabric::{Fabric, NsName};
use k8s_api::{Leg, Listening};
use landing::{AccessStep, ClusterId, Dirty, Gate, access, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How many connections may wait to be accepted at one control plane instance.
const BACKLOG: i32 = 1024;
/// How long a deleted cluster's open requests may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// A cluster that is served.
struct Serving {
    running: Running,
    /// The namespaces it listens in.
    at: BTreeMap<NsName, Listening>,
}

/// All control planes of this host.
pub struct LocalControlPlanes {
    scene: SharedScene,
    networks: Networks,
    fabric: Fabric,
    authorities: PathBuf,
    kubernetes: Kubernetes,
    serving: Mutex<BTreeMap<ClusterId, Serving>>,
}

/// Why a control plane is not as wanted.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Network(#[from] super::networks::NetworkError),
    #[error("the cluster's certificates")]
    Certificates(#[from] PkiError),
    #[error("the API server of {0}")]
    Serve(NsName, #[source] std::io::Error),
    #[error("version {0} is not offered")]
    Version(String),
    #[error("the API server")]
    Kubernetes(#[from] KubernetesError),
}

impl LocalControlPlanes {
    /// Nothing is served yet. Authorities' keys are kept in `authorities`.
    pub fn new(
        scene: SharedScene,
        networks: Networks,
        fabric: Fabric,
        authorities: PathBuf,
        kubernetes: Kubernetes,
    ) -> Arc<Self> {
        Arc::new(Self { scene, networks, fabric, authorities, kubernetes, serving: Mutex::default() })
    }

    /// Opens a cluster's sockets again in a namespace that was made anew.
    pub async fn reopen(&self, namespace: &NsName) {
        let mut serving = self.serving.lock().await;
        for it in serving.values_mut() {
            if it.at.remove(namespace).is_none() {
                continue;
            }
            if let Err(error) = self.listen(it, namespace).await {
                tracing::error!(%namespace, error = &error as &dyn std::error::Error, "an API server cannot listen again");
            }
        }
    }

    fn open_authority(&self, cluster: &Cluster) -> Result<Authority, PkiError> {
        Authority::open(&self.authorities, &cluster.endpoint_id, "kubernetes")
    }

    async fn open(&self, cluster: &Cluster) -> Result<Running, Trouble> {
        let authority = self.open_authority(cluster)?;
        let leaf = authority.issue("kube-apiserver", &certificate_names(cluster))?;
        let release = cluster.version.parse::<KubernetesVersion>().ok().and_then(KubernetesVersion::release);
        let release = release.ok_or_else(|| Trouble::Version(cluster.version.clone()))?;
        let face = Face { certificates: leaf.chain, key: leaf.key, client_ca: authority.certificate_der()? };
        Ok(self.kubernetes.open(cluster, release, &authority, face).await?)
    }

    async fn listen(&self, serving: &mut Serving, namespace: &NsName) -> Result<(), Trouble> {
        // The wildcard takes both legs; which one a connection came by is told by its local address.
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 443));
        let listener = self.fabric.tcp_listen(namespace, address, BACKLOG).await;
        let listener = listener.map_err(|error| Trouble::Serve(namespace.clone(), error))?;
        serving.at.insert(namespace.clone(), serving.running.server.serve(listener, leg_of));
        Ok(())
    }

    async fn ensure_serving(&self, cluster: &Cluster) -> Result<(), Trouble> {
        let id = ClusterId::of(cluster);
        self.scene.change(|scene| {
            scene.gates.entry(id.clone()).or_insert_with(|| Gate::wanted(&cluster.access));
        });
        let dirty = Dirty { clusters: BTreeSet::from([id.clone()]), ..Dirty::default() };
        let known = self.serving.lock().await.contains_key(&id);
        let open = async {
            // One reconciler works on a cluster, so nobody else opens the same one meanwhile.
            if known { Ok(None) } else { self.open(cluster).await.map(Some) }
        };
        let converge = async { self.networks.converge(dirty).await.map_err(Trouble::from) };
        let ((), opened) = futures::try_join!(converge, open)?;
        let mut all = self.serving.lock().await;
        if let Some(running) = opened {
            all.insert(id.clone(), Serving { running, at: BTreeMap::new() });
        }
        let Some(serving) = all.get_mut(&id) else { return Ok(()) };
        serving.running.set_addresses(cluster).await?;
        for instance in &cluster.control_plane {
            let namespace = plan::control_plane(cluster, instance);
            if !serving.at.contains_key(&namespace) {
                self.listen(serving, &namespace).await?;
            }
        }
        Ok(())
    }

    async fn change_access(&self, cluster: &Cluster) -> Result<(), Trouble> {
        let id = ClusterId::of(cluster);
        let wanted = Gate::wanted(&cluster.access);
        let current = self.scene.read().gates.get(&id).cloned().unwrap_or_else(|| wanted.clone());
        for step in access::steps(&current, &wanted) {
            tracing::debug!(cluster = %cluster.name, ?step, "access");
            match step {
                AccessStep::Publish(gate) => self.scene.set_gate(&id, Some(gate)),
                AccessStep::Filter(gate) => {
                    self.scene.set_gate(&id, Some(gate));
                    let dirty = Dirty { clusters: BTreeSet::from([id.clone()]), ..Dirty::default() };
                    self.networks.converge(dirty).await?;
                }
                AccessStep::HangUp(gate) => self.hang_up(&id, &gate).await,
                AccessStep::Forget(gate) => self.forget(cluster, gate).await,
            }
        }
        Ok(())
    }

    async fn hang_up(&self, id: &ClusterId, gate: &Gate) {
        let server = self.serving.lock().await.get(id).map(|it| it.running.server.clone());
        if let Some(server) = server {
            server.hang_up(|it| it.leg == Leg::Provider && !admits(gate, it.peer.ip())).await;
        }
    }

    async fn forget(&self, cluster: &Cluster, gate: Gate) {
        let public = cluster.control_plane.iter().map(|it| it.public_address).collect();
        let stale = move |source: std::net::Ipv4Addr| !gate.admits(source);
        if let Err(error) = self.fabric.cut(&plan::provider(), public, stale).await {
            tracing::warn!(cluster = %cluster.name, %error, "tracked connections could not be forgotten; they time out");
        }
    }
}

fn admits(gate: &Gate, peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => gate.admits(peer),
        IpAddr::V6(_) => false,
    }
}

/// The leg of a connection: the provider's addresses are 240.0.0.0/8, everything else is the user's VPC.
fn leg_of(local: IpAddr) -> Leg {
    match local.to_canonical() {
        IpAddr::V4(it) if plan::provider_network().contains(it) => Leg::Provider,
        _ => Leg::CrossAccount,
    }
}

/// The names of a serving certificate (*Amazon EKS User Guide*: the endpoint; upstream's names for the Service).
fn certificate_names(cluster: &Cluster) -> Vec<String> {
    let service =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
    let mut names = vec![cluster.endpoint_host().to_ascii_lowercase()];
    names.extend(service.map(str::to_owned));
    names.extend(cluster.service_block.nth(1).map(|it| it.to_string()));
    let interfaces = cluster.control_plane.iter().filter_map(|it| it.interface.as_ref());
    names.extend(interfaces.map(|it| it.address.to_string()));
    names
}

/// A failure as EKS takes it: one line, causes included. Only a version that is not offered is beyond repair.
fn failure(error: &Trouble) -> ControlPlaneError {
    match error {
        Trouble::Version(_) | Trouble::Kubernetes(KubernetesError::Version(_)) => ControlPlaneError::Fatal(line(error)),
        _ => ControlPlaneError::Retry(line(error)),
    }
}

fn line(error: &Trouble) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}

#[async_trait]
impl ControlPlanes for LocalControlPlanes {
    async fn authority(&self, cluster: &Cluster) -> Result<String, ControlPlaneError> {
        let authority = self.open_authority(cluster).map_err(|error| failure(&error.into()))?;
        Ok(authority.certificate().to_owned())
    }

    async fn ensure(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        self.ensure_serving(cluster).await.map_err(|error| failure(&error))
    }

    async fn set_access(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        self.change_access(cluster).await.map_err(|error| failure(&error))
    }

    async fn remove(&self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        let id = ClusterId::of(cluster);
        if let Some(Serving { running, at }) = self.serving.lock().await.remove(&id) {
            drop(at);
            running.server.shutdown(GRACE).await;
        }
        self.kubernetes.remove(cluster).map_err(|error| failure(&error.into()))?;
        self.scene.set_gate(&id, None);
        let dirty = Dirty { clusters: BTreeSet::from([id]), ..Dirty::default() };
        self.networks.converge(dirty).await.map_err(|error| failure(&error.into()))?;
        Authority::remove(&self.authorities, &cluster.endpoint_id).map_err(|error| failure(&error.into()))
    }
}
