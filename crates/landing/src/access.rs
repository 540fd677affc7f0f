//! Changing a cluster's access mode: what is in force, and the order of steps from there to what is wanted.
//!
//! The order leaves no ghosts (a client whose connection dies without a word) and never closes a way that stays open:
//! what opens, opens before names lead to it; what closes, closes after names no longer lead to it, the server hangs
//! up before the access list drops, and tracked connections are forgotten last.

use crate::world::ClusterId;
use aws_eks::records::EndpointAccess;
use base::Ipv4Block;
use std::collections::{BTreeMap, BTreeSet};

/// Which addresses the two kinds of resolver answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// Public addresses everywhere.
    Public,
    /// X-ENI addresses in the cluster's VPC, public ones elsewhere.
    Split,
    /// X-ENI addresses everywhere.
    Private,
}

/// What is in force for one cluster's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What resolvers answer.
    pub horizon: Horizon,
    /// Who may use the public addresses; nobody when empty. Blocks do not overlap.
    pub open_to: BTreeSet<Ipv4Block>,
}

/// What is in force for every cluster.
pub type Gates = BTreeMap<ClusterId, Gate>;

impl Gate {
    /// What an access mode asks for.
    pub fn wanted(access: &EndpointAccess) -> Self {
        let horizon = match (access.public, access.private) {
            (true, false) => Horizon::Public,
            (true, true) => Horizon::Split,
            (false, _) => Horizon::Private,
        };
        let open_to = if access.public { disjoint(&access.public_cidrs) } else { BTreeSet::new() };
        Self { horizon, open_to }
    }

    /// Whether a client may use the public addresses.
    pub fn admits(&self, client: std::net::Ipv4Addr) -> bool {
        self.open_to.iter().any(|block| block.contains(client))
    }
}

/// Drops blocks that another one covers: an interval set takes no overlaps, and CIDR blocks overlap only by covering.
fn disjoint(blocks: &[Ipv4Block]) -> BTreeSet<Ipv4Block> {
    let covered = |it: &Ipv4Block| blocks.iter().any(|other| other != it && other.covers(it));
    blocks.iter().filter(|it| !covered(it)).copied().collect()
}

/// One step of a change. Each carries the gate as it is in force after the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessStep {
    /// The access list is set.
    Filter(Gate),
    /// Resolvers answer by the new horizon.
    Publish(Gate),
    /// The server hangs up on public connections that the new gate does not admit.
    HangUp(Gate),
    /// Tracked public connections that the gate does not admit are forgotten.
    Forget(Gate),
}

/// The steps from one gate to another; none when they are the same.
pub fn steps(from: &Gate, to: &Gate) -> Vec<AccessStep> {
    let mut steps = Vec::new();
    let both = Gate { horizon: from.horizon, open_to: union(&from.open_to, &to.open_to) };
    let opens = to.open_to.iter().any(|it| !from.open_to.iter().any(|old| old.covers(it)));
    let closes = from.open_to.iter().any(|it| !to.open_to.iter().any(|new| new.covers(it)));
    let mut now = from.clone();
    if opens && now != both {
        now = both;
        steps.push(AccessStep::Filter(now.clone()));
    }
    if now.horizon != to.horizon {
        now.horizon = to.horizon;
        steps.push(AccessStep::Publish(now.clone()));
    }
    if closes {
        steps.push(AccessStep::HangUp(to.clone()));
    }
    if now != *to {
        steps.push(AccessStep::Filter(to.clone()));
    }
    if closes {
        steps.push(AccessStep::Forget(to.clone()));
    }
    steps
}

fn union(a: &BTreeSet<Ipv4Block>, b: &BTreeSet<Ipv4Block>) -> BTreeSet<Ipv4Block> {
    disjoint(&a.iter().chain(b).copied().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(public: bool, private: bool, cidrs: &[&str]) -> Gate {
        let public_cidrs = cidrs.iter().map(|it| it.parse().unwrap()).collect();
        Gate::wanted(&EndpointAccess { public, private, public_cidrs })
    }

    fn names(steps: &[AccessStep]) -> Vec<&'static str> {
        let name = |step: &AccessStep| match step {
            AccessStep::Filter(_) => "filter",
            AccessStep::Publish(_) => "publish",
            AccessStep::HangUp(_) => "hang up",
            AccessStep::Forget(_) => "forget",
        };
        steps.iter().map(name).collect()
    }

    #[test]
    fn going_private_hangs_up_before_it_drops() {
        let steps = steps(&gate(true, false, &["0.0.0.0/0"]), &gate(false, true, &["0.0.0.0/0"]));
        assert_eq!(names(&steps), ["publish", "hang up", "filter", "forget"]);
    }

    #[test]
    fn going_public_opens_before_names_lead_there() {
        let steps = steps(&gate(false, true, &[]), &gate(true, false, &["0.0.0.0/0"]));
        assert_eq!(names(&steps), ["filter", "publish"]);
    }

    #[test]
    fn adding_the_private_way_cuts_nothing() {
        let steps = steps(&gate(true, false, &["0.0.0.0/0"]), &gate(true, true, &["0.0.0.0/0"]));
        assert_eq!(names(&steps), ["publish"]);
    }

    #[test]
    fn another_list_opens_first_and_closes_last() {
        let steps = steps(&gate(true, false, &["198.18.10.0/24"]), &gate(true, false, &["198.18.64.0/18"]));
        assert_eq!(names(&steps), ["filter", "hang up", "filter", "forget"]);
        let AccessStep::Filter(between) = &steps[0] else { panic!("{steps:?}") };
        assert!(between.admits("198.18.10.10".parse().unwrap()) && between.admits("198.18.64.9".parse().unwrap()));
    }

    #[test]
    fn a_narrower_list_closes_only() {
        let steps = steps(&gate(true, false, &["0.0.0.0/0"]), &gate(true, false, &["198.18.10.0/24"]));
        assert_eq!(names(&steps), ["hang up", "filter", "forget"]);
    }

    #[test]
    fn covered_blocks_are_dropped() {
        let gate = gate(true, false, &["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0"]);
        assert_eq!(gate.open_to.len(), 1);
    }

    #[test]
    fn no_change_is_no_step() {
        let gate = gate(true, true, &["198.18.0.0/15"]);
        assert_eq!(steps(&gate, &gate), []);
    }
}
