//! ValidatingWebhookConfiguration and MutatingWebhookConfiguration.

use super::rules;
use crate::checks::{one_of, one_of_if_given};
use crate::client_config;
use crate::kind::{Context, Kind};
use crate::value::{Look, items_mut, object_mut, remove, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];

/// See the module.
pub(crate) struct WebhookConfiguration {
    /// Whether the webhooks may change what they see.
    pub(crate) mutating: bool,
}

impl Kind for WebhookConfiguration {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        for webhook in items_mut(object, "webhooks") {
            set_default(webhook, "failurePolicy", "Fail");
            rules::default_match(webhook, &["rules"]);
            set_default(webhook, "timeoutSeconds", 10);
            if self.mutating {
                set_default(webhook, "reinvocationPolicy", "Never");
            }
            if let Some(config) = object_mut(webhook, "clientConfig") {
                client_config::default(config);
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        if cx.minor < 28 {
            for webhook in items_mut(object, "webhooks") {
                remove(webhook, "matchConditions");
            }
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (webhooks, path) = (object.items("webhooks"), Path::new("webhooks"));
        for (index, webhook) in webhooks.iter().enumerate() {
            let (name, path) = (webhook.text("name"), path.index(index));
            self.validate_webhook(&mut errors, webhook, &path);
            if webhooks.iter().take(index).any(|other| other.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        errors
    }
}

impl WebhookConfiguration {
    fn validate_webhook(&self, errors: &mut Errors, it: &Value, path: &Path) {
        errors.extend(names::fully_qualified_name(&path.child("name"), it.text("name")));
        for (index, rule) in it.items("rules").iter().enumerate() {
            rules::validate_rule(errors, rule, &path.child("rules").index(index));
        }
        one_of_if_given(errors, it, path, "failurePolicy", &["Fail", "Ignore"]);
        rules::validate_match(errors, it, path);
        if it.has("sideEffects") {
            one_of(errors, it, path, "sideEffects", SIDE_EFFECTS);
        } else {
            errors.push(FieldError::required(&path.child("sideEffects"), "must specify one of None, NoneOnDryRun"));
        }
        if let Some(seconds) = it.opt_int("timeoutSeconds").filter(|it| !(1..=30).contains(it)) {
            let why = "the timeout value must be between 1 and 30 seconds";
            errors.push(FieldError::invalid(&path.child("timeoutSeconds"), seconds, why));
        }
        if self.mutating {
            one_of_if_given(errors, it, path, "reinvocationPolicy", &["IfNeeded", "Never"]);
        }
        client_config::validate(errors, it.at("clientConfig"), &path.child("clientConfig"));
        validate_versions(errors, it, &path.child("admissionReviewVersions"));
        rules::validate_conditions(errors, it, path);
    }
}

fn validate_versions(errors: &mut Errors, it: &Value, path: &Path) {
    let versions: Vec<&str> = it.texts("admissionReviewVersions").collect();
    if versions.is_empty() {
        errors.push(FieldError::required(path, "must specify one of v1, v1beta1"));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if versions.iter().take(index).any(|other| other == version) {
            errors.push(FieldError::invalid(&path.index(index), *version, "duplicate version"));
            continue;
        }
        errors.extend(names::invalid_each(&path.index(index), *version, names::dns1035_label(version)));
    }
    if !versions.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
        let why = "must include at least one of v1, v1beta1";
        errors.push(FieldError::invalid(path, it.at("admissionReviewVersions").clone(), why));
    }
}
