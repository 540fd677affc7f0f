//! What a service account's token says.

use crate::features::Feature;
use crate::jws;
use crate::user;
use base::KubernetesVersion;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The issuer of secrets' tokens, whatever the cluster.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// What a token says: those of both forms, a bound one and a secret's, in one type. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// `iss`: whose token it is.
    pub issuer: String,
    /// `sub`: the user name.
    pub subject: String,
    /// `aud`: for whom it is; empty in a secret's token.
    pub audiences: Vec<String>,
    /// `exp`
    pub expires: Option<i64>,
    /// `iat`
    pub issued: Option<i64>,
    /// `nbf`
    pub not_before: Option<i64>,
    /// `jti`, or empty.
    pub id: String,
    /// The service account's namespace.
    pub namespace: String,
    /// The service account.
    pub service_account: Reference,
    /// The pod that the token ends with.
    pub pod: Option<Reference>,
    /// The secret that the token ends with; of a secret's token, that secret without its uid.
    pub secret: Option<Reference>,
    /// The node that the token ends with or, beside a pod, the pod's node.
    pub node: Option<Reference>,
    /// Since when the token is used longer than its bearer asked for.
    pub warn_after: Option<i64>,
}

/// An object that a token names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// What a token ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// A pod, and the node it is on.
    Pod(Reference, Option<Reference>),
    /// A secret.
    Secret(Reference),
    /// A node.
    Node(Reference),
}

/// How long a token lives, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it is accepted.
    pub seconds: i64,
    /// After how long its use is noticed, where it lives longer than asked for.
    pub warn_after: Option<i64>,
}

impl Reference {
    /// The object of this name and uid.
    pub fn new(name: &str, uid: &str) -> Self {
        Self { name: name.to_owned(), uid: uid.to_owned() }
    }
}

impl Claims {
    /// Those of a new token for `account` in `namespace`. `id` is for this token alone; servers of a `version` before
    /// it has ids, or names a pod's node, leave those out.
    pub fn bound(
        version: KubernetesVersion,
        issuer: &str,
        (namespace, account): (&str, Reference),
        binding: Option<Binding>,
        audiences: Vec<String>,
        (now, lifetime): (Timestamp, Lifetime),
        id: &str,
    ) -> Self {
        let now = now.as_second();
        let mut claims = Self {
            issuer: issuer.to_owned(),
            subject: user::service_account_name(namespace, &account.name),
            audiences,
            expires: Some(now.saturating_add(lifetime.seconds)),
            issued: Some(now),
            not_before: Some(now),
            namespace: namespace.to_owned(),
            service_account: account,
            warn_after: lifetime.warn_after.map(|after| now.saturating_add(after)),
            ..Self::default()
        };
        if Feature::TokenId.is_in(version) {
            id.clone_into(&mut claims.id);
        }
        match binding {
            Some(Binding::Pod(pod, node)) => {
                claims.pod = Some(pod);
                claims.node = node.filter(|_| Feature::TokenNodeOfPod.is_in(version));
            }
            Some(Binding::Secret(secret)) => claims.secret = Some(secret),
            Some(Binding::Node(node)) => claims.node = Some(node),
            None => {}
        }
        claims
    }

    /// Those of the token that is kept in `secret`.
    pub fn legacy(namespace: &str, account: Reference, secret: &str) -> Self {
        Self {
            issuer: LEGACY_ISSUER.to_owned(),
            subject: user::service_account_name(namespace, &account.name),
            namespace: namespace.to_owned(),
            service_account: account,
            secret: Some(Reference::new(secret, "")),
            ..Self::default()
        }
    }

    /// Whether this is a secret's token, of the form before tokens were bound.
    pub fn is_legacy(&self) -> bool {
        self.issuer == LEGACY_ISSUER
    }

    /// As JSON, in the order of the names as issuers write them.
    pub fn to_json(&self) -> String {
        let text = if self.is_legacy() {
            serde_json::to_string(&LegacyOut {
                iss: &self.issuer,
                namespace: &self.namespace,
                secret: self.secret.as_ref().map_or("", |it| &it.name),
                account: &self.service_account.name,
                uid: &self.service_account.uid,
                sub: &self.subject,
            })
        } else {
            serde_json::to_string(&BoundOut {
                aud: &self.audiences,
                exp: self.expires,
                iat: self.issued,
                iss: &self.issuer,
                jti: &self.id,
                kubernetes: KubernetesOut {
                    namespace: &self.namespace,
                    node: self.node.as_ref(),
                    pod: self.pod.as_ref(),
                    secret: self.secret.as_ref(),
                    serviceaccount: &self.service_account,
                    warnafter: self.warn_after,
                },
                nbf: self.not_before,
                sub: &self.subject,
            })
        };
        // Strings and numbers are always written.
        text.unwrap_or_default()
    }

    /// Reads a token's payload.
    pub(crate) fn from_json(payload: &[u8]) -> Option<Self> {
        let read: In = jws::object(payload)?;
        let legacy = read.iss == LEGACY_ISSUER;
        let mut claims = Self {
            issuer: read.iss,
            subject: read.sub,
            audiences: read.aud.0,
            expires: read.exp.map(Seconds::whole),
            issued: read.iat.map(Seconds::whole),
            not_before: read.nbf.map(Seconds::whole),
            id: read.jti,
            ..Self::default()
        };
        if legacy {
            claims.namespace = read.legacy_namespace;
            claims.service_account = Reference { name: read.legacy_account, uid: read.legacy_uid };
            claims.secret = Some(Reference { name: read.legacy_secret, uid: String::new() });
        } else {
            claims.namespace = read.kubernetes.namespace;
            claims.service_account = read.kubernetes.serviceaccount;
            claims.pod = read.kubernetes.pod;
            claims.secret = read.kubernetes.secret;
            claims.node = read.kubernetes.node;
            claims.warn_after = read.kubernetes.warnafter.map(Seconds::whole).filter(|after| *after != 0);
        }
        Some(claims)
    }
}

#[derive(Serialize)]
struct BoundOut<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aud: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    iss: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    jti: &'a str,
    #[serde(rename = "kubernetes.io")]
    kubernetes: KubernetesOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    sub: &'a str,
}

#[derive(Serialize)]
struct KubernetesOut<'a> {
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a Reference>,
    serviceaccount: &'a Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnafter: Option<i64>,
}

#[derive(Serialize)]
struct LegacyOut<'a> {
    iss: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    account: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    uid: &'a str,
    sub: &'a str,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct In {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: Option<Seconds>,
    iat: Option<Seconds>,
    nbf: Option<Seconds>,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: KubernetesIn,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    legacy_namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    legacy_secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    legacy_account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    legacy_uid: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KubernetesIn {
    namespace: String,
    serviceaccount: Reference,
    pod: Option<Reference>,
    secret: Option<Reference>,
    node: Option<Reference>,
    warnafter: Option<Seconds>,
}

/// One audience may stand without a list around it.
#[derive(Default)]
struct Audiences(Vec<String>);

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            Many(Vec<String>),
        }
        Ok(Self(match Form::deserialize(from)? {
            Form::One(one) => vec![one],
            Form::Many(many) => many,
        }))
    }
}

/// A time, which JSON may write with a fraction.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Whole(i64),
    Broken(f64),
}

impl Seconds {
    #[expect(clippy::cast_possible_truncation, reason = "what is past the end of time may as well be its end")]
    fn whole(self) -> i64 {
        match self {
            Self::Whole(whole) => whole,
            Self::Broken(broken) => broken as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_audiences_come_in_two_forms() {
        let read = Claims::from_json(br#"{"iss":"i","aud":"a","exp":1.5e3,"iat":7,"other":[{}]}"#).unwrap();
        assert_eq!(
            (read.audiences.as_slice(), read.expires, read.issued),
            (&["a".to_owned()][..], Some(1500), Some(7))
        );
        for bad in [&b"[]"[..], b"", b"{", br#"{"iss":1}"#, br#"{"exp":"1"}"#, br#"{"aud":[1]}"#] {
            assert!(Claims::from_json(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_secrets_token_has_a_form_of_its_own() {
        let claims = Claims::legacy("ns", Reference::new("sa", "u"), "s");
        assert_eq!(
            claims.to_json(),
            concat!(
                r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ns","#,
                r#""kubernetes.io/serviceaccount/secret.name":"s","#,
                r#""kubernetes.io/serviceaccount/service-account.name":"sa","#,
                r#""kubernetes.io/serviceaccount/service-account.uid":"u","sub":"system:serviceaccount:ns:sa"}"#
            )
        );
        assert_eq!(Claims::from_json(claims.to_json().as_bytes()), Some(claims));
    }

    fn reference() -> impl Strategy<Value = Reference> {
        ("[a-z]{1,9}", "[0-9a-f-]{0,36}").prop_map(|(name, uid)| Reference { name, uid })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            account in reference(),
            pod in proptest::option::of(reference()),
            node in proptest::option::of(reference()),
            audiences in proptest::collection::vec(".{0,9}", 0..3),
            minor in 24u8..=36,
            second in 0i64..1 << 40,
            warn_after in proptest::option::of(1i64..9999),
        ) {
            let now = Timestamp::from_second(second.min(200_000_000_000)).unwrap();
            let binding = pod.map(|pod| Binding::Pod(pod, node));
            let lifetime = Lifetime { seconds: 3600, warn_after };
            let version = KubernetesVersion::new(minor);
            let claims = Claims::bound(version, "i", ("ns", account), binding, audiences, (now, lifetime), "id");
            prop_assert_eq!(Claims::from_json(claims.to_json().as_bytes()), Some(claims.clone()));
            prop_assert_eq!(claims.id.is_empty(), minor < 30);
            prop_assert!(claims.node.is_none() || minor >= 30);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = Claims::from_json(&bytes);
        }
    }
}
