//! Whatever ends a re-key, the vault opens.

use super::*;

#[tokio::test]
async fn a_broker_that_ends_at_any_step_leaves_a_vault_that_opens() {
    for step in 0..6 {
        let kept = Kept::new();
        let vault = kept.start();
        fill(&vault).await;
        let ready = ready(&vault, &RekeyRequest::default(), &kept);
        let (old, saved) = (kept.key(), kept.at.key_file.with_extension("saved"));
        // Where the broker ended: the file as it was then, and the directory.
        match step {
            // Nothing but the announcement.
            0 => drop(ready),
            1 => {
                let change = ready.begun(9);
                let note = move |work: &mut Work| work.note_change(Some(change));
                vault.ask(note).await.unwrap();
            }
            2 => {
                let change = ready.begun(9);
                let note = move |work: &mut Work| work.note_change(Some(change));
                vault.ask(note).await.unwrap();
                let other = RootKey::generate().unwrap();
                let offered = RootKeySource::File.offer(&other, vault.id(), 2, &kept.at);
                offered.unwrap();
            }
            // In force, and the file not moved yet.
            3 => {
                fs::copy(&kept.at.key_file, &saved).unwrap();
                std::thread::scope(|scope| {
                    let work = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
                    work.join().unwrap().unwrap();
                });
                fs::rename(&kept.at.key_file, kept.next_file()).unwrap();
                fs::rename(&saved, &kept.at.key_file).unwrap();
            }
            // In force and moved, and not recorded.
            4 => std::thread::scope(|scope| {
                let work = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
                work.join().unwrap().unwrap();
            }),
            _ => {
                drop(ready);
                rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
            }
        }
        drop(vault);
        let vault = kept.start();
        assert_filled(&vault);
        assert!(!kept.next_file().exists(), "step {step}");
        let in_force = vault.root_key_in_force();
        assert_eq!(
            in_force.version,
            if step < 3 { 1 } else { 2 },
            "step {step}"
        );
        assert_eq!(kept.key() == old, step < 3, "step {step}");
        let found = vault.after_interrupted_rekey(&kept.at);
        match (step, found) {
            (0 | 5, None) => {}
            (1 | 2, Some(Interrupted::Failed { announced: 9 })) => {}
            (
                3 | 4,
                Some(Interrupted::Done {
                    announced: 9,
                    rekeyed,
                }),
            ) => {
                assert_eq!((rekeyed.version, rekeyed.data_keys), (2, 4));
            }
            (_, found) => panic!("step {step}: {found:?}"),
        }
        vault.close_rekey().await.unwrap();
        assert_eq!(vault.after_interrupted_rekey(&kept.at), None);
        // Run again, it ends well.
        rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
        drop(vault);
        assert_filled(&kept.start());
    }
}

#[tokio::test]
async fn a_row_that_does_not_open_stops_it_and_names_the_secret() {
    let kept = Kept::new();
    fill(&kept.start()).await;
    kept.scratch.edit(
        "UPDATE version SET envelope = CAST(substr(envelope, 1, 20) || x'00' || substr(envelope, 22) AS BLOB)
         WHERE secret = 'two'",
    );
    let vault = kept.start();
    let error = rekey(&vault, &RekeyRequest::default(), &kept).unwrap_err();
    assert!(
        error.to_string().contains("version 1 of secret `two`"),
        "{error}"
    );
    assert_eq!(value(&vault, "one", 2).unwrap(), "second");
    assert!(!kept.next_file().exists());
    vault.close_rekey().await.unwrap();
    drop(vault);
    assert_eq!(value(&kept.start(), "one", 2).unwrap(), "second");
}

#[tokio::test]
async fn a_lock_meanwhile_ends_it_and_the_next_unlock_tidies_up() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let ready = ready(&vault, &RekeyRequest::default(), &kept);
    vault.lock();
    let locked = std::thread::scope(|scope| {
        let work = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
        work.join().unwrap()
    });
    assert!(matches!(locked, Err(RekeyError::Vault(VaultError::Locked))));
    vault
        .unlock(vault.fetch_root_key(&kept.at).unwrap())
        .unwrap();
    assert_filled(&vault);
    assert!(!kept.next_file().exists());
}
