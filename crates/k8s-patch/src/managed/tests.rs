use super::*;
use k8s_types::schema::{Field, ListKind, Scalar, Struct, Types};
use proptest::prelude::*;
use serde_json::json;

const NOW: &str = "2024-01-01T00:00:00Z";
const LATER: &str = "2024-01-01T00:00:01Z";

/// A kind `Foo` of `x.io/v1` with a scalar, a map, a set, an atomic list and a list map with a defaulted key.
fn types() -> (Types, Schema<'static>) {
    let mut types = Types::default();
    let text = || Shape::Scalar(Scalar::String);
    let list = |item: Shape, kind| Shape::List { item: Box::new(item), kind };
    let of = |types: &mut Types, fields: Vec<Field>| {
        let id = types.add(Struct { fields: fields.into(), ..Struct::default() });
        Shape::Struct { id, atomic: false }
    };
    let protocol = Field { default: Some(json!("TCP")), ..Field::new("p", text()) };
    let item = of(&mut types, vec![Field::new("k", text()), protocol, Field::new("v", text())]);
    let keys: Box<[Box<str>]> = ["k".into(), "p".into()].into();
    let spec = of(
        &mut types,
        vec![
            Field::new("a", text()),
            Field::new("m", Shape::Map { value: Box::new(text()), atomic: false }),
            Field::new("set", list(text(), ListKind::Set)),
            Field::new("at", list(text(), ListKind::Atomic)),
            Field::new("l", list(item, ListKind::Map { keys })),
        ],
    );
    let labels = Shape::Map { value: Box::new(text()), atomic: false };
    let metadata = ["name", "uid", "namespace", "resourceVersion"].map(|it| Field::new(it, text()));
    let more = [
        Field::new("labels", labels.clone()),
        Field::new("annotations", labels),
        Field::new("managedFields", list(Shape::Any, ListKind::Atomic)),
    ];
    let metadata = of(&mut types, metadata.into_iter().chain(more).collect());
    let root = vec![
        Field::new("apiVersion", text()),
        Field::new("kind", text()),
        Field::new("metadata", metadata),
        Field::new("spec", spec),
    ];
    let Shape::Struct { id: root, .. } = of(&mut types, root) else { unreachable!() };
    let leaked: &'static Types = Box::leak(Box::new(types));
    (Types::default(), Schema { types: leaked, root })
}

struct Fixture {
    schema: Schema<'static>,
    versions: [(&'static str, Schema<'static>); 1],
    zero: Value,
    reset: Set,
}

impl Fixture {
    fn new() -> Self {
        let schema = types().1;
        Self { schema, versions: [("x.io/v1", schema)], zero: zero_object(&schema), reset: Set::new() }
    }

    fn with<R>(&self, act: impl FnOnce(&Manager<'_>) -> R) -> R {
        let versions = SameFields { versions: &self.versions };
        act(&Manager {
            schema: self.schema,
            api_version: "x.io/v1",
            kind: "Foo",
            subresource: "",
            zero: &self.zero,
            reset: &self.reset,
            versions: &versions,
        })
    }

    fn apply(&self, live: Option<&Value>, spec: Value, by: &str, force: bool, now: &str) -> Result<Value, ApplyError> {
        let applied = json!({"apiVersion": "x.io/v1", "kind": "Foo", "metadata": {"name": "t"}, "spec": spec});
        self.with(|it| it.apply(live, &applied, by, force, now))
    }

    fn update(&self, live: Option<&Value>, new: Value, by: &str, now: &str) -> Value {
        let mut new = new;
        self.with(|it| it.update(live, &mut new, by, now));
        new
    }
}

fn owned(object: &Value, by: &str) -> Value {
    let list = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    list.into_iter().find(|it| it["manager"] == by).map_or(Value::Null, |it| it["fieldsV1"].clone())
}

#[test]
fn a_create_belongs_to_its_maker_and_an_update_moves_what_it_changes() {
    let f = Fixture::new();
    let object = json!({"apiVersion": "x.io/v1", "kind": "Foo", "metadata": {"name": "t", "labels": {"l": "1"}}, "spec": {"a": "1", "m": {"x": "1"}}});
    let made = f.update(None, object, "maker", NOW);
    assert_eq!(
        owned(&made, "maker"),
        json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:spec": {".": {}, "f:a": {}, "f:m": {".": {}, "f:x": {}}}})
    );
    let mut changed = made.clone();
    changed["spec"]["a"] = json!("2");
    let changed = f.update(Some(&made), changed, "other", LATER);
    assert_eq!(owned(&changed, "other"), json!({"f:spec": {"f:a": {}}}));
    assert_eq!(owned(&changed, "maker")["f:spec"], json!({".": {}, "f:m": {".": {}, "f:x": {}}}));
    assert_eq!(f.update(Some(&changed), changed.clone(), "third", LATER), changed);
}

#[test]
fn what_clients_send_as_entries_is_read_or_ignored() {
    let f = Fixture::new();
    let made = f.update(None, json!({"metadata": {"uid": "u"}, "spec": {"a": "1"}}), "maker", NOW);
    let send = |entries: Value| {
        let mut new = made.clone();
        new["metadata"]["managedFields"] = entries;
        f.update(Some(&made), new, "other", LATER)
    };
    assert_eq!(send(json!([])), made);
    assert_eq!(send(json!([{"manager": "x", "operation": "Nope"}])), made);
    assert_eq!(send(json!("junk")), made);
    let mut without = made.clone();
    without["metadata"].as_object_mut().unwrap().remove("managedFields");
    assert_eq!(send(json!([{}])), without);
    let taken = send(
        json!([{"manager": "x", "operation": "Update", "apiVersion": "x.io/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:a": {}}}}]),
    );
    assert_eq!(owned(&taken, "x"), json!({"f:spec": {"f:a": {}}}));
    // Who is not kept track of stays so.
    let mut more = without.clone();
    more["spec"]["a"] = json!("2");
    assert_eq!(f.update(Some(&without), more.clone(), "other", LATER), more);
}

#[test]
fn applies_conflict_share_and_remove() {
    let f = Fixture::new();
    let one = f.apply(None, json!({"a": "1", "l": [{"k": "x", "v": "1"}]}), "m1", false, NOW).unwrap();
    let error = f.apply(Some(&one), json!({"a": "2", "l": [{"k": "x", "v": "2"}]}), "m2", false, NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"m1\":\n- .spec.a\n- .spec.l[k=\"x\",p=\"TCP\"].v"
    );
    assert_eq!(error.status().details.unwrap().causes.len(), 2);
    let shared = f.apply(Some(&one), json!({"a": "1"}), "m2", false, LATER).unwrap();
    let dropped = f.apply(Some(&shared), json!({"m": {"x": "1"}}), "m1", false, LATER).unwrap();
    assert_eq!(dropped["spec"], json!({"a": "1", "m": {"x": "1"}}));
    let forced = f.apply(Some(&dropped), json!({"m": {"x": "2"}}), "m2", true, LATER).unwrap();
    assert_eq!(forced["spec"], json!({"m": {"x": "2"}}));
    assert_eq!(owned(&forced, "m1"), Value::Null);
    let mut updated = forced.clone();
    updated["spec"]["m"]["x"] = json!("3");
    let updated = f.update(Some(&forced), updated, "u", LATER);
    let error = f.apply(Some(&updated), json!({"m": {"x": "2"}}), "m2", false, LATER).unwrap_err();
    assert_eq!(error.to_string(), "Apply failed with 1 conflict: conflict with \"u\" using x.io/v1: .spec.m.x");
}

#[test]
fn wrong_applies_are_told() {
    let f = Fixture::new();
    let text = |spec| f.apply(None, spec, "m", false, NOW).unwrap_err().to_string();
    let prefix = "failed to create typed patch object (/t; x.io/v1, Kind=Foo): ";
    assert_eq!(text(json!({"zz": 1})), format!("{prefix}.spec.zz: field not declared in schema"));
    assert_eq!(text(json!({"set": ["a", "a"]})), format!("{prefix}.spec.set: duplicate entries for key [=\"a\"]"));
    assert_eq!(
        text(json!({"a": 5})),
        format!("{prefix}.spec.a: expected string, got &value.valueUnstructured{{Value:5}}")
    );
    let error = f.with(|it| it.apply(None, &json!({"apiVersion": "v1", "kind": "Bar"}), "m", false, NOW)).unwrap_err();
    assert_eq!((error.status().code, error.to_string().as_str()), (400, "invalid object type: /v1, Kind=Bar"));
}

#[test]
fn an_object_nobody_kept_track_of_is_taken_from_before_first_apply() {
    let f = Fixture::new();
    let live = json!({"apiVersion": "x.io/v1", "kind": "Foo", "metadata": {"name": "t"}, "spec": {"a": "1"}});
    let error = f.apply(Some(&live), json!({"a": "2"}), "m", false, NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using x.io/v1: .spec.a"
    );
}

#[test]
fn a_write_that_changes_times_only_is_none() {
    let live = json!({"metadata": {"name": "t", "managedFields": [{"manager": "m", "time": NOW}]}, "a": 1});
    let mut new = json!({"metadata": {"name": "t", "managedFields": [{"manager": "m", "time": LATER}]}, "a": 1});
    assert!(keep_times(&live, &mut new));
    assert_eq!(new, live);
    new["a"] = json!(2);
    assert!(!keep_times(&live, &mut new));
}

fn spec() -> impl Strategy<Value = Value> {
    let texts = || proptest::collection::btree_set("[a-c]", 1..3);
    let map = proptest::collection::btree_map("[a-c]", "[1-3]", 1..3);
    let items = proptest::collection::btree_map("[a-c]", proptest::option::of("[1-3]"), 1..3);
    (proptest::option::of("[1-3]"), map, texts(), texts(), items).prop_map(|(a, m, set, at, l)| {
        let l: Vec<Value> =
            l.into_iter().map(|(k, v)| v.map_or_else(|| json!({"k": k}), |v| json!({"k": k, "v": v}))).collect();
        let mut spec = json!({"m": m, "set": set, "at": at, "l": l});
        if let Some(a) = a {
            spec["a"] = json!(a);
        }
        spec
    })
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(base in spec(), one in spec(), other in spec()) {
        let f = Fixture::new();
        let live = f.update(None, json!({"apiVersion": "x.io/v1", "kind": "Foo", "metadata": {"uid": "u"}, "spec": base}), "u", NOW);
        let live = f.apply(Some(&live), other, "m2", true, NOW).unwrap();
        let once = f.apply(Some(&live), one.clone(), "m1", true, NOW).unwrap();
        let twice = f.apply(Some(&once), one.clone(), "m1", false, LATER).unwrap();
        prop_assert_eq!(&twice, &once);
        // What is applied is there.
        let set = f.schema.to_field_set(&json!({"spec": one}));
        let applied = f.schema.extract_items(&json!({"spec": one}), &set);
        let there = f.schema.extract_items(&once, &set);
        let differs = f.schema.compare(&applied, &there);
        prop_assert!(differs.modified.is_empty() && differs.removed.is_empty(), "{:?}", differs);
    }

    #[test]
    fn no_entry_owns_what_is_not_there(base in spec(), one in spec(), two in spec()) {
        let f = Fixture::new();
        let live = f.update(None, json!({"metadata": {"uid": "u"}, "spec": base}), "a", NOW);
        let mut new = live.clone();
        new["spec"] = one;
        let live = f.update(Some(&live), new, "b", NOW);
        let mut new = live.clone();
        new["spec"] = two;
        let live = f.update(Some(&live), new, "c", NOW);
        let all = f.schema.compare(&json!({}), &live).added;
        for entry in live["metadata"]["managedFields"].as_array().unwrap() {
            let fields = Set::from_json(&entry["fieldsV1"]).unwrap();
            prop_assert!(fields.difference(&all).is_empty(), "{:?}", fields.difference(&all).paths());
        }
    }

    #[test]
    fn no_entries_panic(entries in wild(), live in wild()) {
        let f = Fixture::new();
        let object = |entries: Value| json!({"metadata": {"uid": "u", "managedFields": entries}, "spec": {"a": "1"}});
        let mut new = object(entries);
        new["spec"]["a"] = json!("2");
        f.update(Some(&object(live.clone())), new, "m", NOW);
        let _ = f.apply(Some(&object(live)), json!({"a": "3"}), "m", false, NOW);
    }
}

/// Any JSON that has something of entries.
fn wild() -> impl Strategy<Value = Value> {
    let names = "manager|operation|apiVersion|time|fieldsType|fieldsV1|f:spec|f:a|k:\\{|v:1|\\.";
    let texts =
        prop_oneof![Just("m"), Just("Apply"), Just("Update"), Just("x.io/v1"), Just("v2"), Just("FieldsV1"), Just("")];
    let leaf = prop_oneof![Just(json!(null)), Just(json!({})), texts.prop_map(|it| json!(it))];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..7).prop_map(|it| json!(it)),
        ]
    })
}
