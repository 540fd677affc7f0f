//! What the kernel must be able to do, tried in a scratch namespace.

use crate::netlink::{Socket, filter, route};
use crate::netns;
use crate::nft::Nft;
use crate::topology::{NsName, Selector, Veth};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Something that the fabric needs, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// What it is.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What works, or what fails and which kernel option or package brings it.
    pub detail: String,
}

const SCRATCH: &str = "add table inet probe\n";

/// Tries everything that the fabric needs; one entry each. Blocks for some milliseconds; changes nothing that stays.
pub fn probe() -> Vec<Capability> {
    let made = netns::on_thread(|| {
        netns::unshare()?;
        netns::current()
    });
    let namespace = match made {
        Ok(namespace) => namespace,
        Err(error) => return vec![capability("network namespaces", "CONFIG_NET_NS and root", Err(error))],
    };
    let mut found = vec![capability("network namespaces", "CONFIG_NET_NS and root", Ok(()))];
    found.push(capability("veth pairs", "CONFIG_VETH", try_veth(&namespace)));
    found.push(capability("policy routing", "CONFIG_IP_MULTIPLE_TABLES", try_rule(&namespace)));
    let nft = Nft::new();
    for (name, option, script) in FILTERS {
        let script = format!("{SCRATCH}{script}delete table inet probe\n");
        found.push(capability(name, option, nft.run(namespace.as_fd(), &script)));
    }
    let flows = netns::inside(namespace.as_fd(), || Socket::filter().and_then(|mut it| filter::flows(&mut it)));
    found.push(capability("connection tracking by netlink", "CONFIG_NF_CT_NETLINK", flows.map(drop)));
    found
}

const FILTERS: &[(&str, &str, &str)] = &[
    ("nft tables of family inet", "CONFIG_NF_TABLES_INET and libnftables1 or nftables", ""),
    (
        "nft connection tracking",
        "CONFIG_NFT_CT",
        "add chain inet probe c { type filter hook forward priority 0; policy drop; }\n\
         add rule inet probe c ct state established,related accept\n",
    ),
    (
        "nft address translation by maps",
        "CONFIG_NFT_NAT and CONFIG_NF_NAT",
        "add map inet probe m { type ipv4_addr : ipv4_addr; }\n\
         add chain inet probe n { type nat hook prerouting priority -100; }\n\
         add rule inet probe n dnat ip to ip daddr map @m\n\
         add chain inet probe s { type nat hook postrouting priority 100; }\n\
         add rule inet probe s oifname \"x\" masquerade\n",
    ),
    (
        "nft maps of verdicts",
        "CONFIG_NF_TABLES (4.1 or later)",
        "add chain inet probe d\n\
         add map inet probe v { type ifname : verdict; }\n\
         add element inet probe v { \"e-1\" : goto d }\n\
         add chain inet probe c { type filter hook forward priority 0; }\n\
         add rule inet probe c iifname vmap @v\n",
    ),
    (
        "nft concatenated intervals",
        "CONFIG_NF_TABLES (5.6 or later)",
        "add set inet probe i { type ipv4_addr . ipv4_addr; flags interval; }\n\
         add element inet probe i { 198.18.0.1 . 10.0.0.0/8 }\n",
    ),
];

fn capability(name: &'static str, option: &str, result: io::Result<()>) -> Capability {
    match result {
        Ok(()) => Capability { name, ok: true, detail: "works".to_owned() },
        Err(error) => Capability { name, ok: false, detail: format!("{error}; needs {option}") },
    }
}

fn try_veth(namespace: &OwnedFd) -> io::Result<()> {
    let veth = Veth {
        name: "probe0".into(),
        alt_name: None,
        peer_ns: NsName::new("probe"),
        peer_name: "probe1".into(),
        mtu: 9001,
        peer_mac: None,
        proxy_arp: true,
    };
    netns::inside(namespace.as_fd(), || {
        let mut socket = Socket::route()?;
        socket.ask(route::add_veth(&veth, namespace.as_fd())).and_then(|_| socket.ask(route::set_near(&veth))).map(drop)
    })
}

fn try_rule(namespace: &OwnedFd) -> io::Result<()> {
    netns::inside(namespace.as_fd(), || {
        Socket::route()?.ask(route::rule(33_000, &Selector::Mark(7), Some(7), true)).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_what_the_fabric_needs() {
        for capability in probe() {
            assert!(capability.ok, "{}: {}", capability.name, capability.detail);
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let refused = capability("veth pairs", "CONFIG_VETH", Err(io::Error::from_raw_os_error(95)));
        assert!(!refused.ok && refused.detail.ends_with("needs CONFIG_VETH"), "{}", refused.detail);
    }
}
