//! IAM with a few roles and users.

use async_trait::async_trait;
use aws_model::iam::{GetRoleRequest, GetRoleResponse, GetUserRequest, GetUserResponse, Iam, Role, User};
use aws_model::{Context, Fault};
use std::sync::atomic::{AtomicBool, Ordering};

/// Knows the role `eks`, which trusts EKS, `ec2` and `node`, which do not, `dev`, which has the path `/team/`, and the
/// user `bob`, in every account.
#[derive(Default)]
pub struct FakeIam {
    pub broken: AtomicBool,
}

impl FakeIam {
    fn check(&self, ctx: &Context) -> Result<(), Fault> {
        assert!(ctx.caller.is_service() && ctx.region.as_str() == "us-east-1");
        match self.broken.load(Ordering::SeqCst) {
            true => Err(Fault::server("ServiceFailure", "disk full on host 7")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Iam for FakeIam {
    async fn get_role(&self, ctx: &Context, input: GetRoleRequest) -> Result<GetRoleResponse, Fault> {
        self.check(ctx)?;
        let name = input.role_name.unwrap_or_default();
        if !["eks", "ec2", "node", "dev"].contains(&name.as_str()) {
            return Err(Fault::with_status(404, "NoSuchEntity", format!("The role with name {name} cannot be found.")));
        }
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{{"Service":"{name}.amazonaws.com"}}}}]}}"#
        );
        let path = if name == "dev" { "/team/" } else { "/" };
        let role = Role {
            arn: Some(format!("arn:aws:iam::{}:role{path}{name}", ctx.caller.account)),
            role_id: Some(format!("AROA{}", name.to_ascii_uppercase())),
            role_name: Some(name),
            assume_role_policy_document: Some(policy),
            ..Default::default()
        };
        Ok(GetRoleResponse { role: Some(role) })
    }

    async fn get_user(&self, ctx: &Context, input: GetUserRequest) -> Result<GetUserResponse, Fault> {
        self.check(ctx)?;
        let name = input.user_name.unwrap_or_default();
        if name != "bob" {
            return Err(Fault::with_status(404, "NoSuchEntity", format!("The user with name {name} cannot be found.")));
        }
        let user = User {
            arn: Some(format!("arn:aws:iam::{}:user/{name}", ctx.caller.account)),
            user_id: Some("AIDABOB".to_owned()),
            user_name: Some(name),
            ..Default::default()
        };
        Ok(GetUserResponse { user: Some(user) })
    }
}
