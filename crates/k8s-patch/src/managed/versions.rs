//! The versions of a kind, for entries that were written through another one.

use crate::typed::Schema;
use serde_json::Value;
use std::borrow::Cow;

/// How a kind looks in its versions.
pub trait Versions {
    /// `object`, which is of version `from`, as it is in version `to`; `None` where either is not served.
    fn convert<'v>(&self, object: &'v Value, from: &str, to: &str) -> Option<Cow<'v, Value>>;

    /// The kind's shape in a version; `None` where it is not served.
    fn schema(&self, version: &str) -> Option<Schema<'_>>;
}

/// A kind whose versions have the same fields: one of one version, or a custom resource without conversion.
#[derive(Debug, Clone, Copy)]
pub struct SameFields<'a> {
    /// Each version with its shape, as `apps/v1`.
    pub versions: &'a [(&'a str, Schema<'a>)],
}

impl Versions for SameFields<'_> {
    fn convert<'v>(&self, object: &'v Value, _from: &str, to: &str) -> Option<Cow<'v, Value>> {
        self.schema(to).map(|_| Cow::Borrowed(object))
    }

    fn schema(&self, version: &str) -> Option<Schema<'_>> {
        self.versions.iter().find(|it| it.0 == version).map(|it| it.1)
    }
}
