//! The bare TLS responder that reads are compared with: hyper and rustls as the API server has them, and nothing else. A
//! process of its own, at the loopback of the namespace where the clients are: a shorter way than the one to a cluster.

use crate::place::Place;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name in its certificate.
const NAME: &str = "responder";
/// How many bytes of a long answer are sent in one go, as the API server does.
const PIECE: usize = 64 << 10;

/// The process; ends with this value.
pub struct Responder {
    process: Child,
    place: Place,
    address: SocketAddr,
    tls: TlsConnector,
}

impl Responder {
    /// Starts one in the namespace that a file stands for, and waits until it listens.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start(namespace: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("responder").arg(namespace).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("the responder's output")?;
        BufReader::new(output).read_line(&mut line)?;
        let (port, certificate) = line.trim().split_once(' ').context("the responder's port and certificate")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(STANDARD.decode(certificate)?))?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
        Ok(Self { process, place: Place::at(namespace), address, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = self.place.connect(self.address, Duration::from_secs(5)).await?;
        Ok(self.tls.connect(ServerName::try_from(NAME)?, stream).await?)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Its input ends, and with it the process.
        self.process.stdin.take();
        // Nobody to tell when even waiting fails.
        let _ = self.process.wait();
    }
}

/// What the process does: answers `/<n>` with n bytes, until its own input ends.
///
/// # Errors
/// When it cannot listen there.
pub fn serve(namespace: &str) -> anyhow::Result<()> {
    let listener = Place::at(namespace).inside(|| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new([NAME.to_owned()])?.self_signed(&key)?.der().clone();
    println!("{port} {}", STANDARD.encode(&certificate));
    std::io::stdout().flush()?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.spawn(accept(listener, TlsAcceptor::from(Arc::new(config))));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

async fn accept(listener: std::net::TcpListener, tls: TlsAcceptor) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tls = tls.clone();
        tokio::spawn(async move {
            let stream = TokioIo::new(tls.accept(stream).await?);
            let builder = Builder::new(TokioExecutor::new());
            let served = builder.serve_connection(stream, service_fn(answer)).await;
            // A client that goes away is no failure; its turn says what went wrong.
            ensure!(served.is_ok(), "a connection broke off");
            Ok(())
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let length: usize = request.uri().path().trim_start_matches('/').parse().unwrap_or_default();
    let piece = Bytes::from_static(&[b'x'; PIECE]);
    if length <= PIECE {
        return Ok(Response::new(Full::new(piece.slice(..length)).boxed_unsync()));
    }
    let pieces = (0..length).step_by(PIECE).map(move |at| Ok(Frame::data(piece.slice(..PIECE.min(length - at)))));
    let pieces = stream::iter(pieces);
    Ok(Response::new(StreamBody::new(pieces).boxed_unsync()))
}
