//! One cluster's API server: what it is made from, where it listens, how it ends.

use crate::accept::{self, Listening, Serving};
use crate::api::Api;
use crate::api::documents::Documents;
use crate::chain::Chain;
use crate::connections::{Connection, Connections, Leg};
use crate::flow::FlowControl;
use crate::health::{Check, Health};
use crate::identity::{Identities, IdentityConfig};
use crate::observe::Journal;
use crate::rights::Rights;
use crate::tls::{Certificate, ClientAuthority, TlsError, server_config};
use base::KubernetesRelease;
use k8s_registry::Registry;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// What an API server is made from.
pub struct ApiServerConfig {
    /// The cluster's name, for logs.
    pub cluster: String,
    /// The Kubernetes release that it serves.
    pub release: &'static KubernetesRelease,
    /// The serving certificate's chain, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The serving certificate's key.
    pub key: PrivateKeyDer<'static>,
    /// The authority whose certificates clients are asked for.
    pub client_ca: CertificateDer<'static>,
    /// What must work besides the server itself.
    pub checks: Vec<Check>,
    /// The cluster's objects.
    pub registry: Arc<Registry>,
    /// What the cluster's minor tells of itself; shared by all clusters of the minor.
    pub documents: Arc<Documents>,
    /// Who may do what.
    pub rights: Rights,
    /// Whose turn it is.
    pub flow: FlowControl,
    /// Who is who.
    pub identities: IdentityConfig,
    /// Where the record of every request goes.
    pub audit: Journal,
}

/// One cluster's API server, on any number of listeners: every control plane instance has one in its own network.
pub struct ApiServer {
    cluster: String,
    certificate: Arc<Certificate>,
    serving: Serving,
}

impl ApiServer {
    /// A server that listens nowhere yet.
    ///
    /// # Errors
    /// [`TlsError`] where a certificate can't be used.
    pub fn new(config: ApiServerConfig) -> Result<Arc<Self>, TlsError> {
        let certificate = Certificate::new(config.certificates, config.key)?;
        let clients = Arc::new(ClientAuthority::new(config.client_ca)?);
        let tls = server_config(certificate.clone(), clients.clone())?;
        let api = Api {
            registry: config.registry,
            rights: config.rights,
            identities: Arc::new(Identities::new(config.release.version, config.identities)),
            documents: config.documents,
        };
        let chain = Chain::new(config.release, Health::new(config.checks), api, config.flow, config.audit);
        let serving = Serving {
            tls: Arc::new(tls).into(),
            clients,
            chain: Arc::new(chain),
            connections: Arc::new(Connections::default()),
        };
        Ok(Arc::new(Self { cluster: config.cluster, certificate, serving }))
    }

    /// Serves `listener` until the returned value is dropped. One listener on the wildcard address serves all of an
    /// instance's interfaces, so `leg` tells a connection's side by its local address.
    pub fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        leg: impl Fn(IpAddr) -> Leg + Send + Sync + 'static,
    ) -> Listening {
        tracing::debug!(cluster = self.cluster, address = ?listener.local_addr().ok(), "an API server listens");
        accept::listen(self.serving.clone(), listener, leg)
    }

    /// Who is connected, in no order.
    pub fn connections(&self) -> Vec<Connection> {
        self.serving.connections.list()
    }

    /// Ends the connections that `pick` names: the client is told to go, requests have a second to finish, then the
    /// socket is closed. Returns their number when all of them are closed; new ones may come meanwhile.
    pub async fn hang_up(&self, pick: impl Fn(&Connection) -> bool) -> usize {
        let count = self.serving.connections.hang_up(pick).await;
        tracing::debug!(cluster = self.cluster, count, "hung up");
        count
    }

    /// Replaces the serving certificate for connections to come.
    ///
    /// # Errors
    /// [`TlsError::Certificate`]; the old one then stays.
    pub fn replace_certificate(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        self.certificate.replace(chain, key)
    }

    /// Ends everything: `/readyz` fails from now on, then all connections are hung up on. Stop the listeners first;
    /// connections that come in between are ended by a second call. Gives up after `patience` and returns whether all
    /// were closed by then.
    pub async fn shutdown(&self, patience: Duration) -> bool {
        self.serving.chain.health.stop();
        tokio::time::timeout(patience, self.hang_up(|_| true)).await.is_ok()
    }
}
