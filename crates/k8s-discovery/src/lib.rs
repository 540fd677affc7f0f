//! What an API server tells of itself: discovery and OpenAPI documents.
//!
//! Read [`catalogue`] (what a server serves), [`legacy`] and [`aggregated`] (the two forms of discovery), [`openapi`]
//! (the shapes of objects and what can be done with them), [`documents`] (all of it, made once and shared).
//!
//! May use: k8s-types. Must never learn: transport, storage, who asks.
//! Invariant: every document is a function of a catalogue, a release's facts and its descriptions; the same input gives
//! the same bytes, and so the same ETag.

pub mod aggregated;
pub mod catalogue;
mod document;
pub mod documents;
pub mod legacy;
pub mod openapi;

pub use aggregated::{Form, Root};
pub use catalogue::{Catalogue, Freshness, Group, Resources, Version};
pub use document::Document;
pub use documents::{Discovery, Documents, OpenApi, openapi_index};
pub use openapi::Descriptions;

use k8s_types::release::Verbs;

/// Verbs in the order that discovery has them for custom resources.
fn custom_verbs(verbs: Verbs) -> impl Iterator<Item = &'static str> {
    const ORDER: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    ORDER.into_iter().filter(move |it| verbs.contains(it))
}
