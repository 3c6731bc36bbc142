//! `git-credential`.

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
    let named = ["git-credential", "--purpose", "label-sync", "get"];
    let denied = home.ctl_with(&named, other);
    assert_eq!(denied.stdout, "quit=1\n", "{denied:?}");
    assert!(!denied.status.success());
    let left = home.ctl_with(&["git-credential", "get"], other).success();
    assert_eq!(left, "", "another helper may know it");
    let elsewhere = "protocol=https\nhost=example.org\npath=acme/site.git\n\n";
    let nothing = home
        .ctl_with(&["git-credential", "get"], elsewhere)
        .success();
    assert_eq!(nothing, "", "not ours to answer");
}
