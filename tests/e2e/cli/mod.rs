//! `tokenctl` against a real broker: what it prints, and the exit code for every refusal.

mod leases;
mod policies;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::broker::{LABEL_SYNC, Ran, like_label_sync};
use support::{Home, TestBroker, binaries, canary};

/// A refusal: the code, nothing on stdout, an error and no secret on stderr.
#[track_caller]
fn refused(ran: &Ran, code: i32, says: &str) {
    assert_eq!(ran.code(), Some(code), "{ran:?}");
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("tokenctl: error: "), "{ran:?}");
    assert!(ran.stderr.contains(says), "{ran:?}");
    assert!(!canary::is_in(ran.stderr.as_bytes(), canary::CLASSIC));
}

#[test]
fn every_refusal_has_its_exit_code() {
    let home = Home::ready();
    home.config("[limits]\ndenials_per_minute = 12\n");
    let unset = "[secret.unset-token]\nkind = \"classic\"\nsource = \"env:NOT_SET\"\n";
    home.policy("unset.toml", unset);
    let purpose = like_label_sync("unset", "unset-token");
    home.policy("unset.purpose.toml", &purpose);
    let broker = home.start();
    let home = &broker.home;
    let set = ["secret", "set", "org-label-sync-token"];
    home.ctl_with(&set, canary::CLASSIC).success();
    let no_such = || home.ctl(&["get", "no-such"]);
    refused(&no_such(), 3, "`no-such` is not allowed");
    refused(
        &home.ctl(&["get", "label-sync", "--ttl", "2h"]),
        3,
        "label-sync.toml#1",
    );
    refused(
        &home.ctl(&["get", "label-sync", "--repo", "other/site"]),
        3,
        "other/site",
    );
    let token = ["get", "label-sync", "--reason", canary::CLASSIC];
    refused(&home.ctl(&token), 2, "looks like a token");
    let none = "0".repeat(32);
    refused(&home.ctl(&["lease", "show", &none]), 1, "no live lease");
    refused(&home.ctl(&["lease", "renew", &none]), 1, "no live lease");
    refused(&home.ctl(&["lease", "revoke", &none]), 1, "no live lease");
    refused(&home.ctl(&["secret", "show", "none"]), 1, "`none`");

    // A source that gives nothing.
    refused(&home.ctl(&["get", "unset"]), 7, "unset-token");
    let doctor = home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("NOT_SET"), "{doctor:?}");

    home.ctl(&["secret", "remove", "org-label-sync-token", "--yes"])
        .success();
    refused(
        &home.ctl(&["get", "label-sync"]),
        1,
        "secret set org-label-sync-token",
    );
    let expired = [&set[..], &["--expires", "2001-01-01"]].concat();
    home.ctl_with(&expired, canary::CLASSIC).success();
    refused(&home.ctl(&["get", "label-sync"]), 1, "has expired");

    home.ctl(&["lock"]).success();
    refused(&home.ctl(&["get", "label-sync"]), 5, "tokenctl unlock");
    home.ctl(&["unlock"]).success();

    let usage = home.ctl(&["get"]);
    assert_eq!((usage.code(), usage.stdout.as_str()), (Some(2), ""));

    // A caller with too many requests learns when to try again.
    let mut denied = 0;
    let limited = loop {
        let ran = no_such();
        if ran.code() != Some(3) {
            break ran;
        }
        denied += 1;
        assert!(denied < 12, "{ran:?}");
    };
    refused(&limited, 75, "try again in");

    let home = broker.stop();
    refused(&home.ctl(&["get", "label-sync"]), 4, "tokend");

    // A log that was changed, and where.
    home.ctl(&["audit", "verify"]).success();
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let name = "00000000000000000000.jsonl";
    let text = fs::read_to_string(home.places.audit.join(name)).unwrap();
    let changed = text.lines().position(|line| line.contains("label-sync"));
    fs::write(copy.join(name), text.replace("label-sync", "label-sink")).unwrap();
    let ran = home.ctl(&["audit", "verify", copy.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(8), "{ran:?}");
    let place = format!("{name}, record {}", changed.unwrap());
    assert!(ran.stderr.contains(&place), "{ran:?}");
}

#[test]
fn get_prints_the_token_alone_and_what_is_asked_for_as_json_is_json() {
    let broker = TestBroker::with_label_sync();
    let home = &broker.home;
    let ran = home.ctl(&["get", "label-sync", "--reason", "nightly"]);
    assert_eq!(ran.stdout, format!("{}\n", canary::CLASSIC));
    let first = &home.records_of("lease.granted")[0];
    assert_eq!(first["reason"], "nightly");
    let first = first["lease"].as_str().unwrap();
    home.ctl(&["lease", "revoke", first]).success();

    let json = |arguments: &[&str]| -> Value {
        let ran = home.ctl(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    let lease = json(&["get", "label-sync"]);
    assert_eq!(lease["token"], canary::CLASSIC);
    let id = lease["lease"].as_str().unwrap();
    assert_eq!(json(&["lease", "list"])["leases"][0]["lease"], id);
    assert_eq!(json(&["lease", "show", id])["lease"], id);
    assert_eq!(json(&["lease", "renew", id])["lease"], id);
    assert_eq!(
        json(&["purpose", "list"])["purposes"][0]["purpose"],
        "label-sync"
    );
    assert_eq!(
        json(&["purpose", "show", "label-sync"])["rule"],
        "label-sync.toml#1"
    );
    assert_eq!(json(&["status"])["ready"], true);
    let name = "org-label-sync-token";
    assert_eq!(json(&["secret", "show", name])["name"], name);
    assert_eq!(json(&["secret", "list"])["secrets"][0]["name"], name);
    assert!(json(&["policy", "reload"])["purposes"].is_u64());
    json(&["audit", "verify"]);
    json(&["doctor"]);
    assert_eq!(json(&["lease", "revoke", id])["recorded"], true);

    let log = home.ctl(&["audit", "tail", "--json"]).success();
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert!(!canary::is_in(log.as_bytes(), canary::CLASSIC));

    // All at once, which is no failure if there is none.
    let before = home.records_of("lease.revoked").len();
    for _ in 0..3 {
        home.ctl(&["get", "label-sync"]).success();
    }
    let revoked = home.ctl(&["lease", "revoke", "--all"]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert!(
        revoked.stderr.contains("still holds"),
        "said of raw leases: {revoked:?}"
    );
    assert_eq!(home.records_of("lease.revoked").len(), before + 3);
    assert_eq!(json(&["lease", "list"])["leases"], json!([]));
    home.ctl(&["lease", "revoke", "--all"]).success();
}

#[test]
fn tokenctl_runs_the_tokend_beside_it_and_none_from_the_path() {
    let home = Home::ready();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = bin.join("tokend");
    binaries::install_script(&fake, "echo from the path");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let ran = Ran::of(home.tokenctl().env("PATH", &path).args(["policy", "check"]));
    assert!(ran.status.success(), "{ran:?}");
    assert!(!ran.stdout.contains("from the path"), "{ran:?}");

    let alone = bin.join("tokenctl");
    fs::remove_file(&fake).unwrap();
    binaries::install(&binaries::tokenctl(), &alone);
    let beside = Path::new(&alone);
    let ran = Ran::of(home.command(beside).args(["policy", "check"]));
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("tokend"), "{ran:?}");
}

#[test]
fn what_is_explained_is_in_force_where_a_broker_runs_and_the_files_where_none_does() {
    let broker = TestBroker::with_label_sync();
    let rules = LABEL_SYNC.replace("UID", "4711");
    broker.home.policy("label-sync.toml", &rules);
    let explain = ["policy", "explain", "label-sync"];
    let ran = broker.home.ctl(&explain);
    assert!(ran.stdout.contains("label-sync.toml#1 (line "), "{ran:?}");
    assert!(ran.stdout.contains(") speaks\n"), "{ran:?}");
    assert!(ran.stdout.contains("\nin force since "), "{ran:?}");
    assert!(
        ran.stderr
            .contains("changed on disk since (label-sync.toml)"),
        "{ran:?}"
    );

    let home = broker.stop();
    let wide = [
        "--permission",
        "issues=admin",
        "--request",
        "GET /repos/acme/site/labels",
    ];
    let ran = home.ctl(&[&explain[..], &wide].concat());
    assert!(ran.status.success(), "{ran:?}");
    assert!(
        ran.stderr
            .contains("note: the broker was not asked: no broker "),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("uid must be 4711"), "{ran:?}");
    let files = format!(
        "these are the files in {}; a broker that runs need not have loaded them\n",
        home.places.policies.display()
    );
    assert!(ran.stdout.ends_with(&files), "{ran:?}");
    let ran = home.ctl(&[&explain[..], &["--json"]].concat()).success();
    let said: Value = serde_json::from_str(&ran).unwrap();
    assert_eq!(said["outcome"], "denied");
    let ran = home.ctl(&[&explain[..], &["--user", "no-such-account"]].concat());
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    assert!(
        ran.stdout
            .contains("there is no account `no-such-account` on this machine"),
        "{ran:?}"
    );
}

#[test]
fn a_recovery_passphrase_asked_for_too_late_is_refused_and_not_passed_over() {
    let home = Home::ready();
    let ran = home.ctl(&["init", "--recovery"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the vault exists already"), "{ran:?}");
}

#[test]
fn doctor_says_what_the_next_start_will_find_and_what_is_not_in_force_yet() {
    let broker = TestBroker::with_label_sync();
    let nothing_but_recovery = |home: &Home| {
        let text = home.ctl(&["doctor"]).success();
        let (first, rest) = text.split_once("looked at:\n").unwrap();
        assert!(
            first.starts_with("look: there is no recovery passphrase"),
            "{text}"
        );
        assert_eq!(first.lines().count(), 2, "{text}");
        assert!(
            rest.ends_with("nothing wrong; see above what to check\n"),
            "{text}"
        );
    };
    nothing_but_recovery(&broker.home);

    let kept = broker.home.path().join("kept");
    fs::rename(&broker.home.places.root_key, &kept).unwrap();
    let ran = broker.home.ctl(&["doctor"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(
        ran.stdout.contains("root.key is gone: the next start"),
        "{ran:?}"
    );
    fs::rename(&kept, &broker.home.places.root_key).unwrap();

    let rules = LABEL_SYNC.replace("UID", "4711");
    broker.home.policy("label-sync.toml", &rules);
    let ran = broker.home.ctl(&["doctor"]).success();
    assert!(
        ran.contains("after the policies in force were loaded"),
        "{ran}"
    );
    broker.reload();
    nothing_but_recovery(&broker.home);
}

#[test]
fn init_reads_a_recovery_passphrase_from_standard_input_where_there_is_no_terminal() {
    let passphrases = "correct horse battery\nstaple and a stable\n";
    for (asked, lines, unlock) in [
        (
            &["--root-key", "file"][..],
            "staple and a stable\n",
            "staple and a stable\n",
        ),
        (
            &["--root-key", "passphrase"],
            passphrases,
            "staple and a stable\n",
        ),
        (
            &["--root-key", "passphrase"],
            passphrases,
            "correct horse battery\n",
        ),
    ] {
        let home = Home::new();
        let init = [&["init", "--recovery"], asked].concat();
        let made = home.ctl_with(&init, lines).success();
        assert!(!made.contains("recovery passphrase: none"), "{made}");
        let broker = home.start();
        broker.home.ctl(&["lock"]);
        let unlocked = broker.home.ctl_with(&["unlock", "--passphrase"], unlock);
        assert_eq!(unlocked.code(), Some(0), "{unlocked:?}");
    }
    let home = Home::new();
    let init = home.ctl_with(&["init", "--root-key", "file", "--recovery"], "");
    assert_eq!(init.code(), Some(1), "{init:?}");
    assert!(
        init.stderr.contains("standard input has no line for it"),
        "{init:?}"
    );
}

#[test]
fn tokend_repeats_no_token_that_is_passed_where_something_else_belongs() {
    let home = Home::new();
    for arguments in [
        &["ghp_canary"][..],
        &["--trace", "ghp_canary=x=y"],
        &["--config", "ghp_canary/tokend.toml", "policy", "check"],
        &["policy", "check", "ghp_canary"],
        &["policy", "explain", "ghp_canary"],
        &["policy", "explain", "p", "--user", "ghp_canary"],
        &["backup", "--verify", "ghp_canary"],
        &["restore", "ghp_canary"],
        &["restore", "x", "--passphrase-file", "ghp_canary"],
        &["init", "--root-key", "ghp_canary"],
    ] {
        let mut tokend = home.command(&binaries::tokend());
        let ran = Ran::of(tokend.args(arguments));
        assert_ne!(ran.code(), Some(0), "{ran:?}");
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!printed.contains("canary"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn with_json_wrong_usage_is_an_object_of_tokend_as_of_tokenctl() {
    let home = Home::new();
    for program in [binaries::tokend(), binaries::tokenctl()] {
        let mut command = home.command(&program);
        let ran = Ran::of(command.args(["restore", "--json", "--frobnicate"]));
        assert_eq!((ran.code(), &*ran.stdout), (Some(2), ""), "{ran:?}");
        let said: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(
            (&said["error"], &said["code"], &said["exit_code"]),
            (
                &"unexpected argument '--frobnicate' found".into(),
                &"usage".into(),
                &2.into()
            )
        );
    }
}
