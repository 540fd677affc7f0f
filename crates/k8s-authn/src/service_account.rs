//! Whether a verified token is still good: whether the account, and what the token is bound to, are what they were.

use crate::claims::{Claims, Reference};
use crate::features::Feature;
use crate::user::{self, UserInfo};
use crate::verify::{LEEWAY_SECONDS, TokenError};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base::KubernetesVersion;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The label of a secret whose token is accepted no more, with the day since when.
pub const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
/// The label of a secret with the day on which its token was used last.
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

const AUTO_GENERATED: &str = "Use tokens from the TokenRequest API or manually created secret-based tokens instead of \
                              auto-generated secret-based tokens.";

/// The names of the objects that must be looked up, in [`Claims::namespace`] but for the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needed<'a> {
    /// The service account.
    pub service_account: &'a str,
    /// The secret.
    pub secret: Option<&'a str>,
    /// The pod.
    pub pod: Option<&'a str>,
    /// The node; a pod's node is not looked at.
    pub node: Option<&'a str>,
}

/// The objects as they are; what is not there, or not needed, is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live<'a> {
    /// The service account.
    pub service_account: Option<&'a Value>,
    /// The secret.
    pub secret: Option<&'a Value>,
    /// The pod.
    pub pod: Option<&'a Value>,
    /// The node.
    pub node: Option<&'a Value>,
}

/// A token that is good, and what else comes of its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Whose it is, not in `system:authenticated` yet.
    pub user: UserInfo,
    /// What the client is to be warned of.
    pub warning: Option<&'static str>,
    /// For how many seconds the token lives longer than was asked for.
    pub stale_seconds: Option<i64>,
    /// The day to label the secret with ([`LAST_USED`]), if its label is older.
    pub last_used: Option<String>,
}

/// What must be looked up before [`check`].
pub fn needed<'a>(claims: &'a Claims) -> Needed<'a> {
    let name = |reference: &'a Option<Reference>| reference.as_ref().map(|it| it.name.as_str());
    let pod = name(&claims.pod);
    Needed {
        service_account: &claims.service_account.name,
        secret: name(&claims.secret),
        pod,
        node: name(&claims.node).filter(|_| pod.is_none()),
    }
}

/// Whose `token` is, which says `claims`, if all that it needs is as it was.
///
/// # Errors
/// If the account or what the token is bound to is gone, was made anew, or is deleted for longer than clocks differ.
pub fn check(
    version: KubernetesVersion,
    token: &str,
    claims: &Claims,
    live: &Live<'_>,
    now: Timestamp,
) -> Result<Admitted, TokenError> {
    if claims.is_legacy() {
        check_legacy(version, token, claims, live, now)
    } else {
        check_bound(version, claims, live, now)
    }
}

fn check_bound(
    version: KubernetesVersion,
    claims: &Claims,
    live: &Live<'_>,
    now: Timestamp,
) -> Result<Admitted, TokenError> {
    let account = Object::account(live, claims)?;
    let reference = &claims.service_account;
    if account.uid() != reference.uid {
        let (is, was) = (account.uid(), &reference.uid);
        return Err(TokenError::invalid(format!("service account UID ({is}) does not match claim ({was})")));
    }
    if account.is_long_deleted(now) {
        let text = format!("service account {}/{} has been deleted", claims.namespace, reference.name);
        return Err(TokenError::invalid(text));
    }
    let (pod, node) = (claims.pod.as_ref(), claims.node.as_ref());
    check_reference("secret", claims.secret.as_ref(), live.secret, now)?;
    check_reference("pod", pod, live.pod, now)?;
    if pod.is_none() && node.is_some() {
        if !Feature::TokenBoundToNodeAccepted.is_in(version) {
            let gate = "ServiceAccountTokenNodeBindingValidation";
            let text = format!("token is bound to a Node object but the {gate} feature gate is disabled");
            return Err(TokenError::invalid(text));
        }
        check_reference("node", node, live.node, now)?;
    }
    let stale = claims.warn_after.map(|after| now.as_second() - after).filter(|seconds| *seconds > 0);
    Ok(Admitted { user: bound_user(version, claims), warning: None, stale_seconds: stale, last_used: None })
}

/// What a bound token tells of its user.
fn bound_user(version: KubernetesVersion, claims: &Claims) -> UserInfo {
    let account = &claims.service_account;
    let mut user = UserInfo::service_account(&claims.namespace, &account.name, &account.uid);
    let mut put = |key: &str, value: &str| user.extra.insert(key.to_owned(), vec![value.to_owned()]);
    if let Some(pod) = claims.pod.as_ref().filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty()) {
        put(user::POD_NAME, &pod.name);
        put(user::POD_UID, &pod.uid);
    }
    let tells_node = Feature::TokenNodeOfPod.is_in(version);
    if let Some(node) = claims.node.as_ref().filter(|node| tells_node && !node.name.is_empty()) {
        put(user::NODE_NAME, &node.name);
        if !node.uid.is_empty() {
            put(user::NODE_UID, &node.uid);
        }
    }
    if Feature::TokenId.is_in(version) && !claims.id.is_empty() {
        put(user::CREDENTIAL_ID, &credential_id(&claims.id));
    }
    user
}

/// The credential id of a token with this `jti`.
pub fn credential_id(jti: &str) -> String {
    format!("JTI={jti}")
}

fn check_reference(
    what: &str,
    reference: Option<&Reference>,
    live: Option<&Value>,
    now: Timestamp,
) -> Result<(), TokenError> {
    let Some(reference) = reference else { return Ok(()) };
    let invalidated = || TokenError::invalid("service account token has been invalidated");
    let object = Object(live.ok_or_else(invalidated)?);
    if object.uid() != reference.uid {
        let (is, was) = (object.uid(), &reference.uid);
        let text = format!("{what} UID ({is}) does not match service account {what} ref claim ({was})");
        return Err(TokenError::invalid(text));
    }
    if object.is_long_deleted(now) { Err(invalidated()) } else { Ok(()) }
}

fn check_legacy(
    version: KubernetesVersion,
    token: &str,
    claims: &Claims,
    live: &Live<'_>,
    now: Timestamp,
) -> Result<Admitted, TokenError> {
    let invalidated = || TokenError::invalid("Token has been invalidated");
    let secret = Object(live.secret.ok_or_else(invalidated)?);
    if secret.is_deleted() {
        return Err(invalidated());
    }
    let kept = secret.0.pointer("/data/token").and_then(Value::as_str).unwrap_or_default();
    if verify_slices_are_equal(kept.as_bytes(), STANDARD.encode(token).as_bytes()).is_err() {
        return Err(TokenError::invalid("Token does not match server's copy"));
    }
    let account = Object::account(live, claims)?;
    let (namespace, Reference { name, uid }) = (&claims.namespace, &claims.service_account);
    if account.is_deleted() {
        return Err(TokenError::invalid(format!("ServiceAccount {namespace}/{name} has been deleted")));
    }
    if account.uid() != uid {
        let text = format!("ServiceAccount UID ({}) does not match claim ({uid})", account.uid());
        return Err(TokenError::invalid(text));
    }
    if Feature::LegacyTokenCleanUp.is_in(version) && !secret.label(INVALID_SINCE).is_empty() {
        return Err(TokenError::invalid(format!(
            "the token in secret {namespace}/{} for service account {namespace}/{name} has been marked invalid. Use \
             tokens from the TokenRequest API or manually created secret-based tokens, or remove the \
             '{INVALID_SINCE}' label from the secret to temporarily allow use of this token",
            secret.name()
        )));
    }
    let tracked = Feature::LegacyTokenTracking.is_in(version);
    let generated = tracked && account.has_secret(secret.name());
    Ok(Admitted {
        user: UserInfo::service_account(namespace, name, uid),
        warning: generated.then_some(AUTO_GENERATED),
        stale_seconds: None,
        last_used: tracked.then(|| day_to_note(secret.label(LAST_USED), now)).flatten(),
    })
}

/// Today, unless it is noted already, by this server or by one whose clock is ahead.
fn day_to_note(noted: &str, now: Timestamp) -> Option<String> {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let today = day(now);
    let tomorrow = now.checked_add(SignedDuration::from_hours(24)).map(day).unwrap_or_default();
    (noted != today && noted != tomorrow).then_some(today)
}

/// What is read of an object.
#[derive(Clone, Copy)]
struct Object<'a>(&'a Value);

impl<'a> Object<'a> {
    fn account(live: &Live<'a>, claims: &Claims) -> Result<Self, TokenError> {
        let missing = || TokenError::invalid(format!("serviceaccounts \"{}\" not found", claims.service_account.name));
        live.service_account.map(Self).ok_or_else(missing)
    }

    fn metadata(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get(key)?.as_str()
    }

    fn name(self) -> &'a str {
        self.metadata("name").unwrap_or_default()
    }

    fn uid(self) -> &'a str {
        self.metadata("uid").unwrap_or_default()
    }

    fn label(self, key: &str) -> &'a str {
        let label = || self.0.get("metadata")?.get("labels")?.get(key)?.as_str();
        label().unwrap_or_default()
    }

    fn is_deleted(self) -> bool {
        self.metadata("deletionTimestamp").is_some()
    }

    /// Whether it was deleted longer ago than clocks differ. A time that can't be read is long ago.
    fn is_long_deleted(self, now: Timestamp) -> bool {
        let Some(text) = self.metadata("deletionTimestamp") else { return false };
        text.parse::<Timestamp>().map_or(true, |at| at.as_second() < now.as_second() - LEEWAY_SECONDS)
    }

    fn has_secret(self, name: &str) -> bool {
        let secrets = self.0.get("secrets").and_then(Value::as_array);
        secrets.is_some_and(|it| it.iter().any(|secret| secret.get("name").and_then(Value::as_str) == Some(name)))
    }
}
