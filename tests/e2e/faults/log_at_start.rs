//! What a start makes of a log that was cut, extended, exchanged or lost while the broker was
//! stopped.

use std::fs;

use support::forge::forged_grant;
use support::home::write_private;
use support::scenes::leases::{lease, live};
use support::scenes::log::{append, cut, files_ending, last_segment, says};
use support::{Home, TestBroker};

use super::refused;

/// A stopped broker that had granted two leases, and their ids.
fn two_leases() -> (Home, Vec<String>) {
    let broker = TestBroker::with_label_sync();
    let mut leases = vec![lease(&broker), lease(&broker)];
    leases.sort();
    (broker.stop(), leases)
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
    assert_eq!(live(&home.start()), leases);
}

#[test]
fn p9_a_grant_appended_while_the_broker_is_stopped_makes_no_lease_and_is_ended_in_the_log() {
    let (home, leases) = two_leases();
    let (line, forged) = forged_grant(&home);
    append(&home, &line);
    let broker = home.start();
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
    let broker = broker.stop().start();
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
    home.start();
}
