//! The loop that makes the world as the records say: level-triggered, one worker an object, patient with failure.
//!
//! Read [`backoff`] (how long to wait after a failure), [`slots`] (which object's turn it is, pure), then [`run`].
//! May use: nothing of ours. Must never learn: what an object is, or where wishes are kept.
//! Invariant: no two turns of one key overlap, and a nudge that comes during a turn leads to another turn after it.

pub mod backoff;
pub mod run;
pub mod slots;

pub use backoff::Backoff;
pub use run::{Handle, Loop, Options, Work};
pub use slots::{Status, Trouble};
