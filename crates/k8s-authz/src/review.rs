//! The API's questions about rights: access reviews, rules reviews and who am I, from their bodies to their answers.

use crate::attributes::{Attributes, Authorizer, Decision, User};
use crate::json::{items, text, texts};
use crate::rbac::{UserRules, told};
use crate::rule::PolicyRule;
use k8s_types::Status;
use k8s_types::field::{Errors, FieldError, Path};
use k8s_types::selectors::{FieldTerm, parse_terms};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The API group of access reviews.
const GROUP: &str = "authorization.k8s.io";

/// The kinds of access reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SubjectAccessReview: may that user?
    Subject,
    /// SelfSubjectAccessReview: may I?
    SelfSubject,
    /// LocalSubjectAccessReview: may that user, in this namespace?
    LocalSubject,
}

/// What an access review asks, apart from the body it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    user: User,
    verb: String,
    path: Option<String>,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    fields: Vec<FieldTerm>,
}

fn is_set(object: &Value, path: &str) -> bool {
    object.pointer(path).is_some_and(|it| !it.is_null())
}

fn subject(review: &Value) -> User {
    let extra = review.pointer("/spec/extra").and_then(Value::as_object);
    let owned = |list, path: &str| texts(list, path).map(str::to_owned).collect();
    let extra: BTreeMap<String, Vec<String>> =
        extra.into_iter().flatten().map(|(key, values)| (key.to_lowercase(), owned(values, ""))).collect();
    User {
        name: text(review, "/spec/user").to_owned(),
        uid: text(review, "/spec/uid").to_owned(),
        groups: owned(review, "/spec/groups"),
        extra,
    }
}

/// The field selector of resource attributes, raw or as requirements; what can't be read restricts nothing.
fn fields(review: &Value) -> Vec<FieldTerm> {
    let at = "/spec/resourceAttributes/fieldSelector";
    let raw = text(review, &format!("{at}/rawSelector"));
    if !raw.is_empty() {
        return parse_terms(raw).unwrap_or_default();
    }
    let term = |it: &Value| {
        let equal = match text(it, "/operator") {
            "In" => true,
            "NotIn" => false,
            _ => return None,
        };
        let mut values = texts(it, "/values");
        match (values.next(), values.next()) {
            (Some(one), None) => Some(FieldTerm { field: text(it, "/key").into(), equal, value: one.into() }),
            _ => None,
        }
    };
    items(review, &format!("{at}/requirements")).filter_map(term).collect()
}

impl Question {
    /// What `review`, asked by `asker`, asks; `namespace` is the request's.
    pub fn read(kind: Kind, review: &Value, asker: &User, namespace: &str) -> Result<Self, Box<Status>> {
        let errors = validate(kind, review, namespace);
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(GROUP, "", "", &errors)));
        }
        let user = if kind == Kind::SelfSubject { asker.clone() } else { subject(review) };
        let is_path = is_set(review, "/spec/nonResourceAttributes");
        let at = if is_path { "/spec/nonResourceAttributes" } else { "/spec/resourceAttributes" };
        let member = |name: &str| text(review, &format!("{at}/{name}")).to_owned();
        Ok(Self {
            user,
            verb: member("verb"),
            path: is_path.then(|| member("path")),
            group: member("group"),
            version: member("version"),
            resource: member("resource"),
            subresource: member("subresource"),
            namespace: member("namespace"),
            name: member("name"),
            fields: fields(review),
        })
    }

    /// As authorizers are asked.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes {
            user: &self.user,
            verb: &self.verb,
            group: &self.group,
            version: &self.version,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: self.path.as_deref(),
            fields: &self.fields,
        }
    }
}

/// What is wrong with an access review.
fn validate(kind: Kind, review: &Value, namespace: &str) -> Errors {
    let mut errors = Errors::new();
    let spec = Path::new("spec");
    let (resource, path) = (spec.child("resourceAttributes"), spec.child("nonResourceAttributes"));
    let has = |name: &str| is_set(review, &format!("/spec/{name}"));
    match (has("resourceAttributes"), has("nonResourceAttributes")) {
        (true, true) => {
            let value = review["spec"]["nonResourceAttributes"].clone();
            errors.push(FieldError::invalid(
                &path,
                value,
                "cannot be specified in combination with resourceAttributes",
            ));
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(FieldError::invalid(&resource, Value::Null, detail));
        }
        _ => {}
    }
    if kind != Kind::SelfSubject
        && text(review, "/spec/user").is_empty()
        && texts(review, "/spec/groups").next().is_none()
    {
        errors.push(FieldError::invalid(&spec.child("user"), "", "at least one of user or group must be specified"));
    }
    let fields = review.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let own = fields.filter(|(name, value)| {
        let allowed = name.as_str() == "managedFields" || (kind == Kind::LocalSubject && name.as_str() == "namespace");
        !allowed && !value.is_null() && value.as_str() != Some("")
    });
    if own.count() > 0 {
        let detail = if kind == Kind::LocalSubject { "must be empty except for namespace" } else { "must be empty" };
        errors.push(FieldError::invalid(&Path::new("metadata"), review["metadata"].clone(), detail));
    }
    if kind == Kind::LocalSubject {
        let asked = text(review, "/spec/resourceAttributes/namespace");
        if has("resourceAttributes") && asked != namespace {
            errors.push(FieldError::invalid(&resource.child("namespace"), asked, "must match metadata.namespace"));
        }
        if has("nonResourceAttributes") {
            let value = review["spec"]["nonResourceAttributes"].clone();
            errors.push(FieldError::invalid(&path, value, "disallowed on this kind of request"));
        }
    }
    errors
}

/// The status of an access review.
pub fn access_status(decision: &Decision) -> Value {
    let mut status = Map::new();
    status.insert("allowed".to_owned(), json!(decision.allowed));
    if !decision.reason.is_empty() {
        status.insert("reason".to_owned(), json!(decision.reason));
    }
    Value::Object(status)
}

/// Answers an access review: the body with its status.
pub fn answer_access(
    kind: Kind,
    mut review: Value,
    asker: &User,
    namespace: &str,
    authorizer: &dyn Authorizer,
) -> Result<Value, Box<Status>> {
    let question = Question::read(kind, &review, asker, namespace)?;
    let status = access_status(&authorizer.decide(&question.attributes()));
    if let Some(attributes) = review.pointer_mut("/spec/resourceAttributes").and_then(Value::as_object_mut) {
        attributes.retain(|_, it| it.as_str() != Some(""));
    }
    if let Some(review) = review.as_object_mut() {
        review.insert("status".to_owned(), status);
    }
    Ok(review)
}

/// The status of a SelfSubjectRulesReview. A kubelet's rights cannot be told as rules.
pub fn rules_status(user: &User, rules: &UserRules) -> Value {
    let mut resources = Vec::new();
    let mut paths = Vec::new();
    for rule in &rules.rules {
        if !rule.resources.is_empty() {
            resources.push(PolicyRule { paths: Vec::new(), ..rule.clone() }.to_value());
        }
        if !rule.paths.is_empty() {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths}));
        }
    }
    let mut errors = Vec::new();
    if user.node().is_some() {
        errors.push("node authorizer does not support user rule resolution".to_owned());
    }
    if !rules.missing.is_empty() {
        errors.push(told(&rules.missing));
    }
    let mut status = json!({
        "resourceRules": resources,
        "nonResourceRules": paths,
        "incomplete": user.node().is_some(),
    });
    if !errors.is_empty() {
        status["evaluationError"] = json!(told(&errors));
    }
    status
}

/// The namespace that a SelfSubjectRulesReview asks about.
pub fn rules_namespace(review: &Value) -> Result<&str, Box<Status>> {
    match text(review, "/spec/namespace") {
        "" => Err(Box::new(Status::bad_request("no namespace on request"))),
        namespace => Ok(namespace),
    }
}

/// The status of a SelfSubjectReview.
pub fn who_am_i(user: &User) -> Value {
    let mut info = Map::new();
    info.insert("username".to_owned(), json!(user.name));
    if !user.uid.is_empty() {
        info.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    json!({"userInfo": info})
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Never;

    impl Authorizer for Never {
        fn decide(&self, attributes: &Attributes<'_>) -> Decision {
            Decision::no_opinion(attributes.denied())
        }
    }

    fn ask(kind: Kind, review: Value) -> Result<Value, String> {
        let asker = User { name: "me".to_owned(), ..User::default() };
        answer_access(kind, review, &asker, "a", &Never)
            .map(|it| it["status"]["reason"].clone())
            .map_err(|it| it.message)
    }

    #[test]
    fn questions_are_read() {
        let pods = json!({"verb": "get", "resource": "pods", "namespace": "a", "name": ""});
        let told = ask(Kind::SelfSubject, json!({"spec": {"resourceAttributes": pods}})).unwrap();
        assert_eq!(told, r#"User "me" cannot get resource "pods" in API group "" in the namespace "a""#);
        let told =
            ask(Kind::Subject, json!({"spec": {"user": "x", "nonResourceAttributes": {"path": "/x", "verb": "get"}}}));
        assert_eq!(told.unwrap(), r#"User "x" cannot get path "/x""#);
    }

    #[test]
    fn mistakes_are_told() {
        let pods = json!({"verb": "get", "resource": "pods", "namespace": "a"});
        let prefix = ".authorization.k8s.io \"\" is invalid: ";
        for (kind, review, error) in [
            (
                Kind::Subject,
                json!({"spec": {"resourceAttributes": pods}}),
                r#"spec.user: Invalid value: "": at least one of user or group must be specified"#,
            ),
            (
                Kind::SelfSubject,
                json!({"spec": {}}),
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
                 resourceAttributes must be specified",
            ),
            (
                Kind::SelfSubject,
                json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": pods}}),
                r#"metadata: Invalid value: {"name":"x"}: must be empty"#,
            ),
            (
                Kind::LocalSubject,
                json!({"spec": {"user": "x", "nonResourceAttributes": {"path": "/x", "verb": "get"}}}),
                r#"spec.nonResourceAttributes: Invalid value: {"path":"/x","verb":"get"}: disallowed on this kind of request"#,
            ),
        ] {
            assert_eq!(ask(kind, review).unwrap_err(), format!("{prefix}{error}"));
        }
    }

    #[test]
    fn selectors_reach_the_authorizer() {
        let review = |selector: Value| {
            let attributes = json!({"verb": "list", "resource": "pods", "fieldSelector": selector});
            let review = json!({"spec": {"resourceAttributes": attributes}});
            Question::read(Kind::SelfSubject, &review, &User::default(), "").unwrap().fields
        };
        let want = parse_terms("spec.nodeName=n1").unwrap();
        assert_eq!(review(json!({"rawSelector": "spec.nodeName=n1"})), want);
        let requirement = json!({"key": "spec.nodeName", "operator": "In", "values": ["n1"]});
        assert_eq!(review(json!({"requirements": [requirement]})), want);
    }
}
