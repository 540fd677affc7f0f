//! The model's constraints on an input, and AWS's words for what breaks them.

use aws_model::{Fault, Kind, Member, Model, Operation, Protocol, Shape, ShapeId};
use serde_json::Value;

/// AWS lists every violation; a list of thousands of bad items must not make a message of megabytes.
const VIOLATIONS: usize = 10;

/// How much of a value a message quotes, in characters.
const QUOTED: usize = 256;

/// Checks an input that [`crate::decode()`] made: required members, lengths, ranges, patterns, enums.
///
/// # Errors
/// EKS: `InvalidParameterException`. EC2: `MissingParameter` or `InvalidParameterValue`, for the first violation.
/// IAM and STS: `ValidationError`. JSON services: `ValidationException`.
pub fn validate(model: &Model, operation: &Operation, input: &Value) -> Result<(), Fault> {
    let Some(shape) = operation.input else { return Ok(()) };
    let mut checker = Checker { model, found: Vec::new() };
    checker.value(shape, input, &Place::Root);
    if checker.found.is_empty() { Ok(()) } else { Err(fault(model.protocol(), &checker.found)) }
}

/// A broken constraint.
struct Violation {
    parameter: String,
    /// The value in a message; `None` when it is missing.
    value: Option<String>,
    constraint: String,
}

struct Checker<'a> {
    model: &'a Model,
    found: Vec<Violation>,
}

/// Where a value stands; its text is made only for a violation.
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a Member),
    Item(&'a Place<'a>, usize),
    Entry(&'a Place<'a>, &'a str),
}

impl Checker<'_> {
    fn value(&mut self, id: ShapeId, value: &Value, place: &Place<'_>) {
        if self.found.len() >= VIOLATIONS {
            return;
        }
        let shape = self.model.shape(id);
        self.constraints(shape, value, place);
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(map)) => {
                for member in structure.members() {
                    let place = Place::Member(place, member);
                    match map.get(&member.name) {
                        Some(inner) => self.value(member.shape, inner, &place),
                        None if member.required => self.missing(&place),
                        None => {}
                    }
                }
            }
            (Kind::List { member, .. }, Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.value(*member, item, &Place::Item(place, i + 1));
                }
            }
            (Kind::Map { key, value, .. }, Value::Object(map)) => {
                for (name, item) in map {
                    let place = Place::Entry(place, name);
                    self.constraints(self.model.shape(*key), &Value::String(name.clone()), &place);
                    self.value(*value, item, &place);
                }
            }
            _ => {}
        }
    }

    fn constraints(&mut self, shape: &Shape, value: &Value, place: &Place<'_>) {
        let (size, what) = match (&shape.kind, value) {
            (Kind::String, Value::String(text)) => (text.chars().count() as f64, "length"),
            (Kind::Blob, Value::String(text)) => (blob_length(text) as f64, "length"),
            (Kind::List { .. }, Value::Array(items)) => (items.len() as f64, "length"),
            (Kind::Map { .. }, Value::Object(map)) => (map.len() as f64, "length"),
            (Kind::Integer | Kind::Long | Kind::Double, Value::Number(n)) => (n.as_f64().unwrap_or_default(), "value"),
            _ => return,
        };
        if let Some(min) = shape.min.filter(|min| size < *min) {
            self.broken(shape, value, place, format!("Member must have {what} greater than or equal to {min}"));
        }
        if let Some(max) = shape.max.filter(|max| size > *max) {
            self.broken(shape, value, place, format!("Member must have {what} less than or equal to {max}"));
        }
        let Value::String(text) = value else { return };
        if let Some(pattern) = shape.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            let source = pattern.source();
            self.broken(shape, value, place, format!("Member must satisfy regular expression pattern: {source}"));
        }
        if !shape.values.is_empty() && !shape.values.contains(text) {
            let set = shape.values.join(", ");
            self.broken(shape, value, place, format!("Member must satisfy enum value set: [{set}]"));
        }
    }

    fn missing(&mut self, place: &Place<'_>) {
        let parameter = place.text(self.model.protocol());
        self.found.push(Violation { parameter, value: None, constraint: "Member must not be null".to_owned() });
    }

    fn broken(&mut self, shape: &Shape, value: &Value, place: &Place<'_>, constraint: String) {
        let parameter = place.text(self.model.protocol());
        let value = if shape.sensitive { "*****".to_owned() } else { quote(value) };
        self.found.push(Violation { parameter, value: Some(value), constraint });
    }
}

impl Place<'_> {
    /// As the service's users know it: EC2's as sent (`Filter.1.Name`), others' in small letters (`tags.1.member.key`).
    fn text(&self, protocol: Protocol) -> String {
        let (above, segment) = match self {
            Self::Root => return String::new(),
            Self::Member(above, member) if protocol == Protocol::Ec2 => (above, member.query_name.clone()),
            Self::Member(above, member) => (above, small(&member.name)),
            Self::Item(above, index) if protocol == Protocol::Ec2 => (above, index.to_string()),
            Self::Item(above, index) => (above, format!("{index}.member")),
            Self::Entry(above, key) => (above, (*key).to_owned()),
        };
        let above = above.text(protocol);
        if above.is_empty() { segment } else { format!("{above}.{segment}") }
    }
}

fn fault(protocol: Protocol, found: &[Violation]) -> Fault {
    match (protocol, found) {
        (Protocol::Ec2, [Violation { parameter, value: None, .. }, ..]) => {
            Fault::client("MissingParameter", format!("The request must contain the parameter {parameter}"))
        }
        (Protocol::Ec2, [Violation { parameter, value: Some(value), constraint }, ..]) => Fault::client(
            "InvalidParameterValue",
            format!("Value ({value}) for parameter {parameter} is invalid. {constraint}"),
        ),
        (protocol, found) => {
            let code = match protocol {
                Protocol::RestJson => "InvalidParameterException",
                Protocol::Json => "ValidationException",
                Protocol::Query | Protocol::Ec2 => "ValidationError",
            };
            let plural = if found.len() == 1 { "" } else { "s" };
            let list: Vec<String> = found.iter().map(sentence).collect();
            Fault::client(code, format!("{} validation error{plural} detected: {}", found.len(), list.join("; ")))
        }
    }
}

fn sentence(violation: &Violation) -> String {
    let Violation { parameter, value, constraint } = violation;
    let value = match value {
        Some(value) => format!("'{value}'"),
        None => "null".to_owned(),
    };
    format!("Value {value} at '{parameter}' failed to satisfy constraint: {constraint}")
}

/// A value as AWS's messages show it: text bare, lists in brackets.
fn quote(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().take(QUOTED).map(quote).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn small(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// Bytes that base64 text stands for.
fn blob_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_model::Models;
    use serde_json::json;

    fn refused(service: &str, operation: &str, input: Value) -> Fault {
        let models = Models::load().unwrap();
        let model = models.service(service).unwrap();
        validate(model, model.operation(operation).unwrap(), &input).unwrap_err()
    }

    #[test]
    fn a_good_input_passes() {
        let models = Models::load().unwrap();
        let model = models.service("eks").unwrap();
        let input = json!({"name": "c", "roleArn": "r", "resourcesVpcConfig": {"subnetIds": []}, "tags": {"a": "b"}});
        assert_eq!(validate(model, model.operation("CreateCluster").unwrap(), &input), Ok(()));
    }

    #[test]
    fn eks_names_the_member_and_the_constraint() {
        let input = json!({"name": "a b", "roleArn": "r", "resourcesVpcConfig": {}});
        let fault = refused("eks", "CreateCluster", input);
        assert_eq!((fault.code.as_ref(), fault.status), ("InvalidParameterException", 400));
        assert_eq!(
            fault.message,
            "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: ^[0-9A-Za-z][A-Za-z0-9\\-_]*"
        );
        let fault = refused("eks", "ListClusters", json!({"maxResults": 0}));
        assert!(
            fault.message.ends_with(
                "'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"
            )
        );
    }

    #[test]
    fn iam_lists_every_violation() {
        let input = json!({"RoleName": "", "Tags": [{"Key": "k"}]});
        let fault = refused("iam", "CreateRole", input);
        assert_eq!(fault.code, "ValidationError");
        assert!(fault.message.starts_with("4 validation errors detected: Value '' at 'roleName'"), "{fault}");
        assert!(fault.message.contains(
            "Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"
        ));
        assert!(fault.message.contains("Value null at 'tags.1.member.value'"));
    }

    #[test]
    fn ec2_says_what_is_missing_or_wrong() {
        let fault = refused("ec2", "DeleteVpc", json!({}));
        assert_eq!(
            (fault.code.as_ref(), fault.message.as_str()),
            ("MissingParameter", "The request must contain the parameter VpcId")
        );
        let fault = refused("ec2", "CreateVpc", json!({"InstanceTenancy": "shared"}));
        assert_eq!(fault.code, "InvalidParameterValue");
        assert!(fault.message.starts_with("Value (shared) for parameter InstanceTenancy is invalid."), "{fault}");
    }

    #[test]
    fn messages_stay_short_whatever_is_sent() {
        let names: Vec<String> = (0..5_000).map(|_| "x".repeat(100)).collect();
        let fault = refused("ssm", "GetParameters", json!({"Names": names}));
        assert_eq!(fault.code, "ValidationException");
        assert!(fault.message.len() < 10_000);
    }

    #[test]
    fn blobs_are_measured_in_bytes() {
        assert_eq!(["", "YQ==", "YWI=", "YWJj"].map(blob_length), [0, 1, 2, 3]);
    }
}
