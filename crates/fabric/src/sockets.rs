//! Sockets inside namespaces. A socket stays for life where it was made, so only the making happens inside; afterwards
//! any thread of the runtime may use it.

use crate::fabric::Fabric;
use crate::netns;
use crate::topology::NsName;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::oneshot;

impl Fabric {
    /// Listens inside a namespace. On `[::]` it also takes IPv4 connections.
    ///
    /// # Errors
    /// When the namespace does not exist or the address can't be bound there.
    pub async fn tcp_listen(&self, ns: &NsName, address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
        let socket = self
            .inside(ns, move || {
                let socket = bound(Type::STREAM, Protocol::TCP, address)?;
                socket.listen(backlog)?;
                Ok(socket)
            })
            .await?;
        TcpListener::from_std(socket.into())
    }

    /// Binds a UDP socket inside a namespace. Bind each address on its own where replies must bear it as their source.
    ///
    /// # Errors
    /// When the namespace does not exist or the address can't be bound there.
    pub async fn udp_bind(&self, ns: &NsName, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.inside(ns, move || bound(Type::DGRAM, Protocol::UDP, address)).await?;
        UdpSocket::from_std(socket.into())
    }

    /// Connects from inside a namespace, whose routes choose the way and the source address.
    ///
    /// # Errors
    /// When the namespace does not exist, nobody answers in time, or the connection is refused.
    pub async fn tcp_connect(&self, ns: &NsName, address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
        let socket = self
            .inside(ns, move || {
                let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .await?;
        let connecting = TcpSocket::from_std_stream(socket.into()).connect(address);
        tokio::time::timeout(patience, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Runs something on a thread of its own that stands inside a namespace.
    ///
    /// # Errors
    /// What `work` says, or that the namespace does not exist.
    pub async fn inside<T, F>(&self, ns: &NsName, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let namespace = self.netns_fd(ns)?;
        let (done, result) = oneshot::channel();
        std::thread::Builder::new().name(format!("in {ns}")).spawn(move || {
            // The caller may have stopped waiting.
            let _ = done.send(netns::enter(namespace.as_fd()).and_then(|()| work()));
        })?;
        result.await.unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace panicked")))
    }

    /// A descriptor of a namespace, for a process that is to stand there.
    ///
    /// # Errors
    /// When the namespace does not exist.
    pub fn netns_fd(&self, ns: &NsName) -> io::Result<OwnedFd> {
        self.inner.place(ns)?.open()
    }

    /// Where a namespace can be opened: its pin, or the `ns/net` of its process.
    ///
    /// # Errors
    /// When the namespace does not exist.
    pub fn path(&self, ns: &NsName) -> io::Result<PathBuf> {
        Ok(self.inner.place(ns)?.path().to_owned())
    }
}

fn bound(kind: Type, protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}
