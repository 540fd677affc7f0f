//! The group `resource.k8s.io`: devices that pods are given.
//!
//! `v1` and `v1beta2` have what a request asks for in `exactly`, and a device's own fields in the device; before them
//! they stood in the request itself and in `basic`.

mod claim;
mod class;
mod slice;
mod versions;

pub(crate) use claim::{ResourceClaim, ResourceClaimTemplate};
pub(crate) use class::DeviceClass;
pub(crate) use slice::ResourceSlice;
pub(crate) use versions::{from_hub, to_hub};

use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const MOST_SELECTORS: usize = 32;
const LONGEST_EXPRESSION: usize = 10 * 1024;

/// Whether a version has what a request asks for within `exactly`.
fn is_nested(version: &str) -> bool {
    !["v1alpha3", "v1beta1"].contains(&version)
}

/// Expressions that select devices: there are not too many, and each says something.
fn validate_selectors(errors: &mut Errors, it: &Value, path: &Path) {
    let (selectors, path) = (it.items("selectors"), path.child("selectors"));
    if selectors.len() > MOST_SELECTORS {
        errors.push(FieldError::too_many(&path, selectors.len(), MOST_SELECTORS));
    }
    for (index, selector) in selectors.iter().enumerate() {
        let path = path.index(index).child("cel");
        if !selector.has("cel") {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        let (text, path) = (selector.at("cel").text("expression"), path.child("expression"));
        if text.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if text.len() > LONGEST_EXPRESSION {
            errors.push(FieldError::too_long(&path, LONGEST_EXPRESSION));
        }
    }
}
