//! Whatever stands in an object, it is printed.

use crate::world::{KINDS, scenarios};
use crate::{MINORS, now};
use k8s_print::custom::CustomColumns;
use k8s_print::{Printer, partial_object_metadata};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that printers look for.
const NAMES: [&str; 40] = [
    "metadata",
    "spec",
    "status",
    "name",
    "type",
    "reason",
    "conditions",
    "containers",
    "initContainers",
    "template",
    "containerStatuses",
    "initContainerStatuses",
    "state",
    "lastState",
    "terminated",
    "waiting",
    "running",
    "finishedAt",
    "exitCode",
    "signal",
    "restartCount",
    "restartPolicy",
    "started",
    "ready",
    "replicas",
    "ports",
    "subsets",
    "addresses",
    "endpoints",
    "ingress",
    "loadBalancer",
    "metrics",
    "currentMetrics",
    "resource",
    "target",
    "hard",
    "used",
    "selector",
    "matchLabels",
    "matchExpressions",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(-1), Just(1), any::<i64>()].prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("True"),
            Just("Always"),
            Just("Ready"),
            Just("In"),
            Just("Resource"),
            Just("LoadBalancer"),
            Just("9999-12-31T23:59:59Z"),
            Just("-9999-01-01T00:00:00Z"),
            Just("0001-01-01T00:00:00Z"),
            Just("1e2000000000"),
            Just("-99999999999999999999Ei"),
            Just("é[::]"),
            Just(""),
        ]
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 96, 8, |inner| {
        let entry = (prop::sample::select(NAMES.as_slice()), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(entry, 0..8).prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(entries.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// The objects that recorded servers were sent.
fn recorded() -> Vec<Value> {
    let (mut objects, mut parts) = (Vec::new(), Vec::new());
    for step in scenarios("table-kinds").iter().flat_map(|it| it["setup"].as_array().into_iter().flatten()) {
        match step["method"].as_str() {
            Some("POST") => objects.push(step["body"].clone()),
            Some("PATCH") => parts.push(step["body"]["status"].clone()),
            _ => {}
        }
    }
    for (object, status) in objects.iter_mut().zip(parts.iter().cycle()) {
        object["status"] = status.clone();
    }
    objects
}

/// Goes down into a value as `turns` say, and puts something else there.
fn spoil(value: &mut Value, turns: &[usize], other: Value) {
    let Some((turn, rest)) = turns.split_first() else {
        *value = other;
        return;
    };
    let next = match value {
        Value::Object(entries) if !entries.is_empty() => {
            let at = turn % entries.len();
            entries.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = turn % items.len();
            items.get_mut(at)
        }
        _ => None,
    };
    match next {
        Some(next) => spoil(next, rest, other),
        None => *value = other,
    }
}

fn print_as_everything(object: &Value) {
    for (_, group, kind) in KINDS {
        for minor in [MINORS[0], MINORS[MINORS.len() - 1]] {
            let printer = Printer::new(group, kind, minor);
            assert!(printer.row(object, now()).cells.len() >= printer.columns().count());
            printer.sort(&mut [object, object]);
        }
    }
    CustomColumns::new(&[]).unwrap().row(object, now());
    partial_object_metadata(object, "v1");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_printed_as_any_kind(object in any_json()) {
        print_as_everything(&object);
    }

    #[test]
    fn objects_with_anything_in_them_are_printed(
        at in any::<prop::sample::Index>(),
        spoiled in prop::collection::vec((prop::collection::vec(0usize..16, 1..7), any_json()), 1..4),
    ) {
        thread_local!(static OBJECTS: Vec<Value> = recorded());
        let mut object = OBJECTS.with(|it| at.get(it).clone());
        for (turns, other) in spoiled {
            spoil(&mut object, &turns, other);
        }
        print_as_everything(&object);
    }
}
