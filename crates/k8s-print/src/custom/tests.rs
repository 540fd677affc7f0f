use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn paths_lead_to_their_first_value() {
    let object = json!({
        "a": {"b": [{"c": 1}, {"c": 2, "d": "x"}], "e.f": "dotted", "g": {}},
        "status": {"conditions": [
            {"type": "Synced", "status": "False", "n": 1},
            {"type": "Ready", "status": "True", "n": 2, "when": "later"},
        ]},
    });
    let at = |path: &str| JsonPath::parse(path).unwrap().first(&object).cloned();
    for (path, want) in [
        (".a.b[0].c", json!(1)),
        ("a.b[1].c", json!(2)),
        ("$.a.b[-1].c", json!(2)),
        (".a['b'][1].d", json!("x")),
        (r#".a["e.f"]"#, json!("dotted")),
        (r".a.e\.f", json!("dotted")),
        (".a.b[*].d", json!("x")),
        (".a.b.*.d", json!("x")),
        (".a.b[1:].c", json!(2)),
        (".a.b[:1].c", json!(1)),
        (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
        (".status.conditions[?(@.type=='Ready')].status", json!("True")),
        (".status.conditions[?( @.n > 1 )].type", json!("Ready")),
        (".status.conditions[?(@.n<=1)].type", json!("Synced")),
        (".status.conditions[?(@.type!='Synced')].n", json!(2)),
        (".status.conditions[?(@.when)].n", json!(2)),
        (".status.conditions[?('True'==@['status'])].n", json!(2)),
        (".a.g", json!({})),
    ] {
        assert_eq!(at(path), Some(want), "{path}");
    }
    for path in [".x", ".a.b[7]", ".a.b.c", ".a[0]", ".status.conditions[?(@.type=='None')].n", ".a.b[-3]", ".a.b[2:1]"]
    {
        assert_eq!(at(path), None, "{path}");
    }
    assert_eq!(at("."), Some(object.clone()));
}

#[test]
fn paths_that_make_no_sense_are_refused() {
    for path in [".a..b", ".a[", ".a[x]", "[0]a", ".a[?(@.b==)]", ".a[?(@.b=='c]", ".a['b'c']", ".a[?()]"] {
        assert!(JsonPath::parse(path).is_err(), "{path}");
    }
    let error = CustomColumns::new(&[json!({"name": "A", "type": "string", "jsonPath": ".a["})]).unwrap_err();
    assert_eq!(error.to_string(), r#"unrecognized column definition ".a[""#);
}

#[test]
fn cells_are_of_their_columns_type_or_empty() {
    let now: Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
    let object = json!({"metadata": {"name": "n", "creationTimestamp": "2024-01-01T00:00:00Z"}, "v": {
        "i": 5, "f": 1.5, "t": "x", "b": true, "l": [1.0, {"b": 1, "a": "<&>"}], "n": null, "e": "", "d": "junk"}});
    let cell = |kind: &str, path: &str| {
        let column = json!({"name": "C", "type": kind, "jsonPath": path});
        CustomColumns::new(&[column]).unwrap().row(&object, now).cells[1].clone()
    };
    assert_eq!(cell("integer", ".v.i"), json!(5));
    assert_eq!(cell("integer", ".v.f"), json!(1));
    assert_eq!(cell("integer", ".v.t"), Value::Null);
    assert_eq!(cell("number", ".v.f"), json!(1.5));
    assert_eq!(cell("boolean", ".v.b"), json!(true));
    assert_eq!(cell("boolean", ".v.t"), Value::Null);
    assert_eq!(cell("string", ".v.i"), json!("5"));
    assert_eq!(cell("string", ".v.f"), json!("1.5"));
    assert_eq!(cell("string", ".v.b"), json!("true"));
    assert_eq!(cell("string", ".v.l"), json!(r#"[1,{"a":"\u003c\u0026\u003e","b":1}]"#));
    assert_eq!(cell("string", ".v.n"), json!("<no value>"));
    assert_eq!(cell("string", ".v.none"), Value::Null);
    assert_eq!(cell("date", ".metadata.creationTimestamp"), json!("24h"));
    assert_eq!(cell("date", ".v.d"), json!("<invalid>"));
    assert_eq!(cell("date", ".v.e"), json!("<unknown>"));
    assert_eq!(cell("date", ".v.i"), Value::Null);
}

#[test]
fn without_declared_columns_there_is_the_age() {
    let columns = CustomColumns::new(&[]).unwrap();
    let heads = columns.definitions("its name", "when it was made");
    assert_eq!(
        heads[1],
        json!({"name": "Age", "type": "date", "format": "", "description": "when it was made", "priority": 0})
    );
}

#[test]
fn floats_are_printed_as_go_does() {
    for (float, want) in
        [(1.0, "1"), (-0.5, "-0.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e-7, "1.5e-07")]
    {
        assert_eq!(text::shown(&json!(float)), want);
    }
}

proptest! {
    #[test]
    fn nothing_panics(path in r#"[.a*\[\]()?@='"0-9:\\$<>é-]{0,24}"#) {
        if let Ok(path) = JsonPath::parse(&path) {
            let _ = path.first(&json!({"a": [{"a": "a"}, [1, 2], {}], "é": {"a": null}}));
        }
    }
}
