//! Signing keys: four HMACs from a secret, the same for a day.

use super::Credential;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A thousand tenants with four services each. An entry is some 500 bytes: 2 MB when full.
const CACHED: usize = 4_096;

/// Derives the key that signs for a credential's day, region and service.
pub fn derive(secret: &str, credential: &Credential) -> hmac::Key {
    let start = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let scope = [&credential.day, &credential.region, &credential.service];
    let steps = scope.into_iter().map(String::as_str).chain(["aws4_request"]);
    steps.fold(start, |key, text| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, text.as_bytes()).as_ref()))
}

/// Keys derived before.
#[derive(Default)]
pub struct Cache {
    // The secret stands beside its key: an id that got a new secret must not go on with the old one's key.
    keys: Mutex<HashMap<Credential, (String, hmac::Key)>>,
}

impl Cache {
    /// The signing key, derived once for each credential.
    pub fn key(&self, secret: &str, credential: &Credential) -> hmac::Key {
        // A panic elsewhere can't leave a map half changed here.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, key)) = keys.get(credential)
            && verify_slices_are_equal(known.as_bytes(), secret.as_bytes()).is_ok()
        {
            return key.clone();
        }
        let key = derive(secret, credential);
        if keys.len() >= CACHED {
            keys.retain(|cached, _| cached.day == credential.day);
        }
        if keys.len() >= CACHED {
            keys.clear();
        }
        keys.insert(credential.clone(), (secret.to_owned(), key.clone()));
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(day: &str, region: &str) -> Credential {
        let text = |s: &str| s.to_owned();
        Credential { access_key_id: text("AK"), day: text(day), region: text(region), service: text("iam") }
    }

    fn mark(key: &hmac::Key) -> Vec<u8> {
        hmac::sign(key, b"x").as_ref().to_vec()
    }

    #[test]
    fn the_cache_answers_what_derivation_does() {
        let cache = Cache::default();
        let credential = credential("20150830", "us-east-1");
        for secret in ["a", "a", "b", "a"] {
            assert_eq!(mark(&cache.key(secret, &credential)), mark(&derive(secret, &credential)));
        }
    }

    #[test]
    fn the_cache_stays_bounded() {
        let cache = Cache::default();
        for i in 0..CACHED + 10 {
            cache.key("a", &credential("20150830", &format!("r{i}")));
        }
        assert!(cache.keys.lock().unwrap().len() <= CACHED);
    }
}
