//! Documents that are not objects: discovery and tables.

use super::Comparison;
use crate::replay::binding::{escape, is_duration};
use crate::replay::translate::{self, RESOURCES, SINGULAR};
use serde_json::{Map, Value};

impl Comparison<'_> {
    /// Groups and resources are sets by name, verbs are sets. What a newer version serves besides is explained; what it
    /// doesn't serve any more must be known to be gone.
    pub(super) fn discovery(&mut self, at: &str, want: &Map<String, Value>, got: &Map<String, Value>) {
        self.fields(at, want, got, &["groups", "resources", "versions", "preferredVersion"]);
        let group = want.get("groupVersion").or_else(|| want.get("name")).and_then(Value::as_str).unwrap_or_default();
        for list in ["groups", "resources"] {
            let named = |it: &Map<String, Value>| it.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
            let (want, got) = (named(want), named(got));
            for want in &want {
                let name = want["name"].as_str().unwrap_or_default();
                let at = format!("{at}/{list}/{}", escape(name));
                match got.iter().find(|it| it["name"] == want["name"]) {
                    Some(got) if list == "groups" => self.group(&at, want, got),
                    Some(got) => self.resource(&at, want, got),
                    None if translate::is_gone(group, name) => self.explain(&RESOURCES),
                    None => self.differ(&at, Some(want), None),
                }
            }
            if got.iter().any(|it| want.iter().all(|want| want["name"] != it["name"])) {
                self.explain(&RESOURCES);
            }
        }
        if want.contains_key("versions") {
            self.group(at, &Value::Object(want.clone()), &Value::Object(got.clone()));
        }
    }

    /// A group's versions differ from release to release; those of both must be written alike, and the preferred one
    /// must be the first.
    fn group(&mut self, at: &str, want: &Value, got: &Value) {
        let (wanted, found) = (want["versions"].as_array(), got["versions"].as_array());
        let (wanted, found) = (wanted.cloned().unwrap_or_default(), found.cloned().unwrap_or_default());
        if wanted != found {
            self.explain(&RESOURCES);
        }
        let name = got["name"].as_str().unwrap_or_default();
        let written = |it: &Value| {
            let version = it["version"].as_str().unwrap_or_default();
            it["groupVersion"].as_str() == Some(&format!("{name}/{version}"))
        };
        if found.is_empty() || !found.iter().all(written) || found.first() != Some(&got["preferredVersion"]) {
            self.differ(&format!("{at}/versions"), Some(&want["versions"]), Some(&got["versions"]));
        }
    }

    fn resource(&mut self, at: &str, want: &Value, got: &Value) {
        let (Some(wanted), Some(found)) = (want.as_object(), got.as_object()) else {
            return self.value(at, want, got);
        };
        self.fields(at, wanted, found, &["verbs", "singularName"]);
        self.set(&format!("{at}/verbs"), &want["verbs"], &got["verbs"]);
        let (name, singular) = (&want["singularName"], &got["singularName"]);
        if name != singular {
            let lower = got["kind"].as_str().map(str::to_lowercase);
            if name == "" && (lower.as_deref() == singular.as_str()) {
                self.explain(&SINGULAR);
            } else {
                self.differ(&format!("{at}/singularName"), Some(name), Some(singular));
            }
        }
    }

    /// Ages are any duration.
    pub(super) fn table(&mut self, at: &str, want: &Map<String, Value>, got: &Map<String, Value>) {
        self.fields(at, want, got, &["rows"]);
        let rows = |it: &Map<String, Value>| it.get("rows").and_then(Value::as_array).cloned();
        let (Some(mut wanted), Some(found)) = (rows(want), rows(got)) else {
            if want.get("rows") != got.get("rows") {
                self.differ(&format!("{at}/rows"), want.get("rows"), got.get("rows"));
            }
            return;
        };
        if self.unordered {
            wanted.sort_by_key(|row| super::identity(&row["object"]));
        }
        for row in &mut wanted {
            if let Some(cells) = row["cells"].as_array_mut() {
                cells.iter_mut().filter(|it| it.as_str().is_some_and(is_duration)).for_each(|it| *it = "<age>".into());
            }
        }
        self.array(&format!("{at}/rows"), &wanted, &found);
    }
}
