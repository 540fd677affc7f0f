//! Roles and bindings, and the accounts that the bindings of controllers name.

use super::batch::Batch;
use super::{FreshConfig, SERVER};
use crate::metadata::at;
use k8s_authz::bootstrap::{self, Upkeep};
use k8s_registry::{DeleteOptions, Target};
use k8s_types::Status;
use serde_json::{Value, json};

/// Whose bindings name accounts that the controller manager makes.
const CONTROLLER: &str = "system:controller:";
/// A controller that does not run where a cloud routes by itself.
const ROUTES: &str = "route-controller";

/// Makes them, and gives those that are there what they lack.
pub(super) async fn ensure(batch: &mut Batch<'_>, config: &FreshConfig, minor: u8) -> Result<(), Box<Status>> {
    let mut objects = bootstrap::objects(u32::from(minor));
    if config.eks {
        objects.extend(bootstrap::eks(u32::from(minor)));
    }
    for object in objects {
        if let Some(account) = account(&object) {
            batch.make(account, "kube-controller-manager").await?;
        }
        let live = batch.live(&object)?;
        match live.is_some().then(|| bootstrap::upkeep(live.as_ref(), &object)) {
            Some(Upkeep::Keep) => {}
            Some(Upkeep::Update(mut updated)) => {
                // What it looked for and did not find may stand there as nothing.
                prune(&mut updated);
                if live.as_ref() != Some(&updated) {
                    batch.replace(updated, SERVER).await?;
                }
            }
            Some(Upkeep::Recreate(_)) => {
                end(batch, &object).await?;
                batch.make(object, SERVER).await?;
            }
            Some(Upkeep::Create(_)) | None => batch.make(object, SERVER).await?,
        }
    }
    Ok(())
}

/// Takes members of an object's metadata that are nothing.
fn prune(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, it| !it.is_null());
    }
}

async fn end(batch: &Batch<'_>, object: &Value) -> Result<(), Box<Status>> {
    let Some(endpoint) = super::batch::endpoint(batch.registry, object) else { return Ok(()) };
    let (namespace, name) = super::batch::names(object);
    let target = Target { endpoint, subresource: "", namespace, name };
    match batch.registry.delete(target, &DeleteOptions::default(), super::writer(SERVER, batch.now)).await {
        Err(status) if status.code != 404 => Err(status),
        _ => Ok(()),
    }
}

/// The account that a controller's binding names.
fn account(binding: &Value) -> Option<Value> {
    let controller = at(binding, "/metadata/name").strip_prefix(CONTROLLER)?;
    if at(binding, "/kind") != "ClusterRoleBinding" || controller == ROUTES {
        return None;
    }
    let metadata = json!({"name": controller, "namespace": "kube-system"});
    (at(binding, "/subjects/0/kind") == "ServiceAccount")
        .then(|| json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata}))
}
