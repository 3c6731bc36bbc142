//! A new root key, with real processes: no lease waits for it, a `kill -9` at any step leaves a vault that
//! opens, and it moves from keeper to keeper.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use broker::commands::init::{Asked, AuditLogChoice, InitOptions, init};
use broker::vault::root_key::{Keyring, Passphrase, RootKeySource};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::broker::{LABEL_SYNC, Ran, SECRETS};
use support::{Home, TestBroker, canary, needs, wait};

const ASK: &str = r#"{"purpose":"label-sync"}"#;
const PASSPHRASE: &str = "correct horse battery";

/// A broker with so many secrets besides the one behind `label-sync`.
fn with_secrets(more: usize) -> TestBroker {
    let home = Home::ready();
    home.config("[limits]\nleases_per_account = 1000000\nleases_per_minute = 1000000\n");
    fill(home.start(), more)
}

fn fill(broker: TestBroker, more: usize) -> TestBroker {
    set(&broker, "org-label-sync-token", canary::CLASSIC);
    for number in 0..more {
        set(&broker, &format!("more-{number}"), canary::CLASSIC_TWO);
    }
    broker
}

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

fn next_key(home: &Home) -> std::path::PathBuf {
    home.places.root_key.with_extension("key.next")
}

/// Every announcement has exactly one outcome, and each outcome is of one announcement.
#[track_caller]
fn assert_all_told(home: &Home) {
    let seqs = |kind, field: &str| -> Vec<u64> {
        let records = home.records_of(kind);
        records.iter().map(|r| r[field].as_u64().unwrap()).collect()
    };
    let announced = seqs("vault.rekeying", "seq");
    let mut told = seqs("vault.rekeyed", "announced");
    told.extend(seqs("vault.rekey_failed", "announced"));
    told.sort_unstable();
    told.dedup();
    for told in &told {
        assert!(announced.contains(told), "{told} was never announced");
    }
    // A broker killed between the record and the vault's own note of it has nothing to finish.
    assert!(announced.len() - told.len() <= 1, "{announced:?} {told:?}");
}

#[test]
fn a_new_root_key_opens_everything_and_the_old_one_nothing() {
    let broker = with_secrets(20);
    let old = fs::read(&broker.home.places.root_key).unwrap();
    let said = broker.home.ctl(&["rekey"]).success();
    assert!(
        said.contains("version 2 of the root key, from the file; 21 data keys"),
        "{said}"
    );
    assert_serves(&broker);
    assert_ne!(fs::read(&broker.home.places.root_key).unwrap(), old);
    assert!(!next_key(&broker.home).exists());
    let announced = broker.home.records_of("vault.rekeying");
    assert_eq!(
        (&announced[0]["from"], &announced[0]["to"]),
        (&json!("file"), &json!("file"))
    );
    assert!(announced[0]["by"]["uid"].is_number());
    let outcome = &broker.home.records_of("vault.rekeyed")[0];
    assert_eq!(outcome["announced"], announced[0]["seq"]);
    assert_eq!(outcome["data_keys"], 21);
    // 21 data keys, and three keys of the vault's own.
    assert_eq!(in_force(&broker)["seals"], 24);
    let home = broker.stop();
    home.ctl(&["audit", "verify"]).success();

    let new = fs::read(&home.places.root_key).unwrap();
    fs::write(&home.places.root_key, old).unwrap();
    let broker = home.start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    assert!(broker.home.trace().contains("does not fit the vault"));
    fs::write(&broker.home.places.root_key, new).unwrap();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
}

#[test]
fn no_lease_fails_while_root_keys_change_and_secrets_are_set() {
    let broker = with_secrets(100);
    let done = AtomicBool::new(false);
    let (taken, changed) = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_serves(&broker);
                        taken += 1;
                    }
                    taken
                })
            })
            .collect();
        let setter = scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                set(&broker, &format!("late-{number}"), canary::CLASSIC_TWO);
                number += 1;
            }
            number
        });
        for _ in 0..5 {
            let answer = broker.http("POST", "/v1/rekey", "");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        done.store(true, Ordering::Relaxed);
        let taken: u32 = clients.into_iter().map(|c| c.join().unwrap()).sum();
        (taken, setter.join().unwrap())
    });
    assert!(
        taken > 10 && changed > 0,
        "{taken} leases, {changed} secrets"
    );
    assert_eq!(version(&broker), 6);
    let broker = broker.kill().start();
    assert_serves(&broker);
    // All that was set meanwhile is under the newest key, or this would say which is not.
    broker.home.ctl(&["rekey"]).success();
}

#[test]
fn of_two_at_once_one_is_refused_or_both_follow_each_other() {
    let broker = with_secrets(200);
    let answers: Vec<_> = thread::scope(|scope| {
        let one = || scope.spawn(|| broker.http("POST", "/v1/rekey", ""));
        let both: Vec<_> = (0..6).map(|_| one()).collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(answer.json()["code"], "conflict");
    }
    assert_eq!(version(&broker), 1 + done as u64);
    assert_serves(&broker);
    assert_all_told(&broker.home);
}

#[test]
fn a_locked_store_is_not_rekeyed() {
    let broker = TestBroker::with_label_sync();
    broker.home.ctl(&["lock"]).success();
    let ran = broker.home.ctl(&["rekey"]);
    assert_eq!(ran.code(), Some(5), "{ran:?}");
    assert!(ran.stderr.contains("tokenctl unlock"), "{ran:?}");
    assert!(broker.home.records_of("vault.rekeying").is_empty());
    broker.home.ctl(&["unlock"]).success();
    assert_eq!(version(&broker), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_mend() {
    let broker = TestBroker::with_label_sync();
    let ctl = |arguments: &[&str], input: &str, code, says: &str| {
        let ran = broker
            .home
            .ctl_with(&[&["rekey"], arguments].concat(), input);
        assert_eq!(ran.code(), Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    };
    ctl(&["--root-key", "hsm"], "", 2, "possible values");
    ctl(&["--root-key", "keyring"], "", 7, "keyring");
    ctl(
        &["--root-key", "passphrase"],
        "short\n",
        2,
        "at least 12 characters",
    );
    ctl(&["--root-key", "passphrase"], "\n", 2, "empty");
    ctl(&["--passphrase"], "of no use here\n", 2, "of use only with");
    ctl(
        &["--root-key", "credential"],
        "",
        75,
        "run the commands above as root",
    );
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
    assert_all_told(&broker.home);
}

#[test]
fn the_key_moves_from_a_file_to_a_passphrase_to_a_credential_and_back() {
    let broker = TestBroker::with_label_sync();
    let to_passphrase = ["rekey", "--root-key", "passphrase"];
    broker.home.ctl_with(&to_passphrase, PASSPHRASE).success();
    assert!(!broker.home.places.root_key.exists(), "the file is erased");
    assert_serves(&broker);
    let broker = broker.kill().start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    broker.home.ctl_with(&["unlock"], PASSPHRASE).success();
    // Nobody types it for this.
    broker.home.ctl(&["rekey"]).success();
    let home = broker.stop();
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("tokend-root-key"), "5a".repeat(32)).unwrap();
    let start = |home| {
        TestBroker::start(home, |command| {
            command.env("CREDENTIALS_DIRECTORY", &credentials);
        })
    };
    let broker = start(home);
    broker.home.ctl_with(&["unlock"], PASSPHRASE).success();
    broker
        .home
        .ctl(&["rekey", "--root-key", "credential"])
        .success();
    let broker = start(broker.kill());
    assert_serves(&broker);
    let ran = broker.home.ctl(&["rekey"]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert!(ran.stdout.contains("--name=tokend-root-key-5"), "{ran:?}");
    let ran = broker.home.ctl(&["rekey", "--root-key", "file"]);
    assert!(ran.stderr.contains("left to do: the credential"), "{ran:?}");
    let broker = broker.kill().start();
    assert_serves(&broker);
    assert_all_told(&broker.home);
}

/// A home whose vault was made by `init` on some day, with a recovery passphrase.
fn made_on(day: &str) -> Home {
    made_by(RootKeySource::File, None, day)
}

fn made_by(source: RootKeySource, credentials: Option<&Path>, day: &str) -> Home {
    let home = Home::new();
    let type_it = |asked: Asked| {
        Ok((asked == Asked::Recovery).then(|| Passphrase::new(PASSPHRASE.to_owned())))
    };
    let options = InitOptions {
        root_key: Some(source),
        passphrase: &type_it,
        credentials: credentials.map(Path::to_owned),
        keyring: Keyring::SESSION,
        audit_log: AuditLogChoice::Keep,
    };
    init(&home.places, &options, day.parse().unwrap()).unwrap();
    home.policy("secrets.toml", SECRETS);
    let uid = nix::unistd::geteuid().to_string();
    home.policy("label-sync.toml", &LABEL_SYNC.replace("UID", &uid));
    home
}

#[test]
fn the_recovery_passphrase_opens_the_vault_after_a_re_key_without_it() {
    let broker = fill(made_on("2026-11-01T00:00:00Z").start(), 0);
    broker.home.ctl(&["rekey"]).success();
    let home = broker.stop();
    fs::remove_file(&home.places.root_key).unwrap();
    let broker = home.start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    broker
        .home
        .ctl_with(&["unlock", "--passphrase"], PASSPHRASE)
        .success();
    assert_serves(&broker);
}

#[test]
fn a_root_key_that_is_due_changes_by_itself() {
    let home = made_on("2020-01-01T00:00:00Z");
    home.config("[root_key]\nrekey_every = \"30d\"\n");
    let broker = fill(home.start(), 0);
    wait::until(|| version(&broker) == 2);
    wait::until(|| !broker.home.records_of("vault.rekeyed").is_empty());
    assert!(
        broker.home.records_of("vault.rekeying")[0]
            .get("by")
            .is_none()
    );
    let key = in_force(&broker);
    assert_eq!(
        (&key["rekey_every"], &key["needs"]),
        (&json!(2_592_000), &Value::Null)
    );
    assert!(key["deadline"].is_string());
    let shown = broker.home.ctl(&["status"]).success();
    assert!(shown.contains("file, version 2 since"), "{shown}");
    assert_serves(&broker);
}

#[test]
fn a_root_key_that_is_due_and_takes_a_person_is_warned_of() {
    let credentials = tempfile::tempdir().unwrap();
    let key = credentials.path().join("tokend-root-key");
    fs::write(key, "5a".repeat(32)).unwrap();
    let source = "credential".parse().unwrap();
    let home = made_by(source, Some(credentials.path()), "2020-01-01T00:00:00Z");
    home.config("[root_key]\nrekey_every = \"30d\"\n");
    let broker = TestBroker::start(home, |command| {
        command.env("CREDENTIALS_DIRECTORY", credentials.path());
    });
    assert_eq!(in_force(&broker)["needs"], "credential");
    let ran = broker.home.ctl(&["doctor"]);
    for says in [
        "the root key should have been changed by 2020-01-31, ",
        " days ago; run `tokenctl rekey`, which says how",
    ] {
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
    assert!(broker.home.records_of("vault.rekeying").is_empty());
}

/// `strace` on a running broker, which kills it at the `nth` such call of one of its threads.
pub(crate) struct Killer(Child);

impl Killer {
    pub(crate) fn at(broker: &TestBroker, call: &str, nth: usize) -> Self {
        let pid = broker.pid();
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:signal=KILL:when={nth}"))
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait::until(|| all_traced(pid));
        Self(tracer)
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

fn all_traced(pid: Pid) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status"));
        status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}

/// Kills the broker at the `nth` such call while it re-keys, over and over; each time the vault opens,
/// and a re-key run again ends well. Returns how many times it was killed.
fn killed_at_each(call: &str, step: usize, most: usize) -> usize {
    let mut broker = with_secrets(60);
    let mut killed = 0;
    for nth in (1..).step_by(step).take(most) {
        let before = version(&broker);
        let killer = Killer::at(&broker, call, nth);
        let mut rekeying = broker
            .home
            .tokenctl()
            .arg("rekey")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = rekeying.wait().unwrap();
        drop(killer);
        let survived = ended.success();
        killed += usize::from(!survived);
        broker = broker.kill().start();
        let how = format!("killed at {call} {nth}");
        assert_serves(&broker);
        let now = version(&broker);
        assert!(
            now == before || now == before + 1,
            "{how}: {before}, then {now}"
        );
        assert!(!next_key(&broker.home).exists(), "{how}");
        let again: Ran = broker.home.ctl(&["rekey"]);
        assert!(again.status.success(), "{how}: {again:?}");
        assert_eq!(version(&broker), now + 1, "{how}");
        assert_serves(&broker);
        assert_every_secret_opens(&broker);
        if survived {
            break;
        }
    }
    let home = broker.stop();
    home.ctl(&["audit", "verify"]).success();
    killed
}

/// A re-key opens every data key, and refuses if one does not.
fn assert_every_secret_opens(broker: &TestBroker) {
    let answer = broker.http("POST", "/v1/rekey", "");
    assert_eq!(answer.json()["data_keys"], 61, "{answer:?}");
}

#[test]
fn a_broker_killed_at_any_write_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        let killed = killed_at_each("pwrite64", 5, 24);
        assert!(killed >= 5, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_any_sync_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        let killed = killed_at_each("fdatasync,fsync", 1, 16);
        assert!(killed >= 2, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_the_move_of_the_key_file_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        for call in ["rename", "unlink"] {
            killed_at_each(call, 1, 3);
        }
    }
}

#[test]
fn a_broker_killed_at_any_moment_leaves_a_vault_that_opens() {
    let mut broker = with_secrets(60);
    for round in 0..15_u64 {
        let mut rekeying = broker
            .home
            .tokenctl()
            .arg("rekey")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread_sleep(Duration::from_millis(round * 3));
        broker = broker.kill().start();
        rekeying.wait().unwrap();
        assert_serves(&broker);
        assert!(!next_key(&broker.home).exists(), "round {round}");
    }
    broker.home.ctl(&["rekey"]).success();
    assert_every_secret_opens(&broker);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is tried"
)]
fn thread_sleep(time: Duration) {
    thread::sleep(time);
}
