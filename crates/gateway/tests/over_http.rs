//! What a client sees of the gateway, over loopback, signed as clients sign.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use aws_model::{Caller, Context, Fault, Principal, eks, iam, ssm, sts};
use aws_wire::Parts;
use aws_wire::sigv4::{Keys, presign, sign};
use base::Clock;
use bytes::Bytes;
use gateway::{AccessKey, Authorizer, Credentials, Gateway, GatewayConfig, ServiceEntry, Serving};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);
const NOW: &str = "2026-01-02T03:04:05Z";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

struct World;

#[async_trait]
impl eks::Eks for World {
    async fn describe_cluster(
        &self,
        ctx: &Context,
        input: eks::DescribeClusterRequest,
    ) -> Result<eks::DescribeClusterResponse, Fault> {
        match input.name.as_deref() {
            Some("panics") => panic!("a defect"),
            Some("blue") => {
                let cluster =
                    eks::Cluster { name: input.name, arn: Some(ctx.region.to_string()), ..Default::default() };
                Ok(eks::DescribeClusterResponse { cluster: Some(cluster) })
            }
            name => {
                let name = name.unwrap_or_default();
                let fault = Fault::client("ResourceNotFoundException", format!("No cluster found for name: {name}."));
                Err(fault.member("clusterName", name))
            }
        }
    }
}

#[async_trait]
impl sts::Sts for World {
    async fn get_caller_identity(
        &self,
        ctx: &Context,
        _: sts::GetCallerIdentityRequest,
    ) -> Result<sts::GetCallerIdentityResponse, Fault> {
        let arn = Some(format!("{} in {}", ctx.caller.arn, ctx.region));
        Ok(sts::GetCallerIdentityResponse { arn, ..Default::default() })
    }
}

#[async_trait]
impl iam::Iam for World {
    async fn get_role(&self, ctx: &Context, _: iam::GetRoleRequest) -> Result<iam::GetRoleResponse, Fault> {
        Err(Fault::client("NoSuchEntity", format!("seen in {}", ctx.region)))
    }
}

#[async_trait]
impl ssm::Ssm for World {}

/// `AK` is a user's key, `OFF` is switched off, `TMP` and `OLD` are sessions' keys with the token `token`.
impl Credentials for World {
    fn find(&self, id: &str) -> Option<Arc<AccessKey>> {
        let session = matches!(id, "TMP" | "OLD");
        let hour = SignedDuration::from_hours(if id == "OLD" { -1 } else { 1 });
        let arn = format!("arn:aws:iam::111122223333:user/{id}");
        let caller = Caller {
            account: "111122223333".parse().unwrap(),
            principal: Principal::User(id.to_owned()),
            arn,
            user_id: "AIDA".to_owned(),
            access_key_id: id.to_owned(),
        };
        matches!(id, "AK" | "OFF" | "TMP" | "OLD").then(|| {
            Arc::new(AccessKey {
                secret: "secret".to_owned(),
                session_token: session.then(|| "token".to_owned()),
                caller,
                active: id != "OFF",
                expires: session.then(|| Fixed.now() + hour),
            })
        })
    }
}

impl Authorizer for World {
    fn authorize(&self, ctx: &Context, service: &str, operation: &str, input: &Value) -> Result<(), Fault> {
        if input["name"] == "secret" {
            let text = format!("User: {} is not authorized to perform: {service}:{operation}", ctx.caller.arn);
            return Err(Fault::with_status(403, "AccessDeniedException", text));
        }
        Ok(())
    }
}

async fn start() -> (Arc<Gateway>, Serving, SocketAddr) {
    let world = Arc::new(World);
    let services = vec![
        ServiceEntry::eks(world.clone()),
        ServiceEntry::sts(world.clone()),
        ServiceEntry::iam(world.clone()),
        ServiceEntry::ssm(world.clone()),
    ];
    let config = GatewayConfig { services, credentials: world.clone(), authorizer: world, clock: Arc::new(Fixed) };
    let gateway = Gateway::new(config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = gateway.serve_http(listener);
    (gateway, serving, at)
}

/// A request, signed or not.
#[derive(Clone)]
struct Ask {
    method: &'static str,
    host: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    keys: Option<Keys>,
    time: Timestamp,
}

fn ask(service: &str, method: &'static str, target: &str) -> Ask {
    let keys = Keys {
        access_key_id: "AK".to_owned(),
        secret: "secret".to_owned(),
        session_token: None,
        region: "ap-northeast-2".to_owned(),
        service: service.to_owned(),
    };
    let time = Fixed.now();
    let (host, target) = ("127.0.0.1:4566", target.to_owned());
    Ask { method, host, target, headers: Vec::new(), body: Vec::new(), keys: Some(keys), time }
}

fn form(service: &str, body: &str) -> Ask {
    let mut ask = ask(service, "POST", "/");
    ask.headers.push(("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()));
    ask.body = body.as_bytes().to_vec();
    ask
}

impl Ask {
    fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    fn keys(mut self, change: impl FnOnce(&mut Keys)) -> Self {
        change(self.keys.as_mut().unwrap());
        self
    }

    fn unsigned(mut self) -> Self {
        self.keys = None;
        self
    }

    fn request(&self, http2: bool) -> Request<Full<Bytes>> {
        let mut headers = self.headers.clone();
        headers.push(("host", self.host.to_owned()));
        if let Some(keys) = &self.keys {
            let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
            let raw = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let parts = Parts { method: self.method, path, query, headers: raw, body: &self.body };
            let signature = sign(&parts, keys, self.time);
            headers.extend(signature);
        }
        let uri = if http2 { format!("https://{}{}", self.host, self.target) } else { self.target.clone() };
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in headers.iter().filter(|(name, _)| !http2 || *name != "host") {
            request = request.header(*name, value);
        }
        request.body(Full::from(self.body.clone())).unwrap()
    }
}

struct Answer {
    code: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>, http2: bool) -> hyper::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let response = if http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    };
    let (head, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
    Ok(Answer { code: head.status, headers: head.headers, body })
}

/// Asks in both protocols, which must answer the same but for the request's id.
async fn send(at: SocketAddr, ask: &Ask) -> Answer {
    let one = over(TcpStream::connect(at).await.unwrap(), ask.request(false), false).await.unwrap();
    let two = over(TcpStream::connect(at).await.unwrap(), ask.request(true), true).await.unwrap();
    let id = |answer: &Answer| answer.headers["x-amzn-requestid"].to_str().unwrap().to_owned();
    assert_eq!((one.code, one.body.replace(&id(&one), "ID")), (two.code, two.body.replace(&id(&two), "ID")));
    assert_eq!(id(&one).len(), 36);
    one
}

#[track_caller]
fn check(answer: &Answer, code: u16, text: &str) {
    assert!(answer.code == code && answer.body.contains(text), "{} {}", answer.code, answer.body);
}

#[tokio::test]
async fn signed_calls_reach_their_service_at_any_of_its_names() {
    let (_gateway, _serving, at) = start().await;
    for host in ["127.0.0.1:4566", "localhost", "eks.ap-northeast-2.amazonaws.com", "eks.ap-northeast-2.api.aws"] {
        let answer = send(at, &ask("eks", "GET", "/clusters/blue").host(host)).await;
        check(&answer, 200, r#"{"cluster":{"name":"blue","arn":"ap-northeast-2"#);
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let identity = form("sts", "Action=GetCallerIdentity&Version=2011-06-15");
    check(&send(at, &identity).await, 200, "user/AK in ap-northeast-2</Arn>");
    let global = identity.clone().host("sts.amazonaws.com").keys(|keys| keys.region = "us-east-1".to_owned());
    check(&send(at, &global).await, 200, "user/AK in us-east-1</Arn>");
    // A service without regions sees one, whatever a client at an address of its own signs for.
    let role = form("iam", "Action=GetRole&RoleName=r&Version=2010-05-08");
    check(&send(at, &role).await, 404, "seen in us-east-1");
}

#[tokio::test]
async fn faults_come_in_the_services_own_form() {
    let (_gateway, _serving, at) = start().await;
    let answer = send(at, &ask("eks", "GET", "/clusters/green")).await;
    check(&answer, 404, r#"{"clusterName":"green","message":"No cluster found for name: green."}"#);
    assert_eq!(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
    let answer = send(at, &ask("eks", "GET", "/clusters/secret")).await;
    check(&answer, 403, "user/AK is not authorized to perform: eks:DescribeCluster");
    assert_eq!(answer.headers["x-amzn-errortype"], "AccessDeniedException");
    check(&send(at, &ask("eks", "GET", "/clusters/blue/addons")).await, 400, "eks:ListAddons");
    check(&send(at, &ask("eks", "GET", "/clusters?maxResults=0")).await, 400, "message");
    check(&send(at, &form("sts", "Action=Nope")).await, 400, "<Code>InvalidAction</Code>");
}

#[tokio::test]
async fn a_panicking_operation_is_an_internal_failure_and_the_connection_goes_on() {
    let (_gateway, _serving, at) = start().await;
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (name, code) in [("panics", 500), ("blue", 200)] {
        sender.ready().await.unwrap();
        let request = ask("eks", "GET", &format!("/clusters/{name}")).request(false);
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), code);
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn unsigned_calls_are_refused_in_the_form_of_the_service_they_look_like() {
    let (_gateway, _serving, at) = start().await;
    let answer = send(at, &ask("eks", "GET", "/clusters/blue").unsigned()).await;
    check(&answer, 403, "");
    assert_eq!(answer.headers["x-amzn-errortype"], "MissingAuthenticationTokenException");
    let answer = send(at, &form("sts", "Action=GetCallerIdentity").unsigned()).await;
    check(&answer, 403, "<Code>MissingAuthenticationToken</Code>");
    let answer = send(at, &ask("sts", "GET", "/?Action=GetCallerIdentity").unsigned()).await;
    check(&answer, 403, "<Code>MissingAuthenticationToken</Code>");
    let mut target = ask("ssm", "POST", "/").unsigned();
    target.headers.push(("x-amz-target", "AmazonSSM.GetParameter".to_owned()));
    check(&send(at, &target).await, 400, r#"{"__type":"MissingAuthenticationTokenException""#);
    let answer = send(at, &ask("", "GET", "/").unsigned().host("iam.amazonaws.com")).await;
    check(&answer, 403, "<Code>MissingAuthenticationToken</Code>");
    check(&send(at, &ask("", "GET", "/").unsigned()).await, 403, "eks, sts, iam, ssm");
}

#[tokio::test]
async fn a_service_that_is_not_served_is_named() {
    let (_gateway, _serving, at) = start().await;
    check(&send(at, &ask("s3", "GET", "/bucket")).await, 400, "does not serve the service s3");
    let stacks = form("cloudformation", "Action=ListStacks");
    check(&send(at, &stacks).await, 400, "<Code>UnsupportedOperation</Code>");
    let elsewhere = ask("eks", "GET", "/clusters").host("lambda.ap-northeast-2.amazonaws.com");
    check(&send(at, &elsewhere).await, 400, "does not serve the service lambda");
}

#[tokio::test]
async fn a_scope_that_is_not_the_hosts_is_refused() {
    let (_gateway, _serving, at) = start().await;
    let answer = send(at, &ask("eks", "GET", "/clusters/blue").host("eks.us-west-2.amazonaws.com")).await;
    check(&answer, 403, "us-west-2");
    let answer = send(at, &ask("ec2", "GET", "/clusters/blue").host("eks.ap-northeast-2.amazonaws.com")).await;
    check(&answer, 403, "Credential should be scoped to correct service: 'eks'");
    let answer = send(at, &ask("eks", "GET", "/clusters").keys(|keys| keys.region = "mars-north-1".to_owned())).await;
    check(&answer, 403, "Credential should be scoped to a valid region");
    let role = form("iam", "Action=GetRole&RoleName=r").host("iam.amazonaws.com");
    check(&send(at, &role).await, 403, "us-east-1");
}

#[tokio::test]
async fn only_the_right_key_at_the_right_time_gets_in() {
    let (_gateway, _serving, at) = start().await;
    let good = ask("eks", "GET", "/clusters/blue");
    let session = |id: &'static str, token: Option<&'static str>| {
        good.clone().keys(|keys| {
            keys.access_key_id = id.to_owned();
            keys.session_token = token.map(str::to_owned);
        })
    };
    let kind = async |ask: Ask| {
        let answer = send(at, &ask).await;
        let kind = answer.headers.get("x-amzn-errortype").map(|kind| kind.to_str().unwrap().to_owned());
        kind.unwrap_or_else(|| answer.code.to_string())
    };
    assert_eq!(kind(session("TMP", Some("token"))).await, "200 OK");
    for (id, token) in [("TMP", None), ("TMP", Some("other")), ("AK", Some("token")), ("OFF", None), ("WHO", None)] {
        assert_eq!(kind(session(id, token)).await, "UnrecognizedClientException", "{id} {token:?}");
    }
    assert_eq!(kind(session("OLD", Some("token"))).await, "ExpiredTokenException");
    let wrong = good.clone().keys(|keys| keys.secret = "guess".to_owned());
    assert_eq!(kind(wrong).await, "InvalidSignatureException");
    let mut late = good.clone();
    late.time = Fixed.now() - SignedDuration::from_mins(6);
    assert_eq!(kind(late).await, "InvalidSignatureException");
    // An expired session learns that only with the right secret.
    let stranger = session("OLD", Some("token")).keys(|keys| keys.secret = "guess".to_owned());
    assert_eq!(kind(stranger).await, "InvalidSignatureException");
}

#[tokio::test]
async fn a_presigned_url_gets_in() {
    let (_gateway, _serving, at) = start().await;
    let mut ask = ask("sts", "GET", "/").host("sts.ap-northeast-2.amazonaws.com");
    let keys = ask.keys.take().unwrap();
    let headers = vec![("host", ask.host.as_bytes())];
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    let parts = Parts { method: "GET", path: "/", query, headers, body: b"" };
    ask.target = format!("/?{}", presign(&parts, &keys, 60, Fixed.now()));
    check(&send(at, &ask).await, 200, "user/AK in ap-northeast-2</Arn>");
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_in_the_services_form() {
    let (_gateway, _serving, at) = start().await;
    for size in [1024 * 1024 + 1, 10 * 1024 * 1024] {
        let mut create = ask("eks", "POST", "/clusters");
        create.body = vec![b' '; size];
        let answer = send(at, &create).await;
        check(&answer, 413, "exceeds the limit of 1048576 bytes");
        assert_eq!(answer.headers["x-amzn-errortype"], "RequestEntityTooLarge");
    }
    let mut role = form("iam", "");
    role.body = vec![b'a'; 2 * 1024 * 1024];
    check(&send(at, &role).await, 413, "<Code>RequestEntityTooLarge</Code>");
}

#[tokio::test]
async fn health_is_for_the_host_only() {
    let (gateway, _serving, at) = start().await;
    let health = Ask { host: "localhost", ..ask("", "GET", "/_postern/health").unsigned() };
    let answer = over(TcpStream::connect(at).await.unwrap(), health.request(false), false).await.unwrap();
    check(&answer, 200, r#"{"status":"ok"}"#);
    let request = health.request(false);
    let answer = gateway.handle(request, gateway::Origin::Network).await;
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn over_tls_the_same_is_answered_but_for_the_health() {
    let (gateway, _serving, _) = start().await;
    let certified = rcgen::generate_simple_self_signed(vec!["eks.ap-northeast-2.amazonaws.com".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = gateway.serve_tls(listener, &server);
    for (protocol, http2) in [("h2", true), ("http/1.1", false)] {
        let mut config = client.clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let connect = async || {
            let name = rustls::pki_types::ServerName::try_from("eks.ap-northeast-2.amazonaws.com").unwrap();
            let stream = connector.connect(name, TcpStream::connect(at).await.unwrap()).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
            stream
        };
        let blue = ask("eks", "GET", "/clusters/blue").host("eks.ap-northeast-2.amazonaws.com");
        check(&over(connect().await, blue.request(http2), http2).await.unwrap(), 200, "blue");
        let health = ask("", "GET", "/_postern/health").host("eks.ap-northeast-2.amazonaws.com").unsigned();
        assert_eq!(over(connect().await, health.request(http2), http2).await.unwrap().code, 403);
    }
    serving.stop().await;
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn random_bytes_do_no_harm_and_a_stop_frees_the_address() {
    let (_gateway, serving, at) = start().await;
    for round in 0..500_usize {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let mut noise = if round % 2 == 0 { b"GET /clusters HTTP/1.1\r\n".to_vec() } else { Vec::new() };
        while noise.len() < round {
            noise.extend_from_slice(&base::random_bytes::<16>());
        }
        let _ = stream.write_all(&noise).await;
        if round % 50 == 0 {
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
        }
    }
    check(&send(at, &ask("eks", "GET", "/clusters/blue")).await, 200, "blue");
    serving.stop().await;
    assert!(TcpStream::connect(at).await.is_err());
    TcpListener::bind(at).await.unwrap();
}
