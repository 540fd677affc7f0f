//! What runs, for `postern status`.

use super::Daemon;
use crate::control::{ClusterInfo, InstanceInfo, Status, VpcInfo};
use aws_ec2::records::InstanceState;
use landing::plan;
use store::Store as _;

/// Looks at everything once.
pub fn status(daemon: &Daemon) -> Status {
    let scene = daemon.scene.read();
    let clusters = scene.world.clusters().map(|(_, it)| ClusterInfo {
        account: it.account.to_string(),
        region: it.region.to_string(),
        name: it.name.clone(),
        version: it.version.clone(),
        status: word(&it.status),
        access: match (it.access.public, it.access.private) {
            (true, true) => "public+private",
            (true, false) => "public",
            (false, _) => "private",
        }
        .to_owned(),
        endpoint: format!("https://{}", it.endpoint_host()),
        public_addresses: it.control_plane.iter().map(|it| it.public_address).collect(),
        private_addresses: it.control_plane.iter().filter_map(|it| Some(it.interface.as_ref()?.address)).collect(),
    });
    let vpcs = scene.world.vpcs().filter_map(|(id, vpc)| {
        let record = vpc.vpc.as_ref()?;
        Some(VpcInfo {
            account: record.account.to_string(),
            region: record.region.to_string(),
            id: id.to_string(),
            blocks: record.blocks.iter().map(|it| it.block.to_string()).collect(),
            is_default: record.is_default,
            subnets: vpc.subnets.len(),
            interfaces: vpc.interfaces.len(),
            namespace: daemon.fabric.path(&plan::vpc(id)).ok()?.file_name()?.to_string_lossy().into_owned(),
        })
    });
    let instances = scene.world.instances().filter(|(_, it)| it.state != InstanceState::Terminated);
    let instances = instances.filter_map(|(vpc, it)| {
        let owner = vpc.vpc.as_ref()?;
        let primary = vpc.primary_interface(&it.id);
        Some(InstanceInfo {
            account: owner.account.to_string(),
            region: owner.region.to_string(),
            id: it.id.to_string(),
            state: word(&it.state),
            private_address: it.private_address,
            public_address: primary.and_then(|nic| Some(nic.addresses.first()?.public.as_ref()?.address)),
        })
    });
    Status {
        hello: daemon.hello(),
        data_dir: daemon.options.data_dir.clone(),
        store: "embedded".to_owned(),
        revision: daemon.store.revision(),
        control_plane: "embedded".to_owned(),
        clusters: clusters.collect(),
        vpcs: vpcs.collect(),
        instances: instances.collect(),
        problems: daemon.problems(),
    }
}

/// A status as its API spells it.
fn word(status: &impl serde::Serialize) -> String {
    match serde_json::to_value(status) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
