//! `tokenctl doctor` and `POST /v1/sources/probe`: every place is asked, whatever kind it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use support::keyring::{SessionKeyring, is_here};

use super::*;

/// Secrets in a file, the keyring, 1Password twice, and the environment, which needs no asking.
fn of_all_kinds(home: &Home) {
    let file = home.path().join("value");
    let kinds = [
        ("in-file", format!("file:{}", file.display())),
        ("in-keyring", "keyring:in-keyring".to_owned()),
        ("in-op", format!("op://{VAULT}/in-op/credential")),
        ("in-env", "env:IN_ENV".to_owned()),
    ];
    let secrets = kinds.map(|(name, source)| {
        format!("[secret.{name}]\nkind = \"classic\"\nsource = \"{source}\"\n")
    });
    home.policy("kinds.toml", &secrets.concat());
}

/// What asking came to, by secret.
fn probed(broker: &TestBroker) -> (Vec<(String, Option<String>)>, Value) {
    let path = "/v1/sources/probe";
    let (status, probed) = ask(broker, "POST", path, path, "");
    assert_eq!(status, 200, "{probed}");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let sources = probed["sources"].as_array().unwrap().iter();
    let sources = sources.map(|one| (text(&one["secret"]).unwrap(), text(&one["fault"])));
    (sources.collect(), probed["one_password"].clone())
}

#[test]
fn each_broken_place_is_one_line_with_what_to_do() {
    let (_scratch, op) = op();
    let home = home(&op, "");
    of_all_kinds(&home);
    let broker = TestBroker::start(home, without_a_keyring);
    give_token(&broker, TOKEN);
    let file = broker.home.path().join("value");
    let (sources, one_password) = probed(&broker);
    let expected = [
        ("in-file", Some(file.to_str().unwrap())),
        ("in-keyring", Some("no keyring answers")),
        ("in-op", Some("1Password has no such item")),
        (NAME, None),
    ];
    assert_eq!(sources.len(), expected.len(), "{sources:?}");
    for ((name, fault), (of, why)) in sources.iter().zip(expected) {
        assert_eq!(name, of);
        assert_eq!(fault.is_some(), why.is_some(), "{fault:?}");
        let why = why.unwrap_or_default();
        assert!(
            fault.as_deref().unwrap_or_default().contains(why),
            "{fault:?}"
        );
    }
    assert_eq!(one_password["limits"].as_array().unwrap().len(), 3);
    assert!(one_password.get("fault").is_none(), "{one_password}");
    let doctor = broker.home.ctl(&["doctor"]);
    for (name, fault) in sources.iter().filter(|(_, fault)| fault.is_some()) {
        let lines = doctor.stdout.lines().collect::<Vec<_>>();
        let line = format!("wrong: secret {name} has no value: ");
        let mut at = (0..lines.len()).filter(|at| lines[*at].starts_with(&line));
        let (first, more) = (at.next().unwrap(), at.next());
        assert_eq!(more, None, "one line: {lines:#?}");
        assert!(lines[first + 1].starts_with("  hint: "), "{lines:#?}");
        assert!(
            fault
                .as_deref()
                .unwrap()
                .contains(lines[first].strip_prefix(&line).unwrap())
        );
    }
    // Each of them was opened on record, for the caller that asked.
    let uses = broker.home.records_of("secret.used");
    let probes = uses.iter().filter(|usage| usage["what_for"] == "probe");
    assert_eq!(probes.count(), 8, "four places, asked twice");
}

#[test]
fn places_that_are_sound_are_no_lines() {
    if !is_here() {
        return;
    }
    let (_scratch, op) = op();
    op.set(VAULT, "in-op", "credential", canary::CLASSIC_TWO);
    let keyring = SessionKeyring::start();
    keyring.session().put("in-keyring", canary::CLASSIC_TWO);
    let home = home(&op, "");
    of_all_kinds(&home);
    let file = home.path().join("value");
    fs::write(&file, canary::CLASSIC_TWO).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let broker = TestBroker::start(home, |command| {
        keyring
            .session()
            .enter(command)
            .env("IN_ENV", canary::CLASSIC);
    });
    give_token(&broker, TOKEN);
    let (sources, _) = probed(&broker);
    assert!(
        sources.iter().all(|(_, fault)| fault.is_none()),
        "{sources:?}"
    );
    let doctor = broker.home.ctl(&["doctor"]);
    assert!(!doctor.stdout.contains("wrong: secret"), "{doctor:?}");
    assert!(!doctor.stdout.contains("1Password"), "{doctor:?}");
}
