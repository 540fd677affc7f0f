//! A small world for tests: one VPC with two subnets, an instance with a public address, and a cluster.

use crate::access::{Gate, Gates};
use crate::world::{ClusterId, Dirty, Runtime, World};
use aws_ec2::records::{self as ec2, Record};
use aws_eks::records as eks;
use base::{AccountId, Region};
use serde_json::json;

/// Ids that tests name.
pub const VPC: &str = "vpc-0aaaaaaaaaaaaaaaa";
pub const SUBNET_A: &str = "subnet-0aaaaaaaaaaaaaaaa";
pub const SUBNET_C: &str = "subnet-0cccccccccccccccc";
pub const INSTANCE: &str = "i-0aaaaaaaaaaaaaaaa";
pub const NODE_GROUP: &str = "sg-0aaaaaaaaaaaaaaaa";
pub const CLUSTER_GROUP: &str = "sg-0cccccccccccccccc";
pub const GATEWAY: &str = "igw-0aaaaaaaaaaaaaaaa";
pub const TABLE: &str = "rtb-0aaaaaaaaaaaaaaaa";

pub fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

pub fn region() -> Region {
    "ap-northeast-2".parse().unwrap()
}

/// A world that tests change record by record.
pub struct Scenery {
    pub world: World,
    pub gates: Gates,
    pub runtime: Runtime,
    /// What was touched so far.
    pub dirty: Dirty,
}

impl Scenery {
    /// The whole scenery, the cluster in a given mode.
    pub fn new(public: bool, private: bool, cidrs: &[&str]) -> Self {
        let mut it =
            Self { world: World::default(), gates: Gates::new(), runtime: Runtime::default(), dirty: Dirty::default() };
        it.network();
        it.interfaces();
        it.cluster(public, private, cidrs);
        it.runtime.pids.insert(INSTANCE.parse().unwrap(), 4242);
        it
    }

    /// Takes a record in by its JSON, checked by its type.
    pub fn ec2<T: Record>(&mut self, id: &str, value: serde_json::Value) {
        let record: T = serde_json::from_value(value).unwrap();
        let key = ec2::key(&account(), &region(), T::KIND, id);
        self.put(&key, Some(&serde_json::to_vec(&record).unwrap()));
    }

    /// Removes a record.
    pub fn remove<T: Record>(&mut self, id: &str) {
        self.put(&ec2::key(&account(), &region(), T::KIND, id), None);
    }

    /// Removes the cluster.
    pub fn remove_cluster(&mut self) {
        self.gates.clear();
        self.put(&eks::cluster_key(&account(), &region(), "myeks"), None);
    }

    fn put(&mut self, key: &str, value: Option<&[u8]>) {
        let dirty = self.world.put(key, value).unwrap();
        self.dirty.merge(dirty);
    }

    fn network(&mut self) {
        self.vpc(true, true);
        for (id, zone, block) in [(SUBNET_A, "a", "192.168.1.0/24"), (SUBNET_C, "c", "192.168.2.0/24")] {
            let value = json!({"id": id, "vpc": VPC, "zone": format!("ap-northeast-2{zone}"), "block": block,
                "map_public_ip_on_launch": true, "default_for_az": false, "tags": {}});
            self.ec2::<ec2::Subnet>(id, value);
        }
        self.ec2::<ec2::InternetGateway>(GATEWAY, json!({"id": GATEWAY, "vpc": VPC, "tags": {}}));
        let main = json!({"id": "rtbassoc-0aaaaaaaaaaaaaaaa", "subnet": null});
        let route = json!({"destination": "0.0.0.0/0", "target": {"InternetGateway": GATEWAY}});
        let table = json!({"id": TABLE, "vpc": VPC, "routes": [route], "associations": [main], "tags": {}});
        self.ec2::<ec2::RouteTable>(TABLE, table);
        self.group(NODE_GROUP, &[]);
        self.group(CLUSTER_GROUP, &[]);
    }

    /// The VPC with these DNS attributes.
    pub fn vpc(&mut self, dns_support: bool, dns_hostnames: bool) {
        let block = json!({"association": "vpc-cidr-assoc-0aaaaaaaaaaaaaaaa", "block": "192.168.0.0/16"});
        let value = json!({"id": VPC, "account": account(), "region": region(), "blocks": [block],
            "is_default": false, "dns_support": dns_support, "dns_hostnames": dns_hostnames,
            "tenancy": "default", "tags": {}});
        self.ec2::<ec2::Vpc>(VPC, value);
    }

    /// A group that lets everything out, itself in, and these ingress rules (protocol, from, to, peer).
    pub fn group(&mut self, id: &str, ingress: &[(&str, i32, i32, serde_json::Value)]) {
        let rule = |index: usize, egress: bool, protocol: &str, ports: (Option<i32>, Option<i32>), peer| {
            json!({"id": format!("sgr-0{index:016x}"), "egress": egress, "protocol": protocol, "from_port": ports.0,
                "to_port": ports.1, "peer": peer, "description": null, "tags": {}})
        };
        let mut rules = vec![
            rule(0, true, "-1", (None, None), json!({"Block": "0.0.0.0/0"})),
            rule(1, false, "-1", (None, None), json!({"Group": id})),
        ];
        for (index, (protocol, from, to, peer)) in ingress.iter().enumerate() {
            rules.push(rule(index + 2, false, protocol, (Some(*from), Some(*to)), peer.clone()));
        }
        let value = json!({"id": id, "vpc": VPC, "name": id, "description": "", "rules": rules, "tags": {}});
        self.ec2::<ec2::SecurityGroup>(id, value);
    }

    fn interfaces(&mut self) {
        self.interface("eni-0000000000000000a", SUBNET_A, "192.168.1.100", NODE_GROUP, Some("198.18.64.9"), true);
        self.interface("eni-0000000000000001a", SUBNET_A, "192.168.1.121", CLUSTER_GROUP, None, false);
        self.interface("eni-0000000000000001c", SUBNET_C, "192.168.2.10", CLUSTER_GROUP, None, false);
        let value = json!({"id": INSTANCE, "number": 0, "reservation": "r-0aaaaaaaaaaaaaaaa", "launch_index": 0,
            "client_token": null, "vpc": VPC, "subnet": SUBNET_A, "zone": "ap-northeast-2a",
            "image": "ami-0aaaaaaaaaaaaaaaa", "instance_type": "t3.medium", "key_name": null, "user_data": null,
            "instance_profile": null, "state": "running", "boots": 0, "transition_reason": "",
            "launched": "2026-01-01T00:00:00Z", "terminated": null, "volume": "vol-0aaaaaaaaaaaaaaaa",
            "private_address": "192.168.1.100", "metadata_tokens": "optional", "metadata_hop_limit": 2,
            "termination_protection": false, "tags": {}});
        self.ec2::<ec2::Instance>(INSTANCE, value);
    }

    /// An interface: the instance's own, or a control plane's.
    pub fn interface(&mut self, id: &str, subnet: &str, address: &str, group: &str, public: Option<&str>, own: bool) {
        let public = public.map(|it| json!({"address": it, "allocation": null}));
        let attachment = json!({"id": "eni-attach-0aaaaaaaaaaaaaaaa", "at": "2026-01-01T00:00:00Z",
            "device_index": i32::from(!own), "delete_on_termination": true,
            "instance": own.then_some(INSTANCE), "instance_owner": if own { "111122223333" } else { "339713109942" }});
        let value = json!({"id": id, "vpc": VPC, "subnet": subnet, "zone": "ap-northeast-2a",
            "mac": "0a:1b:9c:6d:33:e5", "description": "", "addresses": [{"address": address, "public": public}],
            "groups": [group], "source_dest_check": true, "attachment": attachment,
            "requester": (!own).then_some("339713109942"), "tags": {}});
        self.ec2::<ec2::NetworkInterface>(id, value);
    }

    /// The cluster in a given mode.
    pub fn cluster(&mut self, public: bool, private: bool, cidrs: &[&str]) {
        let instance = |zone: &str, last: u8, interface: &str, subnet: &str, address: &str| {
            json!({"zone": format!("ap-northeast-2{zone}"), "provider_address": format!("240.0.1.{last}"),
                "public_address": format!("198.19.0.{last}"),
                "interface": {"id": interface, "subnet": subnet, "address": address}})
        };
        let value = json!({"name": "myeks", "account": account(), "region": region(), "status": "ACTIVE",
            "version": "1.24", "platform_version": "eks.39", "role_arn": "arn:aws:iam::111122223333:role/r",
            "created": "2026-01-01T00:00:00Z", "creator": "arn:aws:iam::111122223333:user/admin",
            "endpoint_id": "4EF9B1C9A5F24DCBD324557BF7056DC0", "shard": "gr7", "vpc": VPC,
            "subnets": [SUBNET_A, SUBNET_C], "security_groups": [], "cluster_security_group": CLUSTER_GROUP,
            "access": {"public": public, "private": private, "public_cidrs": cidrs},
            "service_block": "10.100.0.0/16", "log_types": [], "authentication_mode": "API",
            "creator_is_admin": true, "support_type": "EXTENDED", "deletion_protection": false,
            "bootstrap_self_managed_addons": true, "client_token": null,
            "control_plane": [
                instance("a", 11, "eni-0000000000000001a", SUBNET_A, "192.168.1.121"),
                instance("c", 12, "eni-0000000000000001c", SUBNET_C, "192.168.2.10")],
            "certificate_authority": null, "issues": [], "tags": {}});
        let cluster: eks::Cluster = serde_json::from_value(value.clone()).unwrap();
        let key = eks::cluster_key(&account(), &region(), "myeks");
        self.put(&key, Some(&serde_json::to_vec(&cluster).unwrap()));
        self.gates.insert(ClusterId::of(&cluster), Gate::wanted(&cluster.access));
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> ClusterId {
        ClusterId { account: account(), region: region(), name: "myeks".to_owned() }
    }
}
