//! ServiceAccount, and the request for one of its tokens.

use crate::value::{Look, object_made, set_default};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct ServiceAccount;

/// The options of `serviceaccounts/token`, of the group authentication.k8s.io.
#[derive(Debug)]
pub struct TokenRequest;

const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;

impl Kind for ServiceAccount {
    fn warnings(&self, object: &Value, _old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        if cx.minor < 32 || !object.look(&["metadata", "annotations"]).has(ENFORCE) {
            return Vec::new();
        }
        let text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
        vec![format!("metadata.annotations[{ENFORCE}]: {text}")]
    }
}

impl Kind for TokenRequest {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            set_default(spec, "expirationSeconds", 3600);
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let seconds = object.at("spec").int("expirationSeconds");
        let path = Path::new("spec.expirationSeconds");
        if seconds < SECONDS_MIN {
            return vec![FieldError::invalid(&path, seconds, "may not specify a duration less than 10 minutes")];
        }
        if seconds > SECONDS_MAX {
            return vec![FieldError::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds")];
        }
        Errors::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_live_ten_minutes_or_longer() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let count = |seconds: i64| TokenRequest.validate(&json!({"spec": {"expirationSeconds": seconds}}), &cx).len();
        assert_eq!([count(599), count(600), count(1 << 32), count((1 << 32) + 1)], [1, 0, 0, 1]);
        let mut it = json!({});
        TokenRequest.default(&mut it, &cx);
        assert_eq!(it["spec"]["expirationSeconds"], 3600);
    }
}
