//! Where the API server is reached: Endpoints and EndpointSlice `kubernetes`.

use super::batch::Batch;
use super::{FreshConfig, SERVER};
use k8s_types::Status;
use serde_json::{Value, json};

/// Makes them, or brings their addresses up to date.
pub(super) async fn ensure(batch: &mut Batch<'_>, config: &FreshConfig) -> Result<(), Box<Status>> {
    for (wanted, members) in [(endpoints(config), &["subsets"][..]), (slice(config), &["endpoints", "ports"])] {
        let Some(live) = batch.live(&wanted)? else {
            batch.make(wanted, SERVER).await?;
            continue;
        };
        let mut object = live.clone();
        for member in members {
            match wanted.get(*member).filter(|it| !it.is_null()) {
                Some(value) => object[*member] = value.clone(),
                None => drop(object.as_object_mut().map(|it| it.shift_remove(*member))),
            }
        }
        if object != live {
            batch.replace(object, SERVER).await?;
        }
    }
    Ok(())
}

fn endpoints(config: &FreshConfig) -> Value {
    let addresses: Vec<Value> = config.addresses.iter().map(|it| json!({"ip": it})).collect();
    let ports = json!([{"name": "https", "port": config.port, "protocol": "TCP"}]);
    json!({
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": if addresses.is_empty() { Value::Null } else { json!([{"addresses": addresses, "ports": ports}]) },
    })
}

fn slice(config: &FreshConfig) -> Value {
    let ready = |it: &std::net::Ipv4Addr| json!({"addresses": [it], "conditions": {"ready": true}});
    let endpoints: Vec<Value> = config.addresses.iter().map(ready).collect();
    json!({
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
    })
}
