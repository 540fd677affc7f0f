//! Who owns which field: entries keyed by manager, operation, version and subresource, whatever their time.

use super::Comparison;
use crate::replay::binding::escape;
use crate::replay::translate::{ATOMIC, RESET_FIELDS, SUBRESOURCES};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Entries by manager, operation, version and subresource.
type Entries = BTreeMap<String, Map<String, Value>>;

/// The entries of a list by key; without the subresource, entries of one manager are joined.
fn entries(list: &Value, subresource: bool) -> Entries {
    let mut all = Entries::new();
    for entry in list.as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let sub = if subresource { text("subresource") } else { "" };
        let key = format!("{} {} {} {sub}", text("manager"), text("operation"), text("apiVersion"));
        let Some(entry) = entry.as_object() else { continue };
        match all.get_mut(&key) {
            Some(known) => {
                let fields = entry.get("fieldsV1").cloned().unwrap_or_default();
                unite(known.entry("fieldsV1").or_insert_with(|| Value::Object(Map::new())), &fields);
            }
            None => {
                all.insert(key, entry.clone());
            }
        }
    }
    all
}

/// Adds one set of fields to another.
fn unite(to: &mut Value, from: &Value) {
    if let (Value::Object(to), Value::Object(from)) = (to, from) {
        for (key, from) in from {
            unite(to.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())), from);
        }
    }
}

/// Empties the selectors that are owned as a whole on the other side.
fn atomic(want: &mut Value, got: &Value) -> bool {
    let (Some(want), Some(got)) = (want.as_object_mut(), got.as_object()) else { return false };
    let mut any = false;
    for (key, want) in want.iter_mut() {
        let Some(got) = got.get(key) else { continue };
        let whole = got.as_object().is_some_and(Map::is_empty) && want.as_object().is_some_and(|it| !it.is_empty());
        if whole && (SELECTORS.contains(&key.as_str()) || key.starts_with("k:{\"uid\":")) {
            *want = Value::Object(Map::new());
            any = true;
        } else {
            any |= atomic(want, got);
        }
    }
    any
}

/// Fields that are owned as a whole since 1.24; references by uid are, too.
const SELECTORS: [&str; 10] = [
    "f:port",
    "f:selector",
    "f:nodeSelector",
    "f:labelSelector",
    "f:namespaceSelector",
    "f:fieldRef",
    "f:secretKeyRef",
    "f:configMapKeyRef",
    "f:resourceFieldRef",
    "f:roleRef",
];

/// Takes out of `got` what is owned of the status only there: a write past the status can't take it away any more.
fn status_stays(want: &Map<String, Value>, got: &mut Map<String, Value>) -> bool {
    let wanted = want.get("fieldsV1").and_then(|it| it.get("f:status")).cloned().unwrap_or_default();
    let found = got.get_mut("fieldsV1").and_then(|it| it.get_mut("f:status")).and_then(Value::as_object_mut);
    found.is_some_and(|found| {
        let before = found.len();
        found.retain(|name, _| wanted.get(name).is_some());
        found.len() < before && wanted.is_object()
    })
}

impl Comparison<'_> {
    /// Selectors are owned as a whole since 1.24, and the status only through its subresource since 1.22.
    fn newer_ownership(&mut self, want: &mut Map<String, Value>, got: &Map<String, Value>) {
        let Some(fields) = want.get_mut("fieldsV1") else { return };
        let found = got.get("fieldsV1").cloned().unwrap_or_default();
        let main = got.get("subresource").is_none() && found.get("f:status").is_none();
        if main && fields.as_object_mut().is_some_and(|it| it.shift_remove("f:status").is_some()) {
            self.explain(&RESET_FIELDS);
        }
        // Joined with what was reported since, the phase that the server filled in is still nobody's.
        let phase = |fields: &Value| fields.pointer("/f:status/f:phase").is_some();
        if phase(fields)
            && !phase(&found)
            && let Some(status) = fields.get_mut("f:status").and_then(Value::as_object_mut)
        {
            status.shift_remove("f:phase");
            self.explain(&RESET_FIELDS);
        }
        if atomic(fields, &found) {
            self.explain(&ATOMIC);
        }
    }

    /// Compares two lists of entries. Records older than 1.22 name no subresource, and have one entry where there are
    /// two now.
    pub(super) fn managed(&mut self, at: &str, want: &Value, got: &Value) {
        if self.kinds {
            return;
        }
        let names =
            |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|it| it.get("subresource").is_some()));
        let joined = names(got) && !names(want);
        if joined {
            self.explain(&SUBRESOURCES);
        }
        let (want, got) = (entries(want, !joined), entries(got, !joined));
        for (key, want) in &want {
            let at = format!("{at}/{}", escape(key));
            match got.get(key) {
                Some(got) => {
                    let mut want = want.clone();
                    let mut got = got.clone();
                    if joined && status_stays(&want, &mut got) {
                        self.explain(&RESET_FIELDS);
                    }
                    let got = &got;
                    self.newer_ownership(&mut want, got);
                    let want = &want;
                    let ignored: &[&str] = if joined { &["time", "subresource"] } else { &["time"] };
                    self.fields(&at, want, got, ignored);
                }
                None => self.differ(&at, Some(&Value::Object(want.clone())), None),
            }
        }
        for (key, got) in got.iter().filter(|(key, _)| !want.contains_key(*key)) {
            // Older servers kept no record of these writes.
            if matches!(got.get("subresource").and_then(Value::as_str), Some("scale" | "binding")) {
                self.explain(&SUBRESOURCES);
                continue;
            }
            self.differ(&format!("{at}/{}", escape(key)), None, Some(&Value::Object(got.clone())));
        }
    }
}
