//! DescribeVolumes: the root volumes of instances.

use crate::error::Result;
use crate::filter::{Column, each, flag, keep, number, text};
use crate::page::page;
use crate::side_records::Volume;
use crate::tag;
use crate::world::World;
use aws_model::ec2 as wire;
use base::InstanceId;

const FILTERS: &[Column<wire::Volume>] = &[
    ("attachment.attach-time", |it| {
        each(&it.attachments, |one| one.attach_time.iter().map(ToString::to_string).collect())
    }),
    ("attachment.delete-on-termination", |it| each(&it.attachments, |one| flag(&one.delete_on_termination))),
    ("attachment.device", |it| each(&it.attachments, |one| text(&one.device))),
    ("attachment.instance-id", |it| each(&it.attachments, |one| text(&one.instance_id))),
    ("attachment.status", |it| each(&it.attachments, |one| text(&one.state))),
    ("availability-zone", |it| text(&it.availability_zone)),
    ("availability-zone-id", |it| text(&it.availability_zone_id)),
    ("create-time", |it| it.create_time.iter().map(ToString::to_string).collect()),
    ("encrypted", |it| flag(&it.encrypted)),
    ("size", |it| number(&it.size)),
    ("snapshot-id", |it| text(&it.snapshot_id)),
    ("status", |it| text(&it.state)),
    ("volume-id", |it| text(&it.volume_id)),
    ("volume-type", |it| text(&it.volume_type)),
];

/// DescribeVolumes.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeVolumesRequest,
) -> Result<wire::DescribeVolumesResult> {
    let found = world.select::<Volume>(&input.volume_ids)?;
    let found = keep(found.iter().map(|it| render(world, it)).collect(), &input.filters, FILTERS)?;
    let key = |it: &wire::Volume| it.volume_id.clone().unwrap_or_default();
    let (volumes, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeVolumesResult { next_token, volumes: Some(volumes) })
}

fn render(world: &World<'_, '_>, it: &Volume) -> wire::Volume {
    let attachment = |instance: &InstanceId| wire::VolumeAttachment {
        attach_time: Some(it.created),
        delete_on_termination: Some(it.delete_on_termination),
        device: Some(it.device.clone()),
        instance_id: Some(instance.to_string()),
        state: Some("attached".to_owned()),
        volume_id: Some(it.id.to_string()),
        ..Default::default()
    };
    // What gp3 has at the least, from the EBS User Guide's "Amazon EBS volume types".
    let (iops, throughput) = if it.kind == "gp3" { (Some(3000), Some(125)) } else { (None, None) };
    wire::Volume {
        volume_id: Some(it.id.to_string()),
        availability_zone: Some(it.zone.clone()),
        availability_zone_id: world.zone_id(&it.zone),
        size: Some(it.size),
        volume_type: Some(it.kind.clone()),
        iops,
        throughput,
        snapshot_id: Some(it.snapshot.clone()),
        state: Some(if it.instance.is_some() { "in-use" } else { "available" }.to_owned()),
        create_time: Some(it.created),
        encrypted: Some(false),
        multi_attach_enabled: Some(false),
        attachments: Some(it.instance.iter().map(attachment).collect()),
        tags: tag::render_some(&it.tags),
        ..Default::default()
    }
}
