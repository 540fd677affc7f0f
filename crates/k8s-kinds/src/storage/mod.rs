//! The group `storage.k8s.io`: where volumes come from and where they are.

mod attachment;
mod class;
mod driver;

pub(crate) use attachment::VolumeAttachment;
pub(crate) use class::{StorageClass, VolumeAttributesClass};
pub(crate) use driver::{CsiDriver, CsiNode, CsiStorageCapacity};
