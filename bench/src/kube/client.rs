//! A client of HTTP/1.1 over TLS that costs as little as it can: it shares two processors with what it measures.
//! Requests are bytes that were made before the clock runs; answers are read for their status and their length.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The patience of one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub struct Client {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
    /// What of the buffer is read and not yet used.
    start: usize,
    end: usize,
}

/// An answer, without its body.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// How long the first byte of its body took.
    pub first: Duration,
    /// The bytes of its body.
    pub length: usize,
}

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
}

impl Client {
    /// Over an open stream.
    pub fn new(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, buffer: vec![0; 64 << 10], start: 0, end: 0 }
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// # Errors
    /// When the connection breaks, or no answer comes.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.exchange(request, &mut None)).await.context("no answer")?
    }

    /// Sends a request that must succeed; its answer's JSON.
    ///
    /// # Errors
    /// When it does not.
    pub async fn json(&mut self, request: &[u8]) -> anyhow::Result<Value> {
        let mut kept = Some(Vec::new());
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request, &mut kept)).await.context("no answer")??;
        let body = kept.unwrap_or_default();
        ensure!(answer.status < 300, "{}: {}", answer.status, String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    async fn exchange(&mut self, request: &[u8], kept: &mut Option<Vec<u8>>) -> anyhow::Result<Answer> {
        let asked = Instant::now();
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let head = self.until(b"\r\n\r\n").await?;
        let (status, length) = read_head(self.buffer.get(self.start..self.start + head).unwrap_or_default())?;
        self.start += head;
        if self.start == self.end && !matches!(length, Length::Known(0)) {
            self.more().await?;
        }
        let first = asked.elapsed();
        let length = match length {
            Length::Known(length) => {
                self.skip(length, kept).await?;
                length
            }
            Length::Chunked => self.chunks(kept).await?,
        };
        Ok(Answer { status, first, length })
    }

    /// Reads chunks to the last one; the bytes in them.
    async fn chunks(&mut self, kept: &mut Option<Vec<u8>>) -> anyhow::Result<usize> {
        let mut total = 0;
        loop {
            let line = self.until(b"\r\n").await?;
            let text = self.buffer.get(self.start..self.start + line - 2).unwrap_or_default();
            let size = usize::from_str_radix(std::str::from_utf8(text)?, 16).context("the size of a chunk")?;
            self.start += line;
            self.skip(size, kept).await?;
            self.skip(2, &mut None).await?;
            if size == 0 {
                return Ok(total);
            }
            total += size;
        }
    }

    /// Reads until `end` comes; how many bytes there are up to and with it.
    async fn until(&mut self, end: &[u8]) -> anyhow::Result<usize> {
        loop {
            let there = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = there.windows(end.len()).position(|it| it == end) {
                return Ok(at + end.len());
            }
            self.more().await?;
        }
    }

    /// Passes over so many bytes.
    async fn skip(&mut self, mut count: usize, kept: &mut Option<Vec<u8>>) -> anyhow::Result<()> {
        while count > 0 {
            if self.start == self.end {
                self.more().await?;
            }
            let step = count.min(self.end - self.start);
            if let Some(kept) = kept {
                kept.extend_from_slice(self.buffer.get(self.start..self.start + step).unwrap_or_default());
            }
            self.start += step;
            count -= step;
        }
        Ok(())
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).filter(|it| !it.is_empty()).context("too long a head")?;
        let count = self.stream.read(room).await?;
        ensure!(count > 0, "the server closed the connection");
        self.end += count;
        Ok(())
    }
}

/// Status, and how the body's length is told.
fn read_head(head: &[u8]) -> anyhow::Result<(u16, Length)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|it| it.split(' ').nth(1)).context("a status line")?.parse()?;
    for (name, value) in lines.filter_map(|it| it.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            return Ok((status, Length::Known(value.parse()?)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok((status, Length::Chunked));
        }
    }
    bail!("no length in {head}")
}

/// A request as it is sent.
pub fn request(method: &str, path: &str, host: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends prepared requests over connections, each one's after another; the answers a second. Each must have `status`.
///
/// # Errors
/// When an answer has another one, or does not come.
pub async fn rate(clients: &mut Vec<Client>, requests: Vec<Vec<Vec<u8>>>, status: u16) -> anyhow::Result<f64> {
    let count: usize = requests.iter().map(Vec::len).sum();
    let started = Instant::now();
    let mut running = Vec::new();
    for (mut client, requests) in clients.drain(..).zip(requests) {
        running.push(tokio::spawn(async move {
            for request in requests {
                let answer = client.ask(&request).await?;
                ensure!(answer.status == status, "{} instead of {status}", answer.status);
            }
            anyhow::Ok(client)
        }));
    }
    for client in running {
        clients.push(client.await??);
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let known = read_head(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n").unwrap();
        assert!(matches!(known, (201, Length::Known(12))));
        let chunked = read_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert!(matches!(chunked, (200, Length::Chunked)));
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read_head(b"\xff\r\n\r\n").is_err());
    }
}
