//! Devices that pods may claim.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{View, join};
use serde_json::Value;

pub(super) static PLAIN: Layout = Layout::new(&[NAME, AGE], |it, context| vec![it.name(), it.age(context)]);

pub(super) static CLAIM: Layout = Layout::new(
    &[NAME, Column::text("State", "Whether the claim has its devices, and somebody uses them."), AGE],
    |it, context| vec![it.name(), state(it), it.age(context)],
);

pub(super) static SLICE: Layout = Layout::new(
    &[
        NAME,
        Column::new("Node", field!("resource.v1.ResourceSliceSpec", "nodeName")),
        Column::new("Driver", field!("resource.v1.ResourceSliceSpec", "driver")),
        Column::new("Pool", field!("resource.v1.ResourcePool", "name")),
        AGE,
    ],
    |it, context| {
        let spec = it.at("spec");
        vec![
            it.name(),
            spec.at("nodeName").text().into(),
            spec.at("driver").text().into(),
            spec.at("pool").at("name").text().into(),
            it.age(context),
        ]
    },
);

fn state(it: View<'_>) -> Value {
    let (status, deleted) = (it.at("status"), it.is_deleting());
    let allocated = status.at("allocation").is_set();
    let states = [
        (deleted, "deleted"),
        (!allocated && !deleted, "pending"),
        (allocated, "allocated"),
        (allocated && status.at("reservedFor").count() > 0, "reserved"),
    ];
    join(states.into_iter().filter(|(holds, _)| *holds).map(|(_, state)| state), ",").into()
}
