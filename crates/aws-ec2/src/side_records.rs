//! Records besides the contract with the landing: what only EC2's own answers need, and the indexes that keep
//! addresses, names and numbers unique. Each index key exists as long as what it names is taken.

use crate::records::{Record, Tags};
use base::{AccountId, InstanceId, Region, VolumeId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Kind of `address/<subnet>/<address>`: the interface that holds the address.
pub(crate) const ADDRESS: &str = "address";
/// Kind of `attachment/<attachment>`: the attached interface.
pub(crate) const ATTACHMENT: &str = "attachment";
/// Kind of `attached/<instance>/<interface>`: the interfaces of an instance.
pub(crate) const ATTACHED: &str = "attached";
/// Kind of `vpc-eni/<vpc>/<interface>`: the interfaces in a VPC.
pub(crate) const IN_VPC: &str = "vpc-eni";
/// Kind of `group-eni/<group>/<interface>`: the interfaces that carry a group.
pub(crate) const IN_GROUP: &str = "group-eni";
/// Kind of `group-name/<vpc>/<name>`: the group that has the name.
pub(crate) const GROUP_NAME: &str = "group-name";
/// Kind of `key-name/<name>`: the key pair that has the name.
pub(crate) const KEY_NAME: &str = "key-name";
/// Kind of `tags/<id>`: tags of what has no record of its own (the network access list, the DHCP options).
pub(crate) const LOOSE_TAGS: &str = "tags";
/// Kind of `default/made`: that the region has got its default VPC.
pub(crate) const DEFAULT: &str = "default";

/// Public addresses that are taken, over all accounts and regions: `ec2-public/<address>`.
pub(crate) const PUBLIC_ROOT: &str = "ec2-public/";
/// Instance numbers that are taken, over all accounts and regions: `ec2-number/<number>`.
pub(crate) const NUMBER_ROOT: &str = "ec2-number/";
/// What calls with client tokens made: `ec2-token/<account>/<region>/<operation>/<token>`.
pub(crate) const TOKEN_ROOT: &str = "ec2-token/";
/// Terminated instances that are still shown: `ec2-terminated/<account>/<region>/<instance>`.
pub(crate) const TERMINATED_ROOT: &str = "ec2-terminated/";

/// Who holds a public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicHolder {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The elastic address or the interface.
    pub holder: String,
}

/// A terminated instance that waits for being forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terminated {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The instance.
    pub instance: InstanceId,
    /// Since when it is terminated.
    pub at: Timestamp,
}

/// What a call with a client token made, so that the same call again gives the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenUse {
    /// A digest of the call's parameters.
    pub fingerprint: String,
    /// The ids of what it made.
    pub made: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// What is shown of an instance and interests nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceFace {
    /// The instance profile's id, as `AIPA...`.
    pub profile_id: Option<String>,
    /// Whether its primary interface gets a public address at every start.
    pub auto_public: bool,
    /// Whether detailed monitoring was asked for.
    pub monitoring: bool,
    /// Whether EBS optimization was asked for.
    pub ebs_optimized: bool,
    /// `stop` or `terminate`: what a shutdown from inside means.
    pub shutdown_behavior: String,
}

impl Record for InstanceFace {
    const KIND: &'static str = "instance-face";
}

/// A root volume: a number that users see; the storage is the machine's own file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its zone's name.
    pub zone: String,
    /// Its size in GiB.
    pub size: i32,
    /// Its type, as `gp3`.
    pub kind: String,
    /// The snapshot of the image.
    pub snapshot: String,
    /// The instance it belongs to.
    pub instance: Option<InstanceId>,
    /// Its device name.
    pub device: String,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

impl Record for Volume {
    const KIND: &'static str = "volume";
}
