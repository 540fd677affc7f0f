//! Describing instances: with their interfaces, volumes and states.

use crate::error::{Result, combination};
use crate::filter::{Column, Tagged, each, flag, keep, number, text, within};
use crate::image::ROOT_DEVICE;
use crate::instance_type::InstanceType;
use crate::page::page;
use crate::records::{Instance, InstanceState, NetworkInterface};
use crate::side_records::{ATTACHED, InstanceFace, Volume};
use crate::world::World;
use crate::{instance_view, interface, tag};
use aws_model::ec2 as wire;
use base::InstanceId;
use std::collections::BTreeMap;

/// The interfaces of an instance that must be there, by device index.
pub(crate) fn interfaces(world: &World<'_, '_>, id: &str) -> Result<Vec<NetworkInterface>> {
    let instance = world.find::<Instance>(id)?;
    watched_interfaces(world, &instance.id)
}

/// The interfaces of an instance by device index, for a decision: an attachment that comes meanwhile fails the commit.
pub(crate) fn watched_interfaces(world: &World<'_, '_>, id: &InstanceId) -> Result<Vec<NetworkInterface>> {
    let prefix = world.key(ATTACHED, &format!("{id}/"));
    let entries = world.scan_entries::<i32>(&prefix)?;
    let ids = entries.iter().filter_map(|(key, _)| key.strip_prefix(&prefix));
    let mut found = ids.map(|id| world.find::<NetworkInterface>(id)).collect::<Result<Vec<_>>>()?;
    found.sort_by_key(index_of);
    Ok(found)
}

fn index_of(interface: &NetworkInterface) -> i32 {
    interface.attachment.as_ref().map_or(i32::MAX, |it| it.device_index)
}

/// What instances show besides their own records.
pub(crate) struct Surroundings {
    interfaces: BTreeMap<InstanceId, Vec<NetworkInterface>>,
    faces: BTreeMap<InstanceId, InstanceFace>,
    volumes: BTreeMap<InstanceId, Volume>,
}

impl Surroundings {
    /// Reads what belongs to `instances`: one by one for a few, in one sweep for many.
    pub fn of(world: &World<'_, '_>, instances: &[Instance]) -> Result<Self> {
        // Below this many, reading by key beats parsing everything in the region.
        const FEW: usize = 16;
        let mut found = Self { interfaces: BTreeMap::new(), faces: BTreeMap::new(), volumes: BTreeMap::new() };
        if instances.len() > FEW {
            for interface in world.peek::<NetworkInterface>()? {
                if let Some(id) = interface.attachment.as_ref().and_then(|it| it.instance.clone()) {
                    found.interfaces.entry(id).or_default().push(interface);
                }
            }
            for list in found.interfaces.values_mut() {
                list.sort_by_key(index_of);
            }
        }
        for instance in instances {
            let id = &instance.id;
            if instances.len() <= FEW {
                found.interfaces.insert(id.clone(), watched_interfaces(world, id)?);
            }
            if let Some(face) = world.get::<InstanceFace>(id.as_str())? {
                found.faces.insert(id.clone(), face);
            }
            if let Some(volume) = world.get::<Volume>(instance.volume.as_str())? {
                found.volumes.insert(id.clone(), volume);
            }
        }
        Ok(found)
    }

    fn interfaces_of(&self, id: &InstanceId) -> &[NetworkInterface] {
        self.interfaces.get(id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A state as answers show it, with its code from the *EC2 API Reference*, `InstanceState`.
pub(crate) fn state(state: InstanceState) -> wire::InstanceState {
    let (code, name) = match state {
        InstanceState::Pending => (0, "pending"),
        InstanceState::Running => (16, "running"),
        InstanceState::ShuttingDown => (32, "shutting-down"),
        InstanceState::Terminated => (48, "terminated"),
        InstanceState::Stopping => (64, "stopping"),
        InstanceState::Stopped => (80, "stopped"),
    };
    wire::InstanceState { code: Some(code), name: Some(name.to_owned()) }
}

/// The instances of one call as answers show them together.
pub(crate) fn reservation(world: &World<'_, '_>, instances: &[Instance]) -> Result<wire::Reservation> {
    let surroundings = Surroundings::of(world, instances)?;
    let shown = instances.iter().map(|it| render(world, it, &surroundings)).collect::<Result<Vec<_>>>()?;
    let id = instances.first().map(|it| it.reservation.to_string());
    Ok(wire::Reservation {
        reservation_id: id,
        owner_id: Some(world.account().to_string()),
        groups: Some(vec![]),
        instances: Some(shown),
        requester_id: None,
    })
}

/// An instance with the call that made it, for filters.
pub(crate) struct Shown {
    reservation: String,
    owner: String,
    instance: wire::Instance,
}

impl Tagged for Shown {
    fn tags(&self) -> &[wire::Tag] {
        self.instance.tags.as_deref().unwrap_or_default()
    }
}

fn nics(it: &Shown, member: fn(&wire::InstanceNetworkInterface) -> Vec<String>) -> Vec<String> {
    each(&it.instance.network_interfaces, member)
}

fn placed(it: &Shown, member: fn(&wire::Placement) -> Vec<String>) -> Vec<String> {
    within(&it.instance.placement, member)
}

const FILTERS: &[Column<Shown>] = &[
    ("architecture", |it| text(&it.instance.architecture)),
    ("availability-zone", |it| placed(it, |one| text(&one.availability_zone))),
    ("availability-zone-id", |it| placed(it, |one| text(&one.availability_zone_id))),
    ("block-device-mapping.device-name", |it| each(&it.instance.block_device_mappings, |one| text(&one.device_name))),
    ("block-device-mapping.volume-id", |it| {
        each(&it.instance.block_device_mappings, |one| within(&one.ebs, |ebs| text(&ebs.volume_id)))
    }),
    ("client-token", |it| text(&it.instance.client_token)),
    ("dns-name", |it| text(&it.instance.public_dns_name)),
    ("group-id", |it| each(&it.instance.security_groups, |one| text(&one.group_id))),
    ("group-name", |it| each(&it.instance.security_groups, |one| text(&one.group_name))),
    ("hypervisor", |it| text(&it.instance.hypervisor)),
    ("iam-instance-profile.arn", |it| within(&it.instance.iam_instance_profile, |one| text(&one.arn))),
    ("iam-instance-profile.id", |it| within(&it.instance.iam_instance_profile, |one| text(&one.id))),
    ("image-id", |it| text(&it.instance.image_id)),
    ("instance-id", |it| text(&it.instance.instance_id)),
    ("instance-lifecycle", |it| text(&it.instance.instance_lifecycle)),
    ("instance-state-code", |it| within(&it.instance.state, |one| number(&one.code))),
    ("instance-state-name", |it| within(&it.instance.state, |one| text(&one.name))),
    ("instance-type", |it| text(&it.instance.instance_type)),
    ("instance.group-id", |it| each(&it.instance.security_groups, |one| text(&one.group_id))),
    ("instance.group-name", |it| each(&it.instance.security_groups, |one| text(&one.group_name))),
    ("ip-address", |it| text(&it.instance.public_ip_address)),
    ("key-name", |it| text(&it.instance.key_name)),
    ("launch-index", |it| number(&it.instance.ami_launch_index)),
    ("launch-time", |it| {
        it.instance.launch_time.iter().map(|at| at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()).collect()
    }),
    ("metadata-options.http-tokens", |it| within(&it.instance.metadata_options, |one| text(&one.http_tokens))),
    ("monitoring-state", |it| within(&it.instance.monitoring, |one| text(&one.state))),
    ("network-interface.addresses.private-ip-address", |it| {
        nics(it, |one| each(&one.private_ip_addresses, |address| text(&address.private_ip_address)))
    }),
    ("network-interface.association.public-ip", |it| nics(it, |one| within(&one.association, |a| text(&a.public_ip)))),
    ("network-interface.attachment.attachment-id", |it| {
        nics(it, |one| within(&one.attachment, |a| text(&a.attachment_id)))
    }),
    ("network-interface.attachment.device-index", |it| {
        nics(it, |one| within(&one.attachment, |a| number(&a.device_index)))
    }),
    ("network-interface.description", |it| nics(it, |one| text(&one.description))),
    ("network-interface.group-id", |it| nics(it, |one| each(&one.groups, |group| text(&group.group_id)))),
    ("network-interface.mac-address", |it| nics(it, |one| text(&one.mac_address))),
    ("network-interface.network-interface-id", |it| nics(it, |one| text(&one.network_interface_id))),
    ("network-interface.private-ip-address", |it| nics(it, |one| text(&one.private_ip_address))),
    ("network-interface.subnet-id", |it| nics(it, |one| text(&one.subnet_id))),
    ("network-interface.vpc-id", |it| nics(it, |one| text(&one.vpc_id))),
    ("owner-id", |it| vec![it.owner.clone()]),
    ("placement-group-name", |it| placed(it, |one| text(&one.group_name))),
    ("platform", |it| text(&it.instance.platform)),
    ("platform-details", |it| text(&it.instance.platform_details)),
    ("private-dns-name", |it| text(&it.instance.private_dns_name)),
    ("private-ip-address", |it| text(&it.instance.private_ip_address)),
    ("reason", |it| text(&it.instance.state_transition_reason)),
    ("reservation-id", |it| vec![it.reservation.clone()]),
    ("root-device-name", |it| text(&it.instance.root_device_name)),
    ("root-device-type", |it| text(&it.instance.root_device_type)),
    ("source-dest-check", |it| flag(&it.instance.source_dest_check)),
    ("state-reason-code", |it| within(&it.instance.state_reason, |one| text(&one.code))),
    ("subnet-id", |it| text(&it.instance.subnet_id)),
    ("tenancy", |it| placed(it, |one| text(&one.tenancy))),
    ("virtualization-type", |it| text(&it.instance.virtualization_type)),
    ("vpc-id", |it| text(&it.instance.vpc_id)),
];

/// DescribeInstances.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeInstancesRequest,
) -> Result<wire::DescribeInstancesResult> {
    if input.max_results.is_some() && input.instance_ids.as_ref().is_some_and(|ids| !ids.is_empty()) {
        return Err(combination("The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let instances = world.select::<Instance>(&input.instance_ids)?;
    let surroundings = Surroundings::of(world, &instances)?;
    let mut shown = Vec::new();
    for it in &instances {
        shown.push(Shown {
            reservation: it.reservation.to_string(),
            owner: world.account().to_string(),
            instance: render(world, it, &surroundings)?,
        });
    }
    let found = keep(shown, &input.filters, FILTERS)?;
    // Sorted by reservation, so that a page rarely cuts one in two.
    let key = |it: &Shown| format!("{}\n{}", it.reservation, it.instance.instance_id.as_deref().unwrap_or_default());
    let (found, next_token) = page(found, key, input.max_results, &input.next_token)?;
    let mut reservations: Vec<wire::Reservation> = Vec::new();
    for it in found {
        match reservations.last_mut().filter(|last| last.reservation_id.as_ref() == Some(&it.reservation)) {
            Some(last) => last.instances.get_or_insert_default().push(it.instance),
            None => reservations.push(wire::Reservation {
                reservation_id: Some(it.reservation),
                owner_id: Some(it.owner),
                groups: Some(vec![]),
                instances: Some(vec![it.instance]),
                requester_id: None,
            }),
        }
    }
    Ok(wire::DescribeInstancesResult { next_token, reservations: Some(reservations) })
}

/// An instance as answers show it.
pub(crate) fn render(world: &World<'_, '_>, it: &Instance, around: &Surroundings) -> Result<wire::Instance> {
    let mut shown = instance_view::static_members(world, it);
    shown.state = Some(state(it.state));
    shown.state_transition_reason = Some(it.transition_reason.clone());
    shown.state_reason = instance_view::state_reason(it);
    if let Some(face) = around.faces.get(&it.id) {
        shown.iam_instance_profile = it
            .instance_profile
            .clone()
            .map(|arn| wire::IamInstanceProfile { arn: Some(arn), id: face.profile_id.clone() });
        shown.ebs_optimized = Some(face.ebs_optimized);
        let monitoring = if face.monitoring { "enabled" } else { "disabled" };
        shown.monitoring = Some(wire::Monitoring { state: Some(monitoring.to_owned()) });
    }
    let volume = around.volumes.get(&it.id);
    shown.block_device_mappings = Some(volume.into_iter().map(instance_view::mapping).collect());
    let nics = around.interfaces_of(&it.id);
    let views = nics.iter().map(|nic| instance_view::nic(world, nic)).collect::<Result<Vec<_>>>()?;
    if let Some(primary) = nics.first() {
        shown.security_groups = Some(interface::groups(world, primary)?);
        shown.source_dest_check = Some(primary.source_dest_check);
        if let Some(association) = views.first().and_then(|it| it.association.clone()) {
            shown.public_ip_address = association.public_ip;
            shown.public_dns_name = association.public_dns_name;
        }
    }
    shown.network_interfaces = Some(views);
    shown.root_device_name = Some(ROOT_DEVICE.to_owned());
    shown.tags = tag::render_some(&it.tags);
    let architecture = InstanceType::find(&it.instance_type).map(InstanceType::architecture);
    shown.boot_mode = Some(if architecture == Some("arm64") { "uefi" } else { "uefi-preferred" }.to_owned());
    shown.architecture = architecture.map(str::to_owned);
    Ok(shown)
}
