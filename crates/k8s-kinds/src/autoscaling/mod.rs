//! The group `autoscaling`: how many pods there shall be.

mod hpa;
mod metrics;
mod scale;
mod versions;

pub(crate) use hpa::HorizontalPodAutoscaler;
pub use scale::{apply_scale, scale_of};
pub(crate) use versions::{from_hub, to_hub};
