//! The API's questions about users: whose token is this (`TokenReview`), and who am I (`SelfSubjectReview`).

use crate::features::Feature;
use crate::token_request::second;
use crate::user::UserInfo;
use crate::verify::TokenError;
use base::KubernetesVersion;
use jiff::Timestamp;
use k8s_types::Status;
use serde_json::{Map, Value, json};

const INVALID: &str = "invalid bearer token";

/// What a `TokenReview` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// The token.
    pub token: &'a str,
    /// For whom it should be; empty for the API server.
    pub audiences: Vec<String>,
}

/// What is known of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Whose it is, and for whom of those asked for.
    Known(&'a UserInfo, &'a [String]),
    /// Nobody's.
    Unknown,
    /// It seemed to be one of the cluster's, but is not good.
    Refused(&'a TokenError),
}

/// Reads a `TokenReview`.
///
/// # Errors
/// If there is no token in it.
pub fn question(review: &Value) -> Result<Question<'_>, Box<Status>> {
    let spec = review.get("spec");
    let token = spec.and_then(|spec| spec.get("token")).and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err(Box::new(Status::bad_request("token is required for TokenReview in authentication")));
    }
    let audiences = spec.and_then(|spec| spec.get("audiences")).and_then(Value::as_array);
    let audiences = audiences.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    Ok(Question { token, audiences })
}

/// Answers a `TokenReview`. `api_version` is that of the path.
pub fn answer(version: KubernetesVersion, api_version: &str, review: &Value, outcome: &Outcome<'_>) -> Value {
    let status = match outcome {
        Outcome::Known(user, audiences) => {
            let mut status = json!({"authenticated": true, "user": user.to_value()});
            if !audiences.is_empty() {
                status["audiences"] = json!(audiences);
            }
            status
        }
        Outcome::Unknown => json!({"user": {}, "error": INVALID}),
        // Two authenticators are asked, and one of them knows no cluster's tokens.
        Outcome::Refused(error) => json!({"user": {}, "error": format!("[{INVALID}, {error}]")}),
    };
    json!({
        "kind": "TokenReview",
        "apiVersion": api_version,
        "metadata": metadata(version, review),
        "spec": review.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": status,
    })
}

/// Answers a `SelfSubjectReview` of `user`'s. `api_version` is that of the path.
pub fn self_subject(api_version: &str, user: &UserInfo, now: Timestamp) -> Value {
    json!({
        "kind": "SelfSubjectReview",
        "apiVersion": api_version,
        "metadata": {"creationTimestamp": second(now)},
        "status": {"userInfo": user.to_value()},
    })
}

/// The metadata of what was posted. Nothing was created, which older servers write down.
fn metadata(version: KubernetesVersion, review: &Value) -> Map<String, Value> {
    let mut metadata = review.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    if Feature::NoNullCreationTimestamp.is_in(version) {
        metadata.retain(|key, value| key != "creationTimestamp" || !value.is_null());
    } else {
        metadata.entry("creationTimestamp").or_insert(Value::Null);
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoami_is_answered_with_a_time() {
        let user = UserInfo { name: "bob".to_owned(), ..UserInfo::default() }.authenticated();
        let text = self_subject("authentication.k8s.io/v1", &user, Timestamp::UNIX_EPOCH).to_string();
        assert_eq!(
            text,
            r#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":"1970-01-01T00:00:00Z"},"status":{"userInfo":{"username":"bob","groups":["system:authenticated"]}}}"#
        );
    }

    #[test]
    fn a_time_that_is_not_set_is_null_before_1_34() {
        let review = json!({"spec": {"token": "a"}});
        let answer =
            |minor| answer(KubernetesVersion::new(minor), "authentication.k8s.io/v1", &review, &Outcome::Unknown);
        assert_eq!(answer(33)["metadata"], json!({"creationTimestamp": null}));
        assert_eq!(answer(34)["metadata"], json!({}));
    }
}
