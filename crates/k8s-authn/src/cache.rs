//! Tokens that were found good a moment ago.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock};

/// For how long API servers take a token for good that was good, in seconds.
pub const USUAL_SECONDS: i64 = 10;

/// What is known of tokens, by the SHA-256 of each: the tokens themselves are not kept.
///
/// It has two generations. When the younger one is full, the older one is forgotten and the younger becomes it, so that
/// the cache never holds more than twice its capacity, and neither a look nor an insertion ever searches for a victim.
#[derive(Debug)]
pub struct TokenCache<T> {
    capacity: usize,
    generations: RwLock<Generations<T>>,
}

#[derive(Debug)]
struct Generations<T> {
    young: Entries<T>,
    old: Entries<T>,
}

type Key = [u8; 32];
type Entries<T> = HashMap<Key, Entry<T>, BuildHasherDefault<Prefix>>;

#[derive(Debug)]
struct Entry<T> {
    value: T,
    /// In nanoseconds.
    expires: i128,
}

impl<T: Clone> TokenCache<T> {
    /// A cache of at least `capacity` tokens, and at most twice as many.
    pub fn new(capacity: usize) -> Self {
        let generations = Generations { young: Entries::default(), old: Entries::default() };
        Self { capacity: capacity.max(1), generations: RwLock::new(generations) }
    }

    /// What is known of `token` at `now`.
    pub fn get(&self, token: &str, now: Timestamp) -> Option<T> {
        let key = key(token);
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let entry = generations.young.get(&key).or_else(|| generations.old.get(&key))?;
        (now.as_nanosecond() < entry.expires).then(|| entry.value.clone())
    }

    /// Keeps what is known of `token` until `expires`.
    pub fn insert(&self, token: &str, value: T, expires: Timestamp) {
        let key = key(token);
        let entry = Entry { value, expires: expires.as_nanosecond() };
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= self.capacity && !generations.young.contains_key(&key) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, entry);
    }

    /// Forgets all tokens, as when keys change.
    pub fn clear(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.young.clear();
        generations.old.clear();
    }

    /// How many tokens are kept, those whose time is over among them.
    pub fn len(&self) -> usize {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        generations.young.len() + generations.old.len()
    }

    /// Whether no token is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(token: &str) -> Key {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
        *to = *from;
    }
    key
}

/// A digest is as good as random: its first bytes are its hash.
#[derive(Debug, Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_known_for_its_time() {
        let cache = TokenCache::new(2);
        cache.insert("a", 1, at(10));
        assert_eq!(cache.get("a", at(9)), Some(1));
        assert_eq!(cache.get("a", at(10)), None);
        assert_eq!(cache.get("b", at(0)), None);
        cache.insert("a", 2, at(20));
        assert_eq!((cache.get("a", at(10)), cache.len()), (Some(2), 1));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn it_never_grows_past_its_bounds() {
        let cache = TokenCache::new(4);
        for number in 0..100 {
            cache.insert(&number.to_string(), number, at(10));
            assert!(cache.len() <= 8);
            for recent in (number - 3).max(0)..=number {
                assert_eq!(cache.get(&recent.to_string(), at(0)), Some(recent));
            }
        }
        assert_eq!(cache.get("0", at(0)), None);
    }

    /// Prints what a look costs: `cargo test --release -p k8s-authn a_look -- --nocapture --ignored`.
    #[test]
    #[ignore = "a measurement"]
    fn a_look_takes_less_than_a_microsecond() {
        let cache = TokenCache::new(1000);
        let tokens: Vec<String> = (0..1000).map(|number| format!("{number}{}", "x".repeat(900))).collect();
        for token in &tokens {
            cache.insert(token, Arc::new(()), at(10));
        }
        // The quickest of many rounds, as others use the machine, too.
        let measure = |what: &str, look: &dyn Fn(&str)| {
            let round = || {
                let start = Instant::now();
                tokens.iter().for_each(|token| look(token));
                start.elapsed().as_nanos() / 1000
            };
            println!("{what}: {} ns", (0..200).map(|_| round()).min().unwrap());
        };
        measure("a look", &|token| assert!(cache.get(token, at(0)).is_some()));
        measure("of it, the digest", &|token| {
            std::hint::black_box(key(token));
        });
    }
}
