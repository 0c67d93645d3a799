//! A file system in memory that fails when it is told to.
//!
//! ```text
//! call 1 ▶ call 2 ▶ … ▶ call n: fails, or is done and the power goes ▶ nothing works ▶ start
//! ```
//! It is deterministic: the same calls under the same seed fail in the same way.

#![expect(clippy::unwrap_used, reason = "for tests and fuzzers, where a panic is a finding")]

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::machine::Machine;
use super::{Disk, DiskFile, How, Stat};

/// What happens at one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It fails: EIO.
    Broken,
    /// It fails, a write after half of its bytes: ENOSPC.
    Full,
    /// It reads or writes half of what it should, and succeeds.
    Short,
    /// It succeeds, and then the process is killed.
    Death,
    /// It succeeds, and then the power goes.
    Power,
}

/// The file system. Its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Simulated {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    unlocked: Condvar,
}

#[derive(Debug)]
struct Desk {
    machine: Machine,
    /// Calls so far, by name.
    calls: Vec<&'static str>,
    /// Faults to come, and the numbers of their calls, from 0.
    plan: Vec<(usize, Fault)>,
    /// What stopped everything.
    end: Option<Fault>,
    /// Files that were opened before another start are dead.
    start: u64,
    handles: u64,
}

impl Simulated {
    /// An empty file system.
    pub(crate) fn new(seed: u64) -> Self {
        let machine = Machine::new(seed);
        let (calls, plan) = (Vec::new(), Vec::new());
        let desk = Desk { machine, calls, plan, end: None, start: 0, handles: 0 };
        Self { shared: Arc::new(Shared { desk: Mutex::new(desk), unlocked: Condvar::new() }) }
    }

    /// Calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.desk().calls.clone()
    }

    /// Lets the call after `after` more fail.
    pub(crate) fn plan(&self, after: usize, fault: Fault) {
        let mut desk = self.desk();
        let call = desk.calls.len() + after;
        desk.plan.push((call, fault));
    }

    /// Faults that have not come yet.
    pub(crate) fn planned(&self) -> usize {
        self.desk().plan.len()
    }

    /// Switches the power off and on. All processes end; what was not synced is lost, or kept, or
    /// torn.
    pub(crate) fn lose_power(&self) {
        self.restart(true);
    }

    /// Starts again after whatever ended the processes: with what was unsynced, if it was not the
    /// power.
    pub(crate) fn start(&self) {
        let is_power = self.desk().end == Some(Fault::Power);
        self.restart(is_power);
    }

    fn restart(&self, is_power: bool) {
        let mut desk = self.desk();
        desk.end = None;
        desk.start += 1;
        desk.plan.clear();
        desk.machine.end_processes();
        if is_power {
            desk.machine.lose_power();
        }
        self.shared.unlocked.notify_all();
    }

    /// What a file holds, as programs see it; `None` if there is none.
    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let desk = self.desk();
        let node = *desk.machine.names.get(path)?;
        Some(desk.machine.nodes[node].cached.clone())
    }

    /// Makes a file hold something, durably, with everything above it.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let machine = &mut self.desk().machine;
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for directory in above {
            if !machine.names.contains_key(directory) {
                machine.make(directory, true);
            }
        }
        let node = machine.names.get(path).copied();
        let node = node.unwrap_or_else(|| machine.make(path, false));
        machine.nodes[node].set_length(0);
        machine.nodes[node].write(0, bytes);
        machine.nodes[node].sync();
        (0..machine.nodes.len()).for_each(|node| machine.sync_names(node));
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.shared.desk.lock().unwrap()
    }
}

impl Desk {
    /// Counts a call, and gives the fault that is planned for it.
    fn call(&mut self, name: &'static str) -> io::Result<Option<Fault>> {
        if self.end.is_some() {
            return Err(broken());
        }
        let number = self.calls.len();
        self.calls.push(name);
        let planned = self.plan.iter().position(|(call, _)| *call == number);
        let fault = planned.map(|at| self.plan.remove(at).1);
        if matches!(fault, Some(Fault::Death | Fault::Power)) {
            self.end = fault;
        }
        Ok(fault)
    }

    /// As [`Desk::call`], for a call that is done whole or not at all.
    fn whole_call(&mut self, name: &'static str) -> io::Result<()> {
        match self.call(name)? {
            Some(Fault::Broken) => Err(broken()),
            Some(Fault::Full) => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn named(&self, path: &Path) -> io::Result<usize> {
        self.machine.names.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().map(|parent| self.named(parent));
        let node = parent.unwrap_or_else(|| Err(ErrorKind::NotFound.into()))?;
        let is_directory = self.machine.nodes[node].is_directory;
        if is_directory { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
    }

    fn free(&self, path: &Path) -> io::Result<()> {
        self.check_parent(path)?;
        let is_free = !self.machine.names.contains_key(path);
        if is_free { Ok(()) } else { Err(ErrorKind::AlreadyExists.into()) }
    }

    fn stat(&self, node: usize) -> Stat {
        let found = &self.machine.nodes[node];
        let (length, is_directory) = (found.cached.len() as u64, found.is_directory);
        Stat { identity: (1, node as u64), length, is_directory }
    }

    fn open(&mut self, path: &Path, how: How) -> io::Result<usize> {
        let found = self.named(path);
        match (how, found) {
            (How::Create(_), _) => {
                self.free(path)?;
                Ok(self.machine.make(path, false))
            }
            (How::Replace(_), Ok(node)) => {
                self.machine.nodes[node].set_length(0);
                Ok(node)
            }
            (How::Lock(_) | How::Replace(_), Err(_)) => {
                self.check_parent(path)?;
                Ok(self.machine.make(path, false))
            }
            (_, found) => found,
        }
    }
}

impl Disk for Simulated {
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let mut desk = self.desk();
        desk.whole_call("open")?;
        let node = desk.open(path, how)?;
        desk.handles += 1;
        let (handle, start) = (desk.handles, desk.start);
        let disk = self.clone();
        Ok(Box::new(OpenFile { disk, node, handle, start }))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut desk = self.desk();
        desk.whole_call("stat")?;
        let node = desk.named(path)?;
        Ok(desk.stat(node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut desk = self.desk();
        desk.whole_call("rename")?;
        let node = desk.named(from)?;
        desk.check_parent(to)?;
        desk.machine.shift(from, to, node);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut desk = self.desk();
        desk.whole_call("link")?;
        let node = desk.named(from)?;
        desk.free(to)?;
        desk.machine.give(to, node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut desk = self.desk();
        desk.whole_call("remove")?;
        desk.named(path)?;
        desk.machine.take(path);
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut desk = self.desk();
        desk.whole_call("create directory")?;
        desk.free(path)?;
        desk.machine.make(path, true);
        Ok(())
    }
}

/// An open file of one start of the machine.
#[derive(Debug)]
struct OpenFile {
    disk: Simulated,
    node: usize,
    handle: u64,
    start: u64,
}

impl OpenFile {
    fn desk(&self) -> io::Result<MutexGuard<'_, Desk>> {
        let desk = self.disk.desk();
        if desk.start == self.start { Ok(desk) } else { Err(broken()) }
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, bytes: &mut [u8], place: u64) -> io::Result<usize> {
        let mut desk = self.desk()?;
        let asked = match desk.call("read")? {
            Some(Fault::Broken | Fault::Full) => return Err(broken()),
            Some(Fault::Short) => bytes.len().div_ceil(2),
            _ => bytes.len(),
        };
        let cached = &desk.machine.nodes[self.node].cached;
        let start = usize::try_from(place).unwrap().min(cached.len());
        let count = asked.min(cached.len() - start);
        bytes[..count].copy_from_slice(&cached[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize> {
        let mut desk = self.desk()?;
        let fault = desk.call("write")?;
        let count = match fault {
            Some(Fault::Broken) => return Err(broken()),
            Some(Fault::Full | Fault::Short) => bytes.len().div_ceil(2),
            _ => bytes.len(),
        };
        let at = usize::try_from(place).unwrap();
        desk.machine.nodes[self.node].write(at, &bytes[..count]);
        if fault == Some(Fault::Full) { Err(ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut desk = self.desk()?;
        desk.whole_call("set length")?;
        desk.machine.nodes[self.node].set_length(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut desk = self.desk()?;
        let machine = &mut desk.machine;
        let is_directory = machine.nodes[self.node].is_directory;
        let done = desk.whole_call(if is_directory { "sync names" } else { "sync" });
        let Machine { nodes, dice, .. } = &mut desk.machine;
        match &done {
            // Names are in the journal, which goes on or lets nothing through.
            _ if is_directory && done.is_err() => {}
            Ok(()) if is_directory => desk.machine.sync_names(self.node),
            Ok(()) => nodes[self.node].sync(),
            Err(_) => nodes[self.node].fail_to_sync(dice),
        }
        done
    }

    fn stat(&self) -> io::Result<Stat> {
        let mut desk = self.desk()?;
        desk.whole_call("stat")?;
        Ok(desk.stat(self.node))
    }

    fn lock(&self) -> io::Result<()> {
        let mut desk = self.desk()?;
        desk.whole_call("lock")?;
        loop {
            if desk.start != self.start {
                return Err(broken());
            }
            let holder = &mut desk.machine.nodes[self.node].holder;
            if holder.is_none_or(|holder| holder == self.handle) {
                *holder = Some(self.handle);
                return Ok(());
            }
            desk = self.disk.shared.unlocked.wait(desk).unwrap();
        }
    }

    fn unlock(&self) -> io::Result<()> {
        let mut desk = self.desk()?;
        desk.whole_call("unlock")?;
        desk.machine.nodes[self.node].holder = None;
        self.disk.shared.unlocked.notify_all();
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Ok(mut desk) = self.desk() else { return };
        let holder = &mut desk.machine.nodes[self.node].holder;
        if *holder == Some(self.handle) {
            *holder = None;
            self.disk.shared.unlocked.notify_all();
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the disk failed")
}
