//! Secrets with a service account's token: they are filled, and end with their account.

use crate::access::{Cluster, Key, MANAGER, Place, options};
use crate::config::TokenFor;
use crate::metadata::{at, mentions};
use crate::runner::{Seen, Work};
use k8s_registry::{DeleteOptions, Options, Stored, Target};
use k8s_types::Status;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const USER: &str = "system:kube-controller-manager";
/// The type of these Secrets.
const TYPE: &str = "kubernetes.io/service-account-token";
/// Names a Secret's account.
const ACCOUNT: &str = "kubernetes.io/service-account.name";
/// The account's uid.
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Takes in a change, or an object that was there before. Returns what has to be looked at.
pub(crate) fn observe(seen: &Seen<'_>) -> Option<Work> {
    let place = &seen.place;
    if place.is("", "secrets") {
        let last = seen.now.as_ref().or(seen.before.as_ref())?;
        return mentions(&last.bytes, TYPE).then(|| match seen.now {
            Some(_) => Work::Token(seen.key.clone()),
            None => Work::Forget {
                namespace: place.namespace.into(),
                account: account_of(last).into(),
                secret: place.name.into(),
            },
        });
    }
    // Secrets that were there before are looked at themselves.
    let turns = seen.live && (seen.now.is_none() || seen.before.is_none());
    (turns && place.is("", "serviceaccounts")).then(|| Work::Account(place.namespace.into(), place.name.into()))
}

/// The account that a stored Secret names.
fn account_of(stored: &Stored) -> String {
    let metadata = crate::metadata::of_stored(&stored.bytes);
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    annotations.map(|it| crate::metadata::text(it, ACCOUNT)).unwrap_or_default().to_owned()
}

fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    object.pointer("/metadata/annotations").and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// What becomes of a token Secret.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is as it should be, or no such Secret.
    Keep,
    /// Its account is not there.
    Delete,
    /// It lacks this.
    Fill(Value),
}

/// What becomes of a Secret, given its account.
fn fate(secret: &Value, account: Option<&Value>, root_ca: &str, token: impl FnOnce() -> Option<String>) -> Fate {
    if at(secret, "/type") != TYPE || annotation(secret, ACCOUNT).is_empty() {
        return Fate::Keep;
    }
    let uid = account.map(|it| at(it, "/metadata/uid")).unwrap_or_default();
    let named = annotation(secret, ACCOUNT_UID);
    if account.is_none() || !named.is_empty() && named != uid {
        return Fate::Delete;
    }
    let has =
        |name: &str| secret.pointer("/data").and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or_default();
    let mut data = Map::new();
    for (name, value) in [("ca.crt", root_ca), ("namespace", at(secret, "/metadata/namespace"))] {
        let encoded = base64(value.as_bytes());
        // A namespace that somebody wrote is left to them.
        let wrong = if name == "ca.crt" { has(name) != encoded } else { has(name).is_empty() };
        if wrong {
            data.insert(name.to_owned(), Value::from(encoded));
        }
    }
    if has("token").is_empty()
        && let Some(token) = token()
    {
        data.insert("token".to_owned(), Value::from(base64(token.as_bytes())));
    }
    if data.is_empty() && named == uid {
        return Fate::Keep;
    }
    Fate::Fill(json!({"metadata": {"annotations": {ACCOUNT_UID: uid}}, "data": data}))
}

/// Fills a Secret, or ends it.
pub(crate) async fn token(cluster: Arc<Cluster>, key: Key) -> Result<(), Box<Status>> {
    let Some(place) = Place::of(cluster.catalog(), &key) else { return Ok(()) };
    let Some(stored) = cluster.stored(&key)? else { return Ok(()) };
    let secret = cluster.registry.read(&place.endpoint, &stored);
    let name = annotation(&secret, ACCOUNT);
    let account = cluster.registry.peek("", "serviceaccounts", place.namespace, name);
    let account_uid = account.as_ref().map(|it| at(it, "/metadata/uid")).unwrap_or_default();
    let fate = fate(&secret, account.as_ref(), &cluster.config.root_ca, || {
        (cluster.config.tokens)(&TokenFor {
            namespace: place.namespace,
            account: name,
            account_uid,
            secret: place.name,
        })
    });
    match fate {
        Fate::Keep => Ok(()),
        Fate::Delete => {
            let uid = Some(at(&secret, "/metadata/uid").to_owned());
            let delete = DeleteOptions { uid, ..DeleteOptions::default() };
            cluster.delete(place.target(), &delete, writer()).await
        }
        Fate::Fill(mut patch) => {
            patch["metadata"]["resourceVersion"] = Value::from(stored.revision.to_string());
            cluster.merge(place.target(), patch, writer()).await.map(drop)
        }
    }
}

fn writer() -> Options<'static> {
    options(USER, MANAGER)
}

/// After an account came or went: its Secrets have to be looked at.
pub(crate) fn account(cluster: &Cluster, namespace: &str, name: &str) -> Result<Vec<Work>, Box<Status>> {
    let secrets = cluster.core("secrets")?;
    let mut look = Vec::new();
    for stored in cluster.all(secrets, namespace)? {
        if mentions(&stored.bytes, TYPE) && account_of(&stored) == name {
            look.extend(std::str::from_utf8(&stored.key).map(|it| Work::Token(Arc::from(it))));
        }
    }
    Ok(look)
}

/// After a Secret went: its account does not list it any more.
pub(crate) async fn forget(cluster: Arc<Cluster>, namespace: Key, name: Key, secret: Key) -> Result<(), Box<Status>> {
    let (accounts, secrets) = (cluster.core("serviceaccounts")?, cluster.core("secrets")?);
    if cluster.registry.find(secrets, &namespace, &secret)?.is_some() {
        return Ok(());
    }
    let Some(stored) = cluster.registry.find(accounts, &namespace, &name)? else { return Ok(()) };
    if !mentions(&stored.bytes, "\"secrets\"") {
        return Ok(());
    }
    let account = cluster.registry.read(accounts, &stored);
    let listed = account.get("secrets").and_then(Value::as_array);
    let keep: Vec<&Value> = listed.into_iter().flatten().filter(|it| at(it, "/name") != &*secret).collect();
    if listed.is_none_or(|it| it.len() == keep.len()) {
        return Ok(());
    }
    let left = if keep.is_empty() { Value::Null } else { json!(keep) };
    let patch = json!({"metadata": {"resourceVersion": stored.revision.to_string()}, "secrets": left});
    let target = Target { endpoint: accounts, subresource: "", namespace: &namespace, name: &name };
    cluster.merge(target, patch, writer()).await.map(drop)
}

/// Base64 as RFC 4648 has it (section 4), as bytes stand in JSON.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().enumerate().fold(0u32, |all, (at, byte)| all | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = ALPHABET.get((number >> (18 - 6 * at)) as usize & 63);
            let letter = if at <= group.len() { letter } else { None };
            text.push(letter.map_or('=', |it| char::from(*it)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Value {
        json!({"type": TYPE, "metadata": {"name": "s", "namespace": "gc-sa", "annotations": {ACCOUNT: "x"}}})
    }

    #[test]
    fn rfc_4648_section_10() {
        let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let want = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(words.map(|it| base64(it.as_bytes())), want);
    }

    #[test]
    fn secrets_live_with_their_account() {
        let account = json!({"metadata": {"name": "x", "uid": "u"}});
        let fate_of = |secret: &Value, account| fate(secret, account, "pem", || Some("t".to_owned()));
        assert_eq!(fate_of(&secret(), None), Fate::Delete);
        let Fate::Fill(patch) = fate_of(&secret(), Some(&account)) else { panic!() };
        assert_eq!(patch["data"], json!({"ca.crt": "cGVt", "namespace": "Z2Mtc2E=", "token": "dA=="}));
        let mut filled = secret();
        filled["data"] = patch["data"].clone();
        filled["metadata"]["annotations"][ACCOUNT_UID] = json!("u");
        assert_eq!(fate_of(&filled, Some(&account)), Fate::Keep);
        filled["data"]["ca.crt"] = json!("");
        let Fate::Fill(patch) = fate_of(&filled, Some(&account)) else { panic!() };
        assert_eq!(patch["data"], json!({"ca.crt": "cGVt"}), "the token stays");
        filled["metadata"]["annotations"][ACCOUNT_UID] = json!("another");
        assert_eq!(fate_of(&filled, Some(&account)), Fate::Delete);
        assert_eq!(fate_of(&json!({"type": "Opaque"}), None), Fate::Keep);
    }
}
