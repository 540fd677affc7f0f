//! A socket that closes with a FIN. The kernel resets a connection that is closed with unread bytes, and a client that
//! sees a reset reports a fault where one that sees an end connects anew. A peer that takes nothing for too long is cut
//! off: whatever it asked for stands in memory meanwhile.

use socket2::SockRef;
use std::io::{self, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Bytes that are thrown away before closing. More than a window is being sent by one who does not listen anyway.
const LEFT_OVERS: usize = 64 * 1024;

/// How long a peer may take nothing of what is being sent. Longer than a person looks at one page of a log.
const STALLED: Duration = Duration::from_secs(120);

/// A TCP connection that is ended in order when it is dropped.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    patience: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Takes over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self::with_patience(stream, STALLED)
    }

    /// Takes over `stream`, whose peer may take nothing for `patience`.
    fn with_patience(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// What came of writing; an error when nothing has come of it for too long.
    fn progress(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        ready!(self.stalled.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }

    /// Waits for the first bytes and leaves them where they are.
    ///
    /// # Errors
    /// The socket's.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buffer).await
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Whatever fails here, the socket is closed right after. It does not block, and it is asked itself: the runtime
        // may not know yet that there is something to read.
        let socket = SockRef::from(&self.stream);
        let _ = socket.shutdown(Shutdown::Write);
        let mut buffer = [0; 4096];
        for _ in 0..LEFT_OVERS / buffer.len() {
            if !(&*socket).read(&mut buffer).is_ok_and(|length| length > 0) {
                break;
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.progress(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.progress(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn pair(patience: Duration) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Wire::with_patience(listener.accept().await.unwrap().0, patience), client)
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off() {
        let (mut wire, _client) = pair(Duration::from_millis(50)).await;
        let flood = async { while wire.write_all(&[0; 64 * 1024]).await.is_ok() {} };
        timeout(LIMIT, flood).await.expect("the peer holds the connection for ever");
    }

    #[tokio::test]
    async fn a_slow_peer_that_takes_something_is_not() {
        const PARTS: usize = 12;
        let (mut wire, mut client) = pair(Duration::from_secs(2)).await;
        let mut part = vec![0; 1 << 20];
        let all = vec![0; PARTS * part.len()];
        // Longer than the patience, all in all.
        let reads = async {
            for _ in 0..PARTS {
                sleep(Duration::from_millis(200)).await;
                client.read_exact(&mut part).await.unwrap();
            }
        };
        let both = async { tokio::join!(reads, wire.write_all(&all)) };
        let ((), written) = timeout(LIMIT, both).await.unwrap();
        written.unwrap();
    }
}
