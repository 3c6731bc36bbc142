//! A new root key, with real processes: it opens everything, and no lease waits for it. In the modules
//! below: it moves from keeper to keeper, and a `kill -9` at any step leaves a vault that opens.

mod keepers;
mod killed;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Home, TestBroker, canary};

const ASK: &str = r#"{"purpose":"label-sync"}"#;

fn set(broker: &TestBroker, name: &str, value: &str) {
    let body = json!({ "value": value }).to_string();
    let answer = broker.http("PUT", &format!("/v1/secrets/{name}"), &body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[track_caller]
fn assert_serves(broker: &TestBroker) {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["token"], canary::CLASSIC);
}

fn in_force(broker: &TestBroker) -> Value {
    broker.http("GET", "/v1/status", "").json()["broker"]["root_key_in_force"].clone()
}

fn version(broker: &TestBroker) -> u64 {
    in_force(broker)["version"].as_u64().unwrap()
}

fn next_key(home: &Home) -> PathBuf {
    home.places.root_key.with_extension("key.next")
}

/// Every announcement has exactly one outcome, and each outcome is of one announcement.
#[track_caller]
fn assert_all_have_outcomes(home: &Home) {
    let seqs = |kind, field: &str| -> Vec<u64> {
        let records = home.records_of(kind);
        records.iter().map(|r| r[field].as_u64().unwrap()).collect()
    };
    let announced = seqs("vault.rekeying", "seq");
    let mut ended = seqs("vault.rekeyed", "announced");
    ended.extend(seqs("vault.rekey_failed", "announced"));
    ended.sort_unstable();
    ended.dedup();
    for seq in &ended {
        assert!(announced.contains(seq), "{seq} was never announced");
    }
    // A broker killed between the record and the vault's own note of it has nothing to finish.
    assert!(
        announced.len() - ended.len() <= 1,
        "{announced:?} {ended:?}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do_and_a_passphrase_is_read_as_it_is_typed() {
    let broker = TestBroker::with_label_sync();
    let ctl = |arguments: &[&str], input: &str, code, says: &str| {
        let ran = broker
            .home
            .ctl_with(&[&["rekey"], arguments].concat(), input);
        assert_eq!(ran.code(), Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    };
    ctl(&["--root-key", "hsm"], "", 2, "possible values");
    ctl(&["--root-key", "keyring"], "", 1, "keyring");
    ctl(
        &["--root-key", "passphrase"],
        "short\n",
        2,
        "at least 12 characters",
    );
    ctl(
        &["--root-key", "passphrase"],
        "\n",
        2,
        "at least 12 characters",
    );
    ctl(
        &["--root-key", "credential"],
        "",
        75,
        "run the commands above as root",
    );
    let useless = broker.http("POST", "/v1/rekey", r#"{"passphrase":"of no use here"}"#);
    assert_eq!(useless.status, 400, "{useless:?}");
    let why = useless.json()["detail"].to_string();
    assert!(why.contains("of use only with"), "{why}");
    let waits = broker.home.ctl(&["rekey", "--root-key", "credential"]);
    assert!(
        waits
            .stdout
            .contains("systemd-creds encrypt --name=tokend-root-key"),
        "{waits:?}"
    );
    assert_eq!(version(&broker), 1);
    assert!(!next_key(&broker.home).exists());
    assert_serves(&broker);
    assert_all_have_outcomes(&broker.home);

    // A passphrase from a pipe opens what it closed when it is typed.
    ctl(
        &["--root-key", "passphrase"],
        "correct\u{1b} horse battery\n",
        2,
        "passphrase: it has a control character (U+001B) at character 8",
    );
    let passphrase = ["rekey", "--root-key", "passphrase"];
    let home = &broker.home;
    home.ctl_with(&passphrase, "correct horse battery\r\n")
        .success();
    for typed in [
        "correct horse battery\n",
        "\u{feff}correct horse battery\r\n",
    ] {
        home.ctl(&["lock"]).success();
        home.ctl_with(&["unlock"], typed).success();
    }
}
