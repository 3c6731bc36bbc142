//! `restore` on scratch directories, with keyrings that are not the machine's.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use broker_audit::files::{self, Tail};
use broker_clock::SystemClock;
use broker_policy::PolicyFile;
use broker_scratch::recorded_export;
use broker_vault::backup::{Authorities, BackupInputs, LogAtBackup};
use broker_vault::root_key::{Passphrase, RootKey, RootKeyError};
use broker_vault::{NewVault, Vault};
use jiff::Timestamp;

use super::*;

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
        let policies = [PolicyFile {
            name: "secrets.toml".to_owned(),
            text: "# none\n".to_owned(),
        }];
        let log = LogAtBackup {
            log_id: log.log_id,
            public_key: log.public_key,
            records: 41,
            head: "ab".repeat(32),
        };
        let beside = BackupInputs {
            config: Some(config),
            policies: &policies,
            authorities: &authorities,
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

    fn is_whole(&self) {
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
    assert!(!restored.finished_earlier && restored.log.is_some());
    machines.is_whole();
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
fn whatever_is_there_is_named_with_the_mend_and_left_as_it_is() {
    for (at, why) in [
        ("vault.db", "a vault"),
        ("audit/00000000000000000000.jsonl", "an audit log"),
        ("audit/notes", "an audit log"),
        ("tokend.toml", "another configuration"),
        ("policies/secrets.toml", "another policy"),
        ("policies/more.toml", "a policy that is not in the backup"),
        ("root.key", "holds another key"),
    ] {
        let machines = Machines::new();
        let path = machines.places.data.join(at);
        private::make_directory(path.parent().unwrap()).unwrap();
        private::write_new(&path, b"# somebody's\n").unwrap();
        let error = machines.refusal();
        assert!(error.contains(why), "{at}: {error}");
        assert!(error.contains("mv "), "{at}: {error}");
        assert_eq!(fs::read(&path).unwrap(), b"# somebody's\n", "{at}");
        assert!(at == "vault.db" || !machines.places.vault.exists(), "{at}");
    }
}

#[test]
fn what_is_there_already_and_the_same_is_no_hindrance() {
    let machines = Machines::new();
    let places = &machines.places;
    private::make_directory(&places.policies).unwrap();
    private::write_new(&places.config, b"# mine\n").unwrap();
    private::write_new(&places.policies.join("secrets.toml"), b"# none\n").unwrap();
    private::make_directory(&places.audit).unwrap();
    put_file(&places.root_key, &machines.root_key()).unwrap();
    machines.restored();
    machines.is_whole();
}

#[test]
fn a_second_run_finds_a_vault_and_refuses() {
    let machines = Machines::new();
    machines.restored();
    let before = fs::read(&machines.places.vault).unwrap();
    let error = machines.refusal();
    assert!(error.contains("vault.db (a vault)"), "{error}");
    assert!(error.contains("an audit log"), "{error}");
    assert_eq!(fs::read(&machines.places.vault).unwrap(), before);
}

/// Takes back the last steps of a restore, as if it had been interrupted before them.
#[test]
fn an_interrupted_run_is_finished_or_begun_anew() {
    let machines = Machines::new();
    let places = &machines.places;
    let log_id = machines.restored().log.unwrap().log_id;
    // All is in place, and the staging directory is left over.
    let staging = Staging::beside(places);
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::hard_link(&places.vault, machines.staging().join("vault.db")).unwrap();
    assert!(machines.restored().finished_earlier);
    machines.is_whole();
    // The log is in place, and the vault is not.
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    let other = RestoreOptions {
        sha256: "ef".repeat(32),
        ..machines.options(RootKeySource::File)
    };
    let error = machines.restore(other).unwrap_err().to_string();
    assert!(error.contains("restore of another backup"), "{error}");
    assert!(machines.restored().finished_earlier);
    machines.is_whole();
    // Neither is.
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    fs::rename(&places.audit, machines.staging().join("audit")).unwrap();
    let anew = machines.restored();
    assert!(!anew.finished_earlier);
    assert_ne!(anew.log.unwrap().log_id, log_id);
    machines.is_whole();
}

#[test]
fn somebody_elses_log_beside_a_staged_vault_is_not_taken_for_ours() {
    let machines = Machines::new();
    let places = &machines.places;
    let log_id = machines.restored().log.unwrap().log_id;
    Staging::beside(places)
        .begin(&"cd".repeat(32), &log_id)
        .unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    let first = places.audit.join("00000000000000000000.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replace(&log_id, VAULT)).unwrap();
    let error = machines.refusal();
    assert!(
        error.contains("an audit log, which cannot be joined"),
        "{error}"
    );
    assert!(!places.vault.exists());
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
    assert_eq!(vault.root_key_source(), RootKeySource::Keyring);

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

#[test]
fn a_directory_in_use_is_left_alone() {
    let machines = Machines::new();
    private::make_directory(&machines.places.data).unwrap();
    let _broker = lock(&machines.places.data).unwrap();
    let error = machines.refusal();
    assert!(error.contains("in use by another tokend"), "{error}");
}

#[test]
fn a_file_named_beside_the_configuration_is_put_there() {
    let config = "[github]\nca = \"tls/acme.pem\"\n";
    let machines = Machines::with(config, &[("github", "acme")]);
    assert_eq!(machines.restored().notes, [""; 0]);
    machines.is_whole();
    let places = &machines.places;
    assert_eq!(fs::read_to_string(&places.config).unwrap(), config);
    let file = places.data.join("tls/acme.pem");
    assert_eq!(fs::read_to_string(file).unwrap(), "acme");
}

#[test]
fn a_file_named_elsewhere_goes_beside_the_configuration_which_then_names_it_there() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (github, op) = (
        elsewhere.path().join("a.pem"),
        elsewhere.path().join("b.pem"),
    );
    let config = format!(
        "[onepassword]\ntoken = 'vault'\nconnect = 'https://op.example'\nca = '{}' # theirs\n\
         [github]\nca = \"{}\"\n",
        op.display(),
        github.display()
    );
    let authorities = [("github", "acme"), ("onepassword", "op")];
    let machines = Machines::with(&config, &authorities);
    let notes = machines.restored().notes;
    assert!(notes[0].contains("restored-github-ca.pem"), "{notes:?}");
    machines.is_whole();
    let places = &machines.places;
    let text = fs::read_to_string(&places.config).unwrap();
    let config = Config::parse(&text, &places.config, 0).unwrap();
    assert!(text.contains("# theirs"), "{text}");
    for (file, pem) in config.authority_files.iter().zip(["acme", "op"]) {
        assert_eq!(file.path.parent(), places.config.parent());
        assert_eq!(fs::read_to_string(&file.path).unwrap(), pem);
    }
    assert!(
        !github.exists() && !op.exists(),
        "nothing outside was written"
    );

    // Where the very same is there already, it is used where it is.
    fs::write(&github, "acme").unwrap();
    let again = Machines::with(&format!("github.ca = '{}'", github.display()), &authorities);
    assert_eq!(again.restored().notes, [""; 0]);
    let beside = fs::read_dir(&again.places.data).unwrap();
    let beside = beside.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".pem")
    });
    assert_eq!(beside.count(), 0);
}

#[test]
fn a_named_file_that_differs_is_in_the_way_and_one_that_the_backup_lacks_is_told() {
    let config = "[github]\nca = \"acme.pem\"\n";
    let machines = Machines::with(config, &[("github", "acme")]);
    private::make_directory(&machines.places.data).unwrap();
    let file = machines.places.data.join("acme.pem");
    fs::write(&file, "another").unwrap();
    let refused = machines.refusal();
    assert!(
        refused.contains("another file of certificates"),
        "{refused}"
    );
    assert!(refused.contains("acme.pem.before-restore"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "another");
    assert!(!machines.places.config.exists());

    let machines = Machines::with(config, &[]);
    let notes = machines.restored().notes;
    assert!(notes[0].starts_with("not in the backup: "), "{notes:?}");
    assert!(
        notes[0].contains("tokend.toml:2: `[github] ca`"),
        "{notes:?}"
    );
}
