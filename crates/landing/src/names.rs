//! What names resolve to, by where one asks: the public resolver, or a VPC's own.

use crate::access::{Gates, Horizon};
use crate::instance::host_name;
use crate::plan;
use crate::world::{ClusterId, World};
use aws_eks::records::{Cluster, ClusterStatus};
use base::{Region, VpcId};
use std::net::Ipv4Addr;

/// Time to live of every answer, in seconds (*Amazon EKS User Guide*, "Cluster API server endpoint": captured as 60).
pub const TTL: u32 = 60;

/// Where a question was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The public resolver.
    Public,
    /// A VPC's resolver.
    Vpc(VpcId),
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// IPv4 addresses.
    Addresses(Vec<Ipv4Addr>),
    /// Another name (a reverse look-up).
    Name(String),
    /// Nothing.
    Unknown,
}

/// Host names under which services are served: the first label, and whether a region follows.
const SERVICES: &[(&str, bool)] =
    &[("eks", true), ("ec2", true), ("sts", true), ("ssm", true), ("sts", false), ("iam", false)];

/// Resolves a name, given in lower case without the final dot.
pub fn resolve(world: &World, gates: &Gates, view: &View, name: &str) -> Meaning {
    if let Some(reverse) = name.strip_suffix(".in-addr.arpa") {
        return pointer(world, view, reverse);
    }
    if let Some((id, cluster)) = endpoint(world, name) {
        return Meaning::Addresses(endpoint_addresses(world, gates, view, id, cluster));
    }
    if is_service(name) {
        return Meaning::Addresses(vec![plan::SERVICE_ADDRESS]);
    }
    host(world, view, name).map_or(Meaning::Unknown, |it| Meaning::Addresses(vec![it]))
}

/// The cluster whose endpoint has this name.
pub fn endpoint<'a>(world: &'a World, name: &str) -> Option<(&'a ClusterId, &'a Cluster)> {
    let (id, cluster) = world.cluster_at(name.split('.').next()?)?;
    let gone = matches!(cluster.status, ClusterStatus::Failed | ClusterStatus::Deleting);
    (!gone && cluster.endpoint_host().eq_ignore_ascii_case(name)).then_some((id, cluster))
}

/// The addresses of a cluster's endpoint for a view. The private zone shadows the public name only in the cluster's
/// own VPC, and only where the VPC's DNS attributes let private zones be seen.
pub fn endpoint_addresses(
    world: &World,
    gates: &Gates,
    view: &View,
    id: &ClusterId,
    cluster: &Cluster,
) -> Vec<Ipv4Addr> {
    let horizon = gates.get(id).map_or(Horizon::Public, |it| it.horizon);
    let home = *view == View::Vpc(cluster.vpc.clone())
        && world.vpc(&cluster.vpc).and_then(|it| it.vpc.as_ref()).is_some_and(|it| it.dns_support && it.dns_hostnames);
    let private = match horizon {
        Horizon::Public => false,
        Horizon::Split => home,
        Horizon::Private => true,
    };
    if private {
        cluster.control_plane.iter().filter_map(|it| it.interface.as_ref()).map(|it| it.address).collect()
    } else {
        cluster.control_plane.iter().map(|it| it.public_address).collect()
    }
}

/// Whether a name is a service's host name, as `eks.ap-northeast-2.amazonaws.com`.
pub fn is_service(name: &str) -> bool {
    let known = |text: &str| text.parse::<Region>().is_ok_and(|it| it.known());
    let Some(rest) = name.strip_suffix(".amazonaws.com") else {
        let Some((service, region)) = name.strip_suffix(".api.aws").and_then(|it| it.split_once('.')) else {
            return false;
        };
        return SERVICES.contains(&(service, true)) && known(region);
    };
    match rest.split_once('.') {
        None => SERVICES.contains(&(rest, false)),
        Some((service, region)) => SERVICES.contains(&(service, true)) && known(region),
    }
}

/// The address in a label like `ip-10-0-4-100` or `ec2-198-18-64-7`.
fn dashed(label: &str, prefix: &str) -> Option<Ipv4Addr> {
    let rest = label.strip_prefix(prefix)?;
    let canonical = !rest.split('-').any(|part| part.len() > 1 && part.starts_with('0'));
    canonical.then(|| rest.replace('-', ".").parse().ok()).flatten()
}

/// An instance's or interface's host name.
fn host(world: &World, view: &View, name: &str) -> Option<Ipv4Addr> {
    let (label, domain) = name.split_once('.')?;
    if let Some(private) = dashed(label, "ip-") {
        let View::Vpc(id) = view else { return None };
        let vpc = world.vpc(id)?;
        let region = &vpc.vpc.as_ref()?.region;
        return (domain == region.private_domain() && vpc.interface_at(private).is_some()).then_some(private);
    }
    let public = dashed(label, "ec2-")?;
    let (vpc, private) = world.public_address(public)?;
    let record = vpc.vpc.as_ref()?;
    if domain != record.region.public_domain() || !record.dns_hostnames {
        return None;
    }
    // within its own VPC a public host name leads to the private address
    let home = matches!(view, View::Vpc(id) if *id == record.id);
    Some(if home { private } else { public })
}

/// A reverse look-up.
fn pointer(world: &World, view: &View, reversed: &str) -> Meaning {
    let parts: Vec<&str> = reversed.split('.').rev().collect();
    let Ok(address) = parts.join(".").parse::<Ipv4Addr>() else { return Meaning::Unknown };
    if let View::Vpc(id) = view
        && let Some(vpc) = world.vpc(id)
        && vpc.interface_at(address).is_some()
    {
        return host_name(vpc, address).map_or(Meaning::Unknown, Meaning::Name);
    }
    match world.public_address(address).and_then(|(vpc, _)| vpc.vpc.as_ref()) {
        Some(record) if record.dns_hostnames => Meaning::Name(public_name(&record.region, address)),
        _ => Meaning::Unknown,
    }
}

/// The public host name of a public address.
pub fn public_name(region: &Region, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("ec2-{a}-{b}-{c}-{d}.{}", region.public_domain())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::testing::{Scenery, VPC};

    fn ask(scenery: &Scenery, view: &View, name: &str) -> Meaning {
        resolve(&scenery.world, &scenery.gates, view, name)
    }

    fn addresses(texts: &[&str]) -> Meaning {
        Meaning::Addresses(texts.iter().map(|it| it.parse().unwrap()).collect())
    }

    const ENDPOINT: &str = "4ef9b1c9a5f24dcbd324557bf7056dc0.gr7.ap-northeast-2.eks.amazonaws.com";
    const PUBLIC: &[&str] = &["198.19.0.11", "198.19.0.12"];
    const PRIVATE: &[&str] = &["192.168.1.121", "192.168.2.10"];

    #[test]
    fn the_endpoint_resolves_by_mode_and_view() {
        let home = View::Vpc(VPC.parse().unwrap());
        let other = View::Vpc("vpc-0bbbbbbbbbbbbbbbb".parse().unwrap());
        for (public, private, outside, inside) in
            [(true, false, PUBLIC, PUBLIC), (true, true, PUBLIC, PRIVATE), (false, true, PRIVATE, PRIVATE)]
        {
            let scenery = Scenery::new(public, private, &["0.0.0.0/0"]);
            assert_eq!(ask(&scenery, &View::Public, ENDPOINT), addresses(outside));
            assert_eq!(ask(&scenery, &other, ENDPOINT), addresses(outside));
            assert_eq!(ask(&scenery, &home, ENDPOINT), addresses(inside));
        }
    }

    #[test]
    fn private_zones_need_host_names_switched_on() {
        let mut scenery = Scenery::new(true, true, &["0.0.0.0/0"]);
        scenery.vpc(true, false);
        assert_eq!(ask(&scenery, &View::Vpc(VPC.parse().unwrap()), ENDPOINT), addresses(PUBLIC));
    }

    #[test]
    fn hosts_resolve_where_they_are_known() {
        let scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        let home = View::Vpc(VPC.parse().unwrap());
        let private = "ip-192-168-1-100.ap-northeast-2.compute.internal";
        let public = "ec2-198-18-64-9.ap-northeast-2.compute.amazonaws.com";
        assert_eq!(ask(&scenery, &home, private), addresses(&["192.168.1.100"]));
        assert_eq!(ask(&scenery, &View::Public, private), Meaning::Unknown);
        assert_eq!(ask(&scenery, &home, public), addresses(&["192.168.1.100"]));
        assert_eq!(ask(&scenery, &View::Public, public), addresses(&["198.18.64.9"]));
        let reverse = "100.1.168.192.in-addr.arpa";
        assert_eq!(ask(&scenery, &home, reverse), Meaning::Name(private.to_owned()));
        assert_eq!(ask(&scenery, &View::Public, reverse), Meaning::Unknown);
    }

    #[test]
    fn services_have_their_real_host_names() {
        for name in
            ["eks.ap-northeast-2.amazonaws.com", "sts.amazonaws.com", "iam.amazonaws.com", "ec2.eu-west-3.api.aws"]
        {
            assert!(is_service(name), "{name}");
        }
        for name in ["eks.amazonaws.com", "eks.mars-north-1.amazonaws.com", "example.com", "s3.amazonaws.com"] {
            assert!(!is_service(name), "{name}");
        }
    }

    #[test]
    fn only_canonical_labels_are_addresses() {
        assert_eq!(dashed("ip-10-0-4-100", "ip-"), Some(Ipv4Addr::new(10, 0, 4, 100)));
        for bad in ["ip-10-0-4", "ip-010-0-4-1", "ip-10-0-4-256", "ip-"] {
            assert_eq!(dashed(bad, "ip-"), None, "{bad}");
        }
    }
}
