//! What all kinds of records have in common towards users: ids, refusals that name them, tags.

use crate::error::{Ec2Error, refuse};
use crate::records::{
    ElasticAddress, Instance, InternetGateway, KeyPair, NetworkInterface, Record, RouteTable, SecurityGroup, Subnet,
    Tags, Vpc,
};
use crate::side_records::Volume;
use base::{
    AllocationId, InstanceId, InternetGatewayId, KeyPairId, NetworkInterfaceId, RouteTableId, SecurityGroupId,
    SubnetId, VolumeId, VpcId,
};
use std::str::FromStr;

/// A record that users know by an id.
pub(crate) trait Resource: Record {
    /// Its id's type.
    type Id: FromStr + AsRef<str>;
    /// How its ids begin.
    const PREFIX: &'static str;
    /// The first part of its error codes, as `InvalidVpcID`.
    const CODE: &'static str;
    /// The beginning of the sentence that says it is not there, as `The vpc ID`.
    const SUBJECT: &'static str;
    /// Its resource type in tags, as `vpc`.
    const TYPE: &'static str;
    /// Its id.
    fn id(&self) -> &str;
    /// Its tags.
    fn tags(&self) -> &Tags;
    /// Its tags, to change them.
    fn tags_mut(&mut self) -> &mut Tags;
}

macro_rules! resource {
    ($($record:ident, $id:ident, $code:literal, $subject:literal, $kind:literal;)+) => {$(
        impl Resource for $record {
            type Id = $id;
            const PREFIX: &'static str = $id::PREFIX;
            const CODE: &'static str = $code;
            const SUBJECT: &'static str = $subject;
            const TYPE: &'static str = $kind;
            fn id(&self) -> &str {
                self.id.as_str()
            }
            fn tags(&self) -> &Tags {
                &self.tags
            }
            fn tags_mut(&mut self) -> &mut Tags {
                &mut self.tags
            }
        }
    )+};
}

resource! {
    Vpc, VpcId, "InvalidVpcID", "The vpc ID", "vpc";
    Subnet, SubnetId, "InvalidSubnetID", "The subnet ID", "subnet";
    RouteTable, RouteTableId, "InvalidRouteTableID", "The routeTable ID", "route-table";
    InternetGateway, InternetGatewayId, "InvalidInternetGatewayID", "The internetGateway ID", "internet-gateway";
    SecurityGroup, SecurityGroupId, "InvalidGroup", "The security group", "security-group";
    NetworkInterface, NetworkInterfaceId, "InvalidNetworkInterfaceID", "The networkInterface ID", "network-interface";
    ElasticAddress, AllocationId, "InvalidAllocationID", "The allocation ID", "elastic-ip";
    KeyPair, KeyPairId, "InvalidKeyPair", "The key pair", "key-pair";
    Instance, InstanceId, "InvalidInstanceID", "The instance ID", "instance";
    Volume, VolumeId, "InvalidVolume", "The volume", "volume";
}

/// The refusal of an id of which there is no record.
pub(crate) fn not_found<R: Resource>(id: &str) -> Ec2Error {
    Ec2Error::Refused(aws_model::Fault::client(
        format!("{}.NotFound", R::CODE),
        format!("{} '{id}' does not exist", R::SUBJECT),
    ))
}

/// Parses an id; a text that is none is refused as malformed.
pub(crate) fn parse_id<R: Resource>(text: &str) -> Result<R::Id, Ec2Error> {
    let code = match R::CODE {
        "InvalidGroup" => "InvalidGroupId.Malformed".to_owned(),
        "InvalidVolume" => "InvalidVolumeID.Malformed".to_owned(),
        code => format!("{code}.Malformed"),
    };
    let message = || format!("Invalid id: \"{text}\" (expecting \"{}...\")", R::PREFIX);
    text.parse().map_err(|_| Ec2Error::Refused(aws_model::Fault::client(code, message())))
}

/// The refusal of an id that is of no kind at all.
pub(crate) fn bad_id(id: &str) -> Ec2Error {
    refuse("InvalidID", format!("The ID '{id}' is not valid"))
}
