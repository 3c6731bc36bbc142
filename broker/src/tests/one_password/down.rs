//! 1Password changes a value, is down, and comes back.

use std::time::Duration;

use support::wait::until;

use super::*;

const TIMES: &str = "wait = \"5s\"\n[sources]\nttl = \"1h\"\nstale = \"4h\"";
const HOUR: Duration = Duration::from_secs(3600);

/// One figure of this secret.
fn figure(scene: &Scene, name: &str) -> Option<u64> {
    let text = String::from_utf8(scene.broker.http("GET", "/metrics", "").body).unwrap();
    let start = format!("{name}{{secret=\"{NAME}\"}} ");
    let mut lines = text.lines();
    let figure = lines.find_map(|line| line.strip_prefix(&start));
    figure.map(|figure| figure.trim().parse().unwrap())
}

/// A lease on a value past its time.
#[track_caller]
fn stale(scene: &Scene) -> Value {
    let (status, leased) = scene.lease();
    assert_eq!(status, 201, "{leased}");
    assert!(leased["stale_since"].is_string(), "{leased}");
    leased
}

/// Beyond the bound there is no lease, and a time to come back at.
#[track_caller]
fn assert_refused(scene: &Scene) {
    let refused = scene.broker.lease(r#"{"purpose":"label-sync"}"#);
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
    let shown = scene.shown();
    assert!(shown["source_fault"].is_string(), "{shown}");
}

#[test]
fn a_value_that_changed_is_there_before_it_is_asked_for() {
    let scene = Scene::new(TIMES);
    scene.assert_leased(canary::CLASSIC);
    let version = || scene.shown()["source_version"].clone();
    let before = version();
    let set = |value| scene.connect.set(VAULT, ITEM, "credential", value);
    set(canary::CLASSIC_TWO);
    // Used lately and soon past its time, it is read again: no lease is asked for meanwhile.
    scene.broker.clock.advance(HOUR * 9 / 10);
    until(|| scene.reads() == 2 && version() != before);
    let uses = scene.broker.home.records_of("secret.used");
    let refresh = uses.iter().find(|usage| usage["what_for"] == "refresh");
    assert_eq!(refresh.unwrap()["secret"], NAME);
    scene.assert_leased(canary::CLASSIC_TWO);
}

#[test]
fn while_1password_is_down_leases_go_on_unmarked_while_fresh_and_marked_while_stale() {
    let scene = Scene::new(TIMES);
    scene.assert_leased(canary::CLASSIC);
    scene.goes_down();
    scene.assert_leased(canary::CLASSIC);
    scene.broker.clock.advance(HOUR * 2);
    let leased = stale(&scene);
    assert_eq!(leased["token"], canary::CLASSIC);
    let since = &leased["stale_since"];
    let issued = scene.broker.home.records_of("lease.issued");
    assert_eq!(&issued.last().unwrap()["stale_since"], since);
    let path = format!("/v1/leases/{}", leased["lease"].as_str().unwrap());
    let (_, listed) = ask(&scene.broker, "GET", "/v1/leases/{id}", &path, "");
    assert_eq!(&listed["stale_since"], since);
    assert_eq!(&scene.shown()["stale_since"], since);
    let status = scene.broker.http("GET", "/v1/status", "").json();
    let warnings = status["broker"]["warnings"].to_string();
    let line = format!("`{NAME}` is served from what was read before, past its time since");
    assert!(warnings.contains(&line), "{warnings}");
    assert!(figure(&scene, "tokend_secret_stale_seconds") > Some(0));
    assert!(figure(&scene, "tokend_stale_leases_total") > Some(0));
    // And back, by itself.
    scene.connect.heal();
    scene.broker.clock.advance(HOUR / 10);
    until(|| scene.lease().1.get("stale_since").is_none());
    scene.assert_leased(canary::CLASSIC);
}

#[test]
fn past_the_bound_a_lease_is_refused_with_the_time_to_come_back_until_1password_answers_again() {
    let scene = Scene::new(TIMES);
    scene.assert_leased(canary::CLASSIC);
    scene.goes_down();
    scene.broker.clock.advance(HOUR * 6);
    assert_refused(&scene);
    let seconds = figure(&scene, "tokend_secret_stale_seconds");
    assert_eq!(seconds.unwrap_or(0), 0, "it is served no more");
    let set = |value| scene.connect.set(VAULT, ITEM, "credential", value);
    set(canary::CLASSIC_TWO);
    scene.connect.heal();
    scene.broker.clock.advance(Duration::from_secs(120));
    until(|| scene.lease().0 == 201);
    scene.assert_leased(canary::CLASSIC_TWO);
}

#[test]
fn the_first_lease_after_idle_hours_does_not_wait_for_a_server_that_hangs() {
    // Longer than a client waits: were the lease to, it would not be answered.
    let more = "wait = \"10m\"\n[sources]\nttl = \"1h\"\nstale = \"10h\"";
    let scene = Scene::new(more);
    scene.assert_leased(canary::CLASSIC);
    // Read ahead of need once, and then not used.
    let read_at = || scene.shown()["source_read_at"].clone();
    let before = read_at();
    scene.broker.clock.advance(HOUR * 9 / 10);
    until(|| scene.reads() == 2 && read_at() != before);
    let calls = || scene.connect.calls("* /**");
    let before = calls();
    let hang = Fault::on("* /**").effect(support::github::Effect::Hang);
    scene.connect.fault(hang);
    scene.broker.clock.advance(HOUR * 2);
    let leased = stale(&scene);
    assert_eq!(leased["token"], canary::CLASSIC);
    assert_eq!(stale(&scene)["token"], canary::CLASSIC);
    until(|| calls() > before);
    let uses = scene.broker.home.records_of("secret.used");
    let asked = uses.iter().filter(|usage| usage["what_for"] == "refresh");
    assert_eq!(
        asked.count(),
        2,
        "on record: one ahead of need, and one now"
    );
}
