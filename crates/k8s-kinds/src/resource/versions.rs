//! Claims and slices between their versions. The hub is `v1`.

use super::is_nested;
use crate::value::{Look, items_mut, object_mut, remove, set};
use serde_json::{Map, Value};

/// What a request says of itself, whatever it asks for.
const OF_REQUEST: &[&str] = &["name", "firstAvailable"];

/// From a version's shape to that of `v1`.
pub(crate) fn to_hub(kind: &str, version: &str, object: &mut Value) {
    if is_nested(version) {
        return;
    }
    each_request(kind, object, |request| {
        if request.items("firstAvailable").is_empty() {
            let exactly = split_off(request, |field| !OF_REQUEST.contains(&field));
            set(request, "exactly", exactly);
        }
    });
    each_device(kind, object, |device| {
        if let Some(Value::Object(basic)) = device.as_object_mut().and_then(|map| map.shift_remove("basic"))
            && let Some(map) = device.as_object_mut()
        {
            map.extend(basic);
        }
        if version == "v1alpha3" {
            each_capacity(device, |capacity| {
                let mut whole = Map::new();
                whole.insert("value".to_owned(), capacity.take());
                *capacity = Value::Object(whole);
            });
        }
    });
}

/// From the shape of `v1` to a version's.
pub(crate) fn from_hub(kind: &str, version: &str, object: &mut Value) {
    if is_nested(version) {
        return;
    }
    each_request(kind, object, |request| {
        if let Some(Value::Object(exactly)) = request.as_object_mut().and_then(|map| map.shift_remove("exactly"))
            && let Some(map) = request.as_object_mut()
        {
            map.extend(exactly);
        }
    });
    each_device(kind, object, |device| {
        if version == "v1alpha3" {
            each_capacity(device, |capacity| *capacity = capacity.at("value").clone());
        }
        let basic = split_off(device, |field| field != "name");
        set(device, "basic", basic);
    });
}

fn each_request(kind: &str, object: &mut Value, change: impl Fn(&mut Value)) {
    let spec = match kind {
        "ResourceClaim" => object_mut(object, "spec"),
        "ResourceClaimTemplate" => object_mut(object, "spec").and_then(|spec| object_mut(spec, "spec")),
        _ => None,
    };
    if let Some(devices) = spec.and_then(|spec| object_mut(spec, "devices")) {
        items_mut(devices, "requests").iter_mut().for_each(change);
    }
}

fn each_device(kind: &str, object: &mut Value, change: impl Fn(&mut Value)) {
    if kind == "ResourceSlice"
        && let Some(spec) = object_mut(object, "spec")
    {
        items_mut(spec, "devices").iter_mut().for_each(change);
    }
}

fn each_capacity(device: &mut Value, change: impl Fn(&mut Value)) {
    if let Some(Value::Object(capacities)) = object_mut(device, "capacity") {
        capacities.values_mut().for_each(change);
    }
}

/// Takes the fields that are meant out of an object and hands them out as another.
fn split_off(it: &mut Value, is_meant: impl Fn(&str) -> bool) -> Value {
    let fields: Vec<String> =
        it.as_object().map(|map| map.keys().filter(|key| is_meant(key)).cloned().collect()).unwrap_or_default();
    let mut out = Map::new();
    for field in fields {
        out.insert(field.clone(), it.at(&field).clone());
        remove(it, &field);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_are_nested_since_v1beta2() {
        let old = json!({"spec": {"devices": {"requests": [
            {"name": "a", "deviceClassName": "c", "allocationMode": "All"},
            {"name": "b", "firstAvailable": [{"name": "x", "deviceClassName": "c"}]},
        ]}}});
        let new = json!({"spec": {"devices": {"requests": [
            {"name": "a", "exactly": {"deviceClassName": "c", "allocationMode": "All"}},
            {"name": "b", "firstAvailable": [{"name": "x", "deviceClassName": "c"}]},
        ]}}});
        let mut it = old.clone();
        to_hub("ResourceClaim", "v1beta1", &mut it);
        assert_eq!(it, new);
        from_hub("ResourceClaim", "v1beta1", &mut it);
        assert_eq!(it, old);
    }

    #[test]
    fn devices_are_flat_since_v1beta2() {
        let old = json!({"spec": {"devices": [{"name": "d", "basic": {"capacity": {"memory": "1Gi"}}}]}});
        let new = json!({"spec": {"devices": [{"name": "d", "capacity": {"memory": {"value": "1Gi"}}}]}});
        let mut it = old.clone();
        to_hub("ResourceSlice", "v1alpha3", &mut it);
        assert_eq!(it, new);
        from_hub("ResourceSlice", "v1alpha3", &mut it);
        assert_eq!(it, old);
    }
}
