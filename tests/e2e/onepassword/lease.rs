//! A lease on a value in 1Password: what is recorded when, what is left behind, how often it is asked.

use std::fs;

use support::keyring::{SessionKeyring, is_here};

use super::*;

/// Whether the files of the vault hold the name of this place. Nothing else in them does: a row of what
/// is kept starts with it.
fn is_kept(home: &Home, place: &str) -> bool {
    let vault = home.places.vault.display().to_string();
    let files = ["", "-wal"].map(|end| format!("{vault}{end}"));
    files.iter().any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(place.len()).any(|at| at == place.as_bytes())
    })
}

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
        "[onepassword]\ntoken = \"keyring:tokend-op\"\nprogram = \"{}\"\n[sources]\nkeep = \"vault\"",
        program.display()
    ));
    let broker = TestBroker::start(home, |command| {
        keyring.session().enter(command);
    });
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(since_the_grant(&broker.home), IN_ORDER);
    assert_nothing_is_left(&broker);
    // Sealed or not: of what is kept beyond this run, only what policies name.
    assert!(is_kept(&broker.home, REFERENCE));
    assert!(!is_kept(&broker.home, "keyring:tokend-op"));
}
