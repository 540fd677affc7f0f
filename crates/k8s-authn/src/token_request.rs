//! `TokenRequest`: a token for a service account, made at the API.

use crate::claims::{Binding, Claims, Lifetime, Reference};
use crate::features::Feature;
use crate::key::Signer;
use crate::service_account::credential_id;
use base::KubernetesVersion;
use jiff::{SignedDuration, Timestamp};
use k8s_types::status::{GroupResource, quote};
use k8s_types::{FieldError, Path, Status};
use serde_json::{Map, Value, json};

/// The lifetime that the kubelet asks for where a pod did not choose one: an hour, and as many seconds more as make it
/// known for that.
pub const INJECTED_SECONDS: i64 = 3607;
/// For how long upstream servers let such tokens live: a year.
pub const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;
/// For how long EKS lets such tokens live: 90 days (*Amazon EKS User Guide*, "Service account tokens").
pub const EKS_EXTENDED_SECONDS: i64 = 90 * 24 * 3600;

const GROUP: &str = "authentication.k8s.io";
const USUAL_SECONDS: i64 = 3600;
const SHORTEST_SECONDS: i64 = 600;
const LONGEST_SECONDS: i64 = 1 << 32;

/// How a cluster makes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The issuer.
    pub issuer: String,
    /// The API server's audiences: those of a token that is asked for without any.
    pub audiences: Vec<String>,
    /// The longest that a token may live; longer wishes are cut.
    pub longest_seconds: Option<i64>,
    /// How long a token for the API server lives that was put into a pod without the pod's wish; `None` is as asked.
    pub extended_seconds: Option<i64>,
}

/// A wish for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    namespace: String,
    name: String,
    metadata: Map<String, Value>,
    audiences: Vec<String>,
    seconds: i64,
    bound: Option<BoundReference>,
}

/// `spec.boundObjectRef`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct BoundReference {
    kind: String,
    api_version: String,
    name: String,
    uid: String,
}

/// The kinds of objects that a token may be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundKind {
    /// In the account's namespace.
    Pod,
    /// In the account's namespace.
    Secret,
    /// In none.
    Node,
}

/// A token, and what the API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The `TokenRequest` with its status.
    pub object: Value,
    /// What the client is to be warned of.
    pub warning: Option<String>,
    /// For the audit log: the token's credential id.
    pub credential_id: Option<String>,
}

type Result<T> = std::result::Result<T, Box<Status>>;

impl TokenRequest {
    /// Reads the body of a request for the account `name` in `namespace`.
    ///
    /// # Errors
    /// If it names another account, or its members are of other types than they should be.
    pub fn read(body: &Value, namespace: &str, name: &str, policy: &Policy) -> Result<Self> {
        let metadata = body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, expected, what) in [("name", name, "name"), ("namespace", namespace, "namespace")] {
            let given = metadata.get(key).and_then(Value::as_str).unwrap_or_default();
            if !given.is_empty() && given != expected {
                let detail = format!("must match the service account {what} if specified");
                let error = FieldError::invalid(&Path::new("metadata").child(key), given, &detail);
                return Err(Box::new(Status::invalid(GROUP, "TokenRequest", name, &[error])));
            }
        }
        let member = |key: &str| body.get("spec").and_then(|spec| spec.get(key)).filter(|it| !it.is_null());
        let malformed = |key: &str| Box::new(Status::bad_request(format!("spec.{key} is malformed")));
        let mut audiences = Vec::new();
        if let Some(given) = member("audiences") {
            let texts = given.as_array().ok_or_else(|| malformed("audiences"))?;
            let texts = texts.iter().map(|it| it.as_str().map(ToOwned::to_owned));
            audiences = texts.collect::<Option<_>>().ok_or_else(|| malformed("audiences"))?;
        }
        if audiences.is_empty() {
            audiences.clone_from(&policy.audiences);
        }
        let seconds = match member("expirationSeconds") {
            Some(given) => given.as_i64().ok_or_else(|| malformed("expirationSeconds"))?,
            None => USUAL_SECONDS,
        };
        let bound = member("boundObjectRef").map(BoundReference::read);
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned(), metadata, audiences, seconds, bound })
    }

    /// The audiences that the token will have.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Checks the values against `account`, the object. It must have been found: that it is missing is told first.
    ///
    /// # Errors
    /// If another account of the name is meant, or the token would live too short or too long.
    pub fn validate(&self, version: KubernetesVersion, account: &Value) -> Result<()> {
        let asked = self.metadata.get("uid").and_then(Value::as_str).unwrap_or_default();
        let uid = reference_to(account).uid;
        if Feature::TokenRequestUid.is_in(version) && !asked.is_empty() && asked != uid {
            let why =
                format!("the UID in the token request ({asked}) does not match the UID of the service account ({uid})");
            let it = GroupResource { group: GROUP, resource: "TokenRequest" };
            return Err(Box::new(Status::conflict(it, &self.name, &why)));
        }
        let detail = match self.seconds {
            ..SHORTEST_SECONDS => "may not specify a duration less than 10 minutes",
            SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(()),
            _ => "may not specify a duration larger than 2^32 seconds",
        };
        let error = FieldError::invalid(&Path::new("spec").child("expirationSeconds"), self.seconds, detail);
        Err(Box::new(Status::invalid(GROUP, "TokenRequest", "", &[error])))
    }

    /// The object that the token is to be bound to, by kind and name, for the caller to look up.
    ///
    /// # Errors
    /// If tokens can't be bound to objects of its kind.
    pub fn bound_object(&self, version: KubernetesVersion) -> Result<Option<(BoundKind, &str)>> {
        let Some(reference) = &self.bound else { return Ok(None) };
        let refuse = |text: String| Err(Box::new(Status::bad_request(text)));
        let kind = match (reference.group_version(), reference.kind.as_str()) {
            (("", _), "Pod") => BoundKind::Pod,
            (("", _), "Secret") => BoundKind::Secret,
            (("", _), "Node") if Feature::TokenBoundToNode.is_in(version) => BoundKind::Node,
            (("", _), "Node") if version >= KubernetesVersion::new(29) => {
                let gate = "\"ServiceAccountTokenNodeBinding\"";
                return refuse(format!("cannot bind token to a Node object as the {gate} feature-gate is disabled"));
            }
            ((group, version), kind) => {
                return refuse(format!("cannot bind token to object of type {group}/{version}, Kind={kind}"));
            }
        };
        Ok(Some((kind, &reference.name)))
    }

    /// Binds the token to `object`, which [`TokenRequest::bound_object`] asked for. Of a pod on a node ([`node_of`])
    /// the node comes with it; where there is none of that name, `None`.
    ///
    /// # Errors
    /// If the object is not the one that the request means, or the pod is another account's.
    pub fn bind(&self, kind: BoundKind, object: &Value, node: Option<&Value>) -> Result<Binding> {
        let reference = reference_to(object);
        if kind == BoundKind::Pod {
            let account = object.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or_default();
            if account != self.name {
                return Err(Box::new(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                    quote(&self.name)
                ))));
            }
        }
        if let Some(asked) = self.bound.as_ref().filter(|it| !it.uid.is_empty() && it.uid != reference.uid) {
            let (group, _) = asked.group_version();
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have \
                 been deleted and then recreated",
                asked.uid
            );
            let it = GroupResource { group, resource: &asked.kind };
            return Err(Box::new(Status::conflict(it, &asked.name, &why)));
        }
        Ok(match kind {
            BoundKind::Pod => {
                let nameless = |name: &str| Reference::new(name, "");
                let node = node_of(object).map(|name| node.map_or_else(|| nameless(name), reference_to));
                Binding::Pod(reference, node)
            }
            BoundKind::Secret => Binding::Secret(reference),
            BoundKind::Node => Binding::Node(reference),
        })
    }

    /// Makes the token for `account`, the object. `jti` must be unique to it; servers that know no ids leave it out.
    ///
    /// # Errors
    /// If the key fails.
    pub fn grant(
        self,
        version: KubernetesVersion,
        (policy, signer): (&Policy, &Signer),
        account: &Value,
        binding: Option<Binding>,
        now: Timestamp,
        jti: &str,
    ) -> Result<Granted> {
        let account = reference_to(account);
        let uid = Some(account.uid.clone()).filter(|_| Feature::TokenRequestUid.is_in(version));
        let (seconds, warning) = self.within(policy);
        let lifetime = self.lifetime(policy, seconds, matches!(binding, Some(Binding::Pod(..))));
        let whose = (self.namespace.as_str(), account);
        let audiences = self.audiences.clone();
        let claims = Claims::bound(version, &policy.issuer, whose, binding, audiences, (now, lifetime), jti);
        let failed = |error| Box::new(Status::internal(format!("failed to generate token: {error}")));
        let token = signer.sign(&claims).map_err(failed)?;
        let credential_id = Some(claims.id).filter(|id| !id.is_empty()).map(|id| credential_id(&id));
        let object = self.answer(uid, seconds, &token, now);
        Ok(Granted { object, warning, credential_id })
    }

    /// The lifetime asked for, cut to what is allowed.
    fn within(&self, policy: &Policy) -> (i64, Option<String>) {
        match policy.longest_seconds {
            Some(longest) if longest > 0 && self.seconds > longest => {
                let asked = self.seconds;
                let warning = format!("requested expiration of {asked} seconds shortened to {longest} seconds");
                (longest, Some(warning))
            }
            _ => (self.seconds, None),
        }
    }

    /// A token that a pod has for the API server without having asked for it lives on for clients that don't read it
    /// anew, but its use after the usual time is noticed.
    fn lifetime(&self, policy: &Policy, seconds: i64, of_pod: bool) -> Lifetime {
        let injected = of_pod && seconds == INJECTED_SECONDS;
        match policy.extended_seconds {
            Some(extended) if injected && self.audiences.iter().all(|it| policy.audiences.contains(it)) => {
                Lifetime { seconds: extended, warn_after: Some(seconds) }
            }
            _ => Lifetime { seconds, warn_after: None },
        }
    }

    fn answer(mut self, uid: Option<String>, seconds: i64, token: &str, now: Timestamp) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(self.name));
        metadata.insert("namespace".to_owned(), json!(self.namespace));
        // Of a request's own uid older servers take no notice.
        self.metadata.remove("uid");
        metadata.extend(uid.map(|uid| ("uid".to_owned(), Value::String(uid))));
        metadata.insert("creationTimestamp".to_owned(), json!(second(now)));
        for (key, value) in self.metadata {
            metadata.entry(key).or_insert(value);
        }
        let expires = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        json!({
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": metadata,
            "spec": {
                "audiences": self.audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": self.bound.map(BoundReference::into_value),
            },
            "status": {"token": token, "expirationTimestamp": second(expires)},
        })
    }
}

impl BoundReference {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind: text("kind"), api_version: text("apiVersion"), name: text("name"), uid: text("uid") }
    }

    /// The group and version; both empty where there are more than two parts.
    fn group_version(&self) -> (&str, &str) {
        match self.api_version.split_once('/') {
            None => ("", &self.api_version),
            Some((_, version)) if version.contains('/') => ("", ""),
            Some(both) => both,
        }
    }

    fn into_value(self) -> Value {
        let members = [("kind", self.kind), ("apiVersion", self.api_version), ("name", self.name), ("uid", self.uid)];
        members.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.to_owned(), text)).collect()
    }
}

/// The node that a pod is on.
pub fn node_of(pod: &Value) -> Option<&str> {
    pod.pointer("/spec/nodeName").and_then(Value::as_str).filter(|name| !name.is_empty())
}

fn reference_to(object: &Value) -> Reference {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    Reference::new(text("/metadata/name"), text("/metadata/uid"))
}

/// A time as objects have it: to the second.
pub(crate) fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
