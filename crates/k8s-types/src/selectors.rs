//! Which objects a request is about: label selectors and field selectors, as query strings and as objects.
//!
//! A selector is parsed once and then asked for every object of a list and every event of a watch, so what can be
//! decided at parse time is decided there: a field's way into the object is known, a number is a number.

mod field_labels;
mod fields;
mod labels;
mod syntax;

pub use field_labels::FieldLabels;
pub use fields::{FieldSelector, FieldTerm, escape_value, parse_terms};
pub use labels::{LabelSelector, Operator, Requirement, validate_label_selector};

use crate::status::Status;

/// Why a selector can't be read, in the API's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

impl From<SelectorError> for Status {
    fn from(it: SelectorError) -> Self {
        Self::bad_request(it.0)
    }
}
