//! TLS for the AWS host names: a certificate per name, made when a client first asks for it.

use super::pki::Authority;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where Debian keeps the bundle of authorities that tools trust.
const HOST_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Issues certificates for service host names and keeps them. Only names that are served get one, so the number kept
/// is bounded by services times regions.
struct ServiceCertificates {
    authority: Authority,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for ServiceCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceCertificates")
    }
}

impl ResolvesServerCert for ServiceCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        if !landing::names::is_service(&name) {
            return None;
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = issued.get(&name) {
            return Some(certificate.clone());
        }
        match certify(&self.authority, &name) {
            Ok(certificate) => Some(issued.entry(name).or_insert(certificate).clone()),
            Err(error) => {
                tracing::error!(%name, error = &*error, "no certificate for a service name");
                None
            }
        }
    }
}

fn certify(
    authority: &Authority,
    name: &str,
) -> Result<Arc<CertifiedKey>, Box<dyn std::error::Error + Send + Sync + 'static>> {
    let leaf = authority.issue(name, &[name.to_owned()])?;
    Ok(Arc::new(CertifiedKey::from_der(leaf.chain, leaf.key, &aws_lc_rs::default_provider())?))
}

/// The TLS configuration of the AWS APIs.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn service_tls(authority: Authority) -> Result<Arc<ServerConfig>, rustls::Error> {
    let resolver = ServiceCertificates { authority, issued: Mutex::default() };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Writes the bundle that host tools may be pointed at: the host's own authorities and ours.
///
/// # Errors
/// When it cannot be written.
pub fn write_bundle(path: &Path, authority: &str) -> std::io::Result<()> {
    let host = std::fs::read_to_string(HOST_BUNDLE).unwrap_or_default();
    std::fs::write(path, format!("{}\n{authority}", host.trim_end()))
}
