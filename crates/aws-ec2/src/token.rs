//! Client tokens: the same call with the same token makes nothing new.
//! Source: *Amazon EC2 API Reference*, "Ensuring idempotency".

use crate::derive;
use crate::error::{Result, refuse};
use crate::side_records::{TOKEN_ROOT, TokenUse};
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How long a token is known. SDKs send one with many calls, so tokens must end some time; a client that still retries
/// after a day does not exist.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The token of one call; keeps nothing when the call has none.
pub(crate) struct Token {
    key: Option<String>,
    fingerprint: String,
}

impl Token {
    /// The token of a call of `operation` with `input`.
    pub fn of(world: &World<'_, '_>, operation: &str, token: &Option<String>, input: &impl Serialize) -> Self {
        let given = token.as_deref().filter(|it| !it.is_empty());
        let key = given.map(|it| format!("{TOKEN_ROOT}{}/{}/{operation}/{it}", world.account(), world.region()));
        let text = serde_json::to_vec(input).unwrap_or_default();
        Self { key, fingerprint: derive::fingerprint(&text) }
    }

    /// What an earlier call with this token made.
    pub fn made(&self, world: &World<'_, '_>) -> Result<Option<Vec<String>>> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(earlier) = world.entry::<TokenUse>(key)? else { return Ok(None) };
        if earlier.fingerprint != self.fingerprint {
            return Err(refuse(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        Ok(Some(earlier.made))
    }

    /// Remembers what this call made.
    pub fn keep(&self, world: &mut World<'_, '_>, made: Vec<String>) -> Result<()> {
        match &self.key {
            Some(key) => {
                let at = world.scope.now;
                world.put_entry(key.clone(), &TokenUse { fingerprint: self.fingerprint.clone(), made, at })
            }
            None => Ok(()),
        }
    }
}

/// Whether a token has been known long enough.
pub(crate) fn is_over(token: &TokenUse, now: Timestamp) -> bool {
    now.duration_since(token.at) >= KNOWN_FOR
}
