//! What workloads are configured with and limited by.

use crate::column::{AGE, Column, Description, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, View, join};
use serde_json::Value;

pub(super) static CONFIG_MAP: Layout =
    Layout::new(&[NAME, Column::new("Data", field!("core.v1.ConfigMap", "data")), AGE], |it, context| {
        vec![it.name(), (it.at("data").count() + it.at("binaryData").count()).into(), it.age(context)]
    });

pub(super) static SECRET: Layout = Layout::new(
    &[
        NAME,
        Column::new("Type", field!("core.v1.Secret", "type")),
        Column::new("Data", field!("core.v1.Secret", "data")),
        AGE,
    ],
    |it, context| vec![it.name(), it.at("type").text().into(), it.at("data").count().into(), it.age(context)],
);

pub(super) static SERVICE_ACCOUNT: Layout =
    Layout::new(&[NAME, Column::new("Secrets", field!("core.v1.ServiceAccount", "secrets")), AGE], |it, context| {
        vec![it.name(), it.at("secrets").count().into(), it.age(context)]
    });

/// The first minor whose quotas have their age last.
const AGE_LAST: u32 = 33;

pub(super) static RESOURCE_QUOTA: Layout = Layout::new(
    &[
        NAME,
        AGE.until(AGE_LAST),
        Column::text("Request", "How much is used of what may be requested."),
        Column::text("Limit", "How much is used of what limits may add up to."),
        AGE.since(AGE_LAST),
    ],
    quota,
);

pub(super) static PRIORITY_CLASS: Layout = Layout::new(
    &[
        NAME,
        Column::new("Value", field!("scheduling.v1.PriorityClass", "value")).integer(),
        Column::new("Global-Default", field!("scheduling.v1.PriorityClass", "globalDefault")).boolean(),
        AGE,
        Column::new("PreemptionPolicy", field!("scheduling.v1.PriorityClass", "preemptionPolicy")).since(32),
    ],
    |it, context| {
        vec![
            it.name(),
            it.at("value").number().into(),
            (it.at("globalDefault").flag() == Some(true)).into(),
            it.age(context),
            it.at("preemptionPolicy").text().into(),
        ]
    },
);

pub(super) static RUNTIME_CLASS: Layout =
    Layout::new(&[NAME, Column::new("Handler", Description::None), AGE], |it, context| {
        vec![it.name(), it.at("handler").text().into(), it.age(context)]
    });

fn quota(it: View<'_>, context: &Context) -> Vec<Value> {
    let status = it.at("status");
    let mut resources: Vec<&str> =
        status.at("hard").entries().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    resources.sort_unstable();
    let of = |is_limit: bool| {
        let of_kind = resources.iter().filter(|it| it.starts_with("limits.") == is_limit);
        let texts: Vec<String> = of_kind
            .map(|name| {
                format!("{name}: {}/{}", status.at("used").at(name).quantity(), status.at("hard").at(name).quantity())
            })
            .collect();
        Value::from(join(texts.iter().map(String::as_str), ", "))
    };
    vec![it.name(), it.age(context), of(false), of(true), it.age(context)]
}
