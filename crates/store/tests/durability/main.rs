//! That what was acknowledged is there after whatever happens: random operations against a plain model, a simulated
//! disk that fails at every step, flipped bits, and a process that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a panic")]

mod check;
mod crash;
mod flips;
mod kill;
mod model;
mod random;
mod sim;
