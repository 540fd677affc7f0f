//! The group `networking.k8s.io`: how traffic gets in, and where it may go.

mod addresses;
mod ingress;
mod network_policy;

pub(crate) use addresses::{IpAddress, ServiceCidr};
pub(crate) use ingress::{Ingress, IngressClass};
pub(crate) use network_policy::NetworkPolicy;
