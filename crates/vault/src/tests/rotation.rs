//! Versions come and go together with the state of a rotation.

use super::*;
use crate::rotation_state::{Phase, Rotation, SinkState, Version};

const OLD: &str = "ghp_OLDoldOLDoldOLDoldOLDoldOLDoldOLDold1";
const NEW: &str = "ghp_NEWnewNEWnewNEWnewNEWnewNEWnewNEWnew1";

fn version(number: u64, value: &str) -> Version {
    Version {
        number,
        hashed_credential: token(value).hashed().as_str().into(),
    }
}

async fn swapped(vault: &Vault) -> Rotation {
    set(vault, "source-pat", OLD).await;
    let number = vault.reserve_version(&name("source-pat"), at(3)).await;
    let rotation = Rotation::begin(Some(version(1, OLD)), version(2, NEW), false, &moment(3));
    let usage = recorded("source-pat", number.unwrap());
    let held = vault.store_rotated(usage, new(token(NEW), None), rotation.clone(), at(3));
    assert_eq!(held.await.unwrap().version, 2);
    rotation
}

#[tokio::test]
async fn after_a_swap_the_new_value_is_in_use_and_the_old_one_still_opens() {
    let scratch = Scratch::new();
    let rotation = swapped(&scratch.unlocked()).await;
    let vault = scratch.unlocked();
    assert_eq!(vault.held(&name("source-pat")).unwrap().version, 2);
    assert_eq!(value(&vault, "source-pat", 1).unwrap(), OLD);
    assert_eq!(value(&vault, "source-pat", 2).unwrap(), NEW);
    assert_eq!(vault.rotation(&name("source-pat")), Some(rotation));
    let numbers: Vec<_> = vault.versions(&name("source-pat"));
    assert_eq!(numbers.iter().map(|v| v.number).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_swap_that_cannot_be_written_leaves_neither_value_nor_rotation() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "source-pat", OLD).await;
    let number = vault.reserve_version(&name("source-pat"), at(3)).await;
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let rotation = Rotation::begin(Some(version(1, OLD)), version(2, NEW), false, &moment(3));
    let usage = recorded("source-pat", number.unwrap());
    // Too large for the pages there are.
    let long = token(&format!("{NEW}{}", "x".repeat(100_000)));
    let storing = vault.store_rotated(usage, new(long, None), rotation, at(3));
    let refused = storing.await;
    assert!(refused.is_err());
    assert_eq!(vault.rotation(&name("source-pat")), None);
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.held(&name("source-pat")).unwrap().version, 1);
    assert_eq!(vault.rotation(&name("source-pat")), None);
}

#[tokio::test]
async fn the_old_value_is_erased_together_with_the_rotation_s_end() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let rotation = swapped(&vault).await;
    let finished = rotation.finished(&moment(9));
    let envelope = {
        let state = known(vault.shared.state.read());
        let secret = state.list.secrets.get(&name("source-pat")).unwrap();
        secret.versions[0].envelope.clone()
    };
    vault
        .retire(recorded("source-pat", 1), Some(2), Some(finished))
        .await
        .unwrap();
    assert!(value(&vault, "source-pat", 1).is_err());
    assert_eq!(value(&vault, "source-pat", 2).unwrap(), NEW);
    assert!(!scratch.holds(&envelope), "not even sealed");
    drop(vault);
    let vault = scratch.unlocked();
    assert!(value(&vault, "source-pat", 1).is_err());
    assert_eq!(value(&vault, "source-pat", 2).unwrap(), NEW);
    let rotation = vault.rotation(&name("source-pat")).unwrap();
    assert_eq!(rotation.phase, Phase::Finished);
}

#[tokio::test]
async fn all_values_can_be_erased_and_the_numbers_go_on() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    swapped(&vault).await;
    vault
        .retire(recorded("source-pat", 2), None, None)
        .await
        .unwrap();
    assert_eq!(vault.held(&name("source-pat")), None);
    assert_eq!(vault.rotation(&name("source-pat")), None);
    assert_eq!(set(&vault, "source-pat", NEW).await.version, 3);
}

#[tokio::test]
async fn nothing_is_erased_for_a_version_that_is_not_there() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    swapped(&vault).await;
    let refused = vault.retire(recorded("source-pat", 1), Some(7), None).await;
    assert!(matches!(
        refused,
        Err(VaultError::NoVersion { version: 7, .. })
    ));
    assert_eq!(value(&vault, "source-pat", 1).unwrap(), OLD);
}

#[tokio::test]
async fn rotations_and_sinks_are_there_again_after_a_restart_and_gone_with_the_secret() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let verified = swapped(&vault).await.verified(&moment(4));
    let secret = name("source-pat");
    vault
        .note_rotation(&secret, verified.clone())
        .await
        .unwrap();
    let sink = SinkState::pushed(2, at(5), &moment(5));
    vault
        .note_sink(&secret, "actions acme/one PAT", sink.clone())
        .await
        .unwrap();
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.rotation(&secret), Some(verified));
    assert_eq!(
        vault.sinks(&secret).get("actions acme/one PAT"),
        Some(&sink)
    );
    vault
        .remove(recorded("source-pat", 2), ValueRole::InForce)
        .await
        .unwrap();
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.rotation(&secret), None);
    assert!(vault.sinks(&secret).is_empty());
}

#[test]
fn a_rotation_that_this_version_does_not_understand_is_damage() {
    let scratch = Scratch::new();
    scratch.edit(r#"INSERT INTO rotation VALUES ('source-pat', '{"phase":"sideways"}')"#);
    assert!(matches!(scratch.refusal(), VaultError::Damaged { .. }));
}
