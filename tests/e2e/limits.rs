//! Rate limits at GitHub, with the real broker and a stand-in behind real TLS.
//!
//! Callers with a raw token go to GitHub by themselves: what the broker knows of their budget it has
//! from its own questions, which these tests make it ask every second.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use support::github::{StandIn, World};
use support::http::read_answer;
use support::scenes::limits::{self, ask, core, github, principal, retry_after};
use support::{Home, TestBroker, canary, wait};

/// A broker that believes the stand-in's certificate and asks it every second.
fn broker(github: &StandIn) -> TestBroker {
    let broker = limits::in_home(Home::ready(), github).start();
    for (secret, value) in limits::HELD {
        let set = ["secret", "set", secret];
        broker.home.ctl_with(&set, value).success();
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
    let clock = support::github::Clock::default();
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
    wait::until(|| core(&broker, "user somebody-else").is_some());
    let mut calls = github.journal();
    calls.retain(|call| call.principal == "user acme-bot");
    assert!(calls.is_empty(), "a further call: {calls:?}");

    let ctl = broker.home.ctl(&["get", "onboarding"]);
    assert_eq!(ctl.code(), Some(75), "{ctl:?}");
    let denied = broker.home.records_of("lease.denied");
    assert!(denied.len() >= 3 && denied.iter().all(|one| one["code"] == "rate_limited"));
    wait::until(|| !broker.home.records_of("github.limited").is_empty());
    let limited = broker.home.records_of("github.limited");
    assert_eq!(limited.len(), 1, "once for the window: {limited:?}");
    assert_eq!(limited[0]["principal"], "user acme-bot");
    assert_eq!(limited[0]["limit"], "secondary");
    let granted = broker.home.records_of("lease.granted");
    assert_eq!(granted.len(), 2, "label-sync before, other after");
    let doctor = broker.home.ctl(&["doctor"]);
    assert!(
        doctor
            .stdout
            .contains("user acme-bot sent GitHub too many requests too fast"),
        "{doctor:?}"
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_gets_no_token() {
    let github = github();
    let other = StandIn::start(World::new());
    let home = Home::ready();
    home.config(&format!(
        "[github]\napi = \"{}\"\nca = \"{}\"\ncheck_every = \"off\"\npoll_every = \"1s\"\n",
        github.api(),
        other.ca().display()
    ));
    let broker = home.start();
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    assert_eq!(
        ask(&broker, "label-sync").status,
        201,
        "raw needs nothing of GitHub"
    );
    wait::until(|| broker.home.trace().contains("the TLS handshake is refused"));
    // Left alone after failures in a row, and doctor says so.
    wait::until(|| {
        let status = broker.http("GET", "/v1/status", "").json();
        status["broker"]["github"]["breaker"] == "open"
    });
    let doctor = broker.home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1));
    assert!(
        doctor.stdout.contains("could not be reached several times"),
        "{doctor:?}"
    );
    assert!(github.journal().is_empty());
    assert!(!canary::is_in(
        broker.home.trace().as_bytes(),
        canary::CLASSIC
    ));
}
