//! What is created without being stored: questions about users and rights, tokens, bindings, evictions.

use super::options::{ListOptions, WriteOptions};
use super::present::Presenter;
use super::{Answer, Api, done, write};
use crate::chain::Asked;
use crate::identity;
use hyper::StatusCode;
use k8s_authn::review::Outcome;
use k8s_authn::token_request::{BoundKind, TokenRequest, node_of};
use k8s_authz::review::{self, Kind};
use k8s_registry::{DeleteOptions, Endpoint, Target};
use k8s_types::release::Subresource;
use k8s_types::status::GroupResource;
use k8s_types::{Cause, Details, Status};
use serde_json::{Value, json};

/// Answers a POST of something that is not stored, or of a subresource.
pub(super) async fn create(
    api: &Api,
    asked: &Asked<'_>,
    presenter: &Presenter<'_>,
    target: Target<'_>,
    subresource: Option<&Subresource>,
    body: Value,
    wanted: &WriteOptions,
) -> Answer {
    let resource = target.endpoint.resource();
    let mut body = typed(target, subresource, body);
    if subresource.is_none() {
        let manager = write::manager(asked, wanted);
        api.registry.note_owner(&target, &mut body, &write::options(asked, wanted, &manager));
    }
    match (&*resource.group, &*resource.plural, subresource.map_or("", |it| &*it.name)) {
        ("authorization.k8s.io", plural, "") => access(api, asked, presenter, target, plural, body),
        ("authentication.k8s.io", "tokenreviews", "") => token_review(api, asked, presenter, target, &body).await,
        ("authentication.k8s.io", "selfsubjectreviews", "") => {
            let info = identity::to_info(asked.user);
            let answer = k8s_authn::review::self_subject(&target.endpoint.api_version, &info, asked.now);
            presenter.value(StatusCode::CREATED, &answer)
        }
        ("", "serviceaccounts", "token") => token(api, asked, presenter, target, &body),
        ("", "pods", "binding") => bind(api, asked, presenter, target, &body, wanted).await,
        ("", "bindings", "") => {
            let Some(pods) = api.registry.catalog().endpoint("", "v1", "pods") else {
                return Err(Box::new(Status::no_such_resource()));
            };
            let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let target = Target { endpoint: pods, subresource: "binding", namespace: target.namespace, name: &name };
            bind(api, asked, presenter, target, &body, wanted).await
        }
        ("", "pods", "eviction") => evict(api, asked, presenter, target, &body, wanted).await,
        (_, plural, name) => {
            let text = format!("{plural}/{name} needs a node, and this cluster has none that runs pods");
            Err(Box::new(Status::failure(501, "NotImplemented", text, None)))
        }
    }
}

/// The body with its kind, which the path says where the body does not.
fn typed(target: Target<'_>, subresource: Option<&Subresource>, mut body: Value) -> Value {
    let (version, kind) = match subresource {
        Some(it) => (it.kind.api_version(), it.kind.kind.to_string()),
        None => (target.endpoint.api_version.clone(), target.endpoint.resource().kind.to_string()),
    };
    if let Some(members) = body.as_object_mut() {
        members.entry("kind").or_insert(Value::from(kind));
        members.entry("apiVersion").or_insert(Value::from(version));
    }
    body
}

fn access(
    api: &Api,
    asked: &Asked<'_>,
    presenter: &Presenter<'_>,
    target: Target<'_>,
    plural: &str,
    body: Value,
) -> Answer {
    let kind = match plural {
        "selfsubjectaccessreviews" => Kind::SelfSubject,
        "subjectaccessreviews" => Kind::Subject,
        "localsubjectaccessreviews" => Kind::LocalSubject,
        _ => {
            let namespace = review::rules_namespace(&body)?.to_owned();
            let rules = api.authorizer().rbac.rules_for(asked.user, &namespace);
            // It says what may be done, and not where.
            let answer = json!({"kind": body.get("kind"), "apiVersion": body.get("apiVersion"), "metadata": {},
                "spec": {}, "status": review::rules_status(asked.user, &rules)});
            return presenter.value(StatusCode::CREATED, &shown(target, answer));
        }
    };
    let answer = review::answer_access(kind, body, asked.user, target.namespace, &*api.authorizer())?;
    presenter.value(StatusCode::CREATED, &shown(target, answer))
}

/// An answer with what its kind always shows.
fn shown(target: Target<'_>, mut answer: Value) -> Value {
    target.endpoint.show(&mut answer);
    answer
}

async fn token_review(
    api: &Api,
    asked: &Asked<'_>,
    presenter: &Presenter<'_>,
    target: Target<'_>,
    body: &Value,
) -> Answer {
    let question = k8s_authn::review::question(body)?;
    let own = api.identities.of_service_account(&api.registry, question.token, asked.now, &question.audiences);
    let (user, audiences, refused);
    let outcome = match own {
        Ok(Some((info, for_whom))) => {
            (user, audiences) = (info.authenticated(), for_whom);
            Outcome::Known(&user, &audiences)
        }
        Ok(None) => match api.identities.of_others(question.token).await {
            Some(other) => {
                user = identity::to_info(&other);
                Outcome::Known(&user, &[])
            }
            None => Outcome::Unknown,
        },
        Err(error) => {
            refused = error;
            Outcome::Refused(&refused)
        }
    };
    let version = api.identities.version();
    let answer = k8s_authn::review::answer(version, &target.endpoint.api_version, body, &outcome);
    presenter.value(StatusCode::CREATED, &answer)
}

fn token(api: &Api, asked: &Asked<'_>, presenter: &Presenter<'_>, target: Target<'_>, body: &Value) -> Answer {
    let identities = &api.identities;
    let request = TokenRequest::read(body, target.namespace, target.name, &identities.policy)?;
    let account = api.registry.object(target.endpoint, target.namespace, target.name)?;
    let version = identities.version();
    request.validate(version, &account)?;
    let binding = match request.bound_object(version)? {
        None => None,
        Some((kind, name)) => {
            let (plural, namespace) = match kind {
                BoundKind::Pod => ("pods", target.namespace),
                BoundKind::Secret => ("secrets", target.namespace),
                BoundKind::Node => ("nodes", ""),
            };
            let found = api.registry.peek("", plural, namespace, name);
            let it = GroupResource { group: "", resource: plural };
            let object = found.ok_or_else(|| Box::new(Status::not_found(it, name)))?;
            let node = node_of(&object).and_then(|node| api.registry.peek("", "nodes", "", node));
            Some(request.bind(kind, &object, node.as_ref())?)
        }
    };
    let Some(tokens) = identities.tokens() else {
        return Err(Box::new(Status::internal("there is no key for service accounts")));
    };
    let made = (&identities.policy, &tokens.signer);
    let granted = request.grant(version, made, &account, binding, asked.now, &base::random_uuid())?;
    let mut response = presenter.value(StatusCode::CREATED, &granted.object)?;
    super::warn(&mut response, granted.warning.as_slice());
    Ok(response)
}

async fn bind(
    api: &Api,
    asked: &Asked<'_>,
    presenter: &Presenter<'_>,
    target: Target<'_>,
    body: &Value,
    wanted: &WriteOptions,
) -> Answer {
    let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if name != target.name {
        return Err(Box::new(Status::bad_request("name in URL does not match name in Binding object")));
    }
    if let Some(binding) = api.registry.catalog().endpoint("", "v1", "bindings") {
        let now = k8s_types::age::format(asked.now);
        let minor = api.registry.catalog().release().minor();
        let cx = k8s_kinds::Context { minor, version: "v1", now: &now };
        let errors = binding.kind.validate(body, &cx);
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid("", "Binding", target.name, &errors)));
        }
    }
    let manager = write::manager(asked, wanted);
    api.registry.bind(target, body, write::options(asked, wanted, &manager)).await?;
    done(presenter, &Status::success(201))
}

/// Ends a pod, if its disruption budgets let it go.
async fn evict(
    api: &Api,
    asked: &Asked<'_>,
    presenter: &Presenter<'_>,
    target: Target<'_>,
    body: &Value,
    wanted: &WriteOptions,
) -> Answer {
    let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if name != target.name {
        return Err(Box::new(Status::bad_request("name in URL does not match name in Eviction object")));
    }
    let pod = api.registry.object(target.endpoint, target.namespace, target.name)?;
    take_budget(api, asked, &pod, target).await?;
    let given = |name: &str| body.pointer(&format!("/deleteOptions/{name}"));
    let delete = DeleteOptions {
        grace: given("gracePeriodSeconds").and_then(Value::as_i64),
        uid: given("preconditions/uid").and_then(Value::as_str).map(str::to_owned),
        resource_version: given("preconditions/resourceVersion").and_then(Value::as_str).map(str::to_owned),
        ..DeleteOptions::default()
    };
    let manager = write::manager(asked, wanted);
    let whole = Target { subresource: "", ..target };
    api.registry.delete(whole, &delete, write::options(asked, wanted, &manager)).await?;
    done(presenter, &Status::success(201))
}

/// Takes one disruption from the budget that covers a pod.
async fn take_budget(api: &Api, asked: &Asked<'_>, pod: &Value, target: Target<'_>) -> Result<(), Box<Status>> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed" | "Pending") || pod.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(());
    }
    let labels = pod.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let budgets = api.registry.peek_all("policy", "poddisruptionbudgets", target.namespace);
    let covering: Vec<&Value> = budgets
        .iter()
        .filter(|it| {
            let selector = it.pointer("/spec/selector").unwrap_or(&Value::Null);
            k8s_types::selectors::LabelSelector::from_object(selector).is_ok_and(|it| it.matches(&labels))
        })
        .collect();
    let budget = match covering.as_slice() {
        [] => return Ok(()),
        [one] => *one,
        _ => {
            let text =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Box::new(Status::internal(text)));
        }
    };
    let number = |at: &str| budget.pointer(at).and_then(Value::as_i64).unwrap_or(0);
    let name = budget.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let late = number("/status/observedGeneration") < number("/metadata/generation");
    if late || number("/status/disruptionsAllowed") <= 0 {
        let message = if late {
            format!("The disruption budget {name} is still being processed by the server.")
        } else {
            format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                number("/status/desiredHealthy"),
                number("/status/currentHealthy")
            )
        };
        let cause = Cause { reason: "DisruptionBudget".to_owned(), message, field: String::new() };
        let mut status =
            Status::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
        let retry_after_seconds = late.then_some(10);
        status.details = Some(Box::new(Details { causes: vec![cause], retry_after_seconds, ..Details::default() }));
        return Err(Box::new(status));
    }
    let Some(endpoint) = api.registry.catalog().endpoint("policy", "v1", "poddisruptionbudgets") else { return Ok(()) };
    let mut changed = budget.clone();
    changed["status"]["disruptionsAllowed"] = json!(number("/status/disruptionsAllowed") - 1);
    changed["status"]["disruptedPods"][target.name] = json!(k8s_types::age::format(asked.now));
    let status = Target { endpoint, subresource: "status", namespace: target.namespace, name };
    let options = k8s_registry::Options {
        manager: "kube-apiserver",
        dry_run: false,
        validation: k8s_registry::Validation::Ignore,
        now: asked.now,
        asker: k8s_registry::Asker::server(),
    };
    api.registry.update(status, changed, options).await.map(drop)
}

/// The three components that every cluster says it has.
pub(super) fn component_statuses(presenter: &Presenter<'_>, endpoint: &Endpoint, options: &ListOptions) -> Answer {
    let one = |name: &str, message: &str| {
        json!({"kind": "ComponentStatus", "apiVersion": endpoint.api_version, "metadata": {"name": name},
            "conditions": [{"type": "Healthy", "status": "True", "message": message}]})
    };
    let all = [one("controller-manager", "ok"), one("scheduler", "ok"), one("etcd-0", "ok")];
    let items: Vec<Value> = all.into_iter().filter(|it| options.matches(it)).collect();
    let list = json!({"kind": "ComponentStatusList", "apiVersion": endpoint.api_version,
        "metadata": {"resourceVersion": ""}, "items": items});
    presenter.value(StatusCode::OK, &list)
}
