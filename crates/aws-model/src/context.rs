//! Who asks, where, when.

use base::{AccountId, Region};
use jiff::Timestamp;

/// What kind of identity a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account's root user.
    Root,
    /// An IAM user, by name.
    User(String),
    /// A session of a role.
    AssumedRole {
        /// The role's name.
        role: String,
        /// The session's name.
        session: String,
    },
    /// An AWS service that acts in the user's account, as `eks.amazonaws.com`.
    Service(&'static str),
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account whose world is asked.
    pub account: AccountId,
    /// What kind of identity.
    pub principal: Principal,
    /// Its ARN.
    pub arn: String,
    /// Its unique id (`AIDA...`, `AROA...:session`, or the account for root).
    pub user_id: String,
    /// The access key that signed; empty for a service.
    pub access_key_id: String,
}

impl Caller {
    /// A service that acts in `account`.
    pub fn service(account: AccountId, name: &'static str) -> Self {
        let arn = format!("arn:aws:iam::{account}:role/aws-service-role/{name}");
        Self {
            account,
            principal: Principal::Service(name),
            arn,
            user_id: name.to_owned(),
            access_key_id: String::new(),
        }
    }

    /// Whether an AWS service asks, not a user.
    pub fn is_service(&self) -> bool {
        matches!(self.principal, Principal::Service(_))
    }
}

/// Everything about a request but its input.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// The region that is asked. Global services see `us-east-1`.
    pub region: Region,
    /// The request's id, as the answer carries it.
    pub request_id: String,
    /// When the request came in.
    pub now: Timestamp,
}
