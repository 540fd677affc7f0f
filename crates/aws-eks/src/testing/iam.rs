//! IAM with a few roles.

use async_trait::async_trait;
use aws_model::iam::{GetRoleRequest, GetRoleResponse, Iam, Role};
use aws_model::{Context, Fault};
use std::sync::atomic::{AtomicBool, Ordering};

/// Knows the role `eks`, which trusts EKS, and `ec2`, which does not.
#[derive(Default)]
pub struct FakeIam {
    pub broken: AtomicBool,
}

#[async_trait]
impl Iam for FakeIam {
    async fn get_role(&self, ctx: &Context, input: GetRoleRequest) -> Result<GetRoleResponse, Fault> {
        assert!(ctx.caller.is_service() && ctx.region.as_str() == "us-east-1");
        if self.broken.load(Ordering::SeqCst) {
            return Err(Fault::server("ServiceFailure", "disk full on host 7"));
        }
        let name = input.role_name.unwrap_or_default();
        if !["eks", "ec2"].contains(&name.as_str()) {
            return Err(Fault::with_status(404, "NoSuchEntity", format!("The role with name {name} cannot be found.")));
        }
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{{"Service":"{name}.amazonaws.com"}}}}]}}"#
        );
        let role = Role {
            arn: Some(format!("arn:aws:iam::{}:role/{name}", ctx.caller.account)),
            role_name: Some(name),
            assume_role_policy_document: Some(policy),
            ..Default::default()
        };
        Ok(GetRoleResponse { role: Some(role) })
    }
}
