//! Backups of a vault: what they hold, and what is refused.

use broker_private_files as private;
use broker_scratch::recorded_export;

use super::rekey::{Kept, rekey, to};
use super::*;
use crate::backup::{Backup, BackupError, BackupFiles, BackupInputs, LogAtBackup, Snapshot};
use crate::root_key::put_file;

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery".to_owned())
}

fn log_of(vault: &Vault) -> LogAtBackup {
    let log = vault.log_identity();
    LogAtBackup {
        log_id: log.log_id,
        public_key: log.public_key,
        records: 41,
        head: "00".repeat(32),
    }
}

fn sealed(vault: &Vault, snapshot: &Snapshot) -> Result<Vec<u8>, BackupError> {
    let beside = BackupInputs {
        files: &BackupFiles {
            config: Some("# mine\n".to_owned()),
            ..BackupFiles::default()
        },
        log: &log_of(vault),
        tokend: "0.0.0",
        now: at(9),
    };
    let sealed = vault.seal_backup(snapshot, &beside, &passphrase())?;
    let sha256 = sealed.sha256().to_owned();
    sealed.release(&recorded_export(sha256))
}

async fn backed_up(vault: &Vault) -> Result<Vec<u8>, BackupError> {
    sealed(vault, &vault.snapshot().await?)
}

fn opened(file: &[u8]) -> Result<Backup, BackupError> {
    Backup::open(file, &passphrase())
}

fn refusal(result: Result<impl Sized, BackupError>) -> String {
    result.err().unwrap().to_string()
}

/// A vault of two secrets, one with two versions, and one that was removed.
async fn filled(scratch: &Scratch) -> Vault {
    let vault = scratch.unlocked();
    set(&vault, "one", CANARY).await;
    set(&vault, "one", "ghp_another").await;
    set(&vault, "two", "ghp_of_two").await;
    set(&vault, "gone", "ghp_gone").await;
    vault
        .remove(recorded("gone", 1), ValueRole::InForce)
        .await
        .unwrap();
    vault
}

#[tokio::test]
async fn a_backup_holds_every_version_and_shows_none() {
    let scratch = Scratch::new();
    let vault = filled(&scratch).await;
    let file = backed_up(&vault).await.unwrap();
    let shows = |needle: &[u8]| file.windows(needle.len()).any(|part| part == needle);
    assert!(!shows(CANARY.as_bytes()) && !shows(scratch.root.expose()));
    assert!(!shows(b"SQLite") && !shows(b"org-label"));
    let backup = opened(&file).unwrap();
    backup.check_values().unwrap();
    let manifest = &backup.manifest;
    assert_eq!((manifest.secrets, manifest.versions), (2, 3));
    assert_eq!(manifest.vault, vault.id());
    assert_eq!(manifest.log, log_of(&vault));
    assert_eq!(backup.files.config.as_deref(), Some("# mine\n"));
    assert_eq!(backup.root_key().expose(), scratch.root.expose());
    // Nothing of it is left.
    assert!(!scratch.holds(scratch.root.expose()));
}

#[tokio::test]
async fn a_locked_vault_and_a_short_passphrase_give_none() {
    let scratch = Scratch::new();
    let vault = filled(&scratch).await;
    let snapshot = vault.snapshot().await.unwrap();
    let beside = BackupInputs {
        files: &BackupFiles::default(),
        log: &log_of(&vault),
        tokend: "0.0.0",
        now: at(9),
    };
    let short = Passphrase::new("eleven char".to_owned());
    let error = refusal(vault.seal_backup(&snapshot, &beside, &short));
    assert_eq!(error, "the passphrase needs at least 12 characters");
    vault.lock();
    let locked = sealed(&vault, &snapshot);
    assert!(matches!(
        locked,
        Err(BackupError::Source(VaultError::Locked))
    ));
}

#[tokio::test]
async fn a_record_of_another_backup_lets_none_go() {
    let scratch = Scratch::new();
    let vault = filled(&scratch).await;
    let beside = BackupInputs {
        files: &BackupFiles::default(),
        log: &log_of(&vault),
        tokend: "0.0.0",
        now: at(9),
    };
    let snapshot = vault.snapshot().await.unwrap();
    let sealed = vault
        .seal_backup(&snapshot, &beside, &passphrase())
        .unwrap();
    let sha256 = "00".repeat(32);
    let other = sealed.release(&recorded_export(sha256));
    assert!(matches!(other, Err(BackupError::OtherRecord)));
}

#[tokio::test]
async fn a_vault_under_another_key_is_refused() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let (vault, other) = (filled(&scratch).await, other.unlocked());
    let error = refusal(sealed(&other, &vault.snapshot().await.unwrap()));
    assert!(
        error.contains("the root key beside it is another vault's"),
        "{error}"
    );
}

/// The vault of `scratch` and one whose file was changed by someone without the key.
async fn original_and_edited(sql: &str) -> (Scratch, Scratch) {
    let scratch = Scratch::new();
    drop(filled(&scratch).await);
    let edited = Scratch::new();
    fs::copy(scratch.path(), edited.path()).unwrap();
    edited.edit(sql);
    (scratch, edited)
}

#[tokio::test]
async fn a_row_that_someone_took_away_is_found() {
    let (scratch, edited) =
        original_and_edited("DELETE FROM version WHERE secret = 'one' AND version = 1").await;
    let snapshot = edited.open().snapshot().await.unwrap();
    let error = refusal(sealed(&scratch.unlocked(), &snapshot));
    assert!(
        error.contains("its list of secrets and versions was changed"),
        "{error}"
    );
}

#[tokio::test]
async fn a_value_that_does_not_open_is_named() {
    for sql in [
        "UPDATE version SET envelope = zeroblob(120) WHERE secret = 'one' AND version = 1",
        "UPDATE version SET envelope = (SELECT envelope FROM version WHERE version = 2)
         WHERE secret = 'one' AND version = 1",
        "UPDATE version SET hashed_credential = 'x' WHERE secret = 'one' AND version = 1",
    ] {
        let (scratch, edited) = original_and_edited(sql).await;
        let snapshot = edited.open().snapshot().await.unwrap();
        let file = sealed(&scratch.unlocked(), &snapshot).unwrap();
        let error = refusal(opened(&file).unwrap().check_values());
        assert!(
            error.contains("version 1 of secret `one` does not open"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_restored_vault_goes_on_with_a_log_of_its_own() {
    let scratch = Scratch::new();
    let vault = filled(&scratch).await;
    vault
        .write_tombstones(vec![(lease(1), at(100))], at(3))
        .await
        .unwrap();
    let old_mac = vault.lease_mac("a lease").unwrap().bytes();
    let file = backed_up(&vault).await.unwrap();
    let old_log = vault.log_identity();
    drop(vault);

    let elsewhere = tempfile::tempdir().unwrap();
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o700)).unwrap();
    let path = elsewhere.path().join("vault.db");
    let backup = opened(&file).unwrap();
    assert_eq!(*backup.root_key_source(), RootKeySource::File);
    let root = backup.root_key().copy().unwrap();
    let restoration = backup.restoration(RootKeySource::Keyring, None).unwrap();
    let log = restoration.log().clone();
    let noted = Head {
        records: 2,
        hash: LineHash::from_bytes([5; 32]),
    };
    private::put_new(&path, &restoration.into_image(noted).unwrap()).unwrap();

    let vault = Vault::open(&path).unwrap();
    vault.unlock(root).unwrap();
    assert_eq!(vault.root_key_in_force().source, RootKeySource::Keyring);
    assert_ne!(log.log_id, old_log.log_id);
    assert_eq!(log.public_key, old_log.public_key);
    assert_eq!(vault.log_identity(), log);
    assert_eq!(vault.noted_head(), Some(noted));
    assert_eq!(vault.tombstones().len(), 0);
    assert!(!vault.lease_mac("a lease").unwrap().is(&old_mac));
    assert_eq!(value(&vault, "one", 1).unwrap(), CANARY);
    assert_eq!(value(&vault, "two", 1).unwrap(), "ghp_of_two");
    // No number is given out twice, not even that of a secret that was removed.
    assert_eq!(set(&vault, "one", "ghp_next").await.version, 3);
    assert_eq!(set(&vault, "gone", "ghp_next").await.version, 2);
}

#[tokio::test]
async fn the_passphrase_of_a_vault_stays_only_where_it_is_the_source() {
    let scratch = Scratch::new();
    let typed = Passphrase::new("the vault's own passphrase".to_owned());
    let wrap = Wrap::make(&scratch.root, scratch.new_vault().id, &typed).unwrap();
    fs::remove_file(scratch.path()).unwrap();
    let new = NewVault {
        source: RootKeySource::Passphrase,
        passphrase: Some(wrap),
        ..scratch.new_vault()
    };
    Vault::create(&scratch.path(), new, at(0)).unwrap();
    let file = backed_up(&scratch.unlocked()).await.unwrap();
    for (source, stays) in [
        (RootKeySource::Passphrase, true),
        (RootKeySource::File, false),
    ] {
        let path = scratch.directory.path().join(source.as_str());
        let restoration = opened(&file).unwrap().restoration(source, None).unwrap();
        private::put_new(&path, &restoration.into_image(Head::EMPTY).unwrap()).unwrap();
        let vault = Vault::open(&path).unwrap();
        assert_eq!(vault.root_key_behind(&typed).is_ok(), stays);
    }
}

#[test]
fn a_key_is_put_where_there_is_none_and_no_other_is_written_over() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("root.key");
    let (one, other) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
    assert!(put_file(&path, &one).unwrap());
    assert!(!put_file(&path, &one).unwrap(), "it was there");
    let before = fs::read(&path).unwrap();
    let error = put_file(&path, &other).unwrap_err().to_string();
    assert!(error.contains("holds another key; move it away"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, "half a k").unwrap();
    assert!(put_file(&path, &one).is_err());
}

#[tokio::test]
async fn a_backup_made_after_a_re_key_is_restored_under_the_new_root_key() {
    let kept = Kept::new();
    let vault = kept.start();
    set(&vault, "one", CANARY).await;
    rekey(&vault, &to(RootKeySource::File), &kept).unwrap();
    set(&vault, "two", "ghp_of_two").await;
    let backup = opened(&backed_up(&vault).await.unwrap()).unwrap();
    backup.check_values().unwrap();
    assert_eq!(backup.keyring_entry(), format!("{}.2", vault.id()));
    drop(vault);

    let elsewhere = tempfile::tempdir().unwrap();
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o700)).unwrap();
    let path = elsewhere.path().join("vault.db");
    let root = backup.root_key().copy().unwrap();
    let restoration = backup.restoration(RootKeySource::File, None).unwrap();
    let noted = Head {
        records: 2,
        hash: LineHash::from_bytes([5; 32]),
    };
    private::put_new(&path, &restoration.into_image(noted).unwrap()).unwrap();
    let vault = Vault::open(&path).unwrap();
    vault.unlock(root).unwrap();
    assert_eq!(value(&vault, "one", 1).unwrap(), CANARY);
    assert_eq!(value(&vault, "two", 1).unwrap(), "ghp_of_two");
}

/// A file that `tokenctl backup` of before format 2 wrote. If this fails, old backups no longer open.
#[test]
fn a_backup_of_format_1_opens_with_every_value() {
    let file = include_bytes!("../../../../tests/vectors/backup-format-1.backup");
    let backup = opened(file).unwrap();
    backup.check_values().unwrap();
    assert_eq!(backup.files.authorities, []);
    assert_eq!((backup.manifest.secrets, backup.manifest.versions), (1, 1));
    let config = backup.files.config.as_deref().unwrap();
    assert!(config.contains("before backup format 2"));
    assert_eq!(backup.files.policies[0].name, "site.toml");
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o700)).unwrap();
    let path = scratch.path().join("vault.db");
    let root = backup.root_key().copy().unwrap();
    let restoration = backup.restoration(RootKeySource::File, None).unwrap();
    private::put_new(&path, &restoration.into_image(Head::EMPTY).unwrap()).unwrap();
    let vault = Vault::open(&path).unwrap();
    vault.unlock(root).unwrap();
    assert_eq!(
        value(&vault, "site-token", 1).unwrap(),
        "ghp_of_the_golden_backup"
    );
}
