//! Keeps the machines of this host at what the instances' records ask for.

use super::networks::Networks;
use super::scene::{Scene, SharedScene};
use async_trait::async_trait;
use aws_ec2::Ec2Service;
use aws_ec2::records::{Instance, InstanceState, KeyPair, Record as _, prefix};
use base::{AccountId, InstanceId, Region};
use landing::{Dirty, instance};
use machine::{IDS, Limits, MachineSpec, Machines};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use store::Records;

/// The first user id of the first instance; each has [`IDS`] of them. High enough to meet no user of the host.
const FIRST_ID: u32 = 1 << 20;
/// How long an instance's processes have to end before they are killed.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How many processes an instance may have: keeps a fork bomb inside from exhausting the host's process table.
const PIDS_MAX: u32 = 4096;

/// What an instance's turn needs to know, taken from the scene in one go.
struct Wish {
    account: AccountId,
    region: Region,
    record: Instance,
    hostname: String,
    resolver: std::net::Ipv4Addr,
}

/// The instances of this host.
pub struct Instances {
    /// What is known.
    pub scene: SharedScene,
    /// The records, for key pairs.
    pub records: Records,
    /// The service whose records they are.
    pub ec2: Arc<Ec2Service>,
    /// Their machines.
    pub machines: Machines,
    /// Their networks.
    pub networks: Networks,
    /// The service's authority, which they trust.
    pub authority: String,
}

impl Instances {
    fn wish(&self, id: &InstanceId) -> Option<Wish> {
        let scene = self.scene.read();
        let (vpc, record) = scene.world.instance(id)?;
        let owner = vpc.vpc.as_ref()?;
        Some(Wish {
            account: owner.account.clone(),
            region: owner.region.clone(),
            record: record.clone(),
            hostname: instance::host_name(vpc, record.private_address)?,
            resolver: instance::resolver(vpc),
        })
    }

    fn spec(&self, wish: &Wish) -> Result<MachineSpec, String> {
        let base = wish.record.number.checked_mul(IDS).and_then(|it| it.checked_add(FIRST_ID));
        Ok(MachineSpec {
            id: wish.record.id.to_string(),
            hostname: wish.hostname.clone(),
            resolver: wish.resolver,
            search: wish.region.private_domain(),
            id_base: base.ok_or("this host has no user ids left for another instance")?,
            ca_bundle: Some(self.authority.clone()),
            authorized_keys: self.authorized_keys(wish)?,
            env: BTreeMap::new(),
            limits: Limits { pids: Some(PIDS_MAX), ..Limits::default() },
            services: Vec::new(),
        })
    }

    fn authorized_keys(&self, wish: &Wish) -> Result<Vec<String>, String> {
        let Some(name) = &wish.record.key_name else { return Ok(Vec::new()) };
        let prefix = prefix(&wish.account, &wish.region, KeyPair::KIND);
        let pairs = self.records.scan::<KeyPair>(&prefix).map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().filter(|(_, it)| it.name == *name).map(|(_, it)| it.public_key).collect())
    }

    /// Starts the machine if it does not run (or was rebooted since it was started) and plugs it in.
    async fn run(&self, wish: &Wish) -> Result<(), String> {
        let id = &wish.record.id;
        let running = self.machines.find(id.as_str()).map_err(text)?;
        let boots_file = self.machines.dir(id.as_str()).join("boots");
        let booted = fs::read_to_string(&boots_file).ok().and_then(|it| it.parse::<u32>().ok());
        let pid = match running {
            Some(running) if booted.is_none_or(|it| it >= wish.record.boots) => running.pid,
            running => {
                if running.is_some() {
                    self.halt(id, false).await?;
                }
                let (machines, spec) = (self.machines.clone(), self.spec(wish)?);
                blocking(move || machines.start(&spec)).await?.pid
            }
        };
        if booted != Some(wish.record.boots) {
            fs::write(&boots_file, wish.record.boots.to_string()).map_err(|error| error.to_string())?;
        }
        let pid = u32::try_from(pid).map_err(|error| error.to_string())?;
        self.scene.change(|scene| scene.runtime.pids.insert(id.clone(), pid));
        self.converge(id).await
    }

    /// Stops the machine; with `forget` its files go too.
    async fn halt(&self, id: &InstanceId, forget: bool) -> Result<(), String> {
        let (machines, name) = (self.machines.clone(), id.to_string());
        blocking(move || {
            machines.stop(&name, STOP_GRACE)?;
            if forget { machines.remove(&name) } else { Ok(()) }
        })
        .await?;
        let ran = self.scene.change(|scene| scene.runtime.pids.remove(id).is_some());
        if ran { self.converge(id).await } else { Ok(()) }
    }

    async fn converge(&self, id: &InstanceId) -> Result<(), String> {
        let dirty = Dirty { instances: BTreeSet::from([id.clone()]), ..Dirty::default() };
        self.networks.converge(dirty).await.map_err(|error| error.to_string())
    }
}

/// Finds the machines that still run from before. Must come before the first plan: a network without them would cut
/// their connections.
///
/// # Errors
/// When the state of machines cannot be read.
pub fn recover(machines: &Machines, scene: &SharedScene) -> Result<(), machine::MachineError> {
    let running = machines.list()?;
    let pids = running.iter().filter_map(|it| Some((it.id.parse().ok()?, u32::try_from(it.pid).ok()?))).collect();
    scene.change(|scene| scene.runtime.pids = pids);
    Ok(())
}

fn text(error: machine::MachineError) -> String {
    error.to_string()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, machine::MachineError> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?.map_err(text)
}

/// Whether an instance needs a turn.
fn unsettled(scene: &Scene, record: &Instance) -> bool {
    let runs = scene.runtime.pids.contains_key(&record.id);
    match record.state {
        InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown => true,
        InstanceState::Running => !runs,
        InstanceState::Stopped | InstanceState::Terminated => runs,
    }
}

#[async_trait]
impl reconcile::Work<InstanceId> for Instances {
    fn survey(&self) -> Result<Vec<InstanceId>, String> {
        let alive: BTreeSet<InstanceId> =
            self.machines.list().map_err(text)?.into_iter().filter_map(|it| it.id.parse().ok()).collect();
        Ok(self.scene.change(|scene| {
            // who died without being asked to is started again
            scene.runtime.pids.retain(|id, _| alive.contains(id));
            let records = scene.world.instances().filter(|(_, it)| unsettled(scene, it));
            let mut ids: Vec<InstanceId> = records.map(|(_, it)| it.id.clone()).collect();
            ids.extend(alive.into_iter().filter(|id| scene.world.instance(id).is_none()));
            ids
        }))
    }

    async fn turn(&self, id: &InstanceId) -> Result<(), String> {
        let Some(wish) = self.wish(id) else { return self.halt(id, true).await };
        let (account, region) = (&wish.account, &wish.region);
        match wish.record.state {
            InstanceState::Pending => {
                self.run(&wish).await?;
                self.ec2.instance_started(account, region, id).await.map_err(|it| it.to_string())
            }
            InstanceState::Running => self.run(&wish).await,
            InstanceState::Stopping => {
                self.halt(id, false).await?;
                self.ec2.instance_stopped(account, region, id).await.map_err(|it| it.to_string())
            }
            InstanceState::ShuttingDown => {
                self.halt(id, true).await?;
                self.ec2.instance_gone(account, region, id).await.map_err(|it| it.to_string())
            }
            InstanceState::Stopped => self.halt(id, false).await,
            InstanceState::Terminated => self.halt(id, true).await,
        }
    }
}
