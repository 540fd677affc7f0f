//! What a client sees of an API server, byte by byte, over TLS on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use base::KubernetesVersion;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_api::{
    ApiServer, ApiServerConfig, Check, Documents, FlowControl, IdentityConfig, Leg, Listening, Rights, SharedAuthorizer,
};
use k8s_authn::key::Signer;
use k8s_controllers::FreshConfig;
use k8s_registry::{Catalog, Registry, RegistryConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

const PATIENCE: Duration = Duration::from_secs(20);

/// The second leg's address. All of 127.0.0.0/8 is loopback.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

struct World {
    authority: Authority,
    server: Arc<ApiServer>,
    port: u16,
    listening: Listening,
    _data: tempfile::TempDir,
}

/// The objects of a fresh cluster.
async fn registry(minor: u8, data: &std::path::Path) -> Arc<Registry> {
    let services = "10.100.0.0/16".parse().unwrap();
    let registry = Registry::new(RegistryConfig {
        catalog: Arc::new(Catalog::load(minor).unwrap()),
        store: Arc::new(store::Embedded::open(data).unwrap()),
        services,
        admission: Vec::new(),
    });
    let fresh = FreshConfig {
        services,
        addresses: Vec::new(),
        port: 443,
        client_ca: String::new(),
        proxy_ca: None,
        eks: true,
        aws_auth: None,
        now: jiff::Timestamp::now(),
    };
    k8s_controllers::ensure_fresh(&registry, &fresh).await.unwrap();
    registry
}

/// A server of 1.`minor` on one wildcard listener, as in a control plane instance.
async fn world(minor: u8) -> World {
    let authority = Authority::new();
    let (certificate, key) = authority.leaf("cluster.test");
    let data = tempfile::tempdir().unwrap();
    let registry = registry(minor, data.path()).await;
    let server = ApiServer::new(ApiServerConfig {
        cluster: "blue".to_owned(),
        release: KubernetesVersion::new(minor).release().unwrap(),
        certificates: vec![certificate],
        key,
        client_ca: authority.certificate.clone(),
        checks: vec![Check::new("etcd", || true)],
        rights: Rights::follow(&registry, SharedAuthorizer::new(minor)).unwrap(),
        flow: FlowControl::follow(&registry, k8s_api::flow::SEATS).unwrap(),
        documents: Arc::new(Documents::new(registry.catalog().release().clone())),
        registry,
        identities: IdentityConfig {
            signer: Box::new(|| Signer::generate().map_err(|error| error.to_string())),
            issuer: "https://issuer.example".to_owned(),
            others: None,
        },
        audit: k8s_api::Journal::nowhere(),
    })
    .unwrap();
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let leg = |local| if local == IpAddr::V4(PRIVATE) { Leg::CrossAccount } else { Leg::Provider };
    let listening = server.serve(listener, leg);
    World { authority, server, port, listening, _data: data }
}

/// What came back.
struct Answer {
    code: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A client's connection, in HTTP/1.1 or HTTP/2.
enum Client {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl World {
    fn public(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn private(&self) -> SocketAddr {
        (PRIVATE, self.port).into()
    }

    async fn tls(&self, at: SocketAddr, protocol: &str, identity: Option<&Authority>) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let (certificate, key) = authority.leaf("someone");
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(at).await.unwrap();
        let name = ServerName::try_from("cluster.test").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        stream
    }

    async fn client(&self, at: SocketAddr, protocol: &str) -> Client {
        Client::new(self.tls(at, protocol, None).await, protocol).await
    }

    /// One row of the table: both protocols must answer the same.
    async fn check(&self, target: &str, code: u16, body: &str) {
        for protocol in ["http/1.1", "h2"] {
            let mut client = self.client(self.public(), protocol).await;
            let answer = client.get(target, &[("user-agent", "curl/7.88.1")]).await.unwrap();
            assert_eq!((answer.code.as_u16(), answer.body.as_str()), (code, body), "{protocol} {target}");
            assert_eq!(answer.header("cache-control"), Some("no-cache, private"));
            assert_eq!(answer.header("audit-id").map(str::len), Some(36));
            assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
            let content_type = if body.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
            assert_eq!(answer.header("content-type"), Some(content_type));
            if code == 403 {
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            }
            assert_eq!(answer.header("x-kubernetes-pf-flowschema-uid").is_some(), code != 401);
            assert_eq!(answer.header("x-kubernetes-pf-prioritylevel-uid").is_some(), code != 401);
        }
    }
}

impl World {
    /// Waits until nobody is connected.
    async fn all_gone(&self) {
        let gone = tokio::time::timeout(PATIENCE, async {
            while !self.server.connections().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        gone.await.expect("connections are left over");
    }
}

impl Client {
    async fn new(stream: TlsStream<TcpStream>, protocol: &str) -> Self {
        let io = TokioIo::new(stream);
        if protocol == "h2" {
            let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            Self::Two(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Self::One(sender)
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        let response = match self {
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
        Ok(Answer { code: head.status, headers: head.headers, body })
    }

    async fn ask(&mut self, method: Method, target: &str, headers: &[(&str, &str)]) -> hyper::Result<Answer> {
        let target = match self {
            Self::One(_) => target.to_owned(),
            Self::Two(_) => format!("https://cluster.test{target}"),
        };
        let request = Request::builder().method(method).uri(target);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Full::default()).unwrap()).await
    }

    async fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> hyper::Result<Answer> {
        self.ask(Method::GET, target, headers).await
    }
}

const FORBIDDEN_ROOT: &str = r#"{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "forbidden: User \"system:anonymous\" cannot get path \"/\"",
  "reason": "Forbidden",
  "details": {},
  "code": 403
}"#;

const FORBIDDEN_POD: &str = r#"{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "pods \"x\" is forbidden: User \"system:anonymous\" cannot get resource \"pods\" in API group \"\" in the namespace \"default\"",
  "reason": "Forbidden",
  "details": {
    "name": "x",
    "kind": "pods"
  },
  "code": 403
}"#;

const UNAUTHORIZED: &str = r#"{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "Unauthorized",
  "reason": "Unauthorized",
  "code": 401
}"#;

fn version_text(minor: &str, of: KubernetesVersion) -> String {
    let release = of.release().unwrap();
    format!(
        "{{\n  \"major\": \"1\",\n  \"minor\": \"{minor}\",\n  \"gitVersion\": \"{}\",\n  \"gitCommit\": \"{}\",\n  \
         \"gitTreeState\": \"clean\",\n  \"buildDate\": \"{}\",\n  \"goVersion\": \"{}\",\n  \"compiler\": \"gc\",\n  \
         \"platform\": \"linux/amd64\"\n}}",
        release.git_version, release.git_commit, release.build_date, release.go_version
    )
}

#[tokio::test]
async fn up_to_1_31_anonymous_sees_the_version_and_is_refused_the_rest_by_name() {
    for (version, minor) in [(24, "24+"), (31, "31")] {
        let world = world(version).await;
        world.check("/", 403, FORBIDDEN_ROOT).await;
        world.check("/version", 200, &version_text(minor, KubernetesVersion::new(version))).await;
        world.check("/api/v1/namespaces/default/pods/x", 403, FORBIDDEN_POD).await;
        for path in ["/healthz", "/livez", "/readyz", "/readyz?exclude=etcd"] {
            world.check(path, 200, "ok").await;
        }
    }
}

#[tokio::test]
async fn from_1_32_anonymous_sees_the_health_endpoints_only() {
    for version in [32, 36] {
        let world = world(version).await;
        for path in ["/", "/version", "/api/v1/namespaces/default/pods/x", "/apis", "/metrics"] {
            world.check(path, 401, UNAUTHORIZED).await;
        }
        for path in ["/healthz", "/livez", "/readyz"] {
            world.check(path, 200, "ok").await;
        }
        world.check("/livez?verbose", 200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n").await;
    }
}

#[tokio::test]
async fn programs_get_one_line() {
    let world = world(36).await;
    let mut client = world.client(world.public(), "h2").await;
    let answer = client.get("/version", &[("user-agent", "kubectl/v1.34.0")]).await.unwrap();
    let want = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    assert_eq!(answer.body, format!("{want}\n"));
}

#[tokio::test]
async fn unknown_tokens_and_certificates_are_unauthorized() {
    let world = world(24).await;
    let mut client = world.client(world.public(), "http/1.1").await;
    let answer = client.get("/version", &[("authorization", "Bearer k8s-aws-v1.x")]).await.unwrap();
    assert_eq!(answer.code, 401);
    for (authority, code) in [(&world.authority, 200), (&Authority::new(), 401)] {
        let stream = world.tls(world.public(), "http/1.1", Some(authority)).await;
        let answer = Client::new(stream, "http/1.1").await.get("/version", &[]).await.unwrap();
        assert_eq!(answer.code, code);
    }
}

#[tokio::test]
async fn other_methods_are_refused_by_name() {
    let world = world(24).await;
    for protocol in ["http/1.1", "h2"] {
        let mut client = world.client(world.public(), protocol).await;
        let head = client.ask(Method::HEAD, "/version", &[]).await.unwrap();
        assert_eq!((head.code.as_u16(), head.body.as_str()), (403, ""), "{protocol}");
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 100);
        let post = client.ask(Method::POST, "/version", &[]).await.unwrap();
        assert!(post.body.contains("cannot post path"), "{}", post.body);
        let odd = client.ask("FOO".parse().unwrap(), "/api/v1/pods", &[]).await.unwrap();
        assert!(odd.code == 403 && odd.body.contains("cannot  resource"), "{}", odd.body);
    }
}

#[tokio::test]
async fn hanging_up_ends_one_leg_and_leaves_the_other() {
    let world = world(24).await;
    let mut clients = Vec::new();
    for protocol in ["http/1.1", "h2"] {
        for at in [world.public(), world.private()] {
            let mut client = world.client(at, protocol).await;
            assert_eq!(client.get("/healthz", &[]).await.unwrap().code, 200);
            clients.push((at, client));
        }
    }
    let mut silent = world.tls(world.public(), "h2", None).await;
    let connections = world.server.connections();
    assert_eq!(connections.len(), 5);
    assert!(connections.iter().all(|it| it.local.ip().is_ipv4() && it.peer.ip().is_ipv4()));

    let count = world.server.hang_up(|it| it.leg == Leg::Provider).await;
    assert_eq!(count, 3);
    assert!(world.server.connections().iter().all(|it| it.leg == Leg::CrossAccount));
    // An end, with or without TLS's own word for it, but not a reset.
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap();
    assert!(end.map_or_else(|error| error.kind() == ErrorKind::UnexpectedEof, |_| true));
    for (at, mut client) in clients {
        assert_eq!(client.get("/healthz", &[]).await.is_ok(), at == world.private());
    }
    // The way is not barred: whoever still finds it gets in.
    let mut again = world.client(world.public(), "h2").await;
    assert_eq!(again.get("/healthz", &[]).await.unwrap().code, 200);
}

#[tokio::test]
async fn hanging_up_reaches_a_client_in_its_handshake_with_a_fin() {
    let world = world(24).await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    while world.server.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    // Half a greeting, perhaps unread when the socket is closed.
    stream.write_all(&[0x16, 3, 1, 1, 0, 1]).await.unwrap();
    assert_eq!(world.server.hang_up(|_| true).await, 1);
    // End of stream, not a reset.
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stopped_listener_frees_its_address_and_a_shutdown_ends_all() {
    let world = world(24).await;
    let mut client = world.client(world.public(), "h2").await;
    client.get("/readyz", &[]).await.unwrap();
    let at = world.public();
    world.listening.stop().await;
    assert!(TcpStream::connect(at).await.is_err());
    assert!(world.server.shutdown(PATIENCE).await);
    assert!(world.server.connections().is_empty());
    assert!(client.get("/readyz", &[]).await.is_err());
}

#[tokio::test]
async fn a_replaced_certificate_is_used_from_then_on() {
    let world = world(24).await;
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let (certificate, key) = world.authority.leaf("cluster.test");
    assert_ne!(shown(&world.tls(world.public(), "h2", None).await), certificate);
    world.server.replace_certificate(vec![certificate.clone()], key).unwrap();
    assert_eq!(shown(&world.tls(world.public(), "h2", None).await), certificate);
}

#[tokio::test]
async fn a_thousand_random_connections_do_no_harm() {
    let world = world(24).await;
    for round in 0..1000_usize {
        let mut stream = TcpStream::connect(world.public()).await.unwrap();
        let mut noise = Vec::new();
        while noise.len() < round % 300 {
            noise.extend_from_slice(&base::random_bytes::<16>());
        }
        if round % 3 == 0 {
            noise.splice(..0, [0x16, 3, 1, 0, 250]);
        }
        // The server may have closed already.
        let _ = stream.write_all(&noise).await;
        if round % 2 == 0 {
            drop(stream);
        }
    }
    // Noise inside of TLS.
    for protocol in ["http/1.1", "h2"] {
        let mut stream = world.tls(world.public(), protocol, None).await;
        stream.write_all(&base::random_bytes::<512>()).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    }
    let mut client = world.client(world.public(), "h2").await;
    assert_eq!(client.get("/healthz", &[]).await.unwrap().code, 200);
    drop(client);
    world.all_gone().await;
}

#[tokio::test]
async fn http_without_tls_is_told_so() {
    let world = world(30).await;
    for request in ["GET / HTTP/1.1\r\nHost: cluster.test\r\n\r\n", "POST /api HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    }
}

#[tokio::test]
async fn headers_past_the_limit_are_refused() {
    let world = world(24).await;
    let large = "x".repeat(70_000);
    let mut client = world.client(world.public(), "http/1.1").await;
    let answer = client.get("/healthz", &[("x-large", &large)]).await;
    assert!(answer.map_or(true, |answer| answer.code == 431));
    let mut client = world.client(world.public(), "h2").await;
    let answer = client.get("/healthz", &[("x-large", &large)]).await;
    assert!(answer.map_or(true, |answer| answer.code == 431));
}

#[tokio::test]
async fn a_body_nobody_wants_does_not_keep_the_answer_back() {
    let world = world(24).await;
    let mut client = world.client(world.public(), "h2").await;
    let request = Request::post("https://cluster.test/api/v1/namespaces/default/pods");
    let request = request.body(Full::from(vec![0_u8; 10 * 1024 * 1024])).unwrap();
    assert_eq!(client.send(request).await.unwrap().code, 403);
}

#[tokio::test]
async fn a_client_that_never_says_hello_is_cut() {
    let world = world(24).await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    stream.write_all(&[0x16]).await.unwrap();
    tokio::time::pause();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_without_requests_ends() {
    let world = world(24).await;
    let request = |target: &str| Request::get(target).body(Full::<Bytes>::default()).unwrap();

    let io = TokioIo::new(world.tls(world.public(), "http/1.1", None).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let one = tokio::spawn(connection);
    sender.send_request(request("/healthz")).await.unwrap().into_body().collect().await.unwrap();

    let io = TokioIo::new(world.tls(world.public(), "h2", None).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let two = tokio::spawn(connection);
    let answer = sender.send_request(request("https://cluster.test/healthz")).await.unwrap();
    answer.into_body().collect().await.unwrap();

    // From here on time passes whenever nothing else does.
    tokio::time::pause();
    for ended in [one, two] {
        let _ = tokio::time::timeout(100 * PATIENCE, ended).await.expect("an idle connection stays");
    }
    tokio::time::resume();
    world.all_gone().await;
}
