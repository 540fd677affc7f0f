//! All schemas and levels of a moment: made anew from the cluster's objects at each change of them.

use super::level::{Level, Limits, Queuing};
use super::schema::Schema;
use crate::request::RequestInfo;
use hyper::header::HeaderValue;
use k8s_authz::User;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seats of a level whose object says nothing; the API's default.
const DEFAULT_SHARES: u64 = 30;
/// The API's defaults for queues, their hands and their length.
const DEFAULT_QUEUES: (u64, u64, u64) = (64, 8, 50);

/// What every answer says about its place: the uids of the schema and the level.
#[derive(Debug, Clone)]
pub struct Marks {
    /// The flow schema's.
    pub schema: HeaderValue,
    /// The priority level's.
    pub level: HeaderValue,
}

/// Where a request belongs.
pub struct Class {
    /// Its priority level.
    pub level: Arc<Level>,
    /// Its flow.
    pub flow: u64,
    /// What its answer says.
    pub marks: Marks,
}

/// Schemas in the order in which they are asked, with the levels that they name.
#[derive(Default)]
pub struct Table {
    entries: Vec<Entry>,
    levels: BTreeMap<String, Arc<Level>>,
}

struct Entry {
    schema: Schema,
    level: Arc<Level>,
    marks: Marks,
}

impl Table {
    /// The table of the objects that there are; levels which `before` has go on with their requests. `seats` is what all
    /// levels have together.
    pub fn new(before: &Self, seats: usize, mut schemas: Vec<Value>, mut configurations: Vec<Value>) -> Self {
        add_missing(&mut schemas, mandatory_schemas());
        add_missing(&mut configurations, mandatory_levels());
        let sum = configurations.iter().map(shares).sum::<u64>().max(1);
        let mut levels = BTreeMap::new();
        let mut uids = BTreeMap::new();
        for it in &configurations {
            let limits = limits(it, seats, sum);
            let name = name(it).to_owned();
            let level = match before.levels.get(&name) {
                Some(level) => {
                    level.limit(limits);
                    level.clone()
                }
                None => Level::new(limits),
            };
            uids.insert(name.clone(), uid(it));
            levels.insert(name, level);
        }
        let mut schemas: Vec<Schema> = schemas.iter().map(Schema::read).collect();
        schemas.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        let entries = schemas.into_iter().filter_map(|schema| {
            // A schema of a level that is not there classifies nothing.
            let level = levels.get(&schema.level)?.clone();
            let marks = Marks { schema: header(&schema.uid), level: header(uids.get(&schema.level)?) };
            Some(Entry { schema, level, marks })
        });
        Self { entries: entries.collect(), levels }
    }

    /// Where a request belongs. There is a schema for every user, unless somebody has left out both groups.
    pub fn classify(&self, user: &User, info: &RequestInfo) -> Option<Class> {
        let last = self.entries.last();
        let entry = self.entries.iter().find(|it| it.schema.matches(user, info)).or(last)?;
        Some(Class { level: entry.level.clone(), flow: entry.schema.flow(user, info), marks: entry.marks.clone() })
    }

    /// The levels by their names.
    pub fn levels(&self) -> &BTreeMap<String, Arc<Level>> {
        &self.levels
    }
}

fn header(uid: &str) -> HeaderValue {
    HeaderValue::from_str(uid).unwrap_or(HeaderValue::from_static(""))
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn uid(object: &Value) -> String {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(object: &Value, at: &str) -> Option<u64> {
    object.pointer(at)?.as_u64()
}

fn is_exempt(level: &Value) -> bool {
    level.pointer("/spec/type").is_some_and(|it| it == "Exempt")
}

/// A level's part of all seats, under the names that it had in the API's versions.
fn shares(level: &Value) -> u64 {
    if is_exempt(level) {
        return number(level, "/spec/exempt/nominalConcurrencyShares").unwrap_or_default();
    }
    number(level, "/spec/limited/nominalConcurrencyShares")
        .or_else(|| number(level, "/spec/limited/assuredConcurrencyShares"))
        .unwrap_or(DEFAULT_SHARES)
}

fn limits(level: &Value, seats: usize, sum: u64) -> Limits {
    if is_exempt(level) {
        return Limits { seats: None, queuing: None };
    }
    let seats = (seats as u64).saturating_mul(shares(level)).div_ceil(sum);
    let response = level.pointer("/spec/limited/limitResponse").unwrap_or(&Value::Null);
    let size = |at, default| usize::try_from(number(response, at).unwrap_or(default)).unwrap_or(usize::MAX);
    let queuing = response.get("type").is_some_and(|it| it == "Queue").then(|| Queuing {
        queues: size("/queuing/queues", DEFAULT_QUEUES.0),
        hand: size("/queuing/handSize", DEFAULT_QUEUES.1),
        length: size("/queuing/queueLengthLimit", DEFAULT_QUEUES.2),
    });
    Limits { seats: Some(usize::try_from(seats).unwrap_or(usize::MAX)), queuing }
}

fn add_missing(objects: &mut Vec<Value>, mandatory: [Value; 2]) {
    for it in mandatory {
        if !objects.iter().any(|object| name(object) == name(&it)) {
            objects.push(it);
        }
    }
}

/// What holds before the cluster has its objects.
fn mandatory_levels() -> [Value; 2] {
    let limited = json!({"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}});
    [
        json!({"metadata": {"name": "exempt"}, "spec": {"type": "Exempt"}}),
        json!({"metadata": {"name": "catch-all"}, "spec": {"type": "Limited", "limited": limited}}),
    ]
}

fn mandatory_schemas() -> [Value; 2] {
    let schema = |name: &str, precedence: u32, groups: &[&str]| {
        let subjects: Vec<Value> = groups.iter().map(|it| json!({"kind": "Group", "group": {"name": it}})).collect();
        let all = json!(["*"]);
        let resources = json!({"verbs": all, "apiGroups": all, "resources": all, "namespaces": all,
            "clusterScope": true});
        let rule = json!({"subjects": subjects, "resourceRules": [resources],
            "nonResourceRules": [{"verbs": all, "nonResourceURLs": all}]});
        json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence, "rules": [rule],
            "priorityLevelConfiguration": {"name": name}, "distinguisherMethod": {"type": "ByUser"}}})
    };
    [
        schema("exempt", 1, &["system:masters"]),
        schema("catch-all", 10_000, &["system:unauthenticated", "system:authenticated"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;

    fn level(name: &str, shares: u32) -> Value {
        let response = json!({"type": "Queue", "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 3}});
        let limited = json!({"assuredConcurrencyShares": shares, "limitResponse": response});
        json!({"metadata": {"name": name, "uid": name}, "spec": {"type": "Limited", "limited": limited}})
    }

    fn schema(name: &str, level: &str, precedence: u32) -> Value {
        let rule = json!({"subjects": [{"kind": "User", "user": {"name": "eve"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]});
        json!({"metadata": {"name": name, "uid": name}, "spec": {"matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": level}, "rules": [rule]}})
    }

    fn schema_of(table: &Table, user: &str, groups: &[&str]) -> String {
        let user = User {
            name: user.to_owned(),
            groups: groups.iter().map(|it| (*it).to_owned()).collect(),
            ..User::default()
        };
        let info = RequestInfo::parse(&Method::GET, "/version", "").unwrap();
        table.classify(&user, &info).unwrap().marks.schema.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_lowest_precedence_wins_then_the_name_and_only_with_a_level() {
        let schemas = vec![schema("b", "l", 5), schema("a", "l", 5), schema("c", "l", 7), schema("z", "none", 2)];
        let table = Table::new(&Table::default(), 600, schemas, vec![level("l", 20)]);
        assert_eq!(schema_of(&table, "eve", &["system:authenticated"]), "a");
        assert_eq!(schema_of(&table, "adam", &["system:authenticated"]), "");
        assert_eq!(schema_of(&table, "eve", &["system:masters"]), "");
    }

    #[test]
    fn seats_go_by_shares_and_a_level_goes_on_over_a_change() {
        let table =
            |before: &Table, shares| Table::new(before, 600, Vec::new(), vec![level("a", shares), level("b", 40)]);
        let first = table(&Table::default(), 15);
        assert_eq!(first.levels["a"].load().limits.seats, Some(150));
        assert_eq!(first.levels["b"].load().limits.seats, Some(400));
        assert_eq!(first.levels["catch-all"].load().limits.seats, Some(50));
        assert_eq!(first.levels["exempt"].load().limits.seats, None);
        let second = table(&first, 55);
        assert!(Arc::ptr_eq(&first.levels["a"], &second.levels["a"]));
        assert_eq!(first.levels["a"].load().limits.seats, Some(330));
    }
}
