//! One versioned key-value store: revisions, transactions with compare, range reads at a revision, watches.
//!
//! Read [`api`] (the trait every engine keeps), [`records`] (typed records and optimistic transactions on top of it),
//! then [`embedded`] (the engine on one machine's disk). May use: base. Must never learn: what any key or value means.
//! Invariant: what a transaction acknowledged is durable, and revisions never go back.

pub mod api;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod records;

pub use api::{
    Compare, Event, KeyRange, KeyValue, Op, RangeResult, Store, StoreError, Txn, TxnResult, Watch, WatchError,
};
pub use embedded::{Embedded, Options, Retain};
pub use records::{Records, Tx};
