//! ComponentStatus: read only, so nothing of it is ever written.

use crate::Kind;

/// The kind.
#[derive(Debug)]
pub struct ComponentStatus;

impl Kind for ComponentStatus {}
