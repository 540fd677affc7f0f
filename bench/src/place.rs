//! Standing in a network namespace: sockets that are made inside and used from here, and names as resolved there.

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// A network namespace.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The namespace that a file stands for: a pin or a process's `ns/net`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Runs something on a thread of its own that stands there.
    ///
    /// # Errors
    /// What `work` says, or that there is no such namespace.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = File::open(&self.0)?;
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            });
            there.join().unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace panicked")))
        })
    }

    /// Connects from there.
    ///
    /// # Errors
    /// When nobody answers in time or the connection is refused.
    pub async fn connect(&self, address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
        let socket = self.inside(|| Socket::new(Domain::IPV4, Type::STREAM, None))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let connecting = TcpSocket::from_std_stream(socket.into()).connect(address);
        tokio::time::timeout(patience, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// A resolver as asked from there.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn resolver(&self, address: Ipv4Addr) -> io::Result<Resolver> {
        let socket = self.inside(|| {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((address, 53))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        Ok(Resolver { socket: UdpSocket::from_std(socket)?, number: 0 })
    }
}

/// A resolver that is asked over one socket, one question at a time.
pub struct Resolver {
    socket: UdpSocket,
    number: u16,
}

impl Resolver {
    /// The addresses of a name, sorted; none when there is no such name.
    ///
    /// # Errors
    /// When no answer comes, or it is not one.
    pub async fn addresses(&mut self, name: &str) -> anyhow::Result<Vec<Ipv4Addr>> {
        self.number = self.number.wrapping_add(1);
        self.socket.send(&question(self.number, name)).await?;
        let mut answer = [0; 1500];
        loop {
            let receiving = self.socket.recv(&mut answer);
            let count = tokio::time::timeout(Duration::from_secs(2), receiving).await.context("no DNS answer")??;
            let answer = answer.get(..count).unwrap_or_default();
            if answer.starts_with(&self.number.to_be_bytes()) {
                return read_addresses(answer).context("not a DNS answer");
            }
        }
    }
}

/// A query for A records.
fn question(number: u16, name: &str) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|it| !it.is_empty()) {
        // Longer labels are no names.
        bytes.push(label.len().min(63) as u8);
        bytes.extend(label.bytes().take(63));
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// The A records of an answer, sorted.
fn read_addresses(answer: &[u8]) -> Option<Vec<Ipv4Addr>> {
    let count = u16::from_be_bytes(answer.get(6..8)?.try_into().ok()?);
    let mut at = skip_name(answer, 12)? + 4;
    let mut addresses = Vec::new();
    for _ in 0..count {
        at = skip_name(answer, at)?;
        let kind = answer.get(at..at + 2)?;
        let length = usize::from(u16::from_be_bytes(answer.get(at + 8..at + 10)?.try_into().ok()?));
        if kind == [0, 1] {
            let octets: [u8; 4] = answer.get(at + 10..at + 14)?.try_into().ok()?;
            addresses.push(Ipv4Addr::from(octets));
        }
        at += 10 + length;
    }
    addresses.sort();
    Some(addresses)
}

fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            it if it >= 0xc0 => return Some(at + 2),
            it => at += usize::from(it) + 1,
        }
    }
}

/// Runs a command line of an administrator's; its words are split at blanks.
///
/// # Errors
/// When it fails.
pub fn shell(words: &str) -> anyhow::Result<()> {
    let mut all = words.split_whitespace();
    let output = std::process::Command::new(all.next().context("a command")?).args(all).output()?;
    ensure!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let mut answer = question(7, "a.bc");
        answer[7] = 2;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 2]);
        answer.extend([1, b'x', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]);
        let expected: [Ipv4Addr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        assert_eq!(read_addresses(&answer).unwrap(), expected);
        assert_eq!(read_addresses(&answer[..30]), None);
        assert_eq!(read_addresses(&question(7, "a.bc")).unwrap(), Vec::<Ipv4Addr>::new());
    }
}
