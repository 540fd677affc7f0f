//! Networks out of namespaces. Read [`topology`] (what should exist), [`plan()`] (what to do), [`Fabric`] (doing it).
//!
//! May use: base. Must never learn: AWS shapes, Kubernetes objects, the store.
//! Invariant: `plan` is a pure function of two topologies; whatever changes links, addresses, routes, rules and filters
//! is a step of a plan, done by `apply` (and by `destroy`, which removes all).

mod apply;
mod conntrack;
mod destroy;
mod fabric;
mod netlink;
mod netns;
mod nft;
mod place;
pub mod plan;
mod probe;
mod report;
mod sockets;
mod state;
mod survey;
mod sysctl;
pub mod topology;
mod watch;

pub use fabric::{Fabric, FabricError, FabricOptions};
pub use plan::{Edit, Plan, Step, plan};
pub use probe::{Capability, probe};
pub use report::{Failure, Report, Status};
pub use topology::{
    Anchor, Chain, Fact, Namespace, NsName, OrdMap, OrdSet, Profile, Route, RouteKind, Ruleset, Selector, Set,
    Topology, Veth,
};
