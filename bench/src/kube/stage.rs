//! A cluster as its users reach it: over TLS from `outside`, with the token of a service account that RBAC lets work
//! with config maps and nothing else.

use super::client::{Client, request};
use crate::aws::Aws;
use crate::daemon::{Daemon, REGION};
use crate::endpoint::Endpoint;
use crate::place::Place;
use crate::scenery::{self, PUBLIC_RESOLVER};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The namespace of everything.
const NAMESPACE: &str = "bench";

/// A running cluster.
pub struct Stage {
    /// The daemon around it.
    pub daemon: Daemon,
    /// Where clients are.
    pub namespace: PathBuf,
    outside: Place,
    endpoint: Endpoint,
    address: Ipv4Addr,
    token: String,
}

impl Stage {
    /// Makes all of it.
    ///
    /// # Errors
    /// When anything does not work.
    pub async fn new() -> anyhow::Result<Self> {
        let daemon = Daemon::up()?;
        let mut aws = Aws::new(daemon.listen, daemon.key.clone(), REGION);
        let vpc = scenery::vpc(&mut aws, 1).await?;
        let role = scenery::role(&mut aws).await?;
        let cluster = scenery::create(&mut aws, "kube", &role, &vpc).await?;
        let namespace = daemon.place("outside")?;
        let outside = Place::at(&namespace);
        let endpoint = Endpoint::of(&cluster)?;
        let mut resolver = outside.resolver(PUBLIC_RESOLVER)?;
        let address = *resolver.addresses(&endpoint.host).await?.first().context("the cluster's address")?;
        let mut stage = Self { daemon, namespace, outside, endpoint, address, token: aws.token("kube") };
        stage.token = stage.account().await?;
        Ok(stage)
    }

    /// Makes the namespace, the account and what it may do, as the cluster's creator; a token of the account.
    async fn account(&self) -> anyhow::Result<String> {
        let mut admin = self.client().await?;
        let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/bench";
        let core = "/api/v1/namespaces";
        let named = json!({"name": NAMESPACE});
        let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]});
        let (group, kind) = ("rbac.authorization.k8s.io", "Role");
        let reference = json!({"apiGroup": group, "kind": kind, "name": NAMESPACE});
        let subject = json!({"kind": "ServiceAccount", "name": NAMESPACE, "namespace": NAMESPACE});
        for (path, body) in [
            (core.to_owned(), json!({"metadata": named})),
            (format!("{core}/bench/serviceaccounts"), json!({"metadata": named})),
            (format!("{rbac}/roles"), json!({"metadata": named, "rules": [rule]})),
            (format!("{rbac}/rolebindings"), json!({"metadata": named, "roleRef": reference, "subjects": [subject]})),
        ] {
            admin.json(&self.request("POST", &path, &body.to_string())).await.context(path)?;
        }
        let path = format!("{core}/bench/serviceaccounts/bench/token");
        let made = admin.json(&self.request("POST", &path, r#"{"spec": {}}"#)).await?;
        let token = made.pointer("/status/token").and_then(Value::as_str).context("a token")?;
        Ok(token.to_owned())
    }

    /// A request with the account's token.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        request(method, path, &self.endpoint.host, &self.token, body)
    }

    /// The host and the token, for other clients.
    pub fn credentials(&self) -> (&str, &str) {
        (&self.endpoint.host, &self.token)
    }

    /// A TLS connection from outside.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> anyhow::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        self.endpoint.connect(&self.outside, self.address).await
    }

    /// A client over a connection of its own.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.connect().await?))
    }

    /// That a wrong token is refused, and the right one for what it is not for.
    ///
    /// # Errors
    /// When it is not so: then nothing was measured.
    pub async fn guarded(&self) -> anyhow::Result<()> {
        let mut client = self.client().await?;
        let forged = request("GET", &path("x"), &self.endpoint.host, &format!("{}x", self.token), "");
        let status = client.ask(&forged).await?.status;
        ensure!(status == 401, "a wrong token: {status}");
        let other = self.request("GET", "/api/v1/namespaces/bench/secrets", "");
        let status = client.ask(&other).await?.status;
        ensure!(status == 403, "what the account may not do: {status}");
        Ok(())
    }
}

/// Where a config map is; all of them for no name.
pub fn path(name: &str) -> String {
    let slash = if name.is_empty() { "" } else { "/" };
    format!("/api/v1/namespaces/{NAMESPACE}/configmaps{slash}{name}")
}

/// An object of a KiB.
pub fn object(name: &str) -> String {
    let content = "x".repeat(1024);
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"content": content}})
        .to_string()
}
