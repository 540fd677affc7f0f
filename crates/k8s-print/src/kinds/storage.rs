//! Volumes.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, UNSET, View, join};
use serde_json::Value;

pub(super) static VOLUME: Layout = Layout::new(
    &[
        NAME,
        Column::new("Capacity", field!("core.v1.PersistentVolumeSpec", "capacity")),
        Column::new("Access Modes", field!("core.v1.PersistentVolumeSpec", "accessModes")),
        Column::new("Reclaim Policy", field!("core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy")),
        Column::new("Status", field!("core.v1.PersistentVolumeStatus", "phase")),
        Column::new("Claim", field!("core.v1.PersistentVolumeSpec", "claimRef")),
        Column::text("StorageClass", "The storage class of the volume."),
        Column::text("VolumeAttributesClass", "The class of the volume's attributes.").since(29),
        Column::new("Reason", field!("core.v1.PersistentVolumeStatus", "reason")),
        AGE,
        Column::new("VolumeMode", field!("core.v1.PersistentVolumeSpec", "volumeMode")).wide(),
    ],
    volume,
);

pub(super) static CLAIM: Layout = Layout::new(
    &[
        NAME,
        Column::new("Status", field!("core.v1.PersistentVolumeClaimStatus", "phase")),
        Column::new("Volume", field!("core.v1.PersistentVolumeClaimSpec", "volumeName")),
        Column::new("Capacity", field!("core.v1.PersistentVolumeClaimStatus", "capacity")),
        Column::new("Access Modes", field!("core.v1.PersistentVolumeClaimStatus", "accessModes")),
        Column::text("StorageClass", "The storage class of the claim."),
        Column::text("VolumeAttributesClass", "The class of the claimed volume's attributes.").since(29),
        AGE,
        Column::new("VolumeMode", field!("core.v1.PersistentVolumeClaimSpec", "volumeMode")).wide(),
    ],
    claim,
);

pub(super) static CLASS: Layout = Layout::new(
    &[
        NAME,
        Column::new("Provisioner", field!("storage.v1.StorageClass", "provisioner")),
        Column::new("ReclaimPolicy", field!("storage.v1.StorageClass", "reclaimPolicy")),
        Column::new("VolumeBindingMode", field!("storage.v1.StorageClass", "volumeBindingMode")),
        Column::new("AllowVolumeExpansion", field!("storage.v1.StorageClass", "allowVolumeExpansion")),
        AGE,
    ],
    |it, context| {
        vec![
            class_name(it, &["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"]),
            it.at("provisioner").text().into(),
            it.at("reclaimPolicy").set_or("Delete").into(),
            it.at("volumeBindingMode").set_or("Immediate").into(),
            (it.at("allowVolumeExpansion").flag() == Some(true)).into(),
            it.age(context),
        ]
    },
);

pub(super) static ATTRIBUTES_CLASS: Layout = Layout::new(
    &[NAME, Column::new("DriverName", field!("storage.v1.VolumeAttributesClass", "driverName")), AGE],
    |it, context| {
        let name = class_name(it, &["volumeattributesclass.alpha.kubernetes.io"]);
        vec![name, it.at("driverName").text().into(), it.age(context)]
    },
);

pub(super) static ATTACHMENT: Layout = Layout::new(
    &[
        NAME,
        Column::new("Attacher", field!("storage.v1.VolumeAttachmentSpec", "attacher")).format("name"),
        Column::new("PV", field!("storage.v1.VolumeAttachmentSource", "persistentVolumeName")),
        Column::new("Node", field!("storage.v1.VolumeAttachmentSpec", "nodeName")),
        Column::new("Attached", field!("storage.v1.VolumeAttachmentStatus", "attached")).boolean(),
        AGE,
    ],
    |it, context| {
        let spec = it.at("spec");
        vec![
            it.name(),
            spec.at("attacher").text().into(),
            spec.at("source").at("persistentVolumeName").text().into(),
            spec.at("nodeName").text().into(),
            (it.at("status").at("attached").flag() == Some(true)).into(),
            it.age(context),
        ]
    },
);

pub(super) static CSI_NODE: Layout = Layout::new(
    &[NAME, Column::text("Drivers", "How many CSI drivers the node has.").integer(), AGE],
    |it, context| vec![it.name(), it.at("spec").at("drivers").count().into(), it.age(context)],
);

pub(super) static CSI_DRIVER: Layout = Layout::new(
    &[
        NAME,
        Column::new("AttachRequired", field!("storage.v1.CSIDriverSpec", "attachRequired")).boolean(),
        Column::new("PodInfoOnMount", field!("storage.v1.CSIDriverSpec", "podInfoOnMount")).boolean(),
        Column::new("StorageCapacity", field!("storage.v1.CSIDriverSpec", "storageCapacity")).boolean(),
        Column::new("TokenRequests", field!("storage.v1.CSIDriverSpec", "tokenRequests")),
        Column::new("RequiresRepublish", field!("storage.v1.CSIDriverSpec", "requiresRepublish")).boolean(),
        Column::new("Modes", field!("storage.v1.CSIDriverSpec", "volumeLifecycleModes")),
        AGE,
    ],
    csi_driver,
);

pub(super) static CSI_CAPACITY: Layout = Layout::new(
    &[
        NAME,
        Column::new("StorageClassName", field!("storage.v1.CSIStorageCapacity", "storageClassName")),
        Column::new("Capacity", field!("storage.v1.CSIStorageCapacity", "capacity")),
    ],
    |it, _| {
        let capacity = it.at("capacity");
        let capacity = if capacity.is_set() { capacity.quantity().into_owned() } else { UNSET.to_owned() };
        vec![it.name(), it.at("storageClassName").text().into(), capacity.into()]
    },
);

fn volume(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status, claim) = (it.at("spec"), it.at("status"), it.at("spec").at("claimRef"));
    let claim = match claim.is_set() {
        true => format!("{}/{}", claim.at("namespace").text(), claim.at("name").text()),
        false => String::new(),
    };
    vec![
        it.name(),
        spec.at("capacity").at("storage").quantity().into(),
        modes(spec.at("accessModes")),
        spec.at("persistentVolumeReclaimPolicy").text().into(),
        phase(it),
        claim.into(),
        storage_class(it),
        spec.at("volumeAttributesClassName").set_or(UNSET).into(),
        status.at("reason").text().into(),
        it.age(context),
        spec.at("volumeMode").set_or(UNSET).into(),
    ]
}

fn claim(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let volume = spec.at("volumeName").text();
    let (capacity, access) = match volume {
        "" => ("".into(), "".into()),
        _ => (status.at("capacity").at("storage").quantity().into(), modes(status.at("accessModes"))),
    };
    vec![
        it.name(),
        phase(it),
        volume.into(),
        capacity,
        access,
        storage_class(it),
        spec.at("volumeAttributesClassName").set_or(UNSET).into(),
        it.age(context),
        spec.at("volumeMode").set_or(UNSET).into(),
    ]
}

fn phase(it: View<'_>) -> Value {
    if it.is_deleting() { "Terminating" } else { it.at("status").at("phase").text() }.into()
}

/// The class of a volume or claim; an annotation was the first way to tell it.
fn storage_class(it: View<'_>) -> Value {
    let old = it.at("metadata").at("annotations").at("volume.beta.kubernetes.io/storage-class");
    old.or(it.at("spec").at("storageClassName")).text().into()
}

/// Access modes, abbreviated and in their own order.
fn modes(modes: View<'_>) -> Value {
    const ALL: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let known = ALL.iter().filter(|(mode, _)| modes.list().any(|it| it.text() == *mode));
    join(known.map(|(_, short)| *short), ",").into()
}

/// A class's name, and whether it is the one of those who name none.
fn class_name(it: View<'_>, domains: &[&str]) -> Value {
    let annotations = it.at("metadata").at("annotations");
    let is_default = |domain: &&str| annotations.at(&format!("{domain}/is-default-class")).text() == "true";
    match (annotations.is_set() && domains.iter().any(is_default), it.name()) {
        (true, Value::String(name)) => format!("{name} (default)").into(),
        (_, name) => name,
    }
}

fn csi_driver(it: View<'_>, context: &Context) -> Vec<Value> {
    let spec = it.at("spec");
    let is = |name: &str| Value::from(spec.at(name).flag() == Some(true));
    let (tokens, modes) = (spec.at("tokenRequests"), spec.at("volumeLifecycleModes").joined());
    let audiences = match tokens.is_set() {
        true => join(tokens.list().map(|it| it.at("audience").text()), ","),
        false => UNSET.to_owned(),
    };
    vec![
        it.name(),
        spec.at("attachRequired").flag().unwrap_or(true).into(),
        is("podInfoOnMount"),
        is("storageCapacity"),
        audiences.into(),
        is("requiresRepublish"),
        if modes.is_empty() { NONE.to_owned() } else { modes }.into(),
        it.age(context),
    ]
}
