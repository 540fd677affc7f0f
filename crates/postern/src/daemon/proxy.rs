//! CONNECT proxies on the host's loopback that stand at a place: names are resolved with that place's resolver and
//! connections are made in its network, so that the host's own kubectl and curl see the real endpoint.

use super::scene::SharedScene;
use fabric::{Fabric, NsName};
use landing::names::{self, Meaning, View};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};

/// How long a connection may take to be made: past it the client is told so, as a browser would be.
const DIAL: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// A CONNECT request's head; real ones are some hundred bytes.
const HEAD_MAX: usize = 8 * 1024;
/// Tunnels of one proxy at a time; each costs two descriptors.
const TUNNELS_MAX: usize = 1024;

/// Where a proxy stands.
#[derive(Debug, Clone)]
pub struct Stand {
    /// Its namespace.
    pub namespace: NsName,
    /// Which resolver it asks.
    pub view: View,
}

/// The proxies that were asked for, one a place.
pub struct Proxies {
    scene: SharedScene,
    fabric: Fabric,
    open: Mutex<BTreeMap<NsName, SocketAddr>>,
}

impl Proxies {
    /// None yet.
    pub fn new(scene: SharedScene, fabric: Fabric) -> Arc<Self> {
        Arc::new(Self { scene, fabric, open: Mutex::default() })
    }

    /// The address of the proxy at a place, opened now if need be. It stays until the daemon stops.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn at(self: &Arc<Self>, stand: Stand) -> io::Result<SocketAddr> {
        let mut open = self.open.lock().await;
        if let Some(address) = open.get(&stand.namespace) {
            return Ok(*address);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        open.insert(stand.namespace.clone(), address);
        tokio::spawn(self.clone().accept(listener, stand));
        Ok(address)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, stand: Stand) {
        let tunnels = Arc::new(Semaphore::new(TUNNELS_MAX));
        loop {
            let Ok(permit) = tunnels.clone().acquire_owned().await else { return };
            let Ok((client, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (this, stand) = (self.clone(), stand.clone());
            tokio::spawn(async move {
                let _permit = permit;
                if let Err(error) = this.tunnel(client, &stand).await {
                    tracing::debug!(%error, namespace = %stand.namespace, "a tunnel ended");
                }
            });
        }
    }

    async fn tunnel(&self, mut client: TcpStream, stand: &Stand) -> io::Result<()> {
        let head = tokio::time::timeout(DIAL, head(&mut client)).await.map_err(io::Error::from)??;
        let outcome = match target(&head) {
            Some((host, port)) => self.dial(stand, &host, port).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "only CONNECT HOST:PORT is served here")),
        };
        match outcome {
            Ok(mut server) => {
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await.map(|_| ())
            }
            Err(error) => {
                let code = match error.kind() {
                    io::ErrorKind::InvalidInput => "400 Bad Request",
                    io::ErrorKind::TimedOut => "504 Gateway Timeout",
                    _ => "502 Bad Gateway",
                };
                let reply =
                    format!("HTTP/1.1 {code}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n{error}\n");
                client.write_all(reply.as_bytes()).await
            }
        }
    }

    /// Resolves and connects at the place; every address is tried.
    async fn dial(&self, stand: &Stand, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} does not resolve there"));
        for address in self.resolve(stand, host) {
            match self.fabric.tcp_connect(&stand.namespace, SocketAddr::from((address, port)), DIAL).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn resolve(&self, stand: &Stand, host: &str) -> Vec<Ipv4Addr> {
        if let Ok(IpAddr::V4(address)) = host.parse() {
            return vec![address];
        }
        let scene = self.scene.read();
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        match names::resolve(&scene.world, &scene.gates, &stand.view, &name) {
            Meaning::Addresses(addresses) => addresses,
            Meaning::Name(_) | Meaning::Unknown => Vec::new(),
        }
    }
}

/// Reads up to the empty line. What a client sends after it belongs to the tunnel, and a CONNECT client waits for the
/// answer before it sends more, so reading byte blocks is safe here.
async fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|it| it == b"\r\n\r\n") {
        let mut block = [0; 1024];
        let count = client.read(&mut block).await?;
        bytes.extend_from_slice(block.get(..count).unwrap_or_default());
        if count == 0 || bytes.len() > HEAD_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a proxy request"));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Host and port of a CONNECT request.
fn target(head: &str) -> Option<(String, u16)> {
    let mut words = head.lines().next()?.split(' ');
    (words.next()? == "CONNECT").then_some(())?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connect_is_understood() {
        assert_eq!(target("CONNECT a.b:443 HTTP/1.1\r\n\r\n"), Some(("a.b".into(), 443)));
        for bad in ["GET http://a/ HTTP/1.1\r\n\r\n", "CONNECT a.b HTTP/1.1", "CONNECT a:99999 HTTP/1.1", ""] {
            assert_eq!(target(bad), None, "{bad}");
        }
    }
}
