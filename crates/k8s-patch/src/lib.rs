//! What becomes of an object that is written: the patch formats of the Kubernetes API and the record of who owns
//! which field (server-side apply).
//!
//! [`json`], [`merge`] and [`strategic`] are the patches; [`fields`] are sets of fields, [`typed`] the operations of
//! objects over their schema, [`managed`] the bookkeeping in `metadata.managedFields`. May use: k8s-types, serde_json.
//! Must never learn: storage, transport, clocks (times are given). Invariant: everything here is a function of its
//! arguments, and no input makes it panic.

pub mod fields;
pub mod json;
pub mod managed;
pub mod merge;
pub mod strategic;
pub mod typed;
