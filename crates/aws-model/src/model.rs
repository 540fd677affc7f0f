//! The services' facts at run time: what an operation is called, where it is reached, what its shapes look like.

use crate::resolve::Resolver;
use crate::route::Routes;
use crate::shape::{Shape, ShapeId};
use std::collections::{HashMap, HashSet};

/// How a service's requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// REST paths with JSON bodies.
    RestJson,
    /// JSON bodies, the operation in `X-Amz-Target`.
    Json,
    /// Form requests, XML answers with a result wrapper.
    Query,
    /// Form requests, XML answers: EC2's own dialect.
    Ec2,
}

/// Facts that do not hold together. Only a defect of the committed facts can cause it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not the JSON that the generator writes.
    #[error("the facts are not well-formed")]
    Json(#[from] serde_json::Error),
    /// A name that leads nowhere, or a trait that this code does not know.
    #[error("{service}: {what}")]
    Unsupported {
        /// The service.
        service: String,
        /// What is wrong.
        what: String,
    },
}

/// An operation that is served.
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The input's structure; `None` when it takes none.
    pub input: Option<ShapeId>,
    /// The output's structure; `None` when it has none.
    pub output: Option<ShapeId>,
    /// The HTTP status of success.
    pub status: u16,
    /// The element around the output in the query protocol.
    pub result_wrapper: Option<String>,
    /// The error shapes it may answer with.
    pub errors: Vec<ShapeId>,
}

/// What is known of an operation's name.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// Served.
    Served(&'a Operation),
    /// AWS has it, we do not serve it; its name.
    Known(&'a str),
    /// AWS has no such operation.
    Unknown,
}

/// Where a REST path leads.
#[derive(Debug)]
pub enum Routed<'a> {
    /// To a served operation; with the path's values by label, decoded.
    Served(&'a Operation, Vec<(&'a str, String)>),
    /// To one that AWS has and we do not serve; its name.
    Known(&'a str),
    /// Nowhere.
    Unknown,
}

/// One service's facts.
#[derive(Debug)]
pub struct Model {
    pub(crate) service: String,
    pub(crate) protocol: Protocol,
    pub(crate) api_version: String,
    pub(crate) endpoint_prefix: String,
    pub(crate) signing_name: String,
    pub(crate) global_endpoint: Option<String>,
    pub(crate) target_prefix: Option<String>,
    pub(crate) xml_namespace: Option<String>,
    pub(crate) operations: HashMap<String, Operation>,
    pub(crate) known: HashSet<String>,
    pub(crate) routes: Routes<String>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) errors: HashMap<String, ShapeId>,
}

impl Model {
    /// Reads the facts of one service.
    ///
    /// # Errors
    /// When they do not hold together.
    pub fn parse(facts: &str) -> Result<Self, ModelError> {
        Resolver::new(serde_json::from_str(facts)?).model()
    }

    /// The service's name, as `eks`.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// How it speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The API version, as `2017-11-01`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The first label of its host names, as `eks` in `eks.<region>.amazonaws.com`.
    pub fn endpoint_prefix(&self) -> &str {
        &self.endpoint_prefix
    }

    /// The service in a signature's scope.
    pub fn signing_name(&self) -> &str {
        &self.signing_name
    }

    /// The host name of a service without regions, as `iam.amazonaws.com`.
    pub fn global_endpoint(&self) -> Option<&str> {
        self.global_endpoint.as_deref()
    }

    /// What stands before the operation's name in `X-Amz-Target`.
    pub fn target_prefix(&self) -> Option<&str> {
        self.target_prefix.as_deref()
    }

    /// The namespace of its XML answers.
    pub fn xml_namespace(&self) -> Option<&str> {
        self.xml_namespace.as_deref()
    }

    /// A served operation.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// What is known of an operation's name: `Action`, or the part of `X-Amz-Target` after the dot.
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        match (self.operations.get(name), self.known.get(name)) {
            (Some(operation), _) => Lookup::Served(operation),
            (None, Some(name)) => Lookup::Known(name),
            (None, None) => Lookup::Unknown,
        }
    }

    /// What is known of an `X-Amz-Target` header's value, as `AmazonSSM.GetParameter`.
    pub fn target(&self, header: &str) -> Lookup<'_> {
        match header.rsplit_once('.') {
            Some((prefix, name)) if Some(prefix) == self.target_prefix() => self.lookup(name),
            _ => Lookup::Unknown,
        }
    }

    /// Where a REST request leads. `raw_path` is as sent, without the query string.
    pub fn route(&self, method: &str, raw_path: &str) -> Routed<'_> {
        match self.routes.find(method, raw_path) {
            None => Routed::Unknown,
            Some((name, labels)) => match self.lookup(name) {
                Lookup::Served(operation) => Routed::Served(operation, labels),
                Lookup::Known(name) => Routed::Known(name),
                Lookup::Unknown => Routed::Unknown,
            },
        }
    }

    /// A shape. Ids come from the same model.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }

    /// An error's shape, by the shape's name or the code on the wire.
    pub fn error(&self, code: &str) -> Option<&Shape> {
        self.errors.get(code).map(|&id| self.shape(id))
    }

    /// Every shape that served operations reach.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

/// Every service's model.
#[derive(Debug)]
pub struct Models {
    models: Vec<Model>,
}

impl Models {
    /// Parses the facts that are part of this build. Done once, at start.
    ///
    /// # Errors
    /// Only by a defect of the committed facts; a test loads them.
    pub fn load() -> Result<Self, ModelError> {
        let facts = [
            include_str!("../../../models/eks.json"),
            include_str!("../../../models/ec2.json"),
            include_str!("../../../models/iam.json"),
            include_str!("../../../models/sts.json"),
            include_str!("../../../models/ssm.json"),
        ];
        Ok(Self { models: facts.into_iter().map(Model::parse).collect::<Result<_, _>>()? })
    }

    /// A service's model by its name, as `ec2`.
    pub fn service(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.service == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_fact_holds_together_and_every_pattern_compiles() {
        let models = Models::load().unwrap();
        for model in models.iter() {
            for shape in model.shapes() {
                if let Some(pattern) = &shape.pattern {
                    assert!(pattern.compiled().is_some(), "{}: {}", model.service(), pattern.source());
                }
            }
        }
    }

    #[test]
    fn every_generated_operation_is_in_its_model() {
        let models = Models::load().unwrap();
        let generated = [
            ("eks", crate::eks::OPERATIONS),
            ("ec2", crate::ec2::OPERATIONS),
            ("iam", crate::iam::OPERATIONS),
            ("sts", crate::sts::OPERATIONS),
            ("ssm", crate::ssm::OPERATIONS),
        ];
        for (service, operations) in generated {
            let model = models.service(service).unwrap();
            assert_eq!(operations.len(), model.operations.len(), "{service}");
            assert!(operations.iter().all(|name| model.operation(name).is_some()), "{service}");
        }
    }

    #[test]
    fn rest_paths_lead_to_operations() {
        let models = Models::load().unwrap();
        let eks = models.service("eks").unwrap();
        let path = "/tags/arn%3Aaws%3Aeks%3Aap-northeast-2%3A111122223333%3Acluster%2Fmyeks";
        let Routed::Served(operation, labels) = eks.route("POST", path) else { panic!("not found") };
        assert_eq!(operation.name, "TagResource");
        assert_eq!(labels, [("resourceArn", "arn:aws:eks:ap-northeast-2:111122223333:cluster/myeks".to_owned())]);
        assert!(matches!(eks.route("GET", "/clusters/c/node-groups"), Routed::Known("ListNodegroups")));
        assert!(matches!(eks.route("PATCH", "/clusters"), Routed::Unknown));
    }

    #[test]
    fn operations_are_found_by_action_and_target() {
        let models = Models::load().unwrap();
        let ec2 = models.service("ec2").unwrap();
        assert!(matches!(ec2.lookup("CreateVpc"), Lookup::Served(_)));
        assert!(matches!(ec2.lookup("CreateTransitGateway"), Lookup::Known("CreateTransitGateway")));
        assert!(matches!(ec2.lookup("createvpc"), Lookup::Unknown));
        let ssm = models.service("ssm").unwrap();
        assert!(matches!(ssm.target("AmazonSSM.GetParameter"), Lookup::Served(_)));
        assert!(matches!(ssm.target("Other.GetParameter"), Lookup::Unknown));
    }

    #[test]
    fn services_know_their_names() {
        let models = Models::load().unwrap();
        let iam = models.service("iam").unwrap();
        assert_eq!(iam.global_endpoint(), Some("iam.amazonaws.com"));
        assert_eq!((iam.signing_name(), iam.protocol()), ("iam", Protocol::Query));
        let ec2 = models.service("ec2").unwrap();
        assert_eq!(ec2.xml_namespace(), Some("http://ec2.amazonaws.com/doc/2016-11-15/"));
        assert_eq!(iam.error("NoSuchEntity").map(|s| s.name.as_str()), Some("NoSuchEntityException"));
    }
}
