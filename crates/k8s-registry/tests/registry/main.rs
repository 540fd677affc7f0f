//! The registry over a real store, through its public interface.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "what the process that is killed acknowledges")]

mod deletes;
mod harness;
mod kill;
mod linear;
mod objects;
mod pages;
mod services;
mod watches;
