//! A lease on a value in 1Password: what is recorded when, what is left behind, how often it is asked.

use std::fs;
use std::thread;

use support::http;
use support::keyring::{SessionKeyring, is_here};

use super::*;

/// The kinds of the records since the first grant, with what a use was for.
fn since_the_grant(home: &Home) -> Vec<String> {
    let records = home.records().into_iter();
    let records = records.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let records = records.skip_while(|record| record["kind"] != "lease.granted");
    let of = |record: Value| match record["kind"].as_str().unwrap() {
        "secret.used" => format!(
            "secret.used {} {}",
            record["secret"].as_str().unwrap(),
            record["what_for"].as_str().unwrap()
        ),
        kind => kind.to_owned(),
    };
    records.map(of).collect()
}

const IN_ORDER: [&str; 3] = [
    "lease.granted",
    "secret.used onepassword-token source",
    "lease.issued",
];

/// Fails if one of the two secrets is in a file of the home or in what the kernel shows of the broker.
#[track_caller]
fn assert_nothing_is_left(broker: &TestBroker) {
    let pid = broker.pid();
    let files = ["environ", "cmdline"].map(|name| fs::read(format!("/proc/{pid}/{name}")).unwrap());
    for secret in [TOKEN, canary::CLASSIC] {
        assert_eq!(canary::files_with(broker.home.path(), secret), [""; 0]);
        assert!(!files.iter().any(|file| canary::is_in(file, secret)));
    }
}

#[test]
fn a_value_is_leased_after_each_step_is_recorded_and_neither_it_nor_the_token_is_written_down() {
    let (_scratch, op) = op();
    let broker = TestBroker::start(home(&op, ""), |command| {
        command.args(["--trace", "trace"]);
    });
    give_token(&broker, TOKEN);
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(since_the_grant(&broker.home), IN_ORDER);
    let issued = &broker.home.records_of("lease.issued")[0];
    let hash = support::github::hashed(canary::CLASSIC);
    assert_eq!(issued["hashed_token"], hash.as_str());
    // The program was told the token in the one place where it takes it from.
    let calls = op.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].arguments, ["read", "-n", REFERENCE]);
    let given = "OP_SERVICE_ACCOUNT_TOKEN".to_owned();
    assert!(calls[0].environment.contains(&given), "{calls:?}");
    for arguments in [&["doctor"][..], &["secret", "show", NAME], &["status"]] {
        let ran = broker.home.ctl(arguments);
        let printed = [ran.stdout, ran.stderr].concat();
        for secret in [TOKEN, canary::CLASSIC] {
            assert!(!canary::is_in(printed.as_bytes(), secret), "{printed}");
        }
    }
    assert_nothing_is_left(&broker);
    assert!(!broker.home.trace().is_empty(), "something was traced");
}

#[test]
fn a_token_in_the_keyring_is_opened_on_record_and_stays_there_alone() {
    if !is_here() {
        return;
    }
    let (_scratch, op) = op();
    let keyring = SessionKeyring::start();
    keyring.session().put("tokend-op", TOKEN);
    let program = op.program();
    let home = configured(&format!(
        "token = \"keyring:tokend-op\"\nprogram = \"{}\"\n[sources]\nkeep = \"vault\"",
        program.display()
    ));
    let broker = TestBroker::start(home, |command| {
        keyring.session().enter(command);
    });
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(since_the_grant(&broker.home), IN_ORDER);
    assert_nothing_is_left(&broker);
    // Sealed or not: of what is kept beyond this run, only what policies name.
    assert!(kept::is_kept(&broker.home, REFERENCE));
    assert!(!kept::is_kept(&broker.home, "keyring:tokend-op"));
}

#[test]
fn without_a_token_nothing_is_asked_and_the_mend_is_told() {
    let (_scratch, op) = op();
    let broker = home(&op, "").start();
    assert_eq!(lease(&broker).0, 502);
    let fault = shown(&broker)["source_fault"].to_string();
    let mend = "store it with `tokenctl secret set onepassword-token`";
    assert!(fault.contains(mend), "{fault}");
    assert!(op.calls().is_empty());
}

#[test]
fn sixty_four_who_come_at_once_ask_1password_once() {
    let (_scratch, op) = op();
    // So that all are there before the answer.
    op.delay(std::time::Duration::from_secs(1));
    let broker = broker(&op, "");
    let socket = broker.socket();
    let came: Vec<_> = (0..64)
        .map(|_| {
            let socket = socket.clone();
            let body = r#"{"purpose":"label-sync"}"#;
            thread::spawn(move || http::request(&socket, "POST", "/v1/leases", body))
        })
        .collect();
    for one in came {
        let answer = one.join().unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.json()["token"], canary::CLASSIC);
    }
    assert_eq!(op.calls().len(), 1);
    assert_eq!(broker.home.records_of("lease.issued").len(), 64);
}

#[test]
fn a_lock_forgets_the_value_and_while_it_lasts_nothing_is_asked() {
    let (_scratch, op) = op();
    let broker = broker(&op, "");
    assert_leased(&broker, canary::CLASSIC);
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(op.calls().len(), 1);
    broker.home.ctl(&["lock"]).success();
    op.set(VAULT, ITEM, "credential", canary::CLASSIC_TWO);
    assert_eq!(lease(&broker).0, 503);
    let path = "/v1/sources/probe";
    let (status, problem) = ask(&broker, "POST", path, path, "");
    assert_eq!((status, &problem["code"]), (503, &"locked".into()));
    broker.home.ctl(&["doctor"]);
    assert_eq!(op.calls().len(), 1, "locked, it cannot show its token");
    broker.home.ctl(&["unlock"]).success();
    assert_leased(&broker, canary::CLASSIC_TWO);
    assert!(op.calls().len() > 1);
}
