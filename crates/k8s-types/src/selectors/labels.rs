//! Label selectors: what they require, whether labels meet it, how they are written.

use super::SelectorError;
use super::syntax::{self, joined};
use crate::field::{Errors, FieldError, Path};
use crate::names::{label_value, qualified_name};
use crate::status::quote;
use serde_json::{Map, Value};
use std::fmt;

/// How a label and the values of a [`Requirement`] must relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// One of the values.
    In,
    /// None of the values, or absent.
    NotIn,
    /// The value.
    Equals,
    /// The value, written `==`.
    DoubleEquals,
    /// Not the value, or absent.
    NotEquals,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// An integer above the value.
    GreaterThan,
    /// An integer below the value.
    LessThan,
}

/// One of the conditions that a [`LabelSelector`] joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
    /// Sorted, without repetitions.
    values: Box<[Box<str>]>,
    /// The value of a comparison of integers.
    bound: i64,
}

/// Conditions on labels, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Requirement {
    /// A requirement, or all that is wrong with it. `values` are taken as a set.
    pub fn new(key: &str, operator: Operator, mut values: Vec<Box<str>>) -> Result<Self, SelectorError> {
        values.sort_unstable();
        values.dedup();
        let mut errors = Vec::new();
        if let Some(text) = joined(qualified_name(key)) {
            errors.push(format!("key: Invalid value: {}: {text}", quote(key)));
        }
        if let Some(text) = operator.count_error(values.len()) {
            errors.push(format!("values: Invalid value: {}: {text}", list(&values)));
        }
        let mut bound = 0;
        for (at, value) in values.iter().enumerate() {
            if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
                match value.parse() {
                    Ok(it) => bound = it,
                    Err(_) => errors.push(format!(
                        "values[{at}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                        quote(value)
                    )),
                }
            }
            if let Some(text) = joined(label_value(value)) {
                errors.push(format!("values[{at}][{key}]: Invalid value: {}: {text}", quote(value)));
            }
        }
        match errors.as_slice() {
            [] => Ok(Self { key: key.into(), operator, values: values.into(), bound }),
            [one] => Err(SelectorError(one.clone())),
            many => Err(SelectorError(format!("[{}]", many.join(", ")))),
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The relation.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|it| &**it)
    }

    fn has(&self, value: &str) -> bool {
        self.values.binary_search_by(|it| (**it).cmp(value)).is_ok()
    }

    /// Whether a label of this value, or its absence, is what is required.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::Exists, _) => value.is_some(),
            (Operator::DoesNotExist, _) => value.is_none(),
            (Operator::NotIn | Operator::NotEquals, value) => value.is_none_or(|it| !self.has(it)),
            (_, None) => false,
            (Operator::In | Operator::Equals | Operator::DoubleEquals, Some(value)) => self.has(value),
            (Operator::GreaterThan, Some(value)) => value.parse::<i64>().is_ok_and(|it| it > self.bound),
            (Operator::LessThan, Some(value)) => value.parse::<i64>().is_ok_and(|it| it < self.bound),
        }
    }
}

impl Operator {
    fn count_error(self, count: usize) -> Option<&'static str> {
        match self {
            Self::In | Self::NotIn if count == 0 => Some("for 'in', 'notin' operators, values set can't be empty"),
            Self::Equals | Self::DoubleEquals | Self::NotEquals if count != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Self::Exists | Self::DoesNotExist if count != 0 => {
                Some("values set must be empty for exists and does not exist")
            }
            Self::GreaterThan | Self::LessThan if count != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        }
    }
}

fn list(values: &[Box<str>]) -> String {
    let quoted: Vec<String> = values.iter().map(|it| quote(it)).collect();
    format!("[{}]", quoted.join(","))
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects no object: what a LabelSelector that is absent does.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Selects what meets all of `requirements`.
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements, nothing: false }
    }

    /// Reads a query string's form: `a=b,c in (d,e),!f,g>1`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        syntax::parse(text).map(Self::new)
    }

    /// Reads a LabelSelector object: absent (null) selects nothing, empty selects everything.
    pub fn from_object(selector: &Value) -> Result<Self, SelectorError> {
        let Some(selector) = selector.as_object() else { return Ok(Self::nothing()) };
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            requirements.push(Requirement::new(key, Operator::Equals, vec![value.into()])?);
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let operator = match text(expression, "operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(SelectorError(format!("{} is not a valid label selector operator", quote(other))));
                }
            };
            let values = texts(expression, "values").map(Into::into).collect();
            requirements.push(Requirement::new(text(expression, "key"), operator, values)?);
        }
        Ok(Self::new(requirements))
    }

    /// Selects what carries all of `labels`, as a Service's or ReplicationController's selector does. Values are taken
    /// as they are.
    pub fn from_labels(labels: &Map<String, Value>) -> Self {
        let requirement = |(key, value): (&String, &Value)| Requirement {
            key: key.as_str().into(),
            operator: Operator::Equals,
            values: Box::new([value.as_str().unwrap_or_default().into()]),
            bound: 0,
        };
        Self::new(labels.iter().map(requirement).collect())
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether it is known to select nothing.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// What it requires, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The one value that it requires `key` to have, if it does.
    pub fn exact(&self, key: &str) -> Option<&str> {
        let it = self.requirements.iter().find(|it| *it.key == *key)?;
        match (it.operator, &*it.values) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [one]) => Some(one),
            _ => None,
        }
    }

    /// Whether `labels`, an object's `metadata.labels` (null if there are none), are selected.
    pub fn matches(&self, labels: &Value) -> bool {
        let labels = labels.as_object();
        let value = |key: &str| labels.and_then(|it| it.get(key)).map(|it| it.as_str().unwrap_or_default());
        !self.nothing && self.requirements.iter().all(|it| it.matches(value(&it.key)))
    }

    /// Whether `object` is selected by its labels.
    pub fn matches_object(&self, object: &Value) -> bool {
        if self.is_everything() {
            return true;
        }
        let labels = object.get("metadata").and_then(|it| it.get("labels"));
        self.matches(labels.unwrap_or(&Value::Null))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, between, after) = match self.operator {
            Operator::In => ("", " in (", ")"),
            Operator::NotIn => ("", " notin (", ")"),
            Operator::Equals => ("", "=", ""),
            Operator::DoubleEquals => ("", "==", ""),
            Operator::NotEquals => ("", "!=", ""),
            Operator::Exists => ("", "", ""),
            Operator::DoesNotExist => ("!", "", ""),
            Operator::GreaterThan => ("", ">", ""),
            Operator::LessThan => ("", "<", ""),
        };
        write!(f, "{before}{}{between}{}{after}", self.key, self.values.join(","))
    }
}

impl fmt::Display for LabelSelector {
    /// The form of query strings; nothing at all for both extremes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            it.fmt(f)?;
        }
        Ok(())
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    let list = object.get(name).and_then(Value::as_array);
    list.into_iter().flatten().map(|it| it.as_str().unwrap_or_default())
}

/// What is wrong with a LabelSelector object at `path`; null is fine.
pub fn validate_label_selector(selector: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    let labels = path.child("matchLabels");
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        errors.extend(qualified_name(key).iter().map(|it| FieldError::invalid(&labels, key.as_str(), it)));
        errors.extend(label_value(value).iter().map(|it| FieldError::invalid(&labels, value, it)));
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for (at, expression) in expressions.into_iter().flatten().enumerate() {
        validate_expression(expression, &path.child("matchExpressions").index(at), &mut errors);
    }
    errors
}

fn validate_expression(expression: &Value, path: &Path, errors: &mut Errors) {
    let values = path.child("values");
    let empty = texts(expression, "values").next().is_none();
    match text(expression, "operator") {
        "In" | "NotIn" if empty => {
            errors.push(FieldError::required(&values, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !empty => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&values, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = text(expression, "key");
    let at = path.child("key");
    errors.extend(qualified_name(key).iter().map(|it| FieldError::invalid(&at, key, it)));
    for (at, value) in texts(expression, "values").enumerate() {
        let at = values.index(at);
        errors.extend(label_value(value).iter().map(|it| FieldError::invalid(&at, value, it)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn requirement() -> impl Strategy<Value = Requirement> {
        let key = "([a-z]{1,3}\\.x/)?[A-Za-z0-9]{1,4}";
        let values = prop::collection::vec("[a-c]{0,1}", 1..4);
        (key, values, 0..9u8, -5..5i64).prop_map(|(key, values, which, number)| {
            let operator = match which {
                0 => Operator::In,
                1 => Operator::NotIn,
                2 => Operator::Equals,
                3 => Operator::DoubleEquals,
                4 => Operator::NotEquals,
                5 => Operator::Exists,
                6 => Operator::DoesNotExist,
                7 => Operator::GreaterThan,
                _ => Operator::LessThan,
            };
            let values: Vec<Box<str>> = match operator {
                Operator::In | Operator::NotIn => values.into_iter().map(Into::into).collect(),
                Operator::Exists | Operator::DoesNotExist => Vec::new(),
                Operator::GreaterThan | Operator::LessThan => vec![number.unsigned_abs().to_string().into()],
                _ => values.into_iter().take(1).map(Into::into).collect(),
            };
            Requirement::new(&key, operator, values).unwrap()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(all in prop::collection::vec(requirement(), 0..5)) {
            let selector = LabelSelector::new(all);
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[a-c=!<>(),. innotin/-]{0,16}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
            }
        }

        #[test]
        fn a_negation_is_the_opposite(value in prop::option::of("[a-c]"), values in prop::collection::vec("[a-c]", 1..3)) {
            let values: Vec<Box<str>> = values.into_iter().map(Into::into).collect();
            let is = Requirement::new("k", Operator::In, values.clone()).unwrap();
            let is_not = Requirement::new("k", Operator::NotIn, values).unwrap();
            prop_assert_ne!(is.matches(value.as_deref()), is_not.matches(value.as_deref()));
        }
    }

    #[test]
    fn objects_become_selectors() {
        let read = |it: Value| LabelSelector::from_object(&it).unwrap();
        assert!(read(Value::Null).is_nothing() && !read(Value::Null).matches(&json!({})));
        assert!(read(json!({})).is_everything() && read(json!({})).matches(&Value::Null));
        let it = read(json!({
            "matchLabels": {"b": "1"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["y", "x", "y"]},
                {"key": "c", "operator": "DoesNotExist"},
            ],
        }));
        assert_eq!(it.to_string(), "a in (x,y),b=1,!c");
        assert!(it.matches_object(&json!({"metadata": {"labels": {"a": "x", "b": "1"}}})));
        assert!(!it.matches_object(&json!({"metadata": {"labels": {"a": "x", "b": "1", "c": ""}}})));
        assert!(!it.matches_object(&json!({"metadata": {}})));
        let error = LabelSelector::from_object(&json!({"matchExpressions": [{"key": "a", "operator": "Foo"}]}));
        assert_eq!(error.unwrap_err().0, "\"Foo\" is not a valid label selector operator");
    }

    #[test]
    fn objects_are_validated() {
        let texts = |it: Value| -> Vec<String> {
            validate_label_selector(&it, &Path::new("spec.selector")).iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(Value::Null).len(), 0);
        assert_eq!(
            texts(json!({"matchExpressions": [
                {"key": "a", "operator": "Foo"},
                {"key": "a", "operator": "In"},
                {"key": "a", "operator": "Exists", "values": ["a"]},
            ]})),
            [
                "spec.selector.matchExpressions[0].operator: Invalid value: \"Foo\": not a valid selector operator",
                "spec.selector.matchExpressions[1].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                "spec.selector.matchExpressions[2].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            ]
        );
        let all = texts(json!({"matchLabels": {"a b": "-"}}));
        assert!(all[0].starts_with("spec.selector.matchLabels: Invalid value: \"a b\": name part must consist of"));
        assert!(all[1].starts_with("spec.selector.matchLabels: Invalid value: \"-\": a valid label must be"));
    }

    #[test]
    fn one_required_value_is_known() {
        let it = LabelSelector::parse("a in (x),b!=y,c in (x,y)").unwrap();
        assert_eq!(["a", "b", "c", "d"].map(|key| it.exact(key)), [Some("x"), None, None, None]);
    }
}
