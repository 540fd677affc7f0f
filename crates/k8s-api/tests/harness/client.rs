//! HTTP/1.1 over TLS, with a pool of connections for each user.

use super::authority::Authority;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Sender = SendRequest<Full<Bytes>>;

/// What a client shows of itself on the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nothing.
    None,
    /// A certificate of a user with groups.
    Certificate(String, Vec<String>),
}

/// All users' connections to one server.
pub struct Client {
    authority: Authority,
    name: &'static str,
    address: SocketAddr,
    configs: Mutex<HashMap<Identity, Arc<ClientConfig>>>,
    idle: Mutex<HashMap<Identity, Vec<Sender>>>,
}

/// What came back, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }
}

/// An answer that comes in pieces.
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    // The connection ends with it.
    _sender: Sender,
}

impl Stream {
    /// The next piece, none when the server ended it.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// The rest at once.
    pub async fn rest(self) -> Result<Answer, String> {
        let body = self.body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: self.status, headers: self.headers, body })
    }
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned()).collect()
}

impl Client {
    /// Speaks to the server at `address`, whose certificate `authority` has signed for `name`.
    pub fn new(authority: Authority, name: &'static str, address: SocketAddr) -> Self {
        Self { authority, name, address, configs: Mutex::default(), idle: Mutex::default() }
    }

    /// Asks and waits for the whole answer.
    ///
    /// # Errors
    /// What went wrong with the connection.
    pub async fn send(&self, who: &Identity, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let (response, sender) = self.exchange(who, request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        // A connection whose body was refused half way is about to be closed.
        if head.status != 413 {
            self.idle.lock().unwrap().entry(who.clone()).or_default().push(sender);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Asks and returns as soon as the answer begins.
    ///
    /// # Errors
    /// What went wrong with the connection.
    pub async fn open(&self, who: &Identity, request: Request<Full<Bytes>>) -> Result<Stream, String> {
        let (response, sender) = self.exchange(who, request).await?;
        let (head, body) = response.into_parts();
        Ok(Stream { status: head.status, headers: head.headers, body, _sender: sender })
    }

    async fn exchange(
        &self,
        who: &Identity,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Sender), String> {
        let pooled = loop {
            let sender = self.idle.lock().unwrap().entry(who.clone()).or_default().pop();
            match sender {
                Some(sender) if sender.is_closed() => {}
                other => break other,
            }
        };
        if let Some(mut sender) = pooled
            && sender.ready().await.is_ok()
        {
            // The server may have closed an idle connection at this moment.
            match sender.send_request(request.clone()).await {
                Ok(response) => return Ok((response, sender)),
                Err(error) if error.is_canceled() || error.is_closed() => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut sender = self.connect(who).await?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        Ok((response, sender))
    }

    /// A connection on which nothing was said yet.
    ///
    /// # Errors
    /// What went wrong with it.
    pub async fn raw(&self, who: &Identity) -> Result<TlsStream<TcpStream>, String> {
        let config = self.config(who);
        let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(self.name).unwrap();
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())
    }

    async fn connect(&self, who: &Identity) -> Result<Sender, String> {
        let stream = self.raw(who).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn config(&self, who: &Identity) -> Arc<ClientConfig> {
        let make = || {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority.certificate()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
            let mut config = match who {
                Identity::None => builder.with_no_client_auth(),
                Identity::Certificate(name, groups) => {
                    let (certificate, key) = self.authority.user(name, groups);
                    builder.with_client_auth_cert(vec![certificate], key).unwrap()
                }
            };
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        };
        self.configs.lock().unwrap().entry(who.clone()).or_insert_with(make).clone()
    }
}
