//! Every served operation's answer, with every member filled in, is read back by a reader that knows only the model
//! and the protocols' rules.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use aws_model::{Kind, Model, Models, Operation, Protocol, ShapeId};
use aws_wire::encode;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static MODELS: LazyLock<Models> = LazyLock::new(|| Models::load().unwrap());

/// An element: its children, or its text.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn parse(document: &str) -> Self {
        let mut reader = Reader::from_str(document);
        let mut stack = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    let name = start.name().as_ref().to_owned();
                    stack.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let done = stack.pop().unwrap();
                    stack.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => stack.last_mut().unwrap().text.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => {
                    let top = &mut stack.last_mut().unwrap().text;
                    match name.resolve_char_ref().unwrap() {
                        Some(c) => top.push(c),
                        None => top.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap()),
                    }
                }
                Event::Eof => return stack.pop().unwrap().children.pop().unwrap(),
                _ => {}
            }
        }
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// A value of a shape with everything in it; `text` is every text's value.
fn sample(model: &Model, shape: ShapeId, text: &str) -> Value {
    match &model.shape(shape).kind {
        Kind::Structure(structure) => {
            let members = structure.members().iter();
            Value::Object(members.map(|m| (m.name.clone(), sample(model, m.shape, text))).collect())
        }
        Kind::List { member, .. } => json!([sample(model, *member, text), sample(model, *member, text)]),
        Kind::Map { value, .. } => json!({"key": sample(model, *value, text)}),
        Kind::String => json!(text),
        Kind::Integer | Kind::Long => json!(-7),
        Kind::Double => json!(1.5),
        Kind::Boolean => json!(true),
        Kind::Timestamp => json!("2026-01-02T03:04:05Z"),
        Kind::Blob => json!("YSti"),
    }
}

fn read(model: &Model, shape: ShapeId, element: &Element) -> Value {
    match &model.shape(shape).kind {
        Kind::Structure(structure) => {
            let mut out = Map::new();
            for member in structure.members() {
                if let Some(child) = element.child(&member.wire_name) {
                    out.insert(member.name.clone(), read(model, member.shape, child));
                }
            }
            Value::Object(out)
        }
        Kind::List { member, .. } => {
            let expected = if model.protocol() == Protocol::Ec2 { "item" } else { "member" };
            assert!(element.children.iter().all(|child| child.name == expected), "{element:?}");
            element.children.iter().map(|child| read(model, *member, child)).collect()
        }
        Kind::Map { value, .. } => {
            let pair = |entry: &Element| {
                let key = entry.child("key").unwrap().text.clone();
                (key, read(model, *value, entry.child("value").unwrap()))
            };
            Value::Object(element.children.iter().map(pair).collect())
        }
        Kind::Integer | Kind::Long => json!(element.text.parse::<i64>().unwrap()),
        Kind::Double => json!(element.text.parse::<f64>().unwrap()),
        Kind::Boolean => json!(element.text == "true"),
        Kind::String | Kind::Timestamp | Kind::Blob => json!(element.text),
    }
}

/// What a client reads from the answer to `operation`; the answer must carry the request's id.
fn received(model: &Model, operation: &Operation, output: &Value) -> Option<Value> {
    let reply = encode::success(model, operation, output, "id-1");
    assert_eq!(reply.status, 200);
    let document = String::from_utf8(reply.body).unwrap();
    if matches!(model.protocol(), Protocol::Json | Protocol::RestJson) {
        return operation.output.map(|_| serde_json::from_str(&document).unwrap());
    }
    let root = Element::parse(&document);
    assert_eq!(root.name, format!("{}Response", operation.name));
    if model.protocol() == Protocol::Ec2 {
        assert_eq!(root.child("requestId").unwrap().text, "id-1");
        return operation.output.map(|shape| read(model, shape, &root));
    }
    assert_eq!(root.child("ResponseMetadata").unwrap().child("RequestId").unwrap().text, "id-1");
    operation.output.map(|shape| read(model, shape, root.child(&format!("{}Result", operation.name)).unwrap()))
}

fn operations(model: &Model) -> Vec<&Operation> {
    let all = [
        aws_model::ec2::OPERATIONS,
        aws_model::eks::OPERATIONS,
        aws_model::iam::OPERATIONS,
        aws_model::ssm::OPERATIONS,
        aws_model::sts::OPERATIONS,
    ];
    all.concat().into_iter().filter_map(|name| model.operation(name)).collect()
}

#[test]
fn every_member_of_every_answer_is_received() {
    for model in MODELS.iter() {
        for operation in operations(model) {
            let output = operation.output.map(|shape| sample(model, shape, " a<b>&\"'é\r\n"));
            let received = received(model, operation, output.as_ref().unwrap_or(&Value::Null));
            assert_eq!(received, output, "{}", operation.name);
        }
    }
}

proptest! {
    #[test]
    fn whatever_text_a_user_chose_is_received(text in "[\\PC\r\n\t]{0,24}") {
        for (service, name) in [("ec2", "DescribeTags"), ("iam", "ListRoleTags"), ("eks", "ListTagsForResource")] {
            let model = MODELS.service(service).unwrap();
            let operation = model.operation(name).unwrap();
            let text = text.replace(['\u{fffe}', '\u{ffff}'], "");
            let output = operation.output.map(|shape| sample(model, shape, &text));
            prop_assert_eq!(received(model, operation, output.as_ref().unwrap()), output);
        }
    }
}
