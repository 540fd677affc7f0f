//! Many watchers of one resource: what an idle one takes, and that each is told everything.

use super::stage::{Stage, object, path};
use crate::figure::{Figure, Target};
use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The watchers.
const WATCHERS: usize = 10_000;
/// Watches over one connection of HTTP/2; API servers let a connection have 250.
const SHARED: usize = 200;
/// Objects that are created while they watch.
const EVENTS: usize = 20;
/// Past it something is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// When anything does not work, or a watcher misses an event.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    eprintln!("kube: {WATCHERS} watchers");
    let stage = Stage::new().await?;
    let mut writer = stage.client().await?;
    // What is made once is made before it is counted.
    let created = writer.json(&stage.request("POST", &path(""), &object("before"))).await?;
    let version = created.pointer("/metadata/resourceVersion").and_then(Value::as_str).context("a version")?;
    let before = stage.daemon.resident()?;
    let mut watchers = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..WATCHERS / SHARED {
        let mut connection = connect(&stage).await?;
        for _ in 0..SHARED {
            watchers.push(watch(&stage, &mut connection, version).await?);
        }
        connections.push(connection);
    }
    let each = (stage.daemon.resident()? - before) / WATCHERS as f64;
    let started = Instant::now();
    let mut reading = JoinSet::new();
    for watcher in watchers {
        reading.spawn(tokio::time::timeout(PATIENCE, read(watcher)));
    }
    for number in 0..EVENTS {
        writer.json(&stage.request("POST", &path(""), &object(&format!("seen-{number}")))).await?;
    }
    while let Some(read) = reading.join_next().await {
        read?.context("a watcher waits for an event in vain")??;
    }
    let rate = (WATCHERS * EVENTS) as f64 / started.elapsed().as_secs_f64();
    let figure = |name: String, value, unit, target| Figure { name, value, unit, baseline: None, target };
    Ok(vec![
        figure(format!("daemon memory for each of {WATCHERS} idle watchers"), each, "KiB", Target::Below(16.0)),
        figure(format!("{EVENTS} events to each of {WATCHERS} watchers, all of them"), rate, "events/s", Target::None),
    ])
}

async fn connect(stage: &Stage) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
    let stream = TokioIo::new(stage.connect().await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    // Ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

async fn watch(stage: &Stage, on: &mut SendRequest<Empty<Bytes>>, version: &str) -> anyhow::Result<Incoming> {
    let (host, token) = stage.credentials();
    let uri = format!("https://{host}{}?watch=1&resourceVersion={version}", path(""));
    let request = Request::builder().uri(uri).header("authorization", format!("Bearer {token}"));
    on.ready().await?;
    let answer = on.send_request(request.body(Empty::new())?).await?;
    ensure!(answer.status() == 200, "a watch: {}", answer.status());
    Ok(answer.into_body())
}

/// Reads until all events are there, each a line, in their order and nothing else.
async fn read(mut body: Incoming) -> anyhow::Result<()> {
    let (mut line, mut seen) = (Vec::new(), 0);
    while seen < EVENTS {
        let frame = body.frame().await.context("a watch ended")??;
        for byte in frame.into_data().unwrap_or_default() {
            line.push(byte);
            if byte == b'\n' {
                let wanted = format!("\"name\":\"seen-{seen}\"");
                let right = line.starts_with(b"{\"type\":\"ADDED\"");
                ensure!(
                    right && contains(&line, wanted.as_bytes()),
                    "{} is not {seen}",
                    String::from_utf8_lossy(&line)
                );
                line.clear();
                seen += 1;
            }
        }
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|it| it == part)
}
