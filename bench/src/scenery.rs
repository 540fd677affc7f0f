//! What clusters stand in: VPCs with two public subnets, a role, instances; and the clusters' own life.

use crate::aws::{Aws, element};
use crate::daemon::REGION;
use crate::endpoint::Endpoint;
use crate::place::Place;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How often a state is asked for: what a caller would see as at once.
const LOOK: Duration = Duration::from_millis(1);
/// Past it something is broken.
const PATIENCE: Duration = Duration::from_secs(120);
/// The resolver of the Internet.
pub const PUBLIC_RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);

/// A VPC with a public subnet in each of two zones.
#[derive(Debug, Clone)]
pub struct Vpc {
    /// Its resolver.
    pub resolver: Ipv4Addr,
    /// Its subnets.
    pub subnets: Vec<String>,
}

/// Makes VPC number `number` (10.number.0.0/16); each subnet has room for 4,000 addresses.
///
/// # Errors
/// When a call is refused.
pub async fn vpc(aws: &mut Aws, number: u8) -> anyhow::Result<Vpc> {
    let made = aws.ec2("CreateVpc", &[("CidrBlock", &format!("10.{number}.0.0/16"))]).await?;
    let id = element(&made, "vpcId")?.to_owned();
    // Without it resolvers of the VPC do not answer by the private way.
    aws.ec2("ModifyVpcAttribute", &[("VpcId", &id), ("EnableDnsHostnames.Value", "true")]).await?;
    let made = aws.ec2("CreateInternetGateway", &[]).await?;
    let gateway = element(&made, "internetGatewayId")?.to_owned();
    aws.ec2("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &id)]).await?;
    let filter = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", id.as_str())];
    let tables = aws.ec2("DescribeRouteTables", &filter).await?;
    let table = element(&tables, "routeTableId")?;
    let route = [("RouteTableId", table), ("DestinationCidrBlock", "0.0.0.0/0"), ("GatewayId", gateway.as_str())];
    aws.ec2("CreateRoute", &route).await?;
    let mut subnets = Vec::new();
    for (zone, third) in [("a", 16), ("c", 32)] {
        let (block, zone) = (format!("10.{number}.{third}.0/20"), format!("{REGION}{zone}"));
        let ask = [("VpcId", id.as_str()), ("CidrBlock", block.as_str()), ("AvailabilityZone", zone.as_str())];
        let made = aws.ec2("CreateSubnet", &ask).await?;
        let subnet = element(&made, "subnetId")?.to_owned();
        let public = [("SubnetId", subnet.as_str()), ("MapPublicIpOnLaunch.Value", "true")];
        aws.ec2("ModifySubnetAttribute", &public).await?;
        subnets.push(subnet);
    }
    Ok(Vpc { resolver: Ipv4Addr::new(10, number, 0, 2), subnets })
}

/// A role that EKS may take on: its ARN.
///
/// # Errors
/// When a call is refused.
pub async fn role(aws: &mut Aws) -> anyhow::Result<String> {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    .to_string();
    let ask = [("RoleName", "bench"), ("AssumeRolePolicyDocument", trust.as_str())];
    Ok(element(&aws.iam("CreateRole", &ask).await?, "Arn")?.to_owned())
}

/// An instance that runs, in a subnet.
///
/// # Errors
/// When a call is refused or it does not start.
pub async fn instance(aws: &mut Aws, subnet: &str) -> anyhow::Result<String> {
    let images = aws.ec2("DescribeImages", &[("Owner.1", "amazon")]).await?;
    let image = element(&images, "imageId")?.to_owned();
    let ask = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.micro"),
        ("SubnetId", subnet),
        ("MinCount", "1"),
        ("MaxCount", "1"),
    ];
    let id = element(&aws.ec2("RunInstances", &ask).await?, "instanceId")?.to_owned();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = aws.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await?;
        if seen.contains("<name>running</name>") {
            return Ok(id);
        }
        ensure!(Instant::now() < deadline, "{id} does not run: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The body of CreateCluster.
pub fn cluster_request(name: &str, role: &str, subnets: &[String]) -> Value {
    json!({"name": name, "roleArn": role, "resourcesVpcConfig": {"subnetIds": subnets}})
}

/// Makes a cluster and waits until it is ACTIVE; its description.
///
/// # Errors
/// When it is refused or fails.
pub async fn create(aws: &mut Aws, name: &str, role: &str, vpc: &Vpc) -> anyhow::Result<Value> {
    aws.eks("POST", "/clusters", Some(&cluster_request(name, role, &vpc.subnets))).await?;
    active(aws, name).await
}

/// Waits until a cluster is ACTIVE; its description.
///
/// # Errors
/// When it fails.
pub async fn active(aws: &mut Aws, name: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut seen = aws.eks("GET", &format!("/clusters/{name}"), None).await?;
        match seen["cluster"]["status"].as_str() {
            Some("ACTIVE") => return Ok(seen["cluster"].take()),
            Some("CREATING" | "UPDATING") => {}
            _ => anyhow::bail!("{name}: {seen}"),
        }
        ensure!(Instant::now() < deadline, "{name} does not become ACTIVE: {seen}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Deletes a cluster and waits until it is gone.
///
/// # Errors
/// When it is refused or it stays.
pub async fn delete(aws: &mut Aws, name: &str) -> anyhow::Result<()> {
    let path = format!("/clusters/{name}");
    aws.eks("DELETE", &path, None).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match aws.eks("GET", &path, None).await {
            Err(error)
                if format!("{error}").contains("ResourceNotFoundException") || format!("{error}").contains("404") =>
            {
                return Ok(());
            }
            seen => _ = seen?,
        }
        ensure!(Instant::now() < deadline, "{name} is not deleted");
        tokio::time::sleep(LOOK).await;
    }
}

/// Resolves a cluster's name at a place and asks `/healthz` at the first address.
///
/// # Errors
/// When the name or the server does not answer.
pub async fn reached(cluster: &Value, outside: &Place) -> anyhow::Result<()> {
    let endpoint = Endpoint::of(cluster)?;
    let addresses = outside.resolver(PUBLIC_RESOLVER)?.addresses(&endpoint.host).await?;
    endpoint.healthz(outside, *addresses.first().context("an address of the endpoint")?).await
}

/// Lets the VPC in at the cluster's security group, as its owner would.
///
/// # Errors
/// When the call is refused.
pub async fn open(aws: &mut Aws, cluster: &Value, port: u16) -> anyhow::Result<()> {
    let group = cluster.pointer("/resourcesVpcConfig/clusterSecurityGroupId").and_then(Value::as_str);
    let port = port.to_string();
    let ask = [
        ("GroupId", group.context("a cluster security group")?),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", &port),
        ("IpPermissions.1.ToPort", &port),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ];
    aws.ec2("AuthorizeSecurityGroupIngress", &ask).await?;
    Ok(())
}

/// The addresses of a cluster's cross-account interfaces, sorted.
///
/// # Errors
/// When the call is refused.
pub async fn interfaces(aws: &mut Aws, name: &str) -> anyhow::Result<Vec<Ipv4Addr>> {
    let description = format!("Amazon EKS {name}");
    let ask = [("Filter.1.Name", "description"), ("Filter.1.Value.1", description.as_str())];
    let found = aws.ec2("DescribeNetworkInterfaces", &ask).await?;
    let mut addresses = Vec::new();
    // Each interface names its primary address in one element of this name besides the list of all its addresses.
    for interface in found.split("<networkInterfaceId>").skip(1) {
        addresses.push(element(interface, "privateIpAddress")?.parse()?);
    }
    addresses.sort();
    Ok(addresses)
}
