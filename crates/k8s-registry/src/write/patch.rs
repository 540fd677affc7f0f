//! Changing an object by a patch.

use super::update::Wanted;
use super::{Done, Options, Target, Validation, meta};
use crate::admission::Operation;
use crate::registry::Registry;
use k8s_patch::json::JsonPatch;
use k8s_patch::managed::ApplyError;
use k8s_patch::{merge, strategic};
use k8s_types::status::{Details, quote};
use k8s_types::{FieldError, Path, Status};
use serde_json::Value;

/// The body of a patch, read.
pub enum Patch {
    /// RFC 6902.
    Json(JsonPatch),
    /// RFC 7386.
    Merge(Value),
    /// Strategic merge.
    Strategic(Value),
    /// Server-side apply.
    Apply {
        /// The configuration.
        object: Value,
        /// Whether fields of others are taken.
        force: bool,
    },
}

impl Registry {
    /// Patches an object. An apply makes it if it is not there.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn patch(&self, target: Target<'_>, patch: Patch, options: Options<'_>) -> Result<Done, Box<Status>> {
        match patch {
            Patch::Apply { object, force } => self.apply(target, object, force, options).await,
            other => {
                let make = |live: &Value| self.patched(&target, live, &other, options.validation);
                self.change(target, options, &make).await
            }
        }
    }

    /// What a patch makes of an object; the endpoint's own form, whatever the patch brought.
    fn patched(
        &self,
        target: &Target<'_>,
        live: &Value,
        patch: &Patch,
        validation: Validation,
    ) -> Result<Wanted, Box<Status>> {
        let mut object = live.clone();
        match patch {
            Patch::Json(patch) => patch.apply(&mut object).map_err(|error| about(target, error.status()))?,
            Patch::Merge(patch) => merge::apply(&mut object, patch.clone()),
            Patch::Strategic(patch) => {
                let Some(schema) = target.endpoint.schema() else { return Err(no_type()) };
                strategic::apply(&mut object, patch.clone(), &schema).map_err(|error| about(target, error.status()))?;
            }
            Patch::Apply { .. } => {}
        }
        if !matches!(patch, Patch::Strategic(_)) {
            same_kind(target, &object)?;
        }
        let (object, warnings) = self.conformed(target, object, validation)?;
        is_here(target, &object)?;
        Ok(Wanted { object, owned: false, whole: false, through: None, warnings })
    }

    /// Brings a patched object into its kind's form.
    fn conformed(
        &self,
        target: &Target<'_>,
        object: Value,
        validation: Validation,
    ) -> Result<(Value, Vec<String>), Box<Status>> {
        let shown = object.clone();
        let decoded = target.endpoint.conform(object).map_err(|error| unusable(&shown, &error.to_string()))?;
        let texts: Vec<String> = decoded.strict.iter().map(ToString::to_string).collect();
        let mut warnings = Vec::new();
        match validation {
            _ if texts.is_empty() => {}
            Validation::Ignore => {}
            Validation::Warn => warnings = texts,
            Validation::Strict => {
                return Err(unusable(&shown, &format!("strict decoding error: {}", texts.join(", "))));
            }
        }
        Ok((decoded.value, warnings))
    }

    async fn apply(
        &self,
        target: Target<'_>,
        applied: Value,
        force: bool,
        options: Options<'_>,
    ) -> Result<Done, Box<Status>> {
        let exists = self.find(target.endpoint, target.namespace, target.name)?.is_some();
        if !exists && target.subresource.is_empty() {
            return self.create_applied(target, applied, force, options).await;
        }
        let now = options.stamp();
        let make = |live: &Value| {
            let laid = self.with_manager(&target, target.subresource, |manager| {
                manager.apply(Some(live), &applied, options.manager, force, &now)
            });
            let object = laid.ok_or_else(no_type)?.map_err(|error| refused(&target, &error))?;
            let (object, warnings) = self.conformed(&target, object, options.validation)?;
            is_here(&target, &object)?;
            Ok(Wanted { object, owned: true, whole: false, through: None, warnings })
        };
        self.change(target, options, &make).await
    }

    async fn create_applied(
        &self,
        target: Target<'_>,
        applied: Value,
        force: bool,
        options: Options<'_>,
    ) -> Result<Done, Box<Status>> {
        let uid = meta::text(&applied, "uid");
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Box::new(Status::conflict(target.endpoint.group_resource(), target.name, &why)));
        }
        let now = options.stamp();
        let cx = target.context(self, &now);
        let laid =
            self.with_manager(&target, "", |manager| manager.apply(None, &applied, options.manager, force, &now));
        let object = laid.ok_or_else(no_type)?.map_err(|error| refused(&target, &error))?;
        let (mut object, warnings) = self.conformed(&target, object, options.validation)?;
        is_here(&target, &object)?;
        meta::name(&mut object, target.name)?;
        meta::place(&mut object, target.endpoint.resource().namespaced, target.namespace)?;
        meta::wipe(&mut object);
        self.default(&target, &mut object, &cx);
        let attempt = self.attempt(&target, Operation::Create, &options);
        self.admit(&attempt, &mut object, None)?;
        let mut done = self.finish_create(target, object, options, &cx).await?;
        done.warnings.extend(warnings);
        Ok(done)
    }
}

/// What a patch came to is no object of the kind. The value is what came out, members sorted as patches leave them;
/// its type is what is wrong with it.
fn unusable(value: &Value, why: &str) -> Box<Status> {
    let mut sorted = value.clone();
    if let Some(members) = sorted.as_object_mut() {
        members.sort_keys();
    }
    let error = FieldError::invalid(&Path::new("patch"), sorted.to_string(), why);
    Box::new(Status::invalid("", "", "", &[error]))
}

/// A patch can't make another kind of an object.
fn same_kind(target: &Target<'_>, object: &Value) -> Result<(), Box<Status>> {
    let resource = target.endpoint.resource();
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind == &*resource.kind && version == target.endpoint.api_version {
        return Ok(());
    }
    let known = target.endpoint.release().resources().iter().any(|it| &*it.kind == kind && api_version(it) == version);
    let short = version.rsplit('/').next().unwrap_or_default();
    Err(unusable(
        object,
        &if known {
            let inside = resource.group.split('.').next().filter(|it| !it.is_empty()).unwrap_or("core");
            format!("converting ({short}.{kind}) to ({inside}.{}): unknown conversion", resource.kind)
        } else {
            let scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";
            format!("no kind {} is registered for version {} in scheme {}", quote(kind), quote(version), quote(scheme))
        },
    ))
}

fn api_version(resource: &k8s_types::release::Resource) -> String {
    if resource.group.is_empty() {
        resource.version.to_string()
    } else {
        format!("{}/{}", resource.group, resource.version)
    }
}

/// What a patch came to must be called what the path says, and lie where it says.
fn is_here(target: &Target<'_>, object: &Value) -> Result<(), Box<Status>> {
    let (name, namespace) = (meta::text(object, "name"), meta::text(object, "namespace"));
    let refused = |text: String| Err(Box::new(Status::bad_request(text)));
    if name.is_empty() {
        return refused(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        ));
    }
    if name != target.name {
        return refused(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        ));
    }
    if !target.namespace.is_empty() && !namespace.is_empty() && namespace != target.namespace {
        return refused(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
            target.namespace
        ));
    }
    Ok(())
}

fn no_type() -> Box<Status> {
    Box::new(Status::internal("the kind has no schema"))
}

/// A refusal that says what it is about.
fn about(target: &Target<'_>, mut status: Status) -> Box<Status> {
    let resource = target.endpoint.resource();
    if status.code == 422 && status.details.is_none() {
        status.details = Some(Box::new(Details {
            name: target.name.to_owned(),
            group: resource.group.to_string(),
            kind: resource.plural.to_string(),
            ..Details::default()
        }));
    }
    Box::new(status)
}

fn refused(target: &Target<'_>, error: &ApplyError) -> Box<Status> {
    about(target, error.status())
}
