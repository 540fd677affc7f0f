//! Which service a request is for. A signature says it; without one a refusal must still have the right form, so the
//! host, the target header, the action and the path are asked in turn.

use crate::host::Host;
use aws_model::{Lookup, Model, Protocol, Routed};
use aws_wire::{Parts, form};

/// The models of the services that are led to, in the order in which they are asked.
pub trait Services {
    /// The models.
    fn models(&self) -> impl Iterator<Item = &Model>;

    /// The service whose signing name this is.
    fn signed_for(&self, signing_name: &str) -> Option<&Model> {
        self.models().find(|model| model.signing_name() == signing_name)
    }

    /// The service that an AWS host name belongs to.
    fn at(&self, host: &Host) -> Option<&Model> {
        match host {
            Host::Aws { prefix, .. } => self.models().find(|model| model.endpoint_prefix() == prefix),
            Host::Neutral | Host::Foreign => None,
        }
    }

    /// The service that a request without a readable signature is most likely for.
    fn hinted(&self, host: &Host, parts: &Parts<'_>) -> Option<&Model> {
        if *host != Host::Neutral {
            return self.at(host);
        }
        if let Some(target) = parts.header("x-amz-target") {
            return self.models().find(|model| !matches!(model.target(target), Lookup::Unknown));
        }
        if let Some(action) = action(parts) {
            let forms = self.models().filter(|model| matches!(model.protocol(), Protocol::Query | Protocol::Ec2));
            return forms.into_iter().find(|model| !matches!(model.lookup(&action), Lookup::Unknown));
        }
        let rest = self.models().filter(|model| model.protocol() == Protocol::RestJson);
        rest.into_iter().find(|model| !matches!(model.route(parts.method, parts.path), Routed::Unknown))
    }
}

/// The protocol that an unknown service most likely speaks, so that its client can read the refusal.
pub fn likely_protocol(parts: &Parts<'_>) -> Protocol {
    let content_type = parts.header("content-type").unwrap_or_default();
    if parts.header("x-amz-target").is_some() || content_type.starts_with("application/x-amz-json") {
        Protocol::Json
    } else if content_type.starts_with("application/x-www-form-urlencoded") || action(parts).is_some() {
        Protocol::Query
    } else {
        Protocol::RestJson
    }
}

fn action(parts: &Parts<'_>) -> Option<String> {
    let body = std::str::from_utf8(parts.body).unwrap_or_default();
    // Looked for before it is decoded: most bodies are no forms.
    [parts.query, body].into_iter().filter(|text| text.contains("Action=")).find_map(|text| {
        let mut pairs = form::pairs(text, form::Plus::Space)?.into_iter();
        pairs.find(|(name, _)| name == "Action").map(|(_, value)| value)
    })
}
