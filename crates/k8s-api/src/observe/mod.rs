//! What a server tells of its own work: [`metrics`] for Prometheus, and in [`audit`] who did what, a line a request,
//! which [`journal`] writes to a file.

pub mod audit;
mod exposition;
pub mod journal;
pub mod metrics;

pub use journal::Journal;
pub use metrics::Metrics;
