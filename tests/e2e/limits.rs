//! A GitHub that is not the one it says. Rate limits are tested in process, in `broker/src/tests/limits.rs`.

use support::github::{StandIn, World};
use support::scenes::limits::{ask, github};
use support::{Home, canary, wait};

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
