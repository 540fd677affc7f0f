//! Trims a service model to the facts that we commit: what is served with every shape it reaches, no prose, and
//! the names of all other operations so that they can be refused by name.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

const METADATA: &[&str] = &[
    "apiVersion",
    "endpointPrefix",
    "globalEndpoint",
    "jsonVersion",
    "protocol",
    "serviceId",
    "signingName",
    "targetPrefix",
    "xmlNamespace",
];
const OPERATION: &[&str] = &["http"];
const SHAPE: &[&str] = &[
    "type",
    "required",
    "min",
    "max",
    "pattern",
    "enum",
    "timestampFormat",
    "sensitive",
    "flattened",
    "payload",
    "error",
];
const MEMBER: &[&str] =
    &["shape", "location", "locationName", "queryName", "flattened", "idempotencyToken", "timestampFormat", "box"];

/// The facts of one service as JSON.
///
/// # Errors
/// When the model lacks a served operation or a shape that it names.
pub fn trim(service: &str, version: &str, model: &Value, served: &[String]) -> Result<Value> {
    let all = model["operations"].as_object().context("no operations")?;
    let mut operations = Map::new();
    let mut reached = BTreeSet::new();
    for name in served {
        let operation = all.get(name).with_context(|| format!("{service} has no operation {name}"))?;
        operations.insert(name.clone(), trim_operation(operation));
        for root in roots(operation) {
            reach(model, root, &mut reached)?;
        }
    }
    let shapes: Map<String, Value> =
        reached.into_iter().map(|name| (name.to_owned(), trim_shape(&model["shapes"][name]))).collect();
    let rest = model["metadata"]["protocol"] == "rest-json";
    let known: Map<String, Value> = all
        .iter()
        .filter(|(name, _)| !served.contains(name))
        .map(|(name, op)| (name.clone(), if rest { pick(&op["http"], &["method", "requestUri"]) } else { json!({}) }))
        .collect();
    Ok(json!({
        "service": service,
        "source": format!("botocore {version}"),
        "metadata": pick(&model["metadata"], METADATA),
        "operations": operations,
        "known": known,
        "shapes": shapes,
    }))
}

/// The facts as text: one line for each operation and shape, so that a change shows as a line.
///
/// # Errors
/// When `facts` is not what [`trim`] makes.
pub fn print(facts: &Value) -> Result<String> {
    let mut out = String::from("{\n");
    let top = facts.as_object().context("facts are an object")?;
    for (i, (key, value)) in top.iter().enumerate() {
        let comma = if i + 1 == top.len() { "" } else { "," };
        match value {
            Value::Object(entries) if key != "metadata" => {
                writeln!(out, "  \"{key}\": {{")?;
                for (j, (name, entry)) in entries.iter().enumerate() {
                    let comma = if j + 1 == entries.len() { "" } else { "," };
                    writeln!(out, "    \"{name}\": {entry}{comma}")?;
                }
                writeln!(out, "  }}{comma}")?;
            }
            _ => writeln!(out, "  \"{key}\": {value}{comma}")?,
        }
    }
    out.push_str("}\n");
    Ok(out)
}

fn trim_operation(operation: &Value) -> Value {
    let mut out = Map::new();
    if let Value::Object(http) = pick(operation, OPERATION) {
        out.extend(http);
    }
    for key in ["input", "output"] {
        if let Some(shape) = operation[key]["shape"].as_str() {
            out.insert(key.to_owned(), shape.into());
        }
    }
    if let Some(wrapper) = operation["output"]["resultWrapper"].as_str() {
        out.insert("resultWrapper".to_owned(), wrapper.into());
    }
    let errors: Vec<&str> = shapes_in(&operation["errors"]).collect();
    if !errors.is_empty() {
        out.insert("errors".to_owned(), errors.into());
    }
    Value::Object(out)
}

fn trim_shape(shape: &Value) -> Value {
    let Value::Object(mut out) = pick(shape, SHAPE) else { return json!({}) };
    if let Some(members) = shape["members"].as_object() {
        let members: Map<String, Value> =
            members.iter().map(|(name, member)| (name.clone(), pick(member, MEMBER))).collect();
        out.insert("members".to_owned(), Value::Object(members));
    }
    for key in ["member", "key", "value"] {
        if shape[key].is_object() {
            out.insert(key.to_owned(), pick(&shape[key], MEMBER));
        }
    }
    Value::Object(out)
}

fn roots(operation: &Value) -> Vec<&str> {
    let ends = ["input", "output"].into_iter().filter_map(|key| operation[key]["shape"].as_str());
    ends.chain(shapes_in(&operation["errors"])).collect()
}

fn shapes_in(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(|error| error["shape"].as_str())
}

fn reach<'a>(model: &'a Value, name: &'a str, reached: &mut BTreeSet<&'a str>) -> Result<()> {
    if !reached.insert(name) {
        return Ok(());
    }
    let shape = &model["shapes"][name];
    if !shape.is_object() {
        bail!("no shape {name}");
    }
    let members = shape["members"].as_object().into_iter().flat_map(Map::values);
    let parts = ["member", "key", "value"].into_iter().map(|key| &shape[key]);
    for next in members.chain(parts).filter_map(|part| part["shape"].as_str()) {
        reach(model, next, reached)?;
    }
    Ok(())
}

fn pick(value: &Value, keys: &[&str]) -> Value {
    let picked = keys.iter().filter_map(|key| Some(((*key).to_owned(), value.get(key)?.clone())));
    Value::Object(picked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Value {
        json!({
            "metadata": {"protocol": "rest-json", "uid": "x"},
            "operations": {
                "A": {"http": {"method": "GET", "requestUri": "/a"},
                      "input": {"shape": "In"}, "documentation": "prose"},
                "B": {"http": {"method": "GET", "requestUri": "/b", "responseCode": 200}, "input": {"shape": "Lost"}},
            },
            "shapes": {
                "In": {"type": "structure", "documentation": "prose",
                       "members": {"x": {"shape": "X", "documentation": "prose"}}},
                "X": {"type": "list", "member": {"shape": "Y"}},
                "Y": {"type": "string", "max": 3},
                "Lost": {"type": "structure", "members": {}},
            },
        })
    }

    #[test]
    fn only_what_is_served_is_kept_and_no_prose() {
        let facts = trim("t", "1", &model(), &["A".to_owned()]).unwrap();
        let shapes: Vec<_> = facts["shapes"].as_object().unwrap().keys().collect();
        assert_eq!(shapes, ["In", "X", "Y"]);
        assert_eq!(facts["known"], json!({"B": {"method": "GET", "requestUri": "/b"}}));
        assert!(!facts.to_string().contains("prose"));
    }

    #[test]
    fn the_text_is_the_same_json() {
        let facts = trim("t", "1", &model(), &["A".to_owned()]).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&print(&facts).unwrap()).unwrap(), facts);
    }

    #[test]
    fn an_operation_that_the_model_lacks_is_an_error() {
        assert!(trim("t", "1", &model(), &["Nope".to_owned()]).is_err());
    }
}
