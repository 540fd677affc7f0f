//! RunInstances: from a whole request to records.

use crate::error::{Result, refuse};
use crate::image::ROOT_DEVICE;
use crate::interface::{self, NewInterface};
use crate::launch::{self, Launch, Plug, Source};
use crate::records::{Attachment, Instance, InstanceState, NetworkInterface, PublicAddress, Tags};
use crate::side_records::{InstanceFace, NUMBER_ROOT, Volume};
use crate::token::Token;
use crate::world::World;
use crate::{addressing, instance_query};
use aws_model::ec2 as wire;
use base::{AttachmentId, InstanceId, ReservationId, VolumeId};
use std::collections::BTreeSet;

/// An instance profile as IAM knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its ARN.
    pub arn: String,
    /// Its id, as `AIPA...`.
    pub id: String,
}

/// RunInstances.
pub(crate) fn run(
    world: &mut World<'_, '_>,
    input: &wire::RunInstancesRequest,
    profile: Option<&Profile>,
) -> Result<wire::Reservation> {
    let token = Token::of(world, "RunInstances", &input.client_token, input);
    if let Some(made) = token.made(world)? {
        let instances = made.iter().map(|id| world.find::<Instance>(id)).collect::<Result<Vec<_>>>()?;
        return instance_query::reservation(world, &instances);
    }
    let launch = launch::parse(world, input)?;
    let count = affordable(world, &launch)?;
    let reservation = ReservationId::random();
    let mut made = Vec::new();
    for index in 0..count {
        let face = InstanceFace {
            profile_id: profile.map(|it| it.id.clone()),
            auto_public: false,
            monitoring: input.monitoring.as_ref().is_some_and(|it| it.enabled == Some(true)),
            ebs_optimized: input.ebs_optimized == Some(true),
            shutdown_behavior: launch.shutdown_behavior.clone(),
        };
        let mut instance = draft(world, input, &launch, &reservation)?;
        instance.launch_index = i32::try_from(index).unwrap_or(i32::MAX);
        instance.instance_profile = profile.map(|it| it.arn.clone());
        made.push(launch_one(world, &launch, instance, face)?);
    }
    token.keep(world, made.iter().map(|it| it.id.to_string()).collect())?;
    instance_query::reservation(world, &made)
}

/// How many instances there are addresses for: as many as asked for, at least the minimum.
fn affordable(world: &World<'_, '_>, launch: &Launch) -> Result<usize> {
    let mut count = launch.max;
    if let Some(Plug { source: Source::New { subnet, secondary, more, .. }, .. }) = launch.plugs.first() {
        let free = usize::try_from(addressing::available(world, subnet)?).unwrap_or(usize::MAX);
        count = count.min(free / (1 + secondary.len() + more));
    }
    if count < launch.min {
        let message = "The specified subnet does not have enough free addresses to satisfy the request.";
        return Err(refuse("InsufficientFreeAddressesInSubnet", message));
    }
    Ok(count)
}

fn draft(
    world: &mut World<'_, '_>,
    input: &wire::RunInstancesRequest,
    launch: &Launch,
    reservation: &ReservationId,
) -> Result<Instance> {
    let (vpc, subnet, zone) = match &launch.plugs[0].source {
        Source::Existing(it) => (it.vpc.clone(), it.subnet.clone(), it.zone.clone()),
        Source::New { subnet, .. } => (subnet.vpc.clone(), subnet.id.clone(), subnet.zone.clone()),
    };
    let id = InstanceId::random();
    let image = launch.image.id.parse();
    let bad_image = |_| refuse("InvalidAMIID.Malformed", format!("Invalid id: \"{}\"", launch.image.id));
    Ok(Instance {
        number: take_number(world, &id)?,
        id,
        reservation: reservation.clone(),
        launch_index: 0,
        client_token: input.client_token.clone().filter(|it| !it.is_empty()),
        vpc,
        subnet,
        zone,
        image: image.map_err(bad_image)?,
        instance_type: launch.kind.name.to_owned(),
        key_name: launch.key_name.clone(),
        user_data: launch.user_data.clone(),
        instance_profile: None,
        state: InstanceState::Pending,
        boots: 0,
        transition_reason: String::new(),
        launched: world.scope.now,
        terminated: None,
        volume: VolumeId::random(),
        private_address: std::net::Ipv4Addr::UNSPECIFIED,
        metadata_tokens: launch.metadata_tokens.clone(),
        metadata_hop_limit: launch.metadata_hop_limit,
        termination_protection: input.disable_api_termination == Some(true),
        tags: launch.tags.get("instance").cloned().unwrap_or_default(),
    })
}

/// The lowest number that no instance of the service has.
fn take_number(world: &mut World<'_, '_>, id: &InstanceId) -> Result<u32> {
    let taken = world.peek_entries::<InstanceId>(NUMBER_ROOT)?;
    let taken: BTreeSet<u32> =
        taken.iter().filter_map(|(key, _)| key.strip_prefix(NUMBER_ROOT)?.parse().ok()).collect();
    let number = (0..u32::MAX).find(|it| !taken.contains(it)).unwrap_or(u32::MAX);
    let key = number_key(number);
    if world.entry::<InstanceId>(&key)?.is_some() {
        return Err(refuse("InsufficientInstanceCapacity", "There is no instance number left."));
    }
    world.put_entry(key, id)?;
    Ok(number)
}

/// The key that stands for a taken instance number.
pub(crate) fn number_key(number: u32) -> String {
    format!("{NUMBER_ROOT}{number:010}")
}

/// Writes one instance with its interfaces and volume.
fn launch_one(
    world: &mut World<'_, '_>,
    launch: &Launch,
    mut instance: Instance,
    mut face: InstanceFace,
) -> Result<Instance> {
    for plug in &launch.plugs {
        let mut interface = make_interface(world, launch, plug, &mut face)?;
        if plug.index == 0 {
            instance.private_address = interface.primary();
        }
        let attachment = Attachment {
            id: AttachmentId::random(),
            at: world.scope.now,
            device_index: plug.index,
            delete_on_termination: plug.delete_on_termination,
            instance: Some(instance.id.clone()),
            instance_owner: world.account().to_string(),
        };
        interface::attach(world, &mut interface, attachment)?;
        world.put(&interface)?;
    }
    world.put(&Volume {
        id: instance.volume.clone(),
        zone: instance.zone.clone(),
        size: launch.volume.size,
        kind: launch.volume.kind.clone(),
        snapshot: launch.image.snapshot(),
        instance: Some(instance.id.clone()),
        device: ROOT_DEVICE.to_owned(),
        delete_on_termination: launch.volume.delete_on_termination,
        created: world.scope.now,
        tags: launch.tags.get("volume").cloned().unwrap_or_default(),
    })?;
    world.put_at(instance.id.as_str(), &face)?;
    world.put(&instance)?;
    Ok(instance)
}

fn make_interface(
    world: &mut World<'_, '_>,
    launch: &Launch,
    plug: &Plug,
    face: &mut InstanceFace,
) -> Result<NetworkInterface> {
    let (subnet, description, primary, secondary, more, groups, public) = match &plug.source {
        Source::Existing(it) => return world.find(it.id.as_str()),
        Source::New { subnet, description, primary, secondary, more, groups, public } => {
            (subnet, description, primary, secondary, more, groups, public)
        }
    };
    let wants_public = launch.plugs.len() == 1 && public.unwrap_or(subnet.map_public_ip_on_launch);
    let new = NewInterface {
        subnet: subnet.clone(),
        description: description.clone(),
        primary: *primary,
        secondary: secondary.clone(),
        more: *more,
        groups: groups.clone(),
        tags: launch.tags.get("network-interface").cloned().unwrap_or_else(Tags::new),
    };
    let mut interface = interface::build(world, new)?;
    if wants_public {
        face.auto_public = true;
        give_public(world, &mut interface)?;
    }
    Ok(interface)
}

/// Gives an interface's primary address an auto-assigned public one, unless one stands there. The caller writes it.
pub(crate) fn give_public(world: &mut World<'_, '_>, interface: &mut NetworkInterface) -> Result<()> {
    let id = interface.id.clone();
    if let Some(slot) = interface.addresses.first_mut().filter(|it| it.public.is_none()) {
        let address = addressing::take_public(world, id.as_str())?;
        slot.public = Some(PublicAddress { address, allocation: None });
    }
    Ok(())
}
