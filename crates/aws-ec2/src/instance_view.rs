//! The parts of an instance's answer form.

use crate::error::Result;
use crate::instance_type::InstanceType;
use crate::interface;
use crate::records::{Instance, InstanceState, NetworkInterface};
use crate::side_records::Volume;
use crate::world::World;
use aws_model::ec2 as wire;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// What follows from the instance's own record.
pub(crate) fn static_members(world: &World<'_, '_>, it: &Instance) -> wire::Instance {
    let kind = InstanceType::find(&it.instance_type);
    let gone = it.state == InstanceState::Terminated;
    let present = |text: String| (!gone).then_some(text);
    wire::Instance {
        instance_id: Some(it.id.to_string()),
        image_id: Some(it.image.to_string()),
        instance_type: Some(it.instance_type.clone()),
        key_name: it.key_name.clone(),
        ami_launch_index: Some(it.launch_index),
        client_token: Some(it.client_token.clone().unwrap_or_default()),
        launch_time: Some(it.launched),
        usage_operation_update_time: Some(it.launched),
        usage_operation: some("RunInstances"),
        platform_details: some("Linux/UNIX"),
        product_codes: Some(vec![]),
        security_groups: Some(vec![]),
        placement: Some(wire::Placement {
            availability_zone: Some(it.zone.clone()),
            availability_zone_id: world.zone_id(&it.zone),
            group_name: some(""),
            tenancy: some("default"),
            ..Default::default()
        }),
        private_dns_name: Some(if gone { String::new() } else { interface::private_name(world, it.private_address) }),
        private_ip_address: present(it.private_address.to_string()),
        public_dns_name: some(""),
        subnet_id: present(it.subnet.to_string()),
        vpc_id: present(it.vpc.to_string()),
        ena_support: Some(true),
        hypervisor: some("xen"),
        root_device_type: some("ebs"),
        virtualization_type: some("hvm"),
        cpu_options: kind.map(|it| wire::CpuOptions {
            core_count: Some(it.cores()),
            threads_per_core: Some(it.threads_per_core()),
            ..Default::default()
        }),
        capacity_reservation_specification: Some(wire::CapacityReservationSpecificationResponse {
            capacity_reservation_preference: some("open"),
            ..Default::default()
        }),
        hibernation_options: Some(wire::HibernationOptions { configured: Some(false) }),
        enclave_options: Some(wire::EnclaveOptions { enabled: Some(false) }),
        metadata_options: Some(metadata_options(it)),
        private_dns_name_options: Some(wire::PrivateDnsNameOptionsResponse {
            hostname_type: some("ip-name"),
            enable_resource_name_dns_a_record: Some(false),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        maintenance_options: Some(wire::InstanceMaintenanceOptions {
            auto_recovery: some("default"),
            ..Default::default()
        }),
        current_instance_boot_mode: some(if kind.is_some_and(InstanceType::is_nitro) { "uefi" } else { "legacy-bios" }),
        operator: Some(wire::OperatorResponse { managed: Some(false), ..Default::default() }),
        ..Default::default()
    }
}

fn metadata_options(it: &Instance) -> wire::InstanceMetadataOptionsResponse {
    wire::InstanceMetadataOptionsResponse {
        state: some("applied"),
        http_tokens: Some(it.metadata_tokens.clone()),
        http_put_response_hop_limit: Some(it.metadata_hop_limit),
        http_endpoint: some("enabled"),
        http_protocol_ipv6: some("disabled"),
        instance_metadata_tags: some("disabled"),
    }
}

/// Why an instance is in its state: the transition reason says whether a user or the service did it.
pub(crate) fn state_reason(it: &Instance) -> Option<wire::StateReason> {
    let (code, message) = match it.transition_reason.as_str() {
        "" => return None,
        user if user.starts_with("User initiated") => {
            ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown".to_owned())
        }
        server => ("Server.InternalError", server.to_owned()),
    };
    Some(wire::StateReason { code: some(code), message: Some(message) })
}

/// A volume of an instance.
pub(crate) fn mapping(volume: &Volume) -> wire::InstanceBlockDeviceMapping {
    wire::InstanceBlockDeviceMapping {
        device_name: Some(volume.device.clone()),
        ebs: Some(wire::EbsInstanceBlockDevice {
            attach_time: Some(volume.created),
            delete_on_termination: Some(volume.delete_on_termination),
            status: some("attached"),
            volume_id: Some(volume.id.to_string()),
            ..Default::default()
        }),
    }
}

fn association(it: wire::NetworkInterfaceAssociation) -> wire::InstanceNetworkInterfaceAssociation {
    wire::InstanceNetworkInterfaceAssociation {
        ip_owner_id: it.ip_owner_id,
        public_dns_name: it.public_dns_name,
        public_ip: it.public_ip,
        ..Default::default()
    }
}

/// An interface of an instance: as DescribeNetworkInterfaces shows it, reduced.
pub(crate) fn nic(world: &World<'_, '_>, record: &NetworkInterface) -> Result<wire::InstanceNetworkInterface> {
    let it = interface::render(world, record)?;
    let address = |one: wire::NetworkInterfacePrivateIpAddress| wire::InstancePrivateIpAddress {
        association: one.association.map(association),
        primary: one.primary,
        private_dns_name: one.private_dns_name,
        private_ip_address: one.private_ip_address,
    };
    let attachment = |one: wire::NetworkInterfaceAttachment| wire::InstanceNetworkInterfaceAttachment {
        attach_time: one.attach_time,
        attachment_id: one.attachment_id,
        delete_on_termination: one.delete_on_termination,
        device_index: one.device_index,
        network_card_index: one.network_card_index,
        status: one.status,
        ..Default::default()
    };
    Ok(wire::InstanceNetworkInterface {
        association: it.association.map(association),
        attachment: it.attachment.map(attachment),
        description: it.description,
        groups: it.groups,
        ipv6_addresses: Some(vec![]),
        mac_address: it.mac_address,
        network_interface_id: it.network_interface_id,
        owner_id: it.owner_id,
        private_dns_name: it.private_dns_name,
        private_ip_address: it.private_ip_address,
        private_ip_addresses: it.private_ip_addresses.map(|list| list.into_iter().map(address).collect()),
        source_dest_check: it.source_dest_check,
        status: it.status,
        subnet_id: it.subnet_id,
        vpc_id: it.vpc_id,
        interface_type: it.interface_type,
        operator: it.operator,
        ..Default::default()
    })
}
