//! A 1Password that does not answer. What is served meanwhile is tested in process, in
//! `broker/src/tests/one_password/down.rs`.

use nix::sys::signal::Signal;
use support::wait::gone;

use super::*;

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

#[test]
fn a_stop_does_not_wait_for_a_program_that_hangs() {
    let (_scratch, op) = op();
    let more = "wait = \"10m\"\n[sources]\nttl = \"2s\"\nstale = \"1h\"";
    let broker = broker(&op, more);
    assert_leased(&broker, canary::CLASSIC);
    op.hang();
    // It reads ahead of need, and gets no answer.
    until(|| op.hanging().is_some());
    broker.signal(Signal::SIGTERM);
    gone(&broker.pid().to_string());
    gone(&op.hanging().unwrap());
}
