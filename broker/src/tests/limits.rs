//! Whose budget at GitHub a lease draws on, and what follows when it is used up.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use support::github::{Clock, Fault, StandIn, hashed};
use support::http::read_answer;
use support::scenes::limits::{self, ask, core, github, principal, retry_after};
use support::{canary, wait};

use super::InProcess;
use super::in_process::ready;

/// A broker that believes the stand-in's certificate and asks it every second.
fn broker(github: &StandIn) -> InProcess {
    let broker = InProcess::start(limits::in_home(ready(), github));
    for (secret, value) in limits::HELD {
        broker.set(secret, value);
    }
    broker
}

/// What a caller does with the token it was handed, by itself.
fn call_github(github: &StandIn, token: &str) -> u16 {
    let address = github.plain().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /repos/acme/site HTTP/1.1\r\nhost: localhost\r\nuser-agent: a-script\r\n\
         authorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(&mut stream).unwrap().status
}

#[test]
fn who_is_driven_into_the_secondary_limit_by_one_caller_is_refused_to_the_others_without_a_call() {
    let github = github();
    github.change(|state| state.settings.points_a_minute = 30);
    let broker = broker(&github);
    let lease = ask(&broker, "label-sync").json();
    let token = lease["token"].as_str().unwrap();
    while call_github(&github, token) != 403 {}
    let told = Duration::from_secs(60);
    let clock = Clock::default();
    let before = clock.now();
    wait::until(|| principal(&broker, "user acme-bot")["held_off"].is_object());
    github.forget_calls();

    // Another purpose and another secret, and the same user at GitHub.
    for purpose in ["onboarding", "label-sync"] {
        let refused = ask(&broker, purpose);
        let passed = clock.now().duration_since(before).unsigned_abs();
        assert_eq!(refused.status, 429, "{refused:?}");
        assert_eq!(refused.json()["code"], "rate_limited");
        let wait = Duration::from_secs(retry_after(&refused));
        assert!(
            wait <= told && wait + passed + Duration::from_secs(1) >= told,
            "{wait:?}"
        );
    }
    assert_eq!(
        ask(&broker, "other").status,
        201,
        "another user is not limited"
    );
    wait::until(|| core(&broker, "user other-bot").is_some());
    let mut calls = github.journal();
    calls.retain(|call| call.principal == "user acme-bot");
    assert!(calls.is_empty(), "a further call: {calls:?}");

    let denied = broker.home.records_of("lease.denied");
    assert!(denied.len() >= 2 && denied.iter().all(|one| one["code"] == "rate_limited"));
    wait::until(|| !broker.home.records_of("github.limited").is_empty());
    let limited = broker.home.records_of("github.limited");
    assert_eq!(limited.len(), 1, "once for the window: {limited:?}");
    assert_eq!(limited[0]["principal"], "user acme-bot");
    assert_eq!(limited[0]["limit"], "secondary");
    let granted = broker.home.records_of("lease.granted");
    assert_eq!(granted.len(), 2, "label-sync before, other after");
}

#[test]
fn when_a_secondary_limit_is_over_leases_are_granted_again() {
    let github = github();
    let fault = Fault::on("GET /rate_limit").secondary_limit(Some(60));
    github.fault(fault.times(1));
    let broker = broker(&github);
    assert_eq!(ask(&broker, "label-sync").status, 201);
    wait::until(|| ask(&broker, "label-sync").status == 429);
    broker.clock.advance(Duration::from_secs(61));
    assert_eq!(ask(&broker, "label-sync").status, 201);
    wait::until(|| core(&broker, "user acme-bot").is_some());
}

#[test]
fn a_used_up_hour_refuses_with_the_time_of_its_end_and_goes_on_being_watched() {
    let github = github();
    github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 5000, now);
    });
    let broker = broker(&github);
    assert_eq!(
        ask(&broker, "label-sync").status,
        201,
        "nothing is known yet"
    );
    wait::until(|| core(&broker, "user acme-bot").is_some_and(|core| core["remaining"] == 0));
    let shown = principal(&broker, "user acme-bot");
    let used_up = core(&broker, "user acme-bot").unwrap();
    assert_eq!(
        (&used_up["limit"], &used_up["remaining"]),
        (&5000.into(), &0.into())
    );
    assert!(used_up["reset_at"].is_string(), "{shown}");
    assert!(shown.get("held_off").is_none_or(Value::is_null), "{shown}");
    let refused = ask(&broker, "onboarding");
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (429, Some("rate_limited"))
    );
    let wait = retry_after(&refused);
    assert!((3000..=3600).contains(&wait), "{wait}");
    wait::until(|| !broker.home.records_of("github.limited").is_empty());
    let limited = broker.home.records_of("github.limited");
    assert_eq!(
        (limited.len(), &limited[0]["resource"]),
        (1, &Value::from("core"))
    );

    // Asking what is left is free, so it goes on, and a new hour is noticed: the next one, where an answer of the
    // hour before was on its way.
    wait::until(|| {
        github.advance(Duration::from_secs(3700));
        broker.clock.advance(Duration::from_secs(3700));
        ask(&broker, "onboarding").status == 201
    });
}

#[test]
fn a_server_without_rate_limits_is_asked_once_and_no_value_is_opened_for_it_again() {
    let github = github();
    github.change(|state| state.settings.rate_limits = false);
    let broker = broker(&github);
    // Two principals, each due at once, and a token of each.
    assert_eq!(ask(&broker, "label-sync").status, 201);
    assert_eq!(ask(&broker, "other").status, 201);
    let used = |broker: &InProcess| {
        let records = broker.home.records_of("secret.used").into_iter();
        records
            .filter(|one| one["what_for"] == "rate_limit")
            .count()
    };
    let says = "this server has no rate limits (404); it is not asked for them again before the next start";
    wait::until(|| broker.home.trace().contains(says));
    broker.clock.advance(Duration::from_secs(3600));
    broker.poll();
    assert_eq!(github.calls("GET /rate_limit"), 1);
    assert_eq!(used(&broker), 1);
    let trace = broker.home.trace();
    assert!(
        !trace.contains("rate limit is not known"),
        "no warning: {trace}"
    );
    assert_eq!(ask(&broker, "label-sync").status, 201);

    // Perhaps they are on now.
    let broker = broker.restarted();
    github.change(|state| state.settings.rate_limits = true);
    assert_eq!(ask(&broker, "label-sync").status, 201);
    wait::until(|| core(&broker, "user acme-bot").is_some());
}

#[test]
fn what_is_left_is_in_lease_answers_in_status_and_in_the_figures_and_a_floor_warns() {
    let github = github();
    github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 2000, now);
    });
    let broker = broker(&github);
    let secrets = support::broker::SECRETS.replace("source", "rate_floor = 4000\nsource");
    broker.home.policy("secrets.toml", &secrets);
    broker.reload();
    let first = ask(&broker, "label-sync").json();
    assert_eq!(first["rate_limit"], Value::Null, "not known yet");
    wait::until(|| core(&broker, "user acme-bot").is_some());
    let lease = ask(&broker, "label-sync").json();
    let left = &lease["rate_limit"];
    assert_eq!(
        (&left["limit"], &left["remaining"]),
        (&5000.into(), &3000.into())
    );

    let warning = "`org-label-sync-token`: 3000 of 5000 requests left for user acme-bot, below its floor of 4000";
    wait::until(|| {
        let status = broker.http("GET", "/v1/status", "").json();
        status["broker"]["warnings"].to_string().contains(warning)
    });
    let figures = broker.http("GET", "/metrics", "").body;
    let figures = String::from_utf8(figures).unwrap();
    for line in [
        r#"tokend_rate_remaining{principal="user acme-bot",resource="core"} 3000"#,
        r#"tokend_secret_below_rate_floor{secret="org-label-sync-token"} 1"#,
        r#"state="closed"} 1"#,
    ] {
        assert!(figures.contains(line), "{line} in\n{figures}");
    }
    // One poll a principal, not one a secret; each with a stored value that was recorded first.
    assert_eq!(ask(&broker, "onboarding").status, 201);
    let used = || broker.home.records_of("secret.used");
    wait::until(|| used().len() > 2);
    let polled = github.journal();
    assert!(polled.iter().all(|call| call.principal == "user acme-bot"));
    assert!(
        polled.iter().all(|call| call.path == "/rate_limit"),
        "{polled:?}"
    );
    let with = [canary::CLASSIC, canary::CLASSIC_TWO].map(hashed);
    let known = polled.iter().filter_map(|call| call.hashed_token.as_ref());
    assert!(known.clone().all(|hash| with.contains(hash)) && known.count() == polled.len());
    assert!(
        used()
            .iter()
            .all(|record| record["what_for"] == "rate_limit")
    );
    assert!(used().len() >= polled.len());
}
