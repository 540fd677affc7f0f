//! ResourceQuota: what a namespace may use of everything.
//!
//! A quota's `status.used` is for people to read, and a controller keeps it. What counts here is what is there: the
//! objects of the namespace, of which the ledger remembers what each uses, so that only those that changed are read
//! again. What was admitted and is not stored yet is reserved, under the lock under which it was counted: two writes at
//! the same time can't take the same room. A reservation ends when its write is seen, or some seconds later if the
//! write fails after all; only a commit that takes longer than that could get past a quota.

mod evaluate;
mod ledger;
mod scopes;
mod usage;

use crate::amounts::{Amounts, amounts};
use crate::step::{Known, Outcome, forbidden, is_about, name_of};
use k8s_kinds::value::Look;
use k8s_registry::ListQuery;
use k8s_registry::admission::{Admission, Attempt, Operation};
use ledger::Ledgers;
use serde_json::Value;
use usage::Usage;

/// The plugin.
#[derive(Default)]
pub struct ResourceQuota {
    ledgers: Ledgers,
    quotas: Known,
}

impl Admission for ResourceQuota {
    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let resource = attempt.endpoint.resource();
        if !resource.namespaced || evaluate::is_ignored(&resource.group, &resource.plural) {
            return Ok(());
        }
        if attempt.operation == Operation::Delete {
            // It is there, so its write was seen.
            self.ledgers.release(attempt, attempt.name);
            return Ok(());
        }
        if !evaluate::counts(attempt) {
            return Ok(());
        }
        let Some(endpoint) = self.quotas.endpoint(attempt.registry, "", "resourcequotas") else { return Ok(()) };
        let query = ListQuery { namespace: attempt.namespace, ..ListQuery::default() };
        let stored = attempt.registry.list(endpoint, &query)?.items;
        let quotas: Vec<Value> = stored.iter().map(|it| attempt.registry.read(endpoint, it)).collect();
        if quotas.is_empty() { Ok(()) } else { self.hold_to(&quotas, attempt, object, old) }
    }
}

/// A quota that has something to say about a write.
struct Limit<'a> {
    name: &'a str,
    quota: &'a Value,
    hard: Amounts,
    /// What the write adds, of what the quota limits.
    requested: Amounts,
}

impl ResourceQuota {
    fn hold_to(&self, quotas: &[Value], attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let resource = attempt.endpoint.resource();
        let usage = Usage::of(&resource.group, &resource.plural, object);
        let before = old.map(|it| Usage::of(&resource.group, &resource.plural, it));
        let mut limits = Vec::new();
        for quota in quotas {
            let mut hard = amounts(quota.at("spec"), "hard");
            hard.retain(|name, _| evaluate::concerns(&resource.group, &resource.plural, name));
            if hard.is_empty() || !scopes::matches(quota, &usage) {
                continue;
            }
            let name = quota.at("metadata").text("name");
            if is_about(attempt, "", "pods")
                && let Some(missing) = evaluate::missing(object.at("spec"), &hard)
            {
                return Err(forbidden(attempt, object, format!("failed quota: {name}: must specify {missing}")));
            }
            let counted = before.as_ref().filter(|it| scopes::matches(quota, it));
            let requested = usage.beyond(counted, attempt.now, &hard);
            if !requested.is_empty() {
                limits.push(Limit { name, quota, hard, requested });
            }
        }
        if limits.is_empty() {
            return Ok(());
        }
        let name = name_of(attempt, object);
        self.ledgers.book(attempt, name, old, usage, |ledger| judge(&limits, attempt, object, ledger))
    }
}

/// Whether there is room for a write under all limits.
fn judge(limits: &[Limit<'_>], attempt: &Attempt<'_>, object: &Value, used: &ledger::Used<'_>) -> Outcome {
    for limit in limits {
        let used = used.under(limit.quota, limit.requested.keys());
        let exceeded = |name: &String| {
            let mut sum = used.get(name).cloned().unwrap_or(k8s_types::quantity::Quantity::ZERO);
            let more = limit.requested.get(name)?;
            sum.add(more);
            (sum > *limit.hard.get(name)?).then_some(())
        };
        let names: Vec<&String> = limit.requested.keys().filter(|name| exceeded(name).is_some()).collect();
        if names.is_empty() {
            continue;
        }
        let show = |list: &Amounts| {
            let show = |name: &&String| match list.get(*name) {
                Some(amount) => format!("{name}={amount}"),
                None => format!("{name}=0"),
            };
            names.iter().map(show).collect::<Vec<_>>().join(",")
        };
        let why = format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            limit.name,
            show(&limit.requested),
            show(&used),
            show(&limit.hard),
        );
        return Err(forbidden(attempt, object, why));
    }
    Ok(())
}
