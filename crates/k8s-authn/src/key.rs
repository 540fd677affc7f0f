//! The keys that service account tokens are signed with: RSA, at least 2048 bits, always by RS256.

use crate::claims::Claims;
use crate::der::{self, Reader};
use crate::jws;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// The algorithm of all tokens, as JSON Web Signature calls it.
pub const ALGORITHM: &str = "RS256";

const SHORTEST_BITS: usize = 2048;

/// Why there is no key, or no signature of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the encoding of an RSA key.
    #[error("not an RSA key")]
    NotRsa,
    /// An RSA key that is too short to trust.
    #[error("an RSA key of less than 2048 bits")]
    TooShort,
    /// The cryptography failed, for want of randomness or memory.
    #[error("the key could not be made or used")]
    Failed,
}

/// A key pair that signs tokens.
pub struct Signer {
    pair: KeyPair,
    public: Arc<PublicKey>,
    /// The header of each token that is signed, in base64url.
    header: String,
}

/// The half of a key that the world may know.
pub struct PublicKey {
    id: String,
    spki: Vec<u8>,
    modulus: String,
    exponent: String,
    parsed: ParsedPublicKey,
}

/// The keys whose tokens are good: the one that signs and, after a rotation, those that did.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Arc<PublicKey>>,
}

impl Signer {
    /// A new key of 2048 bits. Takes a good part of a second.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Failed)?)
    }

    /// A key that [`Signer::to_pkcs8`] stored, or any RSA key in PKCS#8.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(KeyPair::from_pkcs8(der).map_err(|_| KeyError::NotRsa)?)
    }

    fn new(pair: KeyPair) -> Result<Self, KeyError> {
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError::Failed)?;
        let public = Arc::new(PublicKey::from_spki(spki.as_ref())?);
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": ALGORITHM, "kid": public.id}).to_string());
        Ok(Self { pair, public, header })
    }

    /// The secret key, to be stored.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| KeyError::Failed)?;
        Ok(der.as_ref().to_vec())
    }

    /// What verifies this key's tokens.
    pub fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// A token that says `claims`.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        jws::sign(&self.header, &claims.to_json(), |message| {
            let mut signature = vec![0; self.pair.public_modulus_len()];
            let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
            signed.map(|()| signature).map_err(|_| KeyError::Failed)
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// A key of its `SubjectPublicKeyInfo` in DER.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = components(der).ok_or(KeyError::NotRsa)?;
        if modulus.len() * 8 < SHORTEST_BITS {
            return Err(KeyError::TooShort);
        }
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).map_err(|_| KeyError::NotRsa)?;
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)),
            spki: der.to_vec(),
            modulus: URL_SAFE_NO_PAD.encode(modulus),
            exponent: URL_SAFE_NO_PAD.encode(exponent),
            parsed,
        })
    }

    /// What tokens call the key by (`kid`): the SHA-256 of its DER, in base64url.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// As a JSON Web Key.
    pub fn to_jwk(&self) -> Value {
        json!({
            "use": "sig",
            "kty": "RSA",
            "kid": self.id,
            "alg": ALGORITHM,
            "n": self.modulus,
            "e": self.exponent,
        })
    }

    /// Whether `signature` is this key's of `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id).finish()
    }
}

impl KeySet {
    /// These keys, the signing one first. A key that comes twice counts once.
    pub fn new(keys: impl IntoIterator<Item = Arc<PublicKey>>) -> Self {
        let mut set = Self::default();
        for key in keys {
            if set.keys.iter().all(|it| it.id != key.id) {
                set.keys.push(key);
            }
        }
        set
    }

    /// The keys that a token may be signed with that says it is of key `id`: that one, or any if it does not say.
    pub fn candidates<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a PublicKey> {
        self.keys.iter().map(|key| &**key).filter(move |key| id.is_empty() || key.id == id)
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().map(|key| &**key)
    }
}

/// The modulus and exponent of an RSA key's `SubjectPublicKeyInfo`, without leading zeros.
fn components(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Reader::new(spki).enter(der::SEQUENCE)?;
    info.enter(der::SEQUENCE)?;
    let (0, key) = info.take(der::BIT_STRING)?.split_first()? else { return None };
    let mut key = Reader::new(key).enter(der::SEQUENCE)?;
    Some((der::unsigned(key.take(der::INTEGER)?)?, der::unsigned(key.take(der::INTEGER)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_the_same_after_it_was_stored() {
        let signer = Signer::generate().unwrap();
        let again = Signer::from_pkcs8(&signer.to_pkcs8().unwrap()).unwrap();
        assert_eq!(signer.public().to_jwk(), again.public().to_jwk());
        let public = PublicKey::from_spki(signer.public().spki()).unwrap();
        assert_eq!(public.id(), signer.public().id());
        assert_eq!(public.to_jwk()["e"], "AQAB");
        assert_eq!(URL_SAFE_NO_PAD.decode(public.to_jwk()["n"].as_str().unwrap()).unwrap().len(), 256);
        assert_eq!(URL_SAFE_NO_PAD.decode(public.id()).unwrap().len(), 32);
        assert!(!format!("{signer:?}").contains("pair"), "the secret key is not printed");
    }

    #[test]
    fn a_key_comes_once_in_a_set() {
        let signer = Signer::generate().unwrap();
        let set = KeySet::new([signer.public().clone(), signer.public().clone()]);
        assert_eq!(set.iter().count(), 1);
        assert_eq!(set.candidates("").count(), 1);
        assert_eq!(set.candidates(signer.public().id()).count(), 1);
        assert_eq!(set.candidates("x").count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(PublicKey::from_spki(&bytes).is_err());
            prop_assert!(Signer::from_pkcs8(&bytes).is_err());
        }
    }
}
