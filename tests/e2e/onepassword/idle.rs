//! 1Password is slow or down while nobody, or hardly anybody, uses what lies there.

use jiff::Timestamp;

use super::*;

const DOWN: &str = "error initializing client: dial tcp: lookup my.1password.com: no such host";

#[test]
fn the_figure_of_a_stale_value_is_0_once_it_is_served_no_more() {
    let (_scratch, op) = op();
    let broker = broker(&op, "[sources]\nttl = \"1s\"\nstale = \"4s\"");
    let seconds = || {
        let name = format!("tokend_secret_stale_seconds{{secret=\"{NAME}\"}}");
        figure(&broker, &name)
    };
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(seconds(), Some(0));
    op.fail_with(DOWN);
    until_stale(&broker);
    until(|| seconds() > Some(0));
    until(|| lease(&broker).0 == 502);
    assert_eq!(seconds(), Some(0));
}

#[test]
fn doctor_waits_for_a_program_that_hangs_and_says_that_it_does_not_answer() {
    let (_scratch, op) = op();
    let broker = broker(&op, "wait = \"2s\"");
    op.hang();
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let why = "no answer from 1Password within 2 s";
    let line = format!("wrong: secret {NAME} has no value: {REFERENCE}: {why}");
    assert!(doctor.contains(&line), "{doctor}");
    let line = format!("look: 1Password was asked how it is, and: {why}");
    assert!(doctor.contains(&line), "{doctor}");
}

#[test]
fn doctor_says_of_a_connect_server_that_is_down_that_it_does_not_answer() {
    let connect = connect();
    let home = home_with_connect(&connect, "wait = \"5s\"");
    let broker = started(home, support::connect::TOKEN);
    assert_leased(&broker, canary::CLASSIC);
    drop(connect);
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let line = "look: 1Password was asked how it is, and: 1Password cannot be reached";
    assert!(doctor.contains(line), "{doctor}");
}

#[test]
fn a_value_that_nobody_asks_for_any_more_is_erased_from_the_vault_in_time() {
    let (_scratch, op) = op();
    let more = "[sources]\nkeep = \"vault\"\nttl = \"3s\"\nstale = \"1s\"";
    let broker = broker(&op, more);
    assert_leased(&broker, canary::CLASSIC);
    assert!(kept::is_kept(&broker.home, REFERENCE));
    until(|| !kept::is_kept(&broker.home, REFERENCE));
    assert_leased(&broker, canary::CLASSIC);
}

#[test]
fn the_first_lease_after_idle_hours_does_not_wait_for_a_program_that_hangs() {
    let (_scratch, op) = op();
    // Longer than a client waits: were the lease to, it would not be answered.
    let broker = broker(
        &op,
        "wait = \"10m\"\n[sources]\nttl = \"1s\"\nstale = \"1h\"",
    );
    assert_leased(&broker, canary::CLASSIC);
    let calls = || op.calls().len();
    let refreshed = || calls() > 1 && shown(&broker)["source_version"] == 1;
    // Read ahead of need once, and then nobody has used it.
    until(refreshed);
    let read_at = shown(&broker)["source_read_at"].to_string();
    let read_at: Timestamp = read_at.trim_matches('"').parse().unwrap();
    let before = calls();
    op.hang();
    until(|| now().duration_since(read_at).as_secs() > 1);
    assert_eq!(calls(), before, "nobody uses it");
    let (status, leased) = lease(&broker);
    assert_eq!((status, &leased["token"]), (201, &canary::CLASSIC.into()));
    assert!(leased["stale_since"].is_string(), "{leased}");
    assert_eq!(lease(&broker).1["token"], canary::CLASSIC);
    assert_eq!(calls(), before + 1, "one question, and it goes on");
    let uses = broker.home.records_of("secret.used");
    let asked = uses.iter().filter(|usage| usage["what_for"] == "refresh");
    assert_eq!(asked.count(), 2, "on record");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a value grows old by the system's clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
