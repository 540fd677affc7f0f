//! An IPAddress for each address that a Service has, from the minor on where addresses are objects. (KEP 1880; general
//! since 1.33.)

use crate::access::{Cluster, Key, Place, options};
use crate::metadata::at;
use crate::runner::{Seen, Work};
use k8s_registry::{DeleteOptions, Endpoint, Stored, Target};
use k8s_types::Status;
use serde_json::{Value, json};
use std::sync::Arc;

/// The server makes them itself.
const USER: &str = "system:apiserver";
/// The name that it owns their fields under.
const MANAGER: &str = "kube-apiserver";
const GROUP: &str = "networking.k8s.io";

/// Takes in a change of a Service or of an IPAddress. Returns the addresses that have to be looked at.
pub(crate) fn observe(cluster: &Cluster, seen: &Seen<'_>) -> Vec<Work> {
    let place = &seen.place;
    if place.is("", "services") && endpoint(cluster).is_some() {
        let mut addresses: Vec<String> = [&seen.before, &seen.now].into_iter().flatten().flat_map(of_stored).collect();
        addresses.sort();
        addresses.dedup();
        let work = |it: String| Work::Address { address: it.into(), service: seen.key.clone() };
        return addresses.into_iter().map(work).collect();
    }
    if place.is(GROUP, "ipaddresses") && seen.now.is_none() && seen.live {
        let work = |before: &Stored| {
            let service = service_key(cluster, &cluster.registry.read(&place.endpoint, before))?;
            Some(Work::Address { address: place.name.into(), service })
        };
        return seen.before.as_ref().and_then(work).into_iter().collect();
    }
    Vec::new()
}

fn endpoint(cluster: &Cluster) -> Option<&Arc<Endpoint>> {
    cluster.catalog().endpoint(GROUP, "v1", "ipaddresses")
}

/// The key of the Service that an IPAddress belongs to.
fn service_key(cluster: &Cluster, address: &Value) -> Option<Key> {
    let text = |name: &str| at(address, &format!("/spec/parentRef/{name}")).to_owned();
    let services = cluster.core("services").ok().filter(|_| text("resource") == "services")?;
    Some(format!("{}{}/{}", services.prefix, text("namespace"), text("name")).into())
}

fn of_stored(service: &Stored) -> Vec<String> {
    serde_json::from_slice(&service.bytes).map(|it| of_service(&it)).unwrap_or_default()
}

/// The addresses of a Service; `None` as a word says that it has none.
fn of_service(service: &Value) -> Vec<String> {
    let all = service.pointer("/spec/clusterIPs").and_then(Value::as_array);
    let texts = all.into_iter().flatten().filter_map(Value::as_str);
    texts.filter(|it| !it.is_empty() && *it != "None").map(str::to_owned).collect()
}

/// Makes the object of an address that the Service has; removes the one of an address that it has no longer.
pub(crate) async fn keep(cluster: Arc<Cluster>, address: Key, service: Key) -> Result<(), Box<Status>> {
    let Some(endpoint) = endpoint(&cluster).cloned() else { return Ok(()) };
    let Some(place) = Place::of(cluster.catalog(), &service) else { return Ok(()) };
    let has = cluster.stored(&service)?.is_some_and(|it| of_stored(&it).iter().any(|it| **it == *address));
    let taken = cluster.registry.peek(GROUP, "ipaddresses", "", &address);
    let ours = taken.as_ref().is_some_and(|it| service_key(&cluster, it).as_ref() == Some(&service));
    let target = Target { endpoint: &endpoint, subresource: "", namespace: "", name: &address };
    if has && !ours {
        let body = object(&address, &place, &endpoint);
        // While another Service's object stands in the way this is refused, and tried again.
        cluster.registry.create(Target { name: "", ..target }, body, options(USER, MANAGER)).await?;
    } else if ours && !has {
        cluster.delete(target, &DeleteOptions::default(), options(USER, MANAGER)).await?;
    }
    Ok(())
}

fn object(address: &str, service: &Place<'_>, endpoint: &Endpoint) -> Value {
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    json!({
        "kind": "IPAddress",
        "apiVersion": endpoint.api_version,
        "metadata": {"name": address, "labels": {
            "ipaddress.kubernetes.io/ip-family": family,
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }},
        "spec": {"parentRef": {
            "group": "", "resource": "services", "namespace": service.namespace, "name": service.name,
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headless_service_has_no_address() {
        let service = |addresses: Value| json!({"spec": {"clusterIPs": addresses}});
        assert_eq!(of_service(&service(json!(["10.100.0.7"]))), ["10.100.0.7"]);
        assert!(of_service(&service(json!(["None"]))).is_empty() && of_service(&json!({})).is_empty());
    }
}
