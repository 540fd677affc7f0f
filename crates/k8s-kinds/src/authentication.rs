//! The group `authentication.k8s.io`: asking who somebody is. Nothing of it is stored.

use crate::kind::{Context, Kind};
use crate::value::{Look, object_made, set_default};
use serde_json::{Value, json};

/// TokenReview: whose token is this?
pub(crate) struct TokenReview;

/// SelfSubjectReview: who am I?
pub(crate) struct SelfSubjectReview;

/// What a TokenReview without a token is answered: a bad request, not an invalid object.
pub fn token_review_fault(object: &Value) -> Option<&'static str> {
    object.at("spec").text("token").is_empty().then_some("token is required for TokenReview in authentication")
}

impl Kind for TokenReview {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            set_default(status, "user", json!({}));
        }
    }
}

impl Kind for SelfSubjectReview {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(status) = object_made(object, "status") {
            set_default(status, "userInfo", json!({}));
        }
    }
}
