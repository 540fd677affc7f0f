//! How requests share the server.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, View};
use serde_json::Value;

pub(super) static FLOW_SCHEMA: Layout = Layout {
    columns: &[
        NAME,
        Column::new("PriorityLevel", field!("flowcontrol.v1.PriorityLevelConfigurationReference", "name")),
        Column::new("MatchingPrecedence", field!("flowcontrol.v1.FlowSchemaSpec", "matchingPrecedence")),
        Column::new("DistinguisherMethod", field!("flowcontrol.v1.FlowSchemaSpec", "distinguisherMethod")),
        AGE,
        Column::text("MissingPL", "Whether its priority level does not exist."),
    ],
    cells: flow_schema,
    conditions: |_| Vec::new(),
    order: Some(precedence),
};

/// The first minor that speaks of nominal shares.
const NOMINAL: u32 = 26;

pub(super) static PRIORITY_LEVEL: Layout = Layout::new(
    &[
        NAME,
        Column::new("Type", field!("flowcontrol.v1.PriorityLevelConfigurationSpec", "type")),
        Column::new(
            "AssuredConcurrencyShares",
            field!("flowcontrol.v1beta2.LimitedPriorityLevelConfiguration", "assuredConcurrencyShares"),
        )
        .until(NOMINAL),
        Column::new(
            "NominalConcurrencyShares",
            field!("flowcontrol.v1.LimitedPriorityLevelConfiguration", "nominalConcurrencyShares"),
        )
        .since(NOMINAL),
        Column::new("Queues", field!("flowcontrol.v1.QueuingConfiguration", "queues")),
        Column::new("HandSize", field!("flowcontrol.v1.QueuingConfiguration", "handSize")),
        Column::new("QueueLengthLimit", field!("flowcontrol.v1.QueuingConfiguration", "queueLengthLimit")),
        AGE,
    ],
    priority_level,
);

fn precedence(it: &Value) -> (i64, &str) {
    let it = View::new(it);
    (it.at("spec").at("matchingPrecedence").number(), it.at("metadata").at("name").text())
}

fn flow_schema(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, method) = (it.at("spec"), it.at("spec").at("distinguisherMethod"));
    vec![
        it.name(),
        spec.at("priorityLevelConfiguration").at("name").text().into(),
        spec.at("matchingPrecedence").number().into(),
        if method.is_set() { method.at("type").text() } else { NONE }.into(),
        it.age(context),
        it.at("status").at("conditions").of_type("Dangling").at("status").set_or("?").into(),
    ]
}

fn priority_level(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, limited) = (it.at("spec"), it.at("spec").at("limited"));
    let queuing = limited.at("limitResponse").at("queuing");
    let shares = limited.at("nominalConcurrencyShares").or(limited.at("assuredConcurrencyShares"));
    let shares = number(limited, shares);
    let queuing = |name: &str| number(queuing, queuing.at(name));
    vec![
        it.name(),
        spec.at("type").text().into(),
        shares.clone(),
        shares,
        queuing("queues"),
        queuing("handSize"),
        queuing("queueLengthLimit"),
        it.age(context),
    ]
}

/// A number of something that need not be there at all.
fn number(of: View<'_>, number: View<'_>) -> Value {
    if of.is_set() { number.number().into() } else { NONE.into() }
}
