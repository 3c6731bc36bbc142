//! A new root key: what it seals, what it survives, and where it is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::vault::minted::SealedMinted;
use crate::vault::rekey::RekeyError;
use crate::vault::root_key::make_file;
use crate::vault::store::Store;

/// A vault whose key lies in a file, so that it can be unlocked again.
pub(super) struct Kept {
    scratch: Scratch,
    at: Surroundings,
}

impl Kept {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        fs::remove_file(scratch.path()).unwrap();
        let at = Surroundings {
            key_file: scratch.directory.path().join("root.key"),
            credentials: Some(scratch.directory.path().join("credentials")),
            keyring: IN_MEMORY,
        };
        fs::create_dir(at.credentials.as_ref().unwrap()).unwrap();
        let (root, _) = make_file(&at.key_file).unwrap();
        let scratch = Scratch { root, ..scratch };
        Vault::create(&scratch.path(), scratch.new_vault(), at_0()).unwrap();
        Self { scratch, at }
    }

    /// The same behind a passphrase besides, as this tokend or an earlier one makes it.
    fn with_recovery(make: impl FnOnce(&RootKey, &str) -> Wrap) -> Self {
        let kept = Self::new();
        fs::remove_file(kept.scratch.path()).unwrap();
        let mut new = kept.scratch.new_vault();
        new.recovery = Some(make(&kept.scratch.root, new.id));
        Vault::create(&kept.scratch.path(), new, at_0()).unwrap();
        kept
    }

    /// Opened and unlocked as a start does it.
    pub(super) fn start(&self) -> Vault {
        let vault = self.scratch.open();
        vault
            .unlock(vault.fetch_root_key(&self.at).unwrap())
            .unwrap();
        vault
    }

    fn next_file(&self) -> PathBuf {
        self.at.key_file.with_extension("key.next")
    }

    fn key(&self) -> Vec<u8> {
        fs::read(&self.at.key_file).unwrap()
    }
}

fn at_0() -> Timestamp {
    at(0)
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned())
}

pub(super) fn to(source: RootKeySource) -> RekeyRequest {
    RekeyRequest {
        to: Some(source),
        ..RekeyRequest::default()
    }
}

fn ready(vault: &Vault, asked: &RekeyRequest, kept: &Kept) -> Rekey {
    match vault.prepare_rekey(asked, &kept.at).unwrap() {
        Prepared::Ready(rekey) => *rekey,
        Prepared::CredentialWanted(name) => panic!("{name} is wanted"),
    }
}

fn refused(vault: &Vault, asked: &RekeyRequest, kept: &Kept) -> String {
    match vault.prepare_rekey(asked, &kept.at) {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

/// A whole re-key, on a thread of its own as in the broker.
pub(super) fn rekey(
    vault: &Vault,
    asked: &RekeyRequest,
    kept: &Kept,
) -> Result<Rekeyed, RekeyError> {
    let ready = ready(vault, asked, kept);
    let done = std::thread::scope(|scope| {
        let work = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
        work.join().unwrap()
    })?;
    let close = |reply| Request::Change(None, reply);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| vault.writer.ask(close).unwrap().blocking_recv());
        work.join().unwrap().unwrap().unwrap();
    });
    Ok(done)
}

/// Every envelope, by what it is of.
fn envelopes(vault: &Vault) -> BTreeMap<String, Box<[u8]>> {
    let state = known(vault.shared.state.read());
    let secrets = state.list.secrets.iter().flat_map(|(name, secret)| {
        let versions = secret.versions.iter();
        versions.map(move |one| (format!("{name}/{}", one.version), one.envelope.clone()))
    });
    let minted = state.minted.values();
    let minted = minted.map(|one| (one.minted.place(), one.envelope.clone()));
    secrets.chain(minted).collect()
}

fn minted_one() -> Minted {
    Minted {
        hashed_credential: token("ghs_minted").hashed(),
        installation: 4711,
        secret: name("an-app"),
        uid: 1000,
        purpose: "label-sync".parse().unwrap(),
        scope: "{}".into(),
        minted_at: at(3),
        expires_at: at(3600),
    }
}

async fn fill(vault: &Vault) {
    set(vault, "one", "first").await;
    set(vault, "one", "second").await;
    set(vault, "two", CANARY).await;
    let minted = minted_one();
    vault
        .keep_minted(minted, &token("ghs_minted"))
        .await
        .unwrap();
}

fn assert_filled(vault: &Vault) {
    assert_eq!(value(vault, "one", 1).unwrap(), "first");
    assert_eq!(value(vault, "one", 2).unwrap(), "second");
    assert_eq!(value(vault, "two", 1).unwrap(), CANARY);
    let hashed = token("ghs_minted").hashed();
    let opened = vault.open_minted(&recorded("an-app", 1), &hashed).unwrap();
    assert_eq!(opened.expose(), "ghs_minted");
}

#[tokio::test]
async fn every_envelope_opens_under_the_new_version_and_none_under_the_old() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let (before, old_key) = (envelopes(&vault), kept.key());
    let identity = vault.log_identity();

    let done = rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    assert_eq!((done.version, done.data_keys, done.left), (2, 4, None));
    assert_filled(&vault);
    let after = envelopes(&vault);
    for (what, envelope) in &after {
        let old = &before[what];
        assert_ne!(old[..65], envelope[..65], "{what}");
        assert_eq!(
            old[65..],
            envelope[65..],
            "the value of {what} was not touched"
        );
        assert_eq!(envelope[1..5], [0, 0, 0, 2], "{what}");
    }
    assert_eq!(before.len(), after.len());
    assert_ne!(kept.key(), old_key);
    assert!(!kept.next_file().exists());
    drop(vault);
    for old in before.values() {
        assert!(!kept.scratch.holds(&old[5..65]), "an old data key lingers");
    }

    // From the file, the same.
    let vault = kept.start();
    assert_filled(&vault);
    assert_eq!(envelopes(&vault), after);
    assert_eq!(vault.log_identity(), identity, "the log goes on");
    let old = kept.scratch.root.copy().unwrap();
    vault.lock();
    assert!(matches!(vault.unlock(old), Err(VaultError::WrongKey(_))));
    let in_force = vault.root_key_in_force();
    assert_eq!((in_force.version, in_force.seals), (2, 4 + 3));
    assert_eq!(in_force.made_at, at(100));
    assert_eq!(in_force.needs, None);
}

#[tokio::test]
async fn what_was_sealed_before_and_arrives_after_is_sealed_anew() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let version = vault.reserve_version(&name("two"), at(5)).await.unwrap();
    let ready = ready(&vault, &RekeyRequest::default(), &kept);
    // Holds the writer, so that the two wait in its queue in this order.
    let (late, done) = {
        let state = known(vault.shared.state.write());
        let close = vault.writer.ask(Request::Settle).unwrap();
        let usage = recorded("two", version);
        let new = NewValue {
            value: token("late"),
            expires_at: None,
        };
        let late = std::thread::scope(|scope| {
            let rekeying = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
            drop(state);
            let late = vault.send_version(&usage, new, None, at(6)).unwrap();
            (late, rekeying.join().unwrap())
        });
        drop(close);
        late
    };
    done.unwrap();
    late.await.unwrap().unwrap();
    assert_eq!(value(&vault, "two", 2).unwrap(), "late");
    drop(vault);
    assert_eq!(value(&kept.start(), "two", 2).unwrap(), "late");
}

#[tokio::test]
async fn what_was_sealed_under_a_key_that_is_gone_is_refused_and_not_stored() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let minted = minted_one();
    let place = minted.place();
    let envelope = {
        let keys = known(vault.shared.keys.read());
        let (root, version) = keys.as_ref().unwrap().root();
        let what = minted.identity(vault.id(), &place);
        envelope::seal(root, version, &what, b"ghs_minted").unwrap()
    };
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    let stale = SealedMinted { minted, envelope };
    let kept_late = vault.ask(|reply| Request::KeepMinted(stale, reply)).await;
    assert!(matches!(kept_late, Err(VaultError::Overtaken)));
    assert_filled(&vault);
}

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
                let note = |reply| Request::Change(Some(change), reply);
                vault.ask(note).await.unwrap();
            }
            2 => {
                let change = ready.begun(9);
                let note = |reply| Request::Change(Some(change), reply);
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

#[test]
fn only_one_at_a_time_and_only_while_unlocked() {
    let kept = Kept::new();
    let vault = kept.start();
    let first = ready(&vault, &RekeyRequest::default(), &kept);
    let second = refused(&vault, &RekeyRequest::default(), &kept);
    assert!(second.contains("under way already"), "{second}");
    drop(first);
    drop(ready(&vault, &RekeyRequest::default(), &kept));
    vault.lock();
    let locked = refused(&vault, &RekeyRequest::default(), &kept);
    assert!(locked.contains("locked"), "{locked}");
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

/// A keyring in this process's memory, for all tests; each vault here has the same name, so only one
/// test uses it.
const IN_MEMORY: root_key::Keyring = root_key::Keyring {
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
        RootKey::read(key).unwrap()
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
    assert!(matches!(wanted, Prepared::CredentialWanted(name) if name == "tokend-root-key"));
    let credentials = kept.at.credentials.clone().unwrap();
    fs::write(credentials.join("tokend-root-key"), [9; 32]).unwrap();
    rekey(&vault, &to(credential.clone()), &kept).unwrap();
    drop(vault);
    let vault = kept.start();
    assert_filled(&vault);
    let version = vault.root_key_in_force().version;
    assert_eq!(vault.root_key_in_force().needs, Some(Needs::Credential));
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
        left.contains("LoadCredentialEncrypted=tokend-root-key "),
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
async fn a_recovery_passphrase_of_an_earlier_tokend_is_asked_for_once_and_never_lost() {
    let by = || passphrase("recovery of old times");
    let kept = Kept::with_recovery(|root, id| Wrap::make_old(root, id, &by()));
    let vault = kept.start();
    fill(&vault).await;
    assert_eq!(vault.root_key_in_force().needs, Some(Needs::Recovery));
    let refusal = refused(&vault, &RekeyRequest::default(), &kept);
    assert!(refusal.contains("tokenctl rekey --recovery"), "{refusal}");
    let typed = |text| RekeyRequest {
        recovery: Some(passphrase(text)),
        ..RekeyRequest::default()
    };
    let wrong = refused(&vault, &typed("another passphrase"), &kept);
    assert!(wrong.contains("try again"), "{wrong}");
    rekey(&vault, &typed("recovery of old times"), &kept).unwrap();
    // And never again.
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    vault.lock();
    vault
        .unlock(vault.root_key_behind(&by()).unwrap().0)
        .unwrap();
    assert_filled(&vault);
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

#[tokio::test]
async fn how_often_the_root_key_has_sealed_survives_a_restart() {
    let kept = Kept::new();
    let vault = kept.start();
    assert_eq!(vault.root_key_in_force().seals, 3);
    fill(&vault).await;
    assert_eq!(vault.root_key_in_force().seals, 3 + 4);
    drop(vault);
    assert_eq!(kept.start().root_key_in_force().seals, 3 + 4);
}

#[tokio::test]
async fn a_vault_of_format_2_becomes_one_of_today_and_can_be_rekeyed() {
    let kept = Kept::new();
    fill(&kept.start()).await;
    kept.scratch.edit(
        "DROP TABLE root_key; ALTER TABLE root_key_wrap DROP COLUMN public_key;
         DROP TABLE source_requests; DROP TABLE source_value; DROP TABLE secret_move;
         PRAGMA user_version = 2",
    );
    let vault = kept.start();
    assert_filled(&vault);
    let in_force = vault.root_key_in_force();
    assert_eq!((in_force.version, in_force.seals), (1, 3 + 4));
    assert_eq!(in_force.made_at, at(0));
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    drop(vault);
    assert_filled(&kept.start());
    drop(Store::open(&kept.scratch.path()).unwrap());
}
