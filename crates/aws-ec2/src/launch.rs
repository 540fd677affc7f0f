//! What RunInstances asks for, made whole: every default filled in, every contradiction refused.

use crate::error::{Result, combination, invalid, missing, refuse, required, unsupported};
use crate::image::{self, Image, ROOT_DEVICE};
use crate::instance_type::{self, InstanceType};
use crate::interface;
use crate::records::{NetworkInterface, Subnet, Tags, Vpc};
use crate::world::World;
use crate::{key_pair, security_group, subnet, tag};
use aws_model::ec2 as wire;
use base::SecurityGroupId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Instances in one call: more would not fit into one transaction's bound.
const MAX_COUNT: i32 = 200;
/// Bytes of user data before base64; AWS's own limit.
pub(crate) const MAX_USER_DATA: usize = 16 * 1024;

/// An interface of the new instance.
pub(crate) enum Source {
    /// One that exists.
    Existing(NetworkInterface),
    /// A new one.
    New {
        /// Where.
        subnet: Subnet,
        /// Its description.
        description: String,
        /// The primary address that was asked for.
        primary: Option<Ipv4Addr>,
        /// Secondary addresses that were asked for.
        secondary: Vec<Ipv4Addr>,
        /// More secondary addresses, whichever are free.
        more: usize,
        /// Its groups.
        groups: Vec<SecurityGroupId>,
        /// Whether it gets a public address; `None`: as its subnet says.
        public: Option<bool>,
    },
}

/// An interface of the new instance and how it is attached.
pub(crate) struct Plug {
    /// The device index.
    pub index: i32,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// The interface.
    pub source: Source,
}

/// The root volume of the new instance.
pub(crate) struct RootVolume {
    /// GiB.
    pub size: i32,
    /// As `gp3`.
    pub kind: String,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

/// A whole request.
pub(crate) struct Launch {
    /// At least so many instances.
    pub min: usize,
    /// At most so many.
    pub max: usize,
    /// The image.
    pub image: Image,
    /// The type.
    pub kind: &'static InstanceType,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// User data, base64.
    pub user_data: Option<String>,
    /// Interfaces by device index; the first has index 0.
    pub plugs: Vec<Plug>,
    /// The root volume.
    pub volume: RootVolume,
    /// `optional` or `required`.
    pub metadata_tokens: String,
    /// 1 to 64.
    pub metadata_hop_limit: i32,
    /// `stop` or `terminate`.
    pub shutdown_behavior: String,
    /// Tags by resource type.
    pub tags: BTreeMap<String, Tags>,
}

/// Parses a request.
pub(crate) fn parse(world: &World<'_, '_>, input: &wire::RunInstancesRequest) -> Result<Launch> {
    refuse_unserved(input)?;
    let (min, max) = counts(input)?;
    let image = image::find(world.region(), required(&input.image_id, "ImageId")?)?;
    let kind = instance_type::find(required(&input.instance_type, "InstanceType")?)?;
    if image.architecture != kind.architecture() {
        return Err(invalid(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the \
                specified AMI. \
             Specify an instance type and an AMI that have matching architectures, and try again.",
            kind.architecture(),
            image.architecture
        )));
    }
    if let Some(name) = &input.key_name {
        key_pair::find_by_name(world, name)?;
    }
    let plugs = plugs(world, input)?;
    check_plugs(&plugs, kind, max)?;
    let shutdown_behavior = input.instance_initiated_shutdown_behavior.as_deref().unwrap_or("stop");
    check_shutdown_behavior(shutdown_behavior)?;
    let (metadata_tokens, metadata_hop_limit) = metadata(input, &image)?;
    Ok(Launch {
        min,
        max,
        kind,
        key_name: input.key_name.clone(),
        user_data: input.user_data.as_deref().map(check_user_data).transpose()?.flatten(),
        plugs,
        volume: root_volume(input, &image)?,
        metadata_tokens,
        metadata_hop_limit,
        shutdown_behavior: shutdown_behavior.to_owned(),
        tags: tag::by_type(world, &input.tag_specifications, &["instance", "volume", "network-interface"])?,
        image,
    })
}

/// `stop` or `terminate`.
pub(crate) fn check_shutdown_behavior(text: &str) -> Result<()> {
    match text {
        "stop" | "terminate" => Ok(()),
        other => Err(invalid(format!("Value ({other}) for parameter instanceInitiatedShutdownBehavior is invalid."))),
    }
}

fn refuse_unserved(input: &wire::RunInstancesRequest) -> Result<()> {
    let placement = input.placement.clone().unwrap_or_default();
    unsupported(&[
        ("LaunchTemplate", input.launch_template.is_some()),
        ("InstanceMarketOptions", input.instance_market_options.is_some()),
        ("KernelId", input.kernel_id.is_some()),
        ("RamdiskId", input.ramdisk_id.is_some()),
        ("Ipv6AddressCount", input.ipv6_address_count.is_some_and(|it| it != 0)),
        ("Ipv6Address", input.ipv6_addresses.as_ref().is_some_and(|it| !it.is_empty())),
        ("ElasticGpuSpecification", input.elastic_gpu_specification.is_some()),
        ("ElasticInferenceAccelerator", input.elastic_inference_accelerators.is_some()),
        ("CpuOptions", input.cpu_options.is_some()),
        ("LicenseSpecification", input.license_specifications.is_some()),
        ("SecondaryInterface", input.secondary_interfaces.is_some()),
        ("AdditionalInfo", input.additional_info.is_some()),
        ("DisableApiStop", input.disable_api_stop == Some(true)),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
        ("Operator", input.operator.is_some()),
        ("HibernationOptions", input.hibernation_options.as_ref().is_some_and(|it| it.configured == Some(true))),
        ("EnclaveOptions", input.enclave_options.as_ref().is_some_and(|it| it.enabled == Some(true))),
        ("Placement.GroupName", placement.group_name.is_some_and(|it| !it.is_empty()) || placement.group_id.is_some()),
        ("Placement.Tenancy", placement.tenancy.is_some_and(|it| it != "default")),
        ("Placement.HostId", placement.host_id.is_some() || placement.host_resource_group_arn.is_some()),
        (
            "PrivateDnsNameOptions",
            input.private_dns_name_options.as_ref().is_some_and(|it| {
                it.hostname_type.as_deref().is_some_and(|it| it != "ip-name")
                    || it.enable_resource_name_dns_a_record == Some(true)
            }),
        ),
    ])
}

fn counts(input: &wire::RunInstancesRequest) -> Result<(usize, usize)> {
    let min = input.min_count.ok_or_else(|| missing("MinCount"))?;
    let max = input.max_count.ok_or_else(|| missing("MaxCount"))?;
    if min < 1 {
        return Err(invalid(format!("Value ({min}) for parameter minCount is invalid. Expecting at least 1.")));
    }
    if max < min {
        return Err(invalid(format!("Value ({min}) for parameter minCount is invalid. It must not exceed maxCount.")));
    }
    if min > MAX_COUNT {
        let message = format!("At most {MAX_COUNT} instances may be launched in one call.");
        return Err(refuse("InstanceLimitExceeded", message));
    }
    let size = |it: i32| usize::try_from(it).unwrap_or(1);
    Ok((size(min), size(max.min(MAX_COUNT))))
}

/// Checks user data and leaves it as it is; empty is none.
pub(crate) fn check_user_data(text: &str) -> Result<Option<String>> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(&compact).map_err(|_| invalid("Invalid BASE64 encoding of user data."))?;
    if bytes.len() > MAX_USER_DATA {
        return Err(invalid(format!("User data is limited to {MAX_USER_DATA} bytes")));
    }
    Ok((!compact.is_empty()).then_some(compact))
}

fn metadata(input: &wire::RunInstancesRequest, image: &Image) -> Result<(String, i32)> {
    let asked = input.metadata_options.clone().unwrap_or_default();
    unsupported(&[
        ("MetadataOptions.HttpEndpoint=disabled", asked.http_endpoint.as_deref() == Some("disabled")),
        ("MetadataOptions.HttpProtocolIpv6=enabled", asked.http_protocol_ipv6.as_deref() == Some("enabled")),
        ("MetadataOptions.InstanceMetadataTags=enabled", asked.instance_metadata_tags.as_deref() == Some("enabled")),
    ])?;
    let (tokens, hops) = if image.requires_tokens { ("required", 2) } else { ("optional", 1) };
    let tokens = asked.http_tokens.as_deref().unwrap_or(tokens);
    if !["optional", "required"].contains(&tokens) {
        return Err(invalid(format!("Value ({tokens}) for parameter HttpTokens is invalid.")));
    }
    let hops = asked.http_put_response_hop_limit.unwrap_or(hops);
    if !(1..=64).contains(&hops) {
        return Err(invalid(format!(
            "Value ({hops}) for parameter HttpPutResponseHopLimit is invalid. Expecting 1 to 64."
        )));
    }
    Ok((tokens.to_owned(), hops))
}

fn root_volume(input: &wire::RunInstancesRequest, image: &Image) -> Result<RootVolume> {
    let mut volume = RootVolume { size: image.volume_size, kind: "gp3".to_owned(), delete_on_termination: true };
    for mapping in input.block_device_mappings.iter().flatten() {
        let device = required(&mapping.device_name, "DeviceName")?;
        if device != ROOT_DEVICE || mapping.virtual_name.is_some() || mapping.no_device.is_some() {
            unsupported(&[("BlockDeviceMapping for another device than /dev/xvda", true)])?;
        }
        let ebs = mapping.ebs.clone().unwrap_or_default();
        unsupported(&[
            ("Ebs.Encrypted", ebs.encrypted == Some(true)),
            ("Ebs.KmsKeyId", ebs.kms_key_id.is_some()),
            ("Ebs.SnapshotId", ebs.snapshot_id.is_some_and(|it| it != image.snapshot())),
        ])?;
        volume.size = ebs.volume_size.unwrap_or(volume.size);
        if volume.size < image.volume_size {
            let message = format!(
                "Volume of size {}GB is smaller than snapshot '{}', expect size >= {}GB",
                volume.size,
                image.snapshot(),
                image.volume_size
            );
            return Err(refuse("InvalidBlockDeviceMapping", message));
        }
        if let Some(kind) = ebs.volume_type {
            if !["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"].contains(&kind.as_str()) {
                return Err(invalid(format!("Invalid value '{kind}' for VolumeType.")));
            }
            volume.kind = kind;
        }
        volume.delete_on_termination = ebs.delete_on_termination.unwrap_or(true);
    }
    Ok(volume)
}

fn check_plugs(plugs: &[Plug], kind: &InstanceType, max: usize) -> Result<()> {
    if i32::try_from(plugs.len()).is_ok_and(|count| count > kind.interfaces) {
        let message = format!("Interface count {} exceeds the limit for {}", plugs.len(), kind.name);
        return Err(refuse("AttachmentLimitExceeded", message));
    }
    let mut places: Vec<_> = plugs.iter().map(zone_and_vpc).collect();
    places.dedup();
    if places.len() > 1 {
        return Err(invalid("All network interfaces of an instance must be in the same availability zone and VPC."));
    }
    for plug in plugs {
        match &plug.source {
            Source::Existing(_) if max > 1 => {
                return Err(combination(
                    "Network interfaces cannot be specified when launching more than one instance.",
                ));
            }
            Source::New { primary, secondary, .. } if max > 1 && (primary.is_some() || !secondary.is_empty()) => {
                return Err(combination(
                    "Private IP addresses cannot be specified when launching more than one instance.",
                ));
            }
            Source::New { public: Some(_), .. } if plugs.len() > 1 || plug.index != 0 => {
                return Err(combination(
                    "The associatePublicIPAddress parameter cannot be specified when launching with multiple network \
                        interfaces.",
                ));
            }
            Source::New { secondary, more, .. }
                if 1 + secondary.len() + more > usize::try_from(kind.addresses).unwrap_or(1) =>
            {
                let message = "Number of private addresses will exceed limit.";
                return Err(refuse("PrivateIpAddressLimitExceeded", message));
            }
            _ => {}
        }
    }
    Ok(())
}

fn zone_and_vpc(plug: &Plug) -> (String, String) {
    match &plug.source {
        Source::Existing(it) => (it.zone.clone(), it.vpc.to_string()),
        Source::New { subnet, .. } => (subnet.zone.clone(), subnet.vpc.to_string()),
    }
}

/// The subnet that a call means: the one it names, or the default one of a zone.
fn place(world: &World<'_, '_>, input: &wire::RunInstancesRequest, named: &Option<String>) -> Result<Subnet> {
    let placement = input.placement.clone().unwrap_or_default();
    let zone = match (&placement.availability_zone, &placement.availability_zone_id) {
        (None, None) => None,
        (name, id) => Some(subnet::zone(world, name.as_deref(), id.as_deref())?),
    };
    if let Some(id) = named {
        let subnet = world.find::<Subnet>(id)?;
        if zone.is_some_and(|zone| zone.name != subnet.zone) {
            return Err(invalid(format!("The availability zone does not match that of subnet '{id}'.")));
        }
        return Ok(subnet);
    }
    let Some(vpc) = world.default_vpc()? else {
        let message = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.";
        return Err(refuse("VPCIdNotSpecified", message));
    };
    let mut defaults: Vec<_> =
        world.peek::<Subnet>()?.into_iter().filter(|it| it.vpc == vpc.id && it.default_for_az).collect();
    defaults.sort_by(|a, b| a.zone.cmp(&b.zone));
    let chosen = defaults.into_iter().find(|it| zone.as_ref().is_none_or(|zone| zone.name == it.zone));
    let absent = || {
        let place = zone.as_ref().map_or_else(String::new, |zone| format!(" in availability zone '{}'", zone.name));
        refuse(
            "MissingInput",
            format!("No subnets found for the default VPC '{}'{place}. Please specify a subnet.", vpc.id),
        )
    };
    // Read again by id, so that the commit depends on it.
    world.find(chosen.ok_or_else(absent)?.id.as_str())
}

fn plugs(world: &World<'_, '_>, input: &wire::RunInstancesRequest) -> Result<Vec<Plug>> {
    let Some(asked) = input.network_interfaces.as_deref().filter(|it| !it.is_empty()) else {
        return Ok(vec![plain(world, input)?]);
    };
    for (given, what) in [
        (input.subnet_id.is_some(), "subnet ID"),
        (input.security_group_ids.is_some() || input.security_groups.is_some(), "security groups"),
        (input.private_ip_address.is_some(), "private IP address"),
    ] {
        if given {
            return Err(combination(format!(
                "Network interfaces and an instance-level {what} may not be specified on the same request"
            )));
        }
    }
    let mut plugs = asked.iter().map(|one| plug(world, input, one)).collect::<Result<Vec<_>>>()?;
    plugs.sort_by_key(|it| it.index);
    if plugs.first().is_none_or(|it| it.index != 0) {
        return Err(invalid("When specifying network interfaces, you must include a device at index 0."));
    }
    if plugs.windows(2).any(|pair| pair[0].index == pair[1].index) {
        return Err(invalid("Each network interface requires a unique device index."));
    }
    Ok(plugs)
}

/// The one interface of a call that does not speak of interfaces.
fn plain(world: &World<'_, '_>, input: &wire::RunInstancesRequest) -> Result<Plug> {
    let subnet = place(world, input, &input.subnet_id)?;
    let mut groups = input.security_group_ids.clone().unwrap_or_default();
    for name in input.security_groups.iter().flatten() {
        let vpc = world.get::<Vpc>(subnet.vpc.as_str())?;
        if !vpc.is_some_and(|vpc| vpc.is_default) {
            return Err(combination("The parameter groupName cannot be used with the parameter subnet"));
        }
        groups.push(security_group::named(world, &subnet.vpc, name)?.id.to_string());
    }
    let groups = security_group::resolve(world, &subnet.vpc, &groups)?;
    let primary = input.private_ip_address.as_deref().map(interface::address).transpose()?;
    let source =
        Source::New { subnet, description: String::new(), primary, secondary: vec![], more: 0, groups, public: None };
    Ok(Plug { index: 0, delete_on_termination: true, source })
}

fn plug(
    world: &World<'_, '_>,
    input: &wire::RunInstancesRequest,
    one: &wire::InstanceNetworkInterfaceSpecification,
) -> Result<Plug> {
    unsupported(&[
        ("NetworkInterface.Ipv6AddressCount", one.ipv6_address_count.is_some_and(|it| it != 0)),
        ("NetworkInterface.Ipv6Addresses", one.ipv6_addresses.as_ref().is_some_and(|it| !it.is_empty())),
        ("NetworkInterface.Ipv4PrefixCount", one.ipv4_prefix_count.is_some_and(|it| it != 0)),
        ("NetworkInterface.Ipv6PrefixCount", one.ipv6_prefix_count.is_some_and(|it| it != 0)),
        ("NetworkInterface.NetworkCardIndex", one.network_card_index.is_some_and(|it| it != 0)),
        ("NetworkInterface.InterfaceType", one.interface_type.as_deref().is_some_and(|it| it != "interface")),
        ("NetworkInterface.AssociateCarrierIpAddress", one.associate_carrier_ip_address == Some(true)),
    ])?;
    let index = one.device_index.ok_or_else(|| invalid("Each network interface requires a device index."))?;
    if let Some(id) = &one.network_interface_id {
        if one.subnet_id.is_some() || one.groups.is_some() || one.associate_public_ip_address.is_some() {
            return Err(combination(
                "A network interface may not specify both a network interface ID and a subnet, groups or a public IP \
                    address",
            ));
        }
        let existing = world.find::<NetworkInterface>(id)?;
        if existing.attachment.is_some() {
            return Err(invalid(format!("Network interface '{id}' is currently in use.")));
        }
        let delete_on_termination = one.delete_on_termination.unwrap_or(false);
        return Ok(Plug { index, delete_on_termination, source: Source::Existing(existing) });
    }
    let subnet = place(world, input, &one.subnet_id)?;
    let groups = security_group::resolve(world, &subnet.vpc, one.groups.as_deref().unwrap_or_default())?;
    let (primary, secondary) = interface::asked_addresses(&one.private_ip_address, &one.private_ip_addresses)?;
    let source = Source::New {
        subnet,
        description: one.description.clone().unwrap_or_default(),
        primary,
        secondary,
        more: interface::count(one.secondary_private_ip_address_count, "SecondaryPrivateIpAddressCount")?,
        groups,
        public: one.associate_public_ip_address,
    };
    Ok(Plug { index, delete_on_termination: one.delete_on_termination.unwrap_or(true), source })
}
