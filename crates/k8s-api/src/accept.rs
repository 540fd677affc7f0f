//! From a listener to served connections, each with its limits: a slow or silent client costs one descriptor for a
//! bounded time and nobody else anything.

use crate::authentication::{Caller, ConnectionUser};
use crate::chain::Chain;
use crate::connections::{Connections, Leg, Registered};
use crate::respond;
use crate::tls::ClientAuthority;
use crate::wire::Wire;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::CertificateDer;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections of one listener at a time: a thousand nodes with a kubelet, a proxy, a network agent and some pods. Past
/// it a connection is closed at once; the daemon's descriptors, 20,000 on many machines, are shared by all clusters.
pub const MOST_CONNECTIONS: usize = 4096;

/// How long a handshake may take; Go's and so upstream's limit.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What one who speaks HTTP without TLS is told, in Go's words: clients look for them.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// How long a request's headers may take; upstream's limit.
const HEADERS: Duration = Duration::from_secs(32);

/// How long a connection may stand without a request; upstream's limit.
const IDLE: Duration = Duration::from_secs(90);

/// Bytes of a request's headers. Tokens have at most 12 KiB; upstream's 1 MiB is a gift to no client.
const LARGEST_HEADERS: u32 = 64 * 1024;

/// Requests on one HTTP/2 connection at a time; upstream's limit.
const STREAMS: u32 = 250;

/// How often a silent HTTP/2 peer is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15));

/// How long requests may still run on a connection that is being ended. Watches never end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that is being served. Dropping it closes the listener; its connections go on.
#[must_use = "the listener is closed when this is dropped"]
pub struct Listening {
    task: JoinHandle<()>,
}

impl Listening {
    /// Closes the listener and returns when its address is free.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What serving a connection takes; shared by all of a server's listeners.
#[derive(Clone)]
pub struct Serving {
    /// The handshake.
    pub tls: TlsAcceptor,
    /// Whose client certificates are known.
    pub clients: Arc<ClientAuthority>,
    /// The answers.
    pub chain: Arc<Chain>,
    /// The registry.
    pub connections: Arc<Connections>,
}

/// Accepts on `listener` until the returned value is dropped. `leg` tells the side by the local address of a
/// connection.
pub fn listen(
    serving: Serving,
    listener: TcpListener,
    leg: impl Fn(IpAddr) -> Leg + Send + Sync + 'static,
) -> Listening {
    Listening { task: tokio::spawn(accept(serving, listener, leg)) }
}

async fn accept(serving: Serving, listener: TcpListener, leg: impl Fn(IpAddr) -> Leg) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an API server can't accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        // A connection that is already reset has no local address any more.
        let Ok(local) = stream.local_addr() else { continue };
        let (local, peer) = (canonical(local), canonical(peer));
        let registered = serving.connections.register(local, peer, leg(local.ip()));
        let serving = serving.clone();
        tokio::spawn(async move {
            let _place = place;
            connection(serving, stream, registered).await;
        });
    }
}

/// `::ffff:a.b.c.d` is how a socket of both families writes `a.b.c.d`.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Serves one connection. Whatever way this ends, the socket is dropped before `registered` is.
async fn connection(serving: Serving, stream: TcpStream, registered: Registered) {
    let peer = registered.connection.peer;
    let _ = stream.set_nodelay(true);
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE, handshake(&serving.tls, Wire::new(stream))) => handshake,
        () = registered.hang_up.notified() => return,
    };
    match handshake {
        Ok(Ok(stream)) => requests(&serving, stream, &registered).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

async fn handshake(tls: &TlsAcceptor, mut wire: Wire) -> io::Result<TlsStream<Wire>> {
    let mut first = [0; 5];
    let length = wire.peek(&mut first).await?;
    if length == first.len() && is_http(&first) {
        wire.write_all(NO_TLS).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"));
    }
    tls.accept(wire).await
}

/// Whether a connection's first bytes are those of an HTTP request: the methods that Go's server looks for.
fn is_http(first: &[u8; 5]) -> bool {
    [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"].contains(&first)
}

/// Who is behind a client certificate.
fn connection_user(serving: &Serving, chain: Option<&[CertificateDer<'static>]>) -> ConnectionUser {
    let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else { return ConnectionUser::None };
    if !serving.clients.vouches_for(leaf, rest) {
        return ConnectionUser::Unknown;
    }
    let identities = &serving.chain.api.identities;
    identities.of_certificate(leaf, jiff::Timestamp::now()).map_or(ConnectionUser::Unknown, ConnectionUser::Known)
}

async fn requests(serving: &Serving, stream: TlsStream<Wire>, registered: &Registered) {
    let user = connection_user(serving, stream.get_ref().1.peer_certificates());
    let caller = Arc::new(Caller { user, address: registered.connection.peer.ip() });
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (chain, caller, running) = (serving.chain.clone(), caller.clone(), activity.clone().start());
        async move {
            let response = chain.answer(request, &caller).await;
            // A stream is a request that still runs.
            Ok::<_, Infallible>(respond::holding(response, running))
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = registered.hang_up.notified() => None,
        () = activity.idle() => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(peer = %registered.connection.peer, %error, "a connection broke off");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(LARGEST_HEADERS as usize)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LARGEST_HEADERS)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    builder
}

/// How long a connection has been without a request.
struct Activity {
    running: AtomicUsize,
    last: Mutex<Instant>,
}

/// A request that runs.
struct Running(Arc<Activity>);

impl Default for Activity {
    fn default() -> Self {
        Self { running: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl Activity {
    fn start(self: Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }

    /// Returns when nothing has run for [`IDLE`].
    async fn idle(&self) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let until = if self.running.load(Ordering::Relaxed) > 0 { Instant::now() } else { last } + IDLE;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
