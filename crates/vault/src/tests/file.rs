//! The file itself: whose it is, who may read it, what is in its way.

use super::*;

#[test]
fn a_vault_from_a_newer_version_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    scratch.edit("PRAGMA user_version = 7");
    let before = fs::read(scratch.path()).unwrap();
    let error = scratch.refusal();
    assert!(matches!(
        error,
        VaultError::Newer {
            found: 7,
            known: 6,
            ..
        }
    ));
    assert!(
        error.to_string().contains("install the newer tokend"),
        "{error}"
    );
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[tokio::test]
async fn a_vault_from_before_format_4_is_refused_and_left_as_it_is() {
    for older in [
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 3",
        // A later tokend opened it, and left the recovery passphrase as format 1 had it.
        "INSERT INTO root_key_wrap VALUES ('recovery', zeroblob(16), 65536, 3, zeroblob(60), NULL)",
        "PRAGMA user_version = 4; UPDATE root_key SET mac = NULL",
    ] {
        let scratch = Scratch::new();
        drop(set(&scratch.unlocked(), "source-pat", CANARY).await);
        scratch.edit(older);
        let before = fs::read(scratch.path()).unwrap();
        let error = scratch.refusal();
        assert!(matches!(error, VaultError::TooOld(_)), "{older}: {error}");
        let says = error.to_string();
        assert!(says.contains("use the tokend that made it"), "{says}");
        assert_eq!(fs::read(scratch.path()).unwrap(), before, "{older}");
    }
}

#[tokio::test]
async fn a_vault_of_format_4_keeps_its_checks_whose_times_go_by_the_wall_clock() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let secret = name("source-pat");
    let found = checks::found(1, None);
    vault
        .keep_check(&secret, found.clone(), "[]".to_owned())
        .await
        .unwrap();
    drop(vault);
    scratch.age_to_format_4();
    let kept = scratch.open().check(&secret).checked;
    let checked_at = Moment::stored(found.checked_at.wall(), None);
    assert_eq!(
        kept,
        Some(Checked {
            checked_at,
            ..found
        })
    );
}

/// Its form is looked at where a value comes in, and never where one goes out.
#[tokio::test]
async fn a_value_that_was_stored_before_its_form_was_looked_at_still_opens() {
    let scratch = Scratch::new();
    for odd in [
        "\u{201c}ghp_x\u{201d}",
        " ghp_x\r\n",
        "TOKEN=ghp_x",
        "\u{feff}x",
    ] {
        let vault = scratch.unlocked();
        let version = set(&vault, "source-pat", odd).await.version;
        drop(vault);
        let opened = value(&scratch.unlocked(), "source-pat", version);
        assert_eq!(opened.unwrap(), odd);
    }
}

#[test]
fn modes_that_are_too_open_are_refused_with_the_command_that_fixes_them() {
    let scratch = Scratch::new();
    for (path, wrong, right) in [
        (scratch.path(), 0o640, 0o600),
        (scratch.directory.path().to_owned(), 0o750, 0o700),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(wrong)).unwrap();
        let error = scratch.refusal().to_string();
        let fix = format!("run: chmod {right:04o} {}", path.display());
        assert!(error.contains(&fix), "{error}");
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

#[test]
fn another_programs_database_is_not_taken_for_a_vault() {
    let scratch = Scratch::new();
    scratch.edit("PRAGMA application_id = 1");
    assert!(matches!(scratch.refusal(), VaultError::NotAVault(_)));
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
    let limit = |work: &mut Work| work.store.limit_pages();
    vault.ask(limit).await.unwrap();
    let long = "x".repeat(60_000);
    let new = new(token(&long), None);
    let stored = vault.store(recorded("one", 2), new, ValueRole::InForce, at(2));
    let error = stored.await.unwrap_err();
    assert!(matches!(error, VaultError::Storage { .. }), "{error}");
    assert_eq!(vault.held(&name("one")).unwrap().version, 1);
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(value(&vault, "one", 1).unwrap(), "first");
    assert_eq!(vault.held(&name("one")).unwrap().version, 1);
}
