//! An API server by itself, for trying things out: `cargo run -p k8s-api --example serve -- 34 /tmp/data` serves a
//! cluster of 1.34 on a loopback port and prints the path of a kubeconfig for its administrator.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use base::KubernetesVersion;
use jiff::Timestamp;
use k8s_api::{
    ApiServer, ApiServerConfig, Documents, FlowControl, IdentityConfig, Journal, Leg, Rights, SharedAuthorizer,
};
use k8s_registry::{Asker, Catalog, Options, Registry, RegistryConfig, Target, Validation};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

async fn make(registry: &Registry, object: Value) {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    let namespace = text("/metadata/namespace");
    let endpoint = registry.catalog().endpoint_of_kind(&version, &kind).unwrap().clone();
    let target = Target { endpoint: &endpoint, subresource: "", namespace: &namespace, name: "" };
    let options = Options {
        manager: "kube-apiserver",
        dry_run: false,
        validation: Validation::Ignore,
        now: Timestamp::now(),
        asker: Asker::server(),
    };
    match registry.create(target, object, options).await {
        Ok(_) => {}
        Err(status) if status.code == 409 => {}
        Err(status) => println!("{}: {}", kind, status.message),
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let minor: u8 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(34);
    let data = arguments.next().unwrap_or_else(|| "/tmp/k8s-api".to_owned());
    std::fs::create_dir_all(&data).unwrap();
    let store = Arc::new(store::Embedded::open(Path::new(&data)).unwrap());
    let catalog = Arc::new(Catalog::load(minor).unwrap());
    let registry = Registry::new(RegistryConfig {
        catalog: catalog.clone(),
        store,
        services: "10.100.0.0/16".parse().unwrap(),
        admission: Vec::new(),
    });
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        make(&registry, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
    }
    for object in k8s_authz::bootstrap::objects(u32::from(minor)) {
        make(&registry, object).await;
    }
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    let client_key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, "admin");
    client.distinguished_name.push(DnType::OrganizationName, "system:masters");
    let client = client.signed_by(&client_key, &issuer).unwrap();
    let server = ApiServer::new(ApiServerConfig {
        cluster: "example".to_owned(),
        release: KubernetesVersion::new(minor).release().unwrap(),
        certificates: vec![server.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
        client_ca: authority.der().clone(),
        checks: Vec::new(),
        rights: Rights::follow(&registry, SharedAuthorizer::new(minor)).unwrap(),
        flow: FlowControl::follow(&registry, k8s_api::flow::SEATS).unwrap(),
        documents: Arc::new(Documents::new(catalog.release().clone())),
        registry,
        identities: IdentityConfig {
            signer: Box::new(|| k8s_authn::key::Signer::generate().map_err(|error| error.to_string())),
            issuer: "https://issuer.example".to_owned(),
            others: None,
        },
        audit: Journal::file(&Path::new(&data).join("audit.log")).unwrap(),
    });
    let server = server.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _listening = server.serve(listener, |_| Leg::Provider);
    for (name, text) in
        [("ca.crt", authority.pem()), ("client.crt", client.pem()), ("client.key", client_key.serialize_pem())]
    {
        std::fs::write(Path::new(&data).join(name), text).unwrap();
    }
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("https://{address}"), "certificate-authority": "ca.crt"}}],
        "users": [{"name": "c", "user": {"client-certificate": "client.crt", "client-key": "client.key"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
    let path = Path::new(&data).join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    println!("export KUBECONFIG={}", path.display());
    std::future::pending::<()>().await;
}
