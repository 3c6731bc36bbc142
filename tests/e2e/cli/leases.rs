//! `git-credential`, `exec` and `lease`.

use super::*;

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
