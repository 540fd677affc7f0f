//! What IAM stores: `iam/<account>/<kind>/<name>` for what belongs to an account (names in lower case, as they are
//! unique without regard to case), `iam-key/<id>` for access keys, which are looked up without knowing the account,
//! and `iam-account/<id>` for the accounts themselves.

use base::AccountId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The root of what belongs to accounts.
pub const ROOT: &str = "iam/";
/// The root of access keys.
pub const KEY_ROOT: &str = "iam-key/";
/// The root of accounts.
pub const ACCOUNT_ROOT: &str = "iam-account/";

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is the service's first one.
    pub first: bool,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its path, with slashes at both ends.
    pub path: String,
    /// `AROA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who may take it on: JSON.
    pub trust: String,
    /// Its description.
    pub description: Option<String>,
    /// Seconds that a session may last.
    pub max_session: i32,
    /// ARNs of attached policies, in the order of attachment.
    pub attached: Vec<String>,
    /// Inline policies by name: JSON.
    pub inline: BTreeMap<String, String>,
    /// The service whose role it is, for a service-linked one.
    pub linked_service: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A customer managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `ANPA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its text: JSON.
    pub document: String,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `AIPA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// The name of its role.
    pub role: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `AIDA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// ARNs of attached policies.
    pub attached: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// Whose key an access key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyOwner {
    /// The account's root user.
    Root,
    /// A user.
    User {
        /// Its name.
        name: String,
        /// Its id.
        id: String,
    },
    /// A session of a role.
    Session {
        /// The role's name.
        role: String,
        /// The role's id: a role of the same name that is made later is another one.
        role_id: String,
        /// The session's name.
        session: String,
    },
}

/// An access key, long-lived or of a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// `AKIA...` or `ASIA...`.
    pub id: String,
    /// The secret that signs.
    pub secret: String,
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub owner: KeyOwner,
    /// Whether it is switched on.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
    /// The token that must come with a session's key.
    pub session_token: Option<String>,
    /// When a session's key ends.
    pub expires: Option<Timestamp>,
}

/// Never shows the secret: records end up in logs this way.
impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}
