//! The vault against its file. Here: what the tests share.

mod backup;
mod checks;
mod file;
mod first_seen;
mod minted;
mod rekey;
mod rotation;
mod row_mac;
mod rows;
mod tampering;
mod tunnels;
mod values;
mod warnings;
mod witness;

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use broker_audit::chain::{Head, LineHash};
use broker_clock::Moment;
use broker_protocol::names::LeaseId;
use rusqlite::Connection;
use static_assertions::assert_not_impl_any;

use super::root_key::{KeyLocations, Passphrase, RootKeyError};
use super::*;

assert_not_impl_any!(Vault: Clone, Debug, serde::Serialize);
assert_not_impl_any!(Keys: Clone, Debug);

const CANARY: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

const TO_FORMAT_4: &str = "DROP TABLE tunnel; DROP TABLE witness; DROP TABLE late_tombstone; DROP TABLE first_seen; DROP TABLE exposure_before;
     ALTER TABLE secret_check DROP COLUMN boot_id;
     ALTER TABLE secret_check DROP COLUMN checked_boot;
     ALTER TABLE secret_check DROP COLUMN failed_boot;
     ALTER TABLE minted DROP COLUMN ending; PRAGMA user_version = 4";

struct Scratch {
    directory: tempfile::TempDir,
    root: RootKey,
}

impl Scratch {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let root = RootKey::generate().unwrap();
        let scratch = Self { directory, root };
        Vault::create(&scratch.path(), scratch.new_vault(), at(0)).unwrap();
        scratch
    }

    fn new_vault(&self) -> NewVault<'_> {
        NewVault {
            id: "00112233445566778899aabbccddeeff",
            root: &self.root,
            source: RootKeySource::File,
            passphrase: None,
            recovery: None,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("vault.db")
    }

    fn open(&self) -> Vault {
        Vault::open(&self.path()).unwrap()
    }

    fn unlocked(&self) -> Vault {
        let vault = self.open();
        vault.unlock(self.root.copy().unwrap()).unwrap();
        vault
    }

    fn refusal(&self) -> VaultError {
        Vault::open(&self.path()).err().unwrap()
    }

    /// Changes the file behind the broker's back.
    fn edit(&self, sql: &str) {
        let db = Connection::open(self.path()).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Takes away what came with format 5, as if it had never been there.
    fn age_to_format_4(&self) {
        let (store, state) = Store::open(&self.path()).unwrap();
        let (root, log) = (self.root.copy().unwrap(), &state.list.log);
        let keys = Keys::open(root, &state.key_record.keys, &log.public_key, &self.path());
        let mut keys = keys.unwrap();
        keys.list_form = keys::ListForm::V1;
        let mac = state.list.tag(&keys).bytes();
        drop(store);
        let db = Connection::open(self.path()).unwrap();
        db.execute("UPDATE vault SET list_mac = ?", [mac]).unwrap();
        db.execute_batch(TO_FORMAT_4).unwrap();
    }

    fn holds(&self, needle: &[u8]) -> bool {
        fs::read_dir(self.directory.path()).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return false;
            }
            let content = fs::read(path).unwrap();
            content.windows(needle.len()).any(|part| part == needle)
        })
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// The same in some boot.
fn moment(second: i64) -> Moment {
    let boot = broker_clock::BootId::new("a boot");
    let us = u64::try_from(second).unwrap() * 1_000_000;
    Moment::stored(at(second), Some((boot, us)))
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn lease(digit: u128) -> LeaseId {
    LeaseId::from_random(digit)
}

fn recorded(secret: &str, version: u64) -> Recorded<Use> {
    broker_scratch::recorded(secret, Some(version))
}

fn new(value: AccessToken, expires_at: Option<Timestamp>) -> NewValue {
    NewValue { value, expires_at }
}

fn token(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned())
}

async fn set(vault: &Vault, secret: &str, value: &str) -> StoredSecret {
    let version = vault.reserve_version(&name(secret), at(1)).await.unwrap();
    let usage = recorded(secret, version);
    let new = new(token(value), None);
    let stored = vault.store(usage, new, ValueRole::InForce, at(2)).await;
    stored.unwrap()
}

fn value(vault: &Vault, secret: &str, version: u64) -> Result<String, VaultError> {
    let opened = vault.unseal(recorded(secret, version))?;
    Ok(opened.expose().to_owned())
}
