//! How much goes through to a control plane instance, by the X-ENI from an instance and by the public address from
//! outside, against a plain veth pair between two namespaces.
//!
//! The API server answers small bodies only, and TLS would hide the path behind its own cost. So plain TCP is sent to a
//! sink in the control plane instance's namespace, a process of its own, at a port beside 443. For the X-ENI that needs what a user would do:
//! one rule in the security group. For the public address a rule that translates this port is added beside the one for 443,
//! which the kernel asks once a connection; all that a packet meets is what it meets on its way to 443.

use crate::aws::Aws;
use crate::daemon::{Daemon, REGION};
use crate::figure::{Figure, Target, median};
use crate::place::{Place, shell};
use crate::scenery::{self, PUBLIC_RESOLVER};
use crate::sink::{Block, PORT, Sink};
use anyhow::{Context, ensure};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one turn sends.
const TURN: Duration = Duration::from_millis(700);
/// Turns of each path.
const TURNS: usize = 15;

/// One way to send, and who reads at its end.
struct Way {
    from: Place,
    to: Ipv4Addr,
    sinks: Vec<Sink>,
}

/// Measures; the ways and the plain pairs take turns.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::up()?;
    let (xeni, public) = ways(&daemon).await?;
    let plain = [Pair::new("j", 9001)?, Pair::new("e", 1500)?];
    let ways = [&xeni, &public, &plain[0].way, &plain[1].way];
    let mut seen: [Vec<f64>; 4] = Default::default();
    for turn in 0..=TURNS {
        for (way, seen) in ways.iter().zip(&mut seen) {
            let rate = send(way)?;
            // The first turn opens windows and fills caches.
            if turn > 0 {
                seen.push(rate);
            }
        }
    }
    let figure = |name: &str, value: &[f64], baseline: &[f64], what, least| {
        // A round's two turns follow each other within two seconds, so their ratio says more than two medians.
        let ratios: Vec<f64> = value.iter().zip(baseline).map(|(value, baseline)| value / baseline).collect();
        let middle = median(baseline);
        Figure {
            name: name.to_owned(),
            value: median(&ratios) * middle,
            unit: "Gbit/s",
            baseline: Some((middle, what)),
            target: Target::RatioAtLeast(least),
        }
    };
    let [xeni, public, jumbo, ethernet] = &seen;
    Ok(vec![
        figure("TCP to the X-ENI from an instance", xeni, jumbo, "a veth pair, MTU 9001", 0.9),
        figure("TCP to the public address from outside", public, ethernet, "a veth pair, MTU 1500", 0.75),
    ])
}

/// Makes a cluster with sinks in its control plane instances.
async fn ways(daemon: &Daemon) -> anyhow::Result<(Way, Way)> {
    let mut aws = Aws::new(daemon.listen, daemon.key.clone(), REGION);
    let vpc = scenery::vpc(&mut aws, 1).await?;
    let role = scenery::role(&mut aws).await?;
    let instance = scenery::instance(&mut aws, vpc.subnets.first().context("a subnet")?).await?;
    let cluster = scenery::create(&mut aws, "wide", &role, &vpc).await?;
    scenery::open(&mut aws, &cluster, PORT).await?;
    let endpoint = crate::endpoint::Endpoint::of(&cluster)?;
    let pin = daemon.place("outside")?;
    let outside = Place::at(&pin);
    let public = outside.resolver(PUBLIC_RESOLVER)?.addresses(&endpoint.host).await?;
    let private = scenery::interfaces(&mut aws, "wide").await?;
    let mut sinks = Vec::new();
    for zone in ["a", "c"] {
        let id = endpoint.host.get(..16).context("an endpoint's id")?;
        sinks.push(Sink::start(&sibling(&pin, &format!("cp-{id}-{zone}"))?)?);
    }
    let to = *public.first().context("a public address")?;
    translate(&sibling(&pin, "provider")?, to)?;
    let xeni = *private.first().context("an X-ENI")?;
    let xeni = Way { from: Place::at(daemon.place(&instance)?), to: xeni, sinks };
    Ok((xeni, Way { from: outside, to, sinks: Vec::new() }))
}

/// The pin of another namespace of the same daemon.
fn sibling(outside: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let text = outside.to_str().and_then(|it| it.strip_suffix("outside")).context("the pin of outside")?;
    Ok(format!("{text}{name}").into())
}

/// Has a port beside 443 translated to the same control plane instance, by a table of its own: the daemon would put its
/// own table right again. The kernel asks such a chain for the first packet of a connection only.
fn translate(provider: &Path, public: Ipv4Addr) -> anyhow::Result<()> {
    let namespace = provider.file_name().and_then(|it| it.to_str()).context("the provider's pin")?;
    let words = ["netns", "exec", namespace, "nft", "list", "map", "inet", "provider", "targets"];
    let listed = std::process::Command::new("ip").args(words).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let rest = text.split_once(&format!("{public} . 443 : ")).map(|(_, rest)| rest);
    let target = rest.and_then(|it| it.split(' ').next()).with_context(|| format!("{public} in {text}"))?;
    let mut script = tempfile::NamedTempFile::new()?;
    writeln!(
        script,
        "table inet bench {{\n chain in {{ type nat hook prerouting priority dstnat - 1;\n \
         ip daddr {public} tcp dport {PORT} dnat ip to {target}:{PORT}\n }}\n }}"
    )?;
    shell(&format!("ip netns exec {namespace} nft -f {}", script.path().display()))
}

/// Sends for a turn and waits until all was read; Gbit/s.
fn send(way: &Way) -> anyhow::Result<f64> {
    let socket = way.from.inside(|| Socket::new(Domain::IPV4, Type::STREAM, None))?;
    socket.connect_timeout(&SockAddr::from(SocketAddr::from((way.to, PORT))), Duration::from_secs(5))?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let block = Block::new();
    let (started, mut bytes) = (Instant::now(), 0u64);
    while started.elapsed() < TURN {
        stream.write_all(&block.0)?;
        bytes += block.0.len() as u64;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut done = [0];
    ensure!(stream.read(&mut done)? == 1, "the sink did not read all");
    Ok(bytes as f64 * 8.0 / started.elapsed().as_secs_f64() / 1e9)
}

/// Two namespaces and a veth pair, as the `ip` command makes them.
struct Pair {
    names: [String; 2],
    way: Way,
}

impl Pair {
    fn new(what: &str, mtu: u32) -> anyhow::Result<Self> {
        let names = ["x", "y"].map(|end| format!("bench{}{what}{end}", std::process::id()));
        let to = Ipv4Addr::new(10, 99, 0, 2);
        let from = Place::at(format!("/run/netns/{}", names[0]));
        // From here on whatever was made is removed again.
        let mut pair = Self { names, way: Way { from, to, sinks: Vec::new() } };
        let [one, two] = &pair.names;
        shell(&format!("ip netns add {one}"))?;
        shell(&format!("ip netns add {two}"))?;
        shell(&format!("ip -n {one} link add eth0 mtu {mtu} type veth peer name eth0 mtu {mtu} netns {two}"))?;
        for (name, end) in [(one, 1), (two, 2)] {
            shell(&format!("ip -n {name} addr add 10.99.0.{end}/24 dev eth0"))?;
            shell(&format!("ip -n {name} link set eth0 up"))?;
        }
        let sink = Sink::start(Path::new(&format!("/run/netns/{two}")))?;
        pair.way.sinks.push(sink);
        Ok(pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in &self.names {
            // Missing when the making failed half-way.
            let _ = shell(&format!("ip netns del {name}"));
        }
    }
}
