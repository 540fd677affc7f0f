use super::*;
use crate::decode::{conform, show};
use crate::schema::{Empty, Scalar, Shape, Types};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

fn release(minor: u8) -> Release {
    Release::load(minor).unwrap()
}

/// Pairs of one stored object as JSON and as protobuf, recorded from a real server.
fn pairs() -> Vec<(Value, Vec<u8>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/protobuf.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut pairs = Vec::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let mut last = None;
        for step in record["steps"].as_array().unwrap() {
            let (path, response) = (&step["request"]["path"], &step["response"]);
            if let Some(bytes) = response["bodyBase64"].as_str().map(|it| STANDARD.decode(it).unwrap()) {
                if let Some((_, object)) = last.take().filter(|(of, _): &(Value, Value)| of == path) {
                    pairs.push((object, bytes));
                }
            } else if response["body"].is_object() {
                last = Some((path.clone(), response["body"].clone()));
            }
        }
    }
    pairs
}

/// What a typed decoder makes of an object.
fn typed(release: &Release, object: Value) -> Value {
    let text = |key: &str| object[key].as_str().unwrap().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let id = release.kind(group, version, &kind).unwrap();
    conform(object, release.types(), id).unwrap().value
}

/// Whether our message is the recorded one but for empty fields that later minors added.
fn same_but_for_empty(ours: &[u8], theirs: &[u8]) -> bool {
    let tokens = |bytes| -> Option<Vec<(u32, Token<'_>)>> {
        let mut reader = Reader::new(bytes);
        let mut tokens = Vec::new();
        while let Some(token) = reader.next().ok()? {
            tokens.push(token);
        }
        Some(tokens)
    };
    let (Some(ours), Some(theirs)) = (tokens(ours), tokens(theirs)) else { return false };
    let mut ours = ours.into_iter().peekable();
    for (number, token) in theirs {
        while ours.next_if(|(n, it)| *n != number && matches!(it, Token::Data([]) | Token::Number(0))).is_some() {}
        let same = match (ours.next(), token) {
            (Some((n, Token::Data(a))), Token::Data(b)) => n == number && (a == b || same_but_for_empty(a, b)),
            (Some((n, Token::Number(a))), Token::Number(b)) => n == number && a == b,
            _ => false,
        };
        if !same {
            return false;
        }
    }
    ours.all(|(_, it)| matches!(it, Token::Data([]) | Token::Number(0)))
}

#[test]
fn recorded_bodies_say_what_the_recorded_json_says() {
    let release = release(24);
    let pairs = pairs();
    assert!(pairs.len() >= 5, "{}", pairs.len());
    for (object, body) in pairs {
        let kind = object["kind"].as_str().unwrap().to_owned();
        assert_eq!(decode(&body, &release).unwrap(), typed(&release, object.clone()), "{kind}");
        let written = encode(&typed(&release, object), &release).unwrap();
        assert!(same_but_for_empty(&written[4..], &body[4..]), "{kind}\n{}\n{}", hex(&written), hex(&body));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// Makes up values; the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn scalar(&mut self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::String => Value::from(self.pick(&["", "a", "häß", "long text with spaces"])),
            Scalar::Boolean => Value::from(self.below(2) == 1),
            Scalar::Int32 => Value::from([0, 1, -1, i32::MAX, i32::MIN][self.below(5) as usize]),
            Scalar::Int64 => Value::from([0, 1, -1, i64::MAX, i64::MIN][self.below(5) as usize]),
            Scalar::Double => Value::from([0.0, 1.5, -2.0, 1e300][self.below(4) as usize]),
            Scalar::Bytes => Value::from(self.pick(&["AAEC", "YQ=="])),
            Scalar::Time => Value::from(self.pick(&["2024-01-02T03:04:05Z", "1969-12-31T23:59:58Z"])),
            Scalar::MicroTime => {
                Value::from(self.pick(&["2024-01-02T03:04:05.000006Z", "1969-12-31T23:59:58.500000Z"]))
            }
            Scalar::Duration => Value::from(self.pick(&["1h0m0s", "0s"])),
            Scalar::Quantity => Value::from(self.pick(&["0", "500m", "1Gi", "-3"])),
            Scalar::IntOrString => [json!(0), json!(80), json!("http"), json!("50%")][self.below(4) as usize].clone(),
        }
    }

    fn value(&mut self, types: &Types, shape: &Shape, depth: u32) -> Value {
        match shape {
            Shape::Scalar(scalar) => self.scalar(*scalar),
            Shape::Any => {
                [json!({"a": [1, null]}), json!("x"), json!(true), json!(1.5)][self.below(4) as usize].clone()
            }
            Shape::Struct { id, .. } => self.object(types, *id, depth + 1),
            Shape::Map { value, .. } => {
                let keys = ["b", "a", ""].into_iter().take(self.below(4) as usize);
                keys.map(|key| (key.to_owned(), self.value(types, value, depth))).collect()
            }
            Shape::List { item, .. } => (0..self.below(3)).map(|_| self.value(types, item, depth)).collect(),
        }
    }

    fn object(&mut self, types: &Types, id: TypeId, depth: u32) -> Value {
        let mut object = Map::new();
        let of = types.get(id).unwrap();
        for field in &of.fields {
            if field.tag == 0 || depth > 3 || self.below(2) == 0 {
                continue;
            }
            let value = match (of.name.ends_with(".JSONSchemaProps"), &*field.name) {
                (true, "items") => json!([{"type": "string"}, {}]),
                (true, "additionalItems" | "additionalProperties") => json!({"type": "string"}),
                _ => self.value(types, &field.shape, depth),
            };
            object.insert(field.name.to_string(), value);
        }
        Value::Object(object)
    }
}

/// An empty list shows as `[]` in JSON and as nothing on the wire, where both are nothing.
fn without_empty_lists(release: &Release, value: &mut Value, id: TypeId) {
    let of = release.types().get(id).unwrap();
    let Value::Object(object) = value else { return };
    object.retain(|name, value| {
        let field = of.field(name).unwrap();
        deep(release, value, &field.shape);
        let container = matches!(field.shape, Shape::List { .. } | Shape::Map { .. });
        let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        let kept = field.empty == Empty::Shown || name == "managedFields";
        !(container && kept && empty)
    });
}

fn deep(release: &Release, value: &mut Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Struct { id, .. }, value) => without_empty_lists(release, value, *id),
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|it| deep(release, it, item)),
        (Shape::Map { value: shape, .. }, Value::Object(map)) => {
            map.values_mut().for_each(|it| deep(release, it, shape));
        }
        _ => {}
    }
}

#[test]
fn every_type_of_every_minor_comes_back() {
    for minor in Release::minors() {
        let release = release(minor);
        let types = release.types();
        let mut messages = 0;
        for (id, of) in types.iter() {
            if !release.order().is_message(types, id) {
                continue;
            }
            messages += 1;
            for seed in 0..2 {
                let mut dice = Dice(seed * 1_000_003 + u64::from(id.0));
                let mut object = conform(dice.object(types, id, 0), types, id).unwrap().value;
                let mut shown = object.clone();
                show(&mut shown, types, id);
                let message = encode_message(&object, &release, id).unwrap();
                let from_shown = encode_message(&shown, &release, id).unwrap();
                assert_eq!(hex(&message), hex(&from_shown), "1.{minor} {}: {object}", of.name);
                without_empty_lists(&release, &mut object, id);
                let object = conform(object, types, id).unwrap().value;
                let back = decode_message(&message, &release, id).unwrap();
                assert_eq!(back, object, "1.{minor} {}", of.name);
            }
        }
        assert!(messages > 450, "1.{minor}: {messages}");
    }
}

#[test]
fn options_and_reviews_have_bodies() {
    let release = release(33);
    for object in [
        json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "u"}}),
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}),
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["a"]}}),
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get"}}}),
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"extra": {"k": ["a", "b"]}, "user": "u"}}),
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}}),
        json!({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "p"}}),
        json!({"apiVersion": "v1", "kind": "Status", "code": 404, "reason": "NotFound", "details": {"name": "x"}}),
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "p"}}]}),
        json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"}]}),
    ] {
        assert_eq!(decode(&encode(&object, &release).unwrap(), &release).unwrap(), object);
    }
    let table = json!({"apiVersion": "meta.k8s.io/v1", "kind": "Table", "rows": []});
    assert!(matches!(encode(&table, &release), Err(WriteError::Kind { .. })));
    let custom = json!({"apiVersion": "a.b/v1", "kind": "Foo"});
    assert!(matches!(encode(&custom, &release), Err(WriteError::Kind { .. })));
    let wrong = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostname": 1}});
    assert_eq!(encode(&wrong, &release), Err(WriteError::Value("hostname".into())));
}

#[test]
fn a_watch_frame_tells_its_length() {
    let release = release(30);
    let body = encode(&json!({"apiVersion": "v1", "kind": "ConfigMap"}), &release).unwrap();
    let frame = watch_frame("ADDED", &body);
    let (length, event) = frame.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, event.len());
    let id = release.type_named("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent").unwrap();
    let event = decode_message(event, &release, id).unwrap();
    assert_eq!(event, json!({"type": "ADDED", "object": {"apiVersion": "v1", "kind": "ConfigMap"}}));
}

#[test]
fn what_is_malformed_or_too_deep_is_refused() {
    let release = release(36);
    assert_eq!(decode(b"{}", &release), Err(ReadError::NoMagic));
    assert!(matches!(decode(b"k8s\0", &release), Err(ReadError::Kind { .. })));
    let id = release.type_named("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps").unwrap();
    let not = release.types().get(id).unwrap().field("not").unwrap().tag;
    let mut deep: Vec<u8> = Vec::new();
    for _ in 0..1000 {
        let mut outer = Writer::with_capacity(deep.len() + 8);
        outer.data(not, &deep);
        deep = outer.bytes;
    }
    assert_eq!(decode_message(&deep, &release, id), Err(ReadError::Depth));
    // A length that nothing backs.
    assert_eq!(decode_message(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &release, id), Err(ReadError::Truncated));
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<proptest::sample::Index>(), to in any::<u8>()) {
        let release = thread_release();
        let id = release.kind("", "v1", "Pod").unwrap();
        let _ = decode_message(&bytes, &release, id);
        for (_, body) in pairs_once().iter() {
            let mut body = body.clone();
            let at = cut.index(body.len());
            body[at] = to;
            let _ = decode(&body, &release);
            let _ = decode(&body[..at], &release);
        }
    }
}

fn thread_release() -> std::rc::Rc<Release> {
    thread_local!(static RELEASE: std::rc::Rc<Release> = std::rc::Rc::new(release(24)));
    RELEASE.with(Clone::clone)
}

fn pairs_once() -> std::rc::Rc<Vec<(Value, Vec<u8>)>> {
    thread_local!(static PAIRS: std::rc::Rc<Vec<(Value, Vec<u8>)>> = std::rc::Rc::new(pairs()));
    PAIRS.with(Clone::clone)
}
