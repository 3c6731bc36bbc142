//! 1Password is slow or down while what is stored there is hardly used.

use super::*;

#[test]
fn doctor_waits_for_a_program_that_hangs_and_says_that_it_does_not_answer() {
    let (_scratch, op) = op();
    let broker = broker(&op, "wait = \"2s\"");
    op.hang();
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let why = "no answer from 1Password within 2 s";
    let line = format!("wrong: secret {NAME} has no value: {REFERENCE}: {why}");
    assert!(doctor.contains(&line), "{doctor}");
    let line = format!("look: 1Password did not report its limits: {why}");
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
    let line = "look: 1Password did not report its limits: 1Password cannot be reached";
    assert!(doctor.contains(line), "{doctor}");
}
