//! Creating, changing and ending objects.

use super::options::{ListOptions, WriteOptions, boolean, integer};
use super::{Answer, Api, Sent, done, reviews, warn};
use crate::chain::Asked;
use crate::negotiate::Media;
use crate::query;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use k8s_patch::json::JsonPatch;
use k8s_patch::{managed, merge, strategic};
use k8s_registry::continue_token::ContinueToken;
use k8s_registry::write::Patch;
use k8s_registry::{Asker, DeleteOptions, ListQuery, Options, Propagation, Target, Validation};
use k8s_types::decode::Decoded;
use k8s_types::release::Subresource;
use k8s_types::status::quote;
use k8s_types::{FieldError, Path, Status};
use serde_json::{Value, json};

/// Kinds whose objects are answered when they are deleted; for all others it is a Status.
const ANSWERED_WHEN_DELETED: &[&str] = &[
    "serviceaccounts",
    "podtemplates",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
    "storageclasses",
    "csidrivers",
    "csinodes",
    "volumeattachments",
    "pods",
    "services",
];

const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl Api {
    pub(super) async fn create(
        &self,
        asked: &Asked<'_>,
        target: Target<'_>,
        subresource: Option<&Subresource>,
        sent: Sent,
    ) -> Answer {
        let presenter = self.presenter(asked)?;
        let wanted = WriteOptions::parse(asked.query, "CreateOptions", false, false)?;
        if target.endpoint.prefix.is_empty() || subresource.is_some() {
            let kind = subresource.map_or(&target.endpoint.resource().kind, |it| &it.kind.kind);
            let body = sent.value(self, kind)?;
            return reviews::create(self, asked, &presenter, target, subresource, body, &wanted).await;
        }
        let (object, mut warnings) = self.decode(target, &sent, &wanted)?;
        let named = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.may_grant(asked, target, &object, &named)?;
        let manager = manager(asked, &wanted);
        let options = options(asked, &wanted, &manager);
        let finished = self.registry.create(target, object, options).await?;
        warnings.extend(finished.warnings.clone());
        let mut response = presenter.object(StatusCode::CREATED, target.endpoint, &finished.object)?;
        warn(&mut response, &warnings);
        Ok(response)
    }

    pub(super) async fn update(
        &self,
        asked: &Asked<'_>,
        target: Target<'_>,
        subresource: Option<&Subresource>,
        sent: Sent,
    ) -> Answer {
        let presenter = self.presenter(asked)?;
        let wanted = WriteOptions::parse(asked.query, "UpdateOptions", false, false)?;
        let manager = manager(asked, &wanted);
        let options = options(asked, &wanted, &manager);
        if subresource.is_some_and(|it| &*it.name == "scale") {
            let body = sent.value(self, "Scale")?;
            is_scale_of(target, &body)?;
            let scale = self.registry.change_scale(target, options, &|_| Ok(body.clone())).await?;
            return presenter.scale(StatusCode::OK, &scale.object);
        }
        let (object, mut warnings) = self.decode(target, &sent, &wanted)?;
        self.may_grant(asked, target, &object, target.name)?;
        let finished = self.registry.update(target, object, options).await?;
        warnings.extend(finished.warnings.clone());
        let code = if finished.created { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = presenter.object(code, target.endpoint, &finished.object)?;
        warn(&mut response, &warnings);
        Ok(response)
    }

    pub(super) async fn patch(&self, asked: &Asked<'_>, target: Target<'_>, body: Bytes) -> Answer {
        let presenter = self.presenter(asked)?;
        let media = asked.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let is_apply = media == PATCHES[3];
        let wanted = WriteOptions::parse(asked.query, "PatchOptions", is_apply, true)?;
        let patch = read_patch(media, &body, wanted.force.unwrap_or(false))?;
        let manager = manager(asked, &wanted);
        let options = options(asked, &wanted, &manager);
        if target.subresource == "scale" {
            return self.patch_scale(&presenter, target, patch, options).await;
        }
        self.may_grant_patched(asked, target, &patch)?;
        if is_apply {
            self.may_create_by_apply(asked, target)?;
        }
        let finished = self.registry.patch(target, patch, options).await?;
        let code = if finished.created { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = presenter.object(code, target.endpoint, &finished.object)?;
        warn(&mut response, &finished.warnings);
        Ok(response)
    }

    async fn patch_scale(
        &self,
        presenter: &super::present::Presenter<'_>,
        target: Target<'_>,
        patch: Patch,
        options: Options<'_>,
    ) -> Answer {
        let change = |live: &Value| {
            let mut scale = live.clone();
            match &patch {
                Patch::Json(patch) => patch.apply(&mut scale).map_err(|error| Box::new(error.status()))?,
                Patch::Merge(patch) | Patch::Strategic(patch) => merge::apply(&mut scale, patch.clone()),
                Patch::Apply { object, .. } => merge::apply(&mut scale, json!({"spec": object.get("spec")})),
            }
            Ok(scale)
        };
        let done = self.registry.change_scale(target, options, &change).await?;
        presenter.scale(StatusCode::OK, &done.object)
    }

    pub(super) async fn delete(&self, asked: &Asked<'_>, target: Target<'_>, body: Bytes) -> Answer {
        let presenter = self.presenter(asked)?;
        let (delete, dry_run) = self.delete_options(asked, &body)?;
        let wanted = WriteOptions { dry_run, validation: Validation::Ignore, force: None, manager: None };
        let options = options(asked, &wanted, "");
        let finished = self.registry.delete(target, &delete, options).await?;
        let plural = &*target.endpoint.resource().plural;
        if !finished.deleted || ANSWERED_WHEN_DELETED.contains(&plural) {
            let accepted = !finished.deleted && delete.orphan == Some(false);
            let code = if accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
            return presenter.object(code, target.endpoint, &finished.object);
        }
        let uid = finished.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        done(&presenter, &Status::deleted(target.endpoint.group_resource(), target.name, uid))
    }

    pub(super) async fn delete_collection(&self, asked: &Asked<'_>, target: Target<'_>, body: Bytes) -> Answer {
        let presenter = self.presenter(asked)?;
        let (delete, dry_run) = self.delete_options(asked, &body)?;
        let picked = ListOptions::parse(asked.query, target.endpoint, false)?;
        let matches = |object: &Value| picked.matches(object);
        let picks: &(dyn Fn(&Value) -> bool + Sync) = &matches;
        let wanted = WriteOptions { dry_run, validation: Validation::Ignore, force: None, manager: None };
        let options = options(asked, &wanted, "");
        let continue_token = match picked.continue_text.as_str() {
            "" => None,
            text => Some(ContinueToken::parse(text)?),
        };
        let query = ListQuery {
            namespace: target.namespace,
            limit: picked.limit,
            continue_token,
            matches: (!picked.is_everything()).then_some(picks),
            ..ListQuery::default()
        };
        let ended = self.registry.delete_collection(target, &query, &delete, options).await?;
        presenter.list(target.endpoint, &ended)
    }

    /// Reads a body as an object of the endpoint's kind.
    fn decode(
        &self,
        target: Target<'_>,
        sent: &Sent,
        wanted: &WriteOptions,
    ) -> Result<(Value, Vec<String>), Box<Status>> {
        let resource = target.endpoint.resource();
        let decoded = match sent.media {
            Media::Json => target.endpoint.decode(&sent.bytes),
            Media::Yaml | Media::Protobuf => target.endpoint.conform(sent.value(self, &resource.kind)?),
        };
        let mut decoded: Decoded = decoded.map_err(|error| {
            // What is no JSON has no kind that could be named.
            match serde_json::from_slice::<serde::de::IgnoredAny>(&sent.bytes) {
                Err(_) if sent.media == Media::Json => Box::new(Status::bad_request(format!(
                    "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse \
                     error: {error}",
                    resource.kind
                ))),
                _ => target.undecodable(&error),
            }
        })?;
        let warnings = target.judge(&decoded, wanted.validation)?;
        let members = decoded.value.as_object_mut();
        if let Some(members) = members {
            let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (kind, version) = (text("kind"), text("apiVersion"));
            if !kind.is_empty() && kind != *resource.kind
                || !version.is_empty() && version != target.endpoint.api_version
            {
                return Err(mismatch(target, &kind, &version));
            }
            members.insert("kind".to_owned(), Value::from(&*resource.kind));
            members.insert("apiVersion".to_owned(), Value::from(target.endpoint.api_version.as_str()));
        }
        Ok((decoded.value, warnings))
    }

    fn delete_options(&self, asked: &Asked<'_>, body: &Bytes) -> Result<(DeleteOptions, bool), Box<Status>> {
        let text = |name: &str| query::value(asked.query, name).filter(|it| !it.is_empty());
        let mut errors = Vec::new();
        let mut dry_runs: Vec<String> = query::values(asked.query, "dryRun").filter(|it| !it.is_empty()).collect();
        let mut delete = DeleteOptions::default();
        let mut policy = None;
        if body.is_empty() {
            delete.grace = integer(asked.query, "gracePeriodSeconds")?;
            delete.orphan = boolean(asked.query, "orphanDependents");
            policy = text("propagationPolicy");
            (delete.uid, delete.resource_version) = (text("uid"), text("resourceVersion"));
        } else {
            let media = crate::negotiate::content_type(asked.headers)?;
            let value = Sent { media, bytes: body.clone() }.value(self, "DeleteOptions").map_err(unreadable_options)?;
            let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
            if !kind.is_empty() && kind != "DeleteOptions" {
                let version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
                let text = format!(
                    "no kind {} is registered for version {} in scheme \
                     \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
                    quote(kind),
                    quote(version),
                );
                return Err(Box::new(Status::failure(500, "", text, None)));
            }
            delete.grace = value.get("gracePeriodSeconds").and_then(Value::as_i64);
            delete.orphan = value.get("orphanDependents").and_then(Value::as_bool);
            policy = value.get("propagationPolicy").and_then(Value::as_str).map(str::to_owned).or(policy);
            let wanted = |name: &str| value.pointer(&format!("/preconditions/{name}")).and_then(Value::as_str);
            delete.uid = wanted("uid").map(str::to_owned);
            delete.resource_version = wanted("resourceVersion").map(str::to_owned);
            let listed = value.get("dryRun").and_then(Value::as_array).into_iter().flatten();
            dry_runs.extend(listed.filter_map(Value::as_str).map(str::to_owned));
        }
        if let Some(policy) = policy {
            delete.propagation = Propagation::parse(&policy);
            if delete.propagation.is_none() {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported(&Path::new("propagationPolicy"), policy, &supported));
            }
        }
        if dry_runs.iter().any(|it| it != "All") {
            errors.push(FieldError::not_supported(&Path::new("dryRun"), json!(dry_runs), &["All"]));
        }
        if errors.is_empty() {
            return Ok((delete, !dry_runs.is_empty()));
        }
        Err(Box::new(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors)))
    }

    /// An apply makes what is not there, and for that one needs to be allowed to create.
    fn may_create_by_apply(&self, asked: &Asked<'_>, target: Target<'_>) -> Result<(), Box<Status>> {
        if !target.subresource.is_empty()
            || self.registry.find(target.endpoint, target.namespace, target.name)?.is_some()
        {
            return Ok(());
        }
        let resource = target.endpoint.resource();
        let attributes = k8s_authz::Attributes {
            version: &resource.version,
            namespace: target.namespace,
            name: target.name,
            ..k8s_authz::Attributes::resource(asked.user, "create", &resource.group, &resource.plural)
        };
        let decision = self.decide(&attributes);
        if decision.allowed { Ok(()) } else { Err(Box::new(attributes.forbidden(&decision.reason))) }
    }

    /// Nobody gives away what they have not.
    fn may_grant(&self, asked: &Asked<'_>, target: Target<'_>, object: &Value, name: &str) -> Result<(), Box<Status>> {
        let resource = target.endpoint.resource();
        if &*resource.group != "rbac.authorization.k8s.io" {
            return Ok(());
        }
        let mut placed = object.clone();
        if let Some(metadata) = placed.get_mut("metadata").and_then(Value::as_object_mut)
            && !target.namespace.is_empty()
        {
            metadata.insert("namespace".to_owned(), Value::from(target.namespace));
        }
        let authorizer = self.authorizer();
        if matches!(&*resource.kind, "Role" | "ClusterRole") {
            k8s_authz::escalation::check_role(&authorizer.rbac, &*authorizer, asked.user, &placed, name)
        } else {
            k8s_authz::escalation::check_binding(&authorizer.rbac, &*authorizer, asked.user, &placed)
        }
    }

    fn may_grant_patched(&self, asked: &Asked<'_>, target: Target<'_>, patch: &Patch) -> Result<(), Box<Status>> {
        if &*target.endpoint.resource().group != "rbac.authorization.k8s.io" {
            return Ok(());
        }
        let live = self.registry.find(target.endpoint, target.namespace, target.name)?;
        let mut object = live.map_or(Value::Null, |stored| self.registry.read(target.endpoint, &stored));
        match patch {
            Patch::Json(patch) => drop(patch.apply(&mut object)),
            Patch::Merge(patch) => merge::apply(&mut object, patch.clone()),
            Patch::Strategic(patch) => {
                if let Some(schema) = target.endpoint.schema() {
                    // What can't be applied is refused by the patch itself.
                    drop(strategic::apply(&mut object, patch.clone(), &schema));
                }
            }
            Patch::Apply { object: applied, .. } => merge::apply(&mut object, applied.clone()),
        }
        self.may_grant(asked, target, &object, target.name)
    }
}

fn mismatch(target: Target<'_>, kind: &str, version: &str) -> Box<Status> {
    let resource = target.endpoint.resource();
    Box::new(Status::bad_request(if kind == &*resource.kind || kind.is_empty() {
        format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            target.endpoint.api_version
        )
    } else {
        format!(
            "{} in version {} cannot be handled as a {}: no kind {} is registered for the internal version of group \
             {} in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
            kind,
            quote(version.rsplit('/').next().unwrap_or_default()),
            resource.kind,
            quote(kind),
            quote(&resource.group),
        )
    }))
}

/// The body of a delete that is none: upstream's decoder of options does not say whose mistake it is.
fn unreadable_options(status: Box<Status>) -> Box<Status> {
    match status.message.split_once("couldn't get version/kind") {
        Some((_, why)) => {
            let why = why.rsplit_once(" (").map_or(why, |(why, _)| why);
            Box::new(Status::failure(500, "", format!("couldn't get version/kind{why}"), None))
        }
        None => status,
    }
}

/// Whether a body is the scale of the object that the path names.
fn is_scale_of(target: Target<'_>, body: &Value) -> Result<(), Box<Status>> {
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("/kind"), text("/apiVersion").rsplit('/').next().unwrap_or_default());
    let refused = |text: String| Err(Box::new(Status::bad_request(text)));
    if kind != "Scale" && !kind.is_empty() {
        return refused(format!(
            "{kind} in version {} cannot be handled as a Scale: converting ({version}.{kind}) to \
             (autoscaling.Scale): unknown conversion",
            quote(version)
        ));
    }
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    if !name.is_empty() && name != target.name {
        return refused(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        ));
    }
    if !namespace.is_empty() && namespace != target.namespace {
        return refused(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
            target.namespace
        ));
    }
    Ok(())
}

/// The field manager of a request.
pub(super) fn manager(asked: &Asked<'_>, wanted: &WriteOptions) -> String {
    wanted.manager.clone().unwrap_or_else(|| {
        let agent = asked.headers.get(USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        managed::name_from_user_agent(agent)
    })
}

pub(super) fn options<'a>(asked: &Asked<'a>, wanted: &WriteOptions, manager: &'a str) -> Options<'a> {
    let user = asked.user;
    let asker = Asker { name: &user.name, uid: &user.uid, groups: &user.groups, extra: &user.extra };
    Options { manager, dry_run: wanted.dry_run, validation: wanted.validation, now: asked.now, asker }
}

fn read_patch(media: &str, body: &Bytes, force: bool) -> Result<Patch, Box<Status>> {
    match PATCHES.iter().position(|it| *it == media) {
        Some(0) => JsonPatch::parse(body).map(Patch::Json).map_err(|error| Box::new(error.status())),
        Some(1) => {
            merge::parse(body).map(Patch::Merge).map_err(|error| Box::new(Status::bad_request(error.to_string())))
        }
        Some(2) => strategic::parse(body).map(Patch::Strategic).map_err(|error| Box::new(error.status())),
        Some(3) => {
            let read = crate::yaml::read(body);
            let object =
                read.map_err(|error| Box::new(Status::bad_request(format!("error decoding YAML: {error}"))))?;
            if !object.is_object() && !object.is_null() {
                let text = k8s_patch::json::undecodable(&object, "map[string]interface {}");
                let begin = "error decoding YAML: error unmarshaling JSON: while decoding JSON";
                return Err(Box::new(Status::bad_request(format!("{begin}: {text}"))));
            }
            Ok(Patch::Apply { object, force })
        }
        _ => Err(Box::new(Status::unsupported_media_type(&PATCHES))),
    }
}
