//! A disk in memory that fails when it is told to, and then has lost what a real one could have lost.
//!
//! Writes that no sync followed survive a power cut in any combination of sectors, in any order between files.
//! Changes of names do in order up to some point, as in a file system with a journal, or in any combination, as in
//! one without. A sync that fails forgets what it should have written, as Linux does, while reads go on showing it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use store::embedded::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Inode {
    /// What reads show.
    current: Vec<u8>,
    /// What is on the platter.
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
enum Rename {
    Link(String, usize),
    /// From, to, and the file itself: a directory's entry says which file it is, so none takes another's place.
    Move(String, String, usize),
    Unlink(String),
}

#[derive(Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<Rename>,
    steps: usize,
    cut_at: Option<usize>,
    fail_at: Option<usize>,
    dead: bool,
}

/// See the module. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Sim(Arc<Mutex<State>>);

/// Numbers that are as good as random and the same in every run.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

fn store_at(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Rename) {
    match change {
        Rename::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Rename::Move(from, to, inode) => {
            if names.get(from) == Some(inode) {
                names.remove(from);
            }
            names.insert(to.clone(), *inode);
        }
        Rename::Unlink(name) => {
            names.remove(name);
        }
    }
}

impl State {
    /// Counts a step. An error says that the disk died or fails in it; the step may have happened all the same.
    fn step(&mut self) -> io::Result<()> {
        let step = self.steps;
        self.steps += 1;
        if self.dead || self.cut_at.is_some_and(|at| step >= at) {
            self.dead = true;
            return Err(io::Error::other("the power is cut"));
        }
        if self.fail_at == Some(step) {
            return Err(io::Error::other("the disk failed once"));
        }
        Ok(())
    }

    fn rename(&mut self, change: Rename) -> io::Result<()> {
        if self.dead {
            return self.step();
        }
        apply(&mut self.names, &change);
        self.pending_names.push(change);
        self.step()
    }
}

impl Sim {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on, the power is cut in the step after `steps` more.
    pub fn cut_after(&self, steps: usize) {
        let mut state = self.state();
        state.cut_at = Some(state.steps + steps);
    }

    /// The step after `steps` more fails, and only that.
    pub fn fail_after(&self, steps: usize) {
        let mut state = self.state();
        state.fail_at = Some(state.steps + steps);
    }

    /// How many steps were taken.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// The disk as a new process finds it when only the old one ended: what was written is there, durable or not.
    pub fn after_kill(&self) -> Self {
        let state = State { cut_at: None, fail_at: None, dead: false, ..self.state().clone() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after the power was cut.
    pub fn after_power_cut(&self, chance: &mut Chance) -> Self {
        let old = self.state().clone();
        let mut names = old.durable_names;
        let (journal, kept) = (chance.below(2) == 0, chance.below(old.pending_names.len() + 1));
        for (number, change) in old.pending_names.iter().enumerate() {
            let survives = if journal { number < kept } else { chance.below(2) == 0 };
            if survives {
                apply(&mut names, change);
            }
        }
        let inodes = old.inodes.into_iter().map(|inode| surviving(inode, chance)).collect();
        let state = State { inodes, names: names.clone(), durable_names: names, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Flips one bit of a file.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut state = self.state();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        inode.current[bit / 8] ^= 1 << (bit % 8);
        inode.durable.clone_from(&inode.current);
    }

    /// Sets every byte of a file from some place on to zero.
    pub fn blank(&self, name: &str, from: usize) {
        let mut state = self.state();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        inode.current[from..].fill(0);
        inode.durable.clone_from(&inode.current);
    }

    /// The files with their lengths.
    pub fn files(&self) -> Vec<(String, usize)> {
        let state = self.state();
        state.names.iter().map(|(name, inode)| (name.clone(), state.inodes[*inode].current.len())).collect()
    }
}

/// What is left of a file: of each write that was not synced all, nothing, a first part, or some sectors.
fn surviving(mut inode: Inode, chance: &mut Chance) -> Inode {
    for (at, data) in std::mem::take(&mut inode.pending) {
        match chance.below(4) {
            0 => {}
            1 => store_at(&mut inode.durable, at, &data),
            2 => store_at(&mut inode.durable, at, &data[..chance.below(data.len() + 1)]),
            _ => {
                let mut from = at;
                while from < at + data.len() {
                    let to = (from + 1).next_multiple_of(SECTOR).min(at + data.len());
                    if chance.below(2) == 0 {
                        store_at(&mut inode.durable, from, &data[from - at..to - at]);
                    }
                    from = to;
                }
            }
        }
    }
    Inode { current: inode.durable.clone(), ..inode }
}

impl Disk for Sim {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        if state.dead { Err(io::Error::other("the power is cut")) } else { Ok(state.names.keys().cloned().collect()) }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.rename(Rename::Link(name.to_owned(), inode))?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().names.get(name).copied();
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.names.get(from).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.rename(Rename::Move(from.to_owned(), to.to_owned(), inode))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().rename(Rename::Unlink(name.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        Ok(())
    }
}

struct SimFile {
    disk: Sim,
    inode: usize,
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        if state.dead {
            return Err(io::Error::other("the power is cut"));
        }
        let from = offset as usize;
        let found = state.inodes[self.inode].current.get(from..from + buffer.len());
        buffer.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if !state.dead {
            let inode = &mut state.inodes[self.inode];
            store_at(&mut inode.current, offset as usize, data);
            inode.pending.push((offset as usize, data.to_vec()));
        }
        state.step()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step();
        if state.dead {
            return outcome;
        }
        let inode = &mut state.inodes[self.inode];
        for (at, data) in std::mem::take(&mut inode.pending) {
            if outcome.is_ok() {
                store_at(&mut inode.durable, at, &data);
            }
        }
        outcome
    }
}
