//! A socket that closes with a FIN. The kernel resets a connection that is closed with unread bytes, and a client that
//! sees a reset reports a fault where one that sees an end connects anew.

use socket2::SockRef;
use std::io::{self, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are thrown away before closing. More than a window is being sent by one who does not listen anyway.
const LEFT_OVERS: usize = 64 * 1024;

/// A TCP connection that is ended in order when it is dropped.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    /// Takes over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream }
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
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
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
