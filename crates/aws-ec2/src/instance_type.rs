//! Instance types: a table of facts. Source: *Amazon EC2 Instance Types* guide, specifications of general purpose,
//! compute, memory and storage optimized instances. Types with accelerators are left out: the machine has none to give.

use crate::error::{Result, invalid, refuse};
use crate::filter::{Column, flag, keep, number, text, within};
use crate::page::page;
use crate::world::World;
use aws_model::ec2 as wire;

/// An instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceType {
    /// As `t3.medium`.
    pub name: &'static str,
    /// Virtual CPUs.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory: i64,
    /// Network interfaces it may have.
    pub interfaces: i32,
    /// IPv4 addresses on each interface.
    pub addresses: i32,
}

const fn row(name: &'static str, vcpus: i32, memory: i64, interfaces: i32, addresses: i32) -> InstanceType {
    InstanceType { name, vcpus, memory, interfaces, addresses }
}

const TABLE: &[InstanceType] = &[
    row("c5.2xlarge", 8, 16384, 4, 15),
    row("c5.4xlarge", 16, 32768, 8, 30),
    row("c5.9xlarge", 36, 73728, 8, 30),
    row("c5.large", 2, 4096, 3, 10),
    row("c5.xlarge", 4, 8192, 4, 15),
    row("c6g.medium", 1, 2048, 2, 4),
    row("c6i.large", 2, 4096, 3, 10),
    row("c7g.large", 2, 4096, 3, 10),
    row("c7i.large", 2, 4096, 3, 10),
    row("i3.large", 2, 15616, 3, 10),
    row("m5.12xlarge", 48, 196_608, 8, 30),
    row("m5.24xlarge", 96, 393_216, 15, 50),
    row("m5.2xlarge", 8, 32768, 4, 15),
    row("m5.4xlarge", 16, 65536, 8, 30),
    row("m5.8xlarge", 32, 131_072, 8, 30),
    row("m5.large", 2, 8192, 3, 10),
    row("m5.xlarge", 4, 16384, 4, 15),
    row("m6g.large", 2, 8192, 3, 10),
    row("m6g.medium", 1, 4096, 2, 4),
    row("m6i.large", 2, 8192, 3, 10),
    row("m6i.xlarge", 4, 16384, 4, 15),
    row("m7g.large", 2, 8192, 3, 10),
    row("m7g.medium", 1, 4096, 2, 4),
    row("m7i-flex.large", 2, 8192, 3, 10),
    row("m7i.large", 2, 8192, 3, 10),
    row("m8g.large", 2, 8192, 3, 10),
    row("r5.large", 2, 16384, 3, 10),
    row("r5.xlarge", 4, 32768, 4, 15),
    row("r6i.large", 2, 16384, 3, 10),
    row("r7g.medium", 1, 8192, 2, 4),
    row("t2.large", 2, 8192, 3, 12),
    row("t2.medium", 2, 4096, 3, 6),
    row("t2.micro", 1, 1024, 2, 2),
    row("t2.small", 1, 2048, 3, 4),
    row("t3.2xlarge", 8, 32768, 4, 15),
    row("t3.large", 2, 8192, 3, 12),
    row("t3.medium", 2, 4096, 3, 6),
    row("t3.micro", 2, 1024, 2, 2),
    row("t3.nano", 2, 512, 2, 2),
    row("t3.small", 2, 2048, 3, 4),
    row("t3.xlarge", 4, 16384, 4, 15),
    row("t3a.large", 2, 8192, 3, 12),
    row("t3a.medium", 2, 4096, 3, 6),
    row("t3a.micro", 2, 1024, 2, 2),
    row("t3a.nano", 2, 512, 2, 2),
    row("t3a.small", 2, 2048, 2, 4),
    row("t3a.xlarge", 4, 16384, 4, 15),
    row("t4g.large", 2, 8192, 3, 12),
    row("t4g.medium", 2, 4096, 3, 6),
    row("t4g.micro", 2, 1024, 2, 2),
    row("t4g.nano", 2, 512, 2, 2),
    row("t4g.small", 2, 2048, 3, 4),
    row("t4g.xlarge", 4, 16384, 4, 15),
];

impl InstanceType {
    /// The type of that name.
    pub fn find(name: &str) -> Option<&'static InstanceType> {
        TABLE.iter().find(|it| it.name == name)
    }

    /// All types, by name.
    pub fn all() -> &'static [InstanceType] {
        TABLE
    }

    fn family(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// `x86_64` or `arm64`.
    pub fn architecture(&self) -> &'static str {
        match self.family() {
            "c6g" | "c7g" | "m6g" | "m7g" | "m8g" | "r7g" | "t4g" => "arm64",
            _ => "x86_64",
        }
    }

    /// Whether it runs on Nitro, and else on Xen.
    pub fn is_nitro(&self) -> bool {
        !matches!(self.family(), "t2" | "i3")
    }

    /// Hardware threads of a core: one on Arm and in t2.
    pub fn threads_per_core(&self) -> i32 {
        if self.architecture() == "arm64" || self.family() == "t2" { 1 } else { 2 }
    }

    /// Cores.
    pub fn cores(&self) -> i32 {
        self.vcpus / self.threads_per_core()
    }
}

/// The type that a call names.
pub(crate) fn find(name: &str) -> Result<&'static InstanceType> {
    InstanceType::find(name).ok_or_else(|| invalid(format!("Invalid value '{name}' for InstanceType.")))
}

const FILTERS: &[Column<wire::InstanceTypeInfo>] = &[
    ("bare-metal", |it| flag(&it.bare_metal)),
    ("burstable-performance-supported", |it| flag(&it.burstable_performance_supported)),
    ("current-generation", |it| flag(&it.current_generation)),
    ("free-tier-eligible", |it| flag(&it.free_tier_eligible)),
    ("hibernation-supported", |it| flag(&it.hibernation_supported)),
    ("hypervisor", |it| text(&it.hypervisor)),
    ("instance-storage-supported", |it| flag(&it.instance_storage_supported)),
    ("instance-type", |it| text(&it.instance_type)),
    ("memory-info.size-in-mib", |it| within(&it.memory_info, |info| number(&info.size_in_mi_b))),
    ("network-info.ipv4-addresses-per-interface", |it| {
        within(&it.network_info, |info| number(&info.ipv4_addresses_per_interface))
    }),
    ("network-info.maximum-network-interfaces", |it| {
        within(&it.network_info, |info| number(&info.maximum_network_interfaces))
    }),
    ("processor-info.supported-architecture", |it| {
        within(&it.processor_info, |info| info.supported_architectures.clone().unwrap_or_default())
    }),
    ("supported-root-device-type", |it| it.supported_root_device_types.clone().unwrap_or_default()),
    ("supported-usage-class", |it| it.supported_usage_classes.clone().unwrap_or_default()),
    ("supported-virtualization-type", |it| it.supported_virtualization_types.clone().unwrap_or_default()),
    ("vcpu-info.default-cores", |it| within(&it.v_cpu_info, |info| number(&info.default_cores))),
    ("vcpu-info.default-threads-per-core", |it| within(&it.v_cpu_info, |info| number(&info.default_threads_per_core))),
    ("vcpu-info.default-vcpus", |it| within(&it.v_cpu_info, |info| number(&info.default_v_cpus))),
];

/// DescribeInstanceTypes.
pub(crate) fn describe(
    _: &World<'_, '_>,
    input: &wire::DescribeInstanceTypesRequest,
) -> Result<wire::DescribeInstanceTypesResult> {
    let asked = match input.instance_types.as_deref() {
        None | Some([]) => TABLE.iter().collect(),
        Some(names) => names.iter().map(|name| by_name(name)).collect::<Result<Vec<_>>>()?,
    };
    let found = keep(asked.into_iter().map(render).collect(), &input.filters, FILTERS)?;
    let key = |it: &wire::InstanceTypeInfo| it.instance_type.clone().unwrap_or_default();
    let (instance_types, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeInstanceTypesResult { instance_types: Some(instance_types), next_token })
}

fn by_name(name: &str) -> Result<&'static InstanceType> {
    let absent = || {
        let message = format!("The following supplied instance types do not exist: [{name}]");
        refuse("InvalidInstanceType", message)
    };
    InstanceType::find(name).ok_or_else(absent)
}

fn render(it: &InstanceType) -> wire::InstanceTypeInfo {
    let list = |items: &[&str]| Some(items.iter().map(|it| (*it).to_owned()).collect());
    wire::InstanceTypeInfo {
        instance_type: Some(it.name.to_owned()),
        current_generation: Some(!matches!(it.family(), "i3")),
        free_tier_eligible: Some(matches!(it.name, "t2.micro" | "t3.micro")),
        supported_usage_classes: list(&["on-demand"]),
        supported_root_device_types: list(&["ebs"]),
        supported_virtualization_types: list(&["hvm"]),
        bare_metal: Some(false),
        hypervisor: Some(if it.is_nitro() { "nitro" } else { "xen" }.to_owned()),
        processor_info: Some(wire::ProcessorInfo {
            supported_architectures: list(&[it.architecture()]),
            ..Default::default()
        }),
        v_cpu_info: Some(wire::VCpuInfo {
            default_v_cpus: Some(it.vcpus),
            default_cores: Some(it.cores()),
            default_threads_per_core: Some(it.threads_per_core()),
            ..Default::default()
        }),
        memory_info: Some(wire::MemoryInfo { size_in_mi_b: Some(it.memory) }),
        instance_storage_supported: Some(false),
        network_info: Some(wire::NetworkInfo {
            maximum_network_interfaces: Some(it.interfaces),
            maximum_network_cards: Some(1),
            default_network_card_index: Some(0),
            network_cards: Some(vec![wire::NetworkCardInfo {
                network_card_index: Some(0),
                maximum_network_interfaces: Some(it.interfaces),
                ..Default::default()
            }]),
            ipv4_addresses_per_interface: Some(it.addresses),
            ipv6_addresses_per_interface: Some(it.addresses),
            ipv6_supported: Some(false),
            ena_support: Some(if it.is_nitro() { "required" } else { "unsupported" }.to_owned()),
            efa_supported: Some(false),
            ..Default::default()
        }),
        hibernation_supported: Some(false),
        burstable_performance_supported: Some(it.name.starts_with('t')),
        dedicated_hosts_supported: Some(false),
        auto_recovery_supported: Some(false),
        supported_boot_modes: list(&["uefi"]),
        ..Default::default()
    }
}

const OFFERING_FILTERS: &[Column<wire::InstanceTypeOffering>] =
    &[("instance-type", |it| text(&it.instance_type)), ("location", |it| text(&it.location))];

/// DescribeInstanceTypeOfferings: every type everywhere in the region.
pub(crate) fn offerings(
    world: &World<'_, '_>,
    input: &wire::DescribeInstanceTypeOfferingsRequest,
) -> Result<wire::DescribeInstanceTypeOfferingsResult> {
    let kind = input.location_type.as_deref().unwrap_or("region");
    let zones = world.region().zones();
    let locations: Vec<String> = match kind {
        "region" => vec![world.region().to_string()],
        "availability-zone" => zones.into_iter().map(|it| it.name).collect(),
        "availability-zone-id" => zones.into_iter().map(|it| it.id).collect(),
        other => return Err(invalid(format!("Value ({other}) for parameter locationType is invalid."))),
    };
    let offering = |it: &InstanceType, location: &String| wire::InstanceTypeOffering {
        instance_type: Some(it.name.to_owned()),
        location_type: Some(kind.to_owned()),
        location: Some(location.clone()),
    };
    let all = TABLE.iter().flat_map(|it| locations.iter().map(move |location| offering(it, location))).collect();
    let found = keep(all, &input.filters, OFFERING_FILTERS)?;
    let key = |it: &wire::InstanceTypeOffering| {
        format!("{}\n{}", it.instance_type.as_deref().unwrap_or_default(), it.location.as_deref().unwrap_or_default())
    };
    let (offerings, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeInstanceTypeOfferingsResult { instance_type_offerings: Some(offerings), next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_are_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn a_node_type_of_the_story_has_its_numbers() {
        let it = InstanceType::find("t3.medium").unwrap();
        assert_eq!((it.vcpus, it.memory, it.interfaces, it.addresses), (2, 4096, 3, 6));
        assert_eq!((it.architecture(), it.cores(), it.threads_per_core()), ("x86_64", 1, 2));
    }
}
