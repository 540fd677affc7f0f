//! A cluster's API server put together: its store, its objects, who may ask, what it does by itself.

use super::identity::{Identities, Stranger};
use super::pki::Authority;
use aws_eks::identity::aws_auth;
use aws_eks::records::{Cluster, ClusterKey};
use base::KubernetesRelease;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_api::{
    ApiServer, ApiServerConfig, Check, Documents, FlowControl, IdentityConfig, Journal, Rights, SharedAuthorizer,
    TokenAuthenticator,
};
use k8s_authn::key::Signer;
use k8s_controllers::{Config, Controllers, FreshConfig, TokenFor};
use k8s_registry::{Catalog, Registry, RegistryConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use store::{Embedded, Options, Retain, Store, StoreError};

/// A cluster has a store of its own, of which most are small: pieces of its log are, too.
const SEGMENT_BYTES: u64 = 256 << 10;
const CHECKPOINT_BYTES: u64 = 4 << 20;
/// How many changes a watcher may have missed before it has to list again.
const HISTORY: usize = 10_000;

/// The record of every request, beside the store.
const AUDIT_LOG: &str = "audit.log";

/// What all clusters of a minor share.
#[derive(Clone)]
struct Minor {
    catalog: Arc<Catalog>,
    documents: Arc<Documents>,
}

/// Makes API servers.
pub struct Kubernetes {
    /// Where clusters' stores lie.
    stores: PathBuf,
    /// Where their keys lie.
    keys: PathBuf,
    identities: Arc<Identities>,
    minors: Mutex<BTreeMap<u8, Minor>>,
}

/// A cluster's API server, with what it does by itself.
pub struct Running {
    /// The server.
    pub server: Arc<ApiServer>,
    registry: Arc<Registry>,
    fresh: FreshConfig,
    _controllers: Controllers,
}

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// Its objects can't be read or written.
    #[error("the cluster's objects")]
    Store(#[from] StoreError),
    /// A directory can't be made or removed.
    #[error("cannot use {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What a cluster has from its birth could not be made.
    #[error("the objects of a new cluster: {0}")]
    Fresh(String),
    /// Its certificates can't be used.
    #[error("the API server's certificates")]
    Tls(#[from] k8s_api::TlsError),
    /// The version is not one that objects are known of.
    #[error("version {0} is not offered")]
    Version(String),
    /// The work was cut short: the daemon stops.
    #[error("the work was cut short")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// What a server shows of itself.
pub struct Face {
    /// Its certificate and those up to the authority.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// The authority of clients' certificates.
    pub client_ca: CertificateDer<'static>,
}

impl Kubernetes {
    /// API servers whose stores and keys lie in `data_dir`.
    pub fn new(data_dir: &Path, identities: Arc<Identities>) -> Self {
        Self {
            stores: data_dir.join("kubernetes"),
            keys: data_dir.join("pki").join("clusters"),
            identities,
            minors: Mutex::default(),
        }
    }

    fn key_file(&self, cluster: &Cluster) -> PathBuf {
        self.keys.join(format!("{}-accounts.key", cluster.endpoint_id))
    }

    fn minor(&self, minor: u8) -> Option<Minor> {
        let mut minors = self.minors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = minors.get(&minor) {
            return Some(known.clone());
        }
        let catalog = Arc::new(Catalog::load(minor)?);
        let documents = Arc::new(Documents::new(catalog.release().clone()));
        let it = Minor { catalog, documents };
        minors.insert(minor, it.clone());
        Some(it)
    }

    /// Opens a cluster's objects and makes its server, which listens nowhere yet.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(
        &self,
        cluster: &Cluster,
        release: &'static KubernetesRelease,
        authority: &Authority,
        face: Face,
    ) -> Result<Running, KubernetesError> {
        let minor = release.version.minor();
        let shared = self.minor(minor).ok_or_else(|| KubernetesError::Version(cluster.version.clone()))?;
        let home = self.stores.join(&cluster.endpoint_id);
        let store = open_store(home.clone()).await?;
        let path = home.join(AUDIT_LOG);
        let audit = Journal::file(&path).map_err(|source| KubernetesError::Directory { path, source })?;
        let healthy = Arc::downgrade(&store);
        let authorizer = SharedAuthorizer::new(minor);
        let registry = Registry::new(RegistryConfig {
            catalog: shared.catalog,
            store: store as Arc<dyn Store>,
            services: cluster.service_block,
            admission: k8s_admission::plugins(minor, Arc::new(authorizer.clone())),
        });
        let fresh = FreshConfig {
            services: cluster.service_block,
            addresses: addresses(cluster),
            port: 443,
            client_ca: authority.certificate().to_owned(),
            proxy_ca: None,
            eks: true,
            aws_auth: None,
            now: Timestamp::now(),
        };
        let made = k8s_controllers::ensure_fresh(&registry, &fresh).await;
        made.map_err(|status| KubernetesError::Fresh(status.message))?;
        let rights = Rights::follow(&registry, authorizer.clone())?;
        let flow = FlowControl::follow(&registry, k8s_api::flow::SEATS)?;
        let signer = Arc::new(KeyFile { path: self.key_file(cluster), making: Mutex::default() });
        let issuer = cluster.oidc_issuer();
        let tokens = token_source(signer.clone());
        let controllers = Controllers::start(registry.clone(), Config::new(authority.certificate(), tokens));
        let others = CloudTokens {
            cluster: cluster.cluster_key(),
            identities: self.identities.clone(),
            registry: Arc::downgrade(&registry),
            authorizer,
        };
        let server = ApiServer::new(ApiServerConfig {
            cluster: cluster.name.clone(),
            release,
            certificates: face.certificates,
            key: face.key,
            client_ca: face.client_ca,
            checks: vec![Check::new("etcd", move || healthy.upgrade().is_some())],
            registry: registry.clone(),
            documents: shared.documents,
            rights,
            flow,
            identities: IdentityConfig {
                signer: Box::new(move || signer.signer()),
                issuer,
                others: Some(Arc::new(others)),
            },
            audit,
        })?;
        Ok(Running { server, registry, fresh, _controllers: controllers })
    }

    /// Removes what a cluster left behind.
    ///
    /// # Errors
    /// When a file can't be removed.
    pub fn remove(&self, cluster: &Cluster) -> Result<(), KubernetesError> {
        let path = self.stores.join(&cluster.endpoint_id);
        let gone = |result: io::Result<()>, path: PathBuf| match result {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(KubernetesError::Directory { path, source }),
            _ => Ok(()),
        };
        gone(std::fs::remove_dir_all(&path), path)?;
        let path = self.key_file(cluster);
        gone(std::fs::remove_file(&path), path)
    }
}

impl Running {
    /// Tells the cluster where its API server is reached from its VPC.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_addresses(&mut self, cluster: &Cluster) -> Result<(), KubernetesError> {
        let addresses = addresses(cluster);
        if self.fresh.addresses == addresses {
            return Ok(());
        }
        self.fresh.addresses = addresses;
        let done = k8s_controllers::fresh::ensure_addresses(&self.registry, &self.fresh).await;
        done.map_err(|status| KubernetesError::Fresh(status.message))
    }
}

/// The addresses of a cluster's X-ENIs.
fn addresses(cluster: &Cluster) -> Vec<Ipv4Addr> {
    cluster.control_plane.iter().filter_map(|it| it.interface.as_ref()).map(|it| it.address).collect()
}

async fn open_store(path: PathBuf) -> Result<Arc<Embedded>, KubernetesError> {
    let open = move || {
        std::fs::create_dir_all(&path).map_err(|source| KubernetesError::Directory { path: path.clone(), source })?;
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            checkpoint_bytes: CHECKPOINT_BYTES,
            retain: Retain::Events(HISTORY),
            ..Options::default()
        };
        Ok(Arc::new(Embedded::open_with(&path, options)?))
    };
    tokio::task::spawn_blocking(open).await?
}

/// The file of the key that a cluster's service account tokens are signed with. It is made when it is first needed.
struct KeyFile {
    path: PathBuf,
    /// Two who need it first at the same time must come to the same key.
    making: Mutex<()>,
}

impl KeyFile {
    fn signer(&self) -> Result<Signer, String> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::read(&self.path) {
            Ok(der) => Signer::from_pkcs8(&der).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let signer = Signer::generate().map_err(|error| error.to_string())?;
                let der = signer.to_pkcs8().map_err(|error| error.to_string())?;
                super::pki::write_private(&self.path, &der).map_err(|error| error.to_string())?;
                Ok(signer)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Makes the tokens of token Secrets.
fn token_source(keys: Arc<KeyFile>) -> k8s_controllers::TokenSource {
    let signer = std::sync::OnceLock::new();
    Arc::new(move |wanted: &TokenFor<'_>| {
        let signer = signer.get_or_init(|| keys.signer().ok()).as_ref()?;
        let account = k8s_authn::claims::Reference::new(wanted.account, wanted.account_uid);
        let claims = k8s_authn::claims::Claims::legacy(wanted.namespace, account, wanted.secret);
        signer.sign(&claims).ok()
    })
}

/// Knows the tokens of the cloud's users in one cluster.
struct CloudTokens {
    cluster: ClusterKey,
    identities: Arc<Identities>,
    /// The server owns this, and the registry.
    registry: Weak<Registry>,
    authorizer: SharedAuthorizer,
}

impl CloudTokens {
    async fn find(&self, token: &str) -> Result<k8s_authz::User, Stranger> {
        let map = self.registry.upgrade().and_then(|it| it.peek("", "configmaps", "kube-system", "aws-auth"));
        let text = |name: &str| {
            let value = map.as_ref().and_then(|it| it.get("data")).and_then(|it| it.get(name));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let auth = map.as_ref().map(|_| {
            let (auth, problems) = aws_auth::parse(&text("mapRoles"), &text("mapUsers"), &text("mapAccounts"));
            for problem in problems {
                tracing::warn!(cluster = self.cluster.name, problem, "in aws-auth");
            }
            auth
        });
        let found = self.identities.identify(&self.cluster, auth.as_ref(), token).await?;
        if let Some(principal) = found.extra.get("canonicalArn").and_then(|it| it.first()) {
            let policies: Vec<_> = found.policies.iter().map(|it| (it.policy_arn.as_str(), scope(&it.scope))).collect();
            self.authorizer.set_policies(principal, &policies);
        }
        let mut groups = found.groups;
        groups.push("system:authenticated".to_owned());
        Ok(k8s_authz::User { name: found.username, uid: found.uid, groups, extra: found.extra })
    }
}

fn scope(scope: &aws_eks::access_entries::records::Scope) -> k8s_authz::eks::Scope {
    match scope {
        aws_eks::access_entries::records::Scope::Cluster => k8s_authz::eks::Scope::Cluster,
        aws_eks::access_entries::records::Scope::Namespaces(names) => k8s_authz::eks::Scope::Namespaces(names.clone()),
    }
}

impl TokenAuthenticator for CloudTokens {
    fn user<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<k8s_authz::User>> {
        Box::pin(async move {
            match self.find(token).await {
                Ok(user) => Some(user),
                Err(error) => {
                    tracing::debug!(
                        cluster = self.cluster.name,
                        error = &error as &dyn std::error::Error,
                        "a stranger"
                    );
                    None
                }
            }
        })
    }
}
