//! Addresses and node ports of services. Each one that is taken is a key of its own, so that two services can't take
//! the same in the same moment, and it is free when the service's commit frees it.

use crate::catalog::Endpoint;
use crate::registry::Registry;
use crate::write::{Beside, Target};
use base::Ipv4Block;
use bytes::Bytes;
use k8s_types::{FieldError, Path, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use store::{Compare, KeyRange, Op};

const ADDRESSES: &str = "/ranges/serviceips/";
const PORTS: &str = "/ranges/servicenodeports/";
/// The node ports there are.
const FIRST_PORT: u16 = 30_000;
const LAST_PORT: u16 = 32_767;
/// Ports below this are left to those who ask for one by its number.
const FIRST_DYNAMIC_PORT: u16 = 30_086;
const OUT_OF_RANGE: &str = "provided port is not in the valid range. The range of valid ports is";
const TAKEN_PORT: &str = "provided port is already allocated";

/// What services hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
}

impl Held {
    fn of(service: &Value) -> Self {
        let spec = service.get("spec");
        let addresses = spec.and_then(|it| it.get("clusterIPs")).and_then(Value::as_array);
        let addresses = addresses.into_iter().flatten().filter_map(|it| it.as_str()?.parse().ok()).collect();
        let ports = spec.and_then(|it| it.get("ports")).and_then(Value::as_array).into_iter().flatten();
        let mut ports: BTreeSet<u16> = ports.filter_map(|it| number(it, "nodePort")).collect();
        ports.extend(spec.and_then(|it| number(it, "healthCheckNodePort")));
        Self { addresses, ports }
    }
}

fn number(of: &Value, name: &str) -> Option<u16> {
    of.get(name)?.as_u64().and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0)
}

fn address_key(address: Ipv4Addr) -> Bytes {
    Bytes::from(format!("{ADDRESSES}{address}"))
}

fn port_key(port: u16) -> Bytes {
    Bytes::from(format!("{PORTS}{port}"))
}

fn is_service(endpoint: &Endpoint) -> bool {
    let resource = endpoint.resource();
    (&*resource.group, &*resource.kind) == ("", "Service")
}

impl Registry {
    /// Gives a service that is about to be written what it lacks, and notes what the commit has to take and to free.
    pub(crate) fn allocate(
        &self,
        target: &Target<'_>,
        object: &mut Value,
        old: Option<&Value>,
        beside: &mut Beside,
    ) -> Result<(), Box<Status>> {
        if !is_service(target.endpoint) || !target.subresource.is_empty() {
            return Ok(());
        }
        let held = old.map(Held::of).unwrap_or_default();
        let name = target.name_of(object);
        self.give_address(target, object, &held, &name)?;
        self.give_ports(target, object, &held, &name)?;
        let wanted = Held::of(object);
        let owner = Bytes::from(format!("{}/{name}", target.namespace));
        let takes = wanted.addresses.difference(&held.addresses).map(|it| address_key(*it));
        let takes = takes.chain(wanted.ports.difference(&held.ports).map(|it| port_key(*it)));
        for key in takes {
            beside.compares.push(Compare::ModRevision(key.clone(), 0));
            beside.ops.push(Op::Put(key, owner.clone()));
        }
        let frees = held.addresses.difference(&wanted.addresses).map(|it| address_key(*it));
        let frees = frees.chain(held.ports.difference(&wanted.ports).map(|it| port_key(*it)));
        beside.ops.extend(frees.map(|key| Op::Delete(KeyRange::key(key))));
        Ok(())
    }

    /// What ending a service frees.
    pub(crate) fn release(&self, target: &Target<'_>, live: &Value) -> Vec<Op> {
        if !is_service(target.endpoint) {
            return Vec::new();
        }
        let held = Held::of(live);
        let keys = held.addresses.into_iter().map(address_key).chain(held.ports.into_iter().map(port_key));
        keys.map(|key| Op::Delete(KeyRange::key(key))).collect()
    }

    fn is_taken(&self, key: Bytes) -> bool {
        self.store.range(&KeyRange::key(key), None, 1).is_ok_and(|it| !it.kvs.is_empty())
    }

    fn give_address(
        &self,
        target: &Target<'_>,
        object: &mut Value,
        held: &Held,
        name: &str,
    ) -> Result<(), Box<Status>> {
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("type") == "ExternalName" {
            return Ok(());
        }
        let given = text("clusterIP");
        if given == "None" {
            spec.insert("clusterIPs".to_owned(), json!(["None"]));
        } else if given.is_empty() {
            let Some(address) = self.free_address() else {
                let why = "failed to allocate IP: range is full";
                return Err(Box::new(Status::internal(format!("failed to allocate a serviceIP: {why}"))));
            };
            spec.insert("clusterIP".to_owned(), json!(address));
            spec.insert("clusterIPs".to_owned(), json!([address]));
        } else if let Ok(address) = given.parse::<Ipv4Addr>() {
            self.check_address(target, address, held, name)?;
            spec.entry("clusterIPs").or_insert_with(|| json!([address]));
        }
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
        Ok(())
    }

    fn check_address(
        &self,
        target: &Target<'_>,
        address: Ipv4Addr,
        held: &Held,
        name: &str,
    ) -> Result<(), Box<Status>> {
        if held.addresses.contains(&address) {
            return Ok(());
        }
        let why = if !is_usable(self.services, address) {
            format!("provided IP is not in the valid range. The range of valid IPs is {}", self.services)
        } else if self.is_taken(address_key(address)) {
            "provided IP is already allocated".to_owned()
        } else {
            return Ok(());
        };
        let detail = format!("failed to allocate IP {address}: {why}");
        let error = FieldError::invalid(&Path::new("spec.clusterIPs"), json!([address]), &detail);
        Err(target.invalid(name, &[error]))
    }

    /// A free address, looked for from a random place in the upper band: the lower one is left to those who ask for
    /// an address by its number.
    fn free_address(&self) -> Option<Ipv4Addr> {
        let size = 1u64 << (32 - u32::from(self.services.prefix()));
        let reserved = (size / 16).clamp(16, 256).min(size / 2);
        let start = random() % (size - reserved).max(1);
        let upper = (0..size - reserved).map(|it| reserved + (start + it) % (size - reserved));
        let candidates = upper.chain(0..reserved).filter_map(|it| self.services.nth(it));
        candidates.filter(|it| is_usable(self.services, *it)).find(|it| !self.is_taken(address_key(*it)))
    }

    fn give_ports(&self, target: &Target<'_>, object: &mut Value, held: &Held, name: &str) -> Result<(), Box<Status>> {
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let wanted = match kind.as_str() {
            "NodePort" => true,
            // One that a client gives is taken for either.
            "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts").and_then(Value::as_bool).unwrap_or(true),
            // Others have none; validation says so where it is given nevertheless.
            _ => return Ok(()),
        };
        let mut taken: BTreeSet<u16> = BTreeSet::new();
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for (index, port) in ports.into_iter().flatten().enumerate() {
            let Some(port) = port.as_object_mut() else { continue };
            let given = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
            if given == 0 && wanted {
                let Some(free) = self.free_port(&taken) else {
                    return Err(Box::new(Status::internal("failed to allocate a nodePort: range is full")));
                };
                taken.insert(free);
                port.insert("nodePort".to_owned(), json!(free));
            } else if given != 0 {
                let path = Path::new("spec.ports").index(index).child("nodePort");
                taken.extend(self.check_port(target, given, held, &taken, &path, name)?);
            }
        }
        let local = spec.get("externalTrafficPolicy").and_then(Value::as_str) == Some("Local");
        let health = spec.get("healthCheckNodePort").and_then(Value::as_i64).unwrap_or(0);
        if kind != "LoadBalancer" || !local {
            return Ok(());
        }
        if health != 0 {
            return self.check_health_port(health, held, &taken);
        }
        let Some(free) = self.free_port(&taken) else {
            return Err(Box::new(Status::internal("failed to allocate a HealthCheck NodePort 0: range is full")));
        };
        spec.insert("healthCheckNodePort".to_owned(), json!(free));
        Ok(())
    }

    /// A port for health checks that somebody asks for by its number; it is no other port of the service.
    fn check_health_port(&self, given: i64, held: &Held, own: &BTreeSet<u16>) -> Result<(), Box<Status>> {
        let port = Self::in_range(given);
        let free = |port: u16| !own.contains(&port) && (held.ports.contains(&port) || !self.is_taken(port_key(port)));
        let why = match port {
            None => format!("{OUT_OF_RANGE} {FIRST_PORT}-{LAST_PORT}"),
            Some(port) if free(port) => return Ok(()),
            Some(_) => TAKEN_PORT.to_owned(),
        };
        let text = format!("failed to allocate requested HealthCheck NodePort {given}: {why}");
        Err(Box::new(Status::internal(text)))
    }

    fn in_range(given: i64) -> Option<u16> {
        u16::try_from(given).ok().filter(|it| (FIRST_PORT..=LAST_PORT).contains(it))
    }

    /// A port that somebody asks for by its number. The same number may serve several protocols of one service.
    fn check_port(
        &self,
        target: &Target<'_>,
        given: i64,
        held: &Held,
        own: &BTreeSet<u16>,
        path: &Path,
        name: &str,
    ) -> Result<Option<u16>, Box<Status>> {
        let why = match Self::in_range(given) {
            None => format!("{OUT_OF_RANGE} {FIRST_PORT}-{LAST_PORT}"),
            Some(port) if !held.ports.contains(&port) && !own.contains(&port) && self.is_taken(port_key(port)) => {
                TAKEN_PORT.to_owned()
            }
            Some(port) => return Ok(Some(port)),
        };
        Err(target.invalid(name, &[FieldError::invalid(path, given, &why)]))
    }

    fn free_port(&self, own: &BTreeSet<u16>) -> Option<u16> {
        let size = u64::from(LAST_PORT - FIRST_DYNAMIC_PORT) + 1;
        let start = random() % size;
        let upper = (0..size).filter_map(|it| Some(FIRST_DYNAMIC_PORT + u16::try_from((start + it) % size).ok()?));
        let mut candidates = upper.chain(FIRST_PORT..FIRST_DYNAMIC_PORT);
        candidates.find(|it| !own.contains(it) && !self.is_taken(port_key(*it)))
    }
}

/// Neither the network's own address nor its broadcast address.
fn is_usable(block: Ipv4Block, address: Ipv4Addr) -> bool {
    let size = 1u64 << (32 - u32::from(block.prefix()));
    block.contains(address) && block.nth(0) != Some(address) && block.nth(size - 1) != Some(address)
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers the search begins at the first address, which is as right.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
