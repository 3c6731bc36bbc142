//! What the vault testifies to: MACs over leases, the noted head, figures, tombstones.

use super::*;

#[test]
fn a_leases_mac_is_bound_to_the_text_the_vault_and_the_log() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let mac = vault.lease_mac("covered").unwrap().bytes();
    assert!(vault.lease_mac("covered").unwrap().is(&mac));
    assert!(!vault.lease_mac("coverex").unwrap().is(&mac));
    assert!(!vault.lease_mac("covered").unwrap().is(&[0; 32]));
    let other = Scratch::new().unlocked();
    assert!(!other.lease_mac("covered").unwrap().is(&mac));
    drop(vault);
    let vault = scratch.unlocked();
    assert!(vault.lease_mac("covered").unwrap().is(&mac));
    vault.begin_new_log().unwrap();
    assert!(!vault.lease_mac("covered").unwrap().is(&mac));
}

/// HMAC-SHA256 by another implementation: Python's `hmac.digest(bytes(range(32)),
/// b"tokend lease v1\0" + b"0"*32 + b"\0covered", "sha256")`. If this fails, no lease in the field
/// survives an upgrade.
#[test]
fn a_leases_mac_is_the_one_written_down() {
    let scratch = Scratch::new();
    let (mut sealed, public_key) = SealedKeys::make(&scratch.root, "v").unwrap();
    let purpose = envelope::purpose("tokend mac key v1", "v", 1);
    let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    sealed.mac = envelope::seal_key(scratch.root.expose(), &purpose, &key).unwrap();
    let root = scratch.root.copy().unwrap();
    let keys = Keys::open(root, &sealed, &public_key, &scratch.path()).unwrap();
    let vault = scratch.unlocked();
    *known(vault.shared.keys.write()) = Some(keys);
    known(vault.shared.state.write()).list.log.log_id = "0".repeat(32);
    let mac = vault.lease_mac("covered").unwrap().bytes();
    assert_eq!(LineHash::from_bytes(mac).to_string(), LEASE_MAC);
}

const LEASE_MAC: &str = "2b77029f3627d50897cfe9e6b368b014234ecec2de1dbe50135d9201e7da33f7";

#[test]
fn the_log_is_named_once_and_a_new_one_keeps_the_key_and_has_nothing_noted() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let first = vault.log_identity();
    assert_eq!(first.log_id.len(), 32);
    assert!(matches!(vault.begin_new_log(), Err(VaultError::Locked)));
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    vault.note(Head::EMPTY, Vec::new());
    let second = vault.begin_new_log().unwrap();
    assert_ne!(first.log_id, second.log_id);
    assert_eq!(first.public_key, second.public_key);
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.log_identity(), second);
    assert_eq!(vault.noted_head(), None);
}

#[tokio::test]
async fn figures_and_the_noted_head_survive_together() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    let head = Head {
        records: 3,
        hash: LineHash::of(b"x"),
    };
    let raw = |second, version| UsageDelta {
        secret: name("one"),
        version,
        leases: 2,
        at: at(second),
        exposed_to: Some((1000, "label-sync".parse().unwrap())),
    };
    vault.note(Head::EMPTY, vec![raw(4, Some(1))]);
    vault.note(head, vec![raw(6, Some(1)), raw(5, Some(1))]);
    vault.settle().await.unwrap();
    let usage = vault.usage(&name("one"));
    assert_eq!(usage.last_used, Some(at(6)));
    let [exposure] = &usage.exposed_to[..] else {
        panic!("{usage:?}");
    };
    assert_eq!(
        (exposure.uid, exposure.leases, exposure.last),
        (1000, 6, at(6))
    );
    drop(vault);

    let vault = scratch.unlocked();
    assert_eq!(vault.noted_head(), Some(head));
    assert_eq!(vault.usage(&name("one")), usage);
    // No one was handed the new value yet, and a late note about the old one changes nothing.
    set(&vault, "one", "second").await;
    vault.note(head, vec![raw(7, Some(1))]);
    vault.settle().await.unwrap();
    assert_eq!(vault.usage(&name("one")).exposed_to, []);
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.usage(&name("one")).exposed_to, []);
    assert_eq!(vault.usage(&name("one")).last_used, Some(at(7)));
}

fn handed(uid: u32, version: u64) -> UsageDelta {
    UsageDelta {
        secret: name("one"),
        version: Some(version),
        leases: 1,
        at: at(i64::from(uid)),
        exposed_to: Some((uid, "label-sync".parse().unwrap())),
    }
}

fn exposed(vault: &Vault) -> Vec<(u32, u64)> {
    let usage = vault.usage(&name("one"));
    let exposed = usage.exposed_to.iter();
    exposed
        .map(|exposure| (exposure.uid, exposure.leases))
        .collect()
}

#[tokio::test]
async fn who_was_handed_a_value_counts_again_when_it_is_stored_once_more() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    vault.note(Head::EMPTY, vec![handed(1, 1)]);
    set(&vault, "one", "second").await;
    // Late notes of the first value, and its like under another name.
    vault.note(Head::EMPTY, vec![handed(2, 2), handed(1, 1), handed(3, 1)]);
    set(&vault, "two", "first").await;
    vault.settle().await.unwrap();
    assert_eq!(exposed(&vault), [(2, 1)]);
    drop(vault);

    let vault = scratch.unlocked();
    assert_eq!(exposed(&vault), [(2, 1)]);
    set(&vault, "one", "first").await;
    assert_eq!(exposed(&vault), [(1, 2), (3, 1)]);
    // Of the first version, which has the value that is in use now, and of the second, which has not.
    vault.note(Head::EMPTY, vec![handed(1, 1), handed(4, 3), handed(2, 2)]);
    vault.settle().await.unwrap();
    assert_eq!(exposed(&vault), [(1, 3), (3, 1), (4, 1)]);
    set(&vault, "one", "first").await;
    assert_eq!(exposed(&vault), [(1, 3), (3, 1), (4, 1)]);
    drop(vault);

    let vault = scratch.unlocked();
    assert_eq!(exposed(&vault), [(1, 3), (3, 1), (4, 1)]);
    set(&vault, "one", "second").await;
    assert_eq!(exposed(&vault), [(2, 2)]);
    assert_eq!(vault.usage(&name("two")).exposed_to, []);
}

#[tokio::test]
async fn who_was_handed_an_erased_value_is_forgotten_with_it() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "one", "first").await;
    vault.note(Head::EMPTY, vec![handed(1, 1)]);
    set(&vault, "one", "second").await;
    vault.note(Head::EMPTY, vec![handed(2, 2)]);
    let usage = recorded("one", 1);
    vault.retire(usage, Some(2), None).await.unwrap();
    vault.note(Head::EMPTY, vec![handed(1, 1)]);
    vault.settle().await.unwrap();
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(exposed(&vault), [(2, 1)]);
    set(&vault, "one", "first").await;
    assert_eq!(exposed(&vault), []);
    vault
        .remove(recorded("one", 3), ValueRole::InForce)
        .await
        .unwrap();
    set(&vault, "one", "second").await;
    assert_eq!(exposed(&vault), []);
    drop(vault);
    assert_eq!(exposed(&scratch.open()), []);
}

#[tokio::test]
async fn a_secret_from_elsewhere_has_figures_too() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let delta = UsageDelta {
        secret: name("from-env"),
        version: None,
        leases: 1,
        at: at(1),
        exposed_to: Some((0, "label-sync".parse().unwrap())),
    };
    vault.note(Head::EMPTY, vec![delta]);
    drop(vault);
    let usage = scratch.open().usage(&name("from-env"));
    assert_eq!((usage.last_used, usage.exposed_to.len()), (Some(at(1)), 1));
}

#[tokio::test]
async fn tombstones_last_until_their_lease_would_have_ended() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    let buried = vec![(lease(1), at(10)), (lease(2), at(20))];
    vault.write_tombstones(buried, at(0)).await.unwrap();
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.tombstones().len(), 2);
    vault
        .write_tombstones(vec![(lease(3), at(30))], at(15))
        .await
        .unwrap();
    let left = HashMap::from([(lease(2), at(20)), (lease(3), at(30))]);
    assert_eq!(vault.tombstones(), left);
    drop(vault);
    assert_eq!(scratch.open().tombstones(), left);
}
