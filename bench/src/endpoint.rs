//! A cluster's endpoint as a client sees it: its certificate is verified, `/healthz` is asked over TLS.

use crate::place::Place;
use anyhow::{Context, ensure};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The patience of one attempt; an answer takes a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a cluster is, and how it proves who it is.
#[derive(Clone)]
pub struct Endpoint {
    /// The host name.
    pub host: String,
    tls: TlsConnector,
}

impl Endpoint {
    /// From DescribeCluster's answer.
    ///
    /// # Errors
    /// When endpoint or certificate are missing.
    pub fn of(cluster: &Value) -> anyhow::Result<Self> {
        let url = cluster["endpoint"].as_str().context("an endpoint")?;
        let host = url.trim_start_matches("https://").to_ascii_lowercase();
        let data = cluster.pointer("/certificateAuthority/data").and_then(Value::as_str).context("an authority")?;
        let pem = base64::engine::general_purpose::STANDARD.decode(data)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { host, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A TLS connection to one of its addresses.
    ///
    /// # Errors
    /// When it is refused or the certificate is another one's.
    pub async fn connect(&self, from: &Place, address: Ipv4Addr) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = from.connect(SocketAddr::from((address, 443)), PATIENCE).await?;
        Ok(self.tls.connect(ServerName::try_from(self.host.clone())?, stream).await?)
    }

    /// Asks `/healthz` at one of its addresses.
    ///
    /// # Errors
    /// When there is no answer or it is not `ok`.
    pub async fn healthz(&self, from: &Place, address: Ipv4Addr) -> anyhow::Result<()> {
        let asking = async {
            let stream = self.connect(from, address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the sender.
            tokio::spawn(connection);
            let request = hyper::Request::builder().uri("/healthz").header("host", &self.host);
            let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status == 200 && &body[..] == b"ok", "/healthz: {status} {body:?}");
            Ok(())
        };
        tokio::time::timeout(PATIENCE, asking).await.context("/healthz does not answer")?
    }
}
