//! The group `admissionregistration.k8s.io`: who is asked before a write is taken.

mod policy;
mod policy_binding;
mod rules;
mod webhook;

pub(crate) use policy::AdmissionPolicy;
pub(crate) use policy_binding::PolicyBinding;
pub(crate) use webhook::WebhookConfiguration;
