//! What a broker resumes after a start is under the MAC: rotations, sinks, moves, repositories.

use super::*;
use crate::move_state::{Move, Step};
use crate::rotation_state::{Rotation, SinkState, Version};

fn rotation(number: u64) -> Rotation {
    let version = |number| Version {
        number,
        hashed_credential: token(CANARY).hashed().as_str().into(),
    };
    let old = Some(version(number));
    Rotation::begin(old, version(number + 1), false, &moment(3))
}

fn moving(to: &str) -> Move {
    Move {
        from: "vault".into(),
        to: to.into(),
        begun_at: at(3),
        step: Step::Copied,
        hashed: token(CANARY).hashed().as_str().into(),
        edited: None,
    }
}

/// A vault with two rows in each table, closed.
async fn used() -> Scratch {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    for (secret, number) in [("one", 1), ("two", 5)] {
        let secret = name(secret);
        vault
            .note_rotation(&secret, rotation(number))
            .await
            .unwrap();
        vault.note_move(&secret, moving("file:/a")).await.unwrap();
        let sink = SinkState::pushed(number, at(5), &moment(5));
        vault
            .note_sink(&secret, "actions acme/one PAT", sink)
            .await
            .unwrap();
    }
    vault
        .pin_repositories([("acme/one", 1), ("acme/two", 2)])
        .await
        .unwrap();
    drop(vault);
    scratch
}

fn mismatch(scratch: &Scratch) -> Option<Forgotten> {
    scratch.unlocked().mismatch()
}

const CHANGES: &[&str] = &[
    "UPDATE rotation SET state = json_set(state, '$.phase', 'revoking') WHERE secret = 'one'",
    // Two rows in each other's place.
    "UPDATE rotation SET state = (SELECT state FROM rotation WHERE secret = 'two')",
    "DELETE FROM rotation WHERE secret = 'two'",
    "INSERT INTO rotation SELECT 'three', state FROM rotation WHERE secret = 'two'",
    // The same to whoever reads it, and not what was written.
    "UPDATE rotation SET state = ' ' || state WHERE secret = 'one'",
    "UPDATE secret_move SET state = json_set(state, '$.step', 'switched')",
    "DELETE FROM secret_move WHERE secret = 'one'",
    "UPDATE sink SET sink = 'actions acme/two PAT' WHERE secret = 'one'",
    "UPDATE sink SET state = (SELECT state FROM sink WHERE secret = 'two')",
    "DELETE FROM sink WHERE secret = 'one'",
    "UPDATE repository SET id = 3 WHERE name = 'acme/one'",
    "UPDATE repository SET name = 'acme/three' WHERE name = 'acme/one'",
    "DELETE FROM repository WHERE name = 'acme/one'",
    "INSERT INTO repository VALUES ('acme/three', 3)",
];

#[tokio::test]
async fn a_row_changed_without_the_key_has_all_forgotten_that_a_broker_goes_on_with() {
    for sql in CHANGES {
        let scratch = used().await;
        assert_eq!(mismatch(&scratch), None);
        scratch.edit(sql);
        let vault = scratch.unlocked();
        let forgotten = vault.mismatch().expect(sql);
        assert!(forgotten.repositories > 0, "{sql}");
        assert!(vault.rotations().is_empty(), "{sql}");
        assert!(vault.moves().is_empty(), "{sql}");
        assert!(vault.sinks(&name("two")).is_empty(), "{sql}");
        assert!(vault.pinned_repositories().is_empty(), "{sql}");
        drop(vault);
        // A kill before it is on record: the next start finds the same.
        let vault = scratch.unlocked();
        assert_eq!(vault.mismatch(), Some(forgotten), "{sql}");
        // What begins meanwhile stays.
        let four = name("four");
        vault.note_rotation(&four, rotation(1)).await.unwrap();
        vault.trust_the_log().await.unwrap();
        assert_eq!(vault.mismatch(), None);
        drop(vault);
        let vault = scratch.unlocked();
        assert_eq!(vault.mismatch(), None, "{sql}");
        assert_eq!(vault.rotations().into_keys().collect::<Vec<_>>(), [four]);
        assert!(vault.pinned_repositories().is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn every_change_of_a_row_is_under_the_mac_when_it_is_written() {
    let scratch = used().await;
    let one = name("one");
    let vault = scratch.unlocked();
    let verified = rotation(1).verified(&moment(4));
    vault.note_rotation(&one, verified.clone()).await.unwrap();
    vault.note_move(&one, moving("file:/b")).await.unwrap();
    vault.forget_move(&name("two")).await.unwrap();
    let failed = SinkState::untouched(&moment(6));
    vault
        .note_sink(&one, "actions acme/one PAT", failed)
        .await
        .unwrap();
    vault.unpin_repository("acme/one").await.unwrap();
    vault.unpin_repository("acme/unknown").await.unwrap();
    vault.pin_repositories([("acme/one", 7)]).await.unwrap();
    // A lock takes the vault's keys and not this one.
    vault.lock();
    vault.pin_repositories([("acme/two", 9)]).await.unwrap();
    vault
        .note_rotation(&name("new"), rotation(9))
        .await
        .unwrap();
    drop(vault);
    let vault = scratch.unlocked();
    assert_eq!(vault.mismatch(), None);
    assert_eq!(vault.rotation(&one), Some(verified));
    assert_eq!(vault.moves().into_keys().collect::<Vec<_>>(), [one]);
    let pinned = vault.pinned_repositories();
    assert_eq!(pinned, [("acme/one".into(), 7), ("acme/two".into(), 2)]);
}

#[tokio::test]
async fn before_the_first_unlock_no_such_row_is_written() {
    let scratch = used().await;
    let vault = scratch.open();
    let one = name("one");
    let locked = |result| matches!(result, Err(VaultError::Locked));
    assert!(locked(vault.note_rotation(&one, rotation(1)).await));
    assert!(locked(vault.note_move(&one, moving("file:/b")).await));
    assert!(locked(vault.forget_move(&one).await));
    assert!(locked(vault.unpin_repository("acme/one").await));
    assert!(locked(vault.pin_repositories([("acme/new", 7)]).await));
    assert_eq!(vault.pinned_repositories().len(), 2);
    drop(vault);
    assert_eq!(mismatch(&scratch), None);
}

#[tokio::test]
async fn a_row_that_cannot_be_written_leaves_what_is_there_genuine() {
    let scratch = used().await;
    let vault = scratch.unlocked();
    vault.settle().await.unwrap();
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let long = "x".repeat(100_000);
    let long = moving(&format!("file:/{long}"));
    vault.note_move(&name("one"), long).await.unwrap_err();
    assert_eq!(vault.moving(&name("one")), Some(moving("file:/a")));
    drop(vault);
    assert_eq!(mismatch(&scratch), None);
}

#[tokio::test]
async fn a_vault_of_format_4_goes_on_with_its_rows_and_has_them_under_the_mac_from_then_on() {
    let scratch = used().await;
    scratch.age_to_format_4();
    let vault = scratch.unlocked();
    assert_eq!(vault.mismatch(), None);
    assert_eq!(vault.rotations_under_way().len(), 2);
    drop(vault);
    assert_eq!(mismatch(&scratch), None);
    scratch.edit("DELETE FROM secret_move WHERE secret = 'one'");
    assert!(mismatch(&scratch).is_some());
}

#[tokio::test]
async fn a_row_put_where_there_was_none_is_gone_for_good_once_the_log_is_trusted() {
    for sql in [
        "INSERT INTO repository VALUES ('acme/three', 3)",
        "INSERT INTO secret_move VALUES ('one', json_object('from', 'vault', 'to', 'file:/a',
           'begun_at', '2026-11-30T07:00:00Z', 'step', 'copied', 'hashed', 'x'))",
    ] {
        let scratch = Scratch::new();
        scratch.unlocked().settle().await.unwrap();
        scratch.edit(sql);
        let vault = scratch.unlocked();
        assert!(vault.mismatch().is_some(), "{sql}");
        vault.trust_the_log().await.unwrap();
        drop(vault);
        // Without it the MAC is what it was: the row itself must be gone.
        let vault = scratch.unlocked();
        assert_eq!(vault.mismatch(), None, "{sql}");
        assert!(vault.moves().is_empty() && vault.pinned_repositories().is_empty());
    }
}

#[tokio::test]
async fn trust_that_could_not_be_written_is_none_and_a_name_is_pinned_all_the_same() {
    let scratch = used().await;
    scratch.edit("UPDATE repository SET id = 3 WHERE name = 'acme/one'");
    let vault = scratch.unlocked();
    vault.settle().await.unwrap();
    // What was forgotten is in the database still.
    vault
        .pin_repositories([("acme/one", 7), ("acme/new", 8)])
        .await
        .unwrap();
    assert_eq!(vault.repository_id("acme/one"), Some(7));
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let many = (0..9000).map(|nth| (lease(nth), at(40))).collect();
    vault.write_tombstones(many, at(0)).await.unwrap_err();
    assert!(vault.mismatch().is_some());
    drop(vault);
    assert!(mismatch(&scratch).is_some());
}
