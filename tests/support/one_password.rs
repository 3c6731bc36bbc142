//! A stand-in for 1Password's program `op`: what it holds, and what goes wrong with it.
//!
//! A real program (`tests/op/main.rs`), linked into a directory under the name `op`. Since the broker
//! clears its environment, its world is beside it. It says what the real one was seen to say, and
//! writes down how it was run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[path = "../op/world.rs"]
pub mod world;

pub use self::world::{Call, Fault, Field, Item, Vault, World};
use self::world::{HANGING, JOURNAL, in_turn, world_in};
use crate::binaries;

/// The stand-in in its directory.
pub struct StandInOp {
    directory: PathBuf,
}

impl StandInOp {
    /// Puts it into this directory, as `op`. It is a link: the account that runs it must be able to reach
    /// the build. It knows no vaults, and asks those without a token to sign in.
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

    /// Service accounts may make so many requests, counted from now on and again in so many minutes.
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
