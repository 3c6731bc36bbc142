//! What the vault keeps, and for whom it opens.

use super::*;

#[tokio::test]
async fn a_secret_is_there_again_after_a_restart_and_is_known_while_locked() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let version = vault.reserve_version(&name("one"), at(1)).await.unwrap();
    let end = Some(at(90 * 86_400));
    let usage = recorded("one", version);
    let stored = vault.store(usage, new(token(CANARY), end), ValueRole::InForce, at(2));
    let stored = stored.await.unwrap();
    drop(vault);

    let vault = scratch.open();
    assert!(vault.is_locked());
    let held = vault.held(&name("one")).unwrap();
    assert_eq!(held, stored);
    assert_eq!(held.version, 1);
    assert_eq!(held.kind, Some(SecretKind::Classic));
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
    let another = new(token("x"), None);
    let stored = vault.store(recorded("one", 2), another, ValueRole::InForce, at(3));
    assert!(locked(stored.await.map(drop)));
    assert!(locked(
        vault.remove(recorded("one", 1), ValueRole::InForce).await
    ));
    // A revocation takes effect all the same.
    vault
        .write_tombstones(vec![(lease(1), at(9))], at(3))
        .await
        .unwrap();
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
    let store = |version| {
        let new = new(token("x"), None);
        vault.store(recorded("one", version), new, ValueRole::InForce, at(2))
    };
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
        let new = new(token(CANARY), None);
        let storing = vault.store(recorded("one", 1), new, ValueRole::InForce, at(2));
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
    vault
        .remove(recorded("one", 1), ValueRole::InForce)
        .await
        .unwrap();
    assert!(!scratch.holds(&sealed));
    assert!(!scratch.holds(&sealed[65..]));
    assert_eq!(vault.held(&name("one")), None);
    assert!(matches!(
        value(&vault, "one", 1),
        Err(VaultError::NoValue(_))
    ));
    let again = vault.remove(recorded("one", 1), ValueRole::InForce).await;
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
    vault
        .remove(recorded("one", 1), ValueRole::InForce)
        .await
        .unwrap();
    drop(vault);
    let vault = scratch.unlocked();
    let version = vault.reserve_version(&name("one"), at(5)).await.unwrap();
    assert_eq!(version, 2);
    let usage = recorded("one", 2);
    let held = vault.store(usage, new(token("new"), None), ValueRole::InForce, at(6));
    let held = held.await.unwrap();
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
    assert!(vault.root_key_in_force().recovery);
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
    let at = KeyLocations {
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
