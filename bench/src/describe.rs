//! DescribeCluster calls a second, every signature verified, against moto's server (which verifies none): the same
//! client, connections and count, taking turns.

use crate::aws::Aws;
use crate::daemon::{Daemon, REGION};
use crate::figure::{Figure, Target, median};
use crate::scenery;
use anyhow::{Context, ensure};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Connections at a time.
const CLIENTS: usize = 16;
/// Calls of a turn over all connections.
const CALLS: usize = 1600;
/// Turns of each.
const TURNS: usize = 5;

/// What every answer holds, early.
const NAME: &[u8] = b"cluster/one\"";

/// Moto's server on the loopback; killed when it goes out of scope.
struct Moto(Child, SocketAddr);

impl Moto {
    /// `POSTERN_PYTHON` says with which Python, by default `python3`.
    async fn start() -> anyhow::Result<Self> {
        let python = std::env::var_os("POSTERN_PYTHON").unwrap_or_else(|| "python3".into());
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(&python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut it =
            Self(command.spawn().with_context(|| format!("cannot run {}", Path::new(&python).display()))?, address);
        let deadline = Instant::now() + Duration::from_secs(60);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(it.0.try_wait()?.is_none(), "moto's server ended: is moto[server,eks,ec2] installed?");
            ensure!(Instant::now() < deadline, "moto's server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(it)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures.
///
/// # Errors
/// When anything does not work.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::up()?;
    let mut ours = Aws::new(daemon.listen, daemon.key.clone(), REGION);
    let vpc = scenery::vpc(&mut ours, 1).await?;
    let role = scenery::role(&mut ours).await?;
    scenery::create(&mut ours, "one", &role, &vpc).await?;
    let mut forged = Aws::new(daemon.listen, (daemon.key.0.clone(), "not the secret".to_owned()), REGION);
    ensure!(forged.eks("GET", "/clusters/one", None).await.is_err(), "a wrong signature was taken");
    let moto = Moto::start().await?;
    let mut theirs = Aws::new(moto.1, ("AKIDEXAMPLE".to_owned(), "secret".to_owned()), REGION);
    let role = "arn:aws:iam::123456789012:role/bench";
    let request = scenery::cluster_request("one", role, &["subnet-12345678".to_owned(), "subnet-87654321".to_owned()]);
    theirs.eks("POST", "/clusters", Some(&request)).await?;
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        fast.push(turn(&ours).await?);
        slow.push(turn(&theirs).await?);
    }
    Ok(vec![Figure {
        name: format!("DescribeCluster, {CLIENTS} connections"),
        value: median(&fast),
        unit: "calls/s",
        baseline: Some((median(&slow), "moto's server")),
        target: Target::RatioAtLeast(50.0),
    }])
}

/// So many calls over all connections; calls a second. Requests are signed before the clock runs, so that the client
/// costs as little as it can.
async fn turn(aws: &Aws) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let requests: Vec<_> = (0..CALLS / CLIENTS).map(|_| aws.eks_get("/clusters/one")).collect::<Result<_, _>>()?;
        clients.push((aws.another(), requests));
    }
    let started = Instant::now();
    let mut running = Vec::new();
    for (mut client, requests) in clients {
        running.push(tokio::spawn(async move {
            for request in requests {
                let (status, body) = client.answer(request).await?;
                let named = body.windows(NAME.len()).any(|it| it == NAME);
                ensure!(status == 200 && named, "{status} {body:?}");
            }
            Ok(())
        }));
    }
    for client in running {
        client.await??;
    }
    Ok(CALLS as f64 / started.elapsed().as_secs_f64())
}
