//! The objects that a cluster has before anybody makes any, as an API server makes them when it starts: those that are
//! missing are made, those that the server keeps are brought up to date, all others are left alone.
//!
//! `system` has the namespaces and what lies in them, `endpoints` the server's own addresses, `flow` flow control,
//! `services` the APIServices; roles come from `k8s_authz`. What is missing is written by `batch` in few transactions.

mod batch;
mod endpoints;
mod flow;
mod roles;
mod services;
mod system;

use base::Ipv4Block;
use batch::Batch;
use jiff::Timestamp;
use k8s_registry::{Options, Registry, Target, Validation};
use k8s_types::Status;
use serde_json::Value;
use std::net::Ipv4Addr;

/// The name that an API server owns fields under.
const SERVER: &str = "kube-apiserver";

/// What the objects of a fresh cluster depend on.
#[derive(Debug, Clone)]
pub struct FreshConfig {
    /// Where services get their addresses from; the API server's is the first.
    pub services: Ipv4Block,
    /// Where pods reach the API server; on EKS the addresses of its interfaces in the cluster's VPC.
    pub addresses: Vec<Ipv4Addr>,
    /// The port there.
    pub port: u16,
    /// The certificates, in PEM, by which the API server knows clients.
    pub client_ca: String,
    /// The certificates, in PEM, by which aggregated API servers know this one; none if it speaks for nobody.
    pub proxy_ca: Option<String>,
    /// Whether EKS made the cluster: its roles and its StorageClass.
    pub eks: bool,
    /// The `mapRoles` of ConfigMap `aws-auth`, where the cluster's authentication mode reads it; none is made otherwise.
    pub aws_auth: Option<String>,
    /// When.
    pub now: Timestamp,
}

/// Makes what a fresh cluster has, as far as it is not there, and brings up to date what the server keeps.
///
/// # Errors
/// When the store fails.
pub async fn ensure_fresh(registry: &Registry, config: &FreshConfig) -> Result<(), Box<Status>> {
    let minor = registry.catalog().release().minor();
    let mut namespaces = Batch::new(registry, config.now);
    for namespace in system::namespaces() {
        namespaces.make(namespace, SERVER).await?;
    }
    namespaces.commit().await?;

    let mut batch = Batch::new(registry, config.now);
    for object in system::objects(config, minor) {
        batch.make_with(object, SERVER, |made| system::finish(made, config.now)).await?;
    }
    system::keep(&mut batch, config).await?;
    flow::ensure(&mut batch, minor).await?;
    services::ensure(&mut batch).await?;
    roles::ensure(&mut batch, config, minor).await?;
    let mut addresses = Batch::new(registry, config.now);
    endpoints::ensure(&mut addresses, config).await?;
    // The service takes an address besides its object, which only its registry can write.
    let service = async {
        if let Some(object) = system::service(config) {
            create(registry, object, config.now).await?;
        }
        Ok(())
    };
    futures::try_join!(batch.commit(), addresses.commit(), service)?;
    Ok(())
}

/// Says where the API server is reached, in Endpoints and EndpointSlice `kubernetes`, when its addresses have changed.
///
/// # Errors
/// When the store fails.
pub async fn ensure_addresses(registry: &Registry, config: &FreshConfig) -> Result<(), Box<Status>> {
    let mut batch = Batch::new(registry, config.now);
    endpoints::ensure(&mut batch, config).await?;
    batch.commit().await
}

/// As whom the server writes.
fn writer(manager: &'static str, now: Timestamp) -> Options<'static> {
    let asker = k8s_registry::Asker::server();
    Options { manager, dry_run: false, validation: Validation::Ignore, now, asker }
}

/// Makes an object unless there is one of its name.
async fn create(registry: &Registry, object: Value, now: Timestamp) -> Result<(), Box<Status>> {
    let Some(endpoint) = batch::endpoint(registry, &object) else { return Ok(()) };
    let (namespace, name) = batch::names(&object);
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let target = Target { endpoint, subresource: "", namespace: &namespace, name: &name };
    if registry.find(endpoint, &namespace, &name)?.is_some() {
        return Ok(());
    }
    match registry.create(target, object, writer(SERVER, now)).await {
        Err(status) if status.code != 409 => Err(status),
        _ => Ok(()),
    }
}
