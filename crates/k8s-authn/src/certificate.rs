//! Client certificates: who the subject is. That the cluster's authority signed it is the TLS layer's to verify.

use crate::der::{self, Element, Reader};
use crate::features::Feature;
use crate::user::{CREDENTIAL_ID, Extra, UserInfo};
use aws_lc_rs::digest::{SHA256, digest};
use base::KubernetesVersion;
use jiff::Timestamp;

/// The longest certificate that is read, in bytes.
pub const LONGEST_CERTIFICATE: usize = 64 * 1024;

// Object identifiers, as DER has them.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
/// 1.3.6.1.4.1.57683.2
const USER_UID: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xc2, 0x53, 2];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Why a certificate makes nobody known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate, or one with a subject that can't be read.
    #[error("the client certificate is malformed")]
    Malformed,
    /// Before or after its time.
    #[error("the client certificate has expired or is not yet valid")]
    OutOfTime,
    /// Made for something else, as for servers.
    #[error("the client certificate is not for client authentication")]
    Usage,
    /// A uid that is empty, or several.
    #[error("the client certificate's subject has no single uid")]
    Uid,
}

/// What a certificate says that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    common_name: String,
    organizations: Vec<String>,
    uids: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    for_clients: bool,
    fingerprint: String,
}

impl ClientCertificate {
    /// Reads a certificate in DER, the leaf of the chain that the client showed.
    ///
    /// # Errors
    /// If it is malformed or too long.
    pub fn read(certificate: &[u8]) -> Result<Self, CertificateError> {
        let read = |bytes| Self::parse(bytes).ok_or(CertificateError::Malformed);
        let mut read = if certificate.len() > LONGEST_CERTIFICATE { read(&[]) } else { read(certificate) }?;
        read.fingerprint = base::ids::hex(digest(&SHA256, certificate).as_ref());
        Ok(read)
    }

    fn parse(certificate: &[u8]) -> Option<Self> {
        let mut outer = Reader::new(certificate);
        let mut signed = outer.enter(der::SEQUENCE).filter(|_| outer.is_empty())?.enter(der::SEQUENCE)?;
        signed.optional(der::context(0)); // version
        signed.take(der::INTEGER)?; // serial number
        signed.take(der::SEQUENCE)?; // signature algorithm
        signed.take(der::SEQUENCE)?; // issuer
        let mut validity = signed.enter(der::SEQUENCE)?;
        let mut read = Self {
            common_name: String::new(),
            organizations: Vec::new(),
            uids: Vec::new(),
            not_before: der::time(validity.next()?)?,
            not_after: der::time(validity.next()?)?,
            for_clients: true,
            fingerprint: String::new(),
        };
        read.read_subject(signed.enter(der::SEQUENCE)?)?;
        signed.take(der::SEQUENCE)?; // public key
        while !signed.is_empty() {
            let Element { tag, content } = signed.next()?;
            if tag == der::context(3) {
                read.read_extensions(Reader::new(content).enter(der::SEQUENCE)?)?;
            }
        }
        Some(read)
    }

    fn read_subject(&mut self, mut names: Reader<'_>) -> Option<()> {
        while !names.is_empty() {
            let mut set = names.enter(der::SET)?;
            while !set.is_empty() {
                let mut attribute = set.enter(der::SEQUENCE)?;
                let kind = attribute.take(der::OID)?;
                let text = der::text(attribute.next()?)?;
                match kind {
                    // The last one counts.
                    COMMON_NAME => self.common_name = text,
                    ORGANIZATION => self.organizations.push(text),
                    USER_UID => self.uids.push(text),
                    _ => {}
                }
            }
        }
        Some(())
    }

    fn read_extensions(&mut self, mut extensions: Reader<'_>) -> Option<()> {
        while !extensions.is_empty() {
            let mut extension = extensions.enter(der::SEQUENCE)?;
            let kind = extension.take(der::OID)?;
            extension.optional(der::BOOLEAN); // critical
            let value = extension.take(der::OCTET_STRING)?;
            if kind == EXTENDED_KEY_USAGE {
                let mut usages = Reader::new(value).enter(der::SEQUENCE)?;
                self.for_clients = false;
                while !usages.is_empty() {
                    let usage = usages.take(der::OID)?;
                    self.for_clients |= usage == CLIENT_AUTH || usage == ANY_USAGE;
                }
            }
        }
        Some(())
    }

    /// Until when the certificate is good.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The SHA-256 of the certificate, in hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The user that the certificate is of, not in `system:authenticated` yet: the common name, in the groups that
    /// are its organizations. `None` if it names nobody.
    ///
    /// # Errors
    /// If it is not good at `now`, not for clients, or has no sound uid where servers of `version` read one.
    pub fn user(&self, version: KubernetesVersion, now: Timestamp) -> Result<Option<UserInfo>, CertificateError> {
        if now < self.not_before || now > self.not_after {
            return Err(CertificateError::OutOfTime);
        }
        if !self.for_clients {
            return Err(CertificateError::Usage);
        }
        if self.common_name.is_empty() {
            return Ok(None);
        }
        let uid = match self.uids.as_slice() {
            _ if !Feature::CertificateUid.is_in(version) => "",
            [] => "",
            [uid] if !uid.is_empty() => uid,
            _ => return Err(CertificateError::Uid),
        };
        let mut extra = Extra::new();
        if Feature::CertificateId.is_in(version) {
            extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={}", self.fingerprint)]);
        }
        let (name, groups) = (self.common_name.clone(), self.organizations.clone());
        Ok(Some(UserInfo { name, uid: uid.to_owned(), groups, extra }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair};

    const UID: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];

    fn certificate(names: &[(DnType, &str)], usages: &[ExtendedKeyUsagePurpose]) -> Vec<u8> {
        let mut params = CertificateParams::new(["host".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in names {
            params.distinguished_name.push(kind.clone(), DnValue::Utf8String((*text).to_owned()));
        }
        params.extended_key_usages = usages.to_vec();
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn user(der: &[u8], minor: u8, at: &str) -> Result<Option<UserInfo>, CertificateError> {
        ClientCertificate::read(der)?.user(KubernetesVersion::new(minor), at.parse().unwrap())
    }

    const NOW: &str = "2024-06-01T00:00:00Z";

    #[test]
    fn the_subject_is_the_user() {
        let uid = DnType::CustomDnType(UID.to_vec());
        let names = [(DnType::CommonName, "system:node:n"), (DnType::OrganizationName, "system:nodes"), (uid, "42")];
        let der = certificate(&names, &[ExtendedKeyUsagePurpose::ClientAuth]);
        let old = user(&der, 24, NOW).unwrap().unwrap();
        let name = "system:node:n".to_owned();
        assert_eq!(old, UserInfo { name, groups: vec!["system:nodes".to_owned()], ..UserInfo::default() });
        let new = user(&der, 33, NOW).unwrap().unwrap();
        let id = format!("X509SHA256={}", base::ids::hex(digest(&SHA256, &der).as_ref()));
        assert_eq!(new.extra_value(CREDENTIAL_ID), Some(id.as_str()));
        assert_eq!(new.uid, "42");
        assert_eq!(user(&der, 32, NOW).unwrap().unwrap().uid, "");
        assert_eq!(user(&der, 32, NOW).unwrap().unwrap().extra.len(), 1);
        assert_eq!(user(&der, 31, NOW).unwrap().unwrap().extra.len(), 0);
    }

    #[test]
    fn a_certificate_has_its_time_and_its_use() {
        let name = [(DnType::CommonName, "a")];
        let der = certificate(&name, &[ExtendedKeyUsagePurpose::ServerAuth]);
        assert_eq!(user(&der, 36, NOW), Err(CertificateError::Usage));
        let der = certificate(&name, &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any]);
        assert!(user(&der, 36, NOW).is_ok());
        let der = certificate(&name, &[]);
        assert!(user(&der, 36, NOW).unwrap().is_some(), "one without usages is for all");
        assert_eq!(user(&der, 36, "2023-12-31T23:59:59Z"), Err(CertificateError::OutOfTime));
        assert_eq!(user(&der, 36, "2025-01-01T00:00:01Z"), Err(CertificateError::OutOfTime));
        let nobody = certificate(&[(DnType::OrganizationName, "a")], &[]);
        assert_eq!(user(&nobody, 36, NOW), Ok(None));
    }

    #[test]
    fn an_empty_uid_is_refused() {
        let names = [(DnType::CommonName, "a"), (DnType::CustomDnType(UID.to_vec()), "")];
        let der = certificate(&names, &[]);
        assert_eq!(user(&der, 36, NOW), Err(CertificateError::Uid));
        assert!(user(&der, 32, NOW).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = ClientCertificate::read(&bytes);
        }

        #[test]
        fn a_broken_certificate_is_read_or_refused(at in 0usize..400, byte in any::<u8>(), cut in 0usize..500) {
            let mut der = certificate(&[(DnType::CommonName, "a")], &[ExtendedKeyUsagePurpose::ClientAuth]);
            let at = at % der.len();
            der[at] = byte;
            der.truncate(cut);
            let _ = ClientCertificate::read(&der);
        }
    }
}
