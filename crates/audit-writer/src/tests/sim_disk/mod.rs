//! A disk in memory that forgets what was not synced, fails on demand, and lies as real ones do.
//!
//! - A crash keeps any of the unsynced pages and any prefix of the unsynced changes of names.
//! - A failed sync leaves pages that look clean and never reached the device (what Linux does).
//! - An operation can fail, fail halfway, or fail after it took effect.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::disk::Disk;

mod file;

pub(super) use self::file::Dice;
use self::file::File;

#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has no effect. A sync drops what it should have written.
    Fails,
    /// A write has half its effect; anything else has none.
    FailsHalfway,
    /// It has its whole effect, and reports an error.
    HappensAnyway,
    /// The machine stops amid it.
    Crash,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<Change>,
    files: Vec<File>,
    steps: usize,
    faults: BTreeMap<usize, Fault>,
    stopped: bool,
    full: bool,
    largest: Option<usize>,
    unreadable: bool,
}

#[derive(Clone)]
enum Change {
    Add(String, usize),
    Rename(String, String),
    Remove(String),
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn change(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Add(name, file) => drop(names.insert(name.clone(), *file)),
        Change::Remove(name) => drop(names.remove(name)),
        Change::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Changing operations so far.
    pub(crate) fn steps(&self) -> usize {
        self.state().steps
    }

    /// Lets the changing operation number `step`, counted from 0, go wrong.
    pub(crate) fn inject(&self, step: usize, fault: Fault) {
        self.state().faults.insert(step, fault);
    }

    /// Every write from now on fails, and leaves half of itself.
    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// No file may be longer from now on, and a write beyond that fails whole.
    pub(crate) fn set_largest(&self, bytes: Option<usize>) {
        self.state().largest = bytes;
    }

    pub(crate) fn set_unreadable(&self, unreadable: bool) {
        self.state().unreadable = unreadable;
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.state().stopped
    }

    /// The disk after the power failed and came back.
    pub(crate) fn after_crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut dice = Dice(seed);
        let mut names = state.durable_names.clone();
        let kept = dice.roll(state.changes.len() + 1);
        for one in &state.changes[..kept] {
            change(&mut names, one);
        }
        let mut files = state.files.clone();
        files.iter_mut().for_each(|file| file.crash(&mut dice));
        Self(Arc::new(Mutex::new(State {
            durable_names: names.clone(),
            names,
            files,
            ..State::default()
        })))
    }

    /// The disk after the broker alone was killed: the kernel still has everything.
    pub(crate) fn after_kill(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            changes: state.changes.clone(),
            files: state.files.clone(),
            ..State::default()
        })))
    }

    /// Puts a file there from outside, durable.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.files.push(File {
            cache: bytes.to_vec(),
            device: bytes.to_vec(),
            dirty: BTreeSet::new(),
        });
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// Changes a file from outside, in place and durably.
    pub(crate) fn tamper(&self, name: &str, with: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[name];
        let file = &mut state.files[file];
        with(&mut file.cache);
        file.device = file.cache.clone();
    }

    /// Deletes a file from outside, durably.
    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].cache.clone()
    }

    fn act(
        &self,
        whole: impl FnOnce(&mut State) -> io::Result<()>,
        part: impl FnOnce(&mut State),
    ) -> io::Result<()> {
        let mut state = self.state();
        if state.stopped {
            return Err(error(libc::EIO));
        }
        let step = state.steps;
        state.steps += 1;
        match state.faults.get(&step) {
            None => whole(&mut state),
            Some(Fault::Fails) => Err(error(libc::EIO)),
            Some(Fault::FailsHalfway) => {
                part(&mut state);
                Err(error(libc::EIO))
            }
            Some(Fault::HappensAnyway) => {
                whole(&mut state)?;
                Err(error(libc::EIO))
            }
            Some(Fault::Crash) => {
                part(&mut state);
                state.stopped = true;
                Err(error(libc::EIO))
            }
        }
    }

    fn change(&self, one: Change) -> io::Result<()> {
        self.act(
            |state| {
                change(&mut state.names, &one);
                state.changes.push(one);
                Ok(())
            },
            |_| {},
        )
    }
}

impl Disk for SimDisk {
    type File = usize;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/audit").join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn read(&self, name: &str, from: u64, at_most: u64) -> io::Result<Vec<u8>> {
        let state = self.state();
        if state.unreadable {
            return Err(error(libc::EIO));
        }
        let file = *state.names.get(name).ok_or_else(|| error(libc::ENOENT))?;
        let bytes = &state.files[file].cache;
        let from = usize::try_from(from).unwrap().min(bytes.len());
        let at_most = usize::try_from(at_most).unwrap();
        let to = from.saturating_add(at_most).min(bytes.len());
        Ok(bytes[from..to].to_vec())
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        let state = self.state();
        let file = state.names.get(name);
        Ok(file.map(|&file| state.files[file].cache.len() as u64))
    }

    fn create(&self, name: &str) -> io::Result<usize> {
        let file = {
            let mut state = self.state();
            if state.names.contains_key(name) {
                return Err(error(libc::EEXIST));
            }
            state.files.push(File::default());
            state.files.len() - 1
        };
        self.change(Change::Add(name.to_owned(), file))?;
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<usize> {
        let state = self.state();
        let file = state.names.get(name);
        file.copied().ok_or_else(|| error(libc::ENOENT))
    }

    fn open_again(&self, name: &str, file: &usize) -> io::Result<Option<usize>> {
        Ok(Some(self.open(name)?).filter(|again| again == file))
    }

    fn read_at(&self, file: &usize, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let state = self.state();
        let found = state.files[*file].cache.get(at..at + bytes.len());
        bytes.copy_from_slice(found.ok_or_else(|| error(libc::EIO))?);
        Ok(())
    }

    fn write_at(&self, file: &usize, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let half = |state: &mut State| state.files[*file].write(at, &bytes[..bytes.len() / 2]);
        self.act(
            |state| {
                if state.full {
                    half(state);
                    return Err(error(libc::ENOSPC));
                }
                let end = at + bytes.len();
                let length = state.files[*file].cache.len();
                if state.largest.is_some_and(|most| end > most.max(length)) {
                    return Err(error(libc::EFBIG));
                }
                state.files[*file].write(at, bytes);
                Ok(())
            },
            half,
        )
    }

    fn truncate(&self, file: &usize, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).unwrap();
        self.act(
            |state| {
                let file = &mut state.files[*file];
                let old = file.cache.len();
                file.cache.truncate(size);
                // The kernel writes the page that the new end is in again.
                file.touch(size.saturating_sub(1), old);
                Ok(())
            },
            |_| {},
        )
    }

    fn sync_data(&self, file: &usize) -> io::Result<()> {
        self.sync_all(file)
    }

    fn sync_all(&self, file: &usize) -> io::Result<()> {
        let step = self.steps();
        let synced = self.act(
            |state| {
                state.files[*file].sync();
                Ok(())
            },
            |_| {},
        );
        let mut state = self.state();
        let failed = state.faults.get(&step).copied();
        if matches!(failed, Some(Fault::Fails | Fault::FailsHalfway)) {
            state.files[*file].dirty.clear();
        }
        synced
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.act(
            |state| {
                state.durable_names = state.names.clone();
                state.changes.clear();
                Ok(())
            },
            |_| {},
        )
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(Change::Remove(name.to_owned()))
    }

    fn look(&self, name: &str, file: &usize) -> io::Result<Option<u64>> {
        let state = self.state();
        let same = state.names.get(name) == Some(file);
        Ok(same.then(|| state.files[*file].cache.len() as u64))
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.names[name];
        state.files[file].forget_clean_pages();
        Ok(())
    }
}
