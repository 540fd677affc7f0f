//! Instances from launch to oblivion, with what their machines report in between.

use crate::common::{World, filter, refused, some, tags};
use aws_model::ec2::*;
use base::InstanceId;

fn ids(id: &str) -> Option<Vec<String>> {
    Some(vec![id.to_owned()])
}

fn terminate(id: &str) -> TerminateInstancesRequest {
    TerminateInstancesRequest { instance_ids: ids(id), ..Default::default() }
}

async fn reported(world: &World, id: &str, what: &str) {
    let (account, region) = (&world.ctx.caller.account, &world.ctx.region);
    let id: InstanceId = id.parse().unwrap();
    match what {
        "stopped" => world.ec2.instance_stopped(account, region, &id).await.unwrap(),
        "gone" => world.ec2.instance_gone(account, region, &id).await.unwrap(),
        _ => world.ec2.instance_failed(account, region, &id, what).await.unwrap(),
    }
}

#[tokio::test]
async fn an_instance_shows_all_that_a_node_shows() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let group = world.group(&vpc, "nodes").await;
    let key = CreateKeyPairRequest { key_name: some("me"), key_type: some("ed25519"), ..Default::default() };
    world.ec2.create_key_pair(&world.ctx, key).await.unwrap();
    let root = BlockDeviceMapping {
        device_name: some("/dev/xvda"),
        ebs: Some(EbsBlockDevice { volume_size: Some(30), ..Default::default() }),
        ..Default::default()
    };
    let input = RunInstancesRequest {
        security_group_ids: Some(vec![group.clone()]),
        key_name: some("me"),
        user_data: some("IyEvYmluL3NoCg=="),
        iam_instance_profile: Some(IamInstanceProfileSpecification { name: some("node"), arn: None }),
        tag_specifications: tags("instance", "Name", "myeks-mynodegroup-Node"),
        block_device_mappings: Some(vec![root]),
        ..world.launch(&subnet)
    };
    let made = world.run(input).await;
    assert_eq!(made.state.clone().unwrap(), InstanceState { code: Some(0), name: some("pending") });
    let id = made.instance_id.unwrap();
    world.started(&id).await;
    let shown = world.instance(&id).await;
    assert_eq!(shown.state.unwrap().code, Some(16));
    assert_eq!(shown.key_name.as_deref(), Some("me"));
    assert_eq!(shown.architecture.as_deref(), Some("x86_64"));
    assert_eq!(shown.cpu_options.unwrap().threads_per_core, Some(2));
    assert_eq!(shown.iam_instance_profile.unwrap().id.as_deref(), Some("AIPAEXAMPLE"));
    assert_eq!(shown.security_groups.unwrap()[0].group_id.as_deref(), Some(&*group));
    assert_eq!(shown.metadata_options.unwrap().http_tokens.as_deref(), Some("required"));
    assert_eq!(shown.monitoring.unwrap().state.as_deref(), Some("disabled"));
    assert_eq!((shown.public_ip_address, shown.public_dns_name.as_deref()), (None, Some("")));
    let primary = shown.network_interfaces.unwrap().remove(0);
    assert_eq!(primary.private_ip_address, shown.private_ip_address);
    assert_eq!(primary.attachment.unwrap().device_index, Some(0));
    let volume = shown.block_device_mappings.unwrap().remove(0).ebs.unwrap().volume_id;
    let input = DescribeVolumesRequest { volume_ids: volume.map(|it| vec![it]), ..Default::default() };
    let volume = world.ec2.describe_volumes(&world.ctx, input).await.unwrap().volumes.unwrap().remove(0);
    assert_eq!((volume.size, volume.state.as_deref()), (Some(30), Some("in-use")));
    let input =
        DescribeInstanceAttributeRequest { instance_id: some(&id), attribute: some("userData"), ..Default::default() };
    let data = world.ec2.describe_instance_attribute(&world.ctx, input).await.unwrap().user_data.unwrap();
    assert_eq!(data.value.as_deref(), Some("IyEvYmluL3NoCg=="));
    let by_tag = DescribeInstancesRequest { filters: filter("tag:Name", &["myeks-*"]), ..Default::default() };
    assert_eq!(world.ec2.describe_instances(&world.ctx, by_tag).await.unwrap().reservations.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stop_and_a_start_keep_the_private_address_and_change_the_public_one() {
    let world = World::new();
    let subnets = world.ec2.describe_subnets(&world.ctx, Default::default()).await.unwrap().subnets.unwrap();
    let first = world.running(world.launch(subnets[0].subnet_id.as_deref().unwrap())).await;
    let id = first.instance_id.clone().unwrap();
    let public = first.public_ip_address.clone().unwrap();
    assert!(public.starts_with("198.18."));
    let dns = format!("ec2-{}.ap-northeast-2.compute.amazonaws.com", public.replace('.', "-"));
    assert_eq!(first.public_dns_name, Some(dns), "the default VPC gives public host names");
    let stop = StopInstancesRequest { instance_ids: ids(&id), ..Default::default() };
    let change =
        world.ec2.stop_instances(&world.ctx, stop.clone()).await.unwrap().stopping_instances.unwrap().remove(0);
    assert_eq!(change.previous_state.unwrap().name.as_deref(), Some("running"));
    assert_eq!(change.current_state.unwrap().name.as_deref(), Some("stopping"));
    let start = StartInstancesRequest { instance_ids: ids(&id), ..Default::default() };
    let message = refused(world.ec2.start_instances(&world.ctx, start.clone()).await, "IncorrectInstanceState");
    assert_eq!(message, format!("The instance '{id}' is not in a state from which it can be started."));
    reported(&world, &id, "stopped").await;
    let stopped = world.instance(&id).await;
    assert_eq!(stopped.public_ip_address, None);
    assert_eq!(stopped.state_reason.unwrap().code.as_deref(), Some("Client.UserInitiatedShutdown"));
    assert_eq!(stopped.network_interfaces.unwrap().len(), 1, "the interface stays");
    world.ec2.start_instances(&world.ctx, start).await.unwrap();
    world.started(&id).await;
    let again = world.instance(&id).await;
    assert_eq!(again.private_ip_address, first.private_ip_address);
    assert!(again.public_ip_address.is_some());
    assert_eq!(again.state_transition_reason.as_deref(), Some(""));
}

#[tokio::test]
async fn a_terminated_instance_gives_everything_back_and_is_shown_for_an_hour() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let id = world.running(world.launch(&subnet)).await.instance_id.unwrap();
    let kept = world.interface(&subnet).await.network_interface_id.unwrap();
    let attach = AttachNetworkInterfaceRequest {
        network_interface_id: some(&kept),
        instance_id: some(&id),
        device_index: Some(1),
        ..Default::default()
    };
    world.ec2.attach_network_interface(&world.ctx, attach).await.unwrap();
    assert_eq!(world.free(&subnet).await, 249);
    world.ec2.terminate_instances(&world.ctx, terminate(&id)).await.unwrap();
    assert_eq!(world.state(&id).await, "shutting-down");
    world.started(&id).await;
    assert_eq!(world.state(&id).await, "shutting-down", "a late report changes nothing");
    reported(&world, &id, "gone").await;
    let shown = world.instance(&id).await;
    assert_eq!(shown.state.unwrap().code, Some(48));
    assert_eq!((shown.vpc_id, shown.private_ip_address), (None, None));
    assert_eq!(world.free(&subnet).await, 250, "only the interface that was brought along stays");
    let left = world.interfaces(filter("subnet-id", &[&subnet])).await;
    assert_eq!((left.len(), left[0].status.as_deref()), (1, Some("available")));
    assert_eq!(world.ec2.describe_volumes(&world.ctx, Default::default()).await.unwrap().volumes, Some(vec![]));
    world.ec2.terminate_instances(&world.ctx, terminate(&id)).await.unwrap();
    let now = jiff::Timestamp::now();
    assert_eq!(world.ec2.purge(now).await.unwrap(), 0);
    assert_eq!(world.ec2.purge(now + jiff::SignedDuration::from_mins(61)).await.unwrap(), 1);
    refused(world.ec2.terminate_instances(&world.ctx, terminate(&id)).await, "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn a_machine_that_cannot_be_made_says_why() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let id = world.run(world.launch(&subnet)).await.instance_id.unwrap();
    reported(&world, &id, "no user ids are left").await;
    let shown = world.instance(&id).await;
    assert_eq!(shown.state.unwrap().name.as_deref(), Some("terminated"));
    let reason = shown.state_reason.unwrap();
    assert_eq!(reason.code.as_deref(), Some("Server.InternalError"));
    assert_eq!(reason.message.as_deref(), Some("Server.InternalError: no user ids are left"));
    assert_eq!(world.free(&subnet).await, 251);
}

#[tokio::test]
async fn the_same_token_launches_once() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let input = RunInstancesRequest { client_token: some("t-1"), max_count: Some(3), ..world.launch(&subnet) };
    let first = world.ec2.run_instances(&world.ctx, input.clone()).await.unwrap();
    assert_eq!(first.instances.as_ref().unwrap().len(), 3);
    let second = world.ec2.run_instances(&world.ctx, input.clone()).await.unwrap();
    assert_eq!(first.reservation_id, second.reservation_id);
    assert_eq!(world.free(&subnet).await, 248);
    let other = RunInstancesRequest { max_count: Some(2), ..input };
    refused(world.ec2.run_instances(&world.ctx, other.clone()).await, "IdempotentParameterMismatch");
    world.ec2.purge(world.ctx.now + jiff::SignedDuration::from_hours(25)).await.unwrap();
    let later = world.ec2.run_instances(&world.ctx, other).await.unwrap();
    assert_ne!(first.reservation_id, later.reservation_id, "tokens are known for a day");
}

#[tokio::test]
async fn protection_holds_until_it_is_lifted() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let input = RunInstancesRequest { disable_api_termination: Some(true), ..world.launch(&subnet) };
    let id = world.running(input).await.instance_id.unwrap();
    let message = refused(world.ec2.terminate_instances(&world.ctx, terminate(&id)).await, "OperationNotPermitted");
    assert!(message.starts_with(&format!("The instance '{id}' may not be terminated.")), "{message}");
    let change = ModifyInstanceAttributeRequest {
        instance_id: some(&id),
        disable_api_termination: Some(AttributeBooleanValue { value: Some(false) }),
        ..Default::default()
    };
    world.ec2.modify_instance_attribute(&world.ctx, change).await.unwrap();
    let kind = ModifyInstanceAttributeRequest {
        instance_id: some(&id),
        instance_type: Some(AttributeValue { value: some("t3.large") }),
        ..Default::default()
    };
    refused(world.ec2.modify_instance_attribute(&world.ctx, kind).await, "IncorrectInstanceState");
    world.ec2.terminate_instances(&world.ctx, terminate(&id)).await.unwrap();
}

#[tokio::test]
async fn interfaces_of_a_launch_are_as_specified() {
    let world = World::new();
    let (vpc, subnet) = world.vpc_and_subnet().await;
    let group = world.group(&vpc, "g").await;
    let spec = InstanceNetworkInterfaceSpecification {
        device_index: Some(0),
        subnet_id: some(&subnet),
        groups: Some(vec![group]),
        associate_public_ip_address: Some(true),
        delete_on_termination: Some(true),
        private_ip_addresses: Some(vec![
            PrivateIpAddressSpecification { primary: Some(true), private_ip_address: some("10.0.1.10") },
            PrivateIpAddressSpecification { primary: Some(false), private_ip_address: some("10.0.1.11") },
        ]),
        ..Default::default()
    };
    let plain = RunInstancesRequest { subnet_id: None, ..world.launch(&subnet) };
    let twice = RunInstancesRequest { network_interfaces: Some(vec![spec.clone()]), ..world.launch(&subnet) };
    let message = refused(world.ec2.run_instances(&world.ctx, twice).await, "InvalidParameterCombination");
    assert!(message.contains("instance-level subnet ID"), "{message}");
    let first = InstanceNetworkInterfaceSpecification { device_index: Some(1), ..spec.clone() };
    let input = RunInstancesRequest { network_interfaces: Some(vec![first]), ..plain.clone() };
    refused(world.ec2.run_instances(&world.ctx, input).await, "InvalidParameterValue");
    let made = world.run(RunInstancesRequest { network_interfaces: Some(vec![spec]), ..plain.clone() }).await;
    assert_eq!(made.private_ip_address.as_deref(), Some("10.0.1.10"));
    assert!(made.public_ip_address.is_some());
    assert_eq!(made.network_interfaces.unwrap()[0].private_ip_addresses.as_ref().unwrap().len(), 2);
    let eni = world.interface(&subnet).await.network_interface_id;
    let existing = InstanceNetworkInterfaceSpecification {
        device_index: Some(0),
        network_interface_id: eni.clone(),
        ..Default::default()
    };
    let made =
        world.run(RunInstancesRequest { network_interfaces: Some(vec![existing.clone()]), ..plain.clone() }).await;
    assert_eq!(made.network_interfaces.unwrap()[0].network_interface_id, eni);
    let again = RunInstancesRequest { network_interfaces: Some(vec![existing]), ..plain };
    refused(world.ec2.run_instances(&world.ctx, again).await, "InvalidParameterValue");
}

#[tokio::test]
async fn a_launch_that_cannot_be_is_refused() {
    let world = World::new();
    let (_, subnet) = world.vpc_and_subnet().await;
    let good = world.launch(&subnet);
    let profile = |name: &str| Some(IamInstanceProfileSpecification { name: some(name), arn: None });
    for (input, code) in [
        (RunInstancesRequest { image_id: some("ami-0123456789abcdef0"), ..good.clone() }, "InvalidAMIID.NotFound"),
        (RunInstancesRequest { image_id: some("image"), ..good.clone() }, "InvalidAMIID.Malformed"),
        (RunInstancesRequest { instance_type: some("z9.huge"), ..good.clone() }, "InvalidParameterValue"),
        (RunInstancesRequest { instance_type: some("t4g.medium"), ..good.clone() }, "InvalidParameterValue"),
        (RunInstancesRequest { key_name: some("nobody"), ..good.clone() }, "InvalidKeyPair.NotFound"),
        (RunInstancesRequest { min_count: Some(2), ..good.clone() }, "InvalidParameterValue"),
        (RunInstancesRequest { min_count: None, ..good.clone() }, "MissingParameter"),
        (RunInstancesRequest { user_data: some("not base64!"), ..good.clone() }, "InvalidParameterValue"),
        (RunInstancesRequest { iam_instance_profile: profile("other"), ..good.clone() }, "InvalidParameterValue"),
        (RunInstancesRequest { launch_template: Some(Default::default()), ..good.clone() }, "UnsupportedOperation"),
        (
            RunInstancesRequest { subnet_id: some("subnet-0123456789abcdef0"), ..good.clone() },
            "InvalidSubnetID.NotFound",
        ),
    ] {
        refused(world.ec2.run_instances(&world.ctx, input).await, code);
    }
    let small = world.subnet(&world.vpc("10.2.0.0/16").await, "10.2.0.0/28", "ap-northeast-2a").await;
    let many = RunInstancesRequest { min_count: Some(12), max_count: Some(20), ..world.launch(&small) };
    refused(world.ec2.run_instances(&world.ctx, many.clone()).await, "InsufficientFreeAddressesInSubnet");
    let some_of_them = RunInstancesRequest { min_count: Some(5), ..many };
    assert_eq!(world.ec2.run_instances(&world.ctx, some_of_them).await.unwrap().instances.unwrap().len(), 11);
    assert_eq!(world.free(&small).await, 0);
}
