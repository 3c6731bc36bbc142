//! Answers that are no value: the operator reads why, the caller that there is none.

use support::one_password::Fault;

use super::*;

/// Refused for the caller without a name of 1Password's, and told to the operator with this.
#[track_caller]
fn assert_bad(broker: &TestBroker, body: &str, why: &str) {
    let answer = broker.lease(body);
    let problem = answer.json();
    assert_eq!(
        (answer.status, &problem["code"]),
        (502, &"source_unavailable".into()),
        "{why}"
    );
    let got = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!(got.code(), Some(7), "{got:?}");
    for told in [problem.to_string(), got.stderr] {
        for name in [VAULT, ITEM, "credential", "op://"] {
            assert!(!told.contains(name), "{told}");
        }
    }
    let show = broker.home.ctl(&["secret", "show", NAME]).success();
    assert!(show.contains("no value") && show.contains(why), "{show}");
    let doctor = broker.home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1), "{doctor:?}");
    let line = format!("secret {NAME} has no value: {REFERENCE}: ");
    let mut lines = doctor.stdout.lines();
    let line = lines.find(|other| other.contains(&line)).unwrap();
    assert!(line.contains(why), "{line}");
}

const LEASE: &str = r#"{"purpose":"label-sync"}"#;
/// Asks 1Password whatever is known.
const FRESH: &str = r#"{"purpose":"label-sync","fresh":true}"#;

#[test]
fn what_is_no_value_or_another_than_was_asked_for_is_refused_and_told_with_what_to_do() {
    let (_scratch, op) = op();
    let broker = broker(&op, "wait = \"2s\"");
    for (fault, why) in [
        (Fault::Hangs, "no answer from 1Password within 2 s"),
        (
            Fault::Prints(String::new()),
            "the field is empty; put the value there",
        ),
        (
            Fault::Prints("\n".to_owned()),
            "the field is empty; put the value there",
        ),
        (
            Fault::Prints(format!("{}\n{}\n", canary::CLASSIC, canary::CLASSIC_TWO)),
            "the field has several lines and is not PEM",
        ),
        (Fault::Floods(10_000_000), "the field is longer than 48 KiB"),
        (
            Fault::Says("(401) Unauthorized: invalid bearer token".to_owned()),
            "`tokenctl secret set onepassword-token`",
        ),
    ] {
        op.fault(fault);
        broker.reload();
        assert_bad(&broker, LEASE, why);
    }
    // None of it is left.
    for secret in [canary::CLASSIC, canary::CLASSIC_TWO] {
        assert_eq!(canary::files_with(broker.home.path(), secret), [""; 0]);
    }
    op.work();
    broker.reload();
    assert_leased(&broker, canary::CLASSIC);

    // The value before is not served on when another item comes than was asked for.
    op.set(VAULT, "Another-Robot", "credential", canary::CLASSIC_TWO);
    op.fault(Fault::GivesAnother);
    assert_bad(
        &broker,
        FRESH,
        "1Password gave something else than was asked for",
    );
    assert_eq!(lease(&broker).0, 502);
    op.work();
    broker.reload();
    assert_leased(&broker, canary::CLASSIC);

    // Nor does doctor wait for long for a program that hangs.
    op.hang();
    broker.home.ctl(&["lock"]).success();
    broker.home.ctl(&["unlock"]).success();
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let why = "no answer from 1Password within 2 s";
    let line = format!("wrong: secret {NAME} has no value: {REFERENCE}: {why}");
    assert!(doctor.contains(&line), "{doctor}");
    let line = format!("look: 1Password did not report its limits: {why}");
    assert!(doctor.contains(&line), "{doctor}");
}
