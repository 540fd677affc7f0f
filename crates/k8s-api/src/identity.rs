//! Who is asking: client certificates, service account tokens, and tokens that somebody else knows.

use base::KubernetesVersion;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use k8s_authn::cache::{TokenCache, USUAL_SECONDS};
use k8s_authn::certificate::ClientCertificate;
use k8s_authn::claims::Claims;
use k8s_authn::key::{KeySet, Signer};
use k8s_authn::service_account::{Live, check, needed};
use k8s_authn::token_request::Policy;
use k8s_authn::user::UserInfo;
use k8s_authn::verify::{TokenError, Verifier};
use k8s_authz::User;
use k8s_registry::Registry;
use std::sync::{Arc, OnceLock};

/// How many tokens are remembered.
const REMEMBERED: usize = 1024;
/// For how long a token of somebody else's is remembered: a grant that ends is noticed after that.
const TRUSTED: SignedDuration = SignedDuration::from_secs(10);

/// Knows tokens that the cluster did not make, as those of a cloud's users.
pub trait TokenAuthenticator: Send + Sync {
    /// Whose a token is; `None` for one that is nobody's.
    fn user<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<User>>;
}

/// What identities are made from.
pub struct IdentityConfig {
    /// Makes or finds the key that service account tokens are signed with. Asked once, when the first token is asked
    /// for or shown: making a key takes a tenth of a second.
    pub signer: Box<dyn Fn() -> Result<Signer, String> + Send + Sync>,
    /// Where those tokens say they come from.
    pub issuer: String,
    /// Who knows other tokens.
    pub others: Option<Arc<dyn TokenAuthenticator>>,
}

/// Makes service account tokens, and knows them again.
pub struct Tokens {
    /// Makes them.
    pub signer: Signer,
    /// Knows them.
    pub verifier: Verifier,
}

/// Who is who in a cluster.
pub struct Identities {
    version: KubernetesVersion,
    /// How service account tokens are made.
    pub policy: Policy,
    find_signer: Box<dyn Fn() -> Result<Signer, String> + Send + Sync>,
    tokens: OnceLock<Tokens>,
    others: Option<Arc<dyn TokenAuthenticator>>,
    known: TokenCache<User>,
    /// What service account tokens say whose signatures were good: verifying one costs more than a read. Their time,
    /// their audiences and what they are bound to are looked at on each request all the same.
    authentic: TokenCache<Arc<Claims>>,
}

impl Identities {
    /// The identities of a cluster.
    pub fn new(version: KubernetesVersion, config: IdentityConfig) -> Self {
        let audiences = vec![config.issuer.clone(), "https://kubernetes.default.svc".to_owned()];
        Self {
            version,
            policy: Policy {
                issuer: config.issuer,
                audiences,
                longest_seconds: Some(86_400),
                extended_seconds: Some(365 * 24 * 3600),
            },
            find_signer: config.signer,
            tokens: OnceLock::new(),
            others: config.others,
            known: TokenCache::new(REMEMBERED),
            authentic: TokenCache::new(REMEMBERED),
        }
    }

    /// Whose a client certificate is; `None` for one that is not good for that.
    pub fn of_certificate(&self, der: &[u8], now: Timestamp) -> Option<User> {
        let certificate = ClientCertificate::read(der).ok()?;
        Some(to_user(certificate.user(self.version, now).ok()??.authenticated()))
    }

    /// Whose a token is; `None` for one that is nobody's.
    pub async fn of_token(&self, registry: &Registry, token: &str, now: Timestamp) -> Option<User> {
        if is_web_token(token)
            && (self.authentic.get(token, now).is_some()
                || self.tokens().is_some_and(|it| it.verifier.is_addressed(token)))
        {
            // Looked at each time: the account may be gone, or the pod that the token is bound to.
            let (user, _) = self.of_service_account(registry, token, now, &[]).ok()??;
            return Some(to_user(user.authenticated()));
        }
        if let Some(user) = self.known.get(token, now) {
            return Some(user);
        }
        let user = self.others.as_ref()?.user(token).await?;
        self.known.insert(token, user.clone(), now.checked_add(TRUSTED).unwrap_or(now));
        Some(user)
    }

    /// Whose service account token this is, and for whom of `audiences`; `None` for one of another kind.
    ///
    /// # Errors
    /// For one that is not good.
    pub fn of_service_account(
        &self,
        registry: &Registry,
        token: &str,
        now: Timestamp,
        audiences: &[String],
    ) -> Result<Option<(UserInfo, Vec<String>)>, TokenError> {
        let Some(tokens) = self.tokens().filter(|_| is_web_token(token)) else { return Ok(None) };
        let claims = match self.authentic.get(token, now) {
            Some(claims) => claims,
            None => {
                let Some(claims) = tokens.verifier.authentic(token)?.map(Arc::new) else { return Ok(None) };
                let until = now.checked_add(SignedDuration::from_secs(USUAL_SECONDS)).unwrap_or(now);
                self.authentic.insert(token, claims.clone(), until);
                claims
            }
        };
        let audiences = tokens.verifier.admit(&claims, now, audiences)?;
        let needed = needed(&claims);
        let namespace = claims.namespace.as_str();
        let find = |plural: &str, namespace: &str, name: Option<&str>| registry.peek("", plural, namespace, name?);
        let account = find("serviceaccounts", namespace, Some(needed.service_account));
        let secret = find("secrets", namespace, needed.secret);
        let pod = find("pods", namespace, needed.pod);
        let node = find("nodes", "", needed.node);
        let live =
            Live { service_account: account.as_ref(), secret: secret.as_ref(), pod: pod.as_ref(), node: node.as_ref() };
        let admitted = check(self.version, token, &claims, &live, now)?;
        Ok(Some((admitted.user, audiences)))
    }

    /// Makes tokens and knows them; `None` where there is no key, which is logged.
    pub fn tokens(&self) -> Option<&Tokens> {
        if let Some(tokens) = self.tokens.get() {
            return Some(tokens);
        }
        let signer = (self.find_signer)();
        let signer = signer.map_err(|error| tracing::error!(error, "there is no key for service accounts")).ok()?;
        let keys = KeySet::new([signer.public().clone()]);
        let issuers = vec![self.policy.issuer.clone()];
        let verifier = Verifier { keys, issuers, audiences: self.policy.audiences.clone() };
        Some(self.tokens.get_or_init(|| Tokens { signer, verifier }))
    }

    /// The version that the cluster runs.
    pub fn version(&self) -> KubernetesVersion {
        self.version
    }

    /// Whose another token is, for those who ask by a review.
    pub async fn of_others(&self, token: &str) -> Option<User> {
        self.others.as_ref()?.user(token).await
    }
}

/// Whether a token has the form of those that the cluster makes.
fn is_web_token(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|it| *it == b'.').count() == 2
}

/// As authorization has it.
pub fn to_user(info: UserInfo) -> User {
    User { name: info.name, uid: info.uid, groups: info.groups, extra: info.extra }
}

/// As authentication has it.
pub fn to_info(user: &User) -> UserInfo {
    UserInfo { name: user.name.clone(), uid: user.uid.clone(), groups: user.groups.clone(), extra: user.extra.clone() }
}
