//! An API server in this process, reached as clients reach it: over TLS on loopback, known by certificates.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod authority;
mod client;

pub use authority::Authority;
pub use client::{Answer, Client, Identity, Stream};

use base::{Ipv4Block, KubernetesVersion};
use jiff::Timestamp;
use k8s_api::{
    ApiServer, ApiServerConfig, Check, Documents, FlowControl, IdentityConfig, Journal, Leg, Listening, Rights,
    SharedAuthorizer,
};
use k8s_authn::key::Signer;
use k8s_controllers::{FreshConfig, ensure_fresh};
use k8s_registry::{Catalog, Registry, RegistryConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use store::{Embedded, Store};
use tokio::net::TcpListener;

/// The name in the serving certificate.
const NAME: &str = "cluster.test";

/// Where service account tokens say they come from; the recorded servers'.
const ISSUER: &str = "https://issuer.example";

const AUDIT_LOG: &str = "audit.log";

/// A server with a store of its own.
pub struct World {
    /// What clients speak through.
    pub client: Client,
    store: Arc<Embedded>,
    _server: Arc<ApiServer>,
    _listening: Listening,
    data: tempfile::TempDir,
}

impl World {
    /// A fresh cluster of 1.`minor`, without controllers, set up as the recorded ones were.
    pub async fn new(minor: u8) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.server(NAME);
        let data = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(data.path()).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let services = Ipv4Block::containing(Ipv4Addr::new(10, 100, 0, 0), 16).unwrap();
        let catalog = Arc::new(Catalog::load(minor).unwrap());
        let documents = Arc::new(Documents::new(catalog.release().clone()));
        let authorizer = SharedAuthorizer::new(minor);
        let registry = Registry::new(RegistryConfig {
            catalog,
            store: store.clone() as Arc<dyn Store>,
            services,
            admission: k8s_admission::plugins(minor, Arc::new(authorizer.clone())),
        });
        let fresh = FreshConfig {
            services,
            addresses: vec![Ipv4Addr::new(192, 0, 2, 1)],
            port: 443,
            client_ca: authority.pem(),
            proxy_ca: None,
            eks: false,
            aws_auth: None,
            now: Timestamp::now(),
        };
        ensure_fresh(&registry, &fresh).await.unwrap();
        let rights = Rights::follow(&registry, authorizer).unwrap();
        let flow = FlowControl::follow(&registry, k8s_api::flow::SEATS).unwrap();
        let signer = Signer::generate().unwrap().to_pkcs8().unwrap();
        let signer = move || Signer::from_pkcs8(&signer).map_err(|error| error.to_string());
        let server = ApiServer::new(ApiServerConfig {
            cluster: "golden".to_owned(),
            release: KubernetesVersion::new(minor).release().unwrap(),
            certificates: vec![certificate],
            key,
            client_ca: authority.certificate(),
            checks: vec![Check::new("etcd", || true)],
            registry,
            documents,
            rights,
            flow,
            identities: IdentityConfig { signer: Box::new(signer), issuer: ISSUER.to_owned(), others: None },
            audit: Journal::file(&data.path().join(AUDIT_LOG)).unwrap(),
        })
        .unwrap();
        let listening = server.serve(listener, |_| Leg::Provider);
        let client = Client::new(authority, NAME, address);
        Self { client, store, _server: server, _listening: listening, data }
    }

    /// The lines of the audit log so far.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.data.path().join(AUDIT_LOG)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Forgets all history up to now.
    pub async fn compact(&self) {
        self.store.compact(self.store.revision()).await.unwrap();
    }
}
