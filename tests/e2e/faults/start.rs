//! What a start refuses besides the vault and the log: configuration, policies, modes, owners, a
//! second broker.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::broker::Ran;
use support::{Home, TestBroker, needs};

use super::{lease, live, refused};

#[test]
fn a_malformed_configuration_is_refused_with_its_file_and_line() {
    for (text, words) in [
        ("[socket\n", &["tokend.toml:1"][..]),
        ("[socket]\nmoed = \"0600\"\n", &["tokend.toml", "moed"]),
        ("[socket]\nmode = \"0604\"\n", &["tokend.toml", "0604"]),
        (
            "\n[operators]\nusers = [\"nobody-here\"]\n",
            &["nobody-here"],
        ),
    ] {
        let home = Home::ready();
        home.config(text);
        let home = refused(home, words);
        home.config("");
        home.start();
    }
}

#[test]
fn a_malformed_policy_refuses_the_whole_set_with_file_and_line() {
    for (text, words) in [
        ("purpose = \"x\"\n[[allow\n", &["x.toml:2"][..]),
        ("purpose = \"x\"\nsecrte = \"s\"\n", &["x.toml:2", "secrte"]),
        ("purpose = \"label-sync\"\n", &["x.toml"]),
        ("\u{0}\n", &["x.toml:1"]),
    ] {
        let home = Home::ready();
        home.policy("x.toml", text);
        let home = refused(home, words);
        fs::remove_file(home.places.policies.join("x.toml")).unwrap();
        home.start();
    }
}

/// The command that a message says to run.
fn mend(message: &str) -> String {
    let quoted = message.split('`').find(|part| part.starts_with("chmod "));
    let plain = message.split_once("run: ").map(|(_, rest)| rest);
    let mend = quoted
        .or(plain)
        .unwrap_or_else(|| panic!("no mend: {message}"));
    mend.lines().next().unwrap().to_owned()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_others_may_read_or_change_is_refused_and_the_command_it_prints_mends_it() {
    let segment = format!("audit/{:020}.jsonl", 0);
    for (name, mode) in [
        ("vault.db", 0o640),
        ("audit", 0o755),
        (segment.as_str(), 0o644),
        ("policies", 0o777),
        ("policies/label-sync.toml", 0o666),
        ("tokend.toml", 0o662),
    ] {
        let home = Home::ready().start().stop();
        let path = home.path().join(name);
        set_mode(&path, mode);
        let Err((home, ran)) = TestBroker::try_start(home, |_| {}) else {
            panic!("{name} with mode {mode:o} was accepted");
        };
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        let mend = mend(&ran.stderr);
        assert!(mend.starts_with("chmod "), "{name}: {mend}");
        Ran::of(Command::new("sh").args(["-c", &mend])).success();
        home.start();
    }
}

#[test]
fn what_belongs_to_another_account_is_refused_with_the_owner_it_must_have() {
    if !needs::root() {
        return;
    }
    let segment = format!("audit/{:020}.jsonl", 0);
    for name in ["vault.db", "audit", segment.as_str()] {
        let home = Home::ready().start().stop();
        let path = home.path().join(name);
        chown(&path, Some(65534), None).unwrap();
        let home = refused(home, &["65534", "chown", path.to_str().unwrap()]);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65534);
        chown(&path, Some(0), None).unwrap();
        home.start();
    }
}

#[test]
fn a_second_broker_on_the_same_store_is_refused_and_the_first_goes_on() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let other: PathBuf = broker.home.path().join("other.sock");
    let mut second = broker.home.command(&support::binaries::tokend());
    let ran = Ran::of(second.arg("--socket").arg(&other));
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    let first = format!(
        "process {}, socket {}",
        broker.pid(),
        broker.socket().display()
    );
    super::says(
        &ran.stderr,
        &["another broker has this store open", &first, "stop it"],
    );
    assert!(!other.exists());
    assert_eq!(live(&broker), [held]);
    lease(&broker);
}
