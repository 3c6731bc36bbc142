//! Killed at any step and run again, a move ends well: nothing is lost, and leases are served.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use support::strace::{self, Killer};
use support::{binaries, kills, needs, wait};

use super::connect::{self, with_connect};
use super::*;

/// To a place, back, there again, and by way of the vault home, with nothing left behind: the words of
/// each step, and the place that policies name after it.
fn journey(place: &str) -> Vec<(Vec<&str>, &str)> {
    let there = || (vec![NAME, "--to", place], place);
    let finish = |place| (vec![NAME, "--finish"], place);
    let mut steps = vec![there(), (vec![NAME, "--back"], ENV), there(), finish(place)];
    if place != "vault" {
        steps.extend([(vec![NAME, "--to", "vault"], "vault"), finish("vault")]);
    }
    steps.extend([(vec![NAME, "--to", ENV], ENV), finish(ENV)]);
    steps
}

/// Goes on a journey to see how many such calls each of its steps makes, on another to be killed at the
/// last of them, and on a third to be killed at one after the other in each step, until it lives through
/// the rest. Returns how many times it was killed on that one.
fn killed_at_each(
    calls: &str,
    mut broker: TestBroker,
    start: impl Fn(Home) -> TestBroker,
    place: &str,
) -> usize {
    let mut lasts = Vec::new();
    for (words, place) in journey(place) {
        lasts.push(strace::count(&broker, calls, || {
            run(&broker, &words).success();
        }));
        assert_is_at(&broker, place, &words);
    }
    for ((words, place), last) in journey(place).into_iter().zip(lasts) {
        let killed;
        (broker, killed) = killed_at(broker, calls, last, &words, &start);
        if killed {
            (broker, _) = killed_at(broker, calls, MOST_CALLS, &words, &start);
        }
        assert_is_at(&broker, place, &words);
    }
    let mut killed = 0;
    for (words, place) in journey(place) {
        for nth in (1..).step_by(kills::step()) {
            assert!(nth < MOST_CALLS, "{words:?} has no end");
            let was_killed;
            (broker, was_killed) = killed_at(broker, calls, nth, &words, &start);
            if !was_killed {
                break;
            }
            killed += 1;
        }
        assert_is_at(&broker, place, &words);
    }
    let shown = broker.http("GET", &format!("/v1/secrets/{NAME}"), "");
    assert_eq!(shown.json()["version"], Value::Null, "{shown:?}");
    broker.stop().ctl(&["audit", "verify"]).success();
    killed
}

#[track_caller]
fn assert_is_at(broker: &TestBroker, place: &str, words: &[&str]) {
    assert_eq!(source(broker, NAME), place, "{words:?}");
    assert_serves(broker, NAME, VALUE);
}

/// Takes a step, is killed at this call and started again. Whether it was killed.
fn killed_at(
    broker: TestBroker,
    calls: &str,
    nth: usize,
    words: &[&str],
    start: impl Fn(Home) -> TestBroker,
) -> (TestBroker, bool) {
    let killer = Killer::at(&broker, calls, nth);
    let ran = run(&broker, words);
    drop(killer);
    // Killed after its end, there is nothing left to do.
    let over = nth > 1 && ran.stderr.contains("no move of");
    if over || ran.status.success() {
        return (broker, false);
    }
    assert!(
        wait::is_soon(|| broker.is_dead()),
        "{words:?}, killed at {nth}: {ran:?}"
    );
    let broker = start(broker.kill());
    assert_serves(&broker, NAME, VALUE);
    (broker, true)
}

/// More than any step makes.
const MOST_CALLS: usize = 200;

const SYNCS: &str = "fdatasync,fsync";
const WRITES: &str = "pwrite64";
/// Whatever goes to another process, or comes from it.
const TALK: &str = "writev,sendto,sendmsg,recvfrom,recvmsg";

#[test]
fn a_broker_killed_at_any_write_or_sync_of_a_move_to_the_vault_or_a_file_and_back_ends_well() {
    if !needs::program("strace") {
        return;
    }
    for calls in [SYNCS, WRITES] {
        let killed = killed_at_each(calls, start(home("")), start, "vault");
        assert!(
            killed * kills::step() >= 20,
            "{calls}: killed {killed} times"
        );
    }
    let theirs = tempfile::tempdir().unwrap();
    let path = theirs.path().join("label-sync");
    fs::write(&path, VALUE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let place = format!("file:{}", path.display());
    let killed = killed_at_each(SYNCS, start(home("")), start, &place);
    assert!(killed * kills::step() >= 20, "killed {killed} times");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        VALUE,
        "the operator's file"
    );
}

#[test]
fn a_broker_killed_at_any_sync_or_word_of_a_move_to_the_keyring_and_back_ends_well() {
    if !needs::program("strace") || !support::keyring::is_here() {
        return;
    }
    let keyring = support::keyring::SessionKeyring::start();
    let session = keyring.session();
    let start = |home| {
        start_with(home, |command| {
            session.enter(command);
        })
    };
    for calls in [SYNCS, TALK] {
        let killed = killed_at_each(calls, start(home("")), start, "keyring:label-sync");
        assert!(
            killed * kills::step() >= 20,
            "{calls}: killed {killed} times"
        );
        assert_eq!(session.look_up("tokend-secrets", "label-sync"), None);
    }
}

#[test]
fn a_broker_killed_at_any_sync_or_word_of_a_move_to_1password_and_back_ends_well() {
    if !needs::program("strace") {
        return;
    }
    for calls in [SYNCS, TALK] {
        let (connect, broker) = with_connect();
        let killed = killed_at_each(calls, broker, start, connect::TO);
        assert!(
            killed * kills::step() >= 20,
            "{calls}: killed {killed} times"
        );
        assert_eq!(connect::there(&connect), None);
        let items = connect.items("Github-Tokens");
        let named = items.iter().filter(|item| item["title"] == NAME).count();
        assert_eq!(named, 1, "{items:?}");
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a move to its end after what happened, and back to where it was.
fn ends_well(broker: TestBroker, how: &str) -> TestBroker {
    let broker = start(broker.kill());
    assert_serves(&broker, NAME, VALUE);
    let again = run(&broker, &[NAME, "--to", "vault"]);
    assert!(again.status.success(), "{how}: {again:?}");
    assert_eq!(source(&broker, NAME), "vault", "{how}");
    assert_serves(&broker, NAME, VALUE);
    let back = run(&broker, &[NAME, "--back"]);
    assert!(back.status.success(), "{how}: {back:?}");
    // So that the next round writes again.
    broker
        .home
        .ctl(&["secret", "remove", NAME, "--yes"])
        .success();
    assert_eq!(
        policy(&broker.home).matches("\"vault\"").count(),
        0,
        "{how}"
    );
    broker
}

#[test]
fn a_broker_killed_when_each_record_appears_ends_well() {
    for kind in [
        "secret.used",
        "secret.moving",
        "secret.set",
        "policy.loaded",
        "secret.moved",
    ] {
        let broker = start(home(""));
        let before = broker.home.records_of(kind).len();
        let mut child = quiet(moving(&broker.home, &[NAME, "--to", "vault"]))
            .spawn()
            .unwrap();
        wait::until(|| broker.home.records_of(kind).len() > before);
        let broker = start(broker.kill());
        child.wait().unwrap();
        ends_well(broker, kind);
    }
}

#[test]
fn a_command_killed_at_any_of_its_calls_ends_well() {
    if !needs::program("strace") {
        return;
    }
    let words = ["secret", "move", NAME, "--to", "vault"];
    for calls in ["connect", "write", "fsync", "rename", "fchmod,openat"] {
        let mut broker = Some(start(home("")));
        let killed = kills::at_calls(|nth| {
            let how = format!("the command was killed at {calls} {nth}");
            let before = broker.take().unwrap();
            let tokenctl = binaries::tokenctl();
            let mut command = strace::killed_at(&before.home, &tokenctl, &words, calls, nth);
            let ran = Ran::of(&mut command);
            assert_serves(&before, NAME, VALUE);
            broker = Some(ends_well(before, &how));
            let killed = !ran.status.success();
            assert!(!killed || ran.status.signal() == Some(9), "{how}: {ran:?}");
            killed
        });
        assert!(killed > 0, "{calls}: it was never killed");
    }
}
