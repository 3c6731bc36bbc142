//! The root key in a real gnome-keyring.

use std::fs;

use support::broker::Ran;
use support::keyring::{Session, SessionKeyring, is_here};
use support::{Home, TestBroker, canary};

const ASK: &str = r#"{"purpose":"label-sync"}"#;
const TOKEND: &str = "tokend";

/// A home whose root key is in the session's keyring, as `init` put it there.
fn home_in(session: &Session) -> Home {
    Home::ready_after(|home| {
        let mut init = home.tokenctl();
        let init = session.enter(&mut init);
        Ran::of(init.args(["init", "--root-key", "keyring"])).success();
    })
}

fn start(home: Home, session: &Session) -> TestBroker {
    TestBroker::start(home, |command| {
        session.enter(command);
    })
}

/// A broker in a session, which holds a value for `label-sync`.
fn broker_in(session: &Session) -> TestBroker {
    let broker = start(home_in(session), session);
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    broker
}

#[track_caller]
fn assert_serves(broker: &TestBroker) {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["token"], canary::CLASSIC);
}

/// The store is locked, and this was said of it at the start.
#[track_caller]
fn assert_locked(broker: &TestBroker, says: &str) {
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    let trace = broker.home.trace();
    assert!(trace.contains(says), "{trace}");
}

#[track_caller]
fn unlock_fails(broker: &TestBroker, says: &str) {
    let ran = broker.home.ctl(&["unlock"]);
    assert!(!ran.status.success(), "{ran:?}");
    assert!(ran.stderr.contains(says), "{ran:?}");
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
}

fn vault_id(session: &Session) -> String {
    let mut search = session.secret_tool();
    let out = Ran::of(search.args(["search", "--all", "service", TOKEND]));
    let text = format!("{}{}", out.stdout, out.stderr);
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("attribute.username = "));
    id.unwrap_or_else(|| panic!("no entry: {text}")).to_owned()
}

#[test]
fn a_broker_starts_unlocked_with_the_root_key_from_the_keyring() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let session = keyring.session();
    let broker = broker_in(session);
    assert_serves(&broker);
    let key = session.look_up(TOKEND, &vault_id(session)).unwrap();
    assert_eq!(key.trim_end().len(), 64, "one key, and nothing else");
    assert!(!broker.home.places.root_key.exists(), "no key file");
    let broker = start(broker.stop(), session);
    assert_serves(&broker);
    let unlocked = broker.home.records_of("vault.unlocked");
    assert!(
        unlocked
            .iter()
            .all(|record| record["root_key"] == "keyring"),
        "{unlocked:?}"
    );
}

#[test]
fn a_keyring_that_is_locked_at_the_start_is_told_of_and_unlock_fixes_it() {
    if !is_here() {
        return;
    }
    let mut keyring = SessionKeyring::start();
    let home = broker_in(keyring.session()).stop();
    keyring.session().lock();
    let broker = start(home, keyring.session());
    assert_locked(&broker, "the keyring refuses (it is locked");
    unlock_fails(&broker, "unlock it in the desktop session and try again");
    keyring.session().unlock();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
    // As after a logout: another keyring, on the same bus, before and after the login.
    keyring.restart_locked();
    assert_serves(&broker);
    broker.home.ctl(&["lock"]).success();
    unlock_fails(&broker, "it is locked");
    keyring.session().unlock();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
}

#[test]
fn a_session_that_comes_after_the_broker_is_found() {
    if !is_here() {
        return;
    }
    let mut keyring = SessionKeyring::start();
    let home = broker_in(keyring.session()).stop();
    keyring.end_bus();
    let broker = start(home, keyring.session());
    assert_locked(&broker, "no keyring answers: ");
    unlock_fails(&broker, "start the session's Secret Service");
    keyring.restart_bus();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
    keyring.end_keyring();
    broker.home.ctl(&["lock"]).success();
    unlock_fails(&broker, "no keyring answers: ");
}

#[test]
fn a_key_that_is_not_in_the_keyring_is_never_made_again() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let session = keyring.session();
    let home = broker_in(session).stop();
    let id = vault_id(session);
    let key = session.look_up(TOKEND, &id).unwrap();
    session.clear(TOKEND);
    let broker = start(home, session);
    assert_locked(&broker, "the keyring shows no key for this vault");
    let says = format!("service `tokend`, user `{id}`");
    unlock_fails(&broker, &says);
    assert_eq!(session.look_up(TOKEND, &id), None);
    // Put back by hand, where the message says.
    let mut back = session.secret_tool();
    back.args(["store", "--label=tokend", "service", TOKEND]);
    Ran::with_input(back.args(["username", &id]), &key).success();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
}

#[test]
fn a_prompt_that_nobody_answers_holds_up_nothing_for_longer_than_its_limit() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let home = broker_in(keyring.session()).stop();
    keyring.let_prompts_hang();
    keyring.session().lock();
    let broker = start(home, keyring.session());
    assert_locked(&broker, "the keyring did not answer within 10 s");
    // The first prompt is still there, and no second one is put before it.
    unlock_fails(&broker, "an earlier call still waits for its answer");
    assert_eq!(keyring_threads(&broker), 1);
    keyring.session().unlock();
    let broker = start(broker.stop(), keyring.session());
    assert_serves(&broker);
}

#[test]
fn calls_leave_neither_a_thread_nor_a_connection_behind() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let broker = broker_in(keyring.session());
    let again = || {
        broker.home.ctl(&["lock"]).success();
        broker.home.ctl(&["unlock"]).success();
    };
    let sockets = || {
        let open = fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap();
        let links = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    };
    again();
    support::wait::until(|| keyring_threads(&broker) == 0);
    let before = sockets();
    for _ in 0..5 {
        again();
    }
    support::wait::until(|| keyring_threads(&broker) == 0 && sockets() <= before);
}

/// Threads of calls that are under way, and of their connections.
fn keyring_threads(broker: &TestBroker) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", broker.pid())).unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "keyring").count()
}

#[test]
fn a_root_key_moves_into_the_keyring_and_out_of_it() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let session = keyring.session();
    let broker = TestBroker::with_label_sync();
    let broker = start(broker.stop(), session);
    let rekey = |to: &[&str]| {
        let ran = broker.home.ctl(&[&["rekey"], to].concat());
        ran.success();
        assert_serves(&broker);
    };
    rekey(&["--root-key", "keyring"]);
    assert!(!broker.home.places.root_key.exists(), "the file is erased");
    let second = vault_id(session);
    assert!(second.ends_with(".2"), "{second}");
    rekey(&[]);
    assert_eq!(session.look_up(TOKEND, &second), None, "it is erased");
    let third = vault_id(session);
    assert!(third.ends_with(".3"), "{third}");
    // A keyring that is locked takes no key, and the one in force stays.
    session.lock();
    let ran = broker.home.ctl(&["rekey"]);
    assert!(ran.stderr.contains("it is locked"), "{ran:?}");
    assert_serves(&broker);
    session.unlock();
    let broker = start(broker.kill(), session);
    assert_serves(&broker);
    broker.home.ctl(&["rekey", "--root-key", "file"]).success();
    assert_eq!(session.look_up(TOKEND, &third), None, "it is erased");
    let broker = broker.kill().start();
    assert_serves(&broker);
}
