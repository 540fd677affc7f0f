//! The AWS services of this daemon, by name: what the gateway and the command line call.

use aws_ec2::Ec2Service;
use aws_eks::EksService;
use aws_iam::IamService;
use aws_model::{Context, Fault, ec2, eks, iam, ssm, sts};
use aws_ssm::SsmService;
use serde_json::Value;
use std::sync::Arc;

/// All services.
#[derive(Clone)]
pub struct Services {
    /// EC2.
    pub ec2: Arc<Ec2Service>,
    /// EKS.
    pub eks: Arc<EksService>,
    /// IAM and STS.
    pub iam: Arc<IamService>,
    /// SSM.
    pub ssm: Arc<SsmService>,
}

impl Services {
    /// Calls an operation of a service.
    ///
    /// # Errors
    /// The service's refusal, or that there is no such service.
    pub async fn call(&self, context: &Context, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
        match service {
            "ec2" => ec2::dispatch(&*self.ec2, context, operation, input).await,
            "eks" => eks::dispatch(&*self.eks, context, operation, input).await,
            "iam" => iam::dispatch(&*self.iam, context, operation, input).await,
            "sts" => sts::dispatch(&*self.iam, context, operation, input).await,
            "ssm" => ssm::dispatch(&*self.ssm, context, operation, input).await,
            other => Err(Fault::client("UnknownService", format!("there is no service {other} here"))),
        }
    }
}
