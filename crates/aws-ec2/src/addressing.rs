//! Which address comes next: private ones of a subnet, public ones of the pool that all accounts share.
//!
//! A taken address is a key. Choosing looks at the snapshot, taking compares that the key is absent, so that two who
//! chose the same cannot both get it. The search starts at a place that depends on who asks, so that many who ask at
//! once rarely choose the same.

use crate::derive;
use crate::error::{Result, invalid, refuse};
use crate::records::Subnet;
use crate::side_records::{ADDRESS, PUBLIC_ROOT, PublicHolder};
use crate::world::World;
use base::Ipv4Block;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Addresses at the start of a subnet that AWS keeps: network, router, resolver, future use.
const RESERVED_FIRST: u64 = 4;
/// And the last one.
const RESERVED: u64 = RESERVED_FIRST + 1;
/// Addresses that are tried one by one before the whole subnet is read: enough until it is nearly full.
const PROBES: usize = 12;
/// The public pool. All of it lies in 198.18.0.0/15, which is never on the Internet.
const PUBLIC_POOL: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 64, 0), 18);

/// How many addresses of a block interfaces can have.
pub(crate) fn capacity(block: &Ipv4Block) -> u64 {
    block.size().saturating_sub(RESERVED)
}

/// Whether AWS keeps this address of the block for itself.
pub(crate) fn is_reserved(block: &Ipv4Block, address: Ipv4Addr) -> bool {
    let offset = u64::from(address.to_bits().wrapping_sub(block.network().to_bits()));
    offset < RESERVED_FIRST || offset + 1 == block.size()
}

/// All addresses of a block that interfaces can have, each once, from a place that depends on `seed`.
pub(crate) fn candidates(block: Ipv4Block, seed: u64) -> impl Iterator<Item = Ipv4Addr> {
    let count = capacity(&block);
    let start = if count == 0 { 0 } else { seed % count };
    (0..count).filter_map(move |step| block.nth(RESERVED_FIRST + (start + step) % count))
}

/// The public pool's addresses, from a place that depends on `seed`; never one that looks like a network or broadcast.
pub(crate) fn public_candidates(seed: u64) -> impl Iterator<Item = Ipv4Addr> {
    let pool = Ipv4Block::containing(PUBLIC_POOL.0, PUBLIC_POOL.1).unwrap_or(Ipv4Block::ANY);
    let usable = |address: &Ipv4Addr| !matches!(address.octets()[3], 0 | 255);
    (0..pool.size()).filter_map(move |step| pool.nth((seed % pool.size() + step) % pool.size())).filter(usable)
}

/// The key that stands for a taken private address.
pub(crate) fn private_key(world: &World<'_, '_>, subnet: &str, address: Ipv4Addr) -> String {
    world.key(ADDRESS, &format!("{subnet}/{address}"))
}

/// How many addresses of a subnet are free, as `AvailableIpAddressCount` says it.
pub(crate) fn available(world: &World<'_, '_>, subnet: &Subnet) -> Result<u64> {
    let used = world.peek_entries::<String>(&world.key(ADDRESS, &format!("{}/", subnet.id)))?.len();
    Ok(capacity(&subnet.block).saturating_sub(used as u64))
}

/// Takes any free address of a subnet for an interface.
pub(crate) fn take_any(world: &mut World<'_, '_>, subnet: &Subnet, owner: &str, nth: usize) -> Result<Ipv4Addr> {
    let seed = derive::number(&[owner, &nth.to_string()]);
    let mut free = None;
    for address in candidates(subnet.block, seed).take(PROBES) {
        if world.entry::<String>(&private_key(world, subnet.id.as_str(), address))?.is_none() {
            free = Some(address);
            break;
        }
    }
    if free.is_none() {
        let prefix = world.key(ADDRESS, &format!("{}/", subnet.id));
        let taken = world.peek_entries::<String>(&prefix)?;
        let taken: BTreeSet<&str> = taken.iter().filter_map(|(key, _)| key.strip_prefix(&prefix)).collect();
        free = candidates(subnet.block, seed).find(|address| !taken.contains(address.to_string().as_str()));
    }
    let full = || {
        let message = "The specified subnet does not have enough free addresses to satisfy the request.";
        refuse("InsufficientFreeAddressesInSubnet", message)
    };
    let address = free.ok_or_else(full)?;
    take(world, subnet, address, owner)?;
    Ok(address)
}

/// Takes one address of a subnet that somebody asked for.
pub(crate) fn take_this(world: &mut World<'_, '_>, subnet: &Subnet, address: Ipv4Addr, owner: &str) -> Result<()> {
    if !subnet.block.contains(address) {
        return Err(invalid(format!("Address {address} does not fall within the subnet's address range")));
    }
    if is_reserved(&subnet.block, address) {
        return Err(invalid(format!("Address {address} is in subnet's reserved address range")));
    }
    take(world, subnet, address, owner)
}

fn take(world: &mut World<'_, '_>, subnet: &Subnet, address: Ipv4Addr, owner: &str) -> Result<()> {
    let key = private_key(world, subnet.id.as_str(), address);
    if world.entry::<String>(&key)?.is_some() {
        return Err(refuse("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
    }
    world.put_entry(key, &owner)
}

/// Gives a private address back.
pub(crate) fn give_back(world: &mut World<'_, '_>, subnet: &str, address: Ipv4Addr) {
    let key = private_key(world, subnet, address);
    world.remove_entry(key);
}

/// Takes a public address for an elastic address or an interface.
pub(crate) fn take_public(world: &mut World<'_, '_>, holder: &str) -> Result<Ipv4Addr> {
    let seed = derive::number(&[holder, world.scope.now.to_string().as_str()]);
    for address in public_candidates(seed) {
        let key = format!("{PUBLIC_ROOT}{address}");
        if world.entry::<PublicHolder>(&key)?.is_none() {
            let entry = PublicHolder {
                account: world.account().clone(),
                region: world.region().clone(),
                holder: holder.to_owned(),
            };
            world.put_entry(key, &entry)?;
            return Ok(address);
        }
    }
    Err(refuse("InsufficientAddressCapacity", "There are not enough free public addresses available."))
}

/// Gives a public address back.
pub(crate) fn give_back_public(world: &mut World<'_, '_>, address: Ipv4Addr) {
    world.remove_entry(format!("{PUBLIC_ROOT}{address}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn candidates_are_each_usable_address_once(network: u32, prefix in 16u8..=28, seed: u64) {
            let block = Ipv4Block::containing(Ipv4Addr::from_bits(network), prefix).unwrap();
            let found: Vec<_> = candidates(block, seed).collect();
            let distinct: BTreeSet<_> = found.iter().copied().collect();
            prop_assert_eq!(found.len(), distinct.len());
            prop_assert_eq!(found.len() as u64, capacity(&block));
            for address in &found {
                prop_assert!(block.contains(*address) && !is_reserved(&block, *address));
            }
            for kept in [0, 1, 2, 3, block.size() - 1] {
                let address = block.nth(kept).unwrap();
                prop_assert!(is_reserved(&block, address) && !distinct.contains(&address));
            }
        }
    }

    #[test]
    fn the_public_pool_stays_in_its_range() {
        let found: BTreeSet<_> = public_candidates(7).collect();
        assert_eq!(found.len(), 64 * 254);
        assert!(found.iter().all(|it| it.octets()[..2] == [198, 18] && (64..128).contains(&it.octets()[2])));
    }
}
