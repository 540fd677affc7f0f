//! IAM principals as access entries name them, and who they are in IAM.

use super::error::AccessEntryError;
use crate::error::EksError;
use crate::surroundings::as_service;
use aws_model::iam::{GetRoleRequest, GetUserRequest, Iam};
use aws_model::{Caller, Context, Fault, Principal};
use base::{AccountId, Region};

/// What kind of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account's root user.
    Root,
    /// A user.
    User,
    /// A role.
    Role,
}

impl Kind {
    /// The word in ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::Role => "role",
        }
    }
}

/// An IAM principal by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamPrincipal {
    /// The whole ARN.
    pub arn: String,
    /// Its account.
    pub account: AccountId,
    /// What kind it is.
    pub kind: Kind,
    /// Its name, without its path; `root` for the root user.
    pub name: String,
}

impl IamPrincipal {
    /// Reads `arn:aws:iam::<account>:root`, `…:user/<path><name>` or `…:role/<path><name>`.
    ///
    /// # Errors
    /// [`AccessEntryError::Principal`] for anything else: groups, sessions, services.
    pub fn parse(arn: &str) -> Result<Self, AccessEntryError> {
        let read = || {
            let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
            let account = account.parse().ok()?;
            let (kind, name) = match resource.split_once('/') {
                None if resource == "root" => (Kind::Root, resource),
                Some(("user", path)) => (Kind::User, path.rsplit('/').next()?),
                Some(("role", path)) => (Kind::Role, path.rsplit('/').next()?),
                _ => return None,
            };
            let named = !name.is_empty() && arn.bytes().all(|byte| byte.is_ascii_graphic());
            named.then(|| Self { arn: arn.to_owned(), account, kind, name: name.to_owned() })
        };
        read().ok_or(AccessEntryError::Principal)
    }

    /// One key a principal: names are unique in an account whatever the path, and without regard to case.
    pub fn key(&self) -> String {
        let Self { account, kind, name, .. } = self;
        match kind {
            Kind::Root => format!("arn:aws:iam::{account}:root"),
            _ => format!("arn:aws:iam::{account}:{}/{}", kind.as_str(), name.to_ascii_lowercase()),
        }
    }

    /// Whether it is a role that belongs to an AWS service.
    pub fn is_service_linked(&self) -> bool {
        self.kind == Kind::Role && self.arn.contains(":role/aws-service-role/")
    }

    /// Its unique id in IAM, which must know it by this very ARN.
    ///
    /// # Errors
    /// [`AccessEntryError::Principal`] when there is no such principal, [`EksError::Upstream`] when IAM cannot answer.
    pub async fn id(&self, iam: &dyn Iam, ctx: &Context) -> Result<String, EksError> {
        let ctx = in_iam(ctx, &self.account);
        let name = Some(self.name.clone());
        let found = match self.kind {
            Kind::Root => Ok((Some(self.arn.clone()), Some(self.account.to_string()))),
            Kind::User => {
                let answer = iam.get_user(&ctx, GetUserRequest { user_name: name }).await;
                answer.map(|it| it.user.map(|it| (it.arn, it.user_id)).unwrap_or_default())
            }
            Kind::Role => {
                let answer = iam.get_role(&ctx, GetRoleRequest { role_name: name }).await;
                answer.map(|it| it.role.map(|it| (it.arn, it.role_id)).unwrap_or_default())
            }
        };
        match found {
            Ok((Some(arn), Some(id))) if arn == self.arn => Ok(id),
            Err(fault) if fault.status >= 500 => Err(upstream(fault)),
            _ => Err(AccessEntryError::Principal.into()),
        }
    }
}

/// The context in which EKS asks IAM, which is global, about an account.
fn in_iam(ctx: &Context, account: &AccountId) -> Context {
    let mut ours = as_service(ctx);
    ours.caller.account = account.clone();
    let region: Option<Region> = "us-east-1".parse().ok();
    Context { region: region.unwrap_or_else(|| ctx.region.clone()), ..ours }
}

fn upstream(source: Fault) -> EksError {
    EksError::Upstream { service: "IAM", source }
}

/// The principal behind a caller, with its unique id; none behind an AWS service. A session is its role's, whose path
/// only IAM knows.
///
/// # Errors
/// [`EksError::Upstream`] when IAM cannot answer.
pub async fn behind(iam: &dyn Iam, ctx: &Context) -> Result<Option<(IamPrincipal, String)>, EksError> {
    let Caller { account, principal, arn, user_id, .. } = &ctx.caller;
    let id = user_id.split(':').next().unwrap_or_default().to_owned();
    let arn = match principal {
        Principal::Service(_) => return Ok(None),
        Principal::Root | Principal::User(_) => arn.clone(),
        Principal::AssumedRole { role, .. } => {
            let ask = GetRoleRequest { role_name: Some(role.clone()) };
            match iam.get_role(&in_iam(ctx, account), ask).await {
                Ok(answer) => answer.role.and_then(|it| it.arn),
                Err(fault) if fault.status >= 500 => return Err(upstream(fault)),
                Err(_) => None,
            }
            .unwrap_or_else(|| format!("arn:aws:iam::{account}:role/{role}"))
        }
    };
    Ok(Some((IamPrincipal::parse(&arn)?, id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_users_roles_and_root() {
        for (arn, kind, name, key) in [
            ("arn:aws:iam::111122223333:root", Kind::Root, "root", "arn:aws:iam::111122223333:root"),
            ("arn:aws:iam::111122223333:user/a/Bob", Kind::User, "Bob", "arn:aws:iam::111122223333:user/bob"),
            ("arn:aws:iam::111122223333:role/dev", Kind::Role, "dev", "arn:aws:iam::111122223333:role/dev"),
        ] {
            let it = IamPrincipal::parse(arn).unwrap();
            assert_eq!((it.kind, it.name.as_str(), it.key().as_str()), (kind, name, key));
        }
        for bad in [
            "",
            "dev",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam::111122223333:group/dev",
            "arn:aws:iam::1111:role/dev",
            "arn:aws:iam::111122223333:root/x",
            "arn:aws:sts::111122223333:assumed-role/dev/me",
            "arn:aws-cn:iam::111122223333:role/dev",
        ] {
            assert!(IamPrincipal::parse(bad).is_err(), "{bad}");
        }
    }
}
