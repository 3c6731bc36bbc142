//! Old copies and cut logs: what a start notices of them, and what only a head kept elsewhere shows.

use broker_audit::chain::LineHash;
use broker_protocol::causes;
use support::forge::{self, edit_vault};
use support::scenes::log::{append, last_segment};

use super::*;

const SECRET: &str = "org-label-sync-token";

const NOTED: &str = "UPDATE vault SET noted_records = RECORDS, noted_hash = HASH;";
const VOUCHED: &str = "UPDATE witness SET records = RECORDS, hash = HASH;";
const TOMBSTONES: &str = "DELETE FROM tombstone; DELETE FROM late_tombstone;";
const FORMAT: &str =
    "DROP TABLE tunnel; DROP TABLE witness; DROP TABLE late_tombstone; DROP TABLE first_seen;
    DROP TABLE exposure_before;
    ALTER TABLE secret_check DROP COLUMN boot_id;
    ALTER TABLE secret_check DROP COLUMN checked_boot;
    ALTER TABLE secret_check DROP COLUMN failed_boot;
    ALTER TABLE minted DROP COLUMN ending; PRAGMA user_version = 4;";

#[test]
fn a_cut_log_with_the_noted_head_and_the_tombstones_edited_revives_no_lease() {
    for as_format in [VOUCHED, FORMAT] {
        let broker = InProcess::with_label_sync();
        let revoked = take(&broker, "");
        let home = broker.stop();
        let (early, records) = (fs::read(last_segment(&home)).unwrap(), home.records());
        let broker = InProcess::start(home);
        assert!(is_live(&broker, &revoked));
        assert_eq!(broker.http("DELETE", &revoked, "").status, 200);
        let home = broker.stop();
        fs::write(last_segment(&home), &early).unwrap();
        let sql = [NOTED, TOMBSTONES, as_format].concat();
        edit_vault(&home, &sql, &records);

        let broker = InProcess::start(home);
        assert!(!is_live(&broker, &revoked));
        let expired = only(&broker.home, "lease.expired", &revoked);
        let why = "what the vault had noted of the log was changed by someone else";
        assert_eq!(expired["why"], why);
        assert_eq!(broker.home.records_of("vault.mismatch").len(), 1);
        let trace = broker.home.trace();
        assert!(trace.contains("tokenctl audit verify"), "{trace}");
        // And the operator goes on.
        let live = take(&broker, "");
        let broker = broker.killed(|_| {});
        assert!(is_live(&broker, &live));
        assert_eq!(broker.home.records_of("vault.mismatch").len(), 1);
    }
}

#[test]
fn a_removal_in_the_log_without_the_vaults_mac_or_of_earlier_versions_erases_nothing() {
    let broker = InProcess::with_label_sync();
    let home = broker.stop();
    append(&home, &forge::forged_removal(&home, SECRET));
    let broker = InProcess::start(home);
    let trace = broker.home.trace();
    let hint = format!("tokenctl secret remove {SECRET}");
    assert!(trace.contains(&hint), "{trace}");
    take(&broker, "");

    broker.done("DELETE", &format!("/v1/secrets/{SECRET}"), "");
    broker.set(SECRET, canary::CLASSIC_TWO);
    let home = broker.stop();
    append(&home, &forge::repeated(&home, "secret.removed"));
    let broker = InProcess::start(home);
    take(&broker, "");
}

/// What no MAC shows, and SECURITY.md says so.
#[test]
fn an_end_that_someone_wrote_into_the_log_ends_that_lease_early_and_no_other() {
    let broker = InProcess::with_label_sync();
    let (ended, other) = (take(&broker, ""), take(&broker, ""));
    let home = broker.stop();
    let id = ended.rsplit('/').next().unwrap();
    append(&home, &forge::forged_end(&home, id));
    let broker = InProcess::start(home);
    assert!(!is_live(&broker, &ended) && is_live(&broker, &other));
    assert!(broker.home.records_of("vault.mismatch").is_empty());
}

#[test]
fn vault_and_log_of_one_moment_put_back_together_are_what_they_were_and_only_a_kept_head_shows_it()
{
    for rows_alone in [false, true] {
        let broker = InProcess::with_label_sync();
        let lease = take(&broker, "");
        let home = broker.stop();
        let (old_vault, old_log) = (home.path().join("old.db"), home.path().join("old.jsonl"));
        fs::copy(&home.places.vault, &old_vault).unwrap();
        fs::copy(last_segment(&home), &old_log).unwrap();
        let broker = InProcess::start(home);
        assert_eq!(broker.http("DELETE", &lease, "").status, 200);
        let home = broker.stop();
        // What an operator keeps where this machine cannot write.
        let anchored = home.records();
        let (number, head) = (
            anchored.len() - 1,
            LineHash::of(anchored.last().unwrap().as_bytes()),
        );
        fs::copy(&old_log, last_segment(&home)).unwrap();
        if rows_alone {
            let rows = COVERED.replace("OLD", old_vault.to_str().unwrap());
            edit_vault(&home, &rows, &anchored);
        } else {
            fs::copy(&old_vault, &home.places.vault).unwrap();
        }
        let broker = InProcess::start(home);
        assert!(is_live(&broker, &lease), "nothing on this machine shows it");
        let records = broker.home.records();
        let at_its_place = records
            .get(number)
            .map(|line| LineHash::of(line.as_bytes()));
        assert_ne!(at_its_place, Some(head));
    }
}

/// The rows that the MAC covers and the MAC, as an older vault has them.
const COVERED: &str = "ATTACH 'OLD' AS old; DELETE FROM tombstone; DELETE FROM witness;
    INSERT INTO tombstone SELECT * FROM old.tombstone; INSERT INTO witness SELECT * FROM old.witness;
    UPDATE vault SET (noted_records, noted_hash) =
      (SELECT noted_records, noted_hash FROM old.vault);";

#[test]
fn a_cut_log_with_only_the_noted_head_edited_is_refused_at_every_start() {
    let home = InProcess::with_label_sync().stop();
    let (early, records) = (fs::read(last_segment(&home)).unwrap(), home.records());
    let mut home = InProcess::start(home).stop();
    fs::write(last_segment(&home), &early).unwrap();
    edit_vault(&home, NOTED, &records);
    for _ in 0..2 {
        let refused = InProcess::try_start(home).err().expect("a refusal");
        let why = causes::describe(&refused.1);
        assert!(why.contains("was cut"), "{why}");
        home = refused.0;
    }
}
