//! Who can reach a cluster's endpoint: by which addresses and hops, and for who cannot, what stops it and what would
//! open it. Computed from the records alone; whoever shows it confirms it with packets.

use crate::access::Gates;
use crate::names::{self, View};
use crate::plan;
use crate::world::{ClusterId, VpcWorld, World};
use aws_ec2::records::{NetworkInterface, RouteTarget, RulePeer, SecurityGroupRule};
use aws_eks::records::Cluster;
use base::place::Place;
use base::{Ipv4Block, SecurityGroupId};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

const PORT: i32 = 443;

/// One stretch of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Where, as `route table rtb-...`.
    pub at: String,
    /// What happens there.
    pub what: String,
    /// Whether packets pass.
    pub passes: bool,
    /// What would open it, as a command or a sentence.
    pub remedy: Option<String>,
}

/// The way from one place to one address of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The address.
    pub address: Ipv4Addr,
    /// `public` or `private`.
    pub leg: String,
    /// The hops in order; nothing after the first that stops is listed.
    pub hops: Vec<Hop>,
}

impl Way {
    /// Whether packets arrive.
    pub fn is_open(&self) -> bool {
        self.hops.iter().all(|it| it.passes)
    }
}

/// What one place sees of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The place.
    pub from: String,
    /// The endpoint's host name.
    pub endpoint: String,
    /// Why the name does not resolve there, if it does not.
    pub unresolved: Option<Hop>,
    /// A way per address that the name resolves to there.
    pub ways: Vec<Way>,
}

/// Collects hops until one stops.
#[derive(Default)]
struct Trail(Vec<Hop>);

impl Trail {
    fn stopped(&self) -> bool {
        self.0.last().is_some_and(|it| !it.passes)
    }

    fn pass(&mut self, at: impl Into<String>, what: impl Into<String>) {
        if !self.stopped() {
            self.0.push(Hop { at: at.into(), what: what.into(), passes: true, remedy: None });
        }
    }

    fn stop(&mut self, at: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        if !self.stopped() {
            self.0.push(Hop { at: at.into(), what: what.into(), passes: false, remedy: Some(remedy.into()) });
        }
    }
}

/// Answers for one place; `None` when the place or the cluster does not exist.
pub fn reach(world: &World, gates: &Gates, id: &ClusterId, from: &Place) -> Option<Reach> {
    let cluster = world.cluster(id)?;
    let (view, stand) = match from {
        Place::Outside => (View::Public, None),
        Place::Instance(instance) => {
            let (vpc, record) = world.instance(instance)?;
            let interface = vpc.primary_interface(&record.id)?;
            (View::Vpc(record.vpc.clone()), Some((vpc, interface)))
        }
        Place::Node(_) | Place::Pod { .. } => return None,
    };
    let mut reach =
        Reach { from: from.to_string(), endpoint: cluster.endpoint_host(), unresolved: None, ways: Vec::new() };
    if let Some((vpc, _)) = &stand
        && let Some(record) = vpc.vpc.as_ref().filter(|it| !it.dns_support)
    {
        reach.unresolved = Some(Hop {
            at: format!("resolver of {}", record.id),
            what: "the VPC has no resolver: enableDnsSupport is false".to_owned(),
            passes: false,
            remedy: Some(format!("aws ec2 modify-vpc-attribute --vpc-id {} --enable-dns-support", record.id)),
        });
        return Some(reach);
    }
    for address in names::endpoint_addresses(world, gates, &view, id, cluster) {
        let public = cluster.control_plane.iter().any(|it| it.public_address == address);
        let way = Question { world, gates, id, cluster, address };
        let trail = match (&stand, public) {
            (None, true) => way.outside_public(),
            (None, false) => way.outside_private(),
            (Some((vpc, interface)), true) => way.inside_public(vpc, interface),
            (Some((vpc, interface)), false) => way.inside_private(vpc, interface),
        };
        let leg = if public { "public" } else { "private" };
        reach.ways.push(Way { address, leg: leg.to_owned(), hops: trail.0 });
    }
    Some(reach)
}

struct Question<'a> {
    world: &'a World,
    gates: &'a Gates,
    id: &'a ClusterId,
    cluster: &'a Cluster,
    address: Ipv4Addr,
}

impl Question<'_> {
    fn outside_public(&self) -> Trail {
        let mut trail = Trail::default();
        trail.pass("outside", format!("{} sends to {}", plan::OUTSIDE_ADDRESS, self.address));
        self.front(&mut trail, plan::OUTSIDE_ADDRESS);
        trail
    }

    fn outside_private(&self) -> Trail {
        let mut trail = Trail::default();
        trail.pass("outside", format!("{} sends to {}", plan::OUTSIDE_ADDRESS, self.address));
        trail.stop(
            "the Internet",
            format!("{} is a private address: nobody routes it", self.address),
            format!(
                "stand in {} (postern at INSTANCE), or: aws eks update-cluster-config --name {} --region {} --resources-vpc-config endpointPublicAccess=true",
                self.cluster.vpc, self.cluster.name, self.cluster.region
            ),
        );
        trail
    }

    /// The last hops of the public way: the access list and the server's provider leg.
    fn front(&self, trail: &mut Trail, source: Ipv4Addr) {
        let gate = self.gates.get(self.id);
        let blocks: Vec<String> = gate.iter().flat_map(|it| &it.open_to).map(ToString::to_string).collect();
        if gate.is_some_and(|it| it.admits(source)) {
            trail.pass("publicAccessCidrs", format!("{source} lies in [{}]", blocks.join(", ")));
        } else {
            let mut wanted = blocks.clone();
            wanted.push(format!("{source}/32"));
            let what = if blocks.is_empty() {
                "public access is off".to_owned()
            } else {
                format!("{source} lies in none of [{}]: dropped in silence", blocks.join(", "))
            };
            let remedy = format!(
                "aws eks update-cluster-config --name {} --region {} --resources-vpc-config endpointPublicAccess=true,publicAccessCidrs={}",
                self.cluster.name,
                self.cluster.region,
                wanted.join(",")
            );
            trail.stop("publicAccessCidrs", what, remedy);
        }
        if let Some(instance) = self.cluster.control_plane.iter().find(|it| it.public_address == self.address) {
            let what = format!("{} is translated to {}", self.address, instance.provider_address);
            trail.pass(format!("API server in {}", instance.zone), what);
        }
    }

    fn inside_public(&self, vpc: &VpcWorld, from: &NetworkInterface) -> Trail {
        let mut trail = Trail::default();
        self.leave(&mut trail, vpc, from);
        let Some(table) = vpc.route_table_of(&from.subnet) else { return trail };
        let at = format!("route table {}", table.id);
        let route = table.routes.iter().filter(|it| it.destination.contains(self.address));
        let Some(route) = route.max_by_key(|it| it.destination.prefix()) else {
            let gateway = vpc.gateway.as_ref().map_or("IGW".to_owned(), ToString::to_string);
            let remedy = format!(
                "aws ec2 create-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id {gateway}",
                table.id
            );
            trail.stop(at, format!("no route to {}: dropped in silence", self.address), remedy);
            return trail;
        };
        match &route.target {
            RouteTarget::InternetGateway(id) if vpc.gateway.as_ref() == Some(id) => {
                trail.pass(at, format!("{} by {id}", route.destination));
                self.translate(&mut trail, from, id.as_str());
            }
            RouteTarget::InternetGateway(id) => {
                trail.stop(
                    at,
                    format!("{} leads to {id}, which is not attached", route.destination),
                    format!("aws ec2 attach-internet-gateway --internet-gateway-id {id} --vpc-id {}", from.vpc),
                );
            }
            RouteTarget::NetworkInterface(id) => {
                trail.pass(
                    at,
                    format!("{} by {id}: what it does with the packet is its owner's matter", route.destination),
                );
            }
        }
        trail
    }

    /// The Internet gateway: only who has a public address gets through.
    fn translate(&self, trail: &mut Trail, from: &NetworkInterface, gateway: &str) {
        match from.addresses.first().and_then(|it| it.public.as_ref()) {
            Some(public) => {
                trail.pass(gateway, format!("{} becomes {}", from.primary(), public.address));
                self.front(trail, public.address);
            }
            None => trail.stop(
                gateway,
                format!("{} has no public address: dropped in silence", from.primary()),
                format!("aws ec2 allocate-address, then aws ec2 associate-address --network-interface-id {}", from.id),
            ),
        }
    }

    fn inside_private(&self, vpc: &VpcWorld, from: &NetworkInterface) -> Trail {
        let mut trail = Trail::default();
        self.leave(&mut trail, vpc, from);
        if from.vpc != self.cluster.vpc {
            trail.stop(
                format!("router of {}", from.vpc),
                format!("{} lies in {}: no route", self.address, self.cluster.vpc),
                format!("stand in {}", self.cluster.vpc),
            );
            return trail;
        }
        trail.pass(format!("router of {}", from.vpc), format!("{} is local", self.address));
        let Some(target) = vpc.interface_at(self.address) else { return trail };
        let at = format!("security groups of {}", target.id);
        match admits(vpc, &target.groups, false, from) {
            Some(by) => trail.pass(at, by),
            None => {
                let group = self.cluster.cluster_security_group.as_ref().or(target.groups.first());
                let remedy = format!(
                    "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port 443 --cidr {}/32",
                    group.map_or("GROUP", SecurityGroupId::as_str),
                    from.primary()
                );
                trail.stop(at, format!("no rule lets {} in on tcp 443: dropped in silence", from.primary()), remedy);
            }
        }
        if let Some(instance) = self.server(self.address) {
            trail.pass(format!("API server in {}", instance.zone), format!("answers from {}", self.address));
        }
        trail
    }

    fn server(&self, address: Ipv4Addr) -> Option<&aws_eks::records::ControlPlaneInstance> {
        let own =
            |it: &&aws_eks::records::ControlPlaneInstance| it.interface.as_ref().is_some_and(|x| x.address == address);
        self.cluster.control_plane.iter().find(own)
    }

    /// The first hops from an instance: its interface and the groups that let it out.
    fn leave(&self, trail: &mut Trail, vpc: &VpcWorld, from: &NetworkInterface) {
        trail.pass(format!("{}", from.id), format!("{} sends to {}", from.primary(), self.address));
        let at = format!("security groups of {}", from.id);
        let target = self.world.vpc(&from.vpc).and_then(|it| it.interface_at(self.address));
        let rule = from.groups.iter().filter_map(|id| vpc.groups.get(id)).flat_map(|it| &it.rules).find(|rule| {
            rule.egress && carries_tcp(rule) && peer_is(rule, self.address, target.map_or(&[][..], |it| &it.groups))
        });
        match rule {
            Some(rule) => trail.pass(at, format!("{} lets it out", rule.id)),
            None => trail.stop(
                at,
                format!("no rule lets it out to {} on tcp 443", self.address),
                format!(
                    "aws ec2 authorize-security-group-egress --group-id {} --protocol tcp --port 443 --cidr {}/32",
                    from.groups.first().map_or("GROUP", SecurityGroupId::as_str),
                    self.address
                ),
            ),
        }
    }
}

/// Which rule of the groups lets an interface in on the API server's port.
fn admits(vpc: &VpcWorld, groups: &[SecurityGroupId], egress: bool, from: &NetworkInterface) -> Option<String> {
    let rules = groups.iter().filter_map(|id| vpc.groups.get(id)).flat_map(|it| it.rules.iter().map(move |r| (it, r)));
    let mut matching =
        rules.filter(|(_, r)| r.egress == egress && carries_tcp(r) && peer_is(r, from.primary(), &from.groups));
    matching.next().map(|(group, rule)| format!("{} of {} lets {} in", rule.id, group.id, from.primary()))
}

/// Whether a rule is about the API server's port.
fn carries_tcp(rule: &SecurityGroupRule) -> bool {
    match rule.protocol.as_str() {
        "-1" => true,
        "tcp" | "6" => match (rule.from_port, rule.to_port) {
            (Some(from), Some(to)) => from == -1 || (from..=to).contains(&PORT),
            _ => true,
        },
        _ => false,
    }
}

fn peer_is(rule: &SecurityGroupRule, address: Ipv4Addr, groups: &[SecurityGroupId]) -> bool {
    match &rule.peer {
        RulePeer::Block(block) => block.contains(address) || *block == Ipv4Block::ANY,
        RulePeer::Group(id) => groups.contains(id),
        RulePeer::Block6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CLUSTER_GROUP, GATEWAY, INSTANCE, Scenery};
    use aws_ec2::records as ec2;
    use serde_json::json;

    fn ask(scenery: &Scenery, from: &str) -> Reach {
        reach(&scenery.world, &scenery.gates, &scenery.cluster_id(), &from.parse().unwrap()).unwrap()
    }

    fn stops(reach: &Reach) -> Option<&Hop> {
        reach.ways[0].hops.iter().find(|it| !it.passes)
    }

    #[test]
    fn a_public_endpoint_is_reached_from_everywhere() {
        let scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        assert!(ask(&scenery, "outside").ways.iter().all(Way::is_open));
        assert!(ask(&scenery, INSTANCE).ways.iter().all(Way::is_open));
    }

    #[test]
    fn a_private_endpoint_is_not_reached_from_outside() {
        let scenery = Scenery::new(false, true, &["0.0.0.0/0"]);
        let reach = ask(&scenery, "outside");
        assert_eq!(reach.ways[0].leg, "private");
        assert_eq!(stops(&reach).unwrap().at, "the Internet");
    }

    #[test]
    fn the_private_way_needs_a_rule_and_says_which() {
        let mut scenery = Scenery::new(false, true, &["0.0.0.0/0"]);
        let reach = ask(&scenery, INSTANCE);
        let remedy = stops(&reach).unwrap().remedy.clone().unwrap();
        assert!(remedy.contains("authorize-security-group-ingress") && remedy.contains(CLUSTER_GROUP), "{remedy}");
        scenery.group(CLUSTER_GROUP, &[("tcp", 443, 443, json!({"Block": "192.168.0.0/16"}))]);
        assert!(ask(&scenery, INSTANCE).ways.iter().all(Way::is_open));
    }

    #[test]
    fn an_access_list_stops_who_is_not_on_it() {
        let scenery = Scenery::new(true, false, &["198.18.64.0/18"]);
        let reach = ask(&scenery, "outside");
        let hop = stops(&reach).unwrap();
        assert_eq!(hop.at, "publicAccessCidrs");
        assert!(hop.remedy.as_ref().unwrap().contains("198.18.64.0/18,198.18.10.10/32"));
        assert!(ask(&scenery, INSTANCE).ways.iter().all(Way::is_open), "its own public address is on the list");
    }

    #[test]
    fn without_a_gateway_the_route_is_named() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        scenery.remove::<ec2::InternetGateway>(GATEWAY);
        assert!(stops(&ask(&scenery, INSTANCE)).unwrap().at.starts_with("route table"));
    }

    #[test]
    fn without_dns_support_the_name_does_not_resolve() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        scenery.vpc(false, false);
        assert!(ask(&scenery, INSTANCE).unresolved.is_some());
    }
}
