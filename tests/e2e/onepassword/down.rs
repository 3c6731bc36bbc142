//! 1Password changes a value, is down, and comes back.

use nix::sys::signal::Signal;
use support::github::Fault;
use support::wait::gone;

use super::*;

/// A value is asked for again after these, and served for so long while 1Password is down.
fn times(ttl: &str, stale: &str) -> String {
    format!("wait = \"5s\"\n[sources]\nttl = \"{ttl}\"\nstale = \"{stale}\"")
}

const DOWN: &str = "error initializing client: dial tcp: lookup my.1password.com: no such host";

#[test]
fn a_value_that_changed_is_there_before_anybody_asks_for_it() {
    let (_scratch, op) = op();
    let broker = broker(&op, &times("3s", "1h"));
    assert_leased(&broker, canary::CLASSIC);
    op.set(VAULT, ITEM, "credential", canary::CLASSIC_TWO);
    // The broker reads it by itself: no lease is asked for meanwhile.
    let refreshed = || {
        let uses = broker.home.records_of("secret.used");
        uses.iter().any(|usage| usage["what_for"] == "refresh")
    };
    until(refreshed);
    let uses = broker.home.records_of("secret.used");
    let refresh = uses.iter().find(|usage| usage["what_for"] == "refresh");
    assert_eq!(refresh.unwrap()["secret"], NAME);
    until(|| op.calls().len() == 3);
    until(|| shown(&broker)["source_version"] == 2);
    assert_leased(&broker, canary::CLASSIC_TWO);
}

/// Leases on a value past its time are marked wherever somebody looks.
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

/// Beyond the bound there is no lease, and a time to come back at.
#[track_caller]
fn assert_refused_in_the_end(broker: &TestBroker) {
    let body = r#"{"purpose":"label-sync"}"#;
    let mut refused = broker.lease(body);
    until(|| {
        refused = broker.lease(body);
        refused.status != 201
    });
    let problem = refused.json();
    assert_eq!(
        (refused.status, &problem["code"]),
        (502, &"source_unavailable".into())
    );
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&after), "{after}");
    let detail = problem["detail"].as_str().unwrap();
    let come_back = format!("come back in {after} s");
    assert!(detail.contains(&come_back), "{detail}");
    let show = broker.home.ctl(&["secret", "show", NAME]).success();
    assert!(show.contains("missing"), "{show}");
    let got = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!(got.code(), Some(7), "{got:?}");
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
fn past_the_bound_a_lease_is_refused_until_op_works_again() {
    let (_scratch, op) = op();
    let broker = broker(&op, &times("1s", "2s"));
    assert_leased(&broker, canary::CLASSIC);
    op.fail_with(DOWN);
    assert_refused_in_the_end(&broker);
    op.work();
    until(|| lease(&broker).0 == 201);
    assert_leased(&broker, canary::CLASSIC);
}

#[test]
fn with_connect_stopped_leases_go_on_unmarked_while_fresh_and_marked_while_stale() {
    let connect = connect();
    let home = home_with_connect(&connect, &times("4s", "1h"));
    let broker = started(home, support::connect::TOKEN);
    assert_leased(&broker, canary::CLASSIC);
    drop(connect);
    assert_leased(&broker, canary::CLASSIC);
    assert_marked(&broker, "1Password cannot be reached");
}

#[test]
fn with_connect_stopped_for_longer_than_the_bound_leases_are_refused_with_the_time_to_come_back() {
    let connect = connect();
    let home = home_with_connect(&connect, &times("1s", "2s"));
    let broker = started(home, support::connect::TOKEN);
    assert_leased(&broker, canary::CLASSIC);
    drop(connect);
    assert_refused_in_the_end(&broker);
}

#[test]
fn when_connect_answers_again_leases_go_on() {
    let connect = connect();
    let home = home_with_connect(&connect, &times("1s", "2s"));
    let broker = started(home, support::connect::TOKEN);
    assert_leased(&broker, canary::CLASSIC);
    let item = "GET /v1/vaults/*/items/*";
    connect.fault(Fault::on(item).close_before());
    assert_refused_in_the_end(&broker);
    connect.set(VAULT, ITEM, "credential", canary::CLASSIC_TWO);
    connect.heal();
    until(|| lease(&broker).0 == 201);
    assert_leased(&broker, canary::CLASSIC_TWO);
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
