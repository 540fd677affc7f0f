//! Creating an object.

use super::{Beside, Done, Options, Target, meta, refuse};
use crate::admission::{Attempt, Operation};
use crate::encoding::{self, Stored};
use crate::registry::{Registry, failure};
use k8s_kinds::meta::{validate_object_meta, validate_object_meta_update};
use k8s_types::{Details, Path, Status};
use serde_json::Value;

/// How many names are tried for an object whose name the server makes up, since 1.30.
const NAMES: usize = 8;

impl Registry {
    /// Creates an object from a decoded body.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn create(&self, target: Target<'_>, body: Value, options: Options<'_>) -> Result<Done, Box<Status>> {
        let now = options.stamp();
        let cx = target.context(self, &now);
        let kind = target.endpoint.kind;
        let mut object = body;
        if !target.name.is_empty() {
            meta::name(&mut object, target.name)?;
        }
        meta::place(&mut object, target.endpoint.resource().namespaced, target.namespace)?;
        if !meta::text(&object, "resourceVersion").is_empty() {
            let text = "resourceVersion should not be set on objects to be created";
            return Err(Box::new(Status::failure(500, "", text, None)));
        }
        meta::wipe(&mut object);
        self.default(&target, &mut object, &cx);
        let attempt = self.attempt(&target, Operation::Create, &options);
        self.with_manager(&target, target.subresource, |manager| {
            manager.update(None, &mut object, options.manager, &now);
        });
        self.admit(&attempt, &mut object, None)?;
        self.finish_create(target, object, options, &cx).await.map(|mut done| {
            done.warnings.extend(kind.warnings(&done.object, None, &cx));
            done
        })
    }

    /// The part of a create after the object's content and its field owners are known; applies come here too.
    pub(super) async fn finish_create(
        &self,
        target: Target<'_>,
        mut object: Value,
        options: Options<'_>,
        cx: &k8s_kinds::Context<'_>,
    ) -> Result<Done, Box<Status>> {
        let kind = target.endpoint.kind;
        let generate = meta::text(&object, "name").is_empty() && !meta::text(&object, "generateName").is_empty();
        meta::set(&mut object, "uid", base::random_uuid());
        meta::set(&mut object, "creationTimestamp", cx.now);
        kind.prepare_for_create(&mut object, cx);
        if kind.has_generation() && cx.minor >= kind.generation_since() {
            meta::set(&mut object, "generation", 1);
        }
        target.endpoint.show(&mut object);
        encoding::arrange(&mut object);
        let attempt = self.attempt(&target, Operation::Create, &options);
        let tries = if generate && cx.minor >= 30 { NAMES } else { 1 };
        for _ in 0..tries {
            if generate {
                let name = meta::generate_name(meta::text(&object, "generateName"));
                meta::set(&mut object, "name", name);
                // Some defaults come from the name.
                self.default(&target, &mut object, cx);
            }
            let name = meta::text(&object, "name").to_owned();
            if let Some(done) = self.store_new(&target, &name, &object, &attempt, cx).await? {
                return Ok(done);
            }
            if !generate {
                return Err(self.exists(&target, &name));
            }
        }
        let name = meta::text(&object, "name");
        let mut status = Status::already_exists(target.endpoint.group_resource(), name);
        status.message.push_str(", the server was not able to generate a unique name for the object");
        status.details.get_or_insert_with(|| Box::new(Details::default())).retry_after_seconds = Some(1);
        Err(Box::new(status))
    }

    /// Fills in what the kind fills in, and what is always written.
    pub(super) fn default(&self, target: &Target<'_>, object: &mut Value, cx: &k8s_kinds::Context<'_>) {
        target.endpoint.kind.default(object, cx);
        target.endpoint.show(object);
    }

    /// Checks a new object and stores it; `None` when there is one of its name.
    async fn store_new(
        &self,
        target: &Target<'_>,
        name: &str,
        object: &Value,
        attempt: &Attempt<'_>,
        cx: &k8s_kinds::Context<'_>,
    ) -> Result<Option<Done>, Box<Status>> {
        let key = target.key(name);
        for _ in 0..super::ROUNDS {
            // Anew each time: an address that the server chose and somebody else got isn't one that was asked for.
            let mut object = object.clone();
            let mut beside = Beside::default();
            // Before the object is checked: what the server allocates has to be there then.
            self.allocate(target, &mut object, None, &mut beside)?;
            refuse(target, name, &Self::new_errors(target, &object, cx))?;
            self.check(attempt, &object, None)?;
            if self.find(target.endpoint, target.namespace, name)?.is_some() {
                return Ok(None);
            }
            self.namespace_stays(target, name, &mut beside)?;
            let done = |object| Done { object, created: true, deleted: false, warnings: Vec::new() };
            if attempt.dry_run {
                return Ok(Some(done(object)));
            }
            let value = self.encode(target, &object);
            if let Some(revision) = self.commit(key.clone(), 0, Some(value), beside).await? {
                encoding::set_version(&mut object, revision);
                return Ok(Some(done(object)));
            }
            // Somebody took the name or an address, or the namespace changed meanwhile.
        }
        Err(Box::new(Status::internal("the store is too busy")))
    }

    /// What is wrong with a new object.
    fn new_errors(target: &Target<'_>, object: &Value, cx: &k8s_kinds::Context<'_>) -> k8s_types::Errors {
        let (kind, namespaced) = (target.endpoint.kind, target.endpoint.resource().namespaced);
        let mut errors = validate_object_meta(object, namespaced, kind.name_rule(), &Path::new("metadata"));
        errors.extend(kind.validate(object, cx));
        errors
    }

    fn exists(&self, target: &Target<'_>, name: &str) -> Box<Status> {
        let mut status = Status::already_exists(target.endpoint.group_resource(), name);
        if let Ok(Some((_, live))) = self.live(target, name)
            && meta::is_terminating(&live)
        {
            status.message = format!("object is being deleted: {}", status.message);
        }
        Box::new(status)
    }

    /// A namespace must be there and stay for something to be made in it.
    pub(super) fn namespace_stays(
        &self,
        target: &Target<'_>,
        name: &str,
        beside: &mut Beside,
    ) -> Result<(), Box<Status>> {
        if !target.endpoint.resource().namespaced {
            return Ok(());
        }
        let Some(namespaces) = self.catalog.endpoint("", "v1", "namespaces") else { return Ok(()) };
        let key = crate::keys::object(&namespaces.prefix, "", target.namespace);
        let found = self.store.range(&store::KeyRange::key(key.clone()), None, 1).map_err(|error| failure(&error))?;
        let Some(kv) = found.kvs.into_iter().next() else {
            return Err(Box::new(Status::not_found(namespaces.group_resource(), target.namespace)));
        };
        // Its life is what counts, and that has a word of its own in the bytes: most objects are made in namespaces
        // that are not on their way out.
        let stored = Stored::from(kv);
        let suspect = stored.bytes.windows(17).any(|it| it == b"deletionTimestamp");
        if suspect && meta::is_terminating(&self.read(namespaces, &stored)) {
            return Err(self.terminating(target, name));
        }
        beside.compares.push(store::Compare::ModRevision(key, stored.revision));
        Ok(())
    }

    fn terminating(&self, target: &Target<'_>, name: &str) -> Box<Status> {
        let why =
            format!("unable to create new content in namespace {} because it is being terminated", target.namespace);
        let mut status = Status::forbidden(target.endpoint.group_resource(), name, &why);
        let cause = k8s_types::Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {} is being terminated", target.namespace),
            field: "metadata.namespace".to_owned(),
        };
        status.details.get_or_insert_with(|| Box::new(Details::default())).causes.push(cause);
        Box::new(status)
    }

    /// What is wrong with a change of metadata. It is told twice: upstream looks once for all kinds, and each kind once
    /// more.
    pub(super) fn meta_errors(target: &Target<'_>, object: &Value, old: &Value) -> k8s_types::Errors {
        let (kind, path) = (target.endpoint.kind, Path::new("metadata"));
        let namespaced = target.endpoint.resource().namespaced;
        let mut errors = validate_object_meta(object, namespaced, kind.name_rule(), &path);
        errors.extend(validate_object_meta_update(object, old, &path));
        errors.extend(errors.clone());
        errors
    }
}
