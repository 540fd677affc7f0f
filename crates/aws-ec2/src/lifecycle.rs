//! What the machines tell: an instance runs, has stopped, is gone, could not be made. Each report is one transaction,
//! and a report that no longer fits (the instance moved on, or is not there) changes nothing.

use crate::addressing;
use crate::error::Result;
use crate::instance::number_key;
use crate::instance_query::watched_interfaces;
use crate::instance_state::{Event, after};
use crate::interface;
use crate::records::{Instance, InstanceState, NetworkInterface};
use crate::side_records::{InstanceFace, TERMINATED_ROOT, Terminated, Volume};
use crate::world::World;
use base::InstanceId;
use jiff::{SignedDuration, Timestamp};

/// How long a terminated instance is still shown. Source: *Amazon EC2 User Guide*, "Terminate Amazon EC2 instances".
const SHOWN_AFTER_END: SignedDuration = SignedDuration::from_hours(1);

/// An event from the machine that runs the instance.
pub(crate) fn report(world: &mut World<'_, '_>, id: &InstanceId, event: Event, reason: Option<&str>) -> Result<()> {
    let Some(mut instance) = world.get::<Instance>(id.as_str())? else { return Ok(()) };
    let Some(to) = after(instance.state, event) else { return Ok(()) };
    instance.state = to;
    if let Some(reason) = reason {
        // The form that answers know as the service's doing, see `instance_view::state_reason`.
        instance.transition_reason = format!("Server.InternalError: {reason}");
    }
    match to {
        InstanceState::Stopped => release_auto_public(world, id)?,
        InstanceState::Terminated => end(world, &mut instance)?,
        _ => {}
    }
    world.put(&instance)
}

/// The public address that came by itself goes when the instance stops; the private ones stay.
fn release_auto_public(world: &mut World<'_, '_>, id: &InstanceId) -> Result<()> {
    for mut nic in watched_interfaces(world, id)? {
        if drop_auto_public(world, &mut nic) {
            world.put(&nic)?;
        }
    }
    Ok(())
}

fn drop_auto_public(world: &mut World<'_, '_>, nic: &mut NetworkInterface) -> bool {
    let mut changed = false;
    for slot in &mut nic.addresses {
        if let Some(public) = slot.public.take_if(|it| it.allocation.is_none()) {
            addressing::give_back_public(world, public.address);
            changed = true;
        }
    }
    changed
}

/// Gives back what the instance held: interfaces, addresses, volume, number.
fn end(world: &mut World<'_, '_>, instance: &mut Instance) -> Result<()> {
    for mut nic in watched_interfaces(world, &instance.id)? {
        if nic.attachment.as_ref().is_some_and(|it| it.delete_on_termination) {
            interface::forget(world, nic)?;
        } else {
            drop_auto_public(world, &mut nic);
            interface::detach(world, &mut nic);
            world.put(&nic)?;
        }
    }
    if let Some(mut volume) = world.get::<Volume>(instance.volume.as_str())? {
        if volume.delete_on_termination {
            world.remove::<Volume>(volume.id.as_str());
        } else {
            volume.instance = None;
            world.put(&volume)?;
        }
    }
    world.remove_entry(number_key(instance.number));
    instance.terminated = Some(world.scope.now);
    let key = format!("{TERMINATED_ROOT}{}/{}/{}", world.account(), world.region(), instance.id);
    let entry = Terminated {
        account: world.account().clone(),
        region: world.region().clone(),
        instance: instance.id.clone(),
        at: world.scope.now,
    };
    world.put_entry(key, &entry)
}

/// Whether a terminated instance has been shown long enough.
pub(crate) fn is_over(terminated: &Terminated, now: Timestamp) -> bool {
    now.duration_since(terminated.at) >= SHOWN_AFTER_END
}

/// Forgets a terminated instance.
pub(crate) fn forget(world: &mut World<'_, '_>, key: &str, id: &InstanceId) {
    world.remove::<InstanceFace>(id.as_str());
    world.remove::<Instance>(id.as_str());
    world.remove_entry(key.to_owned());
}
