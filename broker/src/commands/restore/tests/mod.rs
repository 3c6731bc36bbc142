//! `restore` on scratch directories, with keyrings that are not the machine's.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use broker_audit::files::{self, Tail};
use broker_clock::SystemClock;
use broker_policy::PolicyFile;
use broker_scratch::recorded_export;
use broker_vault::backup::{Authorities, BackupFiles, BackupInputs, LogAtBackup};
use broker_vault::root_key::{Passphrase, RootKey, RootKeyError};
use broker_vault::{NewVault, Vault};
use jiff::Timestamp;

use super::*;

mod in_the_way;
mod interrupted;
mod named_files;

const VAULT: &str = "00112233445566778899aabbccddeeff";

thread_local! {
    /// What the keyring of this test was given to keep.
    static KEPT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

const KEYRING: Keyring = Keyring {
    probe: || Ok(()),
    keep: |id, _| {
        KEPT.with_borrow_mut(|kept| kept.push(id.to_owned()));
        Ok(())
    },
    read: |id| Err(RootKeyError::NotInKeyring(id.to_owned())),
    erase: |_| Ok(()),
};

fn now() -> Timestamp {
    "2026-11-21T07:00:00Z".parse().unwrap()
}

/// Where something is backed up, and where it is restored.
struct Machines {
    _scratch: tempfile::TempDir,
    places: Paths,
    file: Vec<u8>,
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery".to_owned())
}

impl Machines {
    fn new() -> Self {
        Self::with("# mine\n", &[])
    }

    /// With this configuration and what the files that it names hold.
    fn with(config: &str, authorities: &[(&'static str, &str)]) -> Self {
        let authorities: Vec<_> = authorities
            .iter()
            .map(|(table, pem)| Authorities {
                table,
                pem: pem.as_bytes().to_vec(),
            })
            .collect();
        let scratch = tempfile::tempdir().unwrap();
        let old = scratch.path().join("old");
        private::make_directory(&old).unwrap();
        let root = RootKey::generate().unwrap();
        let new = NewVault {
            id: VAULT,
            root: &root,
            source: RootKeySource::File,
            passphrase: None,
            recovery: None,
        };
        let path = old.join("vault.db");
        let log = Vault::create(&path, new, now()).unwrap();
        let vault = Vault::open(&path).unwrap();
        vault.unlock(root).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let snapshot = runtime.unwrap().block_on(vault.snapshot()).unwrap();
        let policy = PolicyFile {
            name: "secrets.toml".to_owned(),
            text: "# none\n".to_owned(),
        };
        let files = BackupFiles {
            config: Some(config.to_owned()),
            policies: vec![policy],
            authorities,
        };
        let log = LogAtBackup {
            log_id: log.log_id,
            public_key: log.public_key,
            records: 41,
            head: "ab".repeat(32),
        };
        let beside = BackupInputs {
            files: &files,
            log: &log,
            tokend: "0.0.0",
            now: now(),
        };
        let sealed = vault
            .seal_backup(&snapshot, &beside, &passphrase())
            .unwrap();
        let sha256 = sealed.sha256().to_owned();
        let file = sealed.release(&recorded_export(sha256)).unwrap();
        Self {
            places: Paths::below(&scratch.path().join("new")),
            _scratch: scratch,
            file,
        }
    }

    fn options(&self, root_key: RootKeySource) -> RestoreOptions {
        RestoreOptions {
            backup: Backup::open(&self.file, &passphrase()).unwrap(),
            sha256: "cd".repeat(32),
            root_key,
            passphrase: None,
            keyring: KEYRING,
        }
    }

    fn restore(&self, options: RestoreOptions) -> Result<Restored, RestoreError> {
        restore(&self.places, options, Arc::new(SystemClock::new().unwrap()))
    }

    fn restored(&self) -> Restored {
        self.restore(self.options(RootKeySource::File)).unwrap()
    }

    fn refusal(&self) -> String {
        let refused = self.restore(self.options(RootKeySource::File));
        refused.unwrap_err().to_string()
    }

    fn staging(&self) -> PathBuf {
        self.places.data.join("restoring")
    }

    fn assert_whole(&self) {
        let places = &self.places;
        assert!(!self.staging().exists());
        let vault = Vault::open(&places.vault).unwrap();
        let key = put_file(&places.root_key, &self.root_key());
        assert!(!key.unwrap(), "the key is there");
        vault.unlock(self.root_key()).unwrap();
        let verified = files::verify(std::slice::from_ref(&places.audit), Tail::Closed, 1).unwrap();
        let noted = vault.noted_head().unwrap();
        assert_eq!(verified.report.records(), noted.records);
        let text = fs::read_to_string(places.audit.join("00000000000000000000.jsonl")).unwrap();
        assert!(text.contains(&vault.log_identity().log_id), "{text}");
        assert_eq!(text.matches("vault.restored").count(), 1, "{text}");
    }

    fn root_key(&self) -> RootKey {
        let backup = Backup::open(&self.file, &passphrase()).unwrap();
        backup.root_key().copy().unwrap()
    }
}

#[test]
fn everything_is_put_in_place_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;

    let machines = Machines::new();
    let restored = machines.restored();
    assert!(restored.log.is_some());
    machines.assert_whole();
    let places = &machines.places;
    for (path, mode) in [
        (&places.data, 0o700),
        (&places.policies, 0o700),
        (&places.audit, 0o700),
        (&places.config, 0o600),
        (&places.root_key, 0o600),
        (&places.vault, 0o600),
    ] {
        let found = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(&places.config).unwrap(), "# mine\n");
    let policy = places.policies.join("secrets.toml");
    assert_eq!(fs::read_to_string(policy).unwrap(), "# none\n");
}

#[test]
fn the_first_records_of_the_new_log_name_the_old_one() {
    let machines = Machines::new();
    machines.restored();
    let first = machines.places.audit.join("00000000000000000000.jsonl");
    let text = fs::read_to_string(first).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().contains(r#""kind":"log.opened""#));
    let restored = lines.find(|line| line.contains("vault.restored")).unwrap();
    let restored: serde_json::Value = serde_json::from_str(restored).unwrap();
    assert_eq!(restored["old_records"], 41);
    assert_eq!(restored["old_head"], "ab".repeat(32));
    assert_eq!(restored["vault"], VAULT);
    assert_eq!(restored["sha256"], "cd".repeat(32));
    assert_eq!(restored["root_key"], "file");
    assert!(text.lines().count() <= 3, "{text}");
}

#[test]
fn the_root_key_goes_where_it_was_asked_to() {
    let machines = Machines::new();
    machines
        .restore(machines.options(RootKeySource::Keyring))
        .unwrap();
    assert!(!machines.places.root_key.exists());
    assert_eq!(KEPT.take(), [VAULT]);
    let vault = Vault::open(&machines.places.vault).unwrap();
    assert_eq!(vault.root_key_in_force().source, RootKeySource::Keyring);

    let machines = Machines::new();
    let typed = Passphrase::new("the vault's own passphrase".to_owned());
    let options = RestoreOptions {
        passphrase: Some(Wrap::make(&machines.root_key(), VAULT, &typed).unwrap()),
        ..machines.options(RootKeySource::Passphrase)
    };
    machines.restore(options).unwrap();
    assert!(!machines.places.root_key.exists());
    let vault = Vault::open(&machines.places.vault).unwrap();
    vault
        .unlock(vault.root_key_behind(&typed).unwrap().0)
        .unwrap();

    let machines = Machines::new();
    let credential = machines.restore(machines.options("credential".parse().unwrap()));
    assert!(matches!(credential, Err(RestoreError::Credential)));
    assert!(!machines.places.vault.exists());
}
