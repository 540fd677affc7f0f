//! What looks at objects before they are stored.

use crate::column::{AGE, Column, NAME};
use crate::printer::Layout;
use crate::selector;
use crate::view::{UNSET, View};
use serde_json::Value;

pub(super) static WEBHOOKS: Layout =
    Layout::new(&[NAME, Column::text("Webhooks", "How many webhooks are called.").integer(), AGE], |it, context| {
        vec![it.name(), it.at("webhooks").count().into(), it.age(context)]
    });

const PARAM_KIND: Column = Column::text("ParamKind", "The kind of what the policy is parameterized with.");

pub(super) static VALIDATING_POLICY: Layout = Layout::new(
    &[NAME, Column::text("Validations", "How many rules the policy has.").integer(), PARAM_KIND, AGE],
    |it, context| vec![it.name(), it.at("spec").at("validations").count().into(), param_kind(it), it.age(context)],
);

pub(super) static MUTATING_POLICY: Layout = Layout::new(
    &[NAME, Column::text("Mutations", "How many changes the policy makes.").integer(), PARAM_KIND, AGE],
    |it, context| vec![it.name(), it.at("spec").at("mutations").count().into(), param_kind(it), it.age(context)],
);

pub(super) static BINDING: Layout = Layout::new(
    &[
        NAME,
        Column::text("PolicyName", "Which policy is put to use."),
        Column::text("ParamRef", "What the policy is parameterized with."),
        AGE,
    ],
    |it, context| {
        let spec = it.at("spec");
        vec![it.name(), spec.at("policyName").text().into(), param(spec.at("paramRef")), it.age(context)]
    },
);

fn param_kind(it: View<'_>) -> Value {
    let kind = it.at("spec").at("paramKind");
    if !kind.is_set() {
        return UNSET.into();
    }
    format!("{}/{}", kind.at("apiVersion").text(), kind.at("kind").text()).into()
}

fn param(it: View<'_>) -> Value {
    match it.at("name").text() {
        "" if it.at("selector").is_set() => selector::spelled_out(it.at("selector")).into(),
        "" => UNSET.into(),
        name => format!("{}/{name}", it.at("namespace").text_or("*")).into(),
    }
}
