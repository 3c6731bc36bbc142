//! `tokenctl` against a real broker: what it prints, and the exit code for every refusal.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::broker::{LABEL_SYNC, Ran};
use support::{Home, TestBroker, binaries, canary};

/// Every policy file and its bytes.
fn policies(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(&home.places.policies).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

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
fn get_prints_the_token_alone() {
    let broker = TestBroker::with_label_sync();
    let ran = broker
        .home
        .ctl(&["get", "label-sync", "--reason", "nightly"]);
    assert_eq!(ran.stdout, format!("{}\n", canary::CLASSIC));
    assert_eq!(
        broker.home.records_of("lease.granted")[0]["reason"],
        "nightly"
    );
}

#[test]
fn every_refusal_has_its_exit_code() {
    let broker = TestBroker::with_label_sync();
    let home = &broker.home;
    refused(
        &home.ctl(&["get", "no-such"]),
        3,
        "`no-such` is not allowed",
    );
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

    home.ctl(&["secret", "remove", "org-label-sync-token", "--yes"])
        .success();
    refused(
        &home.ctl(&["get", "label-sync"]),
        1,
        "secret set org-label-sync-token",
    );
    let set = [
        "secret",
        "set",
        "org-label-sync-token",
        "--expires",
        "2001-01-01",
    ];
    home.ctl_with(&set, canary::CLASSIC).success();
    refused(&home.ctl(&["get", "label-sync"]), 1, "has expired");

    home.ctl(&["lock"]).success();
    refused(&home.ctl(&["get", "label-sync"]), 5, "tokenctl unlock");
    home.ctl(&["unlock"]).success();

    let usage = home.ctl(&["get"]);
    assert_eq!((usage.code(), usage.stdout.as_str()), (Some(2), ""));
    let home = broker.stop();
    refused(&home.ctl(&["get", "label-sync"]), 4, "tokend");
}

#[test]
fn a_source_that_gives_nothing_is_exit_code_7() {
    let home = Home::ready();
    let text = support::broker::SECRETS.replace("\"vault\"", "\"env:NOT_SET\"");
    home.policy("secrets.toml", &text);
    let broker = home.start();
    let ran = broker.home.ctl(&["get", "label-sync"]);
    refused(&ran, 7, "org-label-sync-token");
    let doctor = broker.home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("NOT_SET"), "{doctor:?}");
}

#[test]
fn a_log_that_was_changed_is_exit_code_8_and_says_where() {
    let broker = TestBroker::with_label_sync();
    broker.home.ctl(&["get", "label-sync"]).success();
    let home = broker.stop();
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
fn what_is_asked_for_as_json_is_json() {
    let broker = TestBroker::with_label_sync();
    let home = &broker.home;
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
}

#[test]
fn secret_add_writes_one_file_and_edits_none() {
    let broker = Home::ready().start();
    let home = &broker.home;
    let before = policies(home);
    let add = [
        "secret",
        "add",
        "new-token",
        "--owner",
        "acme-bot",
        "--scope",
        "repo",
    ];
    home.ctl_with(&add, &format!("{}\n", canary::CLASSIC_TWO))
        .success();

    let written = home.places.policies.join("new-token.toml");
    let text = fs::read_to_string(&written).unwrap();
    assert!(text.contains("[secret.new-token]"), "{text}");
    assert!(!canary::is_in(text.as_bytes(), canary::CLASSIC_TWO));
    let others: Vec<_> = policies(home)
        .into_iter()
        .filter(|(path, _)| *path != written)
        .collect();
    assert!(others == before, "no other file changed");
    let list = home.ctl(&["secret", "show", "new-token"]).success();
    assert!(
        list.contains("vault") && !list.contains(canary::CLASSIC_TWO),
        "{list}"
    );

    let after = policies(home);
    let again = home.ctl_with(&add, canary::CLASSIC);
    refused(&again, 1, "new-token.toml");
    assert!(policies(home) == after);
    let version = home
        .ctl(&["secret", "show", "new-token", "--json"])
        .success();
    let version: Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["version"], 1, "nor was another value stored");
}

#[test]
fn import_takes_over_a_file_of_four_tokens_and_a_second_run_changes_nothing() {
    let broker = Home::new();
    broker.ctl(&["init", "--root-key", "file"]).success();
    let broker = broker.start();
    let home = &broker.home;
    let names = [
        "org-label-sync-token",
        "org-project-admin-token",
        "org-onboarding-token",
        "org-repo-analysis-token",
    ];
    let mut text = String::from("# tokens of the organisation\n\nEDITOR=vi\n");
    for (index, name) in names.iter().enumerate() {
        let variable = name.to_uppercase().replace('-', "_");
        let token = canary::CLASSIC.replace("0001", &format!("001{index}"));
        text.push_str(&format!("export {variable}=\"{token}\"\n"));
    }
    let file = home.path().join("github-tokens");
    fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();

    let before = policies(home);
    home.ctl(&["import", file, "--org", "acme", "--dry-run"])
        .success();
    assert!(policies(home) == before, "a dry run writes nothing");
    home.ctl(&["import", file, "--org", "acme"]).success();
    let list = home.ctl(&["secret", "list", "--json"]).success();
    let list: Value = serde_json::from_str(&list).unwrap();
    let held = |name: &str| {
        let mut all = list["secrets"].as_array().unwrap().iter();
        all.find(|view| view["name"] == name).unwrap().clone()
    };
    for name in names {
        assert_eq!(held(name)["version"], 1, "{name}");
        assert_eq!(held(name)["declared"], true, "{name}");
    }
    let after = policies(home);
    for (path, bytes) in &before {
        assert!(
            after
                .iter()
                .any(|file| file == &(path.clone(), bytes.clone())),
            "{}",
            path.display()
        );
    }
    for (path, bytes) in &after {
        let text = str::from_utf8(bytes).unwrap();
        assert!(!text.contains("ghp_"), "{}", path.display());
        if !before.iter().any(|(other, _)| other == path) {
            let allows = text
                .lines()
                .any(|line| line.trim_start().starts_with("[[allow]]"));
            assert!(
                !allows,
                "{}: nobody may before someone says so",
                path.display()
            );
        }
    }
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        text,
        "the file is only read"
    );

    home.ctl(&["import", file, "--org", "acme"]).success();
    assert!(policies(home) == after);
    let set = home.records_of("secret.set");
    assert_eq!(set.len(), names.len(), "no value was stored twice");
}

#[test]
fn git_gets_a_password_with_its_end_or_is_told_to_stop_asking() {
    let home = Home::ready();
    let uid = nix::unistd::geteuid().as_raw().to_string();
    let policy = LABEL_SYNC
        .replace("UID", &uid)
        .replace("issues", "contents");
    home.policy("label-sync.toml", &policy);
    let broker = home.start();
    let home = &broker.home;
    home.ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();

    let question = "protocol=https\nhost=github.com\npath=acme/site.git\n\n";
    let answer = home
        .ctl_with(&["git-credential", "get"], question)
        .success();
    let lease = &home.records_of("lease.granted")[0];
    let end: jiff::Timestamp = lease["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        answer,
        format!(
            "username=x-access-token\npassword={}\npassword_expiry_utc={}\n",
            canary::CLASSIC,
            end.as_second()
        )
    );
    assert_eq!(lease["repositories"], json!(["acme/site"]));

    let other = "protocol=https\nhost=github.com\npath=other/site.git\n\n";
    for arguments in [
        &["git-credential", "get"][..],
        &["git-credential", "--purpose", "label-sync", "get"],
    ] {
        let denied = home.ctl_with(arguments, other);
        assert_eq!(denied.stdout, "quit=1\n", "{denied:?}");
        assert!(!denied.status.success());
    }
    let elsewhere = "protocol=https\nhost=example.org\npath=acme/site.git\n\n";
    let nothing = home
        .ctl_with(&["git-credential", "get"], elsewhere)
        .success();
    assert_eq!(nothing, "", "not ours to answer");
}

#[test]
fn exec_gives_the_command_a_token_and_ends_the_lease_with_it() {
    let broker = TestBroker::with_label_sync();
    let home = &broker.home;
    let script = "printf '%s %s %s' \"$GH_TOKEN\" \"$GITHUB_TOKEN\" \"$MINE\"; exit 9";
    let ran = home.ctl(&[
        "exec",
        "label-sync",
        "--env",
        "MINE",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let token = canary::CLASSIC;
    assert_eq!(ran.stdout, format!("{token} {token} {token}"));
    assert_eq!(ran.code(), Some(9), "the command's own");
    // The command took tokenctl's place: the broker sees it exit.
    support::wait::until(|| broker.http("GET", "/v1/leases", "").json() == json!({"leases": []}));
    assert_eq!(home.records_of("lease.granted")[0]["until"], "caller_exit");

    let refused = home.ctl(&["exec", "no-such", "--", "true"]);
    assert_eq!(refused.code(), Some(125), "{refused:?}");
    let missing = home.ctl(&["exec", "label-sync", "--", "/no/such/program"]);
    assert_eq!(missing.code(), Some(127), "{missing:?}");
}

#[test]
fn lease_revoke_all_ends_every_one() {
    let broker = TestBroker::with_label_sync();
    let home = &broker.home;
    for _ in 0..3 {
        home.ctl(&["get", "label-sync"]).success();
    }
    let revoked = home.ctl(&["lease", "revoke", "--all"]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert!(
        revoked.stderr.contains("still holds"),
        "said of raw leases: {revoked:?}"
    );
    assert_eq!(home.records_of("lease.revoked").len(), 3);
    let list = home.ctl(&["lease", "list", "--json"]).success();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["leases"], json!([]));
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
fn a_recovery_passphrase_asked_for_too_late_is_refused_and_not_passed_over() {
    let home = Home::ready();
    let ran = home.ctl(&["init", "--recovery"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("only when a vault is made"), "{ran:?}");
}

#[test]
fn doctor_says_what_the_next_start_will_find_and_what_is_not_in_force_yet() {
    let broker = TestBroker::with_label_sync();
    assert_eq!(broker.home.ctl(&["doctor"]).success(), "nothing wrong\n");

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
    assert_eq!(broker.home.ctl(&["doctor"]).success(), "nothing wrong\n");
}
