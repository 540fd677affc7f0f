//! DescribeInstanceStatus.

use crate::error::Result;
use crate::filter::{Column, keep, number, text, within};
use crate::instance_query::state;
use crate::page::page;
use crate::records::{Instance, InstanceState};
use crate::world::World;
use aws_model::ec2 as wire;

const FILTERS: &[Column<wire::InstanceStatus>] = &[
    ("availability-zone", |it| text(&it.availability_zone)),
    ("availability-zone-id", |it| text(&it.availability_zone_id)),
    ("event.code", |_| vec![]),
    ("instance-state-code", |it| within(&it.instance_state, |one| number(&one.code))),
    ("instance-state-name", |it| within(&it.instance_state, |one| text(&one.name))),
    ("instance-status.status", |it| within(&it.instance_status, |one| text(&one.status))),
    ("system-status.status", |it| within(&it.system_status, |one| text(&one.status))),
];

/// DescribeInstanceStatus: running instances, or all that there are.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeInstanceStatusRequest,
) -> Result<wire::DescribeInstanceStatusResult> {
    let mut found = world.select::<Instance>(&input.instance_ids)?;
    if input.include_all_instances != Some(true) {
        found.retain(|it| it.state == InstanceState::Running);
    }
    let shown = found.iter().map(|it| render(world, it)).collect();
    let found = keep(shown, &input.filters, FILTERS)?;
    let key = |it: &wire::InstanceStatus| it.instance_id.clone().unwrap_or_default();
    let (statuses, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeInstanceStatusResult { instance_statuses: Some(statuses), next_token })
}

fn render(world: &World<'_, '_>, it: &Instance) -> wire::InstanceStatus {
    let (status, detail) = match it.state {
        InstanceState::Running => ("ok", Some("passed")),
        InstanceState::Pending => ("initializing", Some("initializing")),
        _ => ("not-applicable", None),
    };
    let details = detail.map(|detail| {
        vec![wire::InstanceStatusDetails {
            name: Some("reachability".to_owned()),
            status: Some(detail.to_owned()),
            impaired_since: None,
        }]
    });
    let summary = wire::InstanceStatusSummary { details, status: Some(status.to_owned()) };
    wire::InstanceStatus {
        instance_id: Some(it.id.to_string()),
        availability_zone: Some(it.zone.clone()),
        availability_zone_id: world.zone_id(&it.zone),
        instance_state: Some(state(it.state)),
        instance_status: Some(summary.clone()),
        system_status: Some(summary),
        operator: Some(wire::OperatorResponse { managed: Some(false), ..Default::default() }),
        ..Default::default()
    }
}
