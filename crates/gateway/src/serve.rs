//! Listeners and connections. A slow or silent client costs one descriptor for a bounded time and nobody else anything.

use crate::gateway::{Gateway, Origin};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections of one listener at a time. Clients hold a handful each; past it a connection is closed at once, so that
/// the daemon keeps descriptors for its control planes.
pub const MOST_CONNECTIONS: usize = 1024;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a request's headers may take, and an HTTP/1.1 connection may stand between requests. AWS's own endpoints
/// close idle connections after about as long.
const HEADERS: Duration = Duration::from_secs(30);

/// Bytes of a request's headers. A session token has a few kilobytes, a presigned query string carries it too.
const LARGEST_HEADERS: u32 = 64 * 1024;

/// Requests on one HTTP/2 connection at a time.
const STREAMS: u32 = 128;

/// How often a silent HTTP/2 peer is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15));

/// How long requests may still run when a listener is stopped. Operations only write records.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that is being served. Dropping it ends its connections at once; [`Serving::stop`] lets requests finish.
#[must_use = "the listener is closed when this is dropped"]
pub struct Serving {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Closes the listener, lets running requests finish for a few seconds, and returns when all is closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Gateway {
    /// Serves plain HTTP, for the host's own clients. Those who come over loopback may also ask for the health.
    pub fn serve_http(self: &Arc<Self>, listener: TcpListener) -> Serving {
        start(self.clone(), listener, None)
    }

    /// Serves HTTPS, for those who stand in a network that we serve. The protocols offered are HTTP/2 and HTTP/1.1,
    /// whatever `config` says.
    pub fn serve_tls(self: &Arc<Self>, listener: TcpListener, config: &ServerConfig) -> Serving {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        start(self.clone(), listener, Some(Arc::new(config).into()))
    }
}

fn start(gateway: Arc<Gateway>, listener: TcpListener, tls: Option<TlsAcceptor>) -> Serving {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(gateway, listener, tls, stopped));
    Serving { stop, tasks }
}

async fn accept(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = halt(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (gateway, tls, stopped) = (gateway.clone(), tls.clone(), stopped.clone());
                    connections.spawn(async move {
                        let _place = place;
                        connection(gateway, stream, peer, tls, stopped).await;
                    });
                }
                Err(_) => tracing::debug!(%peer, "too many connections"),
            },
            Err(error) => {
                tracing::warn!(%error, "the gateway can't accept");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        let origin = if peer.ip().to_canonical().is_loopback() { Origin::Host } else { Origin::Network };
        return requests(gateway, stream, peer, origin, stopped).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE, tls.accept(stream)) => handshake,
        () = halt(&mut stopped) => return,
    };
    match handshake {
        Ok(Ok(stream)) => requests(gateway, stream, peer, Origin::Network, stopped).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

async fn requests(
    gateway: Arc<Gateway>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    origin: Origin,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.handle(request, origin).await) }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = halt(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}

/// Returns when the listener is to stop, or when its handle is gone.
async fn halt(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
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
