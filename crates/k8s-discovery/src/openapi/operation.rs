//! What can be done at a path, in the form that both kinds of OpenAPI document are written from.

use k8s_types::release::GroupVersionKind;
use std::borrow::Cow;

/// A path with what can be done at it.
#[derive(Debug)]
pub struct PathItem {
    pub path: String,
    /// What all its operations take.
    pub parameters: Vec<Parameter>,
    pub operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    pub method: Method,
    pub tag: String,
    pub description: String,
    pub id: String,
    /// In the order of their names.
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub consumes: Vec<&'static str>,
    pub produces: Vec<&'static str>,
    pub responses: Vec<Response>,
    /// `x-kubernetes-action`.
    pub action: Option<&'static str>,
    /// `x-kubernetes-group-version-kind`.
    pub kind: Option<GroupVersionKind>,
}

/// An HTTP method; in the order that documents have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
    Options,
    Head,
    Patch,
}

/// A parameter in a path or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub form: Form,
    pub description: Cow<'static, str>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Path,
    Query,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Boolean,
    Integer,
}

/// What an operation takes.
#[derive(Debug, Clone)]
pub struct Body {
    /// The definition's name.
    pub definition: String,
    pub required: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub code: &'static str,
    pub description: &'static str,
    pub content: Option<Content>,
}

/// What an answer carries.
#[derive(Debug, Clone)]
pub enum Content {
    /// An object, by its definition's name.
    Definition(String),
    /// Text.
    Text,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Post => "post",
            Self::Delete => "delete",
            Self::Options => "options",
            Self::Head => "head",
            Self::Patch => "patch",
        }
    }
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
        }
    }
}

impl PathItem {
    /// Puts a path together. What all its operations take is said once, of the path.
    pub fn new(path: String, own: Vec<Parameter>, mut operations: Vec<Operation>) -> Self {
        let mut parameters = own;
        if let Some((first, others)) = operations.split_first() {
            let common: Vec<Parameter> = first
                .parameters
                .iter()
                .filter(|it| others.iter().all(|other| other.parameters.contains(it)))
                .cloned()
                .collect();
            for operation in &mut operations {
                operation.parameters.retain(|it| !common.contains(it));
            }
            parameters.extend(common);
        }
        parameters.sort_by_key(|it| (it.name, it.place));
        operations.sort_by_key(|it| it.method as u8);
        Self { path, parameters, operations }
    }

    /// The names of all definitions that its operations name.
    pub fn definitions(&self) -> impl Iterator<Item = &str> {
        self.operations.iter().flat_map(|it| {
            let answers = it.responses.iter().filter_map(|it| match &it.content {
                Some(Content::Definition(name)) => Some(&**name),
                _ => None,
            });
            it.body.iter().map(|it| &*it.definition).chain(answers)
        })
    }
}
