//! What the subresources that change their object do differently.

use super::{Done, Options, Target, meta, update::Wanted};
use crate::registry::Registry;
use k8s_kinds::Context;
use k8s_kinds::autoscaling::{apply_scale, scale_of};
use k8s_kinds::core::namespace;
use k8s_kinds::core::pod::{self, AssignError};
use k8s_types::status::GroupResource;
use k8s_types::{Errors, Status};
use serde_json::Value;

impl Registry {
    /// Keeps of the object that is there what the subresource does not touch.
    pub(super) fn prepare_subresource(&self, target: &Target<'_>, object: &mut Value, live: &Value, cx: &Context<'_>) {
        let kind = target.endpoint.kind;
        match target.subresource {
            "status" => kind.prepare_for_status_update(object, live, cx),
            "finalize" => namespace::prepare_finalize(object, live),
            "ephemeralcontainers" => pod::prepare_ephemeral_containers(object, live, cx),
            "resize" => pod::prepare_resize(object, live, cx),
            "approval" => k8s_kinds::certificates::prepare_approval(object, live, cx),
            "binding" => {}
            _ => kind.prepare_for_update(object, live, cx),
        }
    }

    /// What is wrong with a change.
    pub(super) fn subresource_errors(
        &self,
        target: &Target<'_>,
        object: &Value,
        live: &Value,
        cx: &Context<'_>,
    ) -> Errors {
        let kind = target.endpoint.kind;
        match target.subresource {
            "status" => kind.validate_status_update(object, live, cx),
            "finalize" => namespace::validate_finalize(object),
            "ephemeralcontainers" => pod::validate_ephemeral_containers(object, live, cx),
            "resize" => pod::validate_resize(object, live, cx),
            "approval" => k8s_kinds::certificates::validate_approval(object, live),
            "binding" => Errors::new(),
            _ => kind.validate_update(object, live, cx),
        }
    }

    /// The scale of an object.
    ///
    /// # Errors
    /// 404.
    pub fn scale(&self, target: Target<'_>) -> Result<Value, Box<Status>> {
        let resource = target.endpoint.resource();
        let Some(stored) = self.find(target.endpoint, target.namespace, target.name)? else {
            let group = if resource.group.is_empty() { "autoscaling" } else { &*resource.group };
            let about = GroupResource { group, resource: &format!("{}/scale", resource.plural) };
            return Err(Box::new(Status::not_found(about, target.name)));
        };
        let object = self.read(target.endpoint, &stored);
        Ok(scale_of(&object, &resource.group, &resource.kind))
    }

    /// Changes an object's scale by what `make` makes of the one there is.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn change_scale(
        &self,
        target: Target<'_>,
        options: Options<'_>,
        make: &(dyn Fn(&Value) -> Result<Value, Box<Status>> + Send + Sync),
    ) -> Result<Done, Box<Status>> {
        let resource = target.endpoint.resource();
        let whole = Target { subresource: "", ..target };
        let apply = |live: &Value| {
            let scale = make(&scale_of(live, &resource.group, &resource.kind))?;
            let mut object = live.clone();
            let version = meta::text(&scale, "resourceVersion");
            if !version.is_empty() {
                meta::set(&mut object, "resourceVersion", version);
            }
            apply_scale(&mut object, &scale)
                .map_err(|errors| Box::new(Status::invalid("autoscaling", "Scale", target.name, &errors)))?;
            Ok(Wanted { object, owned: false, whole: false, through: Some("scale"), warnings: Vec::new() })
        };
        let mut done = self.change(whole, options, &apply).await?;
        done.object = scale_of(&done.object, &resource.group, &resource.kind);
        Ok(done)
    }

    /// Binds a pod to a node.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn bind(&self, target: Target<'_>, binding: &Value, options: Options<'_>) -> Result<(), Box<Status>> {
        let now = options.stamp();
        let cx = target.context(self, &now);
        let status = Target { subresource: "binding", ..target };
        let assign = |live: &Value| {
            let mut object = live.clone();
            pod::assign(&mut object, binding, &cx).map_err(|error: AssignError| refused(&target, &error))?;
            Ok(Wanted { object, owned: false, whole: false, through: None, warnings: Vec::new() })
        };
        self.change(status, options, &assign).await.map(drop)
    }
}

fn refused(target: &Target<'_>, error: &AssignError) -> Box<Status> {
    Box::new(match error {
        AssignError::Conflict(why) => {
            Status::conflict(GroupResource { group: "", resource: "pods/binding" }, target.name, why)
        }
        AssignError::BadRequest(why) => Status::bad_request(why.clone()),
    })
}
