//! A world for tests: EC2 over an embedded store in a directory of its own, one user, short forms of common calls.

use async_trait::async_trait;
use aws_ec2::Ec2Service;
use aws_model::ec2::*;
use aws_model::iam::{GetInstanceProfileRequest, GetInstanceProfileResponse, Iam, InstanceProfile};
use aws_model::{Caller, Context, Fault, Principal};
use base::{AccountId, SystemClock};
use std::fmt::Debug;
use std::sync::Arc;
use store::{Embedded, Records};

/// The user's account.
pub const ACCOUNT: &str = "111122223333";
/// An image of the catalogue, by a name that does not change.
pub const IMAGE: &str = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64";

struct OneProfile;

#[async_trait]
impl Iam for OneProfile {
    async fn get_instance_profile(
        &self,
        ctx: &Context,
        input: GetInstanceProfileRequest,
    ) -> Result<GetInstanceProfileResponse, Fault> {
        if input.instance_profile_name.as_deref() != Some("node") {
            return Err(Fault::with_status(404, "NoSuchEntity", "no such profile"));
        }
        let profile = InstanceProfile {
            arn: Some(format!("arn:aws:iam::{}:instance-profile/node", ctx.caller.account)),
            instance_profile_id: Some("AIPAEXAMPLE".into()),
            ..Default::default()
        };
        Ok(GetInstanceProfileResponse { instance_profile: Some(profile) })
    }
}

/// EC2 with an owner.
pub struct World {
    pub ec2: Arc<Ec2Service>,
    pub ctx: Context,
    _dir: tempfile::TempDir,
}

pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A filter with values.
pub fn filter(name: &str, values: &[&str]) -> Option<Vec<Filter>> {
    let values = Some(values.iter().map(|it| (*it).to_owned()).collect());
    Some(vec![Filter { name: some(name), values }])
}

/// Tags for one kind of resource.
pub fn tags(kind: &str, key: &str, value: &str) -> Option<Vec<TagSpecification>> {
    let tag = Tag { key: some(key), value: some(value) };
    Some(vec![TagSpecification { resource_type: some(kind), tags: Some(vec![tag]) }])
}

/// That a call was refused with this code; answers the message.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T, Fault>, code: &str) -> String {
    let fault = result.expect_err("the call should have been refused");
    assert_eq!(fault.code, code, "{}", fault.message);
    fault.message
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path()).unwrap();
        let ec2 = Ec2Service::new(Records::new(Arc::new(store)), Arc::new(SystemClock), Arc::new(OneProfile));
        let account: AccountId = ACCOUNT.parse().unwrap();
        let caller = Caller {
            arn: format!("arn:aws:iam::{account}:user/admin"),
            account,
            principal: Principal::User("admin".into()),
            user_id: "AIDAEXAMPLE".into(),
            access_key_id: "AKIAEXAMPLE".into(),
        };
        let ctx = Context {
            caller,
            region: "ap-northeast-2".parse().unwrap(),
            request_id: "r-1".into(),
            now: "2026-03-14T00:00:00Z".parse().unwrap(),
        };
        Self { ec2: Arc::new(ec2), ctx, _dir: dir }
    }

    /// The context of EKS acting in the user's account.
    pub fn as_service(&self) -> Context {
        Context { caller: Caller::service(self.ctx.caller.account.clone(), "eks.amazonaws.com"), ..self.ctx.clone() }
    }

    pub async fn vpc(&self, block: &str) -> String {
        let input = CreateVpcRequest { cidr_block: some(block), ..Default::default() };
        self.ec2.create_vpc(&self.ctx, input).await.unwrap().vpc.unwrap().vpc_id.unwrap()
    }

    pub async fn subnet(&self, vpc: &str, block: &str, zone: &str) -> String {
        let input = CreateSubnetRequest {
            vpc_id: some(vpc),
            cidr_block: some(block),
            availability_zone: some(zone),
            ..Default::default()
        };
        self.ec2.create_subnet(&self.ctx, input).await.unwrap().subnet.unwrap().subnet_id.unwrap()
    }

    /// A VPC with one subnet, both 10.0.0.0/24 and up.
    pub async fn vpc_and_subnet(&self) -> (String, String) {
        let vpc = self.vpc("10.0.0.0/16").await;
        let subnet = self.subnet(&vpc, "10.0.1.0/24", "ap-northeast-2a").await;
        (vpc, subnet)
    }

    pub async fn gateway(&self, vpc: &str) -> String {
        let made = self.ec2.create_internet_gateway(&self.ctx, Default::default()).await.unwrap();
        let id = made.internet_gateway.unwrap().internet_gateway_id.unwrap();
        let input =
            AttachInternetGatewayRequest { internet_gateway_id: some(&id), vpc_id: some(vpc), ..Default::default() };
        self.ec2.attach_internet_gateway(&self.ctx, input).await.unwrap();
        id
    }

    pub async fn group(&self, vpc: &str, name: &str) -> String {
        let input = CreateSecurityGroupRequest {
            vpc_id: some(vpc),
            group_name: some(name),
            description: some("for a test"),
            ..Default::default()
        };
        self.ec2.create_security_group(&self.ctx, input).await.unwrap().group_id.unwrap()
    }

    pub async fn interface(&self, subnet: &str) -> NetworkInterface {
        let input = CreateNetworkInterfaceRequest { subnet_id: some(subnet), ..Default::default() };
        self.ec2.create_network_interface(&self.ctx, input).await.unwrap().network_interface.unwrap()
    }

    /// The request for one instance in a subnet.
    pub fn launch(&self, subnet: &str) -> RunInstancesRequest {
        RunInstancesRequest {
            image_id: some(IMAGE),
            instance_type: some("t3.medium"),
            min_count: Some(1),
            max_count: Some(1),
            subnet_id: some(subnet),
            ..Default::default()
        }
    }

    pub async fn run(&self, input: RunInstancesRequest) -> Instance {
        self.ec2.run_instances(&self.ctx, input).await.unwrap().instances.unwrap().remove(0)
    }

    /// An instance that runs, as if its machine had said so.
    pub async fn running(&self, input: RunInstancesRequest) -> Instance {
        let made = self.run(input).await;
        let id = made.instance_id.unwrap();
        self.started(&id).await;
        self.instance(&id).await
    }

    pub async fn started(&self, id: &str) {
        let (account, region) = (&self.ctx.caller.account, &self.ctx.region);
        self.ec2.instance_started(account, region, &id.parse().unwrap()).await.unwrap();
    }

    pub async fn instance(&self, id: &str) -> Instance {
        let input = DescribeInstancesRequest { instance_ids: Some(vec![id.into()]), ..Default::default() };
        let found = self.ec2.describe_instances(&self.ctx, input).await.unwrap().reservations.unwrap().remove(0);
        found.instances.unwrap().remove(0)
    }

    pub async fn state(&self, id: &str) -> String {
        self.instance(id).await.state.unwrap().name.unwrap()
    }

    pub async fn interfaces(&self, filters: Option<Vec<Filter>>) -> Vec<NetworkInterface> {
        let input = DescribeNetworkInterfacesRequest { filters, ..Default::default() };
        self.ec2.describe_network_interfaces(&self.ctx, input).await.unwrap().network_interfaces.unwrap()
    }

    pub async fn free(&self, subnet: &str) -> i32 {
        let input = DescribeSubnetsRequest { subnet_ids: Some(vec![subnet.into()]), ..Default::default() };
        let found = self.ec2.describe_subnets(&self.ctx, input).await.unwrap().subnets.unwrap().remove(0);
        found.available_ip_address_count.unwrap()
    }

    pub async fn delete_interface(&self, id: &str) -> Result<(), Fault> {
        let input = DeleteNetworkInterfaceRequest { network_interface_id: some(id), ..Default::default() };
        self.ec2.delete_network_interface(&self.ctx, input).await
    }
}
