//! Changing an object: what updates, patches and applies have in common.

use super::{Beside, Done, Options, ROUNDS, Target, meta, refuse};
use crate::admission::Operation;
use crate::encoding::{self, Stored};
use crate::registry::Registry;
use k8s_kinds::Context;
use k8s_patch::managed::keep_times;
use k8s_types::Status;
use serde_json::Value;

/// An object as somebody wants it to be.
pub(super) struct Wanted {
    pub(super) object: Value,
    /// Whether field ownership is written into it already.
    pub(super) owned: bool,
    /// Whether somebody sent all of it, and with its uid says which object it is about.
    pub(super) whole: bool,
    /// The subresource that the owner writes through, if the target does not say it.
    pub(super) through: Option<&'static str>,
    pub(super) warnings: Vec<String>,
}

/// How somebody's wish comes about: from the object that is there.
pub(super) type Make<'m> = dyn Fn(&Value) -> Result<Wanted, Box<Status>> + Send + Sync + 'm;

impl Registry {
    /// Replaces an object by a decoded body.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn update(&self, target: Target<'_>, body: Value, options: Options<'_>) -> Result<Done, Box<Status>> {
        let mut body = body;
        if meta::text(&body, "name").is_empty() {
            let text = format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                target.name
            );
            return Err(Box::new(Status::bad_request(text)));
        }
        meta::name(&mut body, target.name)?;
        let given = meta::text(&body, "namespace");
        if target.endpoint.resource().namespaced && !given.is_empty() && given != target.namespace {
            return Err(Box::new(Status::bad_request(format!(
                "the namespace of the object ({given}) does not match the namespace on the request ({})",
                target.namespace
            ))));
        }
        meta::place(&mut body, target.endpoint.resource().namespaced, target.namespace)?;
        let unconditional = is_any(meta::text(&body, "resourceVersion"));
        if target.endpoint.kind.allows_create_on_update()
            && target.subresource.is_empty()
            && unconditional
            && self.find(target.endpoint, target.namespace, target.name)?.is_none()
        {
            return self.create(target, body, options).await;
        }
        let refused = unconditional && !target.endpoint.kind.allows_unconditional_update();
        let make = move |_: &Value| {
            if refused {
                let path = k8s_types::Path::new("metadata.resourceVersion");
                let error = k8s_types::FieldError::invalid(&path, 0, "must be specified for an update");
                return Err(target.invalid(target.name, &[error]));
            }
            Ok(Wanted { object: body.clone(), owned: false, whole: true, through: None, warnings: Vec::new() })
        };
        self.change(target, options, &make).await
    }

    /// Changes an object that is there by what `make` makes of it. When somebody is faster, `make` is asked again,
    /// unless its object names the version that it is about.
    pub(super) async fn change(
        &self,
        target: Target<'_>,
        options: Options<'_>,
        make: &Make<'_>,
    ) -> Result<Done, Box<Status>> {
        let now = options.stamp();
        let cx = target.context(self, &now);
        for _ in 0..ROUNDS {
            let Some((stored, live)) = self.live(&target, target.name)? else {
                return Err(Box::new(Status::not_found(target.endpoint.group_resource(), target.name)));
            };
            let wanted = make(&live)?;
            if let Some(done) = self.settle(&target, &options, &cx, &stored, &live, wanted).await? {
                return Ok(done);
            }
        }
        Err(Box::new(Status::modified(target.endpoint.group_resource(), target.name)))
    }

    /// One round of a change; `None` when somebody was faster.
    async fn settle(
        &self,
        target: &Target<'_>,
        options: &Options<'_>,
        cx: &Context<'_>,
        stored: &Stored,
        live: &Value,
        wanted: Wanted,
    ) -> Result<Option<Done>, Box<Status>> {
        let Wanted { mut object, owned, whole, through, mut warnings } = wanted;
        meta::name(&mut object, target.name)?;
        meta::place(&mut object, target.endpoint.resource().namespaced, target.namespace)?;
        self.same_object(target, stored, live, &mut object, whole)?;
        meta::keep(&mut object, live);
        meta::keep_reset(&mut object);
        self.default(target, &mut object, cx);
        if !owned {
            refuse(target, target.name, &operations(target, &object))?;
            let through = through.unwrap_or(target.subresource);
            self.with_manager(target, through, |manager| {
                manager.update(Some(live), &mut object, options.manager, cx.now);
            });
        }
        let attempt = self.attempt(target, Operation::Update, options);
        self.admit(&attempt, &mut object, Some(live))?;
        self.prepare(target, &mut object, live, cx);
        // Before the object is checked: what the server allocates has to be there then.
        let mut beside = Beside::default();
        self.allocate(target, &mut object, Some(live), &mut beside)?;
        let mut errors = Self::meta_errors(target, &object, live);
        errors.extend(self.subresource_errors(target, &object, live, cx));
        refuse(target, target.name, &errors)?;
        self.check(&attempt, &object, Some(live))?;
        warnings.extend(target.endpoint.kind.warnings(&object, Some(live), cx));
        let unchanged = keep_times(live, &mut object);
        let done = |object, deleted| Some(Done { object, created: false, deleted, warnings });
        if is_finished(&object) {
            let gone = options.dry_run || self.remove(target, stored, live).await?.is_some();
            return Ok(if gone { done(object, true) } else { None });
        }
        if unchanged || object == *live {
            return Ok(done(live.clone(), false));
        }
        if options.dry_run {
            return Ok(done(object, false));
        }
        let value = self.encode(target, &object);
        let committed = self.commit(stored.key.clone(), stored.revision, Some(value), beside).await?;
        Ok(committed.and_then(|revision| {
            encoding::set_version(&mut object, revision);
            done(object, false)
        }))
    }

    /// Checks that the wish is about the object that is there, in the version that is there.
    fn same_object(
        &self,
        target: &Target<'_>,
        stored: &Stored,
        live: &Value,
        object: &mut Value,
        whole: bool,
    ) -> Result<(), Box<Status>> {
        let version = meta::text(object, "resourceVersion");
        if is_any(version) {
            meta::set(object, "resourceVersion", stored.revision.to_string());
        } else {
            let parsed = version.parse::<u64>().map_err(|_| {
                let text = format!("strconv.ParseUint: parsing {}: invalid syntax", k8s_types::status::quote(version));
                Box::new(Status::failure(500, "", text, None))
            })?;
            if parsed != stored.revision {
                return Err(Box::new(Status::modified(target.endpoint.group_resource(), target.name)));
            }
        }
        // A patch that changes the uid is refused by what validates metadata.
        let (given, uid) = (meta::text(object, "uid"), meta::text(live, "uid"));
        if whole && !given.is_empty() && given != uid {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
                 failed: UID in precondition: {given}, UID in object meta: {uid}",
                String::from_utf8_lossy(&stored.key),
            );
            return Err(Box::new(Status::conflict(target.endpoint.group_resource(), target.name, &why)));
        }
        Ok(())
    }

    /// What the server keeps of the object that is there.
    fn prepare(&self, target: &Target<'_>, object: &mut Value, live: &Value, cx: &Context<'_>) {
        self.prepare_subresource(target, object, live, cx);
        meta::keep(object, live);
        let kind = target.endpoint.kind;
        if kind.has_generation() && cx.minor >= kind.generation_since() {
            let generation = meta::generation(live);
            let changed = target.subresource != "status" && has_new_content(target, object, live);
            meta::set(object, "generation", generation + i64::from(changed));
        }
        target.endpoint.show(object);
        encoding::arrange(object);
    }
}

/// What is wrong with the operations of managed fields that a client sent.
fn operations(target: &Target<'_>, object: &Value) -> k8s_types::Errors {
    let sent = object.get("metadata").and_then(|it| it.get("managedFields")).and_then(Value::as_array);
    let sent = sent.filter(|_| target.subresource.is_empty());
    // One empty entry asks for no more entries.
    let several = sent.into_iter().flatten().filter(|it| it.as_object().is_none_or(|it| !it.is_empty()));
    let operation = |entry: &Value| entry.get("operation").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wrong = several.map(operation).filter(|it| !matches!(it.as_str(), "Apply" | "Update"));
    let path = k8s_types::Path::new("metadata.managedFields.operation");
    let error = |it: String| k8s_types::FieldError::invalid(&path, it, "must be `Apply` or `Update`");
    // As often as all that is wrong with metadata.
    wrong.flat_map(|it| std::iter::repeat_n(error(it), 4)).collect()
}

/// Whether a resource version is whichever there is.
fn is_any(version: &str) -> bool {
    version.is_empty() || version == "0"
}

/// Whether a change is one of generations: of anything but metadata and status.
fn has_new_content(target: &Target<'_>, object: &Value, live: &Value) -> bool {
    let (Some(new), Some(old)) = (object.as_object(), live.as_object()) else { return false };
    let counts = |name: &str| !matches!(name, "apiVersion" | "kind" | "metadata" | "status");
    let count = |it: &serde_json::Map<String, Value>| it.keys().filter(|name| counts(name)).count();
    if count(new) != count(old) || new.iter().any(|(name, value)| counts(name) && old.get(name) != Some(value)) {
        return true;
    }
    // A deployment hands its annotations on to its replica sets.
    let annotations = |it: &Value| it.get("metadata").and_then(|it| it.get("annotations")).cloned();
    *target.endpoint.resource().kind == *"Deployment" && annotations(object) != annotations(live)
}

/// Whether an object has waited for this change to go.
fn is_finished(object: &Value) -> bool {
    let grace = object.get("metadata").and_then(|it| it.get("deletionGracePeriodSeconds")).and_then(Value::as_i64);
    let finalizers = object.get("spec").and_then(|it| it.get("finalizers")).and_then(Value::as_array);
    let held =
        object.get("kind").and_then(Value::as_str) == Some("Namespace") && finalizers.is_some_and(|it| !it.is_empty());
    meta::is_terminating(object) && meta::finalizers(object).is_empty() && grace.unwrap_or(0) == 0 && !held
}
