use super::*;
use proptest::prelude::*;
use serde_json::json;

fn written(text: &str) -> String {
    canonical(text).unwrap().into_owned()
}

#[test]
fn canonical_forms_are_those_of_the_api() {
    for (text, want) in [
        ("0", "0"),
        ("0m", "0"),
        ("-0Gi", "0"),
        ("0e7", "0"),
        ("0.5", "500m"),
        ("-0.5", "-500m"),
        (".5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1000000k", "1G"),
        ("100000", "100k"),
        ("1200", "1200"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("0.5Ki", "512"),
        ("0.0001Ki", "102400u"),
        ("1.1Ki", "1126400m"),
        ("1e3", "1e3"),
        ("12e2", "1200"),
        ("12e3", "12e3"),
        ("1000e3", "1e6"),
        ("1e-3", "1e-3"),
        ("1e-10", "1e-9"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.0000000001", "1000000001n"),
        ("0.1m", "100u"),
        ("9Ei", "9223372036854775807"),
        ("-9Ei", "-9223372036854775807"),
        ("99999999999999999999999Ki", "9223372036854775807"),
        ("1Ei", "1Ei"),
        ("7Ei", "7Ei"),
        ("20000000000000000000", "20E"),
        ("1000E", "1000E"),
        ("1E", "1E"),
        // these are written back as they came
        ("1.500", "1.500"),
        ("+5", "+5"),
        ("+1Gi", "+1Gi"),
        ("007", "007"),
        ("1E3", "1E3"),
        ("1e+3", "1e+3"),
        ("5.", "5."),
        // and these are not
        ("1.50", "1500m"),
        ("1.000", "1"),
        ("+8Gi", "8Gi"),
        ("0.500", "500m"),
        // no digits at all is nothing at all
        (".", "0"),
        ("-", "0"),
        ("m", "0"),
    ] {
        assert_eq!(written(text), want, "{text}");
        assert_eq!(Quantity::parse(text).unwrap().to_string(), want, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_said_so() {
    use QuantityError::{Form, Suffix};
    for (text, want) in [
        ("", Form),
        ("abc", Form),
        ("x", Form),
        ("1GiB", Form),
        ("1 Gi", Form),
        ("1.2.3", Form),
        ("1e3i", Form),
        ("é", Form),
        ("1i", Suffix),
        ("1e", Suffix),
        ("1e-", Suffix),
        ("1mi", Suffix),
        ("1m5", Suffix),
        ("1KiKi", Suffix),
        ("1e99999999999", Suffix),
    ] {
        assert_eq!(Quantity::parse(text).unwrap_err(), want, "{text}");
    }
    assert_eq!(
        Form.to_string(),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    );
}

#[test]
fn fields_may_be_numbers_and_have_space_around() {
    let read = |it| Quantity::from_value(&it).map(|it| it.to_string());
    assert_eq!(read(json!(" 1Gi\n")).unwrap(), "1Gi");
    assert_eq!(read(json!(0.1)).unwrap(), "100m");
    assert_eq!(read(json!(1024)).unwrap(), "1024");
    assert_eq!(read(Value::Null).unwrap(), "0");
    assert!(read(json!(true)).is_err());
    assert!(read(json!({})).is_err());
}

/// All that stands in fields of these names, as recorded servers answered it.
fn quantities(value: &Value, found: &mut Vec<String>) {
    const FIELDS: [&str; 6] = ["cpu", "memory", "storage", "ephemeral-storage", "sizeLimit", "divisor"];
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) if FIELDS.contains(&key.as_str()) => found.push(text.clone()),
                    value => quantities(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| quantities(it, found)),
        _ => {}
    }
}

#[test]
fn servers_answer_canonical_forms() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/kind-defaults.jsonl");
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let scenario: Value = serde_json::from_str(line).unwrap();
        for step in scenario["steps"].as_array().unwrap() {
            quantities(&step["request"]["body"], &mut sent);
            quantities(&step["response"]["body"], &mut answered);
        }
    }
    assert!(answered.iter().all(|it| written(it) == *it), "{answered:?}");
    assert!(sent.iter().all(|it| answered.contains(&written(it))), "{sent:?} {answered:?}");
    assert_eq!((sent.len(), answered.len()), (23, 32));
}

#[test]
fn numbers_round_away_from_zero_and_stop_at_the_limit() {
    let it = |text| Quantity::parse(text).unwrap();
    assert_eq!((it("1m").value(), it("-1m").value(), it("1500m").value()), (1, -1, 2));
    assert_eq!((it("1u").milli_value(), it("2").milli_value()), (1, 2000));
    assert_eq!((it("1e30").value(), it("-1e30").value()), (i64::MAX, i64::MIN));
    assert_eq!(it("1e2147483647").scaled_value(-2_147_483_648), i128::MAX);
    assert_eq!((it("1k").to_i64(), it("1m").to_i64(), it("1e40").to_i64()), (Some(1000), None, None));
    assert!((it("1500m").to_f64() - 1.5).abs() < 1e-9);
    let mut rounded = it("1500001u");
    assert!(!rounded.round_up(MILLI));
    assert_eq!(rounded.to_string(), "1501m");
    assert!(rounded.round_up(MILLI));
    assert!(!it("1e-2147483648").is_zero());
}

#[test]
fn sums_keep_the_first_format_unless_it_is_nothing() {
    let sum = |a, b| {
        let mut sum = Quantity::parse(a).unwrap();
        sum.add(&Quantity::parse(b).unwrap());
        sum.to_string()
    };
    assert_eq!(sum("1Gi", "1Gi"), "2Gi");
    assert_eq!(sum("0", "1Gi"), "1Gi");
    assert_eq!(sum("1", "500m"), "1500m");
    assert_eq!(sum("500m", "500m"), "1");
    assert_eq!(sum("1Gi", "1M"), "1074741824");
    assert_eq!(sum("1.500", "0"), "1500m");
    assert_eq!(sum("1e60", "1n"), "10000000000000000000000000000000000001e23");
    let mut rest = Quantity::parse("1Gi").unwrap();
    rest.sub(&Quantity::parse("1.5Gi").unwrap());
    assert_eq!(rest.to_string(), "-512Mi");
    assert_eq!(rest.negated().to_string(), "512Mi");
}

#[test]
fn order_is_that_of_the_numbers() {
    let it = |text: &str| Quantity::parse(text).unwrap();
    assert_eq!(it("1024Mi"), it("1Gi"));
    assert_eq!(it("1000m"), it("1e0"));
    assert!(it("-1") < it("0") && it("0") < it("1n") && it("1n") < it("1e2000000000"));
    assert!(it("-1e2000000000") < it("-1"));
    assert!(it("1001m") > it("1") && it("999m") < it("1") && it("-1001m") < it("-1"));
    assert!(it("1e37") < it("12345678901234567890123456789012345678"));
}

/// A text with its exact number of billionths.
fn exact() -> impl Strategy<Value = (String, i128)> {
    const DECIMAL: [(&str, i128); 8] = [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("", 1_000_000_000),
        ("k", 1_000_000_000_000),
        ("M", 1_000_000_000_000_000),
        ("Ki", 1_024_000_000_000),
        ("Gi", 1_073_741_824_000_000_000),
    ];
    (-999_999i64..1_000_000, 0..DECIMAL.len())
        .prop_map(|(number, at)| (format!("{number}{}", DECIMAL[at].0), i128::from(number) * DECIMAL[at].1))
}

proptest! {
    #[test]
    fn nothing_panics(text in "[+-]?[0-9.]{0,45}([eEinumkKMGTP]{0,2}[-+]?[0-9]{0,11})|.{0,12}", other in "[0-9]{1,40}(e[0-9]{1,9})?") {
        if let (Ok(mut it), Ok(other)) = (Quantity::parse(&text), Quantity::parse(&other)) {
            let _ = (it.to_string(), it.value(), it.milli_value(), it.to_f64(), it.to_i64(), it.cmp(&other));
            it.add(&other);
            it.sub(&other);
            it.round_up(3);
            let _ = it.to_string();
        }
    }

    #[test]
    fn canonical_forms_mean_the_same_and_stay(text in "[+-]?[0-9]{1,9}(\\.[0-9]{0,9})?([numkMGTPE]|[KMGTPE]i|e[0-9]{1,2}|)") {
        let it = Quantity::parse(&text).unwrap();
        let once = it.to_string();
        prop_assert_eq!(&*canonical(&text).unwrap(), &once);
        let again = Quantity::parse(&once).unwrap();
        prop_assert_eq!(&again, &it, "{} -> {}", &text, &once);
        prop_assert_eq!(again.to_string(), once);
    }

    #[test]
    fn arithmetic_is_exact((a, x) in exact(), (b, y) in exact()) {
        let (a, b) = (Quantity::parse(&a).unwrap(), Quantity::parse(&b).unwrap());
        prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        prop_assert_eq!(a.scaled_value(NANO), x);
        prop_assert_eq!(i128::from(a.value()), x / 1_000_000_000 + (x % 1_000_000_000).signum());
        let (mut sum, mut difference) = (a.clone(), a);
        sum.add(&b);
        difference.sub(&b);
        prop_assert_eq!(sum.scaled_value(NANO), x + y);
        prop_assert_eq!(difference.scaled_value(NANO), x - y);
        prop_assert_eq!(Quantity::parse(&sum.to_string()).unwrap(), sum);
    }
}
