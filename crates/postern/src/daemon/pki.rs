//! The certificate authorities: one for the service's own host names, one per cluster. Private keys are files of mode
//! 0600 in the data directory and nowhere else; leaf certificates are made anew when needed and never written down.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How long an authority is valid, in days (an EKS cluster's: ten years).
const AUTHORITY_DAYS: i64 = 3650;
/// How long a leaf is valid, in days. Leaves are made at start, so this bounds how long a daemon may run.
const LEAF_DAYS: i64 = 800;

/// An authority could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file of it.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate code refused.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A certificate on disk is none.
    #[error("a certificate could not be read")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// A certificate with its key, as a TLS server takes them.
pub struct Leaf {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
}

/// A certificate authority.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority `name` from `dir`, or makes it. The certificate is written before the key is used, both
    /// atomically, so that a kill between the two leaves either nothing or a key without certificate, which is made again.
    ///
    /// # Errors
    /// When a file cannot be read or written, or does not parse.
    pub fn open(dir: &Path, name: &str, common_name: &str) -> Result<Self, PkiError> {
        let (key_path, certificate_path) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.crt")));
        if key_path.exists() && certificate_path.exists() {
            let key = KeyPair::from_pem(&read(&key_path)?)?;
            let certificate = read(&certificate_path)?;
            let issuer = Issuer::new(authority_params(common_name), key);
            return Ok(Self { certificate, issuer });
        }
        fs::create_dir_all(dir).map_err(|source| PkiError::File { path: dir.to_owned(), source })?;
        let key = KeyPair::generate()?;
        let params = authority_params(common_name);
        let certificate = params.self_signed(&key)?.pem();
        write(&key_path, &key.serialize_pem())?;
        write(&certificate_path, &certificate)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Removes the authority `name` from `dir`; one that is not there is fine.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(dir: &Path, name: &str) -> Result<(), PkiError> {
        for path in [dir.join(format!("{name}.key")), dir.join(format!("{name}.crt"))] {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(PkiError::File { path, source }),
            }
        }
        Ok(())
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its certificate, DER.
    ///
    /// # Errors
    /// When what was read from disk is no certificate.
    pub fn certificate_der(&self) -> Result<CertificateDer<'static>, PkiError> {
        Ok(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)
    }

    /// A server certificate for these names and addresses, with a key of its own.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn issue(&self, common_name: &str, names: &[String]) -> Result<Leaf, PkiError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = distinguished(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, LEAF_DAYS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Leaf { chain: vec![certificate.der().clone()], key })
    }
}

fn distinguished(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
    validity(&mut params, AUTHORITY_DAYS);
    params
}

/// From five minutes ago, for clients whose clock is behind, for `days`.
fn validity(params: &mut CertificateParams, days: i64) {
    let now = std::time::SystemTime::now();
    params.not_before = (now - std::time::Duration::from_secs(300)).into();
    params.not_after = (now + std::time::Duration::from_secs(86_400 * days.unsigned_abs())).into();
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::File { path: path.to_owned(), source })
}

/// Writes a file of mode 0600 atomically.
fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    write_private(path, text.as_bytes())
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When it can't be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let temporary = path.with_extension("new");
    let attempt = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    attempt().map_err(|source| PkiError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_authority_stays_the_same_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open(dir.path(), "blue", "kubernetes").unwrap();
        let again = Authority::open(dir.path(), "blue", "kubernetes").unwrap();
        assert_eq!(first.certificate(), again.certificate());
        let mode = fs::metadata(dir.path().join("blue.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(again.issue("kube-apiserver", &["kubernetes".to_owned(), "10.100.0.1".to_owned()]).is_ok());
        Authority::remove(dir.path(), "blue").unwrap();
        Authority::remove(dir.path(), "blue").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
