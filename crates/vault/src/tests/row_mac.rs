//! What decides after a start has a MAC: heads, tombstones, where the root key is, removals.

use super::*;
use crate::row_mac::{Row, RowSum};

fn head(records: u64) -> Head {
    let hash = LineHash::of(&records.to_be_bytes());
    Head { records, hash }
}

/// A vault that noted a head and has two tombstones, closed.
async fn used() -> Scratch {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.note(head(9), Vec::new());
    let buried = vec![(lease(1), at(10)), (lease(2), at(20))];
    vault.write_tombstones(buried, at(0)).await.unwrap();
    drop(vault);
    scratch
}

fn distrusts(scratch: &Scratch) -> bool {
    scratch.unlocked().mismatch().is_some()
}

const CHANGES: &[&str] = &[
    "UPDATE witness SET records = 8",
    "UPDATE witness SET hash = zeroblob(32)",
    "UPDATE witness SET records = NULL, hash = NULL",
    "UPDATE witness SET mac = zeroblob(32)",
    "UPDATE witness SET mac = x''",
    "DELETE FROM witness",
    "DELETE FROM tombstone",
    "DELETE FROM tombstone WHERE until = (SELECT max(until) FROM tombstone)",
    "UPDATE tombstone SET until = until - 1",
    "INSERT INTO tombstone VALUES ('00000000000000000000000000000009', 1)",
    // As if it had never been of this format.
    TO_FORMAT_4,
];

#[tokio::test]
async fn a_head_or_tombstone_changed_without_the_key_is_noticed_until_the_log_is_trusted_again() {
    for sql in CHANGES {
        let scratch = used().await;
        assert!(!distrusts(&scratch));
        scratch.edit(sql);
        if *sql == "UPDATE witness SET mac = x''" {
            let error = scratch.refusal();
            assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
            continue;
        }
        let vault = scratch.unlocked();
        assert!(vault.mismatch().is_some(), "{sql}");
        // Whatever is written meanwhile makes it no more genuine: a kill may come any time.
        vault.note(head(12), Vec::new());
        vault
            .write_tombstones(vec![(lease(3), at(30))], at(0))
            .await
            .unwrap();
        drop(vault);
        let vault = scratch.unlocked();
        assert!(vault.mismatch().is_some(), "{sql}");
        assert!(vault.tombstones().contains_key(&lease(3)), "{sql}");
        vault.trust_the_log().await.unwrap();
        assert!(vault.mismatch().is_none());
        drop(vault);
        let vault = scratch.unlocked();
        assert!(vault.mismatch().is_none(), "{sql}");
        assert_eq!(vault.authenticated_head(), Some(head(12)));
        assert!(vault.tombstones().contains_key(&lease(3)), "{sql}");
    }
}

#[tokio::test]
async fn what_is_written_after_a_lock_is_under_the_mac_too() {
    for sql in [None, Some("DELETE FROM tombstone WHERE until > 0")] {
        let scratch = used().await;
        let vault = scratch.unlocked();
        vault.lock();
        vault.note(head(11), Vec::new());
        vault
            .write_tombstones(vec![(lease(3), at(30))], at(15))
            .await
            .unwrap();
        vault.settle().await.unwrap();
        assert_eq!(vault.authenticated_head(), Some(head(11)));
        drop(vault);
        if let Some(sql) = sql {
            scratch.edit(sql);
        }
        assert_eq!(distrusts(&scratch), sql.is_some());
    }
}

#[tokio::test]
async fn what_is_written_before_the_first_unlock_stands_beside_until_that_takes_it_in() {
    let scratch = used().await;
    let vault = scratch.open();
    vault.note(head(11), Vec::new());
    let buried = vec![(lease(3), at(30)), (lease(2), at(25))];
    vault.write_tombstones(buried, at(15)).await.unwrap();
    drop(vault);
    let vault = scratch.open();
    assert_eq!(vault.noted_head(), Some(head(11)));
    assert_eq!(
        vault.authenticated_head(),
        Some(head(9)),
        "the log must hold both"
    );
    let all = HashMap::from([(lease(1), at(10)), (lease(2), at(25)), (lease(3), at(30))]);
    assert_eq!(vault.tombstones(), all);
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert!(vault.mismatch().is_none());
    vault.settle().await.unwrap();
    // The log may not have been opened yet, and must still lead through this one.
    assert_eq!(vault.authenticated_head(), Some(head(9)));
    vault.note(head(12), Vec::new());
    vault.settle().await.unwrap();
    assert_eq!(vault.authenticated_head(), Some(head(12)));
    drop(vault);
    scratch.edit("DELETE FROM late_tombstone");
    let vault = scratch.unlocked();
    assert!(vault.mismatch().is_none());
    assert_eq!(vault.tombstones(), all);
}

#[tokio::test]
async fn a_vault_of_format_4_is_taken_at_its_word_once_and_has_its_macs_from_then_on() {
    let scratch = used().await;
    set(&scratch.unlocked(), "source-pat", CANARY).await;
    scratch.age_to_format_4();
    // Opened and not unlocked, or ended before anything was signed: the next time is the first.
    drop(scratch.open());
    let vault = scratch.unlocked();
    assert!(vault.mismatch().is_none());
    assert_eq!(value(&vault, "source-pat", 1).unwrap(), CANARY);
    assert_eq!(vault.tombstones().len(), 2);
    drop(vault);
    assert!(!distrusts(&scratch));
    scratch.edit("DELETE FROM tombstone");
    assert!(distrusts(&scratch));
}

#[tokio::test]
async fn what_says_where_the_root_key_is_does_not_pass_without_its_mac() {
    for sql in [
        "UPDATE root_key SET mac = NULL",
        "UPDATE root_key SET mac = NULL; DELETE FROM witness",
        "UPDATE root_key SET mac = zeroblob(32)",
    ] {
        let scratch = used().await;
        scratch.edit(sql);
        let error = scratch.open().unlock(scratch.root.copy().unwrap());
        let error = error.unwrap_err();
        assert!(matches!(error, VaultError::Tampered { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_new_log_is_trusted_whatever_became_of_the_old_one() {
    let scratch = used().await;
    scratch.edit("DELETE FROM tombstone");
    let vault = scratch.unlocked();
    assert!(vault.mismatch().is_some());
    let begun = tokio::task::spawn_blocking(move || vault.begin_new_log().map(|_| vault));
    assert!(begun.await.unwrap().unwrap().mismatch().is_none());
    assert!(!distrusts(&scratch));
}

#[tokio::test]
async fn tombstones_that_cannot_be_written_leave_what_is_there_genuine() {
    let scratch = used().await;
    let vault = scratch.unlocked();
    vault.settle().await.unwrap();
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let many = (100..9000).map(|nth| (lease(nth), at(40))).collect();
    vault.write_tombstones(many, at(0)).await.unwrap_err();
    assert_eq!(vault.tombstones().len(), 2);
    vault.note(head(10), Vec::new());
    drop(vault);
    let vault = scratch.unlocked();
    assert!(vault.mismatch().is_none());
    assert_eq!(vault.tombstones().len(), 2);
}

#[tokio::test]
async fn a_removals_mac_is_bound_to_text_vault_and_log_and_can_be_made_after_a_lock() {
    let scratch = Scratch::new();
    let vault = scratch.open();
    assert!(matches!(vault.removal_mac("x"), Err(VaultError::Locked)));
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    let mac = vault.removal_mac("covered").unwrap().bytes();
    assert!(!vault.lease_mac("covered").unwrap().is(&mac));
    vault.lock();
    assert!(vault.removal_mac("covered").unwrap().is(&mac));
    assert!(!vault.removal_mac("coverex").unwrap().is(&mac));
    let other = Scratch::new().unlocked();
    assert!(!other.removal_mac("covered").unwrap().is(&mac));
    drop(vault);
    let vault = scratch.unlocked();
    assert!(vault.removal_mac("covered").unwrap().is(&mac));
    let begun = tokio::task::spawn_blocking(move || vault.begin_new_log().map(|_| vault));
    let vault = begun.await.unwrap().unwrap();
    assert!(!vault.removal_mac("covered").unwrap().is(&mac));
}

#[test]
fn the_sum_over_tombstones_is_the_same_whatever_way_they_came() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let witness = known(vault.shared.witness.read());
    let key = &witness.as_ref().unwrap().key;
    let sum_of = |kept: &HashMap<_, _>| {
        let rows = kept.iter();
        RowSum::of(
            key,
            rows.map(|(lease, until)| Row::Tombstone(lease, *until)),
        )
    };
    let mut kept = HashMap::new();
    let mut sum = RowSum::default();
    for nth in 0..60_u128 {
        let leases = [nth % 7, nth % 11, nth].map(lease);
        let until =
            |which: usize| at(i64::try_from(nth).unwrap() + 5 * i64::try_from(which).unwrap());
        let leases = leases.into_iter().enumerate();
        let new = crate::row_mac::NewTombstones {
            leases: leases.map(|(which, lease)| (lease, until(which))).collect(),
            now: at(i64::try_from(nth).unwrap() / 2),
        };
        sum = sum.after(key, &kept, &new);
        kept.retain(|_, until| *until >= new.now);
        kept.extend(new.leases);
        assert_eq!(sum, sum_of(&kept), "{nth}");
    }
    assert_ne!(sum, RowSum::default());
}

/// What no MAC shows, and SECURITY.md says so.
#[tokio::test]
async fn what_was_written_before_the_first_unlock_can_be_taken_away_unseen() {
    let scratch = used().await;
    let vault = scratch.open();
    vault.note(head(11), Vec::new());
    vault
        .write_tombstones(vec![(lease(3), at(30))], at(0))
        .await
        .unwrap();
    drop(vault);
    scratch.edit(
        "DELETE FROM late_tombstone;
         UPDATE vault SET noted_records = (SELECT records FROM witness),
                          noted_hash = (SELECT hash FROM witness)",
    );
    let vault = scratch.unlocked();
    assert!(vault.mismatch().is_none());
    assert_eq!(vault.tombstones().len(), 2, "those before it are there");
    assert_eq!(vault.noted_head(), Some(head(9)));
}
