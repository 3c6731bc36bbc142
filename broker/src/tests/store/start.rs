//! What a start refuses besides the vault and the log: configuration, policies, modes, owners.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;

use support::broker::Ran;
use support::needs;

use super::*;

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
        let home = ready();
        home.config(text);
        let home = refused(home, words);
        home.config("");
        InProcess::start(home);
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
        let home = ready();
        home.policy("x.toml", text);
        let home = refused(home, words);
        fs::remove_file(home.places.policies.join("x.toml")).unwrap();
        InProcess::start(home);
    }
}

/// The command that a message says to run.
fn fix(message: &str) -> String {
    let quoted = message.split('`').find(|part| part.starts_with("chmod "));
    let plain = message.split_once("run: ").map(|(_, rest)| rest);
    let fix = quoted
        .or(plain)
        .unwrap_or_else(|| panic!("no fix: {message}"));
    fix.lines().next().unwrap().to_owned()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_others_may_read_or_change_is_refused_and_the_command_it_prints_fixes_it() {
    let segment = format!("audit/{:020}.jsonl", 0);
    for (name, mode) in [
        ("vault.db", 0o640),
        ("audit", 0o755),
        (segment.as_str(), 0o644),
        ("policies", 0o777),
        ("policies/label-sync.toml", 0o666),
        ("tokend.toml", 0o662),
    ] {
        let home = InProcess::start(ready()).stop();
        let path = home.path().join(name);
        set_mode(&path, mode);
        let (home, why) = why_not(home);
        let fix = fix(&why);
        assert!(fix.starts_with("chmod "), "{name}: {fix}");
        Ran::of(Command::new("sh").args(["-c", &fix])).success();
        InProcess::start(home);
    }
}

#[test]
fn what_belongs_to_another_account_is_refused_with_the_owner_it_must_have() {
    if !needs::root() {
        return;
    }
    let segment = format!("audit/{:020}.jsonl", 0);
    for name in ["vault.db", "audit", segment.as_str()] {
        let home = InProcess::start(ready()).stop();
        let path = home.path().join(name);
        chown(&path, Some(65534), None).unwrap();
        let home = refused(home, &["65534", "chown", path.to_str().unwrap()]);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65534);
        chown(&path, Some(0), None).unwrap();
        InProcess::start(home);
    }
}
