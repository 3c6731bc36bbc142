//! A new root key: what it seals. In the modules below: what it survives, and where it is kept.

mod interrupted;
mod keepers;

use std::collections::BTreeMap;

use super::*;
use crate::minted::SealedMinted;
use crate::rekey::RekeyError;
use crate::root_key::make_file;

/// A vault whose key is in a file, so that it can be unlocked again.
pub(super) struct Kept {
    scratch: Scratch,
    at: KeyLocations,
}

impl Kept {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        fs::remove_file(scratch.path()).unwrap();
        let at = KeyLocations {
            key_file: scratch.directory.path().join("root.key"),
            credentials: Some(scratch.directory.path().join("credentials")),
            keyring: keepers::IN_MEMORY,
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
    let close = |work: &mut Work| work.note_change(None);
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
        key: MintKey {
            uid: 1000,
            secret: name("an-app"),
            purpose: "label-sync".parse().unwrap(),
            scope: "{}".into(),
        },
        hashed_credential: token("ghs_minted").hashed(),
        installation: 4711,
        minted_at: at(3),
        expires_at: at(3600),
        ending: false,
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
    assert!(!in_force.needs_credential());
}

#[tokio::test]
async fn what_was_sealed_before_and_arrives_after_is_sealed_again() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let version = vault.reserve_version(&name("two"), at(5)).await.unwrap();
    let ready = ready(&vault, &RekeyRequest::default(), &kept);
    // Holds the writer, so that the two wait in its queue in this order.
    let (late, done) = {
        let state = known(vault.shared.state.write());
        let close = vault.writer.ask(|work| {
            work.write_notes();
            Ok(())
        });
        let close = close.unwrap();
        let usage = recorded("two", version);
        let new = NewValue {
            value: token("late"),
            expires_at: None,
        };
        let late = std::thread::scope(|scope| {
            let rekeying = scope.spawn(|| vault.rekey(ready, 9, &kept.at, at(100)));
            drop(state);
            let late = vault
                .send_version(&usage, new, (ValueRole::InForce, None), at(6))
                .unwrap();
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
        let root = keys.as_ref().unwrap().root();
        let what = minted.identity(vault.id(), &place);
        envelope::seal(root, &what, b"ghs_minted").unwrap()
    };
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    let stale = SealedMinted { minted, envelope };
    let kept_late = vault.ask(move |work| work.keep_minted(stale)).await;
    assert!(matches!(kept_late, Err(VaultError::Overtaken)));
    assert_filled(&vault);
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
async fn a_vault_of_format_4_that_a_kill_left_amid_a_re_key_opens_and_can_be_rekeyed() {
    let kept = Kept::new();
    let vault = kept.start();
    fill(&vault).await;
    let begun = ready(&vault, &RekeyRequest::default(), &kept).begun(7);
    let note = move |work: &mut Work| work.note_change(Some(begun));
    vault.ask(note).await.unwrap();
    drop(vault);
    kept.scratch.age_to_format_4();
    let vault = kept.start();
    assert_filled(&vault);
    let failed = Interrupted::Failed { announced: 7 };
    assert_eq!(vault.after_interrupted_rekey(&kept.at), Some(failed));
    vault.close_rekey().await.unwrap();
    rekey(&vault, &RekeyRequest::default(), &kept).unwrap();
    drop(vault);
    assert_filled(&kept.start());
}
