//! What the gateway asks of a service: to call an operation by its name.

use async_trait::async_trait;
use aws_model::{Context, Fault, ec2, eks, iam, ssm, sts};
use serde_json::Value;
use std::sync::Arc;

/// An operation's output.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A tree, for protocols that must see it: XML.
    Tree(Value),
    /// JSON text as it is sent. It saves the tree, which is most of the work of a short answer.
    Json(Vec<u8>),
}

/// Calls a service's operations.
#[async_trait]
pub trait ServiceDispatch: Send + Sync + 'static {
    /// Calls `operation` with a validated `input`.
    ///
    /// # Errors
    /// The service's refusal or failure.
    async fn dispatch(&self, ctx: &Context, operation: &str, input: Value) -> Result<Output, Fault>;
}

/// A service that the gateway leads to.
pub struct ServiceEntry {
    pub(crate) name: &'static str,
    pub(crate) dispatch: Arc<dyn ServiceDispatch>,
    pub(crate) global: bool,
}

impl ServiceEntry {
    /// A service by its model's name, with answers of its own making.
    pub fn new(name: &'static str, dispatch: Arc<dyn ServiceDispatch>) -> Self {
        Self { name, dispatch, global: false }
    }

    /// The same service without regions: its callers sign for us-east-1, and it sees that region.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.global = true;
        self
    }

    /// EKS.
    pub fn eks(service: Arc<dyn eks::Eks>) -> Self {
        Self::new("eks", Arc::new(Eks(service)))
    }

    /// EC2.
    pub fn ec2(service: Arc<dyn ec2::Ec2>) -> Self {
        Self::new("ec2", Arc::new(Ec2(service)))
    }

    /// IAM, which has no regions.
    pub fn iam(service: Arc<dyn iam::Iam>) -> Self {
        Self::new("iam", Arc::new(Iam(service))).global()
    }

    /// STS.
    pub fn sts(service: Arc<dyn sts::Sts>) -> Self {
        Self::new("sts", Arc::new(Sts(service)))
    }

    /// Systems Manager.
    pub fn ssm(service: Arc<dyn ssm::Ssm>) -> Self {
        Self::new("ssm", Arc::new(Ssm(service)))
    }
}

macro_rules! dispatch {
    ($($name:ident, $module:ident, $function:ident, $output:ident;)+) => {$(
        struct $name(Arc<dyn $module::$name>);

        #[async_trait]
        impl ServiceDispatch for $name {
            async fn dispatch(&self, ctx: &Context, operation: &str, input: Value) -> Result<Output, Fault> {
                $module::$function(&*self.0, ctx, operation, input).await.map(Output::$output)
            }
        }
    )+};
}

dispatch! {
    Eks, eks, dispatch_json, Json;
    Ec2, ec2, dispatch, Tree;
    Iam, iam, dispatch, Tree;
    Sts, sts, dispatch, Tree;
    Ssm, ssm, dispatch_json, Json;
}
