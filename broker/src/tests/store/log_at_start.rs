//! What a start makes of a log that was cut, extended, exchanged or lost while the broker was stopped.

use std::fs;

use support::forge::{forged_grant, repeated_grant};
use support::home::write_private;

use super::*;

/// A stopped broker that had granted two leases, and their ids.
fn two_leases() -> (Home, Vec<String>) {
    let broker = InProcess::with_label_sync();
    let mut leases = vec![lease(&broker), lease(&broker)];
    leases.sort();
    (broker.stop(), leases)
}

#[test]
fn a_log_deleted_while_the_broker_is_stopped_is_refused() {
    let (home, leases) = two_leases();
    let segment = last_segment(&home);
    let whole = fs::read(&segment).unwrap();
    fs::remove_file(&segment).unwrap();
    let home = refused(
        home,
        &[
            "is missing",
            "back from a backup",
            "tokend init --new-audit-log",
        ],
    );
    fs::remove_dir(&home.places.audit).unwrap();
    let home = refused(home, &["is missing"]);
    assert_eq!(files_ending(&home.places.audit, ".jsonl").len(), 0);
    write_private(&segment, &whole);
    assert_eq!(live(&InProcess::start(home)), leases);
}

#[test]
fn the_fix_for_a_lost_log_is_a_new_one_and_the_old_leases_do_not_return() {
    let (home, _) = two_leases();
    cut(&last_segment(&home), 1000);
    let home = refused(home, &["tokend init --new-audit-log"]);
    begin_a_new_log(&home);
    let broker = InProcess::start(home);
    assert_eq!(live(&broker), [""; 0]);
    let held = lease(&broker);
    let broker = broker.killed(|_| {});
    assert_eq!(live(&broker), [held]);
    broker.assert_log_verifies();
}

#[test]
fn a_genuine_grant_repeated_after_its_revocation_revives_nothing() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    broker.done("DELETE", &format!("/v1/leases/{held}"), "");
    let home = broker.stop();
    append(&home, &repeated_grant(&home));
    let broker = InProcess::start(home);
    assert_eq!(live(&broker), [""; 0]);
    let expired = broker.home.records_of("lease.expired");
    says(expired[0]["why"].as_str().unwrap(), &["revoked"]);
}

#[test]
fn two_lines_torn_at_once_are_moved_aside_named_and_live_leases_stand() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    let home = broker.stop();
    let segment = last_segment(&home);
    let noted = fs::read(&segment).unwrap().len();
    let (line, _) = forged_grant(&home);
    append(&home, &line);
    let (second, _) = forged_grant(&home);
    append(&home, &second);
    // Both went to disk in one write, of which some pages never got there.
    let mut torn = fs::read(&segment).unwrap();
    torn[noted + 300..noted + line.len() + 200].fill(0);
    fs::write(&segment, &torn).unwrap();

    let broker = InProcess::start(home);
    assert_eq!(live(&broker), std::slice::from_ref(&held));
    let kept = files_ending(&broker.home.places.audit, ".torn");
    assert_eq!(fs::read(&kept[0]).unwrap(), torn[noted..]);
    let recovered = broker.home.records_of("log.recovered");
    let name = kept[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(recovered[0]["moved_to"], name);
    assert_eq!(recovered[0]["bytes"], (torn.len() - noted) as u64);
    broker.assert_log_verifies();

    let mut leases = vec![held, lease(&broker)];
    leases.sort();
    assert_eq!(live(&broker.killed(|_| {})), leases);
}

#[test]
fn a_log_cut_while_the_broker_is_stopped_is_refused_wherever_it_is_cut() {
    let (mut home, leases) = two_leases();
    let segment = last_segment(&home);
    let whole = fs::read(&segment).unwrap();
    let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let (before, last) = (lines[lines.len() - 2] + 1, whole.len());
    for (size, word) in [
        (before, "was cut"),
        (last - 1, "is damaged"),
        (before + 20, "is damaged"),
        (500, "is damaged"),
        (0, "was cut"),
    ] {
        cut(&segment, size);
        home = refused(home, &[word, "back from a backup", "--new-audit-log"]);
        fs::remove_file(&segment).ok();
        write_private(&segment, &whole);
        assert_eq!(files_ending(&home.places.audit, ".torn").len(), 0);
    }
    assert_eq!(live(&InProcess::start(home)), leases);
}

#[test]
fn p9_a_grant_appended_while_the_broker_is_stopped_makes_no_lease_and_is_ended_in_the_log() {
    let (home, leases) = two_leases();
    let (line, forged) = forged_grant(&home);
    append(&home, &line);
    let broker = InProcess::start(home);
    assert_eq!(live(&broker), leases);
    says(
        &broker.home.trace(),
        &["this broker never wrote", "someone else wrote into it"],
    );
    let rebuilt = broker.home.records_of("leases.rebuilt");
    assert_eq!(rebuilt.last().unwrap()["refused"], 1);
    let ended = broker.home.records_of("lease.revoked");
    assert_eq!(ended[0]["lease"], forged.as_str());
    assert_eq!(ended[0]["purpose"], "label-sync");

    // Decided once: the next start finds it revoked.
    let broker = broker.restarted();
    assert_eq!(live(&broker), leases);
    let rebuilt = broker.home.records_of("leases.rebuilt");
    assert_eq!(rebuilt.last().unwrap()["refused"], 0);
}

#[test]
fn the_log_of_another_home_is_refused_untouched() {
    let (home, _) = two_leases();
    let (other, _) = two_leases();
    let own = home.path().join("audit.own");
    fs::rename(&home.places.audit, &own).unwrap();
    fs::rename(&other.places.audit, &home.places.audit).unwrap();
    let before = fs::read(last_segment(&home)).unwrap();
    let home = refused(
        home,
        &["belongs to another vault", "its own audit directory"],
    );
    assert_eq!(fs::read(last_segment(&home)).unwrap(), before);
    fs::remove_dir_all(&home.places.audit).unwrap();
    fs::rename(&own, &home.places.audit).unwrap();
    InProcess::start(home);
}
