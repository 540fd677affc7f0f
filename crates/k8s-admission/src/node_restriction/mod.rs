//! NodeRestriction: a kubelet changes its own node and the pods that run there, and nothing else of the sort.

mod audiences;
mod labels;
mod nodes;
mod pods;
mod references;

pub(crate) use references::{SECRETS, refers_to};

use crate::SharedAuthorizer;
use crate::step::{Outcome, forbidden, name_of};
use k8s_authz::attributes::NODES;
use k8s_kinds::value::{Look, remove, same};
use k8s_registry::admission::{Admission, Asker, Attempt, Operation};
use k8s_types::Status;
use serde_json::Value;

/// The plugin. What it says of evictions and token requests is asked with the review object and the operation create.
pub struct NodeRestriction {
    minor: u8,
    authorizer: SharedAuthorizer,
}

impl NodeRestriction {
    /// The plugin of a server of this minor.
    pub fn new(minor: u8, authorizer: SharedAuthorizer) -> Self {
        Self { minor, authorizer }
    }
}

/// Where kubelets show that they are alive.
const LEASES: &str = "kube-node-lease";

impl Admission for NodeRestriction {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, old: Option<&Value>) -> Outcome {
        self.judge(attempt, object, old)
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        // A delete comes here only.
        if attempt.operation == Operation::Delete { self.judge(attempt, object, old) } else { Ok(()) }
    }
}

impl NodeRestriction {
    fn judge(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let Some(node) = node_of(&attempt.asker) else { return Ok(()) };
        if node.is_empty() {
            let why = format!("could not determine node from user \"{}\"", attempt.asker.name);
            return Err(forbidden(attempt, object, why));
        }
        let case = Case { plugin: self, attempt, object, old, node };
        let resource = attempt.endpoint.resource();
        match (&*resource.group, &*resource.plural) {
            ("", "pods") => pods::judge(&case),
            ("", "nodes") => nodes::judge(&case),
            ("", "persistentvolumeclaims") => case.claim(),
            ("", "serviceaccounts") if attempt.subresource == "token" => pods::judge_token(&case),
            ("coordination.k8s.io", "leases") => case.lease(),
            ("storage.k8s.io", "csinodes") => {
                case.own_name("can only access CSINode with the same name as the requesting node")
            }
            ("resource.k8s.io", "resourceslices") => case.slice(),
            _ => Ok(()),
        }
    }
}

/// The node whose kubelet asks; empty where its name does not tell.
fn node_of<'a>(asker: &Asker<'a>) -> Option<&'a str> {
    let name = asker.name.strip_prefix("system:node:")?;
    asker.groups.iter().any(|it| it == NODES).then_some(name)
}

/// A kubelet's write.
struct Case<'a> {
    plugin: &'a NodeRestriction,
    attempt: &'a Attempt<'a>,
    object: &'a Value,
    old: Option<&'a Value>,
    node: &'a str,
}

impl Case<'_> {
    fn refuse(&self, why: impl AsRef<str>) -> Outcome {
        Err(forbidden(self.attempt, self.object, why))
    }

    fn refuse_unless(&self, fine: bool, why: &str) -> Outcome {
        if fine { Ok(()) } else { self.refuse(why) }
    }

    fn operation(&self) -> &'static str {
        match self.attempt.operation {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        }
    }

    fn own_name(&self, why: &str) -> Outcome {
        self.refuse_unless(name_of(self.attempt, self.object) == self.node, why)
    }

    fn lease(&self) -> Outcome {
        if self.attempt.namespace != LEASES {
            return self.refuse(format!("can only access leases in the \"{LEASES}\" system namespace"));
        }
        self.own_name("can only access node lease with the same name as the requesting node")
    }

    fn slice(&self) -> Outcome {
        let verb = match self.attempt.operation {
            Operation::Create => "create",
            Operation::Delete => "delete",
            Operation::Update => return Ok(()),
        };
        let own = self.object.at("spec").text("nodeName") == self.node;
        self.refuse_unless(own, &format!("can only {verb} ResourceSlice with the same NodeName as the requesting node"))
    }

    /// A kubelet tells of a claim how large its volume has become.
    fn claim(&self) -> Outcome {
        if self.attempt.subresource != "status" {
            return self.refuse("may only update PVC status");
        }
        let (Operation::Update, Some(old)) = (self.attempt.operation, self.old) else {
            return self.refuse(format!("unexpected operation \"{}\"", self.operation()));
        };
        let why = format!(
            "node \"{}\" is not allowed to update fields other than status.capacity and status.conditions",
            self.node
        );
        self.refuse_unless(same(&without_sizes(self.object), &without_sizes(old)), &why)
    }

    fn not_found(&self, resource: &str, name: &str) -> Outcome {
        let it = k8s_types::status::GroupResource { group: "", resource };
        Err(Box::new(Status::not_found(it, name)))
    }
}

fn without_sizes(claim: &Value) -> Value {
    let mut claim = claim.clone();
    if let Some(metadata) = claim.get_mut("metadata") {
        ["resourceVersion", "managedFields"].iter().for_each(|name| remove(metadata, name));
    }
    if let Some(status) = claim.get_mut("status") {
        let sizes = ["capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"];
        sizes.iter().for_each(|name| remove(status, name));
    }
    claim
}
