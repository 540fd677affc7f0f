//! What EC2 stores, and under which keys: `ec2/<account>/<region>/<kind>/<id>`.
//! These records are read by others (the landing turns them into networks), so they are plain data.

use base::{
    AccountId, AddressAssociationId, AllocationId, AttachmentId, ImageId, InstanceId, InternetGatewayId, Ipv4Block,
    KeyPairId, NetworkInterfaceId, Region, ReservationId, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VolumeId, VpcCidrAssociationId, VpcId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The root of all EC2 keys.
pub const ROOT: &str = "ec2/";

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// A kind of record: the part of its key between region and id.
pub trait Record: Serialize + serde::de::DeserializeOwned {
    /// The kind, as `vpc`.
    const KIND: &'static str;
}

/// The prefix of all records of a kind in one account and region, with the final slash.
pub fn prefix(account: &AccountId, region: &Region, kind: &str) -> String {
    format!("{ROOT}{account}/{region}/{kind}/")
}

/// The key of one record.
pub fn key(account: &AccountId, region: &Region, kind: &str, id: &str) -> String {
    format!("{ROOT}{account}/{region}/{kind}/{id}")
}

macro_rules! record {
    ($($name:ident = $kind:literal),+ $(,)?) => {$(
        impl Record for $name {
            const KIND: &'static str = $kind;
        }
    )+};
}

record! {
    Vpc = "vpc", Subnet = "subnet", RouteTable = "rtb", InternetGateway = "igw", SecurityGroup = "sg",
    NetworkInterface = "eni", ElasticAddress = "eip", KeyPair = "key", Instance = "instance",
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Its owner.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its blocks; the first is the primary one.
    pub blocks: Vec<VpcBlock>,
    /// Whether it is the region's default VPC.
    pub is_default: bool,
    /// Whether the resolver at base+2 answers.
    pub dns_support: bool,
    /// Whether instances get public host names, and private zones are seen.
    pub dns_hostnames: bool,
    /// `default` or `dedicated`.
    pub tenancy: String,
    /// Its tags.
    pub tags: Tags,
}

/// A block of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcBlock {
    /// The association's id.
    pub association: VpcCidrAssociationId,
    /// The block.
    pub block: Ipv4Block,
}

impl Vpc {
    /// The primary block. A VPC always has one.
    pub fn primary_block(&self) -> Ipv4Block {
        self.blocks.first().map_or(Ipv4Block::ANY, |it| it.block)
    }

    /// The resolver's address: the primary block's base plus two.
    pub fn resolver(&self) -> Ipv4Addr {
        self.primary_block().nth(2).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its zone's name, as `ap-northeast-2a`.
    pub zone: String,
    /// Its block.
    pub block: Ipv4Block,
    /// Whether instances get a public address without asking.
    pub map_public_ip_on_launch: bool,
    /// Whether it is its zone's default subnet.
    pub default_for_az: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Routes besides the implicit local ones.
    pub routes: Vec<Route>,
    /// The subnets that use it, and whether it is the VPC's main table.
    pub associations: Vec<RouteTableAssociation>,
    /// Its tags.
    pub tags: Tags,
}

/// A route besides the local ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where packets go.
    pub destination: Ipv4Block,
    /// By what.
    pub target: RouteTarget,
}

/// What a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTarget {
    /// An Internet gateway. The route is a blackhole while the gateway is not attached to the table's VPC.
    InternetGateway(InternetGatewayId),
    /// A network interface (of a NAT instance, say). A blackhole while it is not attached.
    NetworkInterface(NetworkInterfaceId),
}

/// Who uses a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// Its id.
    pub id: RouteTableAssociationId,
    /// The subnet; `None` for the association that makes the table the VPC's main one.
    pub subnet: Option<SubnetId>,
}

impl RouteTable {
    /// Whether it is its VPC's main table.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|it| it.subnet.is_none())
    }
}

/// An Internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Its id.
    pub id: InternetGatewayId,
    /// The VPC it is attached to.
    pub vpc: Option<VpcId>,
    /// Its tags.
    pub tags: Tags,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its name, unique in the VPC.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its rules, both ways.
    pub rules: Vec<SecurityGroupRule>,
    /// Its tags.
    pub tags: Tags,
}

/// One rule of a security group: one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// Whether it lets out (or else in).
    pub egress: bool,
    /// The IP protocol as EC2 writes it: `-1` for all, `tcp`, `udp`, `icmp`, `icmpv6` or a number.
    pub protocol: String,
    /// First port, or the ICMP type (-1: any); `None` with protocol `-1`.
    pub from_port: Option<i32>,
    /// Last port, or the ICMP code (-1: any); `None` with protocol `-1`.
    pub to_port: Option<i32>,
    /// Who is let in or out to.
    pub peer: RulePeer,
    /// What the user wrote beside it.
    pub description: Option<String>,
    /// Tags of the rule.
    pub tags: Tags,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RulePeer {
    /// Addresses of a block.
    Block(Ipv4Block),
    /// Addresses of an IPv6 block: kept and shown; there is no IPv6 in a VPC yet, so it lets nothing through.
    Block6(String),
    /// Interfaces in a group of the same VPC.
    Group(SecurityGroupId),
}

/// A network interface (ENI).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Its id.
    pub id: NetworkInterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its zone's name.
    pub zone: String,
    /// Its hardware address, as `0a:1b:9c:6d:33:e5`.
    pub mac: String,
    /// Its description.
    pub description: String,
    /// Its private addresses; the first is the primary one.
    pub addresses: Vec<PrivateAddress>,
    /// Its security groups, in the order given.
    pub groups: Vec<SecurityGroupId>,
    /// Whether packets must carry one of its own addresses.
    pub source_dest_check: bool,
    /// What it is attached to.
    pub attachment: Option<Attachment>,
    /// The service that asked for it, if a service did: requester-managed.
    pub requester: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl NetworkInterface {
    /// The primary address. An interface always has one.
    pub fn primary(&self) -> Ipv4Addr {
        self.addresses.first().map_or(Ipv4Addr::UNSPECIFIED, |it| it.address)
    }
}

/// A private address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The public address that stands for it on the Internet.
    pub public: Option<PublicAddress>,
}

/// A public address of a private one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address, from 198.18.0.0/15.
    pub address: Ipv4Addr,
    /// The elastic address it is, or `None` for an auto-assigned one, which goes when the instance stops.
    pub allocation: Option<AllocationId>,
}

/// What an interface is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Since when.
    pub at: Timestamp,
    /// 0 for an instance's primary interface.
    pub device_index: i32,
    /// Whether the interface goes with the instance.
    pub delete_on_termination: bool,
    /// The instance; `None` when it belongs to a service.
    pub instance: Option<InstanceId>,
    /// The instance's owner: the user's account, or a service's.
    pub instance_owner: String,
}

/// An elastic address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticAddress {
    /// Its id.
    pub id: AllocationId,
    /// The public address.
    pub address: Ipv4Addr,
    /// What it stands for at the moment.
    pub association: Option<AddressAssociation>,
    /// Its tags.
    pub tags: Tags,
}

/// What an elastic address stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAssociation {
    /// Its id.
    pub id: AddressAssociationId,
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// Which of its private addresses.
    pub private: Ipv4Addr,
}

/// A key pair; only the public half is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// Its id.
    pub id: KeyPairId,
    /// Its name, unique in the region.
    pub name: String,
    /// `rsa` or `ed25519`.
    pub kind: String,
    /// AWS's fingerprint of it.
    pub fingerprint: String,
    /// The public key as a line of `authorized_keys`.
    pub public_key: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

/// What an instance is doing. Codes as in the *EC2 API Reference*, `InstanceState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Being started.
    Pending,
    /// Runs.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone; shown for an hour.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Stopped; its interfaces stay.
    Stopped,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its number in the whole service, from 0: gives it its own range of user ids on the machine. Never used twice at
    /// once.
    pub number: u32,
    /// The call that made it.
    pub reservation: ReservationId,
    /// Its place in that call.
    pub launch_index: i32,
    /// The token of that call, if it had one.
    pub client_token: Option<String>,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its zone's name.
    pub zone: String,
    /// Its image.
    pub image: ImageId,
    /// Its type, as `t3.medium`.
    pub instance_type: String,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// Its user data, base64.
    pub user_data: Option<String>,
    /// The ARN of its instance profile.
    pub instance_profile: Option<String>,
    /// What it is doing.
    pub state: InstanceState,
    /// Rises with every RebootInstances.
    pub boots: u32,
    /// Why it stopped or went, as EC2 writes it.
    pub transition_reason: String,
    /// When it was launched (last).
    pub launched: Timestamp,
    /// When it was terminated.
    pub terminated: Option<Timestamp>,
    /// Its root volume.
    pub volume: VolumeId,
    /// Its primary interface's private address, kept for the host name.
    pub private_address: Ipv4Addr,
    /// `optional` or `required`: the metadata service's tokens.
    pub metadata_tokens: String,
    /// The hop limit of the metadata service's answers, 1 to 64.
    pub metadata_hop_limit: i32,
    /// Whether it may not be terminated by the API.
    pub termination_protection: bool,
    /// Its tags.
    pub tags: Tags,
}
