//! The addresses that clusters are given: one key per address under `eks-pool/`, written by the transaction that accepts
//! the cluster and deleted by the one that forgets it. So no address is ever given twice, and none is lost by a crash.
//!
//! An address is found by trying random ones: with a pool that is not nearly full this takes one or two reads however
//! many clusters there are, and two creators hardly ever meet. (A counter or a free list would make every two meet.)

use crate::error::EksError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use store::Tx;

/// The root of all keys here. Outside of accounts and regions: these networks are the provider's.
pub const ROOT: &str = "eks-pool/";

/// Random addresses that are tried before the pool is listed. At nine tenths full, one reservation in 800 lists it.
const PROBES: u64 = 64;

/// A range of addresses to give out, whole /24s.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Its name, as in its keys.
    name: &'static str,
    /// The first address.
    first: u32,
    /// How many /24s.
    networks: u32,
}

/// Addresses of control plane instances in the provider network: 240.0.1.0 to 240.127.255.255.
/// (240.0.0.0/24 is left to the provider's routers.)
pub const PROVIDER: Pool = Pool { name: "provider", first: 0xf000_0100, networks: 0x7fff };

/// Public addresses of cluster endpoints: 198.19.0.0/17.
pub const PUBLIC: Pool = Pool { name: "public", first: 0xc613_0000, networks: 0x80 };

/// Addresses a /24 gives: without .0 and .255, which people and some tools take for the network and broadcast address.
const PER_NETWORK: u32 = 254;

/// Who holds an address.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    holder: String,
}

/// What the random choice depends on. Made once per request, so that a decision that is taken again tries the same
/// addresses again and only passes over those that went to somebody else.
#[derive(Debug, Clone, Copy)]
pub struct Seed(u64);

impl Seed {
    /// From the kernel's randomness.
    pub fn random() -> Self {
        Self(u64::from_le_bytes(base::random_bytes::<8>()))
    }

    /// The `n`th number below `bound` (SplitMix64's output function, reduced by multiplication).
    fn nth(self, n: u64, bound: u32) -> u32 {
        let mut z = self.0.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = u128::from(z ^ (z >> 31));
        u32::try_from((z * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

impl Pool {
    /// How many addresses it gives.
    pub fn size(&self) -> u32 {
        self.networks * PER_NETWORK
    }

    /// The address at a place below [`Pool::size`].
    fn at(&self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first + index / PER_NETWORK * 256 + index % PER_NETWORK + 1)
    }

    fn key(&self, address: Ipv4Addr) -> String {
        format!("{ROOT}{}/{address}", self.name)
    }

    /// Reserves a free address for `holder`.
    ///
    /// # Errors
    /// [`EksError::PoolEmpty`] when every address is taken.
    pub fn reserve(&self, tx: &mut Tx<'_>, seed: Seed, holder: &str) -> Result<Ipv4Addr, EksError> {
        for n in 0..PROBES {
            let address = self.at(seed.nth(n, self.size()));
            if tx.get::<Lease>(&self.key(address))?.is_none() {
                return self.take(tx, address, holder);
            }
        }
        let prefix = format!("{ROOT}{}/", self.name);
        let taken: BTreeSet<String> = tx.peek::<Lease>(&prefix)?.into_iter().map(|(key, _)| key).collect();
        let start = seed.nth(PROBES, self.size());
        let mut rest = (start..self.size()).chain(0..start).map(|index| self.at(index));
        let free = rest.find(|address| !taken.contains(&self.key(*address)));
        let address = free.ok_or(EksError::PoolEmpty(self.name))?;
        // Makes the commit depend on it: the list does not.
        tx.get::<Lease>(&self.key(address))?;
        self.take(tx, address, holder)
    }

    fn take(&self, tx: &mut Tx<'_>, address: Ipv4Addr, holder: &str) -> Result<Ipv4Addr, EksError> {
        tx.put(self.key(address), &Lease { holder: holder.to_owned() })?;
        Ok(address)
    }

    /// Gives an address back, if `holder` still has it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn release(&self, tx: &mut Tx<'_>, address: Ipv4Addr, holder: &str) -> Result<(), EksError> {
        let key = self.key(address);
        if tx.get::<Lease>(&key)?.is_some_and(|lease| lease.holder == holder) {
            tx.delete(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store::memory;
    use proptest::prelude::*;
    use store::Records;

    const TINY: Pool = Pool { name: "tiny", first: 0xf000_0100, networks: 1 };

    async fn reserve(records: &Records, pool: Pool, seed: Seed, holder: &str) -> Result<Ipv4Addr, EksError> {
        records.transact(|tx| pool.reserve(tx, seed, holder)).await
    }

    #[test]
    fn the_pools_are_where_the_address_plan_says() {
        assert_eq!(
            (PROVIDER.at(0), PROVIDER.at(PROVIDER.size() - 1)),
            ([240, 0, 1, 1].into(), [240, 127, 255, 254].into())
        );
        assert_eq!((PUBLIC.at(0), PUBLIC.at(PUBLIC.size() - 1)), ([198, 19, 0, 1].into(), [198, 19, 127, 254].into()));
    }

    #[tokio::test]
    async fn a_pool_gives_all_it_has_and_each_address_once() {
        let records = Records::new(memory());
        let mut given = BTreeSet::new();
        for n in 0..TINY.size() {
            assert!(given.insert(reserve(&records, TINY, Seed::random(), &n.to_string()).await.unwrap()));
        }
        assert!(matches!(reserve(&records, TINY, Seed::random(), "x").await, Err(EksError::PoolEmpty("tiny"))));
        let one = *given.first().unwrap();
        records.transact(|tx| TINY.release(tx, one, "not the holder")).await.unwrap();
        assert!(reserve(&records, TINY, Seed::random(), "x").await.is_err(), "only its holder gives an address back");
        let mut held = 0;
        for n in 0..TINY.size() {
            records.transact(|tx| TINY.release(tx, one, &n.to_string())).await.unwrap();
            held += 1;
        }
        assert_eq!(held, TINY.size());
        assert_eq!(reserve(&records, TINY, Seed::random(), "x").await.unwrap(), one);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn creators_that_want_the_same_addresses_get_different_ones() {
        let records = Records::new(memory());
        let same = Seed(7);
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let records = records.clone();
                tokio::spawn(async move { reserve(&records, PUBLIC, same, &n.to_string()).await.unwrap() })
            })
            .collect();
        let mut given = BTreeSet::new();
        for task in tasks {
            assert!(given.insert(task.await.unwrap()));
        }
    }

    proptest! {
        #[test]
        fn every_address_is_in_the_pool_and_no_network_address(seed: u64, n in 0u64..100) {
            for pool in [PROVIDER, PUBLIC] {
                let address = pool.at(Seed(seed).nth(n, pool.size()));
                prop_assert!((1..=254).contains(&address.octets()[3]));
                let offset = address.to_bits().checked_sub(pool.first);
                prop_assert!(offset.is_some_and(|offset| offset < pool.networks * 256));
            }
        }

        #[test]
        fn places_and_addresses_are_one_to_one(a in 0u32..PUBLIC.networks * PER_NETWORK, b in 0u32..PUBLIC.networks * PER_NETWORK) {
            prop_assert_eq!(a == b, PUBLIC.at(a) == PUBLIC.at(b));
        }
    }
}
