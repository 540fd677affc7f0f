//! How pods are reached.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::selector;
use crate::view::{Context, NONE, UNSET, View, first_few, join};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

pub(super) static SERVICE: Layout = Layout::new(
    &[
        NAME,
        Column::new("Type", field!("core.v1.ServiceSpec", "type")),
        Column::new("Cluster-IP", field!("core.v1.ServiceSpec", "clusterIP")),
        Column::new("External-IP", field!("core.v1.ServiceSpec", "externalIPs")),
        Column::new("Port(s)", field!("core.v1.ServiceSpec", "ports")),
        AGE,
        Column::new("Selector", field!("core.v1.ServiceSpec", "selector")).wide(),
    ],
    service,
);

pub(super) static INGRESS: Layout = Layout::new(
    &[
        NAME,
        Column::text("Class", "The class of ingresses that it is one of."),
        Column::text("Hosts", "Which hosts' requests the rules are for."),
        Column::text("Address", "Where the load balancer is reached."),
        Column::text("Ports", "Which ports are open."),
        AGE,
    ],
    ingress,
);

pub(super) static INGRESS_CLASS: Layout = Layout::new(
    &[
        NAME,
        Column::text("Controller", "The controller of ingresses of this class."),
        Column::text("Parameters", "Where the controller finds more about this class."),
        AGE,
    ],
    |it, context| {
        let spec = it.at("spec");
        vec![it.name(), spec.at("controller").text().into(), parameters(spec.at("parameters")), it.age(context)]
    },
);

pub(super) static ENDPOINTS: Layout =
    Layout::new(&[NAME, Column::new("Endpoints", field!("core.v1.Endpoints", "subsets")), AGE], |it, context| {
        vec![it.name(), endpoints(it.at("subsets")).into(), it.age(context)]
    });

pub(super) static ENDPOINT_SLICE: Layout = Layout::new(
    &[
        NAME,
        Column::new("AddressType", field!("discovery.v1.EndpointSlice", "addressType")),
        Column::new("Ports", field!("discovery.v1.EndpointSlice", "ports")),
        Column::new("Endpoints", field!("discovery.v1.EndpointSlice", "endpoints")),
        AGE,
    ],
    |it, context| {
        let addresses = it.at("endpoints").list().flat_map(|it| it.at("addresses").list());
        vec![
            it.name(),
            it.at("addressType").text().into(),
            few(it.at("ports").list().map(slice_port)),
            few(addresses.map(View::text)),
            it.age(context),
        ]
    },
);

pub(super) static NETWORK_POLICY: Layout = Layout::new(
    &[NAME, Column::new("Pod-Selector", field!("networking.v1.NetworkPolicySpec", "podSelector")), AGE],
    |it, context| vec![it.name(), selector::shown(it.at("spec").at("podSelector")).into(), it.age(context)],
);

pub(super) static SERVICE_CIDR: Layout =
    Layout::new(&[NAME, Column::new("CIDRs", field!("networking.v1.ServiceCIDRSpec", "cidrs")), AGE], |it, context| {
        vec![it.name(), it.at("spec").at("cidrs").joined().into(), it.age(context)]
    });

/// The age has a cell, but no column.
pub(super) static IP_ADDRESS: Layout = Layout::new(
    &[NAME, Column::new("ParentRef", field!("networking.v1.IPAddressSpec", "parentRef"))],
    |it, context| vec![it.name(), parent(it.at("spec").at("parentRef")), it.age(context)],
);

fn service(it: View<'_>, context: &Context) -> Vec<Value> {
    let spec = it.at("spec");
    let address = spec.at("clusterIPs").list().next().unwrap_or_else(|| spec.at("clusterIP"));
    let ports = join(spec.at("ports").list().map(port).collect::<Vec<_>>().iter().map(String::as_str), ",");
    vec![
        it.name(),
        spec.at("type").text().into(),
        address.text_or(NONE).into(),
        external(spec, it.at("status")).into(),
        if ports.is_empty() { NONE.to_owned() } else { ports }.into(),
        it.age(context),
        selector::labels(spec.at("selector")).into(),
    ]
}

fn port(it: View<'_>) -> String {
    let (port, node, protocol) = (it.at("port").number(), it.at("nodePort").number(), it.at("protocol").text());
    if node > 0 { format!("{port}:{node}/{protocol}") } else { format!("{port}/{protocol}") }
}

/// Where a service is reached from outside the cluster.
fn external(spec: View<'_>, status: View<'_>) -> String {
    let mut addresses = match spec.at("type").text() {
        "ExternalName" => return spec.at("externalName").text().to_owned(),
        "ClusterIP" | "NodePort" => String::new(),
        "LoadBalancer" => balancer(status.at("loadBalancer")),
        _ => return "<unknown>".to_owned(),
    };
    let own = spec.at("externalIPs").joined();
    if !own.is_empty() && !addresses.is_empty() {
        addresses.push(',');
    }
    addresses.push_str(&own);
    match (addresses.is_empty(), spec.at("type").text()) {
        (false, _) => addresses,
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (true, _) => NONE.to_owned(),
    }
}

/// Where a load balancer is reached.
fn balancer(status: View<'_>) -> String {
    let addresses = status.at("ingress").list().map(|it| it.at("ip").text_or(it.at("hostname").text()));
    let addresses: BTreeSet<&str> = addresses.filter(|it| !it.is_empty()).collect();
    join(addresses.into_iter(), ",")
}

fn ingress(it: View<'_>, context: &Context) -> Vec<Value> {
    let spec = it.at("spec");
    vec![
        it.name(),
        spec.at("ingressClassName").set_or(NONE).into(),
        hosts(spec.at("rules")).into(),
        balancer(it.at("status").at("loadBalancer")).into(),
        if spec.at("tls").count() > 0 { "80, 443" } else { "80" }.into(),
        it.age(context),
    ]
}

/// The first hosts. How many are left out is counted by rules, also those without a host.
fn hosts(rules: View<'_>) -> String {
    const MAX: usize = 3;
    let (mut list, mut more) = (Vec::new(), false);
    for rule in rules.list() {
        more |= list.len() == MAX;
        let host = rule.at("host").text();
        if !more && !host.is_empty() {
            list.push(host);
        }
    }
    let text = join(list.iter().copied(), ",");
    match (list.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, true) => format!("{text} + {} more...", rules.list().len() - MAX),
        (false, false) => text,
    }
}

fn parameters(it: View<'_>) -> Value {
    if !it.is_set() {
        return NONE.into();
    }
    let (kind, name, group) = (it.at("kind").text(), it.at("name").text(), it.at("apiGroup"));
    if group.is_set() { format!("{kind}.{}/{name}", group.text()) } else { format!("{kind}/{name}") }.into()
}

fn endpoints(subsets: View<'_>) -> String {
    if subsets.count() == 0 {
        return NONE.to_owned();
    }
    let all = subsets.list().flat_map(|subset| {
        let addresses = move || subset.at("addresses").list().map(|it| it.at("ip").text());
        let bare = (subset.at("ports").count() == 0).then(|| addresses().map(Cow::Borrowed)).into_iter().flatten();
        let ports = subset.at("ports").list().map(|it| it.at("port").number());
        bare.chain(ports.flat_map(move |port| addresses().map(move |ip| host_port(ip, port))))
    });
    first_few(all, 3, ",")
}

fn host_port(ip: &str, port: i64) -> Cow<'_, str> {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }.into()
}

fn slice_port(it: View<'_>) -> Cow<'_, str> {
    if it.at("port").is_set() { it.at("port").number().to_string().into() } else { it.at("name").set_or("*").into() }
}

/// The first three of a list, or that there are none.
pub(super) fn few<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> Value {
    let list = first_few(texts, 3, ",");
    if list.is_empty() { UNSET.into() } else { list.into() }
}

fn parent(it: View<'_>) -> Value {
    if !it.is_set() {
        return NONE.into();
    }
    let mut text = it.at("resource").text().to_lowercase();
    for (separator, part) in [('.', it.at("group").text().to_lowercase()), ('/', it.at("namespace").text().to_owned())]
    {
        if !part.is_empty() {
            text.push(separator);
            text.push_str(&part);
        }
    }
    text.push('/');
    text.push_str(it.at("name").text());
    text.into()
}
