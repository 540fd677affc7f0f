//! Ending an object: at once, or when its finalizers and its grace period let it go.

use super::{Beside, Done, Options, ROUNDS, Target, meta};
use crate::admission::Operation;
use crate::encoding::{self, Stored};
use crate::registry::Registry;
use jiff::SignedDuration;
use k8s_types::status::quote;
use k8s_types::{Details, Errors, FieldError, Path, Status};
use serde_json::Value;
use store::Op;

/// The finalizer of an object whose dependents are let go first.
pub const ORPHAN: &str = "orphan";
/// The finalizer of an object that waits for its dependents to end.
pub const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They stay, without this owner.
    Orphan,
    /// They end afterwards.
    Background,
    /// They end first.
    Foreground,
}

/// What a delete says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// How long the object may take to end, in seconds.
    pub grace: Option<i64>,
    /// What becomes of dependents; the kind's own way when absent.
    pub propagation: Option<Propagation>,
    /// The older way to say orphan or not.
    pub orphan: Option<bool>,
    /// Only the object with this uid.
    pub uid: Option<String>,
    /// Only the object in this version.
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// What is wrong with them.
    pub fn validate(&self) -> Errors {
        let mut errors = Errors::new();
        if self.orphan.is_some() && self.propagation.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let value = self.propagation.map_or("", Propagation::name);
            errors.push(FieldError::invalid(&Path::new("propagationPolicy"), value, detail));
        }
        errors
    }
}

impl Propagation {
    /// As requests name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orphan => "Orphan",
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Orphan, Self::Background, Self::Foreground].into_iter().find(|it| it.name() == name)
    }
}

impl Registry {
    /// Deletes an object, or marks it as on its way out.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn delete(
        &self,
        target: Target<'_>,
        delete: &DeleteOptions,
        options: Options<'_>,
    ) -> Result<Done, Box<Status>> {
        refuse_options(&delete.validate())?;
        let attempt = self.attempt(&target, Operation::Delete, &options);
        for _ in 0..ROUNDS {
            let Some((stored, live)) = self.live(&target, target.name)? else {
                return Err(Box::new(Status::not_found(target.endpoint.group_resource(), target.name)));
            };
            preconditions(&target, delete, &stored, &live)?;
            self.check(&attempt, &live, Some(&live))?;
            if let Some(done) = self.end(&target, delete, &options, &stored, &live).await? {
                return Ok(done);
            }
        }
        Err(Box::new(Status::modified(target.endpoint.group_resource(), target.name)))
    }

    async fn end(
        &self,
        target: &Target<'_>,
        delete: &DeleteOptions,
        options: &Options<'_>,
        stored: &Stored,
        live: &Value,
    ) -> Result<Option<Done>, Box<Status>> {
        let done = |object, deleted| Some(Done { object, created: false, deleted, warnings: Vec::new() });
        let finalizers = finalizers(target, delete, live);
        let grace = grace(target, delete, live);
        let held = holds_itself(target, live);
        if finalizers.is_empty() && grace == 0 && !held {
            return self.end_at_once(target, options, stored, live).await;
        }
        let mut object = live.clone();
        mark(target, &mut object, &finalizers, grace, options);
        if object == *live || options.dry_run {
            return Ok(done(object, false));
        }
        let revision = self.store_marked(target, stored, &mut object).await?;
        Ok(revision.and_then(|_| done(object, false)))
    }

    /// Ends an object without waiting. One that may take time is first told that it has none: watchers see it marked,
    /// then gone.
    async fn end_at_once(
        &self,
        target: &Target<'_>,
        options: &Options<'_>,
        stored: &Stored,
        live: &Value,
    ) -> Result<Option<Done>, Box<Status>> {
        let mut object = live.clone();
        let mut last = stored.clone();
        if takes_time(target) {
            mark(target, &mut object, &[], 0, options);
        }
        if !options.dry_run {
            if object != *live {
                let Some(revision) = self.store_marked(target, stored, &mut object).await? else { return Ok(None) };
                last.revision = revision;
            }
            match self.remove(target, &last, live).await? {
                Some(revision) => encoding::set_version(&mut object, revision),
                // Marked, and ended by somebody else before it could be here.
                None if last.revision != stored.revision && self.live(target, target.name)?.is_none() => {}
                None => return Ok(None),
            }
        }
        Ok(Some(Done { object, created: false, deleted: true, warnings: Vec::new() }))
    }

    /// Stores an object that is on its way out. Returns its new version; `None` when somebody was faster.
    async fn store_marked(
        &self,
        target: &Target<'_>,
        stored: &Stored,
        object: &mut Value,
    ) -> Result<Option<u64>, Box<Status>> {
        encoding::arrange(object);
        let value = self.encode(target, object);
        let committed = self.commit(stored.key.clone(), stored.revision, Some(value), Beside::default()).await?;
        if let Some(revision) = committed {
            encoding::set_version(object, revision);
        }
        Ok(committed)
    }

    /// Takes an object out of the store, with what it holds besides. Returns the version of its end; `None` when
    /// somebody was faster.
    pub(super) async fn remove(
        &self,
        target: &Target<'_>,
        stored: &Stored,
        live: &Value,
    ) -> Result<Option<u64>, Box<Status>> {
        let mut beside = Beside::default();
        let released: Vec<Op> = self.release(target, live);
        beside.ops.extend(released);
        self.commit(stored.key.clone(), stored.revision, None, beside).await
    }
}

fn refuse_options(errors: &Errors) -> Result<(), Box<Status>> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Box::new(Status::invalid("meta.k8s.io", "DeleteOptions", "", errors)))
}

/// Checks that the object is the one that is meant.
fn preconditions(
    target: &Target<'_>,
    delete: &DeleteOptions,
    stored: &Stored,
    live: &Value,
) -> Result<(), Box<Status>> {
    let resource = target.endpoint.resource();
    let conflict = |why: String| {
        let message = format!("Operation cannot be fulfilled on {} {}: {why}", resource.kind, quote(target.name));
        let details = Details {
            name: target.name.to_owned(),
            group: resource.group.to_string(),
            kind: resource.kind.to_string(),
            ..Details::default()
        };
        Err(Box::new(Status::failure(409, "Conflict", message, Some(details))))
    };
    let uid = meta::text(live, "uid");
    if let Some(wanted) = delete.uid.as_deref().filter(|it| *it != uid) {
        return conflict(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have \
             been deleted and then recreated"
        ));
    }
    let version = stored.revision.to_string();
    if let Some(wanted) = delete.resource_version.as_deref().filter(|it| *it != version) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({version}). The object might have been modified"
        ));
    }
    Ok(())
}

/// The finalizers that the object has from now on.
fn finalizers(target: &Target<'_>, delete: &DeleteOptions, live: &Value) -> Vec<String> {
    let resource = target.endpoint.resource();
    let by_kind = match (&*resource.group, &*resource.kind) {
        ("", "ReplicationController") | ("batch", "Job") => Propagation::Orphan,
        ("batch", "CronJob") if &*resource.version == "v1beta1" => Propagation::Orphan,
        _ => Propagation::Background,
    };
    let present = meta::finalizers(live);
    let wanted = match (delete.orphan, delete.propagation) {
        (Some(true), _) => Propagation::Orphan,
        (Some(false), _) => Propagation::Background,
        (None, Some(policy)) => policy,
        // What an earlier delete, or the object's owner, asked for.
        (None, None) if present.contains(&ORPHAN) => Propagation::Orphan,
        (None, None) if present.contains(&FOREGROUND) => Propagation::Foreground,
        (None, None) => by_kind,
    };
    let own = |it: &&str| *it != ORPHAN && *it != FOREGROUND;
    let mut finalizers: Vec<String> = present.into_iter().filter(own).map(str::to_owned).collect();
    match wanted {
        Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
        Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
        Propagation::Background => {}
    }
    finalizers
}

/// Whether an object may take time to end: only pods do.
fn takes_time(target: &Target<'_>) -> bool {
    let resource = target.endpoint.resource();
    (&*resource.group, &*resource.kind) == ("", "Pod")
}

/// How long the object may take, in seconds.
fn grace(target: &Target<'_>, delete: &DeleteOptions, live: &Value) -> i64 {
    if !takes_time(target) {
        return 0;
    }
    let spec = live.get("spec");
    let number = |of: Option<&Value>, name: &str| of.and_then(|it| it.get(name)).and_then(Value::as_i64);
    let text = |of: Option<&Value>, name: &str| of.and_then(|it| it.get(name)?.as_str()).unwrap_or_default().to_owned();
    let asked = delete.grace.map(|seconds| if seconds < 0 { 1 } else { seconds });
    // A second delete can only make it shorter, and only if it says how long.
    if let Some(given) = number(live.get("metadata"), "deletionGracePeriodSeconds")
        && meta::is_terminating(live)
    {
        return asked.unwrap_or(given).min(given);
    }
    let phase = text(live.get("status"), "phase");
    if text(spec, "nodeName").is_empty() || phase == "Succeeded" || phase == "Failed" {
        return 0;
    }
    asked.or_else(|| number(spec, "terminationGracePeriodSeconds")).unwrap_or(30)
}

/// The moment of a first delete, of an object that is on its way out.
fn asked_at(live: &Value) -> Option<jiff::Timestamp> {
    let end: jiff::Timestamp = meta::text(live, "deletionTimestamp").parse().ok()?;
    let grace = live.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64)?;
    end.checked_sub(SignedDuration::from_secs(grace)).ok()
}

/// Whether the object's own content keeps it: a namespace stays until its content is gone.
fn holds_itself(target: &Target<'_>, live: &Value) -> bool {
    is_namespace(target) && live.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|it| !it.is_empty())
}

fn is_namespace(target: &Target<'_>) -> bool {
    let resource = target.endpoint.resource();
    (&*resource.group, &*resource.kind) == ("", "Namespace")
}

/// Marks an object as on its way out.
fn mark(target: &Target<'_>, object: &mut Value, finalizers: &[String], grace: i64, options: &Options<'_>) {
    let before = meta::is_terminating(object);
    let shorter =
        object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).is_none_or(|it| grace < it);
    if !before || shorter && !is_namespace(target) {
        // It counts from the first delete, whoever makes it shorter later.
        let asked = asked_at(object).unwrap_or(options.now);
        let end = asked.checked_add(SignedDuration::from_secs(grace)).unwrap_or(asked);
        meta::set(object, "deletionTimestamp", k8s_types::age::format(end));
        if !is_namespace(target) {
            meta::set(object, "deletionGracePeriodSeconds", grace);
        }
        let generation = meta::generation(object);
        if !before && generation > 0 {
            meta::set(object, "generation", generation + 1);
        }
    }
    if let Some(metadata) = meta::of(object) {
        if finalizers.is_empty() {
            metadata.shift_remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), Value::from(finalizers.to_vec()));
        }
    }
    if is_namespace(target)
        && let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
    {
        status.insert("phase".to_owned(), Value::from("Terminating"));
    }
}
