//! A namespace that exists: how to get into it, and the sockets that are kept open in it.

use crate::netlink::{Answer, Request, Socket, dump, route};
use crate::netns::{self, Identity};
use crate::sysctl::Sysctls;
use crate::topology::{Anchor, Namespace, Profile};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A namespace that exists.
///
/// Descriptors: one for a pinned namespace, so that it survives the loss of its name; two sockets more for a router,
/// which changes often. Hosts get a socket for each change (60 µs), or thousands of them would use up the process's
/// descriptors.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    anchor: Anchor,
    identity: Identity,
    held: Option<OwnedFd>,
    keeps: bool,
    tools: Mutex<Tools>,
}

#[derive(Debug, Default)]
struct Tools {
    route: Option<Socket>,
    filter: Option<Socket>,
    links: Links,
    generation: Option<u32>,
}

/// The kernel's numbers of links, both ways. Only links that we use are in it, and none that we are removing.
#[derive(Debug, Default)]
struct Links {
    indices: BTreeMap<String, u32>,
    names: BTreeMap<u32, String>,
}

impl Links {
    fn learn(&mut self, name: &str, index: u32) {
        self.forget(name);
        self.indices.insert(name.to_owned(), index);
        self.names.insert(index, name.to_owned());
    }

    fn forget(&mut self, name: &str) {
        if let Some(index) = self.indices.remove(name) {
            self.names.remove(&index);
        }
    }
}

impl Place {
    /// Makes namespaces, sets their sysctls, then their loopbacks, and gives them their names. All on one thread:
    /// waiting for a thread to be scheduled can take longer than making a namespace.
    pub(crate) fn create(wanted: &[(PathBuf, Profile)]) -> Vec<io::Result<Self>> {
        let made = netns::on_thread(|| {
            let sysctls = Sysctls::open()?;
            Ok(wanted.iter().map(|(_, profile)| make(*profile, &sysctls)).collect::<Vec<_>>())
        });
        let made = made.unwrap_or_else(|error| {
            wanted.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect()
        });
        let pin = |(fd, socket): (OwnedFd, Socket), path: &Path, profile| {
            // What lies there is the file of a pin that was lost half-way, or a namespace that somebody named like
            // ours.
            netns::unpin(path)?;
            netns::pin(fd.as_fd(), path)?;
            Self::new(path, Anchor::Pinned, profile, fd, Some(socket))
        };
        made.into_iter().zip(wanted).map(|(made, (path, profile))| pin(made?, path, *profile)).collect()
    }

    /// Finds the namespace of a pin or a process.
    pub(crate) fn find(prefix_path: &Path, anchor: &Anchor, profile: Profile) -> io::Result<Self> {
        let path = anchor_path(prefix_path, anchor);
        let fd = netns::open(&path).map_err(|error| named(anchor, &error))?;
        Self::new(&path, anchor.clone(), profile, fd, None)
    }

    fn new(path: &Path, anchor: Anchor, profile: Profile, fd: OwnedFd, socket: Option<Socket>) -> io::Result<Self> {
        let identity = Identity::of(fd.as_fd())?;
        let held = (anchor == Anchor::Pinned).then_some(fd);
        let keeps = profile == Profile::Router;
        let tools = Mutex::new(Tools { route: socket, ..Tools::default() });
        Ok(Self { path: path.to_owned(), anchor, identity, held, keeps, tools })
    }

    /// Whether the namespace is one that the fabric made.
    pub(crate) fn is_pinned(&self) -> bool {
        self.anchor == Anchor::Pinned
    }

    /// Whether the namespace lives by this.
    pub(crate) fn is_anchored(&self, anchor: &Anchor) -> bool {
        self.anchor == *anchor
    }

    /// The path of the pin, or the one in `/proc`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor of the namespace.
    ///
    /// # Errors
    /// When the process is gone, or its number belongs to another one now.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        if let Some(held) = &self.held {
            return held.try_clone();
        }
        let fd = netns::open(&self.path).map_err(|error| named(&self.anchor, &error))?;
        if Identity::of(fd.as_fd())? != self.identity {
            return Err(named(&self.anchor, &io::ErrorKind::NotFound.into()));
        }
        Ok(fd)
    }

    /// Whether the name still leads here. A pinned namespace that lost its name lives on through our descriptor.
    pub(crate) fn is_named(&self) -> bool {
        Identity::at(&self.path).is_ok_and(|found| found == self.identity)
    }

    /// Gives a pinned namespace its name again.
    pub(crate) fn pin_again(&self) -> io::Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        netns::unpin(&self.path)?;
        netns::pin(held.as_fd(), &self.path)
    }

    /// Runs requests about links, addresses, routes in the namespace.
    pub(crate) fn run(&self, requests: &[Request]) -> io::Result<Vec<Answer>> {
        self.with_route(|socket| socket.run(requests))
    }

    /// Runs something with the namespace's socket for links, addresses, routes.
    pub(crate) fn with_route<T>(&self, work: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        let mut tools = self.tools();
        let mut socket = match tools.route.take() {
            Some(socket) => socket,
            None => netns::inside(self.open()?.as_fd(), Socket::route)?,
        };
        let result = work(&mut socket);
        // After a failure of the socket itself there may be answers under way that nobody waits for.
        if result.is_ok() {
            tools.route = Some(socket);
        }
        result
    }

    /// Closes the sockets of a namespace that does not keep them. Called when a change is through with it.
    pub(crate) fn rest(&self) {
        if !self.keeps {
            let mut tools = self.tools();
            (tools.route, tools.filter) = (None, None);
        }
    }

    /// Runs something with the namespace's socket for the packet filter and connection tracking.
    pub(crate) fn with_filter<T>(&self, work: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        let mut tools = self.tools();
        let mut socket = match tools.filter.take() {
            Some(socket) => socket,
            None => netns::inside(self.open()?.as_fd(), Socket::filter)?,
        };
        let result = work(&mut socket);
        if result.is_ok() {
            tools.filter = Some(socket);
        }
        result
    }

    /// The port number of the kept socket, by which the kernel names us as the cause of a change.
    pub(crate) fn port(&self) -> Option<u32> {
        self.tools().route.as_ref().map(Socket::port)
    }

    /// The kernel's numbers of links, asked for those not known yet.
    pub(crate) fn indices(&self, names: &[&str]) -> io::Result<BTreeMap<String, u32>> {
        let mut found: BTreeMap<String, u32> = {
            let tools = self.tools();
            names.iter().filter_map(|name| Some(((*name).to_owned(), *tools.links.indices.get(*name)?))).collect()
        };
        let unknown: Vec<Request> =
            names.iter().filter(|name| !found.contains_key(**name)).map(|name| route::link(name)).collect();
        if unknown.is_empty() {
            return Ok(found);
        }
        let replies = self.run(&unknown)?.into_iter().flatten().flatten();
        for link in replies.filter_map(|reply| dump::read_link(&reply.body)) {
            self.learn(&link.name, link.index);
            found.insert(link.name, link.index);
        }
        Ok(found)
    }

    /// Remembers a link's number.
    pub(crate) fn learn(&self, name: &str, index: u32) {
        self.tools().links.learn(name, index);
    }

    /// Forgets a link's number, since the link goes: what is heard of its end is then no damage.
    pub(crate) fn forget(&self, name: &str) {
        self.tools().links.forget(name);
    }

    /// Forgets all numbers, since somebody else was here.
    pub(crate) fn forget_all(&self) {
        self.tools().links = Links::default();
    }

    /// The name of a link that we use.
    pub(crate) fn link_name(&self, index: u32) -> Option<String> {
        self.tools().links.names.get(&index).cloned()
    }

    /// The number of the packet filter after our last transaction.
    pub(crate) fn generation(&self) -> Option<u32> {
        self.tools().generation
    }

    /// Remembers the number of the packet filter after a transaction of ours.
    pub(crate) fn set_generation(&self, generation: Option<u32>) {
        self.tools().generation = generation;
    }

    fn tools(&self) -> MutexGuard<'_, Tools> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the calling thread in a new namespace.
fn make(profile: Profile, sysctls: &Sysctls) -> io::Result<(OwnedFd, Socket)> {
    netns::unshare()?;
    sysctls.write(profile)?;
    let mut socket = Socket::route()?;
    socket.ask(route::loopback_up())?;
    Ok((netns::current()?, socket))
}

/// An empty namespace of the same kind, as a survey starts from.
pub(crate) fn bare(anchor: &Anchor, profile: Profile) -> Namespace {
    Namespace { anchor: anchor.clone(), profile, facts: Default::default(), ruleset: None }
}

fn anchor_path(pin: &Path, anchor: &Anchor) -> PathBuf {
    match anchor {
        Anchor::Pinned => pin.to_owned(),
        Anchor::Process(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
    }
}

fn named(anchor: &Anchor, error: &io::Error) -> io::Error {
    match anchor {
        Anchor::Process(pid) if error.kind() == io::ErrorKind::NotFound => {
            io::Error::new(io::ErrorKind::NotFound, format!("process {pid} is gone"))
        }
        _ => io::Error::new(error.kind(), error.to_string()),
    }
}
