//! Internet gateways: at most one attached to a VPC, at most one VPC each.

use crate::error::{Result, dependency, invalid, refuse, required};
use crate::filter::{Column, each, keep, text};
use crate::page::page;
use crate::records::{InternetGateway, NetworkInterface, Vpc};
use crate::world::World;
use crate::{interface_index, tag};
use aws_model::ec2 as wire;
use base::{InternetGatewayId, VpcId};

/// CreateInternetGateway.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateInternetGatewayRequest,
) -> Result<wire::CreateInternetGatewayResult> {
    let tags = tag::given(world, &input.tag_specifications, "internet-gateway")?;
    let gateway = InternetGateway { id: InternetGatewayId::random(), vpc: None, tags };
    world.put(&gateway)?;
    Ok(wire::CreateInternetGatewayResult { internet_gateway: Some(render(world, &gateway)) })
}

/// DeleteInternetGateway.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteInternetGatewayRequest) -> Result<()> {
    let gateway = find(world, &input.internet_gateway_id)?;
    if gateway.vpc.is_some() {
        let message = format!("The internetGateway '{}' has dependencies and cannot be deleted.", gateway.id);
        return Err(dependency(message));
    }
    world.remove::<InternetGateway>(gateway.id.as_str());
    Ok(())
}

/// AttachInternetGateway.
pub(crate) fn attach(world: &mut World<'_, '_>, input: &wire::AttachInternetGatewayRequest) -> Result<()> {
    let mut gateway = find(world, &input.internet_gateway_id)?;
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    if let Some(other) = &gateway.vpc {
        let message = format!("resource {} is already attached to network {other}", gateway.id);
        return Err(refuse("Resource.AlreadyAssociated", message));
    }
    if of_vpc(&world.scan()?, &vpc.id).is_some() {
        return Err(invalid(format!("Network {} already has an internet gateway attached", vpc.id)));
    }
    gateway.vpc = Some(vpc.id);
    world.put(&gateway)
}

/// DetachInternetGateway: refused while something in the VPC has a public address.
pub(crate) fn detach(world: &mut World<'_, '_>, input: &wire::DetachInternetGatewayRequest) -> Result<()> {
    let mut gateway = find(world, &input.internet_gateway_id)?;
    let vpc = world.find::<Vpc>(required(&input.vpc_id, "VpcId")?)?;
    if gateway.vpc.as_ref() != Some(&vpc.id) {
        let message = format!("resource {} is not attached to network {}", gateway.id, vpc.id);
        return Err(refuse("Gateway.NotAttached", message));
    }
    let inside = interface_index::of_vpc(world, &vpc.id)?;
    let inside = inside.iter().map(|id| world.find::<NetworkInterface>(id.as_str())).collect::<Result<Vec<_>>>()?;
    if inside.iter().flat_map(|it| &it.addresses).any(|one| one.public.is_some()) {
        return Err(dependency(format!(
            "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching \
                the gateway.",
            vpc.id
        )));
    }
    gateway.vpc = None;
    world.put(&gateway)
}

fn find(world: &World<'_, '_>, id: &Option<String>) -> Result<InternetGateway> {
    world.find(required(id, "InternetGatewayId")?)
}

/// The gateway of a VPC.
pub(crate) fn of_vpc<'a>(gateways: &'a [InternetGateway], vpc: &VpcId) -> Option<&'a InternetGateway> {
    gateways.iter().find(|it| it.vpc.as_ref() == Some(vpc))
}

const FILTERS: &[Column<wire::InternetGateway>] = &[
    ("attachment.state", |it| each(&it.attachments, |one| text(&one.state))),
    ("attachment.vpc-id", |it| each(&it.attachments, |one| text(&one.vpc_id))),
    ("internet-gateway-id", |it| text(&it.internet_gateway_id)),
    ("owner-id", |it| text(&it.owner_id)),
];

/// DescribeInternetGateways.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeInternetGatewaysRequest,
) -> Result<wire::DescribeInternetGatewaysResult> {
    let found = world.select::<InternetGateway>(&input.internet_gateway_ids)?;
    let found = keep(found.iter().map(|it| render(world, it)).collect(), &input.filters, FILTERS)?;
    let key = |it: &wire::InternetGateway| it.internet_gateway_id.clone().unwrap_or_default();
    let (gateways, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeInternetGatewaysResult { internet_gateways: Some(gateways), next_token })
}

fn render(world: &World<'_, '_>, gateway: &InternetGateway) -> wire::InternetGateway {
    let attachment = |vpc: &VpcId| wire::InternetGatewayAttachment {
        state: Some("available".to_owned()),
        vpc_id: Some(vpc.to_string()),
    };
    wire::InternetGateway {
        internet_gateway_id: Some(gateway.id.to_string()),
        owner_id: Some(world.account().to_string()),
        attachments: Some(gateway.vpc.iter().map(attachment).collect()),
        tags: Some(tag::render(&gateway.tags)),
    }
}
