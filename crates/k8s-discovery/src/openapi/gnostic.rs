//! An OpenAPI 2.0 document as protobuf: the `Document` message of gnostic's `openapi.v2`.
//!
//! Field numbers are those of the published `OpenAPIv2.proto`. A map is a list of pairs (name 1, value 2) there, and
//! what may be any JSON is its YAML text.

use serde_json::{Map, Value};

/// What a field of a message is on the wire, and how its value is made of JSON.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Texts,
    Boolean,
    Integer,
    Number,
    /// Any JSON, as YAML.
    Any,
    /// A list of any JSON.
    Anys,
    /// A message.
    Message(Message),
    /// A list of messages.
    Messages(Message),
    /// A message whose one field is a map: its number, and the message of the values.
    Map(u32, Message),
}

/// A field: its JSON name, number and form.
type Field = (&'static str, u32, Form);

/// A message is written by a function, for some depend on what stands in them.
type Message = fn(&mut Writer, &Value);

const DOCUMENT: &[Field] = &[
    ("swagger", 1, Form::Text),
    ("info", 2, Form::Message(info)),
    ("schemes", 5, Form::Texts),
    ("consumes", 6, Form::Texts),
    ("produces", 7, Form::Texts),
    ("paths", 8, Form::Map(2, path)),
    ("definitions", 9, Form::Map(1, schema)),
    ("parameters", 10, Form::Map(1, parameter)),
    ("security", 12, Form::Messages(requirement)),
    ("securityDefinitions", 13, Form::Map(1, scheme)),
];

const INFO: &[Field] = &[("title", 1, Form::Text), ("version", 2, Form::Text), ("description", 3, Form::Text)];

const PATH: &[Field] = &[
    ("$ref", 1, Form::Text),
    ("get", 2, Form::Message(operation)),
    ("put", 3, Form::Message(operation)),
    ("post", 4, Form::Message(operation)),
    ("delete", 5, Form::Message(operation)),
    ("options", 6, Form::Message(operation)),
    ("head", 7, Form::Message(operation)),
    ("patch", 8, Form::Message(operation)),
    ("parameters", 9, Form::Messages(parameter_or_reference)),
];

const OPERATION: &[Field] = &[
    ("tags", 1, Form::Texts),
    ("summary", 2, Form::Text),
    ("description", 3, Form::Text),
    ("operationId", 5, Form::Text),
    ("produces", 6, Form::Texts),
    ("consumes", 7, Form::Texts),
    ("parameters", 8, Form::Messages(parameter_or_reference)),
    ("responses", 9, Form::Map(1, response_or_reference)),
    ("schemes", 10, Form::Texts),
    ("deprecated", 11, Form::Boolean),
];

const SCHEMA: &[Field] = &[
    ("$ref", 1, Form::Text),
    ("format", 2, Form::Text),
    ("title", 3, Form::Text),
    ("description", 4, Form::Text),
    ("default", 5, Form::Any),
    ("multipleOf", 6, Form::Number),
    ("maximum", 7, Form::Number),
    ("exclusiveMaximum", 8, Form::Boolean),
    ("minimum", 9, Form::Number),
    ("exclusiveMinimum", 10, Form::Boolean),
    ("maxLength", 11, Form::Integer),
    ("minLength", 12, Form::Integer),
    ("pattern", 13, Form::Text),
    ("maxItems", 14, Form::Integer),
    ("minItems", 15, Form::Integer),
    ("uniqueItems", 16, Form::Boolean),
    ("maxProperties", 17, Form::Integer),
    ("minProperties", 18, Form::Integer),
    ("required", 19, Form::Texts),
    ("enum", 20, Form::Anys),
    ("additionalProperties", 21, Form::Message(additional)),
    ("type", 22, Form::Message(types)),
    ("items", 23, Form::Message(items)),
    ("allOf", 24, Form::Messages(schema)),
    ("properties", 25, Form::Map(1, schema)),
    ("readOnly", 27, Form::Boolean),
    ("example", 30, Form::Any),
];

const BODY: &[Field] = &[
    ("description", 1, Form::Text),
    ("name", 2, Form::Text),
    ("in", 3, Form::Text),
    ("required", 4, Form::Boolean),
    ("schema", 5, Form::Message(schema)),
];

const QUERY: &[Field] = &[
    ("required", 1, Form::Boolean),
    ("in", 2, Form::Text),
    ("description", 3, Form::Text),
    ("name", 4, Form::Text),
    ("type", 6, Form::Text),
    ("format", 7, Form::Text),
    ("uniqueItems", 20, Form::Boolean),
];

const IN_PATH: &[Field] = &[
    ("required", 1, Form::Boolean),
    ("in", 2, Form::Text),
    ("description", 3, Form::Text),
    ("name", 4, Form::Text),
    ("type", 5, Form::Text),
    ("format", 6, Form::Text),
    ("uniqueItems", 19, Form::Boolean),
];

const REFERENCE: &[Field] = &[("$ref", 1, Form::Text), ("description", 2, Form::Text)];

const RESPONSE: &[Field] = &[("description", 1, Form::Text), ("schema", 2, Form::Message(schema_item))];

const API_KEY: &[Field] =
    &[("type", 1, Form::Text), ("name", 2, Form::Text), ("in", 3, Form::Text), ("description", 4, Form::Text)];

/// Writes a document.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.fields(document, DOCUMENT, Some(16));
    writer.bytes
}

fn info(writer: &mut Writer, it: &Value) {
    writer.fields(it, INFO, Some(7));
}

fn path(writer: &mut Writer, it: &Value) {
    writer.fields(it, PATH, Some(10));
}

fn operation(writer: &mut Writer, it: &Value) {
    writer.fields(it, OPERATION, Some(13));
}

fn schema(writer: &mut Writer, it: &Value) {
    writer.fields(it, SCHEMA, Some(31));
}

fn schema_item(writer: &mut Writer, it: &Value) {
    writer.message(1, |writer| schema(writer, it));
}

fn additional(writer: &mut Writer, it: &Value) {
    match it.as_bool() {
        Some(it) => writer.number(2, u64::from(it)),
        None => writer.message(1, |writer| schema(writer, it)),
    }
}

fn types(writer: &mut Writer, it: &Value) {
    match it {
        Value::Array(types) => types.iter().filter_map(Value::as_str).for_each(|it| writer.text(1, it)),
        other => writer.text(1, other.as_str().unwrap_or_default()),
    }
}

fn items(writer: &mut Writer, it: &Value) {
    match it {
        Value::Array(all) => all.iter().for_each(|it| writer.message(1, |writer| schema(writer, it))),
        one => writer.message(1, |writer| schema(writer, one)),
    }
}

fn parameter_or_reference(writer: &mut Writer, it: &Value) {
    if it.get("$ref").is_some() {
        writer.message(2, |writer| writer.fields(it, REFERENCE, None));
    } else {
        writer.message(1, |writer| parameter(writer, it));
    }
}

fn parameter(writer: &mut Writer, it: &Value) {
    match it.get("in").and_then(Value::as_str) {
        Some("body") => writer.message(1, |writer| writer.fields(it, BODY, Some(6))),
        Some("path") => {
            writer.message(2, |writer| writer.message(4, |writer| writer.fields(it, IN_PATH, Some(22))));
        }
        _ => writer.message(2, |writer| writer.message(3, |writer| writer.fields(it, QUERY, Some(23)))),
    }
}

fn response_or_reference(writer: &mut Writer, it: &Value) {
    if it.get("$ref").is_some() {
        writer.message(2, |writer| writer.fields(it, REFERENCE, None));
    } else {
        writer.message(1, |writer| writer.fields(it, RESPONSE, Some(5)));
    }
}

fn requirement(writer: &mut Writer, it: &Value) {
    writer.pairs(1, it, |writer, scopes| {
        scopes.as_array().into_iter().flatten().filter_map(Value::as_str).for_each(|it| writer.text(1, it));
    });
}

fn scheme(writer: &mut Writer, it: &Value) {
    writer.message(2, |writer| writer.fields(it, API_KEY, Some(5)));
}

/// Protobuf in the making.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes the fields of an object that a message has, and the rest under `extensions` where their names begin with
    /// `x-`. Fields come in the order of their numbers.
    fn fields(&mut self, object: &Value, fields: &[Field], extensions: Option<u32>) {
        let Some(object) = object.as_object() else { return };
        for (name, number, form) in fields {
            if let Some(value) = object.get(*name) {
                self.field(*number, *form, value);
            }
        }
        if let Some(number) = extensions {
            self.extensions(number, object);
        }
    }

    fn field(&mut self, number: u32, form: Form, value: &Value) {
        let list = || value.as_array().into_iter().flatten();
        match form {
            Form::Text => self.text(number, value.as_str().unwrap_or_default()),
            Form::Texts => list().filter_map(Value::as_str).for_each(|it| self.text(number, it)),
            Form::Boolean => self.number(number, u64::from(value.as_bool().unwrap_or_default())),
            Form::Integer => self.number(number, value.as_i64().unwrap_or_default().cast_unsigned()),
            Form::Number => self.double(number, value.as_f64().unwrap_or_default()),
            Form::Any => self.message(number, |it| it.any(value)),
            Form::Anys => list().for_each(|value| self.message(number, |it| it.any(value))),
            Form::Message(message) => self.message(number, |it| message(it, value)),
            Form::Messages(message) => list().for_each(|value| self.message(number, |it| message(it, value))),
            Form::Map(inner, message) => self.message(number, |it| it.pairs(inner, value, message)),
        }
    }

    fn extensions(&mut self, number: u32, object: &Map<String, Value>) {
        for (name, value) in object.iter().filter(|(name, _)| name.starts_with("x-")) {
            self.message(number, |it| {
                it.text(1, name);
                it.message(2, |it| it.any(value));
            });
        }
    }

    /// JSON is YAML.
    fn any(&mut self, value: &Value) {
        self.text(2, &format!("{value}\n"));
    }

    fn pairs(&mut self, number: u32, object: &Value, message: Message) {
        for (name, value) in object.as_object().into_iter().flatten() {
            self.message(number, |it| {
                it.text(1, name);
                it.message(2, |it| message(it, value));
            });
        }
    }

    fn varint(&mut self, mut it: u64) {
        while it >= 0x80 {
            self.bytes.push((it & 0x7f) as u8 | 0x80);
            it >>= 7;
        }
        self.bytes.push(it as u8);
    }

    fn key(&mut self, number: u32, wire_type: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire_type));
    }

    /// A number; zero is what is absent.
    fn number(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.key(number, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, number: u32, value: f64) {
        if value != 0.0 {
            self.key(number, 1);
            self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }

    fn text(&mut self, number: u32, value: &str) {
        self.key(number, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A message. Its length is known only when it is written, and then makes room for itself.
    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.key(number, 2);
        let start = self.bytes.len();
        write(self);
        let mut length = self.bytes.len() - start;
        let mut bytes = [0u8; 10];
        let mut count = 0;
        for byte in &mut bytes {
            count += 1;
            *byte = (length & 0x7f) as u8;
            length >>= 7;
            if length == 0 {
                break;
            }
            *byte |= 0x80;
        }
        self.bytes.splice(start..start, bytes.into_iter().take(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The fields of a message: numbers with what they carry; a number that is no length is its value.
    fn read(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut it = 0;
            for shift in (0..).step_by(7) {
                let (byte, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                it |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            it
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = varint(&mut bytes);
            match key & 7 {
                0 => fields.push((key >> 3, value.to_le_bytes()[..1].to_vec())),
                2 => {
                    let (data, rest) = bytes.split_at(usize::try_from(value).unwrap());
                    bytes = rest;
                    fields.push((key >> 3, data.to_vec()));
                }
                other => panic!("wire type {other}"),
            }
        }
        fields
    }

    /// What is found by going down field after field.
    fn at(bytes: &[u8], path: &[u64]) -> Vec<u8> {
        path.iter().fold(bytes.to_vec(), |bytes, number| {
            read(&bytes).into_iter().find(|(it, _)| it == number).unwrap_or_else(|| panic!("no {number}")).1
        })
    }

    #[test]
    fn every_part_has_its_number() {
        let text = "d".repeat(300);
        let document = json!({
            "swagger": "2.0",
            "info": { "title": "t", "version": "v" },
            "paths": { "/p/{name}": {
                "patch": {
                    "tags": ["x"], "operationId": "id", "consumes": ["c"], "produces": ["p"], "description": text,
                    "parameters": [
                        { "name": "body", "in": "body", "required": true, "schema": { "$ref": "#/definitions/D" } },
                        { "name": "q", "in": "query", "type": "string", "uniqueItems": true },
                        { "$ref": "#/parameters/force" },
                    ],
                    "responses": { "200": { "description": "OK", "schema": { "$ref": "#/definitions/D" } } },
                    "x-kubernetes-action": "patch",
                },
                "parameters": [{ "name": "name", "in": "path", "required": true, "type": "string" }],
            } },
            "definitions": { "D": {
                "type": "object",
                "required": ["a"],
                "properties": {
                    "a": { "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "set" },
                    "b": { "additionalProperties": { "$ref": "#/definitions/D" }, "type": "object" },
                },
            } },
            "securityDefinitions": { "B": { "type": "apiKey", "name": "authorization", "in": "header" } },
        });
        let bytes = encode(&document);
        let text_at = |path: &[u64]| String::from_utf8(at(&bytes, path)).unwrap();
        assert_eq!(text_at(&[1]), "2.0");
        assert_eq!(text_at(&[2, 1]), "t");
        assert_eq!(text_at(&[8, 2, 1]), "/p/{name}");
        let patch = [8, 2, 2, 8];
        let of_patch = |path: &[u64]| text_at(&[&patch, path].concat());
        assert_eq!([of_patch(&[1]), of_patch(&[5]), of_patch(&[6]), of_patch(&[7])], ["x", "id", "p", "c"]);
        assert_eq!(of_patch(&[3]), text);
        assert_eq!(of_patch(&[13, 1]), "x-kubernetes-action");
        assert_eq!(of_patch(&[13, 2, 2]), "\"patch\"\n");
        assert_eq!(of_patch(&[8, 1, 1, 5, 1]), "#/definitions/D");
        assert_eq!(of_patch(&[9, 1, 2, 1, 2, 1, 1]), "#/definitions/D");
        let parameters: Vec<Vec<u8>> =
            read(&at(&bytes, &patch)).into_iter().filter(|(it, _)| *it == 8).map(|(_, it)| it).collect();
        assert_eq!(at(&parameters[1], &[1, 2, 3, 4]), b"q");
        assert_eq!(at(&parameters[1], &[1, 2, 3, 20]), [1]);
        assert_eq!(at(&parameters[2], &[2, 1]), b"#/parameters/force");
        assert_eq!(text_at(&[8, 2, 2, 9, 1, 2, 4, 4]), "name");
        assert_eq!(text_at(&[9, 1, 1]), "D");
        assert_eq!(text_at(&[9, 1, 2, 22, 1]), "object");
        assert_eq!(text_at(&[9, 1, 2, 19]), "a");
        assert_eq!(text_at(&[9, 1, 2, 25, 1, 1]), "a");
        assert_eq!(text_at(&[9, 1, 2, 25, 1, 2, 23, 1, 22, 1]), "string");
        assert_eq!(text_at(&[9, 1, 2, 25, 1, 2, 31, 2, 2]), "\"set\"\n");
        assert_eq!(text_at(&[13, 1, 2, 2, 2]), "authorization");
    }
}
