//! TLS as an API server speaks it: one certificate that may be replaced while it runs, HTTP/2 and HTTP/1.1, and client
//! certificates asked for but judged later, because a wrong one is answered with 401 and not with a broken handshake.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use std::sync::{Arc, PoisonError, RwLock};

/// Why a server can't be given a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The serving certificate and its key don't fit, or can't be read.
    #[error("the serving certificate can't be used")]
    Certificate(#[source] rustls::Error),
    /// The authority for client certificates can't be read.
    #[error("the client certificate authority can't be used")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The serving certificate. It changes when the control plane's addresses do.
#[derive(Debug)]
pub struct Certificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// A certificate with its chain, leaf first, and key.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self { current: RwLock::new(certified(chain, key)?) }))
    }

    /// Replaces it for the handshakes to come.
    ///
    /// # Errors
    /// [`TlsError::Certificate`]; the old one then stays.
    pub fn replace(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), TlsError> {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified(chain, key)?;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    /// The same for every name: clients may ask by an address, which no SNI can tell.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<CertifiedKey>, TlsError> {
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map(Arc::new).map_err(TlsError::Certificate)
}

/// The configuration of a server with `certificate` that asks clients for certificates of `clients`.
///
/// # Errors
/// [`TlsError::Certificate`].
pub fn server_config(certificate: Arc<Certificate>, clients: Arc<ClientAuthority>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Certificate)?
        .with_client_cert_verifier(Arc::new(AnyClientCertificate { signatures: clients.verifier.clone() }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The authority whose client certificates are known.
#[derive(Debug)]
pub struct ClientAuthority {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    /// By its certificate.
    ///
    /// # Errors
    /// [`TlsError::Authority`].
    pub fn new(authority: CertificateDer<'static>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(|error| TlsError::Authority(error.into()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Authority(error.into()))?;
        Ok(Self { verifier })
    }

    /// Whether it issued a certificate that is good now.
    pub fn vouches_for(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> bool {
        self.verifier.verify_client_cert(leaf, rest, UnixTime::now()).is_ok()
    }
}

/// Lets every client certificate through whose key the client holds. Whether it is known is asked once the connection
/// stands, so that an unknown one is answered with 401 and not with a broken handshake.
#[derive(Debug)]
struct AnyClientCertificate {
    signatures: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signatures.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}
