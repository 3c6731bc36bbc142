//! `init` on scratch directories, with keyrings that are not the machine's.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const NO_KEYRING: Keyring = Keyring {
    probe: || Err(RootKeyError::NoKeyring("no session bus".to_owned())),
    keep: |_, _| Err(RootKeyError::NoKeyring("no session bus".to_owned())),
    read: |_| Err(RootKeyError::NoKeyring("no session bus".to_owned())),
    erase: |_| Err(RootKeyError::NoKeyring("no session bus".to_owned())),
};

/// Takes a key, and later looks as a locked keyring does: empty.
const FORGETFUL_KEYRING: Keyring = Keyring {
    probe: || Ok(()),
    keep: |_, _| Ok(()),
    read: |id| Err(RootKeyError::NotInKeyring(id.to_owned())),
    erase: |_| Ok(()),
};

fn no_terminal(_: PassphraseFor) -> io::Result<Option<Passphrase>> {
    Ok(None)
}

fn at_terminal(_: PassphraseFor) -> io::Result<Option<Passphrase>> {
    Ok(Some(Passphrase::new("correct horse battery".to_owned())))
}

fn options() -> InitOptions<'static> {
    InitOptions {
        root_key: None,
        passphrase: &no_terminal,
        credentials: None,
        keyring: NO_KEYRING,
        audit_log: AuditLogChoice::Keep,
    }
}

struct Home {
    _scratch: tempfile::TempDir,
    places: Paths,
}

impl Home {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let places = Paths::below(&scratch.path().join("home"));
        Self {
            _scratch: scratch,
            places,
        }
    }

    fn init(&self, options: &InitOptions<'_>) -> Result<InitReport, InitError> {
        init(
            &self.places,
            options,
            "2026-11-21T07:00:00Z".parse().unwrap(),
        )
    }

    fn refusal(&self, options: &InitOptions<'_>) -> String {
        self.init(options).unwrap_err().to_string()
    }

    fn write_log(&self) {
        private::make_directory(&self.places.audit).unwrap();
        let segment = self.places.audit.join("00000000000000000000.jsonl");
        fs::write(segment, "{}\n").unwrap();
    }
}

fn printed(report: &InitReport) -> String {
    let mut out = Vec::new();
    print(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn without_a_keyring_a_key_file_is_made_and_the_reason_and_the_meaning_are_said() {
    let home = Home::new();
    let text = printed(&home.init(&options()).unwrap());
    for part in [
        "made   configuration  /",
        "made   root key       /",
        "made   vault          /",
        "root key: the key file /",
        "(no desktop keyring runs for this account)",
        "keep their backups apart",
        "recovery passphrase: none; if the root key is lost, so are the secrets",
        "audit log key, for the auditor to keep elsewhere:\n  ",
        "\nnext:\n  tokend & ",
        "\n  tokenctl secret add NAME ",
        "\n  tokenctl policy reload ",
    ] {
        assert!(text.contains(part), "{part:?} is missing from\n{text}");
    }
}

#[test]
fn everything_made_is_closed_to_others() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let places = &home.places;
    for (path, mode) in [
        (&places.data, 0o700),
        (&places.policies, 0o700),
        (&places.config, 0o600),
        (&places.root_key, 0o600),
        (&places.vault, 0o600),
    ] {
        let found = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{}", path.display());
    }
}

#[test]
fn a_second_run_finds_everything_and_changes_nothing() {
    let home = Home::new();
    let first = home.init(&options()).unwrap();
    let key = fs::read(&home.places.root_key).unwrap();
    fs::write(&home.places.config, "# mine now\n").unwrap();
    let second = home.init(&options()).unwrap();
    assert!(
        second.steps.iter().all(|step| step.done == Done::Found),
        "{second:?}"
    );
    assert_eq!(first.log, second.log);
    assert_eq!(fs::read(&home.places.root_key).unwrap(), key);
    let config = fs::read_to_string(&home.places.config).unwrap();
    assert_eq!(config, "# mine now\n");
}

#[test]
fn an_existing_vault_whose_key_is_missing_never_gets_another() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let key = fs::read(&home.places.root_key).unwrap();
    fs::remove_file(&home.places.root_key).unwrap();
    let error = home.refusal(&options());
    assert!(error.contains("put it back from a backup"), "{error}");
    assert!(!home.places.root_key.exists());
    let other = Home::new();
    other.init(&options()).unwrap();
    fs::copy(&other.places.root_key, &home.places.root_key).unwrap();
    let error = home.refusal(&options());
    assert!(error.contains("this key does not fit the vault"), "{error}");
    fs::write(&home.places.root_key, key).unwrap();
    home.init(&options()).unwrap();
}

#[test]
fn a_keyring_that_answers_is_preferred_and_one_that_looks_empty_is_an_error() {
    let home = Home::new();
    let options = InitOptions {
        keyring: FORGETFUL_KEYRING,
        ..options()
    };
    let report = home.init(&options).unwrap();
    assert!(report.root_key.starts_with("the keyring of your session"));
    assert!(!home.places.root_key.exists());
    let error = home.refusal(&options);
    assert!(
        error.contains("unlock the keyring it was kept in"),
        "{error}"
    );
    assert!(!home.places.root_key.exists());
}

#[test]
fn a_place_where_no_socket_can_be_is_refused_before_anything_is_made() {
    let mut home = Home::new();
    home.places
        .set_socket(home.places.data.join("x".repeat(100)));
    let error = home.refusal(&options());
    assert!(error.contains("Linux allows 107"), "{error}");
    assert!(!home.places.config.exists() && !home.places.data.exists());
}

#[test]
fn a_keyring_that_was_asked_for_and_does_not_answer_is_an_error() {
    let home = Home::new();
    let options = InitOptions {
        root_key: Some(RootKeySource::Keyring),
        ..options()
    };
    let error = home.refusal(&options);
    assert!(
        error.contains("no keyring answers: no session bus"),
        "{error}"
    );
    assert!(!home.places.root_key.exists() && !home.places.vault.exists());
}

#[test]
fn a_passphrase_is_asked_for_and_without_a_terminal_that_is_said() {
    let home = Home::new();
    let asked = |passphrase| InitOptions {
        root_key: Some(RootKeySource::Passphrase),
        passphrase,
        ..options()
    };
    let error = home.refusal(&asked(&no_terminal));
    assert!(error.contains("there is no terminal"), "{error}");
    let report = home.init(&asked(&at_terminal)).unwrap();
    assert_eq!(report.has_recovery, Some(true));
    assert!(report.root_key.starts_with("a passphrase.\n"), "{report:?}");
    assert!(!home.places.root_key.exists());
    // A second run need not ask.
    home.init(&asked(&no_terminal)).unwrap();
    let vault = Vault::open(&home.places.vault).unwrap();
    let typed = at_terminal(PassphraseFor::Existing).unwrap().unwrap();
    vault
        .unlock(vault.root_key_behind(&typed).unwrap().0)
        .unwrap();
}

#[test]
fn a_systemd_credential_is_used_where_it_is_passed() {
    let home = Home::new();
    let credentials = tempfile::tempdir().unwrap();
    let asked = |credentials: Option<&Path>| InitOptions {
        root_key: Some("credential".parse().unwrap()),
        credentials: credentials.map(Path::to_owned),
        ..options()
    };
    let error = home.refusal(&asked(None));
    assert!(
        error.contains("LoadCredentialEncrypted=tokend-root-key"),
        "{error}"
    );
    fs::write(credentials.path().join("tokend-root-key"), [7; 32]).unwrap();
    home.init(&asked(Some(credentials.path()))).unwrap();
    home.init(&asked(None)).unwrap();
    fs::write(credentials.path().join("tokend-root-key"), [8; 32]).unwrap();
    let error = home.refusal(&asked(Some(credentials.path())));
    assert!(error.contains("does not fit"), "{error}");
}

#[test]
fn another_source_than_the_one_in_force_is_refused() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let options = InitOptions {
        root_key: Some(RootKeySource::Passphrase),
        passphrase: &at_terminal,
        ..options()
    };
    let error = home.refusal(&options);
    assert!(
        error.contains("comes from the file, not from the passphrase"),
        "{error}"
    );
}

#[test]
fn modes_that_are_too_open_are_refused_with_the_command_that_fixes_them() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let places = &home.places;
    for (path, wrong, right) in [
        (&places.root_key, 0o644, 0o600),
        (&places.vault, 0o644, 0o600),
        (&places.config, 0o622, 0o600),
        (&places.policies, 0o777, 0o755),
    ] {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
        let error = home.refusal(&options());
        let fix = format!("run: chmod {right:04o} {}", path.display());
        assert!(error.contains(&fix), "{error}");
        fs::set_permissions(path, before).unwrap();
    }
}

#[test]
fn an_interrupted_run_is_taken_up_where_it_stopped() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let key = fs::read(&home.places.root_key).unwrap();
    fs::remove_file(&home.places.vault).unwrap();
    let options = InitOptions {
        keyring: FORGETFUL_KEYRING,
        ..options()
    };
    let report = home.init(&options).unwrap();
    assert!(report.root_key.contains("(it was there)"), "{report:?}");
    assert_eq!(fs::read(&home.places.root_key).unwrap(), key);
}

#[test]
fn a_running_broker_is_left_alone() {
    let home = Home::new();
    home.init(&options()).unwrap();
    let _running = Vault::open(&home.places.vault).unwrap();
    let report = home.init(&options()).unwrap();
    assert_eq!(report.log, None);
    assert!(printed(&report).contains("tokenctl status"));
    let begin_new = InitOptions {
        audit_log: AuditLogChoice::BeginNew,
        ..options()
    };
    let error = home.refusal(&begin_new);
    assert!(error.contains("in use by another process"), "{error}");
}

#[test]
fn a_log_without_its_vault_is_not_quietly_given_another() {
    let home = Home::new();
    home.init(&options()).unwrap();
    home.write_log();
    fs::remove_file(&home.places.vault).unwrap();
    let error = home.refusal(&options());
    assert!(error.contains("put the vault back"), "{error}");
    assert!(!home.places.vault.exists());
}

#[test]
fn a_new_audit_log_sets_the_old_one_aside_and_has_another_name() {
    let home = Home::new();
    let first = home.init(&options()).unwrap().log.unwrap();
    home.write_log();
    let begin_new = InitOptions {
        audit_log: AuditLogChoice::BeginNew,
        ..options()
    };
    let report = home.init(&begin_new).unwrap();
    let second = report.log.clone().unwrap();
    assert_ne!(first.log_id, second.log_id);
    assert_eq!(first.public_key, second.public_key);
    assert!(!home.places.audit.exists());
    let aside = home.places.data.join("audit.old-20261121T070000Z");
    assert!(aside.join("00000000000000000000.jsonl").exists());
    assert!(printed(&report).contains("left   old audit log"));
    assert_eq!(home.init(&options()).unwrap().log, Some(second));
}

#[test]
fn examples_are_written_once_and_not_into_the_live_policies() {
    let home = Home::new();
    let examples = [("label-sync.toml", "purpose = \"label-sync\"\n")];
    configuration(&home.places, &examples).unwrap();
    let example = home.places.policies.join("examples/label-sync.toml");
    fs::write(&example, "# edited\n").unwrap();
    configuration(&home.places, &examples).unwrap();
    assert_eq!(fs::read_to_string(&example).unwrap(), "# edited\n");
    assert!(!home.places.policies.join("label-sync.toml").exists());
}

#[test]
fn the_configuration_that_is_written_is_toml_that_changes_nothing() {
    let text = include_str!("tokend.toml");
    let tables: toml::Table = text.parse().unwrap();
    assert!(
        tables
            .values()
            .all(|table| table.as_table().unwrap().is_empty())
    );
    // Every key that is offered parses once the "# " before it is taken away.
    let taken: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let tables: toml::Table = taken.parse().unwrap();
    assert_eq!(tables["socket"]["mode"].as_str(), Some("0600"));
    assert_eq!(tables["metrics"]["listen"].as_str(), Some("127.0.0.1:9464"));
}
