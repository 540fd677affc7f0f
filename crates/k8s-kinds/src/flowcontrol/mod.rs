//! The group `flowcontrol.apiserver.k8s.io`: whose requests wait for whose.

mod priority_level;
mod schema;

pub(crate) use priority_level::{NO_SHARES, PriorityLevelConfiguration, shares_field};
pub(crate) use schema::FlowSchema;
