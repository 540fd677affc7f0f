//! Refusals that the wire itself makes, in each protocol's words.

use aws_model::codec;
use aws_model::{Fault, Lookup, Model, Operation, Protocol};

/// The request can't be read at all.
pub fn unreadable(protocol: Protocol, what: impl Into<String>) -> Fault {
    match protocol {
        Protocol::RestJson | Protocol::Json => Fault::client("SerializationException", what),
        Protocol::Query | Protocol::Ec2 => Fault::client("MalformedQueryString", what),
    }
}

/// A parameter's text is not of its type.
pub fn mistyped(protocol: Protocol, parameter: &str, text: &str, noun: &str) -> Fault {
    match protocol {
        Protocol::RestJson | Protocol::Json => {
            Fault::client("SerializationException", format!("{parameter}: '{text}' can not be converted to a {noun}"))
        }
        Protocol::Query => {
            Fault::client("MalformedInput", format!("{parameter}: '{text}' can not be converted to a {noun}"))
        }
        Protocol::Ec2 => Fault::client(
            "InvalidParameterValue",
            format!("Value ({text}) for parameter {parameter} is invalid. Expected: {noun}."),
        ),
    }
}

/// The operation that was looked up, or the refusal that fits.
pub fn served<'m>(model: &'m Model, name: &str, lookup: Lookup<'m>) -> Result<&'m Operation, Fault> {
    match lookup {
        Lookup::Served(operation) => Ok(operation),
        Lookup::Known(name) => Err(codec::not_served(model.service(), name)),
        Lookup::Unknown => Err(unknown(model, name)),
    }
}

/// AWS has no such operation either.
pub fn unknown(model: &Model, name: &str) -> Fault {
    match model.protocol() {
        Protocol::Ec2 => {
            Fault::client("InvalidAction", format!("The action {name} is not valid for this web service."))
        }
        Protocol::Query => Fault::client(
            "InvalidAction",
            format!("Could not find operation {name} for version {}", model.api_version()),
        ),
        Protocol::Json => Fault::client("UnknownOperationException", format!("No operation {name}.")),
        Protocol::RestJson => Fault::with_status(404, "UnknownOperationException", format!("No operation at {name}.")),
    }
}
