//! What the stand-in for `op` holds, in a file beside it that test and program take turns at.
//!
//! A file of its own, so that the program is built of no more than it needs: tests start it often.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

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
    /// Requests that service accounts may make, and in how many minutes they are counted from the beginning.
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
    /// What it holds.
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

/// Changes the world in this directory while no one else does.
pub fn in_turn<T>(directory: &Path, change: impl FnOnce(&mut World) -> T) -> T {
    let lock = File::create(directory.join("op.lock")).unwrap();
    lock.lock().unwrap();
    let mut world = world_in(directory);
    let changed = change(&mut world);
    // A reader that does not wait for its turn sees all of it or nothing.
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

/// The world as it is just now.
pub fn world_in(directory: &Path) -> World {
    match fs::read(directory.join(WORLD)) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => World::default(),
    }
}

const WORLD: &str = "op.json";
/// Where runs are written down.
pub const JOURNAL: &str = "op.calls";
/// Where the number of a process that hangs is written.
pub const HANGING: &str = "op.hanging";
