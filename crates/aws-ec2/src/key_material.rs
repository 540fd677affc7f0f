//! Keys in the forms that ssh and EC2 use: OpenSSH public lines, OpenSSH and PKCS #1 private files, fingerprints.
//! Sources: *Amazon EC2 User Guide*, "Verify the fingerprint"; RFC 4253 section 6.6; OpenSSH's PROTOCOL.key; RFC 8017.

use crate::md5::md5;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::{Ed25519KeyPair, RsaKeyPair};
use base::{hex, random_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The object identifier of RSA keys with its parameters, as DER.
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A new key pair.
pub(crate) struct NewKey {
    /// The private half, as a file that ssh takes.
    pub private: String,
    /// The public half as a line of `authorized_keys`, without a comment.
    pub public: String,
    /// AWS's fingerprint.
    pub fingerprint: String,
}

/// A public key that somebody brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// `rsa` or `ed25519`.
    pub kind: &'static str,
    /// As a line of `authorized_keys`, without a comment.
    pub line: String,
    /// AWS's fingerprint.
    pub fingerprint: String,
}

/// A new Ed25519 key; `None` when the library fails.
pub(crate) fn new_ed25519() -> Option<NewKey> {
    let pair = Ed25519KeyPair::generate().ok()?;
    let seed = pair.seed().ok()?;
    let seed =
        aws_lc_rs::encoding::AsBigEndian::<aws_lc_rs::encoding::Curve25519SeedBin<'_>>::as_be_bytes(&seed).ok()?;
    let public = pair.public_key().as_ref();
    let blob = ed25519_blob(public);
    Some(NewKey {
        private: openssh_private(seed.as_ref(), public, &blob),
        public: format!("ssh-ed25519 {}", STANDARD.encode(&blob)),
        fingerprint: sha256_fingerprint(&blob),
    })
}

/// A new RSA key of 2048 bits; `None` when the library fails. Takes some tenths of a second.
pub(crate) fn new_rsa() -> Option<NewKey> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
    let mut outer = Der(pkcs8.as_ref()).sequence()?;
    outer.take(0x02)?;
    outer.take(0x30)?;
    let pkcs1 = outer.take(0x04)?;
    let mut inner = Der(pkcs1).sequence()?;
    inner.take(0x02)?;
    let (modulus, exponent) = (inner.take(0x02)?, inner.take(0x02)?);
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, pkcs8.as_ref());
    Some(NewKey {
        private: pem("RSA PRIVATE KEY", pkcs1, 64),
        public: format!("ssh-rsa {}", STANDARD.encode(rsa_blob(modulus, exponent))),
        fingerprint: colons(sha1.as_ref()),
    })
}

/// Parses a public key in the forms that ImportKeyPair takes: an OpenSSH line, or its base64.
pub(crate) fn parse_public(material: &[u8]) -> Option<PublicKey> {
    let text = std::str::from_utf8(material).ok()?.trim();
    let mut words = text.split_ascii_whitespace();
    let (kind, data) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(data).ok()?;
    let mut fields = Blob(&blob);
    if fields.take()? != kind.as_bytes() {
        return None;
    }
    let line = format!("{kind} {}", STANDARD.encode(&blob));
    match kind {
        "ssh-ed25519" => {
            let is_key = fields.take()?.len() == 32 && fields.0.is_empty();
            is_key.then(|| PublicKey { kind: "ed25519", line, fingerprint: sha256_fingerprint(&blob) })
        }
        "ssh-rsa" => {
            let (exponent, modulus) = (fields.take()?, fields.take()?);
            // The sizes that EC2 takes: 1024 bits at the least, 8192 where the bound of the call's size is.
            let is_key = fields.0.is_empty() && (128..=1025).contains(&modulus.len()) && !exponent.is_empty();
            let fingerprint = colons(&md5(&subject_public_key(modulus, exponent)));
            is_key.then_some(PublicKey { kind: "rsa", line, fingerprint })
        }
        _ => None,
    }
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(":")
}

fn sha256_fingerprint(blob: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, blob).as_ref())
}

fn pem(label: &str, data: &[u8], width: usize) -> String {
    let text = STANDARD.encode(data);
    let lines: Vec<&str> = (0..text.len()).step_by(width).map(|at| &text[at..text.len().min(at + width)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(field);
}

fn ed25519_blob(public: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-ed25519");
    put(&mut blob, public);
    blob
}

fn rsa_blob(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-rsa");
    put(&mut blob, exponent);
    put(&mut blob, modulus);
    blob
}

/// OpenSSH's private key file, not encrypted.
fn openssh_private(seed: &[u8], public: &[u8], blob: &[u8]) -> String {
    let mut secret = Vec::new();
    let check = random_bytes::<4>();
    secret.extend(check);
    secret.extend(check);
    secret.extend(blob);
    put(&mut secret, &[seed, public].concat());
    put(&mut secret, b"");
    for pad in (1u8..).take((8 - secret.len() % 8) % 8) {
        secret.push(pad);
    }
    let mut file = b"openssh-key-v1\0".to_vec();
    for field in [&b"none"[..], b"none", b""] {
        put(&mut file, field);
    }
    file.extend(1u32.to_be_bytes());
    put(&mut file, blob);
    put(&mut file, &secret);
    pem("OPENSSH PRIVATE KEY", &file, 70)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 128 {
        out.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or_default()..];
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
        out.extend(bytes);
    }
    out.extend(content);
    out
}

/// An RSA public key as X.509's SubjectPublicKeyInfo.
fn subject_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = tlv(0x30, &[tlv(0x02, modulus), tlv(0x02, exponent)].concat());
    let bits = tlv(0x03, &[&[0], &key[..]].concat());
    tlv(0x30, &[RSA_ALGORITHM, &bits].concat())
}

/// Reads DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 128 {
            let (bytes, after) = rest.split_at_checked(length & 0x7f)?;
            // Four bytes count more than any key has.
            length = (bytes.len() <= 4).then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))?;
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }

    fn sequence(mut self) -> Option<Self> {
        self.take(0x30).map(Self)
    }
}

/// Reads the fields of an OpenSSH blob.
struct Blob<'a>(&'a [u8]);

impl<'a> Blob<'a> {
    fn take(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_of_each_kind_is_one_that_can_be_imported() {
        for (key, kind, label) in
            [(new_ed25519().unwrap(), "ed25519", "OPENSSH PRIVATE KEY"), (new_rsa().unwrap(), "rsa", "RSA PRIVATE KEY")]
        {
            let parsed = parse_public(format!("{} me@laptop\n", key.public).as_bytes()).unwrap();
            assert_eq!((parsed.kind, &parsed.line), (kind, &key.public));
            assert!(key.private.starts_with(&format!("-----BEGIN {label}-----\n")), "{}", key.private);
        }
    }

    #[test]
    fn the_private_rsa_key_is_the_public_ones() {
        let key = new_rsa().unwrap();
        let body: String = key.private.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_der(&STANDARD.decode(body).unwrap()).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let imported = parse_public(key.public.as_bytes()).unwrap();
        assert_eq!(imported.fingerprint, colons(&md5(der.as_ref())), "an import shows MD5 over the public key's DER");
        assert_eq!(key.fingerprint.len(), 20 * 3 - 1, "a created key shows SHA-1");
    }

    #[test]
    fn nonsense_is_no_key() {
        for bad in
            ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAQ=="]
        {
            assert_eq!(parse_public(bad.as_bytes()), None, "{bad}");
        }
    }
}
