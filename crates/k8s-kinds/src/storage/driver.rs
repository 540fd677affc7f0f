//! CSIDriver, CSINode and CSIStorageCapacity: what drivers can do, where they run, what they have left.

use crate::checks::{by_rule, drop_disabled, immutable, label_selector, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, object_made, object_mut, same, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const LIFECYCLES: &[&str] = &["Persistent", "Ephemeral"];
const FS_GROUP_POLICIES: &[&str] = &["ReadWriteOnceWithFSType", "File", "None"];
const SHORTEST_TOKEN: i64 = 10 * 60;
const LONGEST_TOKEN: i64 = 1 << 32;
const LONGEST_NODE_ID: usize = 192;
const SHORTEST_UPDATE_PERIOD: i64 = 10;

const SINCE: &[(&str, u8)] = &[("seLinuxMount", 27), ("nodeAllocatableUpdatePeriodSeconds", 34)];

/// See the module.
pub(crate) struct CsiDriver;

/// See the module.
pub(crate) struct CsiNode;

/// See the module.
pub(crate) struct CsiStorageCapacity;

/// A driver's name: a DNS name of at most a label's length, whatever its case.
pub(super) fn validate_driver_name(errors: &mut Errors, name: &str, path: &Path) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    if name.len() > names::LABEL_MAX {
        errors.push(FieldError::too_long(path, names::LABEL_MAX));
    }
    errors.extend(names::invalid_each(path, name, names::dns1123_subdomain(&name.to_lowercase())));
}

impl Kind for CsiDriver {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "attachRequired", true);
        set_default(spec, "podInfoOnMount", false);
        set_default(spec, "storageCapacity", false);
        set_default_zero(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        if spec.items("volumeLifecycleModes").is_empty() {
            set(spec, "volumeLifecycleModes", json!(["Persistent"]));
        }
        set_default(spec, "requiresRepublish", false);
        if cx.minor >= 27 {
            set_default(spec, "seLinuxMount", false);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        drop_disabled(object, None, cx, SINCE);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        drop_disabled(object, Some(old), cx, SINCE);
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        for mode in spec.texts("volumeLifecycleModes").filter(|mode| !LIFECYCLES.contains(mode)) {
            errors.push(FieldError::not_supported(&path.child("volumeLifecycleModes"), mode, LIFECYCLES));
        }
        crate::checks::one_of_if_given(&mut errors, spec, &path, "fsGroupPolicy", FS_GROUP_POLICIES);
        validate_token_requests(&mut errors, spec.items("tokenRequests"), &path.child("tokenRequests"));
        let period = spec.opt_int("nodeAllocatableUpdatePeriodSeconds");
        if let Some(seconds) = period.filter(|seconds| *seconds < SHORTEST_UPDATE_PERIOD) {
            let path = path.child("nodeAllocatableUpdatePeriodSeconds");
            errors.push(FieldError::invalid(&path, seconds, "must be greater than or equal to 10 seconds"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let (spec, before, path) = (object.at("spec"), old.at("spec"), Path::new("spec"));
        if spec.at("attachRequired") != before.at("attachRequired") {
            // The path is misspelt in the API's answers.
            let (path, value) = (path.child("attachedRequired"), spec.at("attachRequired").clone());
            errors.push(FieldError::invalid(&path, value, crate::checks::IMMUTABLE));
        }
        for field in ["fsGroupPolicy", "volumeLifecycleModes"] {
            immutable(&mut errors, spec, before, &path, field);
        }
        if cx.minor < 29 {
            immutable(&mut errors, spec, before, &path, "podInfoOnMount");
        }
        errors
    }
}

fn validate_token_requests(errors: &mut Errors, requests: &[Value], path: &Path) {
    for (index, request) in requests.iter().enumerate() {
        let (audience, path) = (request.text("audience"), path.index(index));
        if requests.iter().take(index).any(|other| other.text("audience") == audience) {
            errors.push(FieldError::duplicate(&path.child("audience"), audience));
        }
        let path = path.child("expirationSeconds");
        match request.opt_int("expirationSeconds") {
            Some(seconds) if seconds < SHORTEST_TOKEN => {
                let why = "may not specify a duration less than 10 minutes";
                errors.push(FieldError::invalid(&path, seconds, why));
            }
            Some(seconds) if seconds > LONGEST_TOKEN => {
                let why = "may not specify a duration larger than 2^32 seconds";
                errors.push(FieldError::invalid(&path, seconds, why));
            }
            _ => {}
        }
    }
}

impl Kind for CsiNode {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec")
            && spec.items("drivers").is_empty()
        {
            set(spec, "drivers", Value::Null);
        }
        for driver in
            object_mut(object, "spec").map(|spec| crate::value::items_mut(spec, "drivers")).into_iter().flatten()
        {
            // Written even where there are none.
            set_default(driver, "topologyKeys", Value::Null);
        }
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (drivers, path) = (object.at("spec").items("drivers"), Path::new("spec.drivers"));
        for (index, driver) in drivers.iter().enumerate() {
            let (name, path) = (driver.text("name"), path.index(index));
            validate_driver_name(&mut errors, name, &path.child("name"));
            if drivers.iter().take(index).any(|other| other.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
            required(&mut errors, driver, &path, "nodeID", "");
            if driver.text("nodeID").len() > LONGEST_NODE_ID {
                let why = format!("must be {LONGEST_NODE_ID} characters or less");
                errors.push(FieldError::invalid(&path.child("nodeID"), driver.text("nodeID"), &why));
            }
            crate::checks::not_negative(&mut errors, driver.at("allocatable"), &path.child("allocatable"), "count");
            for key in driver.texts("topologyKeys") {
                by_rule(&mut errors, &path.child("topologyKeys"), key, names::qualified_name);
            }
            crate::checks::unique_texts(&mut errors, driver, &path, "topologyKeys");
        }
        errors
    }

    /// A driver may come and go, but not change.
    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        for driver in object.at("spec").items("drivers") {
            let mut before = old.at("spec").items("drivers").iter();
            let known = before.find(|it| it.text("name") == driver.text("name"));
            let changed = known.is_some_and(|known| {
                let fixed = ["nodeID", "topologyKeys"];
                let count_fixed = cx.minor < 34 && !same(known.at("allocatable"), driver.at("allocatable"));
                count_fixed || fixed.iter().any(|field| !same(known.at(field), driver.at(field)))
            });
            if changed {
                let path = Path::new("CSINodeDriver");
                errors.push(FieldError::invalid(&path, driver.clone(), crate::checks::IMMUTABLE));
            }
        }
        errors
    }
}

impl Kind for CsiStorageCapacity {
    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let root = Path::default();
        label_selector(&mut errors, object.at("nodeTopology"), &Path::new("nodeTopology"));
        let class = object.text("storageClassName");
        by_rule(&mut errors, &Path::new("storageClassName"), class, names::dns1123_subdomain);
        for field in ["capacity", "maximumVolumeSize"] {
            let quantity = object.at(field);
            if quantity.as_str().is_some_and(|text| text.starts_with('-'))
                || quantity.as_f64().is_some_and(|it| it < 0.0)
            {
                let path = root.child(field);
                errors.push(FieldError::invalid(&path, quantity.clone(), crate::checks::NOT_NEGATIVE));
            }
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        for field in ["nodeTopology", "storageClassName"] {
            immutable(&mut errors, object, old, &Path::default(), field);
        }
        errors
    }
}
