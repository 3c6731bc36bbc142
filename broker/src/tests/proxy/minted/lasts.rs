//! A lease that lasts longer than each of its tokens.

use std::thread;

use super::*;

#[test]
fn a_run_of_ninety_minutes_crosses_the_hour_without_an_error_of_its_own() {
    let setting = Setting::new();
    let lease = setting.take();
    for minute in 0..=90 {
        setting.works(&lease);
        // The next one is minted beside the requests.
        if minute == 56 {
            wait::until(|| setting.issued().len() == 2);
        }
        // And then the first one is ended, while it is still one.
        if minute == 57 {
            let revoked = || setting.broker.home.records_of("token.revoked");
            wait::until(|| revoked().len() == 1);
        }
        setting.advance(MINUTE);
    }
    assert_eq!(setting.mints(), 2);
    let issued = setting.issued();
    assert_eq!(named(&issued).len(), 2, "{issued:#?}");
    assert!(issued.iter().all(|one| one["lease"] == lease.id.as_str()));
    assert!(
        issued
            .iter()
            .all(|one| one["hashed_token"] == hashed(&lease.token))
    );
    let answered = setting.github.journal();
    assert!(
        answered.iter().all(|call| call.status < Some(400)),
        "{answered:#?}"
    );
    // The first one ended at GitHub when the second took its place.
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
    let revoked = &setting.broker.home.records_of("token.revoked")[0];
    assert_eq!(revoked["hashed_credential"], issued[0]["hashed_credential"]);
    assert_eq!(setting.github.live_tokens(), 1);
    // The second one's mint was allowed by a record of its own.
    let used = setting.broker.home.records_of("secret.used");
    let what_for: Vec<_> = used
        .iter()
        .map(|one| one["what_for"].as_str().unwrap())
        .collect();
    assert!(what_for.contains(&"proxy"), "{what_for:?}");
    setting.broker.assert_log_verifies();
}

#[test]
fn a_request_under_way_keeps_its_token_while_the_lease_takes_the_next() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 4 * 3600}));
    setting.works(&lease);
    let issues = "/repos/acme/one/issues";
    setting
        .github
        .fault(Fault::on("GET /repos/acme/one/issues").hold());
    let asked = request(&setting.github, &lease.token, ("GET", issues, ""));
    let waiting = setting.broker.begin_proxied(asked);
    setting
        .github
        .wait_for_calls("GET /repos/acme/one/issues", 1);
    setting.advance(56 * MINUTE);
    setting.works(&lease);
    wait::until(|| setting.issued().len() == 2);
    setting.works(&lease);
    setting.stays(|| setting.github.live_tokens() == 2);
    setting.github.heal();
    assert_eq!(setting.broker.finished(waiting).status, 200);
    wait::until(|| setting.github.live_tokens() == 1);
}

#[test]
fn a_lease_goes_on_for_a_day_and_no_longer() {
    let setting = Setting::new();
    let lease = setting.take();
    for _ in 0..(24 * 60 / 7) {
        setting.works(&lease);
        setting.advance(7 * MINUTE);
    }
    let mints = setting.mints();
    assert!((22..=27).contains(&mints), "{mints}");
    setting.advance(7 * MINUTE);
    assert_refused(&setting.get(&lease), 403, "unknown_lease");
    wait::until(|| setting.github.live_tokens() == 0);
}

#[test]
fn sixty_four_leases_of_one_scope_make_one_mint_an_hour() {
    let setting = Setting::with("", "");
    let leases: Vec<_> = (0..64)
        .map(|_| setting.take_with(&json!({"ttl": 3 * 3600})))
        .collect();
    let each_works = || {
        thread::scope(|scope| {
            for lease in &leases {
                scope.spawn(|| setting.works(lease));
            }
        });
    };
    each_works();
    assert_eq!(setting.mints(), 1);
    assert_eq!(setting.issued().len(), 64);
    for hour in 2..=3 {
        setting.advance(57 * MINUTE);
        each_works();
        wait::until(|| setting.issued().len() == 64 * hour);
        each_works();
        assert_eq!(setting.mints(), hour);
    }
    // Each that shares a token names it, and once.
    let mut issued: Vec<_> = setting
        .issued()
        .iter()
        .map(|one| {
            (
                one["lease"].to_string(),
                one["hashed_credential"].to_string(),
            )
        })
        .collect();
    issued.sort();
    let all = issued.len();
    issued.dedup();
    assert_eq!(issued.len(), all);
    wait::until(|| setting.github.live_tokens() == 1);
}

#[test]
fn a_lease_that_was_idle_for_longer_than_its_token_gets_another() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 4 * 3600}));
    setting.works(&lease);
    setting.advance(61 * MINUTE);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
    assert_eq!(setting.mints(), 1, "none while no one asks");
    setting.works(&lease);
    assert_eq!(setting.mints(), 2);
}

#[test]
fn a_new_key_of_the_app_mints_the_next_token_and_the_one_in_use_goes_on() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    let new = AppKey::generate();
    setting
        .github
        .change(|state| state.app_mut(CLIENT).keys = vec![new.clone()]);
    setting.broker.set(APP, new.pem());
    setting.works(&lease);
    assert_eq!(setting.mints(), 1);
    for _ in 0..9 {
        setting.advance(7 * MINUTE);
        setting.works(&lease);
    }
    assert_eq!(setting.mints(), 2);
    assert_eq!(named(&setting.issued()).len(), 2);
}

#[test]
fn a_key_that_came_between_the_grant_and_the_first_request_is_used_on_a_record() {
    let setting = Setting::new();
    let lease = setting.take();
    let new = AppKey::generate();
    setting
        .github
        .change(|state| state.app_mut(CLIENT).keys = vec![new.clone()]);
    setting.broker.set(APP, new.pem());
    setting.works(&lease);
    let used = setting.broker.home.records_of("secret.used");
    let used: Vec<_> = used
        .iter()
        .filter(|one| one["what_for"] == "proxy")
        .collect();
    assert_eq!(used.len(), 1, "the grant named the old key");
    assert_eq!(used[0]["version"], 2);
}
