//! The root key moves from keeper to keeper, and a passphrase opens what it was typed for.

use std::sync::{Mutex, PoisonError};

use super::*;

/// A keyring in this process's memory, for all tests; each vault here has the same name, so only one
/// test uses it.
pub(super) const IN_MEMORY: root_key::Keyring = root_key::Keyring {
    probe: || Ok(()),
    keep: |user, key| {
        let mut ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
        ring.insert(user.to_owned(), *key.expose());
        Ok(())
    },
    read: |user| {
        let ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = ring.get(user) else {
            return Err(RootKeyError::NotInKeyring(user.to_owned()));
        };
        RootKey::read(key, String::new)
    },
    erase: |user| {
        let mut ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
        ring.remove(user);
        Ok(())
    },
};

static RING: Mutex<BTreeMap<String, [u8; 32]>> = Mutex::new(BTreeMap::new());

fn in_the_ring() -> Vec<String> {
    let ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
    ring.keys().cloned().collect()
}

#[tokio::test]
async fn the_key_moves_from_keeper_to_keeper_and_the_one_before_is_erased() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let id = vault.id().to_owned();

    rekey(&vault, &to(RootKeySource::Keyring), &kept).unwrap();
    assert_eq!(in_the_ring(), [format!("{id}.2")]);
    assert!(!kept.at.key_file.exists());
    drop(vault);
    let vault = kept.start();
    assert_filled(&vault);
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    assert_eq!(in_the_ring(), [format!("{id}.3")]);

    let missing = refused(&vault, &to(RootKeySource::Passphrase), &kept);
    assert!(missing.contains("--root-key passphrase"), "{missing}");
    let typed = RekeyRequest {
        passphrase: Some(passphrase("correct horse battery")),
        ..to(RootKeySource::Passphrase)
    };
    rekey(&vault, &typed, &kept).unwrap();
    assert_eq!(in_the_ring(), [""; 0]);
    drop(vault);
    let vault = kept.scratch.open();
    let nobody = vault.fetch_root_key(&kept.at);
    assert!(matches!(nobody, Err(RootKeyError::PassphraseNeeded)));
    let unlock = || {
        let typed = passphrase("correct horse battery");
        let (key, by) = vault.root_key_behind(&typed).unwrap();
        assert_eq!(by, "passphrase");
        vault.unlock(key).unwrap();
    };
    unlock();
    // Nobody types anything, and the same passphrase opens the next key.
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    vault.lock();
    unlock();
    assert_filled(&vault);

    // The credential has to be there before.
    let credential = RootKeySource::Credential(root_key::DEFAULT_CREDENTIAL.to_owned());
    let wanted = vault
        .prepare_rekey(&to(credential.clone()), &kept.at)
        .unwrap();
    let version = vault.root_key_in_force().version;
    let first = format!("tokend-root-key-{}", version + 1);
    assert!(matches!(wanted, Prepared::CredentialWanted(name) if name == first));
    let credentials = kept.at.credentials.clone().unwrap();
    fs::write(credentials.join(&first), [9; 32]).unwrap();
    let done = rekey(&vault, &to(credential.clone()), &kept).unwrap();
    let left = done.left.unwrap();
    assert!(left.contains("when systemd loaded it"), "{left}");
    drop(vault);
    let vault = kept.start();
    assert_filled(&vault);
    let version = vault.root_key_in_force().version;
    assert!(vault.root_key_in_force().needs_credential());
    let next = format!("tokend-root-key-{}", version + 1);
    let wanted = vault
        .prepare_rekey(&RekeyRequest::default(), &kept.at)
        .unwrap();
    assert!(matches!(wanted, Prepared::CredentialWanted(name) if name == next));
    fs::write(credentials.join(&next), [9; 32]).unwrap();
    let same = refused(&vault, &RekeyRequest::default(), &kept);
    assert!(same.contains("the key that is in force"), "{same}");
    fs::write(credentials.join(&next), [8; 32]).unwrap();
    let done = rekey(&vault, &to(credential), &kept).unwrap();
    let left = done.left.unwrap();
    assert!(
        left.contains(&format!("LoadCredentialEncrypted={first} ")),
        "{left}"
    );

    // A file that is there is somebody's.
    fs::write(&kept.at.key_file, "whose?").unwrap();
    let there = refused(&vault, &to(RootKeySource::File), &kept);
    assert!(there.contains("move it away"), "{there}");
    fs::remove_file(&kept.at.key_file).unwrap();
    rekey(&vault, &to(RootKeySource::File), &kept).unwrap();
    drop(vault);
    assert_filled(&kept.start());
}

/// A unit that still loads the credential of an earlier key, whose file may hold another one by now.
#[tokio::test]
async fn a_credential_that_was_in_force_earlier_is_not_taken_for_a_new_one() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let credential = to(RootKeySource::Credential(
        root_key::DEFAULT_CREDENTIAL.to_owned(),
    ));
    let credentials = kept.at.credentials.clone().unwrap();
    let wanted = |vault: &Vault| match vault.prepare_rekey(&credential, &kept.at).unwrap() {
        Prepared::CredentialWanted(name) => name,
        Prepared::Ready(_) => panic!("an earlier key was taken"),
    };
    // As `init`, or a tokend before this one, called it.
    fs::write(credentials.join(root_key::DEFAULT_CREDENTIAL), [7; 32]).unwrap();
    assert_eq!(wanted(&vault), "tokend-root-key-2");
    fs::write(credentials.join("tokend-root-key-2"), [8; 32]).unwrap();
    rekey(&vault, &credential, &kept).unwrap();
    rekey(&vault, &to(RootKeySource::File), &kept).unwrap();
    assert_eq!(wanted(&vault), "tokend-root-key-4");
    drop(vault);
    let vault = kept.start();
    assert_filled(&vault);
    assert_eq!(wanted(&vault), "tokend-root-key-4");
    fs::write(credentials.join("tokend-root-key-4"), [9; 32]).unwrap();
    rekey(&vault, &credential, &kept).unwrap();
    drop(vault);
    assert_filled(&kept.start());
}

#[tokio::test]
async fn the_recovery_passphrase_opens_the_vault_after_a_re_key_that_nobody_typed_it_for() {
    let by = || passphrase("recovery of old times");
    let kept = Kept::with_recovery(|root, id| Wrap::make(root, id, &by()).unwrap());
    let vault = kept.start();
    fill(&vault).await;
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    fs::remove_file(&kept.at.key_file).unwrap();
    vault.lock();
    let (key, which) = vault.root_key_behind(&by()).unwrap();
    assert_eq!(which, "recovery");
    vault.unlock(key).unwrap();
    assert_filled(&vault);
}

#[tokio::test]
async fn a_first_recovery_passphrase_is_set_and_another_one_is_refused_afterwards() {
    let kept = Kept::new();
    let vault = kept.start();
    let typed = |text| RekeyRequest {
        recovery: Some(passphrase(text)),
        ..RekeyRequest::default()
    };
    rekey(&vault, &typed("recovery of our times"), &kept).unwrap();
    assert!(vault.root_key_in_force().recovery);
    let wrong = refused(&vault, &typed("another passphrase"), &kept);
    assert!(wrong.contains("try again"), "{wrong}");
    rekey(&vault, &typed("recovery of our times"), &kept).unwrap();
    vault.lock();
    let by = passphrase("recovery of our times");
    vault.unlock(vault.root_key_behind(&by).unwrap().0).unwrap();
}

#[test]
fn whoever_exchanges_what_the_next_key_would_be_sealed_for_is_found_out() {
    let by = || passphrase("recovery of old times");
    for edit in [
        "UPDATE root_key_wrap SET public_key = zeroblob(32)",
        "UPDATE root_key SET mac = NULL",
        "UPDATE root_key SET change = NULL, made_at = made_at + 1",
        "DELETE FROM root_key_wrap",
        "UPDATE vault SET root_key_source = 'keyring'",
    ] {
        let kept = Kept::with_recovery(|root, id| Wrap::make(root, id, &by()).unwrap());
        kept.scratch.edit(edit);
        let vault = kept.scratch.open();
        let refused = vault.unlock(kept.scratch.root.copy().unwrap()).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("where its root key is kept"),
            "{edit}: {text}"
        );
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned())
}

/// A deployment's link to where keys are kept.
#[test]
fn a_key_file_that_is_a_link_stays_one_and_the_key_changes_where_it_leads() {
    let kept = Kept::new();
    let elsewhere = kept.scratch.directory.path().join("elsewhere.key");
    fs::rename(&kept.at.key_file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &kept.at.key_file).unwrap();
    let before = kept.key();
    let vault = kept.start();
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    drop(vault);
    kept.start();
    let link = fs::symlink_metadata(&kept.at.key_file).unwrap();
    assert!(link.is_symlink());
    assert_ne!(fs::read(&elsewhere).unwrap(), before);
    // Kept elsewhere from now on, it is left in neither place.
    let typed = RekeyRequest {
        passphrase: Some(passphrase("correct horse battery")),
        ..to(RootKeySource::Passphrase)
    };
    rekey(&kept.start(), &typed, &kept).unwrap();
    assert!(!elsewhere.exists());
    assert!(fs::symlink_metadata(&kept.at.key_file).is_err());
}
