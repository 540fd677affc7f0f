//! What holds for any object: nothing panics, and defaulting twice is defaulting once.

use crate::records::{context, kind, read};
use k8s_kinds::meta::{validate_object_meta, validate_object_meta_update};
use k8s_types::Path;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Objects that clients have sent.
static SENT: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let files = ["kind-defaults.jsonl", "kind-validation.jsonl"];
    let steps = files.iter().flat_map(|file| read(file)).flat_map(|scenario| scenario.steps);
    steps.map(|step| step["request"]["body"].clone()).filter(|body| kind(body).is_some()).collect()
});

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9:/.@=% é-]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!({"": ""})),
    ]
}

/// How many values stand in a value, itself not counted.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|it| 1 + count(it)).sum(),
        Value::Object(map) => map.values().map(|it| 1 + count(it)).sum(),
        _ => 0,
    }
}

/// Puts another value in the place of the one that is reached after `left` others.
fn replace(value: &mut Value, left: &mut usize, with: &Value) {
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => {
            map.iter_mut().filter(|(name, _)| *name != "kind" && *name != "apiVersion").map(|it| it.1).collect()
        }
        _ => return,
    };
    for child in children {
        if *left == 0 {
            *child = with.clone();
            *left = usize::MAX;
            return;
        }
        *left -= 1;
        replace(child, left, with);
        if *left == usize::MAX {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_judged(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), scalar()), 0..4),
        minor in 24u8..=36,
    ) {
        let cx = context(minor);
        let mut object = which.get(&SENT).clone();
        let old = object.clone();
        for (place, with) in &changes {
            let mut left = place.index(count(&object).max(1));
            replace(&mut object, &mut left, with);
        }
        let Some((kind, namespaced)) = kind(&object) else { return Ok(()) };
        kind.default(&mut object, &cx);
        let once = object.clone();
        kind.default(&mut object, &cx);
        prop_assert_eq!(&once, &object);
        let path = Path::new("metadata");
        let mut created = object.clone();
        kind.prepare_for_create(&mut created, &cx);
        validate_object_meta(&created, namespaced, kind.name_rule(), &path);
        kind.validate(&created, &cx);
        kind.warnings(&created, None, &cx);
        let mut changed = object.clone();
        kind.prepare_for_update(&mut changed, &old, &cx);
        validate_object_meta_update(&changed, &old, &path);
        kind.validate_update(&changed, &old, &cx);
        kind.validate_update(&old, &changed, &cx);
        kind.prepare_for_status_update(&mut object, &old, &cx);
        kind.validate_status_update(&object, &old, &cx);
    }

    #[test]
    fn what_does_not_change_is_no_wrong_change(which in any::<Index>(), minor in 24u8..=36) {
        let cx = context(minor);
        let mut object = which.get(&SENT).clone();
        let Some((kind, _)) = kind(&object) else { return Ok(()) };
        kind.default(&mut object, &cx);
        kind.prepare_for_create(&mut object, &cx);
        if kind.validate(&object, &cx).is_empty() {
            let errors = kind.validate_update(&object, &object, &cx);
            prop_assert!(errors.is_empty(), "{errors:?}");
        }
    }
}
