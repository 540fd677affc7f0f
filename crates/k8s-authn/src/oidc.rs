//! What lets others verify the cluster's tokens: *OpenID Connect Discovery 1.0*, as far as that goes.

use crate::key::{ALGORITHM, KeySet};
use serde_json::{Value, json};

/// Where [`configuration`] is served, as `application/json`.
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Where [`jwks`] is served.
pub const JWKS_PATH: &str = "/openid/v1/jwks";
/// The media type of [`jwks`], and the only one in which it is served.
pub const JWKS_MEDIA_TYPE: &str = "application/jwk-set+json";
/// The `Cache-Control` of both documents. A new key must be published for this long before it signs.
pub const CACHE_CONTROL: &str = "public, max-age=3600";

/// The provider's metadata. `jwks_uri` is where clients find the keys.
pub fn configuration(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    })
}

/// The keys, as a JSON Web Key Set.
pub fn jwks(keys: &KeySet) -> Value {
    json!({"keys": keys.iter().map(crate::key::PublicKey::to_jwk).collect::<Vec<_>>()})
}
