//! Whether an answer is what was recorded, by the records' own rules of comparing.

mod documents;
mod frames;
mod managed;
mod status;

use super::binding::{Bindings, escape, is_duration};
use super::translate::{self, Rule};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One place where an answer is not what it should be.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Where, as a JSON pointer into the response.
    pub at: String,
    /// What should be there.
    pub want: Option<Value>,
    /// What is.
    pub got: Option<Value>,
}

/// One comparison, over all parts of an answer.
pub struct Comparison<'a> {
    /// The placeholders' values.
    pub bindings: &'a mut Bindings,
    /// What is not compared.
    pub unstable: &'a [String],
    /// Whether the records have no managed fields, and share the numbers of objects' and lists' versions.
    pub kinds: bool,
    /// Whether lists have no order.
    pub unordered: bool,
    /// Whether more items than recorded are right.
    pub subset: bool,
    /// What is not as it should be.
    pub differences: Vec<Difference>,
    /// The rules that explain why a newer version answers otherwise.
    pub explained: Vec<&'static Rule>,
}

/// Fields whose value is the server's own.
const OWN: [&str; 1] = ["storageVersionHash"];

impl<'a> Comparison<'a> {
    /// A comparison that has found nothing yet.
    pub fn new(bindings: &'a mut Bindings, unstable: &'a [String]) -> Self {
        let (differences, explained) = Default::default();
        Self { bindings, unstable, kinds: false, unordered: false, subset: false, differences, explained }
    }

    /// Notes a difference.
    pub fn differ(&mut self, at: &str, want: Option<&Value>, got: Option<&Value>) {
        self.differences.push(Difference { at: at.to_owned(), want: want.cloned(), got: got.cloned() });
    }

    /// Notes that a rule explains what is different.
    pub fn explain(&mut self, rule: &'static Rule) {
        self.explained.push(rule);
    }

    fn is_unstable(&self, at: &str) -> bool {
        self.unstable
            .iter()
            .any(|it| at.strip_prefix(it.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    /// Compares two values at a place.
    pub fn value(&mut self, at: &str, want: &Value, got: &Value) {
        if self.is_unstable(at) {
            return;
        }
        match (want, got) {
            (Value::Object(want), Value::Object(got)) => self.object(at, want, got),
            (Value::Array(want), Value::Array(got)) => self.array(at, want, got),
            (Value::String(text), Value::String(found)) => {
                if !self.text(text, found) {
                    self.differ(at, Some(want), Some(got));
                }
            }
            // Ports and times in seconds are numbers.
            (Value::String(text), Value::Number(number)) if text.starts_with('<') => {
                if !self.bindings.text(text, &number.to_string()) {
                    self.differ(at, Some(want), Some(got));
                }
            }
            _ if want == got => {}
            _ => self.differ(at, Some(want), Some(got)),
        }
    }

    fn object(&mut self, at: &str, want: &Map<String, Value>, got: &Map<String, Value>) {
        let kind = want.get("kind").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "Status" if want.get("status").is_some_and(Value::is_string) => return self.status(at, want, got),
            "APIResourceList" | "APIGroupList" | "APIGroup" => return self.discovery(at, want, got),
            "Table" => return self.table(at, want, got),
            _ => {}
        }
        self.fields(at, want, got, &[]);
        if kind.ends_with("List") && self.list_is_older_than_its_items(got) {
            self.differ(&format!("{at}/metadata/resourceVersion"), Some(&"at least that of the items".into()), None);
        }
    }

    /// Compares an object's fields, but for some.
    fn fields(&mut self, at: &str, want: &Map<String, Value>, got: &Map<String, Value>, but: &[&str]) {
        for (key, want) in want.iter().filter(|(key, _)| !but.contains(&key.as_str())) {
            let at = format!("{at}/{}", escape(key));
            // Keys of owned fields have values in them.
            let key =
                if key.contains('<') { &self.bindings.fill(key, false).unwrap_or_else(|_| key.clone()) } else { key };
            match got.get(key) {
                // What a column is for is told in one's own words.
                Some(Value::String(_)) if key == "description" && at.contains("/columnDefinitions/") => {}
                _ if OWN.contains(&key.as_str()) => {}
                None if self.is_unstable(&at) => {}
                None => self.differ(&at, Some(want), None),
                Some(got) if key == "managedFields" => self.managed(&at, want, got),
                Some(got) if key == "items" && want.is_array() => self.items(&at, want, got),
                Some(got) if ["resourceRules", "nonResourceRules"].contains(&key.as_str()) => {
                    self.set(&at, want, got);
                }
                Some(got) if key == "resourceVersion" && at.ends_with("/metadata/resourceVersion") => {
                    self.version(&at, want, got);
                }
                Some(got) => self.value(&at, want, got),
            }
        }
        let fill = |key: &String| self.bindings.fill(key, false).unwrap_or_else(|_| key.clone());
        let wanted: BTreeSet<String> = want.keys().map(fill).collect();
        for (key, got) in got.iter().filter(|(key, _)| !wanted.contains(*key) && !but.contains(&key.as_str())) {
            let at = format!("{at}/{}", escape(key));
            let own = OWN.contains(&key.as_str()) || (self.kinds && key == "managedFields");
            if !own && !self.is_unstable(&at) {
                self.differ(&at, None, Some(got));
            }
        }
    }

    fn array(&mut self, at: &str, want: &[Value], got: &[Value]) {
        for (index, want) in want.iter().enumerate() {
            let at = format!("{at}/{index}");
            match got.get(index) {
                Some(got) => self.value(&at, want, got),
                None => self.differ(&at, Some(want), None),
            }
        }
        for (index, got) in got.iter().enumerate().skip(want.len()) {
            self.differ(&format!("{at}/{index}"), None, Some(got));
        }
    }

    /// A version of an object or a list. The second format counts both in one series, so there a list may be newer.
    fn version(&mut self, at: &str, want: &Value, got: &Value) {
        if self.kinds && got.as_str().is_some_and(|got| got.parse::<u64>().is_ok()) && want.is_string() {
            let (want, got) = (want.as_str().unwrap_or_default(), got.as_str().unwrap_or_default());
            let _ = self.bindings.text(want, got);
            return;
        }
        self.value(at, want, got);
    }

    fn list_is_older_than_its_items(&self, got: &Map<String, Value>) -> bool {
        let version = |it: &Value| it["resourceVersion"].as_str().and_then(|it| it.parse::<u64>().ok());
        let list = got.get("metadata").and_then(version);
        let items = got.get("items").and_then(Value::as_array).into_iter().flatten();
        list.is_some_and(|list| items.filter_map(|it| version(&it["metadata"])).any(|it| it > list))
    }

    /// A list's items: in order of namespace and name. The records of a watch cache had none, newer servers sort.
    fn items(&mut self, at: &str, want: &Value, got: &Value) {
        let (Some(wanted), Some(found)) = (want.as_array(), got.as_array()) else {
            return self.value(at, want, got);
        };
        if self.subset {
            return self.contained(at, wanted, found);
        }
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        if self.unordered {
            order.sort_by_key(|index| identity(&wanted[*index]));
        }
        for (place, index) in order.iter().enumerate() {
            let at = format!("{at}/{index}");
            match found.get(place) {
                Some(got) => self.value(&at, &wanted[*index], got),
                None => self.differ(&at, Some(&wanted[*index]), None),
            }
        }
        for (index, got) in found.iter().enumerate().skip(wanted.len()) {
            self.differ(&format!("{at}/{index}"), None, Some(got));
        }
    }

    /// Every recorded item must be there.
    fn contained(&mut self, at: &str, want: &[Value], got: &[Value]) {
        for want in want {
            let (namespace, name) = identity(want);
            let at = format!("{at}/{}", escape(&format!("{namespace}/{name}")));
            match got.iter().find(|it| identity(it) == (namespace.clone(), name.clone())) {
                Some(got) => self.value(&at, want, got),
                None => self.differ(&at, Some(&"this object".into()), None),
            }
        }
    }

    /// Compares two lists without an order.
    fn set(&mut self, at: &str, want: &Value, got: &Value) {
        let (Some(want), Some(found)) = (want.as_array(), got.as_array()) else {
            return self.value(at, want, got);
        };
        let mut left: Vec<&Value> = found.iter().collect();
        for (index, want) in want.iter().enumerate() {
            match left.iter().position(|got| self.trial(want, got)) {
                Some(found) => {
                    left.remove(found);
                }
                None => self.differ(&format!("{at}/{index}"), Some(want), None),
            }
        }
        for got in left {
            self.differ(&format!("{at}/-"), None, Some(got));
        }
    }

    /// Whether two values are equal; only then their bindings are kept.
    fn trial(&mut self, want: &Value, got: &Value) -> bool {
        let mut bindings = self.bindings.clone();
        let mut trial = Comparison::new(&mut bindings, &[]);
        (trial.kinds, trial.unordered) = (self.kinds, self.unordered);
        trial.value("", want, got);
        let (equal, explained) = (trial.differences.is_empty(), trial.explained);
        if equal {
            *self.bindings = bindings;
            self.explained.extend(explained);
        }
        equal
    }

    /// Compares two texts: as they are, or in a newer version's words.
    pub fn text(&mut self, want: &str, got: &str) -> bool {
        if self.bindings.text(want, got) || (is_duration(want) && is_duration(got)) {
            return true;
        }
        if let Some(rule) = translate::text(want, got, |want| self.bindings.text(want, got)) {
            self.explain(rule);
            return true;
        }
        translate::by_a_runtime(want, got)
    }
}

/// An object's namespace and name.
pub fn identity(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(want: Value, got: Value, differences: &[&str]) {
        let mut bindings = Bindings::default();
        let mut comparison = Comparison::new(&mut bindings, &[]);
        comparison.value("", &want, &got);
        let found: Vec<&str> = comparison.differences.iter().map(|it| it.at.as_str()).collect();
        assert_eq!(found, differences);
    }

    #[test]
    fn absence_is_not_emptiness() {
        check(json!({"a": 1, "b": {}}), json!({"b": {}, "a": 1}), &[]);
        check(json!({"a": null}), json!({}), &["/a"]);
        check(json!({}), json!({"a/b": []}), &["/a~1b"]);
        check(json!([1, 2]), json!([1]), &["/1"]);
    }

    #[test]
    fn causes_have_no_order() {
        let cause = |field: &str| json!({"reason": "FieldValueRequired", "message": "Required value", "field": field});
        let status = |message: &str, first: &str, second: &str| json!({"kind": "Status", "status": "Failure", "message": message, "details": {"causes": [cause(first), cause(second)]}});
        let one = status("Pod \"a\" is invalid: [x: Required value, y: Required value]", "x", "y");
        let two = status("Pod \"a\" is invalid: [y: Required value, x: Required value]", "y", "x");
        check(one.clone(), two.clone(), &[]);
        let odd = status("Pod \"a\" is invalid: [x: Required value]", "y", "x");
        check(one.clone(), odd, &["/message"]);
        let other = status("Pod \"a\" is invalid: [y: Required value, z: Required value]", "y", "z");
        check(one, other, &["/details/causes/0", "/details/causes/-"]);
    }

    #[test]
    fn managed_fields_are_keyed() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let want =
            json!({"managedFields": [entry("a", "<time>", json!({"f:data": {}})), entry("b", "<time>", json!({}))]});
        let got = json!({"managedFields": [entry("b", "now", json!({})), entry("a", "then", json!({"f:data": {}}))]});
        check(want.clone(), got, &[]);
        let less = json!({"managedFields": [entry("b", "now", json!({})), entry("a", "then", json!({"f:x": {}}))]});
        check(want, less, &["/managedFields/a Update v1 /fieldsV1/f:data", "/managedFields/a Update v1 /fieldsV1/f:x"]);
    }

    #[test]
    fn recorded_items_of_a_watch_cache_have_no_order() {
        let item = |name: &str| json!({"metadata": {"name": name}});
        let mut bindings = Bindings::default();
        let mut comparison = Comparison::new(&mut bindings, &[]);
        comparison.unordered = true;
        let (want, got) = (json!({"items": [item("b"), item("a")]}), json!({"items": [item("a"), item("b")]}));
        comparison.value("", &want, &got);
        assert!(comparison.differences.is_empty());
        check(want, got, &["/items/0/metadata/name", "/items/1/metadata/name"]);
    }
}
