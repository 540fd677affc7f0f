//! Acting as somebody else: what the `Impersonate-*` headers ask for, which of it must be allowed, and who comes of it.
//!
//! Each part of the user must be allowed by the verb `impersonate`. Since 1.36 there are narrower ways, which are tried
//! first: one must be allowed to act so (`impersonate:<mode>`), and to do just this as such a user
//! (`impersonate-on:<mode>:<verb>`).

mod narrow;
#[cfg(test)]
mod tests;
mod without_user;

use crate::features::Feature;
use crate::user::{self, ANONYMOUS, AUTHENTICATED, Extra, UNAUTHENTICATED, UserInfo, split_service_account};
use base::KubernetesVersion;
use k8s_types::status::{Status, quote};

const AUTHENTICATION: &str = "authentication.k8s.io";
const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// Whom a request's headers ask to act as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impersonation {
    /// `Impersonate-User`
    pub user: String,
    /// `Impersonate-Uid`, or empty.
    pub uid: String,
    /// `Impersonate-Group`
    pub groups: Vec<String>,
    /// `Impersonate-Extra-*`, keys in lower case.
    pub extra: Extra,
}

/// Headers that name parts of a user, but no user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoUser {
    /// Answered with 500 and this text, which the path must be put into: see [`NoUser::page`].
    Fault(String),
    /// Answered with a Status.
    BadRequest(Box<Status>),
}

impl NoUser {
    /// The `text/plain` body of a fault that came of a request to `uri`.
    pub fn page(uri: &str, text: &str) -> String {
        let page = format!("Internal Server Error: {}: {text}\n", quote(uri));
        page.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
}

/// One way in which the asker may become the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The verb of the way, for the audit log; empty for the old way.
    pub constraint: &'static str,
    /// What must be allowed, in this order.
    pub checks: Vec<Check>,
    /// Who comes of it.
    pub user: UserInfo,
}

/// Something that must be allowed to the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// What the request is about, but with this before its verb.
    Request(String),
    /// A part of the user.
    Part(Part),
    /// All parts of a kind: allowed at once by the name `*`, which is asked for first, or one by one.
    Many(Part, Vec<Check>),
    /// Nothing allows it; the reason is told.
    Never(Part, String),
}

/// A part of the user to become, as an authorizer is asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// `impersonate`, or with a mode.
    pub verb: String,
    /// The API group.
    pub group: &'static str,
    /// The API version.
    pub version: &'static str,
    /// `users`, `groups`, `serviceaccounts`, `uids`, `userextras`, `nodes`.
    pub resource: &'static str,
    /// An extra's key, or empty.
    pub subresource: String,
    /// A service account's namespace, or empty.
    pub namespace: String,
    /// The value.
    pub name: String,
}

impl Impersonation {
    /// Reads a request's headers: name, in lower case, and value. `None` if there is no impersonation.
    ///
    /// # Errors
    /// If parts of a user are named, but no user.
    pub fn from_headers<'a>(
        version: KubernetesVersion,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, NoUser> {
        let mut wish = Self::default();
        let (mut user, mut uid) = (None, None);
        for (name, value) in headers {
            match name {
                // The first one counts, even if it is empty.
                USER => user = user.or(Some(value)),
                UID => uid = uid.or(Some(value)),
                GROUP => wish.groups.push(value.to_owned()),
                _ => {
                    if let Some(key) = name.strip_prefix(EXTRA_PREFIX) {
                        let key = decode(&key.to_ascii_lowercase());
                        wish.extra.entry(key).or_default().push(value.to_owned());
                    }
                }
            }
        }
        user.unwrap_or_default().clone_into(&mut wish.user);
        uid.unwrap_or_default().clone_into(&mut wish.uid);
        let parts = !wish.uid.is_empty() || !wish.groups.is_empty() || !wish.extra.is_empty();
        match (wish.user.is_empty(), parts) {
            (false, _) => Ok(Some(wish)),
            (true, false) => Ok(None),
            (true, true) => Err(wish.without_user(version)),
        }
    }

    /// Whether a header, in lower case, is one of those that must not be seen after impersonation.
    pub fn is_header(name: &str) -> bool {
        [USER, UID, GROUP].contains(&name) || name.starts_with(EXTRA_PREFIX)
    }

    /// The user that `asker` becomes, who sends this request: the first way all of whose checks `authorize` lets pass.
    /// It is asked for each check but [`Check::Many`], which is taken apart before.
    ///
    /// # Errors
    /// The first refusal of the first way that was refused.
    pub fn resolve<E>(
        &self,
        version: KubernetesVersion,
        asker: &UserInfo,
        mut authorize: impl FnMut(&Check) -> Result<(), E>,
    ) -> Result<Attempt, E> {
        let mut first = None;
        for attempt in self.constrained(version, asker) {
            match pass(&attempt.checks, &mut authorize) {
                Ok(()) => return Ok(attempt),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        let last = self.unconstrained(version);
        match (pass(&last.checks, &mut authorize), first) {
            (Ok(()), _) => Ok(last),
            (Err(_), Some(refusal)) | (Err(refusal), None) => Err(refusal),
        }
    }

    /// All ways in which `asker` may become the user, in the order in which they are tried.
    pub fn attempts(&self, version: KubernetesVersion, asker: &UserInfo) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = self.constrained(version, asker).collect();
        attempts.push(self.unconstrained(version));
        attempts
    }

    fn unconstrained(&self, version: KubernetesVersion) -> Attempt {
        let whole = Part { verb: "impersonate".to_owned(), version: "v1", ..Part::default() };
        let mut checks = vec![Check::Part(self.name_part(&whole))];
        // Since there is more than one way, the uid comes before groups.
        let uid_first = Feature::ConstrainedImpersonation.is_in(version);
        checks.extend(self.uid_checks(&whole).filter(|_| uid_first));
        checks.extend(self.group_checks(&whole));
        checks.extend(self.extra_checks(&whole));
        checks.extend(self.uid_checks(&whole).filter(|_| !uid_first));
        Attempt { constraint: "", checks, user: self.user() }
    }

    fn name_part(&self, whole: &Part) -> Part {
        match split_service_account(&self.user) {
            Some((namespace, name)) => Part {
                resource: "serviceaccounts",
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..whole.clone()
            },
            None => Part { resource: "users", name: self.user.clone(), ..whole.clone() },
        }
    }

    fn uid_checks(&self, whole: &Part) -> impl Iterator<Item = Check> {
        let part = Part { group: AUTHENTICATION, resource: "uids", name: self.uid.clone(), ..whole.clone() };
        (!self.uid.is_empty()).then_some(Check::Part(part)).into_iter()
    }

    fn group_checks(&self, whole: &Part) -> impl Iterator<Item = Check> {
        self.groups.iter().map(|group| Check::Part(Part { resource: "groups", name: group.clone(), ..whole.clone() }))
    }

    fn extra_checks(&self, whole: &Part) -> impl Iterator<Item = Check> {
        let each = self.extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        each.map(|(key, value)| {
            Check::Part(Part {
                group: AUTHENTICATION,
                resource: "userextras",
                subresource: key.clone(),
                name: value.clone(),
                ..whole.clone()
            })
        })
    }

    /// Who comes of it: with the groups that an account has in any case, and that of all who are known or not.
    fn user(&self) -> UserInfo {
        let mut groups = self.groups.clone();
        if let Some((namespace, _)) = split_service_account(&self.user).filter(|_| groups.is_empty()) {
            groups = user::service_account_groups(namespace);
        }
        let is_in = |group: &str| groups.iter().any(|it| it == group);
        let everybody = if self.user == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !is_in(everybody) && !is_in(UNAUTHENTICATED) {
            groups.push(everybody.to_owned());
        }
        UserInfo { name: self.user.clone(), uid: self.uid.clone(), groups, extra: self.extra.clone() }
    }
}

/// Whether `authorize` lets all checks pass.
fn pass<E>(checks: &[Check], authorize: &mut impl FnMut(&Check) -> Result<(), E>) -> Result<(), E> {
    checks.iter().try_for_each(|check| match check {
        Check::Many(all, each) => match authorize(&Check::Part(all.clone())) {
            Ok(()) => Ok(()),
            Err(_) => each.iter().try_for_each(&mut *authorize),
        },
        other => authorize(other),
    })
}

/// Undoes percent-encoding; what is not well encoded stays as it is.
fn decode(encoded: &str) -> String {
    let digit = |byte: Option<u8>| byte.and_then(|it| char::from(it).to_digit(16)).and_then(|it| u8::try_from(it).ok());
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return encoded.to_owned(),
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| encoded.to_owned())
}
