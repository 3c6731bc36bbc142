//! Installation tokens in the vault.

use super::*;

fn minted() -> Minted {
    Minted {
        key: MintKey {
            uid: 1000,
            secret: name("acme-import-app"),
            purpose: "acme-import".parse().unwrap(),
            scope: r#"{"rule":"acme-import.toml#1"}"#.into(),
        },
        hashed_credential: token(CANARY).hashed(),
        installation: 4711,
        minted_at: at(1),
        expires_at: at(3601),
        ending: false,
    }
}

#[tokio::test]
async fn that_a_token_is_about_to_end_is_known_after_a_restart_also_if_noted_while_locked() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let hashed = minted().hashed_credential;
    assert!(vault.knows_ending(&hashed), "nothing is kept of it");
    vault.keep_minted(minted(), &token(CANARY)).await.unwrap();
    assert!(!vault.knows_ending(&hashed));
    drop(vault);
    let vault = scratch.open();
    let gone = token("ghs_gone").hashed();
    vault.note_ending(vec![hashed.clone(), gone]).await.unwrap();
    assert!(vault.knows_ending(&hashed));
    drop(vault);
    let ending = Minted {
        ending: true,
        ..minted()
    };
    assert_eq!(scratch.open().minted(), [ending]);
}

#[tokio::test]
async fn a_minted_token_is_there_after_a_restart_until_it_is_forgotten() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.keep_minted(minted(), &token(CANARY)).await.unwrap();
    drop(vault);
    assert!(!scratch.holds(CANARY.as_bytes()));

    let vault = scratch.open();
    assert_eq!(vault.minted(), [minted()], "known while locked");
    let hashed = minted().hashed_credential;
    let usage = recorded("acme-import-app", 1);
    let refused = vault.open_minted(&usage, &hashed).err().unwrap();
    assert!(matches!(refused, VaultError::Locked));
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    let opened = vault.open_minted(&usage, &hashed).unwrap();
    assert_eq!(opened.expose(), CANARY);

    vault.forget_minted(&hashed).await.unwrap();
    drop(vault);
    assert_eq!(scratch.open().minted(), []);
}

#[tokio::test]
async fn a_minted_token_opens_for_its_own_app_alone_and_in_its_own_row() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.keep_minted(minted(), &token(CANARY)).await.unwrap();
    let hashed = minted().hashed_credential;
    let other = recorded("another-app", 1);
    let refused = vault.open_minted(&other, &hashed).err().unwrap();
    assert!(matches!(refused, VaultError::NoValue(_)));
    drop(vault);
    for change in ["uid = 1001", "purpose = 'other'", "scope = '{}'"] {
        let copy = scratch.path().with_extension("copy");
        fs::copy(scratch.path(), &copy).unwrap();
        scratch.edit(&format!("UPDATE minted SET {change}"));
        let vault = scratch.unlocked();
        let usage = recorded("acme-import-app", 1);
        let refused = vault.open_minted(&usage, &hashed).err().unwrap();
        assert!(matches!(refused, VaultError::Tampered { .. }), "{change}");
        drop(vault);
        fs::rename(&copy, scratch.path()).unwrap();
    }
}

#[tokio::test]
async fn a_repository_keeps_the_id_it_first_had_until_it_is_unpinned() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault
        .pin_repositories([("Acme/One", 1), ("acme/two", 2)])
        .await
        .unwrap();
    vault.pin_repositories([("acme/one", 9)]).await.unwrap();
    assert_eq!(vault.repository_id("ACME/ONE"), Some(1));
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.repository_id("acme/one"), Some(1));
    let pinned = vault.pinned_repositories();
    assert_eq!(pinned, [("acme/one".into(), 1), ("acme/two".into(), 2)]);
    vault.unpin_repository("acme/One").await.unwrap();
    vault.pin_repositories([("acme/one", 9)]).await.unwrap();
    assert_eq!(vault.repository_id("acme/one"), Some(9));
}
