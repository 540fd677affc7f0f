//! A netlink socket: many requests in one system call, answers matched by sequence number.

use super::wire::{Request, messages, u32_at};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Answers of one datagram. The kernel fills at most 32 KiB of a dump at a time.
const DATAGRAM: usize = 64 * 1024;
/// Requests in one go. Each is answered by an acknowledgement of some 500 bytes of socket memory, which 1 MiB holds
/// easily.
const BATCH: usize = 256;
/// Bytes in one go, below the default limit of a socket's send memory (208 KiB).
const BATCH_BYTES: usize = 64 * 1024;
/// The kernel answers at once, but its network lock may be held while many namespaces are torn down.
const PATIENCE: Duration = Duration::from_secs(30);

/// `NETLINK_ROUTE` is number 0, the protocol of a socket that names none.
const ROUTE: Option<Protocol> = None;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const FLAG_DUMP_INTERRUPTED: u16 = 0x10;

/// A message that answers a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// What it is, as `RTM_NEWLINK`.
    pub(crate) kind: u16,
    /// Its fixed part and attributes.
    pub(crate) body: Vec<u8>,
}

/// What the kernel said to one request.
pub(crate) type Answer = io::Result<Vec<Reply>>;

/// A netlink socket in the namespace where it was made.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
}

impl Socket {
    /// One for links, addresses, routes, rules and neighbours of the calling thread's namespace.
    pub(crate) fn route() -> io::Result<Self> {
        Self::open(ROUTE, 0)
    }

    /// One for the packet filter and connection tracking of the calling thread's namespace.
    pub(crate) fn filter() -> io::Result<Self> {
        Self::open(Some(net::netlink::NETFILTER), 0)
    }

    /// One that hears of changes, by the bits of the kernel's `RTMGRP_*` groups. It never blocks.
    pub(crate) fn listener(groups: u32) -> io::Result<Self> {
        let it = Self::open(ROUTE, groups)?;
        rustix::io::ioctl_fionbio(&it.fd, true)?;
        Ok(it)
    }

    fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let fd = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // Without the right to exceed the limit the default size has to do.
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, 1 << 20);
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(PATIENCE))?;
        net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        let port = SocketAddrNetlink::try_from(net::getsockname(&fd)?).map_err(io::Error::from)?.pid();
        Ok(Self { fd, port, sequence: 0 })
    }

    /// The number by which the kernel names this socket as the cause of a change.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Sends everything and waits for every answer, in the order of the requests.
    ///
    /// # Errors
    /// When the socket fails; what the kernel refuses is in the single answers.
    pub(crate) fn run(&mut self, requests: &[Request]) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut rest = requests;
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            rest = others;
            self.run_batch(batch, &mut answers)?;
        }
        Ok(answers)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// When the socket fails or the kernel refuses.
    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        self.run(&[request])?.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn run_batch(&mut self, batch: &[Request], answers: &mut Vec<Answer>) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(batch.iter().map(Request::len).sum());
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            request.write(self.sequence, &mut bytes);
        }
        let kernel = SocketAddrNetlink::new(0, 0);
        net::sendto(&self.fd, &bytes, SendFlags::empty(), &kernel)?;
        let start = answers.len();
        answers.extend(batch.iter().map(|_| Ok(Vec::new())));
        let mut open: Vec<bool> = vec![true; batch.len()];
        let mut buffer = vec![0; DATAGRAM];
        while open.iter().any(|open| *open) {
            let length = self.receive(&mut buffer)?;
            for message in messages(&buffer[..length]) {
                let index = message.sequence.wrapping_sub(first) as usize;
                if index >= batch.len() {
                    continue; // A late answer to a batch that was given up.
                }
                if message.flags & FLAG_DUMP_INTERRUPTED != 0 {
                    answers[start + index] = Err(io::ErrorKind::Interrupted.into());
                }
                match message.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        open[index] = false;
                        if let Some(error) = refusal(message.body) {
                            answers[start + index] = Err(error);
                        }
                    }
                    kind => {
                        if let Ok(replies) = &mut answers[start + index] {
                            replies.push(Reply { kind, body: message.body.to_vec() });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads one datagram.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match net::recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
                Ok((read, _)) => return Ok(read),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl std::os::fd::AsRawFd for Socket {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

/// How many of the requests go in one datagram: a dump goes alone, since one socket runs one dump at a time.
fn batch_length(requests: &[Request]) -> usize {
    if requests.first().is_some_and(Request::is_dump) {
        return 1;
    }
    let mut bytes = 0;
    requests
        .iter()
        .take(BATCH)
        .take_while(|request| {
            bytes += request.len();
            bytes <= BATCH_BYTES && !request.is_dump()
        })
        .count()
        .max(1)
}

fn refusal(body: &[u8]) -> Option<io::Error> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(code) if code < 0 => Some(io::Error::from_raw_os_error(-code)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_requests_are_answered_in_their_order() {
        let mut socket = Socket::route().unwrap();
        let ask = |index: i32| {
            let mut fixed = [0; 16];
            fixed[4..8].copy_from_slice(&index.to_ne_bytes());
            Request::new(18, 5, &fixed)
        };
        let requests: Vec<_> = (0..600).map(|it| ask(if it % 2 == 0 { 1 } else { 999_999 })).collect();
        let answers = socket.run(&requests).unwrap();
        assert_eq!(answers.len(), 600);
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_ok(), index % 2 == 0, "{index}");
        }
    }
}
