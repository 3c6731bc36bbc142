//! Backup and restore with real processes: from one home into another.

mod interrupted;
mod named_files;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use support::broker::Ran;
use support::{Home, TestBroker, canary};

const PASSPHRASE: &str = "canary-passphrase-CANARY-of-the-backup";
const ASK: &str = r#"{"purpose":"label-sync"}"#;

fn backup_of(home: &Home) -> PathBuf {
    home.path().join("tokend.backup")
}

/// Runs a command of `tokenctl` on a file, the passphrase on its standard input.
fn with_passphrase(home: &Home, command: &[&str], file: &Path, more: &[&str]) -> Ran {
    let mut arguments = command.to_vec();
    arguments.extend([file.to_str().unwrap(), "--passphrase-file", "-"]);
    arguments.extend(more);
    home.ctl_with(&arguments, PASSPHRASE)
}

fn back_up(home: &Home) -> Ran {
    with_passphrase(home, &["backup"], &backup_of(home), &[])
}

fn verify(home: &Home, file: &Path) -> Ran {
    with_passphrase(home, &["backup", "--verify"], file, &[])
}

fn restore(home: &Home, file: &Path) -> Ran {
    with_passphrase(home, &["restore"], file, &[])
}

/// A running broker, with a backup of it.
fn backed_up() -> TestBroker {
    let broker = TestBroker::with_label_sync();
    back_up(&broker.home).success();
    broker
}

/// Starts a broker on what was restored, and holds it to what was backed up.
fn goes_on(home: Home) -> TestBroker {
    let broker = home.start();
    assert_eq!(broker.lease(ASK).json()["token"], canary::CLASSIC);
    broker.home.ctl(&["audit", "verify"]).success();
    broker
}

fn json_of(ran: Ran) -> Value {
    serde_json::from_str(&ran.success()).unwrap()
}

#[test]
fn what_was_backed_up_while_it_was_used_goes_on_elsewhere() {
    let broker = TestBroker::with_label_sync();
    let old_lease = broker.lease(ASK).json()["lease"]
        .as_str()
        .unwrap()
        .to_owned();
    let (socket, over) = (broker.socket(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let answer = support::http::request(&socket, "POST", "/v1/leases", ASK);
                    // At some time there are more than one account may have.
                    assert!([201, 429].contains(&answer.status), "{answer:?}");
                }
            });
        }
        let printed = back_up(&broker.home).success();
        assert!(printed.contains("SHA-256"), "{printed}");
        over.store(true, Ordering::Relaxed);
    });
    let file = backup_of(&broker.home);
    let records = broker.home.records_of("vault.backed_up");
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(
        (&record["secrets"], &record["versions"]),
        (&1.into(), &1.into())
    );
    assert_eq!(record["by"]["uid"], nix::unistd::geteuid().as_raw());
    let old_log = &broker.home.records_of("log.opened")[0]["log_id"].clone();

    let home = broker.stop();
    let seen = json_of(with_passphrase(
        &home,
        &["backup", "--verify", "--json"],
        &file,
        &[],
    ));
    assert_eq!(seen["sha256"], record["sha256"]);
    assert_eq!(seen["log"]["log_id"], *old_log);
    assert_eq!(seen["policies"].as_array().unwrap().len(), 2);
    assert_eq!(seen["configuration"], true);
    // Every record that the backup speaks of is one.
    let last = seen["log"]["records"].as_u64().unwrap() - 1;
    assert!(home.records()[usize::try_from(last).unwrap()].contains(&format!("\"seq\":{last},")));

    let elsewhere = Home::new();
    let told = restore(&elsewhere, &file).success();
    assert!(told.contains("next: start the broker"), "{told}");
    assert!(told.contains("its leases are not honoured"), "{told}");
    let broker = goes_on(elsewhere);
    let restored = &broker.home.records_of("vault.restored")[0];
    assert!(restored["seq"].as_u64().unwrap() <= 2, "{restored}");
    assert_eq!(restored["old_log"], *old_log);
    assert_eq!(restored["old_records"], seen["log"]["records"]);
    assert_eq!(restored["old_head"], seen["log"]["head"]);
    assert_eq!(restored["sha256"], record["sha256"]);
    let opened = &broker.home.records_of("log.opened")[0];
    assert_ne!(opened["log_id"], *old_log);
    // A lease of the old log is none here.
    let old = broker.http("GET", &format!("/v1/leases/{old_lease}"), "");
    assert_eq!(old.status, 404);
    // The next value has the next number.
    let set = ["secret", "set", "org-label-sync-token", "--json"];
    let set = broker.home.ctl_with(&set, canary::CLASSIC_TWO).success();
    let set: Value = serde_json::from_str(&set).unwrap();
    assert_eq!(set["version"], 2);
    // And a start later, nothing is recorded a second time.
    let broker = broker.stop().start();
    assert_eq!(broker.home.records_of("vault.restored").len(), 1);
}

#[test]
fn p3_no_secret_is_in_a_backup_or_in_what_the_commands_print() {
    let broker = TestBroker::with_label_sync();
    let key = std::fs::read_to_string(&broker.home.places.root_key).unwrap();
    let mut printed = Vec::new();
    let mut ran = |ran: Ran| {
        assert!(ran.status.success(), "{ran:?}");
        printed.extend([ran.stdout, ran.stderr]);
    };
    let file = backup_of(&broker.home);
    ran(back_up(&broker.home));
    ran(verify(&broker.home, &file));
    ran(with_passphrase(
        &broker.home,
        &["backup", "--json", "--force"],
        &file,
        &[],
    ));
    let elsewhere = Home::new();
    ran(restore(&elsewhere, &file));
    let content = std::fs::read(&file).unwrap();
    for secret in [canary::CLASSIC, PASSPHRASE, key.trim()] {
        assert!(!canary::is_in(&content, secret));
        assert!(
            !printed
                .iter()
                .any(|text| canary::is_in(text.as_bytes(), secret))
        );
        for home in [&broker.home, &elsewhere] {
            let found = canary::files_with(home.path(), secret);
            let own = home.places.root_key.display().to_string();
            let expected = Vec::from_iter((secret == key.trim()).then_some(own));
            assert_eq!(found, expected, "{secret}");
        }
    }
    // Nothing in it can be compressed or read: not even names.
    assert!(!canary::is_in(&content, "org-label-sync-token"));
}

#[test]
fn the_root_key_of_a_restored_vault_may_be_behind_a_passphrase() {
    let broker = backed_up();
    let file = backup_of(&broker.home);
    let elsewhere = Home::new();
    let own = elsewhere.path().join("own-passphrase");
    std::fs::write(&own, "the vault's own passphrase\n").unwrap();
    let root_key = [
        "--root-key",
        "passphrase",
        "--vault-passphrase-file",
        own.to_str().unwrap(),
    ];
    with_passphrase(&elsewhere, &["restore"], &file, &root_key).success();
    assert!(!elsewhere.places.root_key.exists());
    let broker = elsewhere.start();
    assert_eq!(broker.lease(ASK).status, 503, "locked");
    broker
        .home
        .ctl_with(&["unlock"], "the vault's own passphrase")
        .success();
    assert_eq!(broker.lease(ASK).json()["token"], canary::CLASSIC);
}
