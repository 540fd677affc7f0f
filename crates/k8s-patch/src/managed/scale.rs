//! Ownership of the number of replicas: a scale subresource is an object of its own, whose `.spec.replicas` is a field
//! of the scaled object.

use super::entry::{self, Entry, Operation};
use crate::fields::{Element, Set};
use serde_json::Value;

/// The version of Scale objects.
const SCALE: &str = "autoscaling/v1";

/// Where the number of replicas stands in a kind that can be scaled.
#[derive(Debug, Clone, Copy)]
pub struct ScalePaths<'a> {
    /// The version of the endpoint, as `apps/v1`.
    pub api_version: &'a str,
    /// The names on the way to the number, for every version of the kind; none where a version can't be scaled.
    pub paths: &'a [(&'a str, &'a [&'a str])],
}

impl ScalePaths<'_> {
    /// The way to the number in a version; `None` for an unknown version, empty where it can't be scaled.
    fn path(&self, version: &str) -> Option<Vec<Element>> {
        let path = self.paths.iter().find(|it| it.0 == version)?.1;
        Some(path.iter().map(|it| Element::field(it)).collect())
    }

    /// The entries of `object`'s Scale: of those that own the number of replicas.
    pub fn to_scale(&self, object: &Value) -> Option<Value> {
        let entries = entry::decode(entry::of(object)?.clone()).ok()?;
        let owners = entries.into_iter().filter(|it| self.path(&it.api_version).is_some_and(|at| it.fields.has(&at)));
        let scaled = owners.map(|mut it| {
            SCALE.clone_into(&mut it.api_version);
            it.fields = Set::of_names([["spec", "replicas"]]);
            it.changed();
            it
        });
        let mut carrier = Value::Object(serde_json::Map::new());
        entry::store(&mut carrier, scaled.collect());
        entry::take(&mut carrier)
    }

    /// Writes into `object` what a write of its Scale, which now has the entries of `scale`, did to its owners.
    pub fn to_object(&self, object: &mut Value, scale: &Value) {
        let decoded = |it: Option<Value>| it.and_then(|it| entry::decode(it).ok()).unwrap_or_default();
        let mut scaled = decoded(entry::of(scale).cloned());
        let mut entries = decoded(entry::take(object));
        entries.retain_mut(|owner| {
            let Some(path) = self.path(&owner.api_version) else { return false };
            if path.is_empty() || !owner.fields.has(&path) {
                return true;
            }
            // An update is told by its version too, and the Scale's is another: it is written anew below.
            let kept = scaled.iter().position(|it| owner.operation == Operation::Apply && it.is_same(owner));
            match kept {
                Some(at) => {
                    scaled.remove(at);
                }
                None => {
                    let mut number = Set::new();
                    number.insert(&path);
                    owner.fields.subtract(&number);
                    owner.changed();
                }
            }
            !owner.fields.is_empty()
        });
        let number = [Element::field("spec"), Element::field("replicas")];
        let path = self.path(self.api_version).unwrap_or_default();
        for owner in scaled.iter().filter(|it| it.fields.has(&number)) {
            let mut new = Entry::new(&owner.manager, owner.operation, self.api_version, &owner.subresource);
            new.fields.insert(&path);
            match entries.iter_mut().find(|it| it.is_same(&new)) {
                // Who owns other fields as well goes on owning them.
                Some(same) => {
                    same.fields.add(new.fields);
                    same.changed();
                }
                None => entries.push(new),
            }
        }
        entry::store(object, entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, version: &str, subresource: &str, fields: Value) -> Value {
        let mut it = json!({"manager": manager, "operation": "Update", "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields});
        if !subresource.is_empty() {
            it["subresource"] = json!(subresource);
        }
        it
    }

    #[test]
    fn a_scaler_takes_the_number_and_nothing_else() {
        let paths = ScalePaths { api_version: "apps/v1", paths: &[("apps/v1", &["spec", "replicas"])] };
        let maker = entry("maker", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}));
        let mut object = json!({"metadata": {"managedFields": [maker]}});
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        assert_eq!(paths.to_scale(&object), Some(json!([entry("maker", SCALE, "", replicas.clone())])));
        let scale = json!({"metadata": {"managedFields": [entry("scaler", SCALE, "scale", replicas.clone())]}});
        paths.to_object(&mut object, &scale);
        let want = json!([
            entry("maker", "apps/v1", "", json!({"f:spec": {"f:paused": {}}})),
            entry("scaler", "apps/v1", "scale", replicas),
        ]);
        assert_eq!(object["metadata"]["managedFields"], want);
        let again = object.clone();
        paths.to_object(&mut object, &json!({"metadata": {"managedFields": paths.to_scale(&again)}}));
        assert_eq!(object, again);
    }
}
