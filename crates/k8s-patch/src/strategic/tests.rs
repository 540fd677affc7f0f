use super::*;
use k8s_types::schema::{ListKind, Patch, Scalar, Struct, TypeId, Types};
use proptest::prelude::*;
use serde_json::json;

fn field(name: &str, shape: Shape, patch: Patch) -> Field {
    Field { patch, ..Field::new(name, shape) }
}

/// A type `Spec` with a list of itself merged by `name`, a set of texts, a plain list and a map.
fn types() -> (Types, TypeId) {
    let mut types = Types::default();
    let id = types.add(Struct::default());
    let text = || Shape::Scalar(Scalar::String);
    let list = |item: Shape| Shape::List { item: Box::new(item), kind: ListKind::Atomic };
    let by_name = Patch { merge: true, merge_key: Some("name".into()), ..Patch::default() };
    let set = Patch { merge: true, ..Patch::default() };
    let fields = vec![
        field("name", text(), Patch::default()),
        field("v", text(), Patch::default()),
        field("items", list(Shape::Struct { id, atomic: false }), by_name),
        field("set", list(text()), set),
        field("plain", list(text()), Patch::default()),
        field("map", Shape::Map { value: Box::new(text()), atomic: false }, Patch::default()),
        field("sub", Shape::Struct { id, atomic: false }, Patch::default()),
    ];
    types.set(id, Struct { name: "test.Spec".into(), fields: fields.into(), preserve_unknown: false });
    (types, id)
}

fn patched(object: Value, patch: Value) -> Result<Value, StrategicError> {
    let (types, root) = types();
    let mut object = object;
    apply(&mut object, patch, &Schema { types: &types, root })?;
    Ok(object)
}

fn names(object: &Value) -> Vec<&str> {
    object["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn lists_are_merged_by_key_and_new_items_come_first() {
    let base = json!({"items": [{"name": "a"}, {"name": "b", "v": "1"}]});
    let got = patched(base.clone(), json!({"items": [{"name": "c"}, {"name": "b", "v": "2"}]})).unwrap();
    assert_eq!(got, json!({"items": [{"name": "c"}, {"name": "a"}, {"name": "b", "v": "2"}]}));
    let got = patched(
        base.clone(),
        json!({"items": [{"name": "b", "$patch": "delete"}, {"name": "zz", "$patch": "delete"}]}),
    );
    assert_eq!(got.unwrap(), json!({"items": [{"name": "a"}]}));
    let got = patched(base.clone(), json!({"items": [{"$patch": "replace"}, {"name": "z"}]})).unwrap();
    assert_eq!(names(&got), ["z"]);
    let got = patched(base, json!({"$setElementOrder/items": [{"name": "b"}, {"name": "a"}]})).unwrap();
    assert_eq!(names(&got), ["b", "a"]);
}

#[test]
fn scalars_are_merged_as_sets_and_deleted_from_them() {
    let base = json!({"set": ["a", "b"], "plain": ["a"]});
    let got = patched(base.clone(), json!({"set": ["c"], "plain": ["b"]})).unwrap();
    assert_eq!(got, json!({"set": ["c", "a", "b"], "plain": ["b"]}));
    let got = patched(base, json!({"$deleteFromPrimitiveList/set": ["a"]})).unwrap();
    assert_eq!(got["set"], json!(["b"]));
}

#[test]
fn maps_are_replaced_deleted_and_kept_by_directives() {
    let base = json!({"sub": {"name": "n", "v": "1"}, "map": {"x": "1", "y": "2"}});
    let ok = |patch, want: Value| assert_eq!(patched(base.clone(), patch).unwrap(), want);
    ok(json!({"map": {"$patch": "replace", "z": "3"}}), json!({"sub": {"name": "n", "v": "1"}, "map": {"z": "3"}}));
    ok(json!({"map": {"$patch": "delete"}}), json!({"sub": {"name": "n", "v": "1"}, "map": {}}));
    ok(json!({"map": null}), json!({"sub": {"name": "n", "v": "1"}}));
    ok(json!({"sub": {"$retainKeys": ["v"], "v": "2"}, "map": null}), json!({"sub": {"v": "2"}}));
}

#[test]
fn errors_read_as_servers_write_them() {
    let base = json!({"items": [{"name": "a"}]});
    let text = |patch| patched(base.clone(), patch).unwrap_err().to_string();
    assert_eq!(text(json!({"items": [{"v": "x"}]})), "map: map[v:x] does not contain declared merge key: name");
    assert_eq!(
        text(json!({"$setElementOrder/items": [{"name": "a"}], "items": [{"name": "b", "v": "w"}]})),
        "The order in patch list:\n[map[name:b v:w]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"
    );
    assert_eq!(text(json!({"items": ["a"]})), "list element types are not identical: [[map[name:a]] [a]]");
    let error = patched(base, json!({"$retainKeys": ["name"], "v": "1"})).unwrap_err();
    assert_eq!((error.status().code, error.to_string().as_str()), (400, "invalid patch format of retainKeys"));
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = ("[a-c]", "[a-c]").prop_map(|(name, v)| json!({"name": name, "v": v, "set": ["a"]}));
    leaf.prop_recursive(3, 12, 3, |inner| {
        (proptest::collection::btree_map("[a-d]", inner, 0..4)).prop_map(|items| {
            let items: Vec<Value> = items
                .into_iter()
                .map(|(name, mut it)| {
                    it["name"] = json!(name);
                    it
                })
                .collect();
            json!({"name": "r", "items": items, "map": {"x": "1"}})
        })
    })
}

proptest! {
    #[test]
    fn an_empty_patch_changes_nothing(it in object()) {
        prop_assert_eq!(patched(it.clone(), json!({})).unwrap(), it);
    }

    #[test]
    fn an_object_as_patch_of_itself_changes_nothing(it in object()) {
        prop_assert_eq!(patched(it.clone(), it.clone()).unwrap(), it);
    }

    #[test]
    fn no_patch_panics(base in wild(), patch in wild()) {
        let _ = patched(base, patch);
    }
}

/// Any JSON with the schema's names and the directives in it.
fn wild() -> impl Strategy<Value = Value> {
    let names = "name|items|set|plain|map|sub|\\$patch|\\$retainKeys|\\$setElementOrder/(items|set|zz)|\\$deleteFromPrimitiveList(/set)?";
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("a")),
        Just(json!("name")),
        Just(json!("delete")),
        Just(json!("replace")),
        Just(json!(1)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..4).prop_map(|it| json!(it)),
        ]
    })
}
