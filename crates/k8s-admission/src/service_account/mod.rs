//! ServiceAccount: every pod acts as a service account of its namespace, and gets a token to do so.

mod secrets;
mod token;

use crate::step::{Outcome, forbidden, is_about, is_mirror};
use k8s_kinds::value::{Look, object_made, set};
use k8s_registry::admission::{Admission, Attempt, Operation};
use k8s_types::Status;
use serde_json::Value;

/// The plugin.
pub struct ServiceAccount;

const DEFAULT: &str = "default";

impl Admission for ServiceAccount {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        let creates = attempt.operation == Operation::Create && attempt.subresource.is_empty();
        if !creates || !is_about(attempt, "", "pods") {
            return Ok(());
        }
        if is_mirror(object) {
            return mirror(attempt, object);
        }
        let Some(spec) = object_made(object, "spec") else { return Ok(()) };
        if spec.text("serviceAccountName").is_empty() {
            set(spec, "serviceAccountName", DEFAULT);
        }
        // The older name of the field says the same.
        let name = spec.text("serviceAccountName").to_owned();
        set(spec, "serviceAccount", name);
        let account = account(attempt, object)?;
        if mounts_token(object, &account) {
            token::mount(object);
        }
        if let Some(spec) = object_made(object, "spec")
            && spec.items("imagePullSecrets").is_empty()
            && !account.items("imagePullSecrets").is_empty()
        {
            set(spec, "imagePullSecrets", account.at("imagePullSecrets").clone());
        }
        secrets::judge(&account, object).map_err(|why| forbidden(attempt, object, why))
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, _old: Option<&Value>) -> Outcome {
        if !is_about(attempt, "", "pods") {
            return Ok(());
        }
        let judge = match (attempt.operation, attempt.subresource) {
            (Operation::Create, "") => secrets::judge,
            (Operation::Update, "ephemeralcontainers") => secrets::judge_ephemeral,
            _ => return Ok(()),
        };
        if is_mirror(object) {
            return if attempt.operation == Operation::Create { mirror(attempt, object) } else { Ok(()) };
        }
        let account = account(attempt, object)?;
        judge(&account, object).map_err(|why| forbidden(attempt, object, why))
    }
}

/// A pod that its node runs by itself has nothing to do with what lies here.
fn mirror(attempt: &Attempt<'_>, pod: &Value) -> Outcome {
    let spec = pod.at("spec");
    let refuse = |why: &str| Err(forbidden(attempt, pod, why));
    if !spec.text("serviceAccountName").is_empty() {
        return refuse("a mirror pod may not reference service accounts");
    }
    if crate::node_restriction::refers_to(spec, crate::node_restriction::SECRETS) {
        return refuse("a mirror pod may not reference secrets");
    }
    let mut sources = spec.items("volumes").iter().flat_map(|it| it.at("projected").items("sources"));
    if sources.any(|it| it.has("serviceAccountToken")) {
        return refuse("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn account(attempt: &Attempt<'_>, pod: &Value) -> Result<Value, Box<Status>> {
    let name = pod.at("spec").text("serviceAccountName");
    attempt.registry.peek("", "serviceaccounts", attempt.namespace, name).ok_or_else(|| {
        let at = attempt.namespace;
        let why = format!("error looking up service account {at}/{name}: serviceaccount \"{name}\" not found");
        forbidden(attempt, pod, why)
    })
}

/// The pod says whether; then the account; and without a word it does.
fn mounts_token(pod: &Value, account: &Value) -> bool {
    let said = |it: &Value| it.at("automountServiceAccountToken").as_bool();
    said(pod.at("spec")).or_else(|| said(account)).unwrap_or(true)
}
