//! The vault against its file: what it keeps, what it refuses, and what it leaves behind.

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use broker_audit::chain::{Head, LineHash};
use broker_protocol::names::LeaseId;
use rusqlite::Connection;
use static_assertions::assert_not_impl_any;

use super::*;
use crate::audit_log::Why;

assert_not_impl_any!(Vault: Clone, Debug, serde::Serialize);
assert_not_impl_any!(Keys: Clone, Debug);

const CANARY: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

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

    fn holds(&self, needle: &[u8]) -> bool {
        fs::read_dir(self.directory.path()).unwrap().any(|entry| {
            let content = fs::read(entry.unwrap().path()).unwrap();
            content.windows(needle.len()).any(|part| part == needle)
        })
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn lease(digit: u128) -> LeaseId {
    LeaseId::from_random(digit)
}

fn recorded(secret: &str, version: u64) -> Recorded<Use> {
    let usage = Use {
        secret: name(secret),
        version: Some(version),
        why: Why::Upkeep,
    };
    Recorded::in_a_test(usage, 7)
}

fn token(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned())
}

async fn set(vault: &Vault, secret: &str, value: &str) -> Held {
    let version = vault.reserve_version(&name(secret), at(1)).await.unwrap();
    let usage = recorded(secret, version);
    vault.store(usage, token(value), None, at(2)).await.unwrap()
}

fn value(vault: &Vault, secret: &str, version: u64) -> Result<String, VaultError> {
    let opened = vault.unseal(recorded(secret, version))?;
    Ok(opened.expose().to_owned())
}

#[tokio::test]
async fn a_secret_is_there_again_after_a_restart_and_is_known_while_locked() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let version = vault.reserve_version(&name("one"), at(1)).await.unwrap();
    let end = Some(at(90 * 86_400));
    let usage = recorded("one", version);
    let stored = vault.store(usage, token(CANARY), end, at(2)).await.unwrap();
    drop(vault);

    let vault = scratch.open();
    assert!(vault.is_locked());
    let held = vault.held(&name("one")).unwrap();
    assert_eq!(held, stored);
    assert_eq!(held.version, 1);
    assert_eq!(held.kind, Some(Kind::Classic));
    assert_eq!(held.hashed_credential, token(CANARY).hashed());
    assert_eq!((held.created_at, held.set_at), (at(1), at(2)));
    assert_eq!(held.expires_at, end);
    assert_eq!(vault.list(), [(name("one"), held)]);
    assert!(matches!(value(&vault, "one", 1), Err(VaultError::Locked)));
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert_eq!(value(&vault, "one", 1).unwrap(), CANARY);
}

#[tokio::test]
async fn exactly_the_recorded_version_is_opened() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    set(&vault, "one", "second").await;
    assert_eq!(value(&vault, "one", 1).unwrap(), "first");
    assert_eq!(value(&vault, "one", 2).unwrap(), "second");
    let error = value(&vault, "one", 3).unwrap_err();
    assert!(matches!(error, VaultError::NoVersion { version: 3, .. }));
    let error = value(&vault, "two", 1).unwrap_err();
    assert!(matches!(error, VaultError::NoValue(_)), "{error}");
}

#[tokio::test]
async fn after_locking_nothing_opens_and_nothing_changes_until_unlocked() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", CANARY).await;
    assert!(vault.keys_are_in_locked_memory().is_some());
    vault.lock();
    assert!(vault.is_locked());
    assert_eq!(vault.keys_are_in_locked_memory(), None);
    let locked = |result: Result<(), VaultError>| matches!(result, Err(VaultError::Locked));
    assert!(locked(value(&vault, "one", 1).map(drop)));
    assert!(locked(vault.lease_mac("x").map(drop)));
    assert!(locked(
        vault.reserve_version(&name("one"), at(3)).await.map(drop)
    ));
    let stored = vault.store(recorded("one", 2), token("x"), None, at(3));
    assert!(locked(stored.await.map(drop)));
    assert!(locked(vault.remove(recorded("one", 1)).await));
    // A revocation takes effect all the same.
    vault.bury(vec![(lease(1), at(9))], at(3)).await.unwrap();
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert_eq!(value(&vault, "one", 1).unwrap(), CANARY);
}

#[tokio::test]
async fn a_version_is_given_out_once_and_stored_in_order() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let reserved = [
        vault.reserve_version(&name("one"), at(1)).await.unwrap(),
        vault.reserve_version(&name("one"), at(1)).await.unwrap(),
    ];
    assert_eq!(reserved, [1, 2]);
    assert_eq!(vault.held(&name("one")), None);
    let store = |version| vault.store(recorded("one", version), token("x"), None, at(2));
    for never_reserved in [0, 3] {
        let error = store(never_reserved).await.unwrap_err();
        assert!(matches!(error, VaultError::Conflict { .. }), "{error}");
    }
    assert_eq!(store(2).await.unwrap().version, 2);
    for too_late in [1, 2] {
        let error = store(too_late).await.unwrap_err();
        assert!(matches!(error, VaultError::Conflict { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_memory_and_database_in_step() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.reserve_version(&name("one"), at(1)).await.unwrap();
    {
        let storing = vault.store(recorded("one", 1), token(CANARY), None, at(2));
        // Polled once, so the request is on its way, and then dropped.
        let given_up = tokio::time::timeout(Duration::ZERO, storing).await;
        drop(given_up);
    }
    vault.settle().await.unwrap();
    let seen = vault.held(&name("one"));
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.held(&name("one")), seen);
    assert_eq!(value(&vault, "one", 1).unwrap(), CANARY);
}

#[tokio::test]
async fn the_value_is_in_no_file_and_a_removed_one_not_even_sealed() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", CANARY).await;
    set(&vault, "two", "something else").await;
    assert!(!scratch.holds(CANARY.as_bytes()));
    assert!(!scratch.holds(&CANARY.as_bytes()[4..20]));
    assert!(!scratch.holds(scratch.root.expose()));
    let sealed = {
        let state = known(vault.shared.state.read());
        state.list.secrets[&name("one")].versions[0]
            .envelope
            .to_vec()
    };
    assert!(scratch.holds(&sealed));
    vault.remove(recorded("one", 1)).await.unwrap();
    assert!(!scratch.holds(&sealed));
    assert!(!scratch.holds(&sealed[65..]));
    assert_eq!(vault.held(&name("one")), None);
    assert!(matches!(
        value(&vault, "one", 1),
        Err(VaultError::NoValue(_))
    ));
    let again = vault.remove(recorded("one", 1)).await;
    assert!(matches!(again, Err(VaultError::NoValue(_))));
    drop(vault);
    assert!(!scratch.holds(&sealed));
    let vault = scratch.unlocked();
    assert_eq!(value(&vault, "two", 1).unwrap(), "something else");
}

#[tokio::test]
async fn a_removed_secret_that_comes_back_does_not_count_from_one_again() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    vault.remove(recorded("one", 1)).await.unwrap();
    drop(vault);
    let vault = scratch.unlocked();
    let version = vault.reserve_version(&name("one"), at(5)).await.unwrap();
    assert_eq!(version, 2);
    let usage = recorded("one", 2);
    let held = vault.store(usage, token("new"), None, at(6)).await.unwrap();
    assert_eq!((held.version, held.created_at), (2, at(5)));
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused_and_the_vault_stays_as_it_was() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let error = vault.unlock(RootKey::generate().unwrap()).unwrap_err();
    assert!(matches!(error, VaultError::WrongKey(_)));
    let text = error.to_string();
    assert!(
        text.starts_with("this key does not fit the vault /"),
        "{text}"
    );
    assert!(vault.is_locked());
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert!(vault.unlock(RootKey::generate().unwrap()).is_err());
    assert!(!vault.is_locked());
}

#[tokio::test]
async fn a_row_that_was_changed_or_moved_does_not_open() {
    for (sql, secret) in [
        (
            "UPDATE version SET envelope = x'00' WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET hashed_credential = 'x' WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET expires_at = 4102444800000000 WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET set_at = set_at + 1 WHERE secret = 'a'",
            "a",
        ),
        ("UPDATE version SET kind = 'app' WHERE secret = 'a'", "a"),
        (
            "UPDATE version SET envelope =
                (SELECT envelope FROM version WHERE secret = 'a') WHERE secret = 'b'",
            "b",
        ),
    ] {
        let scratch = Scratch::new();
        let vault = scratch.unlocked();
        set(&vault, "a", CANARY).await;
        set(&vault, "b", CANARY).await;
        drop(vault);
        scratch.edit(sql);
        let vault = scratch.unlocked();
        let error = value(&vault, secret, 1).unwrap_err();
        assert!(
            matches!(error, VaultError::Tampered { .. }),
            "{sql}: {error}"
        );
        let other = if secret == "a" { "b" } else { "a" };
        assert_eq!(value(&vault, other, 1).unwrap(), CANARY, "{sql}");
    }
}

#[tokio::test]
async fn a_row_that_is_missing_or_put_back_is_noticed_when_unlocking() {
    for sql in [
        "DELETE FROM version WHERE secret = 'a' AND version = 2",
        "DELETE FROM version; DELETE FROM secret",
        "UPDATE secret SET last_version = 9 WHERE name = 'a'",
        "UPDATE secret SET created_at = 0",
        "INSERT INTO secret VALUES ('c', 0, 0)",
        "UPDATE vault SET log_id = '00000000000000000000000000000000'",
        "UPDATE vault SET log_public_key = 'AAAA'",
        "UPDATE vault SET changes = changes + 1",
        "UPDATE vault SET mac_key = (SELECT log_seed FROM vault)",
    ] {
        let scratch = Scratch::new();
        let vault = scratch.unlocked();
        set(&vault, "a", "first").await;
        set(&vault, "a", "second").await;
        set(&vault, "b", "other").await;
        drop(vault);
        scratch.edit(sql);
        let error = scratch.open().unlock(scratch.root.copy().unwrap());
        let error = error.unwrap_err();
        assert!(
            matches!(error, VaultError::Tampered { .. }),
            "{sql}: {error}"
        );
        assert!(error.to_string().contains("put back a backup"), "{error}");
    }
}

#[tokio::test]
async fn a_vault_put_back_to_yesterdays_copy_is_found_by_the_log() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "a", "first").await;
    drop(vault);
    let yesterday = fs::read(scratch.path()).unwrap();
    let vault = scratch.unlocked();
    set(&vault, "a", "second").await;
    // Reserved and recorded, and then the broker died: the vault has heard of it.
    let reserved = vault.reserve_version(&name("b"), at(1)).await.unwrap();
    let log = BTreeMap::from([(name("a"), 2), (name("b"), reserved)]);
    vault.check_not_put_back(&log).unwrap();
    drop(vault);
    fs::write(scratch.path(), yesterday).unwrap();
    let vault = scratch.unlocked();
    let error = vault.check_not_put_back(&log).unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::PutBack {
                recorded: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_vault_from_a_newer_version_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    scratch.edit("PRAGMA user_version = 2");
    let before = fs::read(scratch.path()).unwrap();
    let error = scratch.refusal();
    assert!(matches!(
        error,
        VaultError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(
        error.to_string().contains("install the newer tokend"),
        "{error}"
    );
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn modes_that_are_too_open_are_refused_with_the_command_that_mends_them() {
    let scratch = Scratch::new();
    for (path, wrong, right) in [
        (scratch.path(), 0o640, 0o600),
        (scratch.directory.path().to_owned(), 0o750, 0o700),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(wrong)).unwrap();
        let error = scratch.refusal().to_string();
        let mend = format!("run: chmod {right:04o} {}", path.display());
        assert!(error.contains(&mend), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(right)).unwrap();
    }
    drop(scratch.open());
}

#[test]
fn all_files_are_closed_to_others() {
    let scratch = Scratch::new();
    let _vault = scratch.unlocked();
    for entry in fs::read_dir(scratch.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_mend() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    for number in 0..50 {
        set(&vault, &format!("secret-{number}"), CANARY).await;
    }
    drop(vault);
    let whole = fs::read(scratch.path()).unwrap();
    let mut overwritten = whole.clone();
    overwritten[..4096].fill(0x5a);
    for torn in [&whole[..whole.len() / 2], &whole[..4096], &overwritten] {
        fs::write(scratch.path(), torn).unwrap();
        let error = scratch.refusal();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("put back a backup"), "{error}");
    }
    fs::write(scratch.path(), "").unwrap();
    assert!(matches!(scratch.refusal(), VaultError::NotAVault(_)));
    fs::remove_file(scratch.path()).unwrap();
    assert!(matches!(scratch.refusal(), VaultError::Missing(_)));
}

#[test]
fn another_programs_database_is_not_taken_for_a_vault() {
    let scratch = Scratch::new();
    scratch.edit("PRAGMA application_id = 1");
    assert!(matches!(scratch.refusal(), VaultError::NotAVault(_)));
}

#[test]
fn a_word_the_vault_never_writes_is_damage_and_no_panic() {
    for sql in [
        "UPDATE vault SET root_key_source = 'hsm'",
        "UPDATE vault SET noted_records = -1, noted_hash = zeroblob(32)",
        "UPDATE vault SET noted_records = 1, noted_hash = x'00'",
        "DELETE FROM vault",
        "INSERT INTO secret VALUES ('../x', 0, 1)",
        "INSERT INTO secret VALUES ('x', 9223372036854775807, 1)",
        "INSERT INTO tombstone VALUES ('x', 1)",
        "INSERT INTO exposure VALUES ('x', -1, 'p', 0, 1)",
        "PRAGMA user_version = 0",
    ] {
        let scratch = Scratch::new();
        scratch.edit(sql);
        let error = scratch.refusal();
        assert!(
            matches!(error, VaultError::Damaged { .. }),
            "{sql}: {error}"
        );
    }
}

#[test]
fn a_second_broker_on_the_same_vault_is_told_so() {
    let scratch = Scratch::new();
    let first = scratch.open();
    assert!(matches!(scratch.refusal(), VaultError::InUse(_)));
    drop(first);
    drop(scratch.open());
}

#[test]
fn a_vault_that_is_there_is_never_replaced() {
    let scratch = Scratch::new();
    let before = fs::read(scratch.path()).unwrap();
    let again = Vault::create(&scratch.path(), scratch.new_vault(), at(1));
    assert!(matches!(again, Err(VaultError::Exists(_))));
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn what_an_interrupted_creation_left_is_no_obstacle() {
    let scratch = Scratch::new();
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.directory.path().join("vault.db.new"), "torn").unwrap();
    Vault::create(&scratch.path(), scratch.new_vault(), at(1)).unwrap();
    let files = fs::read_dir(scratch.directory.path()).unwrap().count();
    assert_eq!(files, 1);
    drop(scratch.unlocked());
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_says_so() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    vault.reserve_version(&name("one"), at(1)).await.unwrap();
    let limit = Request::LimitPages;
    vault.ask(limit).await.unwrap();
    let long = "x".repeat(60_000);
    let stored = vault.store(recorded("one", 2), token(&long), None, at(2));
    let error = stored.await.unwrap_err();
    assert!(matches!(error, VaultError::Storage { .. }), "{error}");
    assert_eq!(vault.held(&name("one")).unwrap().version, 1);
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(value(&vault, "one", 1).unwrap(), "first");
    assert_eq!(vault.held(&name("one")).unwrap().version, 1);
}

#[test]
fn a_leases_mac_is_bound_to_the_text_the_vault_and_the_log() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let mac = vault.lease_mac("covered").unwrap();
    assert!(vault.verify_lease_mac("covered", &mac).unwrap());
    assert!(!vault.verify_lease_mac("coverex", &mac).unwrap());
    assert!(!vault.verify_lease_mac("covered", &[0; 32]).unwrap());
    let other = Scratch::new().unlocked();
    assert!(!other.verify_lease_mac("covered", &mac).unwrap());
    drop(vault);
    let vault = scratch.unlocked();
    assert!(vault.verify_lease_mac("covered", &mac).unwrap());
    vault.begin_new_log().unwrap();
    assert!(!vault.verify_lease_mac("covered", &mac).unwrap());
}

/// HMAC-SHA256 by another implementation: Python's `hmac.digest(bytes(range(32)),
/// b"tokend lease v1\0" + b"0"*32 + b"\0covered", "sha256")`. If this fails, no lease in the field
/// survives an upgrade.
#[test]
fn a_leases_mac_is_the_one_written_down() {
    let scratch = Scratch::new();
    let (mut sealed, public_key) = SealedKeys::make(&scratch.root, "v").unwrap();
    let purpose = envelope::purpose("tokend mac key v1", "v", 1);
    let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    sealed.mac = envelope::seal_key(scratch.root.expose(), &purpose, &key).unwrap();
    let root = scratch.root.copy().unwrap();
    let keys = Keys::open(root, &sealed, &public_key, &scratch.path()).unwrap();
    let vault = scratch.unlocked();
    *known(vault.shared.keys.write()) = Some(keys);
    known(vault.shared.state.write()).list.log.log_id = "0".repeat(32);
    let mac = vault.lease_mac("covered").unwrap();
    assert_eq!(LineHash::from_bytes(mac).to_string(), LEASE_MAC);
}

const LEASE_MAC: &str = "2b77029f3627d50897cfe9e6b368b014234ecec2de1dbe50135d9201e7da33f7";

#[test]
fn the_log_is_named_once_and_a_new_one_keeps_the_key_and_has_nothing_noted() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let first = vault.log_identity();
    assert_eq!(first.log_id.len(), 32);
    assert!(matches!(vault.begin_new_log(), Err(VaultError::Locked)));
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    vault.note(Head::EMPTY, Vec::new());
    let second = vault.begin_new_log().unwrap();
    assert_ne!(first.log_id, second.log_id);
    assert_eq!(first.public_key, second.public_key);
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.log_identity(), second);
    assert_eq!(vault.noted_head(), None);
}

#[tokio::test]
async fn figures_and_the_noted_head_survive_together() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    let head = Head {
        records: 3,
        hash: LineHash::of(b"x"),
    };
    let raw = |second, version| UsageDelta {
        secret: name("one"),
        version,
        leases: 2,
        at: at(second),
        exposed_to: Some((1000, "label-sync".parse().unwrap())),
    };
    vault.note(Head::EMPTY, vec![raw(4, Some(1))]);
    vault.note(head, vec![raw(6, Some(1)), raw(5, Some(1))]);
    vault.settle().await.unwrap();
    let usage = vault.usage(&name("one"));
    assert_eq!(usage.last_used, Some(at(6)));
    let [exposure] = &usage.exposed_to[..] else {
        panic!("{usage:?}");
    };
    assert_eq!(
        (exposure.uid, exposure.leases, exposure.last),
        (1000, 6, at(6))
    );
    drop(vault);

    let vault = scratch.unlocked();
    assert_eq!(vault.noted_head(), Some(head));
    assert_eq!(vault.usage(&name("one")), usage);
    // A new value is known to nobody yet, and a late note about the old one changes nothing.
    set(&vault, "one", "second").await;
    vault.note(head, vec![raw(7, Some(1))]);
    vault.settle().await.unwrap();
    assert_eq!(vault.usage(&name("one")).exposed_to, []);
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.usage(&name("one")).exposed_to, []);
    assert_eq!(vault.usage(&name("one")).last_used, Some(at(7)));
}

#[tokio::test]
async fn a_secret_from_elsewhere_has_figures_too() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let delta = UsageDelta {
        secret: name("from-env"),
        version: None,
        leases: 1,
        at: at(1),
        exposed_to: Some((0, "label-sync".parse().unwrap())),
    };
    vault.note(Head::EMPTY, vec![delta]);
    drop(vault);
    let usage = scratch.open().usage(&name("from-env"));
    assert_eq!((usage.last_used, usage.exposed_to.len()), (Some(at(1)), 1));
}

#[tokio::test]
async fn tombstones_last_until_their_lease_would_have_ended() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let buried = vec![(lease(1), at(10)), (lease(2), at(20))];
    vault.bury(buried, at(0)).await.unwrap();
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.tombstones().len(), 2);
    vault.bury(vec![(lease(3), at(30))], at(15)).await.unwrap();
    let left = HashMap::from([(lease(2), at(20)), (lease(3), at(30))]);
    assert_eq!(vault.tombstones(), left);
    drop(vault);
    assert_eq!(scratch.open().tombstones(), left);
}

#[test]
fn a_passphrase_or_the_recovery_passphrase_unlocks() {
    let scratch = Scratch::new();
    fs::remove_file(scratch.path()).unwrap();
    let passphrase = |text: &str| Passphrase::new(text.to_owned());
    let new = scratch.new_vault();
    let wrap = |text| Some(Wrap::make(&scratch.root, new.id, &passphrase(text)).unwrap());
    let new = NewVault {
        source: RootKeySource::Passphrase,
        passphrase: wrap("the usual passphrase"),
        recovery: wrap("the one in the safe"),
        ..scratch.new_vault()
    };
    Vault::create(&scratch.path(), new, at(0)).unwrap();
    let vault = scratch.open();
    assert!(vault.has_recovery_passphrase());
    for (text, which) in [
        ("the usual passphrase", "passphrase"),
        ("the one in the safe", "recovery"),
    ] {
        let (key, by) = vault.root_key_behind(&passphrase(text)).unwrap();
        assert_eq!(by, which);
        vault.unlock(key).unwrap();
        vault.lock();
    }
    let wrong = vault.root_key_behind(&passphrase("something else"));
    assert!(matches!(wrong, Err(RootKeyError::WrongPassphrase)));
    let at = Surroundings {
        key_file: scratch.directory.path().join("root.key"),
        credentials: None,
        keyring: root_key::Keyring::SESSION,
    };
    let nobody_typed = vault.fetch_root_key(&at);
    assert!(matches!(nobody_typed, Err(RootKeyError::PassphraseNeeded)));
}

#[test]
fn a_vault_without_passphrases_says_where_its_key_comes_from() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let tried = vault.root_key_behind(&Passphrase::new("whatever".to_owned()));
    let error = tried.err().unwrap().to_string();
    assert!(
        error.contains("its root key comes from the file"),
        "{error}"
    );
}
