//! A stand-in for 1Password's program `op`: what it holds, and what goes wrong with it.
//!
//! A real program (`tests/op/main.rs`), linked into a directory under the name `op`. Since whoever runs
//! it clears its environment, its world lies beside it, in a file that test and program take turns at.
//! It says what the real one was seen to say, and writes down how it was run.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::binaries;

/// The stand-in in its directory.
pub struct StandInOp {
    directory: PathBuf,
}

/// What there is, and what goes wrong.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The vaults.
    pub vaults: Vec<Vault>,
    /// The one service account's token. Without one, whatever looks like a token is known.
    pub token: Option<String>,
    /// Which account the desktop app is signed in to.
    pub desktop: Option<String>,
    /// What goes wrong, until something else is said.
    pub fault: Option<Fault>,
    /// How long each run takes, in milliseconds.
    pub delay: u64,
    /// Requests that service accounts may make, and in how many minutes they are counted anew.
    pub limit: Option<(u64, u64)>,
    /// Requests that service accounts have made.
    pub used: u64,
    /// How many ids were given.
    pub ids: u64,
}

/// A vault.
#[derive(Serialize, Deserialize)]
pub struct Vault {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What lies in it.
    pub items: Vec<Item>,
}

/// An item.
#[derive(Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Counts its changes.
    pub version: u64,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Serialize, Deserialize)]
pub struct Field {
    /// Its id.
    pub id: String,
    /// Id and name of its section.
    pub section: Option<(String, String)>,
    /// Its name.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// What goes wrong.
#[derive(Clone, Serialize, Deserialize)]
pub enum Fault {
    /// It ends with 1, having said this after its mark and the date.
    Says(String),
    /// It never ends, and neither does a process it started, whose number is in `op.hanging`.
    Hangs,
    /// It ends well, having printed this, whatever it was asked.
    Prints(String),
    /// It ends well, having printed so many bytes.
    Floods(u64),
    /// It gives another item than it was asked for.
    GivesAnother,
}

/// How it was run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// With these arguments.
    pub arguments: Vec<String>,
    /// With variables of these names.
    pub environment: Vec<String>,
    /// What its standard input was.
    pub stdin: String,
}

impl StandInOp {
    /// Puts it into this directory, as `op`. It is a link: whoever runs it must be able to reach the
    /// build. It knows no vaults, and whoever asks without a token is told to sign in.
    pub fn in_dir(directory: &Path) -> Self {
        let directory = directory.to_owned();
        fs::create_dir_all(&directory).unwrap();
        symlink(
            binaries::directory().join("stand-in-op"),
            directory.join("op"),
        )
        .unwrap();
        let stand_in = Self { directory };
        stand_in.change(|world| *world = World::default());
        stand_in
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.directory.join("op")
    }

    /// Gives a field this value. What is missing on the way to it is made; `SECTION/FIELD` names one in
    /// a section.
    pub fn set(&self, vault: &str, item: &str, field: &str, value: &str) {
        self.change(|world| world.set(vault, item, field, value));
    }

    /// Deletes an item.
    pub fn remove(&self, vault: &str, item: &str) {
        self.change(|world| {
            world.items(vault).retain(|other| other.title != item);
        });
    }

    /// Makes a second item of the same name, with an id of its own.
    pub fn twin(&self, vault: &str, item: &str) {
        self.change(|world| {
            let twin = world.item(item);
            world.items(vault).push(twin);
        });
    }

    /// The ids of an item's vault and of the item.
    pub fn ids(&self, vault: &str, item: &str) -> (String, String) {
        let world = world_in(&self.directory);
        let vault = world
            .vaults
            .iter()
            .find(|other| other.name == vault)
            .unwrap();
        let item = vault
            .items
            .iter()
            .find(|other| other.title == item)
            .unwrap();
        (vault.id.clone(), item.id.clone())
    }

    /// From now on only this token is known.
    pub fn know_token(&self, token: &str) {
        self.change(|world| world.token = Some(token.to_owned()));
    }

    /// Signs the desktop app in to this account.
    pub fn sign_in(&self, account: &str) {
        self.change(|world| world.desktop = Some(account.to_owned()));
    }

    /// Every run fails with this text.
    pub fn fail_with(&self, text: &str) {
        self.fault(Fault::Says(text.to_owned()));
    }

    /// No run ends.
    pub fn hang(&self) {
        self.fault(Fault::Hangs);
    }

    /// Something goes wrong.
    pub fn fault(&self, fault: Fault) {
        self.change(|world| world.fault = Some(fault));
    }

    /// Nothing goes wrong any more.
    pub fn work(&self) {
        self.change(|world| world.fault = None);
    }

    /// Every run takes this long.
    pub fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.change(|world| world.delay = delay);
    }

    /// Service accounts may make so many requests, counted from now on and anew in so many minutes.
    pub fn allow(&self, requests: u64, minutes: u64) {
        self.change(|world| {
            world.limit = Some((requests, minutes));
            world.used = 0;
        });
    }

    /// How many requests service accounts have made.
    pub fn used(&self) -> u64 {
        world_in(&self.directory).used
    }

    /// How it was run, in order.
    pub fn calls(&self) -> Vec<Call> {
        let journal = fs::read_to_string(self.directory.join(JOURNAL)).unwrap_or_default();
        let call = |line| serde_json::from_str(line).unwrap();
        journal.lines().map(call).collect()
    }

    /// The process that hangs beside a run that hangs, once there is one.
    pub fn hanging(&self) -> Option<String> {
        fs::read_to_string(self.directory.join(HANGING)).ok()
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        in_turn(&self.directory, change);
    }
}

impl World {
    fn set(&mut self, vault: &str, item: &str, field: &str, value: &str) {
        if !self.vaults.iter().any(|other| other.name == vault) {
            let (id, name) = (self.id('v'), vault.to_owned());
            let items = Vec::new();
            self.vaults.push(Vault { id, name, items });
        }
        if !self.items(vault).iter().any(|other| other.title == item) {
            let item = self.item(item);
            self.items(vault).push(item);
        }
        let id = self.id('f');
        let mut items = self.items(vault).iter_mut();
        let item = items.find(|other| other.title == item).unwrap();
        item.version += 1;
        let (section, label) = match field.split_once('/') {
            Some((section, label)) => (Some(section), label),
            None => (None, field),
        };
        let is_it = |other: &&mut Field| {
            let in_section = other.section.as_ref().map(|(_, name)| name.as_str());
            other.label == label && in_section == section
        };
        if let Some(field) = item.fields.iter_mut().find(is_it) {
            value.clone_into(&mut field.value);
            return;
        }
        item.fields.push(Field {
            id,
            section: section.map(|name| (format!("id-of-{name}"), name.to_owned())),
            label: label.to_owned(),
            value: value.to_owned(),
        });
    }

    fn item(&mut self, title: &str) -> Item {
        Item {
            id: self.id('i'),
            title: title.to_owned(),
            version: 0,
            fields: Vec::new(),
        }
    }

    fn items(&mut self, vault: &str) -> &mut Vec<Item> {
        let mut vaults = self.vaults.iter_mut();
        &mut vaults.find(|other| other.name == vault).unwrap().items
    }

    fn id(&mut self, kind: char) -> String {
        self.ids += 1;
        format!("{kind}{:025}", self.ids)
    }
}

/// Changes the world in this directory while nobody else does.
pub fn in_turn<T>(directory: &Path, change: impl FnOnce(&mut World) -> T) -> T {
    let lock = File::create(directory.join("op.lock")).unwrap();
    lock.lock().unwrap();
    let mut world = world_in(directory);
    let changed = change(&mut world);
    // Whoever looks meanwhile without waiting for a turn sees all of it or nothing.
    let (draft, place) = (directory.join("op.draft"), directory.join(WORLD));
    fs::write(&draft, serde_json::to_vec(&world).unwrap()).unwrap();
    fs::rename(draft, place).unwrap();
    changed
}

/// Writes down one run. In turn with others.
pub fn note(directory: &Path, call: &Call) {
    let mut journal = File::options();
    let journal = journal.create(true).append(true);
    let line = format!("{}\n", serde_json::to_string(call).unwrap());
    let mut journal = journal.open(directory.join(JOURNAL)).unwrap();
    journal.write_all(line.as_bytes()).unwrap();
}

fn world_in(directory: &Path) -> World {
    match fs::read(directory.join(WORLD)) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => World::default(),
    }
}

const WORLD: &str = "op.json";
const JOURNAL: &str = "op.calls";
/// Where the number of a process that hangs is written.
pub const HANGING: &str = "op.hanging";
