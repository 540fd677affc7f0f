//! Lists in a strategic merge patch: how items are matched and in which order they come.

use super::{DIRECTIVE, Merge, Meta, StrategicError, go_type, without_directives};
use crate::typed::plain;
use serde_json::{Map, Value};
use std::mem::Discriminant;

/// By what the items of a list are told apart: a field of them, or themselves.
#[derive(Clone, Copy)]
enum By<'k> {
    Key(&'k str),
    Value,
}

impl By<'_> {
    fn of<'v>(&self, item: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Key(key) => item.get(key),
            Self::Value => Some(item),
        }
    }

    fn index(&self, items: &[Value], wanted: &Value) -> Option<usize> {
        let wanted = self.of(wanted);
        items.iter().position(|it| self.of(it) == wanted)
    }

    /// Whether all items have what tells them apart.
    fn check(&self, items: &[Value]) -> Result<(), StrategicError> {
        let Self::Key(key) = self else { return Ok(()) };
        for item in items {
            match item {
                Value::Object(map) if map.contains_key(*key) => {}
                Value::Object(_) => return Err(StrategicError::no_merge_key(item, key)),
                other => return Err(StrategicError::bad_type("map[string]interface {}", other)),
            }
        }
        Ok(())
    }
}

impl<'a> Merge<'_, 'a> {
    /// Merges two lists as their field says.
    pub(super) fn lists(
        &self,
        base: Vec<Value>,
        patch: Vec<Value>,
        meta: &Meta<'_>,
        deletes: bool,
    ) -> Result<Vec<Value>, StrategicError> {
        if !meta.merge() && !deletes {
            return Ok(patch);
        }
        if base.is_empty() && patch.is_empty() {
            return Ok(base);
        }
        if !maps(&base, &patch)? {
            return Ok(if deletes { without(base, &patch) } else { merged_scalars(base, patch) });
        }
        let Some(key) = meta.merge_key() else {
            let name = meta.item().map(|it| self.item_name(it)).unwrap_or_default();
            return Err(StrategicError::Other(format!("cannot merge lists without merge key for {name}")));
        };
        let (base, patch) = special_items(base, patch, key)?;
        let order: Vec<Value> = patch.clone();
        let server_order = base.clone();
        let merged = self.merged_items(base, patch, key, meta)?;
        arrange(merged, &order, &server_order, By::Key(key))
    }

    fn item_name(&self, item: &k8s_types::schema::Shape) -> String {
        let k8s_types::schema::Shape::Struct { id, .. } = item else { return String::new() };
        let name = self.schema.types.get(*id).map(|it| it.name.rsplit('.').next().unwrap_or_default());
        name.unwrap_or_default().to_owned()
    }

    fn merged_items(
        &self,
        mut base: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
        meta: &Meta<'_>,
    ) -> Result<Vec<Value>, StrategicError> {
        for item in patch {
            let Some(wanted) = item.get(key) else { return Err(StrategicError::no_merge_key(&item, key)) };
            let found = base.iter_mut().find(|it| it.get(key) == Some(wanted));
            match (found, item) {
                (Some(found), Value::Object(patch)) => {
                    let original = match found.take() {
                        Value::Object(map) => map,
                        _ => Map::new(),
                    };
                    *found = Value::Object(self.maps(original, patch, meta.item())?);
                }
                (_, item) => base.push(item),
            }
        }
        Ok(base)
    }

    /// Merges lists for which the patch gives an order; `None` where there is no list at all.
    pub(super) fn ordered_list(
        &self,
        base: Option<Vec<Value>>,
        patch: Option<Vec<Value>>,
        order: Vec<Value>,
        meta: &Meta<'_>,
    ) -> Result<Option<Vec<Value>>, StrategicError> {
        let by = meta.merge_key().map_or(By::Value, By::Key);
        check_order(patch.as_deref().unwrap_or_default(), &order, by)?;
        let server_order = base.clone().unwrap_or_default();
        maps(&server_order, patch.as_deref().unwrap_or_default())?;
        let merged = match (base, patch) {
            (None, None) => return Ok(None),
            (Some(base), None) => base,
            (None, Some(patch)) => patch.into_iter().filter_map(without_directives).collect(),
            (Some(base), Some(patch)) => self.lists(base, patch, meta, false)?,
        };
        arrange(merged, &order, &server_order, by).map(Some)
    }
}

/// Whether the items of two lists are objects; all must be of one type.
fn maps(base: &[Value], patch: &[Value]) -> Result<bool, StrategicError> {
    let mut kinds = base.iter().chain(patch);
    let Some(first) = kinds.next() else { return Ok(false) };
    if first.is_array() {
        return Err(StrategicError::ListOfLists);
    }
    let kind: Discriminant<Value> = std::mem::discriminant(first);
    if kinds.any(|it| std::mem::discriminant(it) != kind || go_type(it) != go_type(first)) {
        let shown = |items: &[Value]| plain(&Value::Array(items.to_vec()));
        let text = format!("list element types are not identical: [{} {}]", shown(base), shown(patch));
        return Err(StrategicError::Other(text));
    }
    Ok(first.is_object())
}

fn without(base: Vec<Value>, deleted: &[Value]) -> Vec<Value> {
    base.into_iter().filter(|it| !deleted.contains(it)).collect()
}

/// Scalars of both lists, each once.
fn merged_scalars(base: Vec<Value>, patch: Vec<Value>) -> Vec<Value> {
    let server_order = base.clone();
    let mut merged: Vec<Value> = Vec::with_capacity(base.len() + patch.len());
    for item in base.into_iter().chain(patch.iter().cloned()) {
        if !merged.contains(&item) {
            merged.push(item);
        }
    }
    let (in_patch, server_only) = partition(merged, &patch, By::Value);
    interleave(
        sorted(server_only, &server_order, By::Value),
        sorted(in_patch, &patch, By::Value),
        &server_order,
        By::Value,
    )
}

/// Carries out the directives among the items of the patch, and drops them: deletes take items out of the base, one
/// replace makes the patch all there is.
fn special_items(
    mut base: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut plain_items = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain_items.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let Some(deleted) = item.get(key) else { return Err(StrategicError::no_merge_key(&item, key)) };
                base.retain(|it| it.get(key) != Some(deleted));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(StrategicError::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => {
                let map = item.as_object().cloned().unwrap_or_default();
                return Err(StrategicError::unknown_directive(directive, &map));
            }
        }
    }
    Ok(if replace { (plain_items, Vec::new()) } else { (base, plain_items) })
}

/// Whether the items of the patch come in the order that the patch gives.
fn check_order(patch: &[Value], order: &[Value], by: By<'_>) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut orders = order.iter();
    for item in patch.iter().filter(|it| it.get(DIRECTIVE).is_none()) {
        by.check(std::slice::from_ref(item))?;
        let mut found = false;
        for entry in orders.by_ref() {
            by.check(std::slice::from_ref(entry))?;
            found = by.of(entry) == by.of(item);
            if found {
                break;
            }
        }
        if !found {
            let shown = |items: &[Value]| plain(&Value::Array(items.to_vec()));
            return Err(StrategicError::Other(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                shown(patch),
                shown(order)
            )));
        }
    }
    Ok(())
}

/// Puts merged items in order: those that the patch orders as it does, the others as they stood, each other item
/// before the ordered ones that stood behind it.
fn arrange(
    merged: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    by: By<'_>,
) -> Result<Vec<Value>, StrategicError> {
    by.check(&merged)?;
    by.check(order)?;
    by.check(server_order)?;
    let (ordered, others) = partition(merged, order, by);
    Ok(interleave(sorted(others, server_order, by), sorted(ordered, order, by), server_order, by))
}

fn partition(items: Vec<Value>, among: &[Value], by: By<'_>) -> (Vec<Value>, Vec<Value>) {
    items.into_iter().partition(|it| by.index(among, it).is_some())
}

fn sorted(items: Vec<Value>, order: &[Value], by: By<'_>) -> Vec<Value> {
    let mut placed: Vec<(Option<usize>, Value)> = items.into_iter().map(|it| (by.index(order, &it), it)).collect();
    placed.sort_by_key(|it| it.0.unwrap_or(usize::MAX));
    placed.into_iter().map(|it| it.1).collect()
}

fn interleave(others: Vec<Value>, ordered: Vec<Value>, server_order: &[Value], by: By<'_>) -> Vec<Value> {
    let mut all = Vec::with_capacity(others.len() + ordered.len());
    let (mut others, mut ordered) = (others.into_iter().peekable(), ordered.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), ordered.peek()) {
            (None, None) => return all,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(next)) => match (by.index(server_order, other), by.index(server_order, next)) {
                (Some(a), Some(b)) => a < b,
                _ => false,
            },
        };
        all.extend(if other_first { others.next() } else { ordered.next() });
    }
}
