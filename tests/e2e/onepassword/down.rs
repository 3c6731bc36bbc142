//! A 1Password that does not answer. What is served meanwhile through Connect is tested in process, in
//! `broker/src/tests/one_password/down.rs`.

use nix::sys::signal::Signal;
use support::wait::gone;

use super::*;

/// A value is asked for again after these, and served for so long while 1Password is down.
fn times(ttl: &str, stale: &str) -> String {
    format!("wait = \"5s\"\n[sources]\nttl = \"{ttl}\"\nstale = \"{stale}\"")
}

/// Everything there is to show of the secret.
fn shown(broker: &TestBroker) -> Value {
    let path = format!("/v1/secrets/{NAME}");
    ask(broker, "GET", "/v1/secrets/{name}", &path, "").1
}

/// Asks until a lease is on a value past its time.
fn until_stale(broker: &TestBroker) -> Value {
    let mut leased = Value::Null;
    until(|| {
        let (status, answer) = lease(broker);
        assert_eq!(status, 201, "{answer}");
        leased = answer;
        leased.get("stale_since").is_some()
    });
    leased
}

const DOWN: &str = "error initializing client: dial tcp: lookup my.1password.com: no such host";

/// Leases on a value past its time are marked wherever they are shown.
#[track_caller]
fn assert_marked(broker: &TestBroker, why: &str) {
    let leased = until_stale(broker);
    assert_eq!(leased["token"], canary::CLASSIC);
    let since = &leased["stale_since"];
    let issued = broker.home.records_of("lease.issued");
    assert_eq!(&issued.last().unwrap()["stale_since"], since);
    let id = leased["lease"].as_str().unwrap();
    let path = format!("/v1/leases/{id}");
    let (_, listed) = ask(broker, "GET", "/v1/leases/{id}", &path, "");
    assert_eq!(&listed["stale_since"], since);
    assert_eq!(&shown(broker)["stale_since"], since);
    let status = broker.home.ctl(&["status"]).success();
    let line = format!("`{NAME}` is served from what was read before, past its time since");
    assert!(status.contains(&line) && status.contains(why), "{status}");
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let line = format!("secret {NAME} is served from what was read before");
    assert!(doctor.contains(&line), "{doctor}");
    let label = format!("{{secret=\"{NAME}\"}}");
    let leases = figure(broker, &format!("tokend_stale_leases_total{label}"));
    assert!(leases.is_some_and(|leases| leases > 0), "{leases:?}");
    let seconds = format!("tokend_secret_stale_seconds{label}");
    until(|| figure(broker, &seconds).is_some_and(|seconds| seconds > 0));
}

#[test]
fn while_op_fails_leases_go_on_marked() {
    let (_scratch, op) = op();
    let broker = broker(&op, &times("2s", "1h"));
    assert_leased(&broker, canary::CLASSIC);
    op.fail_with(DOWN);
    assert_marked(&broker, "no such host");
    // And back, by itself.
    op.work();
    until(|| lease(&broker).1.get("stale_since").is_none());
    assert_leased(&broker, canary::CLASSIC);
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
