//! What no client should send: every refusal has its protocol's own shape, what is no protocol at all is closed, and
//! the daemon goes on, the same process as before.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, Ran, host, until};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How soon the service answers an ordinary client while others misbehave. Ten times what it takes, for a busy machine.
const PROMPT: Duration = Duration::from_secs(5);

/// A larger body than any operation's.
const TEN_MIB: usize = 10 * 1024 * 1024;

const STATES_A_FORM: &str = "content-type: application/x-www-form-urlencoded";
const STATES_JSON: &str = "content-type: application/x-amz-json-1.1";
const NO_SUCH_TARGET: &str = "x-amz-target: AmazonSSM.Nope";
const TARGET: &str = "x-amz-target: AmazonSSM.GetParameter";

/// An HTTP answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The error's code, from where the service's protocol has it, with everything around it that a client reads.
    fn code(&self, service: &str) -> String {
        assert!(self.header("x-amzn-requestid").is_some_and(|it| it.len() == 36), "{self:?}");
        let between = |from: &str, to: &str| {
            let (_, rest) = self.body.split_once(from).unwrap_or_else(|| panic!("no {from}: {self:?}"));
            rest.split_once(to).unwrap_or_else(|| panic!("no {to}: {self:?}")).0.to_owned()
        };
        let (kind, code) = match service {
            "eks" | "ssm" => {
                let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
                let code = self.header("x-amzn-errortype").unwrap().to_owned();
                assert!(body["message"].is_string(), "{body}");
                if service == "ssm" {
                    assert_eq!(body["__type"], code.as_str());
                }
                (if service == "eks" { "application/json" } else { "application/x-amz-json-1.1" }, code)
            }
            "ec2" => {
                let errors = between("<Response><Errors><Error>", "</Error></Errors><RequestID>");
                assert!(errors.contains("<Message>"), "{errors}");
                ("text/xml", between("<Code>", "</Code>"))
            }
            _ => {
                let error = between("<Error><Type>Sender</Type>", "</Error><RequestId>");
                assert!(self.body.starts_with("<ErrorResponse xmlns=") && error.contains("<Message>"), "{self:?}");
                ("text/xml", between("<Code>", "</Code>"))
            }
        };
        assert!(self.header("content-type").is_some_and(|it| it.starts_with(kind)), "{self:?}");
        code
    }
}

/// Where a request is sent: the host's port, or the real host names at `outside`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Host,
    Outside,
}

/// How a request is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Nobody,
    Us,
    WrongSecret,
    Stranger,
}

/// Sends a request with curl; `extra` are its arguments.
fn send(postern: &Postern, side: Side, service: &str, by: By, path: &str, extra: &[&str]) -> Answer {
    let global = service == "iam" && side == Side::Outside;
    let region = if global { "us-east-1" } else { &postern.region };
    let base = match side {
        Side::Host => format!("http://{}", postern.listen),
        Side::Outside if global => "https://iam.amazonaws.com".to_owned(),
        Side::Outside => format!("https://{service}.{region}.amazonaws.com"),
    };
    let (url, scope) = (format!("{base}{path}"), format!("aws:amz:{region}:{service}"));
    let (key, secret) = &postern.key;
    let user = match by {
        By::Stranger => format!("AKIAAAAAAAAAAAAAAAAA:{secret}"),
        By::WrongSecret => format!("{key}:{secret}x"),
        _ => format!("{key}:{secret}"),
    };
    let mut args = vec!["curl", "-s", "-S", "-i", "--noproxy", "*", "--max-time", "20", "-H", "expect:"];
    if by != By::Nobody {
        args.extend(["--aws-sigv4", &scope, "--user", &user]);
    }
    args.extend(extra);
    args.push(&url);
    let ran = match side {
        Side::Host => run(Command::new(args[0]).args(&args[1..])),
        Side::Outside => postern.at("outside", &args),
    };
    let text = ran.ok();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// One row: service, path, curl's arguments, then the status, the code, and what the message names.
type Row<'a> = (&'a str, &'a str, Vec<&'a str>, u16, &'a str, &'a str);

/// What is signed well and wrong in itself.
fn malformed() -> Vec<Row<'static>> {
    let form = |body| vec!["-H", STATES_A_FORM, "--data", body];
    let json = |target, body| vec!["-H", STATES_JSON, "-H", target, "--data", body];
    let (post, serialization) = (|body| vec!["--data", body], "SerializationException");
    vec![
        ("eks", "/clusters", post("{"), 400, serialization, "not valid JSON"),
        ("eks", "/clusters", post("[1]"), 400, serialization, "START_ARRAY"),
        ("eks", "/clusters", post(r#"{"name":7}"#), 400, serialization, "name: NUMBER_VALUE"),
        ("eks", "/clusters?maxResults=many", vec![], 400, serialization, "maxResults"),
        ("eks", "/nowhere", vec![], 404, "UnknownOperationException", "/nowhere"),
        ("eks", "/clusters/x/addons", vec![], 400, "UnsupportedOperationException", "eks:ListAddons"),
        ("ec2", "/", form("Action=Nope&Version=2016-11-15"), 400, "InvalidAction", "Nope"),
        ("ec2", "/", form("Action=CreateTransitGateway"), 400, "UnsupportedOperation", "ec2:CreateTransitGateway"),
        ("ec2", "/", form("{\"a\":1}"), 400, "MissingAction", "action"),
        ("ec2", "/", form("Action=DescribeVpcs&Filter.1.Name=%ff"), 400, "MalformedQueryString", "UTF-8"),
        ("ec2", "/", form("Action=DescribeVpcs&MaxResults=many"), 400, "InvalidParameterValue", "MaxResults"),
        ("iam", "/", form("Action=Nope&Version=2010-05-08"), 400, "InvalidAction", "Nope"),
        ("iam", "/", form("Action=CreateSAMLProvider"), 400, "UnsupportedOperation", "iam:CreateSAMLProvider"),
        ("iam", "/", form("Action=ListRoles&Marker=%ff"), 400, "MalformedQueryString", "UTF-8"),
        ("sts", "/", form("Action=GetCallerIdentity&Version=2099-01-01"), 400, "NoSuchVersion", "2099-01-01"),
        ("sts", "/", form("x=y"), 400, "MissingAction", "action"),
        ("ssm", "/", json(TARGET, "{\""), 400, serialization, "not valid JSON"),
        ("ssm", "/", json(TARGET, r#"{"Name":{}}"#), 400, serialization, "Name: START_OBJECT"),
        ("ssm", "/", json(NO_SUCH_TARGET, "{}"), 400, "UnknownOperationException", "AmazonSSM.Nope"),
        (
            "ssm",
            "/",
            json("x-amz-target: AmazonSSM.PutParameter", "{}"),
            400,
            "UnsupportedOperationException",
            "ssm:PutPar",
        ),
    ]
}

/// An ordinary request of each service.
fn ordinary(service: &str) -> (&'static str, Vec<&'static str>) {
    match service {
        "eks" => ("/clusters", vec![]),
        "ec2" => ("/", vec!["-H", STATES_A_FORM, "--data", "Action=DescribeVpcs&Version=2016-11-15"]),
        "iam" => ("/", vec!["-H", STATES_A_FORM, "--data", "Action=ListRoles&Version=2010-05-08"]),
        "sts" => ("/", vec!["-H", STATES_A_FORM, "--data", "Action=GetCallerIdentity&Version=2011-06-15"]),
        "ssm" => {
            let ask = r#"{"Path":"/aws/service/ami-amazon-linux-latest"}"#;
            ("/", vec!["-H", STATES_JSON, "-H", "x-amz-target: AmazonSSM.GetParametersByPath", "--data", ask])
        }
        other => panic!("{other}"),
    }
}

/// What each service says to one who did not sign, who signed with another secret, and whom nobody knows.
const STRANGERS: [(&str, u16, [&str; 3]); 5] = [
    ("eks", 403, ["MissingAuthenticationTokenException", "InvalidSignatureException", "UnrecognizedClientException"]),
    ("ec2", 401, ["AuthFailure", "AuthFailure", "AuthFailure"]),
    ("iam", 403, ["MissingAuthenticationToken", "SignatureDoesNotMatch", "InvalidClientTokenId"]),
    ("sts", 403, ["MissingAuthenticationToken", "SignatureDoesNotMatch", "InvalidClientTokenId"]),
    ("ssm", 400, ["MissingAuthenticationTokenException", "InvalidSignatureException", "UnrecognizedClientException"]),
];

#[test]
fn every_protocol_refuses_in_its_own_shape() {
    let postern = Postern::up("eu-central-1");
    let pid = postern.pid();
    for side in [Side::Host, Side::Outside] {
        for (service, path, extra, status, code, says) in malformed() {
            let answer = send(&postern, side, service, By::Us, path, &extra);
            let got = (answer.status, answer.code(service));
            assert_eq!((got.0, got.1.as_str()), (status, code), "{side:?} {service} {path} {extra:?}: {answer:?}");
            assert!(answer.body.contains(says), "{says}: {answer:?}");
        }
        for (service, status, codes) in STRANGERS {
            let (path, extra) = ordinary(service);
            let fine = send(&postern, side, service, By::Us, path, &extra);
            assert_eq!(fine.status, 200, "{side:?} {service}: {fine:?}");
            for (by, code) in [By::Nobody, By::WrongSecret, By::Stranger].into_iter().zip(codes) {
                let answer = send(&postern, side, service, by, path, &extra);
                let got = (answer.status, answer.code(service));
                assert_eq!((got.0, got.1.as_str()), (status, code), "{side:?} {service} {by:?}: {answer:?}");
            }
        }
    }
    let other = send(&postern, Side::Host, "s3", By::Us, "/", &[]);
    assert_eq!((other.status, other.header("x-amzn-errortype")), (400, Some("UnsupportedOperation")), "{other:?}");
    assert!(other.body.contains("the service s3"), "{other:?}");
    assert_eq!(postern.pid(), pid);
}

#[test]
fn a_body_of_ten_mebibytes_is_refused_whole() {
    let postern = Postern::up("eu-north-1");
    let pid = postern.pid();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body");
    std::fs::write(&file, vec![b'a'; TEN_MIB]).unwrap();
    let data = format!("@{}", file.display());
    for side in [Side::Host, Side::Outside] {
        for service in ["eks", "ec2", "iam", "sts", "ssm"] {
            let (path, mut extra) = ordinary(service);
            extra.retain(|it| !it.starts_with("Action=") && !it.starts_with('{') && *it != "--data");
            extra.extend(["--data-binary", &data]);
            for by in [By::Us, By::Nobody] {
                let answer = send(&postern, side, service, by, path, &extra);
                // without a signature, target, action or host name there is no telling whose protocol it is
                if by == By::Us || side == Side::Outside {
                    assert_eq!(answer.code(service), "RequestEntityTooLarge", "{side:?} {service}: {answer:?}");
                }
                assert_eq!(answer.status, 413, "{side:?} {service}: {answer:?}");
            }
        }
        let chunked = ["--http1.1", "-H", "transfer-encoding: chunked", "--data-binary", &data];
        let answer = send(&postern, side, "eks", By::Us, "/clusters", &chunked);
        assert_eq!((answer.status, answer.code("eks").as_str()), (413, "RequestEntityTooLarge"), "{answer:?}");
    }
    assert_eq!(postern.pid(), pid);
}

#[test]
fn signatures_are_verified_in_headers_and_urls() {
    let postern = Postern::up("ap-southeast-1");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/signatures.py");
    let script = script.to_str().unwrap();
    let mut here = Command::new("python3");
    here.args([script, &format!("http://{}", postern.listen)]).envs(postern.environment());
    assert_eq!(run(&mut here).ok().trim(), "ok");
    assert_eq!(postern.at("outside", &["python3", script]).ok().trim(), "ok");
}

#[test]
fn every_operation_of_eks_is_served_or_refused_by_name() {
    let postern = Postern::up("ap-southeast-2");
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("clients/operations.py")]).envs(postern.environment());
    run(&mut python).ok();
}

/// A network with an instance and a cluster that answers on both legs.
struct Ground {
    postern: Postern,
    instance: String,
    endpoint: String,
}

impl Ground {
    fn new(region: &str) -> Self {
        let postern = Postern::up(region);
        let (_, subnets) = postern.public_vpc("10.77.0.0/16", [("a", "10.77.1.0/24"), ("b", "10.77.2.0/24")]);
        let instance = postern.instance(&subnets[0]);
        let cluster = postern.cluster("sturdy", "1.30", &subnets, ",endpointPrivateAccess=true");
        let group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().unwrap();
        let open = format!("ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 443");
        postern.aws(&format!("{open} --cidr 10.77.0.0/16")).ok();
        let endpoint = host(&cluster);
        let ground = Self { postern, instance, endpoint };
        until("443 is open to the VPC", || ground.healthy(&ground.instance));
        ground
    }

    fn places(&self) -> [&str; 2] {
        ["outside", &self.instance]
    }

    fn healthy(&self, place: &str) -> bool {
        let url = format!("https://{}/readyz", self.endpoint);
        self.postern.at(place, &["curl", "-k", "-s", "--max-time", "5", &url]).out == "ok"
    }

    /// Everything answers, everywhere, over every transport, and soon.
    fn answers(&self, after: &str) {
        for place in self.places() {
            let started = Instant::now();
            assert!(self.healthy(place), "after {after}: the endpoint from {place}");
            for transport in ["+notcp", "+tcp"] {
                let dig = ["dig", "+short", "+time=2", "+tries=1", transport, &self.endpoint];
                let found = self.postern.at(place, &dig).ok();
                assert_eq!(found.lines().count(), 2, "after {after}: dig {transport} from {place}: {found}");
            }
            let url = format!("https://eks.{}.amazonaws.com/clusters", self.postern.region);
            let code = ["curl", "-k", "-s", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", &url];
            assert_eq!(self.postern.at(place, &code).ok(), "403", "after {after}: the API from {place}");
            assert!(started.elapsed() < PROMPT, "after {after}: {:?} from {place}", started.elapsed());
        }
        let here = send(&self.postern, Side::Host, "eks", By::Us, "/clusters", &[]);
        assert_eq!((here.status, here.body.as_str()), (200, r#"{"clusters":["sturdy"]}"#), "after {after}");
    }
}

#[test]
fn random_bytes_do_no_harm_anywhere() {
    let ground = Ground::new("us-east-2");
    let pid = ground.postern.pid();
    ground.answers("nothing");
    let noise = include_str!("clients/noise.py");
    let targets = |place: &str| {
        let resolver = if place == "outside" { "198.18.0.53" } else { "10.77.0.2" };
        [
            ("udp", resolver, "53"),
            ("tcp", resolver, "53"),
            ("tcp", "198.18.0.80", "443"),
            ("tcp", &*ground.endpoint, "443"),
        ]
        .map(|(kind, host, port)| (kind, host.to_owned(), port))
    };
    for place in ground.places() {
        for (kind, host, port) in targets(place) {
            ground.postern.at(place, &["python3", "-c", noise, kind, &host, port, "1000"]).ok();
            ground.answers(&format!("{kind} noise from {place} to {host}:{port}"));
        }
    }
    let (ip, port) = (ground.postern.listen.ip().to_string(), ground.postern.listen.port().to_string());
    run(Command::new("python3").args(["-c", noise, "tcp", &ip, &port, "1000"])).ok();
    ground.answers("noise to the host's port");
    assert_eq!(ground.postern.pid(), pid, "the daemon is the one it was");
    assert!(!ground.postern.log().contains("panicked"), "{}", ground.postern.log());
}

#[test]
fn idle_clients_keep_nobody_out() {
    let ground = Ground::new("us-east-1");
    let listen = ground.postern.listen;
    let (ip, port) = (listen.ip().to_string(), listen.port().to_string());
    let api = format!("eks.{}.amazonaws.com", ground.postern.region);
    let resolver = |place: &str| if place == "outside" { "198.18.0.53" } else { "10.77.0.2" };
    let mut held = vec![Idle::start(&ground.postern, None, ["http", &ip, &port])];
    for place in ground.places() {
        for target in [["tls", &api, "443"], ["tls", &ground.endpoint, "443"], ["dns", resolver(place), "53"]] {
            held.push(Idle::start(&ground.postern, Some(place), target));
        }
    }
    ground.answers("idle clients came");
    drop(held);
    ground.answers("idle clients went");
}

/// A hundred connections on which half of something was said.
struct Idle {
    child: Child,
}

impl Idle {
    fn start(postern: &Postern, place: Option<&str>, target: [&str; 3]) -> Self {
        let mut command = match place {
            None => Command::new("python3"),
            Some(place) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
                command.args(["at", place, "--", "python3"]).env("POSTERN_DATA_DIR", postern.data_dir());
                command
            }
        };
        command.args(["-c", include_str!("clients/idle.py")]).args(target).arg("100");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let it = Self { child };
        assert_eq!(line, "all stand\n", "{target:?}");
        it
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
