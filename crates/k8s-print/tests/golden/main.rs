//! The tables that upstream servers answered, printed again from the objects that they were asked to store.

#![allow(missing_docs, clippy::unwrap_used)]

mod any;
mod translate;
mod world;

use jiff::Timestamp;
use k8s_print::custom::CustomColumns;
use k8s_print::{
    Column, IncludeObject, Printer, Row, TableOptions, column_definitions, partial_object_metadata,
    partial_object_metadata_list, table,
};
use serde_json::{Value, json};
use world::{World, scenarios};

/// When the records were made: their oldest fixed times are of 2020.
fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// The oldest and the newest minor that are served, and those in which a table changed.
const MINORS: [u32; 9] = [24, 26, 29, 30, 31, 32, 33, 34, 36];

#[derive(Default)]
struct Tally {
    tables: usize,
    rows: usize,
    columns: usize,
}

#[test]
fn recorded_tables_are_printed_again() {
    let mut tally = Tally::default();
    let mut world = World::default();
    let mut custom = scenarios("crd-schema");
    custom.retain(|it| it["name"].as_str().unwrap().ends_with("printer-columns"));
    let files = [scenarios("fresh-apiserver"), scenarios("table-kinds"), scenarios("tables"), custom];
    for scenario in files.iter().flatten() {
        for step in scenario["setup"].as_array().into_iter().flatten() {
            world.apply(step["method"].as_str().unwrap(), step["path"].as_str().unwrap(), &step["body"]);
        }
        for step in scenario["steps"].as_array().unwrap() {
            let (request, response) = (&step["request"], &step["response"]);
            let path = request["path"].as_str().unwrap();
            world.learn(path, response);
            if response["status"].as_u64().unwrap() < 300 {
                world.apply(request["method"].as_str().unwrap(), path, &request["body"]);
            }
            if response["body"]["kind"] == "Table" {
                compare(&world, path, &response["body"], &mut tally);
            }
        }
    }
    assert_eq!((tally.tables, tally.rows, tally.columns), (104, 193, 590));
}

fn compare(world: &World, path: &str, body: &Value, tally: &mut Tally) {
    let path = path.split('?').next().unwrap();
    let (resource, group, kind) = world::kind_of(path);
    let columns = body["columnDefinitions"].as_array().unwrap();
    let rows = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    tally.tables += 1;
    tally.rows += rows.len();
    tally.columns += columns.len();
    let name_at = columns.iter().position(|it| it["name"] == "Name").unwrap();
    let objects: Vec<Option<Value>> =
        rows.iter().map(|it| world.object(path, resource, it["cells"][name_at].as_str().unwrap())).collect();
    for minor in MINORS {
        if resource == "foos" {
            let custom = CustomColumns::new(&world.printer_columns(path)).unwrap();
            let heads = custom.definitions("<prose>", "<prose>");
            same_heads(columns, &heads, path);
            for (row, object) in rows.iter().zip(&objects) {
                same_row(&heads, row, custom.row(object.as_ref().unwrap(), now()), path);
            }
            continue;
        }
        let printer = Printer::new(group, kind, minor);
        let heads = column_definitions(printer.columns(), |definition, field| format!("{definition} {field}"));
        same_heads(&translate::columns(kind, minor, columns), &heads, path);
        for (recorded, object) in rows.iter().zip(&objects) {
            let Some(object) = object else {
                panic!("{path}: no object of {recorded}");
            };
            same_row(&heads, &translate::row(kind, minor, recorded), printer.row(object, now()), path);
        }
        let mut sorted: Vec<&Value> = objects.iter().rev().flatten().collect();
        let unsorted = sorted.clone();
        printer.sort(&mut sorted);
        if kind == "FlowSchema" {
            assert!(sorted.iter().eq(unsorted.iter().rev()), "{path}");
        }
    }
    same_shape(body, Printer::new(group, kind, 36).empty_is_null());
}

fn same_heads(want: &[Value], got: &[Value], path: &str) {
    let without_prose = |it: &Value| {
        assert!(it["description"].is_string());
        json!([it["name"], it["type"], it["format"], it["priority"]])
    };
    let (want, got): (Vec<_>, Vec<_>) =
        (want.iter().map(without_prose).collect(), got.iter().map(without_prose).collect());
    assert_eq!(want, got, "{path}");
}

fn same_row(heads: &[Value], want: &Value, got: Row, path: &str) {
    let conditions = want["conditions"].as_array().cloned().unwrap_or_default();
    assert_eq!(conditions, got.conditions, "{path}");
    let cells = want["cells"].as_array().unwrap();
    assert_eq!(cells.len(), got.cells.len(), "{path}: {cells:?} {:?}", got.cells);
    for ((want, got), head) in cells.iter().zip(&got.cells).zip(heads) {
        match want.as_str() {
            Some(_) if head["name"] == "Age" => assert!(is_age(got), "{path}: {got}"),
            Some("<time>") => assert!(k8s_types::age::parse(got.as_str().unwrap()).is_some(), "{path}: {got}"),
            _ => assert_eq!(want, got, "{path}: {cells:?}"),
        }
    }
}

fn is_age(cell: &Value) -> bool {
    let text = cell.as_str().unwrap();
    text.starts_with(|it: char| it.is_ascii_digit()) && text.ends_with(['s', 'm', 'h', 'd', 'y'])
}

/// A table put together of a recorded one's parts is the recorded one.
fn same_shape(body: &Value, empty_is_null: bool) {
    let recorded = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let objects: Vec<Value> = recorded.iter().map(|it| it["object"].clone()).collect();
    let row = |it: &Value| Row {
        cells: it["cells"].as_array().unwrap().clone(),
        conditions: it["conditions"].as_array().cloned().unwrap_or_default(),
    };
    let rows = recorded.iter().map(row).zip(&objects);
    let include = match objects.first() {
        Some(Value::Null) => IncludeObject::None,
        Some(it) if it["kind"] != "PartialObjectMetadata" => IncludeObject::Object,
        _ => IncludeObject::Metadata,
    };
    let version = body["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap();
    let headers = !body["columnDefinitions"].is_null();
    let heads = body["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let options = TableOptions { version, include, headers, empty_is_null };
    assert_eq!(&table(&heads, rows, body["metadata"].clone(), options), body);
}

#[test]
fn tables_in_a_watch_tell_their_heads_once() {
    let mut frames = 0;
    for scenario in scenarios("watch") {
        for step in scenario["steps"].as_array().unwrap() {
            for frame in step["response"]["frames"].as_array().into_iter().flatten() {
                if frame["object"]["kind"] == "Table" {
                    same_shape(&frame["object"], false);
                    frames += 1;
                }
            }
        }
    }
    assert_eq!(frames, 8);
}

#[test]
fn metadata_is_cut_out_of_objects() {
    let (mut objects, mut lists) = (0, 0);
    let version = |it: &Value| it["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let whole = |it: &Value| json!({"kind": "ConfigMap", "metadata": it["metadata"], "data": {"a": "b"}});
    for scenario in [scenarios("tables"), scenarios("table-kinds")].iter().flatten() {
        for step in scenario["steps"].as_array().unwrap() {
            let body = &step["response"]["body"];
            match body["kind"].as_str() {
                Some("PartialObjectMetadata") => {
                    assert_eq!(&partial_object_metadata(&whole(body), &version(body)), body);
                    objects += 1;
                }
                Some("PartialObjectMetadataList") => {
                    let items: Vec<Value> = body["items"].as_array().into_iter().flatten().map(whole).collect();
                    let list = partial_object_metadata_list(items.iter(), body["metadata"].clone(), &version(body));
                    assert_eq!(&list, body);
                    lists += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!((objects, lists), (5, 6));
}

#[test]
fn every_minor_prints_as_many_cells_as_columns() {
    for (group, kind) in world::KINDS.iter().map(|(_, group, kind)| (group, kind)) {
        for minor in 24..=36 {
            let heads: Vec<&Column> = Printer::new(group, kind, minor).columns().collect();
            let cells = k8s_print::row(group, kind, minor, &json!({}), now()).cells.len();
            // an address' age has no head upstream either
            let extra = usize::from(*kind == "IPAddress");
            assert_eq!(heads.len() + extra, cells, "{kind} {minor}");
        }
    }
}
