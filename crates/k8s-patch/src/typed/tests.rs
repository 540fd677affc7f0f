use super::*;
use crate::fields::Set;
use k8s_types::schema::{Patch, Scalar};
use proptest::prelude::*;
use serde_json::json;

fn text() -> Shape {
    Shape::Scalar(Scalar::String)
}

fn list(item: Shape, kind: ListKind) -> Shape {
    Shape::List { item: Box::new(item), kind }
}

/// A type with one field of every sort.
fn types() -> (Types, TypeId) {
    let mut types = Types::default();
    let protocol = Field { default: Some(json!("TCP")), ..Field::new("p", text()) };
    let fields = [Field::new("k", text()), protocol, Field::new("v", text())].into();
    let item = Shape::Struct { id: types.add(Struct { fields, ..Struct::default() }), atomic: false };
    let map = |atomic| Shape::Map { value: Box::new(text()), atomic };
    let merged = Patch { merge: true, merge_key: Some("k".into()), ..Patch::default() };
    let inner = [Field::new("s", text()), Field::new("m", map(false))].into();
    let inner = Shape::Struct { id: types.add(Struct { fields: inner, ..Struct::default() }), atomic: false };
    let root = vec![
        Field::new("s", text()),
        Field::new("n", Shape::Scalar(Scalar::Int64)),
        Field::new("any", Shape::Any),
        Field::new("m", map(false)),
        Field::new("ma", map(true)),
        Field::new("in", inner),
        Field::new("at", list(text(), ListKind::Atomic)),
        Field::new("set", list(text(), ListKind::Set)),
        Field::new("l", list(item.clone(), ListKind::Map { keys: ["k".into(), "p".into()].into() })),
        Field { patch: merged, ..Field::new("old", list(item, ListKind::Atomic)) },
    ];
    let root = types.add(Struct { fields: root.into(), ..Struct::default() });
    (types, root)
}

fn with<R>(act: impl FnOnce(&Schema<'_>) -> R) -> R {
    let (types, root) = types();
    act(&Schema { types: &types, root })
}

fn set(json: Value) -> Set {
    Set::from_json(&json).unwrap()
}

#[test]
fn the_fields_of_an_object_go_as_deep_as_they_are_owned() {
    let object = json!({
        "s": "x", "any": {"a": [1], "b": {}}, "m": {"x": "1"}, "ma": {"x": "1"}, "in": {"s": "1", "m": {}},
        "at": ["1"], "set": ["1"], "l": [{"k": "a"}, {"k": "b"}, {"k": "b"}], "old": [{"k": "a"}],
    });
    let want = set(json!({
        "f:s": {}, "f:any": {"f:a": {}, "f:b": {}}, "f:m": {"f:x": {}}, "f:ma": {}, "f:in": {"f:s": {}, "f:m": {}},
        "f:at": {}, "f:set": {"v:\"1\"": {}},
        "f:l": {"k:{\"k\":\"a\",\"p\":\"TCP\"}": {".": {}, "f:k": {}}, "k:{\"k\":\"b\",\"p\":\"TCP\"}": {}},
        "f:old": {"k:{\"k\":\"a\"}": {".": {}, "f:k": {}}},
    }));
    let got = with(|it| it.to_field_set(&object));
    assert_eq!(got.paths(), want.paths());
}

#[test]
fn a_comparison_tells_leaves_and_containers_that_come_and_go() {
    let compare = |old: Value, new: Value| {
        let it = with(|schema| schema.compare(&old, &new));
        [it.added.paths(), it.modified.paths(), it.removed.paths()]
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(
        compare(json!({"in": {"s": "1"}}), json!({"in": {"m": {"x": "1"}}})),
        [vec![".in.m".to_owned(), ".in.m.x".into()], none.clone(), vec![".in.s".into()]]
    );
    assert_eq!(compare(json!({"n": 1}), json!({"n": 1.0})), [none.clone(), none.clone(), none.clone()]);
    assert_eq!(compare(json!({"m": {}}), json!({"m": null})), [none.clone(), vec![".m".into()], none.clone()]);
    assert_eq!(
        compare(json!({"any": 1}), json!({"any": {"a": 1}})),
        [vec![".any.a".to_owned()], vec![".any".into()], none.clone()]
    );
    let twice = json!({"l": [{"k": "a", "v": "1"}, {"k": "a", "v": "2"}]});
    let once = json!({"l": [{"k": "a", "v": "1"}]});
    let [added, _, removed] = compare(twice, once);
    assert_eq!(removed, [".l[k=\"a\",p=\"TCP\"]"]);
    assert!(added.contains(&".l[k=\"a\",p=\"TCP\"].v".to_owned()));
}

#[test]
fn a_merge_keeps_the_applied_order_among_what_was_there() {
    let merged = |base: &[&str], applied: &[&str]| {
        let it = with(|schema| schema.merge(&json!({"set": base}), &json!({"set": applied})));
        it["set"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect::<String>()
    };
    assert_eq!(merged(&["a", "b"], &["c", "b"]), "acb");
    assert_eq!(merged(&["a", "b", "c"], &["c", "a"]), "bca");
    assert_eq!(merged(&["a", "b"], &["b", "a"]), "ba");
    assert_eq!(merged(&["x", "a", "a"], &["a"]), "xa");
}

#[test]
fn what_is_removed_leaves_null_where_its_container_stays() {
    let object =
        json!({"m": {"x": "1"}, "set": ["a", "b"], "in": {"s": "1", "m": {"x": "1"}}, "l": [{"k": "a", "v": "1"}]});
    let gone = set(
        json!({"f:m": {"f:x": {}}, "f:set": {"v:\"a\"": {}}, "f:in": {"f:m": {}}, "f:l": {"k:{\"k\":\"a\",\"p\":\"TCP\"}": {"f:v": {}}}}),
    );
    let mut left = object.clone();
    with(|it| it.remove_items(&mut left, &gone));
    assert_eq!(left, json!({"m": null, "set": ["b"], "in": {"s": "1"}, "l": [{"k": "a"}]}));
    let kept = with(|it| it.extract_items(&object, &gone));
    assert_eq!(kept["set"], json!(["a"]));
    assert_eq!(kept["l"], json!([{"v": "1"}]));
}

#[test]
fn sets_of_an_older_schema_are_brought_up_to_this_one() {
    let mut old =
        set(json!({"f:ma": {"f:x": {}}, "f:at": {"v:1": {}}, "f:m": {"f:x": {}}, "f:old": {"k:{\"k\":\"a\"}": {}}}));
    assert!(with(|it| it.reconcile(&mut old)));
    assert_eq!(old.paths(), [".at", ".ma", ".m.x", ".old[k=\"a\"]"]);
    assert!(!with(|it| it.reconcile(&mut old)));
}

#[test]
fn named_fields_on_the_way_become_members() {
    let mut it = set(json!({"f:in": {"f:m": {"f:x": {}}}, "f:any": {"f:a": {"f:b": {}}}}));
    with(|schema| schema.ensure_named(&mut it));
    assert_eq!(it.paths(), [".any", ".in", ".any.a.b", ".in.m", ".in.m.x"]);
}

#[test]
fn what_does_not_fit_is_told_with_its_path() {
    let text = |object: Value| with(|it| it.check(&object, false)).unwrap_err().to_string();
    assert_eq!(text(json!({"n": "1"})), ".n: expected numeric (int or float), got string");
    assert_eq!(text(json!({"l": {"k": "x"}})), ".l: expected list, got &{map[k:x]}");
    assert_eq!(text(json!({"l": [5]})), ".l: element 0: associative list with keys may not have non-map elements");
    assert_eq!(
        text(json!({"s": 1, "m": 2})),
        "errors:\n  .s: expected string, got &value.valueUnstructured{Value:1}\n  .m: expected map, got &{2}"
    );
    let twice = json!({"l": [{"k": "a"}, {"k": "a"}]});
    assert!(with(|it| it.check(&twice, true)).is_ok());
    assert_eq!(text(twice), ".l: duplicate entries for key [k=\"a\",p=\"TCP\"]");
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!("a")), Just(json!(true))];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("k|p|v|s|m|in", inner, 0..3).prop_map(|it| json!(it)),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("s|n|any|m|ma|in|at|set|l|old|zz", json_value(), 0..6).prop_map(|it| json!(it))
}

proptest! {
    #[test]
    fn whatever_stands_in_an_object_nothing_panics(a in any_object(), b in any_object()) {
        with(|schema| {
            let comparison = schema.compare(&a, &b);
            let mut fields = schema.to_field_set(&a);
            schema.ensure_named(&mut fields);
            schema.reconcile(&mut fields);
            let mut merged = schema.merge(&a, &b);
            let _ = (schema.check(&a, true), schema.check(&b, false), schema.extract_items(&merged, &fields));
            schema.remove_items(&mut merged, &comparison.added);
            schema.remove_items(&mut merged, &fields);
        });
    }

    #[test]
    fn an_object_is_the_same_as_itself(a in any_object()) {
        with(|schema| {
            prop_assert!(schema.compare(&a, &a).is_same());
            prop_assert_eq!(schema.merge(&a, &json!({})), a.clone());
            Ok(())
        })?;
    }

    #[test]
    fn comparisons_mirror_each_other(a in any_object(), b in any_object()) {
        with(|schema| {
            let (one, other) = (schema.compare(&a, &b), schema.compare(&b, &a));
            prop_assert_eq!(one.added, other.removed);
            prop_assert_eq!(one.modified, other.modified);
            Ok(())
        })?;
    }
}
