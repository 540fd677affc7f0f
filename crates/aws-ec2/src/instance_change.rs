//! What users do to instances: start, stop, reboot, terminate, attributes.

use crate::error::{Result, combination, invalid, refuse, required, required_list, unsupported};
use crate::instance_query::{self, watched_interfaces};
use crate::instance_state::{Event, after};
use crate::records::{Instance, InstanceState, NetworkInterface};
use crate::side_records::InstanceFace;
use crate::world::World;
use crate::{image, instance, instance_type, instance_view, interface_index, launch, security_group};
use aws_model::ec2 as wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn all(world: &World<'_, '_>, ids: &Option<Vec<String>>) -> Result<Vec<Instance>> {
    let ids = required_list(ids, "InstanceId")?;
    if ids.is_empty() {
        return Err(crate::error::missing("InstanceId"));
    }
    ids.iter().map(|id| world.find(id)).collect()
}

fn change(id: &Instance, from: InstanceState, to: InstanceState) -> wire::InstanceStateChange {
    wire::InstanceStateChange {
        instance_id: Some(id.id.to_string()),
        previous_state: Some(instance_query::state(from)),
        current_state: Some(instance_query::state(to)),
    }
}

fn not_now(id: &Instance, done: &str) -> crate::error::Ec2Error {
    let message = format!("The instance '{}' is not in a state from which it can be {done}.", id.id);
    refuse("IncorrectInstanceState", message)
}

/// The sentence about a change that a user asked for.
fn by_user(world: &World<'_, '_>) -> String {
    format!("User initiated ({})", world.scope.now.strftime("%Y-%m-%d %H:%M:%S GMT"))
}

/// StartInstances.
pub(crate) fn start(
    world: &mut World<'_, '_>,
    input: &wire::StartInstancesRequest,
) -> Result<wire::StartInstancesResult> {
    unsupported(&[("AdditionalInfo", input.additional_info.is_some())])?;
    let mut changes = Vec::new();
    for mut it in all(world, &input.instance_ids)? {
        let from = it.state;
        let to = after(from, Event::Start).ok_or_else(|| not_now(&it, "started"))?;
        changes.push(change(&it, from, to));
        if from == to {
            continue;
        }
        it.state = to;
        it.launched = world.scope.now;
        it.transition_reason = String::new();
        world.put(&it)?;
        renew_public(world, &it)?;
    }
    Ok(wire::StartInstancesResult { starting_instances: Some(changes) })
}

/// An instance that came with an auto-assigned public address and has none gets another: at a start, as the stop took
/// it, and when an elastic address that took its place goes.
pub(crate) fn renew_public(world: &mut World<'_, '_>, it: &Instance) -> Result<()> {
    if !world.get::<InstanceFace>(it.id.as_str())?.is_some_and(|face| face.auto_public) {
        return Ok(());
    }
    let mut nics = watched_interfaces(world, &it.id)?;
    // AWS gives none to an instance with several interfaces.
    if let [only] = nics.as_mut_slice() {
        instance::give_public(world, only)?;
        let only: &NetworkInterface = only;
        world.put(only)?;
    }
    Ok(())
}

/// StopInstances.
pub(crate) fn stop(world: &mut World<'_, '_>, input: &wire::StopInstancesRequest) -> Result<wire::StopInstancesResult> {
    unsupported(&[("Hibernate", input.hibernate == Some(true))])?;
    let mut changes = Vec::new();
    for mut it in all(world, &input.instance_ids)? {
        let from = it.state;
        let to = after(from, Event::Stop).ok_or_else(|| not_now(&it, "stopped"))?;
        changes.push(change(&it, from, to));
        if from != to {
            it.state = to;
            it.transition_reason = by_user(world);
            world.put(&it)?;
        }
    }
    Ok(wire::StopInstancesResult { stopping_instances: Some(changes) })
}

/// RebootInstances.
pub(crate) fn reboot(world: &mut World<'_, '_>, input: &wire::RebootInstancesRequest) -> Result<()> {
    for mut it in all(world, &input.instance_ids)? {
        after(it.state, Event::Reboot).ok_or_else(|| not_now(&it, "rebooted"))?;
        it.boots += 1;
        world.put(&it)?;
    }
    Ok(())
}

/// TerminateInstances.
pub(crate) fn terminate(
    world: &mut World<'_, '_>,
    input: &wire::TerminateInstancesRequest,
) -> Result<wire::TerminateInstancesResult> {
    let mut changes = Vec::new();
    for mut it in all(world, &input.instance_ids)? {
        if it.termination_protection && it.state != InstanceState::Terminated {
            return Err(refuse(
                "OperationNotPermitted",
                format!(
                    "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute \
                        and try again.",
                    it.id
                ),
            ));
        }
        let from = it.state;
        let to = after(from, Event::Terminate).ok_or_else(|| not_now(&it, "terminated"))?;
        changes.push(change(&it, from, to));
        if from != to {
            it.state = to;
            it.transition_reason = by_user(world);
            world.put(&it)?;
        }
    }
    Ok(wire::TerminateInstancesResult { terminating_instances: Some(changes) })
}

fn face(world: &World<'_, '_>, it: &Instance) -> Result<InstanceFace> {
    Ok(world.get(it.id.as_str())?.unwrap_or(InstanceFace {
        profile_id: None,
        auto_public: false,
        monitoring: false,
        ebs_optimized: false,
        shutdown_behavior: "stop".to_owned(),
    }))
}

/// DescribeInstanceAttribute: one attribute at a time.
pub(crate) fn attribute(
    world: &World<'_, '_>,
    input: &wire::DescribeInstanceAttributeRequest,
) -> Result<wire::InstanceAttribute> {
    let it = world.find::<Instance>(required(&input.instance_id, "InstanceId")?)?;
    let face = face(world, &it)?;
    let nics = watched_interfaces(world, &it.id)?;
    let flag = |value| Some(wire::AttributeBooleanValue { value: Some(value) });
    let text = |value: &str| Some(wire::AttributeValue { value: Some(value.to_owned()) });
    let mut shown = wire::InstanceAttribute { instance_id: Some(it.id.to_string()), ..Default::default() };
    match required(&input.attribute, "Attribute")? {
        "instanceType" => shown.instance_type = text(&it.instance_type),
        "userData" => shown.user_data = Some(wire::AttributeValue { value: it.user_data.clone() }),
        "disableApiTermination" => shown.disable_api_termination = flag(it.termination_protection),
        "disableApiStop" => shown.disable_api_stop = flag(false),
        "instanceInitiatedShutdownBehavior" => {
            shown.instance_initiated_shutdown_behavior = text(&face.shutdown_behavior);
        }
        "rootDeviceName" => shown.root_device_name = text(image::ROOT_DEVICE),
        "blockDeviceMapping" => {
            let volume = world.get::<crate::side_records::Volume>(it.volume.as_str())?;
            shown.block_device_mappings = Some(volume.iter().map(instance_view::mapping).collect());
        }
        "productCodes" => shown.product_codes = Some(vec![]),
        "sourceDestCheck" => shown.source_dest_check = flag(nics.first().is_none_or(|nic| nic.source_dest_check)),
        "groupSet" => {
            let groups = nics.first().map(|nic| crate::interface::groups(world, nic)).transpose()?;
            shown.groups = Some(groups.unwrap_or_default());
        }
        "ebsOptimized" => shown.ebs_optimized = flag(face.ebs_optimized),
        "enaSupport" => shown.ena_support = flag(true),
        "enclaveOptions" => shown.enclave_options = Some(wire::EnclaveOptions { enabled: Some(false) }),
        "kernel" => shown.kernel_id = Some(wire::AttributeValue::default()),
        "ramdisk" => shown.ramdisk_id = Some(wire::AttributeValue::default()),
        "sriovNetSupport" => shown.sriov_net_support = text("simple"),
        other => return Err(invalid(format!("Value ({other}) for parameter attribute is invalid."))),
    }
    Ok(shown)
}

/// What ModifyInstanceAttribute changes, whichever of its two forms was used.
#[derive(Default)]
struct Changes {
    instance_type: Option<String>,
    user_data: Option<String>,
    protection: Option<bool>,
    shutdown_behavior: Option<String>,
    source_dest_check: Option<bool>,
    ebs_optimized: Option<bool>,
    groups: Option<Vec<String>>,
}

fn parse_changes(input: &wire::ModifyInstanceAttributeRequest) -> Result<Changes> {
    unsupported(&[
        ("BlockDeviceMapping", input.block_device_mappings.as_ref().is_some_and(|it| !it.is_empty())),
        ("DisableApiStop", input.disable_api_stop.as_ref().is_some_and(|it| it.value == Some(true))),
        ("Kernel", input.kernel.is_some()),
        ("Ramdisk", input.ramdisk.is_some()),
        ("SriovNetSupport", input.sriov_net_support.is_some()),
        ("EnaSupport", input.ena_support.is_some()),
    ])?;
    let text = |it: &Option<wire::AttributeValue>| it.as_ref().and_then(|it| it.value.clone());
    let flag = |it: &Option<wire::AttributeBooleanValue>| it.as_ref().and_then(|it| it.value);
    let mut changes = Changes {
        instance_type: text(&input.instance_type),
        user_data: input.user_data.as_ref().map(|it| STANDARD.encode(it.value.as_deref().unwrap_or_default())),
        protection: flag(&input.disable_api_termination),
        shutdown_behavior: text(&input.instance_initiated_shutdown_behavior),
        source_dest_check: flag(&input.source_dest_check),
        ebs_optimized: flag(&input.ebs_optimized),
        groups: input.groups.clone().filter(|it| !it.is_empty()),
    };
    if let Some(name) = &input.attribute {
        let value = required(&input.value, "Value")?;
        let bad = || invalid(format!("Value ({value}) for parameter value is invalid."));
        let truth = || value.parse::<bool>().map_err(|_| bad());
        match name.as_str() {
            "instanceType" => changes.instance_type = Some(value.to_owned()),
            "userData" => changes.user_data = Some(value.to_owned()),
            "disableApiTermination" => changes.protection = Some(truth()?),
            "instanceInitiatedShutdownBehavior" => changes.shutdown_behavior = Some(value.to_owned()),
            "sourceDestCheck" => changes.source_dest_check = Some(truth()?),
            "ebsOptimized" => changes.ebs_optimized = Some(truth()?),
            _ => unsupported(&[(name, true)])?,
        }
    }
    Ok(changes)
}

/// ModifyInstanceAttribute.
pub(crate) fn modify(world: &mut World<'_, '_>, input: &wire::ModifyInstanceAttributeRequest) -> Result<()> {
    let mut it = world.find::<Instance>(required(&input.instance_id, "InstanceId")?)?;
    let changes = parse_changes(input)?;
    if it.state != InstanceState::Stopped && (changes.instance_type.is_some() || changes.user_data.is_some()) {
        let message = format!("The instance '{}' is not in the 'stopped' state.", it.id);
        return Err(refuse("IncorrectInstanceState", message));
    }
    let mut face = face(world, &it)?;
    if let Some(name) = changes.instance_type {
        let kind = instance_type::find(&name)?;
        let old = instance_type::find(&it.instance_type)?;
        if kind.architecture() != old.architecture() {
            return Err(combination(format!(
                "The architecture of '{name}' does not match that of the instance's image."
            )));
        }
        it.instance_type = name;
    }
    if let Some(data) = changes.user_data {
        it.user_data = launch::check_user_data(&data)?;
    }
    if let Some(value) = changes.protection {
        it.termination_protection = value;
    }
    if let Some(behavior) = changes.shutdown_behavior {
        launch::check_shutdown_behavior(&behavior)?;
        face.shutdown_behavior = behavior;
    }
    if let Some(value) = changes.ebs_optimized {
        face.ebs_optimized = value;
    }
    if changes.source_dest_check.is_some() || changes.groups.is_some() {
        change_primary(world, &it, changes.source_dest_check, changes.groups.as_deref())?;
    }
    world.put_at(it.id.as_str(), &face)?;
    world.put(&it)
}

/// Attributes of an instance that are its only interface's.
fn change_primary(
    world: &mut World<'_, '_>,
    it: &Instance,
    source_dest_check: Option<bool>,
    groups: Option<&[String]>,
) -> Result<()> {
    let mut nics = watched_interfaces(world, &it.id)?;
    let [primary] = nics.as_mut_slice() else {
        let message = format!(
            "There are multiple interfaces attached to instance '{}'. Please specify an interface ID for the \
                operation instead.",
            it.id
        );
        return Err(refuse("InvalidInstanceID", message));
    };
    if let Some(value) = source_dest_check {
        primary.source_dest_check = value;
    }
    if let Some(groups) = groups {
        let groups = security_group::resolve(world, &it.vpc, groups)?;
        interface_index::regroup(world, primary, groups)?;
    }
    let primary: &NetworkInterface = primary;
    world.put(primary)
}
