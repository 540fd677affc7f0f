//! Makes a [`Model`] of the committed facts: names become indices, and a trait that this code does not know is refused.

use crate::facts::{Facts, HttpFacts, MemberFacts, OperationFacts, ShapeFacts};
use crate::model::{Model, ModelError, Operation, Protocol};
use crate::pattern::Pattern;
use crate::route::Routes;
use crate::shape::{ErrorFacts, Kind, Location, Member, Shape, ShapeId, Structure};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Turns names into indices.
pub struct Resolver {
    facts: Facts,
    ids: BTreeMap<String, ShapeId>,
}

impl Resolver {
    pub fn new(facts: Facts) -> Self {
        let ids = facts.shapes.keys().cloned().zip((0..).map(ShapeId)).collect();
        Self { facts, ids }
    }

    pub fn model(mut self) -> Result<Model, ModelError> {
        let protocol = self.protocol()?;
        let shape_facts = std::mem::take(&mut self.facts.shapes);
        let shapes = shape_facts
            .into_iter()
            .map(|(name, facts)| self.shape(protocol, name, facts))
            .collect::<Result<Vec<_>, _>>()?;
        let mut operations = HashMap::new();
        let mut routes = Routes::default();
        for (name, facts) in std::mem::take(&mut self.facts.operations) {
            self.route(protocol, &mut routes, &name, &facts.http)?;
            operations.insert(name.clone(), self.operation(name, facts)?);
        }
        let mut known = HashSet::new();
        for (name, http) in std::mem::take(&mut self.facts.known) {
            self.route(protocol, &mut routes, &name, &http)?;
            known.insert(name);
        }
        let mut errors = HashMap::new();
        for id in operations.values().flat_map(|operation: &Operation| operation.errors.iter().copied()) {
            let shape = &shapes[id.0 as usize];
            errors.insert(shape.name.clone(), id);
            if let Some(code) = shape.error.as_ref().and_then(|e| e.code.clone()) {
                errors.insert(code, id);
            }
        }
        let metadata = self.facts.metadata;
        Ok(Model {
            protocol,
            operations,
            known,
            routes,
            shapes,
            errors,
            service: self.facts.service,
            api_version: metadata.api_version,
            signing_name: metadata.signing_name.unwrap_or_else(|| metadata.endpoint_prefix.clone()),
            endpoint_prefix: metadata.endpoint_prefix,
            global_endpoint: metadata.global_endpoint,
            target_prefix: metadata.target_prefix,
            // EC2 answers with a slash at the end, which its model leaves out.
            xml_namespace: metadata.xml_namespace.map(|ns| if ns.ends_with('/') { ns } else { ns + "/" }),
        })
    }

    fn protocol(&self) -> Result<Protocol, ModelError> {
        match self.facts.metadata.protocol.as_str() {
            "rest-json" => Ok(Protocol::RestJson),
            "json" => Ok(Protocol::Json),
            "query" => Ok(Protocol::Query),
            "ec2" => Ok(Protocol::Ec2),
            other => Err(self.unsupported(format!("protocol {other}"))),
        }
    }

    fn operation(&self, name: String, facts: OperationFacts) -> Result<Operation, ModelError> {
        Ok(Operation {
            name,
            input: facts.input.map(|shape| self.id(&shape)).transpose()?,
            output: facts.output.map(|shape| self.id(&shape)).transpose()?,
            status: facts.http.response_code.unwrap_or(200),
            result_wrapper: facts.result_wrapper,
            errors: facts.errors.iter().map(|shape| self.id(shape)).collect::<Result<_, _>>()?,
        })
    }

    fn route(
        &self,
        protocol: Protocol,
        routes: &mut Routes<String>,
        name: &str,
        http: &HttpFacts,
    ) -> Result<(), ModelError> {
        if protocol != Protocol::RestJson {
            return Ok(());
        }
        match (&http.method, &http.request_uri) {
            (Some(method), Some(uri)) if routes.add(method, uri, name.to_owned()) => Ok(()),
            _ => Err(self.unsupported(format!("the route of {name}"))),
        }
    }

    fn shape(&self, protocol: Protocol, name: String, facts: ShapeFacts) -> Result<Shape, ModelError> {
        if facts.payload.is_some() {
            return Err(self.unsupported(format!("the payload member of {name}")));
        }
        Ok(Shape {
            kind: self.kind(protocol, &name, &facts)?,
            name,
            min: facts.min,
            max: facts.max,
            pattern: facts.pattern.map(Pattern::new),
            values: facts.values,
            sensitive: facts.sensitive,
            error: facts.error.map(|e| ErrorFacts { code: e.code, status: e.http_status_code }),
        })
    }

    fn kind(&self, protocol: Protocol, name: &str, facts: &ShapeFacts) -> Result<Kind, ModelError> {
        let part = |part: &Option<MemberFacts>| -> Result<ShapeId, ModelError> {
            let part = part.as_ref().ok_or_else(|| self.unsupported(format!("{name} is not complete")))?;
            self.id(&part.shape)
        };
        let named = |part: &Option<MemberFacts>| part.as_ref().and_then(|p| p.location_name.clone());
        Ok(match facts.kind.as_str() {
            "structure" => Kind::Structure(self.structure(protocol, facts)?),
            "list" => {
                Kind::List { member: part(&facts.member)?, item_name: named(&facts.member), flattened: facts.flattened }
            }
            "map" => Kind::Map {
                key: part(&facts.key)?,
                value: part(&facts.value)?,
                key_name: named(&facts.key).unwrap_or_else(|| "key".to_owned()),
                value_name: named(&facts.value).unwrap_or_else(|| "value".to_owned()),
                flattened: facts.flattened,
            },
            "string" => Kind::String,
            "integer" => Kind::Integer,
            "long" => Kind::Long,
            "double" | "float" => Kind::Double,
            "boolean" => Kind::Boolean,
            "timestamp" => Kind::Timestamp,
            "blob" => Kind::Blob,
            other => return Err(self.unsupported(format!("{name} of type {other}"))),
        })
    }

    fn structure(&self, protocol: Protocol, facts: &ShapeFacts) -> Result<Structure, ModelError> {
        let mut structure = Structure::default();
        for (name, member) in &facts.members {
            let member: MemberFacts = serde_json::from_value(member.clone())?;
            let location = match member.location.as_deref() {
                None => Location::Body,
                Some("uri") => Location::Uri,
                Some("querystring") => Location::Query,
                Some(other) => return Err(self.unsupported(format!("{name} in {other}"))),
            };
            structure.by_name.insert(name.clone(), structure.members.len());
            structure.members.push(Member {
                shape: self.id(&member.shape)?,
                location,
                query_name: query_name(protocol, name, &member),
                wire_name: member.location_name.unwrap_or_else(|| name.clone()),
                required: facts.required.contains(name),
                flattened: member.flattened,
                idempotency_token: member.idempotency_token,
                name: name.clone(),
            });
        }
        Ok(structure)
    }

    fn id(&self, shape: &str) -> Result<ShapeId, ModelError> {
        self.ids.get(shape).copied().ok_or_else(|| self.unsupported(format!("no shape {shape}")))
    }

    fn unsupported(&self, what: String) -> ModelError {
        ModelError::Unsupported { service: self.facts.service.clone(), what }
    }
}

/// A member's name in a query request. EC2: `queryName`, else `locationName` with a capital first letter.
fn query_name(protocol: Protocol, name: &str, member: &MemberFacts) -> String {
    let located = member.location_name.as_deref();
    match (protocol, &member.query_name) {
        (Protocol::Ec2, Some(query)) => query.clone(),
        (Protocol::Ec2, None) => capital(located.unwrap_or(name)),
        _ => located.unwrap_or(name).to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
