//! An App behind the proxy: its installation tokens stay in the broker, one after another under one lease.

mod ends;
mod faults;
mod lasts;
mod new;

use std::time::Duration;

use serde_json::Value;
use support::github::{AppKey, Fault};
use support::scenes::app::{self, CLIENT, END, MINT};
use support::scenes::log::says;
use support::wait;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const ONE: &str = "/repos/acme/one/labels";
const APP: &str = "acme-import-app";

/// A stand-in with an App, and a broker that keeps the tokens minted for it.
struct Setting {
    github: StandIn,
    broker: InProcess,
}

impl Setting {
    fn new() -> Self {
        Self::with("", "")
    }

    /// With these lines in the policy, and in the configuration.
    fn with(more: &str, config: &str) -> Self {
        let key = AppKey::generate();
        let (github, home) = app::proxied(ready(), &key, more, config);
        let broker = InProcess::start(home);
        broker.set(APP, key.pem());
        github.forget_calls();
        Self { github, broker }
    }

    fn take_with(&self, what: &Value) -> Lease {
        let taken = app::take(&self.broker, what);
        assert_eq!(taken["deliver"], "proxy");
        let text = |field: &str| taken[field].as_str().unwrap().to_owned();
        Lease {
            id: text("lease"),
            token: text("token"),
        }
    }

    fn take(&self) -> Lease {
        self.take_with(&json!({}))
    }

    fn get(&self, lease: &Lease) -> Answer {
        get(&self.broker, &self.github, &lease.token, ONE)
    }

    #[track_caller]
    fn works(&self, lease: &Lease) {
        let answer = self.get(lease);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Both clocks go on.
    fn advance(&self, by: Duration) {
        self.broker.clock.advance(by);
        self.github.advance(by);
    }

    /// Holds for two sweeps of the broker's at least, and as many looks at its clock.
    #[track_caller]
    fn stays(&self, mut holds: impl FnMut() -> bool) {
        let mut looks = 0;
        wait::until(|| {
            assert!(holds(), "{:#?}", self.github.journal());
            looks += 1;
            looks > 60
        });
    }

    fn mints(&self) -> usize {
        self.github.calls(MINT)
    }

    fn issued(&self) -> Vec<Value> {
        self.broker.home.records_of("lease.issued")
    }

    fn view(&self, lease: &Lease) -> Value {
        let path = format!("/v1/leases/{}", lease.id);
        self.broker.done("GET", &path, "").json()
    }

    fn revoke(&self, lease: &Lease) -> Value {
        let path = format!("/v1/leases/{}?at_once=true", lease.id);
        self.broker.done("DELETE", &path, "").json()
    }
}

/// The hashes of the tokens that these records name, without repeats.
fn named(issued: &[Value]) -> Vec<&str> {
    let hashes = issued.iter();
    let mut hashes: Vec<_> = hashes
        .map(|one| one["hashed_credential"].as_str().unwrap())
        .collect();
    hashes.dedup();
    hashes
}

#[test]
fn the_caller_gets_a_proxy_token_and_the_first_request_mints_what_it_is_made_with() {
    let setting = Setting::new();
    let lease = setting.take();
    assert!(lease.token.starts_with("tkp_"), "{}", lease.token);
    assert!(setting.github.journal().is_empty(), "nothing is asked for");
    let granted = &setting.broker.home.records_of("lease.granted")[0];
    assert_eq!(granted["hashed_token"], hashed(&lease.token));
    assert!(granted.get("hashed_credential").is_none(), "not known yet");

    for _ in 0..3 {
        setting.works(&lease);
    }
    assert_eq!(setting.mints(), 1);
    let issued = setting.issued();
    assert_eq!(issued.len(), 1, "{issued:?}");
    assert_eq!(issued[0]["lease"], lease.id.as_str());
    assert_eq!(issued[0]["hashed_token"], hashed(&lease.token));
    assert!(issued[0]["installation"].is_u64());
    assert!(issued[0].get("expires_at").is_none(), "the lease goes on");
    assert!(setting.broker.home.records_of("secret.used").is_empty());
    let last = setting.github.journal().pop().unwrap();
    assert_eq!(
        last.hashed_token.as_deref(),
        issued[0]["hashed_credential"].as_str()
    );
    assert!(last.principal.starts_with("installation "), "{last:?}");
    setting.broker.assert_log_verifies();
}

#[test]
fn github_holds_the_token_to_the_lease_and_so_does_the_broker() {
    let setting = Setting::new();
    let narrow = json!({"repositories": ["acme/one"], "permissions": {"contents": "read"}});
    let lease = setting.take_with(&narrow);
    let contents = "/repos/acme/one/contents/README.md";
    let read = get(&setting.broker, &setting.github, &lease.token, contents);
    assert_ne!(read.status, 403, "{read:?}");
    for beyond in [ONE, "/repos/acme/two/contents/README.md"] {
        let answer = get(&setting.broker, &setting.github, &lease.token, beyond);
        assert_refused(&answer, 403, "too_wide");
    }
    let (permissions, repositories) = setting.github.change(|state| {
        let minted = state.minted_tokens();
        state.grant_of(&minted[0])
    });
    let permissions = serde_json::to_value(permissions).unwrap();
    assert_eq!(permissions, json!({"contents": "read", "metadata": "read"}));
    assert_eq!(repositories.len(), 1);
    assert!(repositories.contains("acme/one"));
}

#[test]
fn a_lease_shows_what_its_installation_has_left_and_who_holds_it() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    setting.works(&lease);
    let view = setting.view(&lease);
    assert_eq!(view["enforced_by"], "broker");
    assert_eq!(view["secret"], APP);
    assert_eq!(view["proxy"]["requests"], 2);
    assert!(view["rate_limit"]["remaining"].is_u64(), "{view}");
}

#[test]
fn a_lease_that_asks_for_a_fresh_token_shares_none_from_before() {
    let setting = Setting::new();
    let first = setting.take();
    setting.works(&first);
    setting.works(&setting.take());
    assert_eq!(setting.mints(), 1);
    setting.works(&setting.take_with(&json!({"fresh": true})));
    assert_eq!(setting.mints(), 2);
    setting.works(&first);
    assert_eq!(setting.mints(), 2, "it has its own");
}
