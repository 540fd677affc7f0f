//! The sockets of one view. Others make them, each bound to one address in some network namespace: an answer from a
//! socket bound to the wildcard could leave with another address than the one that was asked.

use crate::respond::{Responder, Transport};
use crate::zone::Zone;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest query over UDP. A question takes at most 271 bytes; the rest is for EDNS options and padding.
const LONGEST_DATAGRAM: usize = 4096;

/// TCP connections of one listener at a time. Resolvers ask over TCP only what was truncated over UDP; the bound keeps
/// one view from taking the daemon's descriptors. Past it the one that stands longest without a query makes way.
const MOST_CLIENTS: usize = 256;

/// TCP connections of one address at a time, so that one asker can't take all of a view's. Past it the address's own
/// that stands longest without a query makes way (RFC 7766 section 6.2.3), so that silent ones shut nobody out.
const MOST_CLIENTS_OF_ADDRESS: usize = 16;

/// How long a TCP connection may stand without a whole query, or an answer wait to be taken (RFC 7766: some seconds).
const IDLE: Duration = Duration::from_secs(10);

/// How long to wait when the system has no descriptor or buffer left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves one view.
pub struct Server;

/// A running server. Dropping it stops it soon; [`ServerHandle::shutdown`] waits until the sockets are closed.
#[must_use = "the server stops when its handle is dropped"]
pub struct ServerHandle {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves `view` on these sockets. Must be called inside a tokio runtime.
    pub fn start(view: Arc<dyn Zone>, udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) -> ServerHandle {
        let responder = Arc::new(Responder::new(view));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for socket in udp {
            tasks.spawn(until(stopped.clone(), datagrams(responder.clone(), socket)));
        }
        for listener in tcp {
            tasks.spawn(connections(responder.clone(), listener, stopped.clone()));
        }
        ServerHandle { stop, tasks }
    }
}

impl ServerHandle {
    /// Stops. When it returns, all sockets are closed and their addresses are free.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn until(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = halt(&mut stopped) => {}
        () = work => {}
    }
}

/// Returns when the server is to stop, or when its handle is gone.
async fn halt(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn datagrams(responder: Arc<Responder>, socket: UdpSocket) {
    let mut buffer = vec![0; LONGEST_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            // Nobody can be answered at port zero.
            Ok((_, source)) if source.port() == 0 => {}
            Ok((length, source)) => {
                if let Some(answer) = responder.respond(&buffer[..length], source, Transport::Udp)
                    && let Err(error) = socket.send_to(&answer, source).await
                {
                    tracing::debug!(%error, %source, "an answer could not be sent");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a name server's socket can't be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connections(responder: Arc<Responder>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let clients = Clients::default();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = halt(&mut stopped) => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, source)) => {
                    let place = clients.admit(source.ip());
                    let responder = responder.clone();
                    tasks.spawn(async move {
                        let ended = tokio::select! {
                            ended = queries(&responder, stream, source, &place) => ended,
                            () = place.make_way.notified() => Err(io::Error::other("it made way for a newer one")),
                        };
                        if let Err(error) = ended {
                            tracing::debug!(%error, %source, "a TCP client is gone");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a name server can't accept");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    tasks.shutdown().await;
}

/// Answers one client's queries in their order until it goes or is silent for too long.
async fn queries(responder: &Responder, mut stream: TcpStream, source: SocketAddr, place: &Place) -> io::Result<()> {
    let mut query = Vec::new();
    while timeout(IDLE, read_message(&mut stream, &mut query)).await?? {
        place.touch();
        let Some(answer) = responder.respond(&query, source, Transport::Tcp) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(answer.len() + 2);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&answer);
        timeout(IDLE, stream.write_all(&message)).await??;
    }
    Ok(())
}

/// Reads a message with its length before it. `false` at the end of the stream.
async fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    stream.read_exact(&mut length[1..]).await?;
    message.resize(usize::from(u16::from_be_bytes(length)), 0);
    stream.read_exact(message).await?;
    Ok(true)
}

/// Who is connected.
#[derive(Clone, Default)]
struct Clients {
    // At most MOST_CLIENTS entries, and a connection is rare: walking them is cheaper than an index to keep true.
    connected: Arc<Mutex<Vec<Client>>>,
    turns: Arc<AtomicU64>,
}

/// One connection among the clients.
struct Client {
    address: IpAddr,
    /// When it came or last asked, in turns of all clients: no clock is fine enough for a burst.
    last: u64,
    make_way: Arc<Notify>,
}

/// One connection's place among the clients; given back on drop.
struct Place {
    clients: Clients,
    make_way: Arc<Notify>,
}

impl Clients {
    /// A place for a connection from `address`; where there is none left, another connection is told to go.
    fn admit(&self, address: IpAddr) -> Place {
        let make_way = Arc::new(Notify::new());
        let mut connected = self.lock();
        let of_address = connected.iter().filter(|client| client.address == address).count();
        let crowded = of_address >= MOST_CLIENTS_OF_ADDRESS;
        if crowded || connected.len() >= MOST_CLIENTS {
            let rivals = connected.iter().enumerate().filter(|(_, client)| !crowded || client.address == address);
            if let Some((index, _)) = rivals.min_by_key(|(_, client)| client.last) {
                // Its task closes the socket as soon as it runs; until then there is one descriptor more.
                connected.swap_remove(index).make_way.notify_one();
            }
        }
        connected.push(Client { address, last: self.turn(), make_way: make_way.clone() });
        drop(connected);
        Place { clients: self.clone(), make_way }
    }

    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Client>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Marks that a query came.
    fn touch(&self) {
        let turn = self.clients.turn();
        if let Some(client) = self.clients.lock().iter_mut().find(|it| Arc::ptr_eq(&it.make_way, &self.make_way)) {
            client.last = turn;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.lock().retain(|client| !Arc::ptr_eq(&client.make_way, &self.make_way));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::{Answer, Kind};
    use hickory_server::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
    use hickory_server::proto::rr::{Name, RecordType};
    use std::net::Ipv4Addr;

    /// `web.test` has 40 addresses, too many for a plain datagram; `me.test` tells the asker's own address.
    struct Names;

    impl Zone for Names {
        fn lookup(&self, name: &str, _: Kind, source: IpAddr) -> Answer {
            match (name, source) {
                ("web.test", _) => {
                    Answer::Addresses { v4: (1..=40).map(|n| Ipv4Addr::new(198, 18, 0, n)).collect(), ttl: 60 }
                }
                ("me.test", IpAddr::V4(me)) => Answer::Addresses { v4: vec![me], ttl: 60 },
                _ => Answer::NoSuchName,
            }
        }
    }

    async fn start() -> (ServerHandle, SocketAddr) {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(at).await.unwrap();
        (Server::start(Arc::new(Names), vec![udp], vec![tcp]), at)
    }

    fn query(name: &str) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        message.to_vec().unwrap()
    }

    async fn ask(at: SocketAddr, query: &[u8]) -> Message {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(query, at).await.unwrap();
        let mut buffer = [0; 4096];
        let (length, _) = timeout(IDLE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn ask_over(stream: &mut TcpStream, query: &[u8]) -> io::Result<Message> {
        stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).await?;
        stream.write_all(query).await?;
        let mut message = Vec::new();
        if !timeout(IDLE, read_message(stream, &mut message)).await?? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Message::from_vec(&message).map_err(io::Error::other)
    }

    #[tokio::test]
    async fn what_udp_cuts_tcp_brings_whole() {
        let (server, at) = start().await;
        let cut = ask(at, &query("web.test.")).await;
        assert!(cut.metadata.truncation);
        let mut stream = TcpStream::connect(at).await.unwrap();
        for _ in 0..3 {
            let whole = ask_over(&mut stream, &query("web.test.")).await.unwrap();
            assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 40));
        }
        server.shutdown().await;
    }

    #[tokio::test]
    async fn the_view_learns_who_asks() {
        let (server, at) = start().await;
        let answer = ask(at, &query("me.test.")).await;
        assert_eq!(answer.answers[0].data.to_string(), "127.0.0.1");
        server.shutdown().await;
    }

    #[tokio::test]
    async fn a_thousand_random_packets_do_no_harm() {
        let (server, at) = start().await;
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for round in 0..1000_usize {
            let mut packet = vec![0; round % 700];
            getrandom::fill(&mut packet).unwrap();
            if round % 2 == 0 && packet.len() > 12 {
                packet[2] &= 0b0000_0111; // a standard query, so that the decoder sees the rest
                packet[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
            }
            socket.send_to(&packet, at).await.unwrap();
        }
        for _ in 0..20 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let mut noise = [0; 64];
            getrandom::fill(&mut noise).unwrap();
            stream.write_all(&noise).await.unwrap();
        }
        assert_eq!(ask(at, &query("me.test.")).await.metadata.response_code, ResponseCode::NoError);
        server.shutdown().await;
    }

    #[tokio::test]
    async fn past_the_bound_the_longest_silent_of_the_address_makes_way() {
        let (server, at) = start().await;
        let mut held = Vec::new();
        for _ in 0..MOST_CLIENTS_OF_ADDRESS {
            let mut stream = TcpStream::connect(at).await.unwrap();
            ask_over(&mut stream, &query("me.test.")).await.unwrap();
            held.push(stream);
        }
        // the first has asked since, so the second is the one that is silent for longest
        ask_over(&mut held[0], &query("me.test.")).await.unwrap();
        let mut excess = TcpStream::connect(at).await.unwrap();
        ask_over(&mut excess, &query("me.test.")).await.unwrap();
        let mut end = [0; 1];
        assert_eq!(timeout(IDLE, held[1].read(&mut end)).await.unwrap().unwrap(), 0);
        for (index, stream) in held.iter_mut().enumerate().filter(|(index, _)| *index != 1) {
            assert!(ask_over(stream, &query("me.test.")).await.is_ok(), "connection {index}");
        }
        server.shutdown().await;
    }

    #[test]
    fn all_addresses_together_have_a_bound_too() {
        let clients = Clients::default();
        let address = |n: usize| IpAddr::from([10, 0, u8::try_from(n / 8).unwrap(), 1]);
        let places: Vec<Place> = (0..MOST_CLIENTS + 3).map(|n| clients.admit(address(n))).collect();
        assert_eq!(clients.lock().len(), MOST_CLIENTS);
        drop(places);
        assert!(clients.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_cut() {
        let (server, at) = start().await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&[0, 40, 1]).await.unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).await.map_or(true, |length| length == 0));
        server.shutdown().await;
    }

    #[tokio::test]
    async fn shutdown_frees_the_addresses_and_the_connections() {
        let (server, at) = start().await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        ask_over(&mut stream, &query("me.test.")).await.unwrap();
        server.shutdown().await;
        assert!(ask_over(&mut stream, &query("me.test.")).await.is_err());
        UdpSocket::bind(at).await.unwrap();
        TcpListener::bind(at).await.unwrap();
    }
}
