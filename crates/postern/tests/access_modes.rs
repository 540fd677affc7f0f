//! The endpoint is where its access mode says: addresses and reachability, outside and in an instance, mode by mode.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, host, sorted, until};
use std::net::Ipv4Addr;

const CURL_TIMED_OUT: i32 = 28;

struct Seen {
    addresses: Vec<String>,
    code: i32,
    body: String,
}

fn look(postern: &Postern, place: &str, name: &str) -> Seen {
    let addresses = sorted(&postern.at(place, &["dig", "+short", "+time=2", "+tries=1", name]).ok());
    let url = format!("https://{name}/version");
    let ran = postern.at(place, &["curl", "-k", "-s", "--max-time", "2", &url]);
    Seen { addresses, code: ran.code, body: ran.out }
}

fn all_public(seen: &Seen) -> bool {
    let public = |it: &String| it.parse::<Ipv4Addr>().unwrap().octets()[0] == 198;
    seen.addresses.len() == 2 && seen.addresses.iter().all(public)
}

#[test]
fn addresses_and_reach_follow_the_mode() {
    let postern = Postern::up("eu-central-1");
    let (_, subnets) = postern.public_vpc("10.40.0.0/16", [("a", "10.40.7.0/24"), ("b", "10.40.9.0/24")]);
    let instance = postern.instance(&subnets[0]);
    let cluster = postern.cluster("modes", "1.30", &subnets, "");
    let name = host(&cluster);
    let describe = "ec2 describe-network-interfaces --filters Name=description,Values=Amazon?EKS?modes";
    let interfaces = postern.aws(describe).json();
    let interfaces = interfaces["NetworkInterfaces"].as_array().unwrap().clone();
    let mut xenis: Vec<String> =
        interfaces.iter().map(|it| it["PrivateIpAddress"].as_str().unwrap().to_owned()).collect();
    xenis.sort();
    assert_eq!(xenis.len(), 2);

    // public
    for place in ["outside", &instance] {
        let seen = look(&postern, place, &name);
        assert!(all_public(&seen), "{place}: {:?}", seen.addresses);
        assert!(seen.body.contains("\"gitVersion\": \"v1.30"), "{place}: {} {}", seen.code, seen.body);
    }

    // public and private: the instance gets the X-ENIs, and a rule is needed
    postern.set_access("modes", "endpointPublicAccess=true,endpointPrivateAccess=true");
    let outside = look(&postern, "outside", &name);
    assert!(all_public(&outside) && outside.code == 0);
    let inside = look(&postern, &instance, &name);
    assert_eq!((inside.addresses, inside.code), (xenis.clone(), CURL_TIMED_OUT));
    let group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().unwrap();
    postern
        .aws(&format!(
            "ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 443 --cidr 10.40.0.0/16"
        ))
        .ok();
    until("443 is open to the VPC", || look(&postern, &instance, &name).code == 0);

    // private
    postern.set_access("modes", "endpointPublicAccess=false");
    let outside = look(&postern, "outside", &name);
    assert_eq!((outside.addresses, outside.code), (xenis.clone(), CURL_TIMED_OUT));
    let inside = look(&postern, &instance, &name);
    assert_eq!((inside.addresses, inside.code), (xenis, 0));

    // and back, to some only
    postern
        .set_access("modes", "endpointPublicAccess=true,endpointPrivateAccess=false,publicAccessCidrs=198.18.10.0/24");
    assert_eq!(look(&postern, "outside", &name).code, 0);
    let inside = look(&postern, &instance, &name);
    assert!(all_public(&inside));
    assert_eq!(inside.code, CURL_TIMED_OUT, "an instance's public address is not on the list");
}

#[test]
fn a_connection_by_a_way_that_stays_open_is_not_cut() {
    let postern = Postern::up("us-west-2");
    let (_, subnets) = postern.public_vpc("172.20.0.0/16", [("a", "172.20.1.0/24"), ("b", "172.20.2.0/24")]);
    let instance = postern.instance(&subnets[1]);
    let cluster = postern.cluster("steady", "1.29", &subnets, ",endpointPrivateAccess=true");
    let group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().unwrap();
    let open = format!("ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 443");
    postern.aws(&format!("{open} --cidr 172.20.0.0/16")).ok();
    let name = host(&cluster);
    let mut client = KeptConnection::open(&postern, &instance, &name);
    assert!(client.ask(), "the private way");
    postern.set_access("steady", "endpointPublicAccess=false");
    assert!(client.ask(), "the private way stays open when the public one closes");
    postern.set_access("steady", "endpointPublicAccess=true,endpointPrivateAccess=false");
    assert!(client.ask(), "a connection that stands is not cut when names lead elsewhere");
}

#[test]
fn going_private_hangs_up_on_public_connections() {
    let postern = Postern::up("eu-west-1");
    let (_, subnets) = postern.public_vpc("10.9.0.0/16", [("a", "10.9.1.0/24"), ("c", "10.9.3.0/24")]);
    let cluster = postern.cluster("ghosts", "1.31", &subnets, "");
    let mut client = KeptConnection::open(&postern, "outside", &host(&cluster));
    assert!(client.ask());
    postern.set_access("ghosts", "endpointPublicAccess=false,endpointPrivateAccess=true");
    assert!(!client.ask(), "the connection is over");
    until("the laptop has no socket to 443 left", || {
        let sockets = postern.at("outside", &["ss", "-Htn", "dport", "=", ":443"]).ok();
        // a closed socket may linger in TIME-WAIT; a ghost would be ESTAB or FIN-WAIT-1
        !sockets.lines().any(|it| it.starts_with("ESTAB") || it.starts_with("FIN-WAIT-1"))
    });
}

/// One HTTPS connection at a place that is kept between requests.
struct KeptConnection {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl KeptConnection {
    fn open(postern: &Postern, place: &str, name: &str) -> Self {
        use std::io::BufRead as _;
        let script = "
import http.client, ssl, sys
client = http.client.HTTPSConnection(sys.argv[1], timeout=5, context=ssl._create_unverified_context())
client.connect()
client.auto_open = 0
for line in sys.stdin:
    try:
        client.request('GET', '/readyz')
        print(client.getresponse().read().decode(), flush=True)
    except Exception as error:
        print('over:', error, flush=True)
";
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["at", place, "--", "python3", "-c", script, name])
            .env("POSTERN_DATA_DIR", postern.data_dir())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Asks on the connection; whether it was answered.
    fn ask(&mut self) -> bool {
        use std::io::Write as _;
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.lines.next().unwrap().unwrap() == "ok"
    }
}

impl Drop for KeptConnection {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
