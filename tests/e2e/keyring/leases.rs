//! Leases of values in a real gnome-keyring.

use support::broker::{MANY_LEASES, Ran, SECRETS};
use support::keyring::{Session, SessionKeyring, is_here};
use support::{Home, TestBroker, canary};

use support::described::lease;

const NAME: &str = "org-label-sync-token";

fn broker_in(session: &Session) -> TestBroker {
    broker_with(session, "")
}

/// `sources` is how long values are kept.
fn broker_with(session: &Session, sources: &str) -> TestBroker {
    let home = Home::ready();
    let source = format!("source = \"keyring:{NAME}\"");
    let secrets = SECRETS.replace("source = \"vault\"", &source);
    assert!(secrets.contains(&source), "{secrets}");
    home.policy("secrets.toml", &secrets);
    home.config(&format!("{MANY_LEASES}{sources}\n"));
    TestBroker::start(home, |command| {
        session.enter(command);
    })
}

#[track_caller]
fn assert_refused(broker: &TestBroker, fix: &str) {
    let (status, problem) = lease(broker);
    assert_eq!(
        (status, problem["code"].as_str()),
        (502, Some("source_unavailable")),
        "{problem}"
    );
    let shown: Ran = broker.home.ctl(&["secret", "show", NAME]);
    assert!(shown.stdout.contains(fix), "{shown:?}");
}

#[test]
fn a_keyring_without_the_value_refuses_leases_until_the_user_puts_it_there_and_then_it_is_recorded()
{
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let broker = broker_in(keyring.session());
    assert_refused(&broker, "secret-tool store --label=");
    keyring.session().put(NAME, canary::CLASSIC);
    broker.reload();
    let (status, leased) = lease(&broker);
    assert_eq!(
        (status, leased["token"].as_str()),
        (201, Some(canary::CLASSIC)),
        "{leased}"
    );
    let issued = &broker.home.records_of("lease.issued")[0];
    let hash = support::github::hashed(canary::CLASSIC);
    assert_eq!(issued["hashed_token"], hash.as_str());
}

#[test]
fn a_keyring_that_was_locked_or_away_from_the_start_refuses_leases_until_it_is_open() {
    if !is_here() {
        return;
    }
    let mut keyring = SessionKeyring::start();
    keyring.session().put(NAME, canary::CLASSIC);
    keyring.restart_locked();
    let broker = broker_in(keyring.session());
    assert_refused(&broker, "the keyring is locked");
    keyring.end_keyring();
    broker.reload();
    assert_refused(&broker, "no keyring answers");
    keyring.restart_locked();
    keyring.session().unlock();
    // By itself, too: no reload is asked for here.
    support::wait::until(|| lease(&broker).0 == 201);
}

#[test]
fn a_keyring_that_says_nothing_holds_a_lease_up_no_longer_than_its_limit() {
    if !is_here() {
        return;
    }
    let keyring = SessionKeyring::start();
    let broker = broker_in(keyring.session());
    keyring.session().put(NAME, canary::CLASSIC);
    keyring.freeze();
    assert_refused(&broker, "the keyring did not answer within 10 s");
    broker.reload();
    assert_refused(&broker, "an earlier call into the keyring still waits");
    keyring.thaw();
    broker.reload();
    support::wait::until(|| lease(&broker).0 == 201);
}

#[test]
fn a_value_known_before_the_keyring_went_away_is_served_until_its_bound() {
    if !is_here() {
        return;
    }
    let mut keyring = SessionKeyring::start();
    keyring.session().put(NAME, canary::CLASSIC);
    let times = "[sources]\nttl = \"2s\"\nstale = \"4s\"";
    let broker = broker_with(keyring.session(), times);
    assert_eq!(lease(&broker).0, 201);
    keyring.end_keyring();
    let mut last = lease(&broker);
    let mut stale = None;
    support::wait::until(|| {
        last = lease(&broker);
        if let Some(since) = last.1.get("stale_since") {
            assert_eq!(last.1["token"], canary::CLASSIC);
            stale = Some(since.clone());
        }
        last.0 != 201
    });
    let issued = broker.home.records_of("lease.issued");
    let mut marked = issued.iter().filter_map(|issued| issued.get("stale_since"));
    assert_eq!(marked.next_back(), stale.as_ref());
    assert!(stale.is_some(), "marked before it was refused");
    assert_refused(&broker, "no keyring answers");
    keyring.restart_locked();
    keyring.session().unlock();
    broker.reload();
    let (status, leased) = lease(&broker);
    assert_eq!((status, leased.get("stale_since")), (201, None));
}
