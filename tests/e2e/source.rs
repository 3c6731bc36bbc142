//! Values that are not stored in the vault.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::{Home, TestBroker, canary};

use support::described::lease;

fn put(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A home whose one secret comes from this source.
fn home(source: &str) -> Home {
    let home = Home::ready();
    let source = format!("source = \"{source}\"");
    let secrets = support::broker::SECRETS.replace("source = \"vault\"", &source);
    assert!(secrets.contains(&source), "{secrets}");
    home.policy("secrets.toml", &secrets);
    home
}

/// A broker whose one secret is in this file.
fn broker(path: &Path) -> TestBroker {
    home(&format!("file:{}", path.display())).start()
}

#[test]
fn a_file_that_is_unfit_refuses_leases_and_is_told_with_what_to_do_until_it_is_leased_as_it_is_then()
 {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("label-sync");
    put(&path, canary::CLASSIC, 0o644);
    let broker = broker(&path);
    let (status, problem) = lease(&broker);
    assert_eq!(
        (status, problem["code"].as_str()),
        (502, Some("source_unavailable"))
    );
    let directory = scratch.path().to_str().unwrap();
    assert!(
        !problem.to_string().contains(directory),
        "no path for callers: {problem}"
    );
    let home = &broker.home;
    let fix = format!("run: chmod 0600 {}", path.display());
    for command in [&["doctor"][..], &["secret", "show", "org-label-sync-token"]] {
        let ran = home.ctl(command);
        assert!(ran.stdout.contains(&fix), "{ran:?}");
    }
    assert_eq!(home.records_of("lease.failed").len(), 1);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(lease(&broker).0, 201);
    let ran = home
        .ctl(&["secret", "show", "org-label-sync-token"])
        .success();
    assert!(!ran.contains("no value"), "{ran}");
    put(&path, canary::CLASSIC_TWO, 0o600);
    assert_eq!(lease(&broker).1["token"], canary::CLASSIC_TWO);
    // Both were recorded by their hashes before they were handed out.
    let issued = broker.home.records_of("lease.issued");
    let hashes = [canary::CLASSIC, canary::CLASSIC_TWO].map(support::github::hashed);
    let recorded = issued.iter().map(|record| record["hashed_token"].as_str());
    assert!(
        recorded.eq(hashes.iter().map(|hash| Some(hash.as_str()))),
        "{issued:?}"
    );
}

#[test]
fn a_systemd_credential_is_leased_and_where_it_is_missing_the_line_of_the_unit_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("site.token");
    put(&path, canary::CLASSIC, 0o440);
    let broker = TestBroker::start(home("credential:site.token"), |command| {
        command.env("CREDENTIALS_DIRECTORY", scratch.path());
    });
    assert_eq!(lease(&broker).1["token"], canary::CLASSIC);
    // As a reload of the unit replaces it.
    fs::remove_file(&path).unwrap();
    put(&path, canary::CLASSIC_TWO, 0o400);
    assert_eq!(lease(&broker).1["token"], canary::CLASSIC_TWO);
    let home = &broker.home;
    let to = [
        "secret",
        "move",
        "org-label-sync-token",
        "--to",
        "credential:other",
    ];
    let moved = home.ctl(&to);
    assert_eq!(
        moved.code(),
        Some(75),
        "an operator puts it there: {moved:?}"
    );
    assert!(
        moved.stderr.contains("`LoadCredential=other:`"),
        "{moved:?}"
    );

    fs::remove_file(&path).unwrap();
    let (status, problem) = lease(&broker);
    let code = problem["code"].as_str();
    assert_eq!((status, code), (502, Some("source_unavailable")));
    assert!(!problem.to_string().contains("site.token"), "{problem}");
    let hint = "add `LoadCredential=site.token:/path` to tokend's unit";
    for command in [&["doctor"][..], &["secret", "show", "org-label-sync-token"]] {
        let ran = home.ctl(command);
        assert!(ran.stdout.contains(hint), "{ran:?}");
    }
}
