//! Machine images: a small fixed catalogue, the same in every region but for the ids. An image here is a name that
//! clients can find, pass on and recognise; what an instance runs on is the machine's own file system.
//! Names and parameters as in *Amazon EKS User Guide*, "Retrieve recommended Amazon Linux AMI IDs".

use crate::derive;
use crate::error::{Ec2Error, Result, refuse};
use crate::filter::{Column, each, flag, keep, text, within};
use crate::page::page;
use crate::world::World;
use aws_model::ec2 as wire;
use base::Region;

/// The root device of every image.
pub(crate) const ROOT_DEVICE: &str = "/dev/xvda";
/// The account that owns Amazon Linux images.
const AMAZON: &str = "137112412989";
/// The account that owns EKS images in most regions.
const EKS: &str = "602401143452";
/// When the Amazon Linux 2023 images were made, as their names say it.
const AL2023_DATE: &str = "20260714";

/// Kubernetes versions of nodes, with the patch that the image carries.
const NODES: &[(&str, &str)] = &[
    ("1.24", "1.24.17"),
    ("1.25", "1.25.16"),
    ("1.26", "1.26.15"),
    ("1.27", "1.27.16"),
    ("1.28", "1.28.15"),
    ("1.29", "1.29.15"),
    ("1.30", "1.30.14"),
    ("1.31", "1.31.14"),
    ("1.32", "1.32.12"),
    ("1.33", "1.33.8"),
    ("1.34", "1.34.4"),
    ("1.35", "1.35.3"),
    ("1.36", "1.36.2"),
];
/// Kubernetes versions for which there are Amazon Linux 2 images, with the image's patch and date.
const AL2_NODES: &[(&str, &str, &str)] = &[
    ("1.24", "1.24.11", "20230411"),
    ("1.25", "1.25.16", "20251112"),
    ("1.26", "1.26.15", "20251112"),
    ("1.27", "1.27.16", "20251112"),
    ("1.28", "1.28.15", "20251112"),
    ("1.29", "1.29.15", "20251112"),
    ("1.30", "1.30.14", "20251112"),
    ("1.31", "1.31.14", "20251112"),
    ("1.32", "1.32.9", "20251112"),
];

/// An image of the catalogue in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Its id there.
    pub id: String,
    /// Its name, the same in all regions.
    pub name: String,
    /// What it is.
    pub description: String,
    /// The account that owns it.
    pub owner: &'static str,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// When it was made, as `20260714`.
    pub date: &'static str,
    /// Size of the root volume in GiB when the caller names none.
    pub volume_size: i32,
    /// Whether it wants tokens from the metadata service.
    pub requires_tokens: bool,
    /// SSM public parameters that hold its id: what `resolve:ssm:` may name.
    pub parameters: Vec<String>,
}

impl Image {
    fn new(region: &Region, name: String, architecture: &'static str) -> Self {
        Self {
            id: format!("ami-{}", derive::digits(&["ami", region.as_str(), &name])),
            description: String::new(),
            owner: AMAZON,
            architecture,
            date: AL2023_DATE,
            volume_size: 8,
            requires_tokens: true,
            parameters: vec![],
            name,
        }
    }

    /// The snapshot of its root volume.
    pub(crate) fn snapshot(&self) -> String {
        format!("snap-{}", derive::digits(&["snap", &self.id]))
    }
}

/// The whole catalogue of a region.
pub(crate) fn catalogue(region: &Region) -> Vec<Image> {
    let mut all = Vec::new();
    for architecture in ["x86_64", "arm64"] {
        all.push(amazon_linux(region, architecture));
        all.extend(NODES.iter().map(|(minor, patch)| node(region, architecture, minor, patch)));
        all.extend(AL2_NODES.iter().map(|(minor, patch, date)| old_node(region, architecture, minor, patch, date)));
    }
    all
}

fn amazon_linux(region: &Region, architecture: &'static str) -> Image {
    let mut image =
        Image::new(region, format!("al2023-ami-2023.9.{AL2023_DATE}.0-kernel-6.1-{architecture}"), architecture);
    image.description = format!("Amazon Linux 2023 AMI 2023.9.{AL2023_DATE}.0 {architecture} HVM kernel-6.1");
    let path = "/aws/service/ami-amazon-linux-latest";
    image.parameters =
        ["default", "6.1"].map(|kernel| format!("{path}/al2023-ami-kernel-{kernel}-{architecture}")).to_vec();
    image
}

fn node(region: &Region, architecture: &'static str, minor: &str, patch: &str) -> Image {
    let name = format!("amazon-eks-node-al2023-{architecture}-standard-{minor}-v{AL2023_DATE}");
    let path = format!("/aws/service/eks/optimized-ami/{minor}/amazon-linux-2023/{architecture}/standard/recommended");
    let mut image = Image::new(region, name, architecture);
    image.owner = EKS;
    image.volume_size = 20;
    image.description = format!("EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: {patch})");
    image.parameters = vec![format!("{path}/image_id")];
    image
}

fn old_node(region: &Region, architecture: &'static str, minor: &str, patch: &str, date: &'static str) -> Image {
    let (kind, suffix) = if architecture == "arm64" { ("arm64-node", "-arm64") } else { ("node", "") };
    let path = format!("/aws/service/eks/optimized-ami/{minor}/amazon-linux-2{suffix}/recommended");
    let mut image = Image::new(region, format!("amazon-eks-{kind}-{minor}-v{date}"), architecture);
    image.owner = EKS;
    image.volume_size = 20;
    image.date = date;
    image.requires_tokens = false;
    image.description = format!("EKS Kubernetes Worker AMI with AmazonLinux2 image, (k8s: {patch})");
    image.parameters = vec![format!("{path}/image_id")];
    image
}

fn absent(id: &str) -> Ec2Error {
    refuse("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// The image that a call names: by id, or as `resolve:ssm:<parameter>`.
pub(crate) fn find(region: &Region, given: &str) -> Result<Image> {
    if let Some(parameter) = given.strip_prefix("resolve:ssm:") {
        let has = |image: &Image| image.parameters.iter().any(|name| name == parameter);
        let message = || format!("The SSM parameter '{parameter}' does not lead to an image.");
        return catalogue(region).into_iter().find(has).ok_or_else(|| refuse("InvalidParameterValue", message()));
    }
    check_id(given)?;
    catalogue(region).into_iter().find(|it| it.id == given).ok_or_else(|| absent(given))
}

fn check_id(id: &str) -> Result<()> {
    if id.parse::<base::ImageId>().is_ok() {
        return Ok(());
    }
    Err(refuse("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")))
}

const FILTERS: &[Column<wire::Image>] = &[
    ("architecture", |it| text(&it.architecture)),
    ("block-device-mapping.device-name", |it| each(&it.block_device_mappings, |one| text(&one.device_name))),
    ("block-device-mapping.snapshot-id", |it| {
        each(&it.block_device_mappings, |one| within(&one.ebs, |ebs| text(&ebs.snapshot_id)))
    }),
    ("block-device-mapping.volume-type", |it| {
        each(&it.block_device_mappings, |one| within(&one.ebs, |ebs| text(&ebs.volume_type)))
    }),
    ("creation-date", |it| text(&it.creation_date)),
    ("description", |it| text(&it.description)),
    ("ena-support", |it| flag(&it.ena_support)),
    ("hypervisor", |it| text(&it.hypervisor)),
    ("image-id", |it| text(&it.image_id)),
    ("image-type", |it| text(&it.image_type)),
    ("is-public", |it| flag(&it.public)),
    ("name", |it| text(&it.name)),
    ("owner-alias", |it| text(&it.image_owner_alias)),
    ("owner-id", |it| text(&it.owner_id)),
    ("platform", |it| text(&it.platform)),
    ("root-device-name", |it| text(&it.root_device_name)),
    ("root-device-type", |it| text(&it.root_device_type)),
    ("state", |it| text(&it.state)),
    ("virtualization-type", |it| text(&it.virtualization_type)),
];

/// DescribeImages.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeImagesRequest,
) -> Result<wire::DescribeImagesResult> {
    let mut all = catalogue(world.region());
    if let Some(ids) = input.image_ids.as_deref().filter(|ids| !ids.is_empty()) {
        ids.iter().try_for_each(|id| check_id(id))?;
        if let Some(id) = ids.iter().find(|id| !all.iter().any(|it| it.id == **id)) {
            return Err(absent(id));
        }
        all.retain(|it| ids.contains(&it.id));
    }
    if let Some(owners) = input.owners.as_deref().filter(|owners| !owners.is_empty()) {
        all.retain(|it| owners.iter().any(|owner| owner == "amazon" || owner == it.owner));
    }
    if let Some(users) = input.executable_users.as_deref().filter(|users| !users.is_empty())
        && !users.iter().any(|user| user == "all")
    {
        all.clear();
    }
    let found = keep(all.iter().map(render).collect(), &input.filters, FILTERS)?;
    // In the catalogue's order, which begins with what the usual instance types run.
    let place = |id: &str| all.iter().position(|it| it.id == id).unwrap_or_default();
    let key = |it: &wire::Image| format!("{:04}", place(it.image_id.as_deref().unwrap_or_default()));
    let (images, next_token) = page(found, key, input.max_results, &input.next_token)?;
    Ok(wire::DescribeImagesResult { next_token, images: Some(images) })
}

fn render(image: &Image) -> wire::Image {
    let some = |text: &str| Some(text.to_owned());
    let (year, month, day) = (&image.date[..4], &image.date[4..6], &image.date[6..]);
    wire::Image {
        image_id: Some(image.id.clone()),
        name: Some(image.name.clone()),
        description: Some(image.description.clone()),
        image_location: Some(format!("amazon/{}", image.name)),
        image_owner_alias: some("amazon"),
        owner_id: some(image.owner),
        architecture: some(image.architecture),
        creation_date: Some(format!("{year}-{month}-{day}T00:00:00.000Z")),
        image_type: some("machine"),
        public: Some(true),
        state: some("available"),
        platform_details: some("Linux/UNIX"),
        usage_operation: some("RunInstances"),
        ena_support: Some(true),
        hypervisor: some("xen"),
        virtualization_type: some("hvm"),
        root_device_name: some(ROOT_DEVICE),
        root_device_type: some("ebs"),
        boot_mode: some(if image.architecture == "arm64" { "uefi" } else { "uefi-preferred" }),
        imds_support: image.requires_tokens.then(|| "v2.0".to_owned()),
        block_device_mappings: Some(vec![wire::BlockDeviceMapping {
            device_name: some(ROOT_DEVICE),
            ebs: Some(wire::EbsBlockDevice {
                delete_on_termination: Some(true),
                snapshot_id: Some(image.snapshot()),
                volume_size: Some(image.volume_size),
                volume_type: some("gp3"),
                encrypted: Some(false),
                ..Default::default()
            }),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_stable_and_differ_between_regions() {
        let here: Region = "ap-northeast-2".parse().unwrap();
        let there: Region = "us-east-1".parse().unwrap();
        let ids = |region| catalogue(region).into_iter().map(|it| it.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&here), ids(&here));
        assert_eq!(ids(&here).len(), catalogue(&here).len());
        assert!(ids(&here).is_disjoint(&ids(&there)));
        assert!(catalogue(&here).iter().all(|it| it.id.parse::<base::ImageId>().is_ok()));
    }

    #[test]
    fn an_image_is_found_by_its_parameter() {
        let region: Region = "ap-northeast-2".parse().unwrap();
        let path =
            "resolve:ssm:/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id";
        assert_eq!(find(&region, path).unwrap().name, "amazon-eks-node-al2023-x86_64-standard-1.36-v20260714");
        assert!(find(&region, "ami-00000000000000000").is_err());
    }
}
