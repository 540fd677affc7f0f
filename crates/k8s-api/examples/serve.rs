//! An API server by itself, for trying things out with any client: `cargo run -p k8s-api --example serve -- 34 /tmp/data`
//! serves a fresh cluster of 1.34, admission and controllers included, on a loopback port and prints the path of a
//! kubeconfig for its administrator. A third argument is the port, for one that is started again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use base::{Ipv4Block, KubernetesVersion};
use jiff::Timestamp;
use k8s_api::{
    ApiServer, ApiServerConfig, Check, Documents, FlowControl, IdentityConfig, Journal, Leg, Rights, SharedAuthorizer,
};
use k8s_authn::claims::{Claims, Reference};
use k8s_authn::key::Signer;
use k8s_controllers::{Config, Controllers, FreshConfig, TokenFor, TokenSource, ensure_fresh};
use k8s_registry::{Catalog, Registry, RegistryConfig};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Embedded, Store};
use tokio::net::TcpListener;

/// The authority, and what it signed.
struct Pki {
    authority: Certificate,
    server: (Certificate, KeyPair),
    client: (Certificate, KeyPair),
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Clients look for the issuer by its name: it must not be the one of what it signs.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let signed = |params: CertificateParams| {
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let server = signed(CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap());
        let mut administrator = CertificateParams::default();
        administrator.distinguished_name.push(DnType::CommonName, "admin");
        administrator.distinguished_name.push(DnType::OrganizationName, "system:masters");
        let client = signed(administrator);
        Self { authority, server, client }
    }

    fn write_kubeconfig(&self, data: &Path, address: SocketAddr) -> PathBuf {
        let files = [
            ("ca.crt", self.authority.pem()),
            ("client.crt", self.client.0.pem()),
            ("client.key", self.client.1.serialize_pem()),
        ];
        for (name, text) in files {
            std::fs::write(data.join(name), text).unwrap();
        }
        let cluster = json!({"server": format!("https://{address}"), "certificate-authority": "ca.crt"});
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": {"client-certificate": "client.crt", "client-key": "client.key"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        let path = data.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }
}

/// The key of service account tokens, kept from run to run.
fn signer(path: &Path) -> Signer {
    if let Ok(der) = std::fs::read(path) {
        return Signer::from_pkcs8(&der).unwrap();
    }
    let signer = Signer::generate().unwrap();
    std::fs::write(path, signer.to_pkcs8().unwrap()).unwrap();
    signer
}

fn token_source(key: PathBuf) -> TokenSource {
    Arc::new(move |wanted: &TokenFor<'_>| {
        let account = Reference::new(wanted.account, wanted.account_uid);
        signer(&key).sign(&Claims::legacy(wanted.namespace, account, wanted.secret)).ok()
    })
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let minor: u8 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(34);
    let data = PathBuf::from(arguments.next().unwrap_or_else(|| "/tmp/k8s-api".to_owned()));
    let port: u16 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    std::fs::create_dir_all(&data).unwrap();
    let pki = Pki::new();
    let catalog = Arc::new(Catalog::load(minor).unwrap());
    let services = Ipv4Block::containing(Ipv4Addr::new(10, 100, 0, 0), 16).unwrap();
    let authorizer = SharedAuthorizer::new(minor);
    let registry = Registry::new(RegistryConfig {
        catalog: catalog.clone(),
        store: Arc::new(Embedded::open(&data).unwrap()) as Arc<dyn Store>,
        services,
        admission: k8s_admission::plugins(minor, Arc::new(authorizer.clone())),
    });
    let fresh = FreshConfig {
        services,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 1)],
        port: 443,
        client_ca: pki.authority.pem(),
        proxy_ca: None,
        eks: true,
        aws_auth: None,
        now: Timestamp::now(),
    };
    ensure_fresh(&registry, &fresh).await.unwrap();
    let rights = Rights::follow(&registry, authorizer).unwrap();
    let flow = FlowControl::follow(&registry, k8s_api::flow::SEATS).unwrap();
    let key = data.join("accounts.key");
    let _controllers =
        Controllers::start(registry.clone(), Config::new(pki.authority.pem(), token_source(key.clone())));
    let server = ApiServer::new(ApiServerConfig {
        cluster: "example".to_owned(),
        release: KubernetesVersion::new(minor).release().unwrap(),
        certificates: vec![pki.server.0.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pki.server.1.serialize_der())),
        client_ca: pki.authority.der().clone(),
        checks: vec![Check::new("etcd", || true)],
        rights,
        flow,
        documents: Arc::new(Documents::new(catalog.release().clone())),
        registry,
        identities: IdentityConfig {
            signer: Box::new(move || Ok(signer(&key))),
            issuer: "https://issuer.example".to_owned(),
            others: None,
        },
        audit: Journal::file(&data.join("audit.log")).unwrap(),
    })
    .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let _listening = server.serve(listener, |_| Leg::Provider);
    println!("export KUBECONFIG={}", pki.write_kubeconfig(&data, address).display());
    std::future::pending::<()>().await;
}
