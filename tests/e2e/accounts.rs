//! Who is who, with the real broker: other accounts, groups, programs. Needs root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::broker::{Ran, run_as};
use support::{Home, TestBroker, binaries, canary, namespace, needs};
use tempfile::TempDir;

/// An account that no one uses.
const NOBODY: u32 = 65_534;

/// A broker for `label-sync` whose socket has this mode, with this `caller` in its one rule; and a
/// directory that every account can reach, which holds the socket.
fn broker(mode: &str, caller: &str) -> (TestBroker, TempDir) {
    broker_with(mode, caller, |_command| ())
}

fn broker_with(mode: &str, caller: &str, more: impl FnOnce(&mut Command)) -> (TestBroker, TempDir) {
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut home = Home::ready();
    home.places.set_socket(open.path().join("tokend.sock"));
    home.config(&format!(
        "[socket]\nmode = \"{mode}\"\n[limits]\nleases_per_account = 2\n"
    ));
    let rule = support::broker::LABEL_SYNC.replace("{ uid = UID }", caller);
    home.policy("label-sync.toml", &rule);
    let broker = TestBroker::start(home, more);
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    (broker, open)
}

/// The line from the manual: the HTTP status and the body.
fn curl(broker: &TestBroker, front: &[&str]) -> (String, String) {
    let socket = broker.socket();
    let words = [
        "curl",
        "--silent",
        "--write-out",
        "\n%{http_code}",
        "--unix-socket",
        socket.to_str().unwrap(),
        "-d",
        r#"{"purpose":"label-sync"}"#,
        "-H",
        "content-type: application/json",
        "http://localhost/v1/leases",
    ];
    let all = [front, &words].concat();
    let out = Ran::of(broker.home.command(Path::new(all[0])).args(&all[1..])).success();
    let (body, status) = out.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

const AS_NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// A copy that every account can reach, wherever the tree is.
fn reachable_tokenctl(open: &TempDir) -> PathBuf {
    let copy = open.path().join("tokenctl");
    binaries::install(&binaries::tokenctl(), &copy);
    copy
}

#[test]
fn the_allowed_account_gets_201_and_another_that_reaches_the_socket_403() {
    if !needs::root() || !needs::program("curl") || !needs::program("setpriv") {
        return;
    }
    let (broker, _open) = broker("0666", "{ uid = 0 }");
    let (status, body) = curl(&broker, &[]);
    assert_eq!(status, "201", "{body}");
    assert!(body.contains(canary::CLASSIC));
    let (status, body) = curl(&broker, &AS_NOBODY);
    assert_eq!(status, "403", "{body}");
    assert!(
        body.contains(r#""code":"denied""#) && !body.contains(canary::CLASSIC),
        "{body}"
    );
    let denied = &broker.home.records_of("lease.denied")[0]["caller"];
    assert_eq!(denied["uid"], NOBODY);
}

#[test]
fn a_socket_for_the_own_account_keeps_others_out_with_a_clear_message() {
    if !needs::root() {
        return;
    }
    let (broker, open) = broker("0600", "{ uid = 65534 }");
    let mut get = broker.home.command(&reachable_tokenctl(&open));
    run_as(&mut get, NOBODY, NOBODY);
    let ran = Ran::of(get.args(["get", "label-sync"]));
    assert_eq!(ran.code(), Some(4), "{ran:?}");
    assert!(
        ran.stderr.contains("this account may not use the socket"),
        "{ran:?}"
    );
}

#[test]
fn a_supplementary_group_counts() {
    if !needs::root() || !needs::program("curl") || !needs::program("setpriv") {
        return;
    }
    let (broker, _open) = broker("0666", "{ gid = 70001 }");
    let member = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--groups=70000,70001",
    ];
    assert_eq!(curl(&broker, &member).0, "201");
    assert_eq!(curl(&broker, &AS_NOBODY).0, "403");
}

#[test]
fn a_uid_that_newuidmap_gives_an_account_counts_against_it_and_is_recorded_with_it() {
    // The account that the file below gives uids to, and its group.
    const OWNER: (&str, u32, u32) = ("games", 5, 60);
    let programs = ["curl", "setpriv", "unshare", "nsenter", "newuidmap"];
    let there = needs::root() && programs.into_iter().all(needs::program);
    if !there || !needs::path("/etc/subuid") {
        return;
    }
    let (name, uid, gid) = OWNER;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(file.path(), format!("{name}:300000:65536\n")).unwrap();
    let subuid = [(file.path(), "/etc/subuid")];
    let caller = format!("{{ group = \"{name}\" }}");
    let (broker, _open) = broker_with("0666", &caller, |tokend| {
        namespace::enter(tokend, &[], &subuid);
    });
    // Where newuidmap reads the same file.
    let mounts = format!("--mount=/proc/{}/ns/mnt", broker.pid());
    let (reuid, regid) = (format!("--reuid={uid}"), format!("--regid={gid}"));
    let owner = [
        "nsenter",
        &mounts,
        "setpriv",
        &reuid,
        &regid,
        "--clear-groups",
    ];
    let inside = |inner: &str| {
        let inner = format!("--reuid={inner}");
        let unshare = [
            "unshare",
            "--user",
            "--map-users=auto",
            "--keep-caps",
            "setpriv",
            &inner,
        ];
        curl(&broker, &[owner.as_slice(), &unshare].concat())
    };
    for inner in ["0", "7"] {
        let (status, body) = inside(inner);
        assert_eq!(status, "201", "{body}");
    }
    let (status, body) = inside("9");
    assert_eq!(status, "429", "the third of one person: {body}");
    let (status, body) = curl(&broker, &owner);
    assert_eq!(status, "429", "{body}");
    let granted = broker.home.records_of("lease.granted");
    let callers = granted.iter().map(|record| {
        let caller = &record["caller"];
        (caller["uid"].as_u64(), caller["subordinate_of"].as_u64())
    });
    let owned_by = Some(u64::from(uid));
    assert_eq!(
        callers.collect::<Vec<_>>(),
        [(Some(300_000), owned_by), (Some(300_007), owned_by)]
    );
}

#[test]
fn a_rule_for_a_program_allows_it_and_no_copy_of_it() {
    if !needs::root() || !needs::program("curl") {
        return;
    }
    let tokenctl = binaries::tokenctl().canonicalize().unwrap();
    let caller = format!("{{ uid = 0, exe = \"{}\" }}", tokenctl.display());
    let (broker, open) = broker("0600", &caller);
    let got = broker.home.ctl(&["get", "label-sync"]).success();
    assert_eq!(got.trim(), canary::CLASSIC);
    assert_eq!(curl(&broker, &[]).0, "403");
    let mut copy = broker.home.command(&reachable_tokenctl(&open));
    assert_eq!(Ran::of(copy.args(["get", "label-sync"])).code(), Some(3));
}

#[test]
fn no_secret_is_sent_to_a_broker_of_another_account() {
    if !needs::root() {
        return;
    }
    let home = Home::ready();
    let broker = TestBroker::start_as(home, NOBODY, |_| {});
    let set = ["secret", "set", "org-label-sync-token"];
    let ran = broker.home.ctl_with(&set, canary::CLASSIC);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the secret was not sent"), "{ran:?}");
    assert!(ran.stderr.contains("TOKEND_SERVER_USER"), "{ran:?}");
    let mut named = broker.home.tokenctl();
    named.args(set).env("TOKEND_SERVER_USER", "65534");
    Ran::with_input(&mut named, canary::CLASSIC).success();
}
