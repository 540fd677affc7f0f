//! EC2 as far as a VPC and an instance need: records, decisions, and the operation trait over them.
//!
//! Read [`records`] (what is stored and under which key), then `world` (a transaction's view of one account and
//! region), then any noun, then `service`. May use: base, store, aws-model.
//! Must never learn: namespaces, nftables, EKS. Invariant: an operation is one transaction; it never touches the
//! kernel.

pub mod instance_type;
pub mod records;

mod address;
mod addressing;
mod blocks;
mod default_vpc;
mod derive;
mod error;
mod filter;
mod group_rules;
mod image;
mod instance;
mod instance_change;
mod instance_query;
mod instance_state;
mod instance_status;
mod instance_view;
mod interface;
mod interface_change;
mod interface_index;
mod interface_query;
mod internet_gateway;
mod key_material;
mod key_pair;
mod launch;
mod lifecycle;
mod md5;
mod network_acl;
mod page;
mod permission;
mod regions;
mod resource;
mod route;
mod route_table;
mod security_group;
mod service;
mod side_records;
mod subnet;
mod tag;
mod token;
mod volume;
mod vpc;
mod world;

pub use error::Ec2Error;
pub use interface::SERVICE_ACCOUNT;
pub use service::Ec2Service;
