//! Doing a plan: the only place, with `survey`, that changes or reads the kernel. Everything here blocks.
//!
//! Steps of one kind that follow each other are done together, one batch of requests for each namespace.

use crate::netlink::{Answer, Request, dump, route};
use crate::netns;
use crate::nft::Nft;
use crate::place::Place;
use crate::plan::{Plan, Step};
use crate::sysctl::Sysctls;
use crate::topology::{Anchor, Fact, NsName, RouteKind, Veth};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// The namespaces that a plan may touch, as they are found and as they are left.
pub(crate) type Places = BTreeMap<NsName, Arc<Place>>;

/// What the applier needs besides a plan.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) prefix: String,
    pub(crate) nft: Nft,
}

impl Tools {
    /// The path of a namespace's pin.
    pub(crate) fn pin(&self, name: &NsName) -> PathBuf {
        netns::pin_path(&format!("{}{name}", self.prefix))
    }
}

/// What became of a plan.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) done: Vec<Step>,
    pub(crate) failed: Vec<(Step, io::Error)>,
}

/// Does the steps. One that fails does not keep the others from being done.
pub(crate) fn apply(plan: Plan, places: &mut Places, tools: &Tools) -> Applied {
    let mut applied = Applied::default();
    let chunks: Vec<Vec<Step>> =
        plan.steps.chunk_by(|one, next| phase(one) == phase(next)).map(<[Step]>::to_vec).collect();
    for chunk in chunks {
        let groups = if chunk.first().is_some_and(is_birth) { vec![chunk] } else { by_namespace(chunk) };
        for steps in groups {
            let results = if steps.first().is_some_and(is_birth) {
                births(&steps, places, tools)
            } else {
                run(&steps, places, tools)
            };
            for (step, result) in steps.into_iter().zip(results) {
                match result {
                    Ok(()) => applied.done.push(step),
                    Err(error) => applied.failed.push((step, error)),
                }
            }
        }
    }
    places.values().for_each(|place| place.rest());
    applied
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Birth,
    Namespace,
    Filter,
    AddLinks,
    ChangeLinks,
    RemoveLinks,
    Facts,
}

fn phase(step: &Step) -> Phase {
    match step {
        step if is_birth(step) => Phase::Birth,
        Step::Create { .. } | Step::Profile { .. } | Step::Remove { .. } => Phase::Namespace,
        Step::Filter { .. } => Phase::Filter,
        Step::AddLink { .. } => Phase::AddLinks,
        Step::ChangeLink { .. } => Phase::ChangeLinks,
        Step::RemoveLink { .. } => Phase::RemoveLinks,
        Step::Add { .. } | Step::Replace { .. } | Step::Drop { .. } => Phase::Facts,
    }
}

fn is_birth(step: &Step) -> bool {
    matches!(step, Step::Create { anchor: Anchor::Pinned, .. })
}

/// Makes namespaces, all at once.
fn births(steps: &[Step], places: &mut Places, tools: &Tools) -> Vec<io::Result<()>> {
    let wanted: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Create { ns, profile, .. } => Some((tools.pin(ns), *profile)),
            _ => None,
        })
        .collect();
    let made = Place::create(&wanted).into_iter().zip(steps);
    made.map(|(place, step)| place.map(|place| drop(places.insert(step.ns().clone(), Arc::new(place))))).collect()
}

fn by_namespace(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut groups: Vec<Vec<Step>> = Vec::new();
    let mut index: BTreeMap<NsName, usize> = BTreeMap::new();
    for step in steps {
        let at = *index.entry(step.ns().clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(step),
            None => groups.push(vec![step]),
        }
    }
    groups
}

/// Does steps of one phase and one namespace; a result for each.
fn run(steps: &[Step], places: &mut Places, tools: &Tools) -> Vec<io::Result<()>> {
    let Some(first) = steps.first() else { return vec![] };
    if phase(first) == Phase::Namespace {
        return steps.iter().map(|step| namespace(step, places, tools)).collect();
    }
    let place = match places.get(first.ns()) {
        Some(place) => Arc::clone(place),
        // What should go is gone; what should come has no place.
        None => return steps.iter().map(|step| if removes(step) { Ok(()) } else { Err(missing(step.ns())) }).collect(),
    };
    match phase(first) {
        Phase::Filter => steps.iter().map(|step| filter(step, &place, tools)).collect(),
        Phase::AddLinks => add_links(steps, &place, places),
        Phase::ChangeLinks => steps.iter().map(|step| change_link(step, &place, places)).collect(),
        Phase::RemoveLinks => remove_links(steps, &place, places),
        Phase::Facts | Phase::Namespace | Phase::Birth => facts(steps, &place),
    }
}

fn removes(step: &Step) -> bool {
    matches!(step, Step::RemoveLink { .. } | Step::Drop { .. })
}

fn missing(ns: &NsName) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("namespace {ns} does not exist"))
}

fn namespace(step: &Step, places: &mut Places, tools: &Tools) -> io::Result<()> {
    match step {
        Step::Create { ns, anchor, profile } => {
            let place = Place::find(&tools.pin(ns), anchor, *profile)?;
            places.insert(ns.clone(), Arc::new(place));
            Ok(())
        }
        Step::Profile { ns, profile } => {
            let place = places.get(ns).ok_or_else(|| missing(ns))?;
            netns::inside(place.open()?.as_fd(), || Sysctls::open()?.write(*profile))
        }
        Step::Remove { ns, anchor } => {
            places.remove(ns);
            if *anchor == Anchor::Pinned { netns::unpin(&tools.pin(ns)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn filter(step: &Step, place: &Place, tools: &Tools) -> io::Result<()> {
    tools.nft.run(place.open()?.as_fd(), &step.script())?;
    place.set_generation(place.with_filter(crate::netlink::filter::generation).ok());
    Ok(())
}

fn add_links(steps: &[Step], place: &Place, places: &Places) -> Vec<io::Result<()>> {
    let veths: Vec<&Veth> = steps.iter().filter_map(|step| link(step)).collect();
    // Opened once for each far namespace, and open until the kernel has read the numbers.
    let mut peers: BTreeMap<&NsName, io::Result<OwnedFd>> = BTreeMap::new();
    for veth in &veths {
        peers.entry(&veth.peer_ns).or_insert_with(|| {
            places.get(&veth.peer_ns).ok_or_else(|| missing(&veth.peer_ns)).and_then(|place| place.open())
        });
    }
    let mut requests = Vec::new();
    for veth in &veths {
        if let Some(Ok(peer)) = peers.get(&veth.peer_ns) {
            requests.push(route::add_veth(veth, peer.as_fd()));
        }
    }
    let mut answers = answers(place, &requests).into_iter();
    let made: Vec<io::Result<bool>> = veths
        .iter()
        .map(|veth| match peers.get(&veth.peer_ns) {
            Some(Ok(_)) => match answers.next().unwrap_or_else(no_answer) {
                Ok(_) => Ok(true),
                Err(error) if code(&error) == EEXIST => Ok(false),
                Err(error) => Err(error),
            },
            Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Err(missing(&veth.peer_ns)),
        })
        .collect();
    for veth in &veths {
        if let Some(peer) = places.get(&veth.peer_ns) {
            peer.forget(&veth.peer_name);
        }
    }
    let near = finish_links(&veths, made, place);
    raise_far_ends(&veths, near, places)
}

/// Sets the far ends up, each from within its own namespace.
fn raise_far_ends(veths: &[&Veth], mut results: Vec<io::Result<()>>, places: &Places) -> Vec<io::Result<()>> {
    let mut by_peer: BTreeMap<&NsName, Vec<usize>> = BTreeMap::new();
    for (index, veth) in veths.iter().enumerate().filter(|(index, _)| results[*index].is_ok()) {
        by_peer.entry(&veth.peer_ns).or_default().push(index);
    }
    for (peer, indices) in by_peer {
        let Some(place) = places.get(peer) else { continue };
        let requests: Vec<Request> = indices.iter().map(|index| route::set_far(veths[*index])).collect();
        for (index, answer) in indices.into_iter().zip(answers(place, &requests)) {
            results[index] = answer.map(drop);
        }
    }
    results
}

/// Gives new links what can't be said when they are made; looks closely at those that were there.
fn finish_links(veths: &[&Veth], made: Vec<io::Result<bool>>, place: &Place) -> Vec<io::Result<()>> {
    let mut requests = Vec::new();
    for (veth, made) in veths.iter().zip(&made) {
        if let Ok(true) = made {
            requests.push(route::set_near(veth));
            requests.extend(veth.alt_name.iter().map(|name| route::alt_name(&veth.name, name, true)));
        }
        if made.is_ok() {
            requests.push(route::link(&veth.name));
        }
    }
    let mut answers = answers(place, &requests).into_iter();
    let mut next = || answers.next().unwrap_or_else(no_answer);
    let mut delays = Vec::new();
    let results = veths
        .iter()
        .zip(made)
        .map(|(veth, made)| {
            let made = made?;
            let set = if made { next() } else { Ok(vec![]) };
            let named = if made && veth.alt_name.is_some() { next() } else { Ok(vec![]) };
            let found = next().map_err(|_| taken(&veth.peer_name, &veth.peer_ns))?;
            set?;
            named?;
            let link =
                found.first().and_then(|reply| dump::read_link(&reply.body)).ok_or_else(|| no_link(&veth.name))?;
            if !made && link.veth.as_ref() != Some(veth) {
                return Err(io::Error::other(format!("{} is there, but is another link", veth.name)));
            }
            place.learn(&veth.name, link.index);
            if veth.proxy_arp {
                delays.push(route::no_proxy_delay(link.index));
            }
            Ok(())
        })
        .collect();
    for answer in self::answers(place, &delays) {
        // The link works without it; only first packets take longer.
        if let Err(error) = answer {
            tracing::warn!(%error, "cannot set proxy_delay");
        }
    }
    results
}

fn change_link(step: &Step, place: &Place, places: &Places) -> io::Result<()> {
    let Step::ChangeLink { from, to, .. } = step else { return Ok(()) };
    let mut requests = vec![route::set_near(to)];
    if from.alt_name != to.alt_name {
        requests.extend(from.alt_name.iter().map(|name| route::alt_name(&to.name, name, false)));
        requests.extend(to.alt_name.iter().map(|name| route::alt_name(&to.name, name, true)));
    }
    for answer in answers(place, &requests) {
        tolerate(answer, &[EEXIST])?;
    }
    let peer = places.get(&to.peer_ns).ok_or_else(|| missing(&to.peer_ns))?;
    for answer in answers(peer, &[route::set_far(to)]) {
        answer?;
    }
    if to.proxy_arp
        && let Some(index) = place.indices(&[&to.name])?.get(&to.name)
    {
        for answer in answers(place, &[route::no_proxy_delay(*index)]) {
            answer?;
        }
    }
    Ok(())
}

fn remove_links(steps: &[Step], place: &Place, places: &Places) -> Vec<io::Result<()>> {
    let veths: Vec<&Veth> = steps.iter().filter_map(link).collect();
    for veth in &veths {
        place.forget(&veth.name);
        if let Some(peer) = places.get(&veth.peer_ns) {
            peer.forget(&veth.peer_name);
        }
    }
    let mut requests: Vec<Request> = veths.iter().map(|veth| route::doom(&veth.name)).collect();
    requests.push(route::remove_doomed());
    let mut answers = answers(place, &requests);
    let removed = answers.pop().unwrap_or_else(no_answer).map_err(|error| code(&error));
    answers
        .into_iter()
        .map(|answer| {
            tolerate(answer, &[ENODEV])?;
            match removed {
                Err(code) if code != ENODEV => Err(io::Error::from_raw_os_error(code)),
                _ => Ok(()),
            }
        })
        .collect()
}

fn link(step: &Step) -> Option<&Veth> {
    match step {
        Step::AddLink { veth, .. } | Step::RemoveLink { veth, .. } => Some(veth),
        _ => None,
    }
}

fn facts(steps: &[Step], place: &Place) -> Vec<io::Result<()>> {
    let devs: BTreeSet<&str> = steps.iter().filter_map(|step| fact(step).and_then(dev)).collect();
    let devs: Vec<&str> = devs.into_iter().collect();
    let indices = match place.indices(&devs) {
        Ok(indices) => indices,
        Err(error) => return steps.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect(),
    };
    let prepared: Vec<Option<Request>> = steps
        .iter()
        .map(|step| {
            let fact = fact(step)?;
            let index = match dev(fact) {
                Some(dev) => *indices.get(dev)?,
                None => 0,
            };
            request(fact, index, !removes(step))
        })
        .collect();
    let requests: Vec<Request> = prepared.iter().flatten().cloned().collect();
    let mut answers = answers(place, &requests).into_iter();
    place.rest();
    steps
        .iter()
        .zip(prepared)
        .map(|(step, request)| match request {
            None if removes(step) => Ok(()),
            None => Err(no_link(fact(step).and_then(dev).unwrap_or("?"))),
            Some(_) => {
                let answer = answers.next().unwrap_or_else(no_answer);
                tolerate(answer, if removes(step) { GONE } else { &[EEXIST] })
            }
        })
        .collect()
}

fn fact(step: &Step) -> Option<&Fact> {
    match step {
        Step::Add { fact, .. } | Step::Replace { fact, .. } | Step::Drop { fact, .. } => Some(fact),
        _ => None,
    }
}

fn dev(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Address { dev, .. } | Fact::Neighbour { dev, .. } => Some(dev),
        Fact::Route(route) => match &route.kind {
            RouteKind::Via { dev, .. } => Some(dev),
            RouteKind::Blackhole | RouteKind::Local => None,
        },
        Fact::Veth(_) | Fact::Rule { .. } => None,
    }
}

fn request(fact: &Fact, index: u32, add: bool) -> Option<Request> {
    Some(match fact {
        Fact::Veth(_) => return None,
        Fact::Address { address, prefix, connected, .. } => route::address(index, *address, *prefix, *connected, add),
        Fact::Neighbour { address, mac, .. } => route::neighbour(index, *address, mac, add),
        Fact::Route(it) if add => route::set_route(it, index),
        Fact::Route(it) => route::remove_route(it),
        Fact::Rule { priority, selector, table } => route::rule(*priority, selector, *table, add),
    })
}

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;
/// How the kernel says that what should go is gone.
const GONE: &[i32] = &[ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL];

fn code(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

fn tolerate(answer: Answer, codes: &[i32]) -> io::Result<()> {
    match answer {
        Err(error) if !codes.contains(&code(&error)) => Err(error),
        _ => Ok(()),
    }
}

/// The answers to requests; a failure of the socket is everyone's.
fn answers(place: &Place, requests: &[Request]) -> Vec<Answer> {
    if requests.is_empty() {
        return vec![];
    }
    match place.run(requests) {
        Ok(answers) => answers,
        Err(error) => requests.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect(),
    }
}

fn no_answer() -> Answer {
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn no_link(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no link {name}"))
}

fn taken(name: &str, ns: &NsName) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("{ns} has another link {name}"))
}
