//! Debian's etcd on the loopback, and puts to it that cost their client as little as ours: gRPC is HTTP/2, of which a
//! put needs three kinds of frames. There is no TLS and nobody to authenticate: whatever that costs, etcd is spared.

use anyhow::{Context, bail, ensure};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a client of HTTP/2 begins with: the preface, no settings, and a window for all answers of a run.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\x3f\xff\xff\xff";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A running etcd; ends with this value.
pub struct Etcd {
    process: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Etcd {
    /// Starts one with an empty store. `POSTERN_ETCD` says which binary, by default `etcd`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let binary = std::env::var_os("POSTERN_ETCD").unwrap_or_else(|| "etcd".into());
        let dir = tempfile::Builder::new().prefix("postern-bench-etcd-").tempdir()?;
        let free = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?);
        let (address, peer) = (free()?, free()?);
        let (clients, peers) = (format!("http://{address}"), format!("http://{peer}"));
        // The shell ends it when this program's end of the pipe is closed, however that comes about.
        let mut command = Command::new("sh");
        command.args(["-c", "\"$@\" </dev/null & it=$!; cat >/dev/null; kill -9 $it; wait $it", "etcd"]).arg(&binary);
        command.arg("--data-dir").arg(dir.path());
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().with_context(|| format!("cannot run {}", binary.display()))?;
        let it = Self { process, address, _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(30);
        // It listens before it has elected itself; a put tells.
        while it.answers().await.is_err() {
            ensure!(Instant::now() < deadline, "etcd does not answer: is etcd-server installed?");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(it)
    }

    async fn answers(&self) -> anyhow::Result<()> {
        let put = async { self.connect().await?.put(b"ready", b"").await };
        tokio::time::timeout(Duration::from_secs(5), put).await?
    }

    /// A connection.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> anyhow::Result<Putter> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(HELLO).await?;
        Ok(Putter { stream, number: 1, head: head(&self.address.to_string()), sent: Vec::new(), read: Vec::new() })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.process.stdin.take();
        // Nobody to tell when even waiting fails.
        let _ = self.process.wait();
    }
}

/// A connection that puts, one after the other.
pub struct Putter {
    stream: BufReader<TcpStream>,
    /// The next stream.
    number: u32,
    head: Vec<u8>,
    sent: Vec<u8>,
    read: Vec<u8>,
}

impl Putter {
    /// Puts; returns when it is answered.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        let number = self.number;
        self.number += 2;
        let mut message = Vec::with_capacity(key.len() + value.len() + 16);
        field(&mut message, 1, key);
        field(&mut message, 2, value);
        self.sent.clear();
        frame(&mut self.sent, HEADERS, END_HEADERS, number, &[&self.head]);
        let length = u32::try_from(message.len())?.to_be_bytes();
        frame(&mut self.sent, DATA, END_STREAM, number, &[&[0], &length, &message]);
        self.stream.get_mut().write_all(&self.sent).await?;
        self.answer(number).await
    }

    /// Reads until the stream ends. A failure has no message, only trailers.
    async fn answer(&mut self, number: u32) -> anyhow::Result<()> {
        let mut message = false;
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            self.read.resize(u32::from_be_bytes([0, a, b, c]) as usize, 0);
            self.stream.read_exact(&mut self.read).await?;
            let ours = u32::from_be_bytes(stream) == number;
            match kind {
                SETTINGS if flags & ACK == 0 => self.reply(SETTINGS, false).await?,
                PING if flags & ACK == 0 => self.reply(PING, true).await?,
                DATA if ours => message = true,
                HEADERS if ours && flags & END_STREAM != 0 => {
                    ensure!(message, "etcd refused a put");
                    return Ok(());
                }
                RESET if ours => bail!("etcd gave a put up"),
                GO_AWAY => bail!("etcd closes the connection"),
                _ => {}
            }
        }
    }

    async fn reply(&mut self, kind: u8, with_payload: bool) -> anyhow::Result<()> {
        let mut reply = Vec::new();
        let payload: &[u8] = if with_payload { &self.read } else { &[] };
        frame(&mut reply, kind, ACK, 0, &[payload]);
        Ok(self.stream.get_mut().write_all(&reply).await?)
    }
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|it| it.len()).sum();
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(length.iter().skip(1));
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    payload.iter().for_each(|it| out.extend_from_slice(it));
}

/// The headers of a put, without any reference to a table that grows (RFC 7541, 6.2.2), so that they are always the same.
fn head(authority: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` by their numbers.
    let mut out = vec![0x83, 0x86];
    let mut text = |begins: &[u8], texts: &[&str]| {
        out.extend_from_slice(begins);
        for text in texts {
            // All are shorter than 127 bytes.
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
    };
    text(&[0x04], &["/etcdserverpb.KV/Put"]);
    text(&[0x01], &[authority]);
    text(&[0x0f, 0x10], &["application/grpc"]);
    text(&[0x00], &["te", "trailers"]);
    out
}

/// A field of bytes in a protobuf message.
fn field(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
}

/// Puts values over connections, each one's after another; the answers a second.
///
/// # Errors
/// When one is refused.
pub async fn rate(putters: &mut Vec<Putter>, puts: Vec<Vec<(String, String)>>) -> anyhow::Result<f64> {
    let count: usize = puts.iter().map(Vec::len).sum();
    let started = Instant::now();
    let mut running = Vec::new();
    for (mut putter, puts) in putters.drain(..).zip(puts) {
        running.push(tokio::spawn(async move {
            for (key, value) in puts {
                putter.put(key.as_bytes(), value.as_bytes()).await?;
            }
            anyhow::Ok(putter)
        }));
    }
    for putter in running {
        putters.push(putter.await??);
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_fields_are_as_their_documents_say() {
        let mut out = Vec::new();
        frame(&mut out, DATA, END_STREAM, 3, &[b"ab", b"c"]);
        assert_eq!(out, b"\0\0\x03\0\x01\0\0\0\x03abc");
        let mut out = Vec::new();
        field(&mut out, 2, &[7; 300]);
        assert_eq!((out.len(), &out[..3]), (303, &[0x12, 0xac, 0x02][..]));
    }
}
