//! Access entries: which IAM principals may enter a cluster, as whom, and with which access policies.
//!
//! Read [`records`] (what is stored), [`principal`] (whose entry it is), [`policies`] (what may be associated), then
//! [`create`] (the rules of a new entry) and [`operations`]. What an entry means for somebody who comes with a token is
//! decided in [`crate::identity`].
//!
//! Every cluster whose creator is an administrator has the creator's entry from the start. In mode `CONFIG_MAP` nobody
//! sees it, as no operation on entries is allowed there; the first step away from that mode shows it.

pub mod create;
pub mod error;
pub mod operations;
pub mod policies;
pub mod principal;
pub mod records;
pub mod render;

pub use error::AccessEntryError;
pub use principal::IamPrincipal;
pub use records::{AccessEntry, Association, EntryType, Scope};
