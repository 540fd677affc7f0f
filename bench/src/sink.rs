//! A server that reads as fast as it can, in a namespace and a process of its own: an API server does not share its
//! address space with its clients either, and two threads that do disturb each other.

use crate::place::Place;
use anyhow::{Context, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where sinks listen.
pub const PORT: u16 = 5201;

/// What one call hands to the kernel or takes from it. It begins at a page, as the buffers of tools that measure networks
/// do: the processor copies to and from other places markedly slower, and that would be measured instead.
#[repr(align(4096))]
pub struct Block(pub [u8; 256 << 10]);

impl Block {
    /// One with something in it.
    pub fn new() -> Box<Self> {
        Box::new(Self([0x5a; 256 << 10]))
    }
}

/// The process; ends with this value.
pub struct Sink(Child);

impl Sink {
    /// Starts one in the namespace that a file stands for, and waits until it listens.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start(namespace: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sink").arg(namespace).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut sink = Self(command.spawn()?);
        let mut ready = [0];
        let heard = sink.0.stdout.as_mut().context("the sink's output")?.read(&mut ready)?;
        ensure!(heard == 1, "no sink in {}", namespace.display());
        Ok(sink)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Its input ends, and with it the process.
        self.0.stdin.take();
        // Nobody to tell when even waiting fails.
        let _ = self.0.wait();
    }
}

/// What the process does: reads every connection to its end and then writes one byte, until its own input ends.
///
/// # Errors
/// When it cannot listen there.
pub fn serve(namespace: &str) -> anyhow::Result<()> {
    let listener = Place::at(namespace).inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    std::thread::spawn(move || {
        let mut block = Block::new();
        for mut stream in listener.incoming().flatten() {
            // Until the sender closes; an error ends the connection as well.
            while stream.read(&mut block.0).is_ok_and(|count| count > 0) {}
            // Tells the sender that all was read.
            let _ = stream.write_all(&[1]);
        }
    });
    std::io::stdout().write_all(b"r")?;
    std::io::stdout().flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
