//! `deliver = "installation"`: what GitHub mints, who shares it, and that it is revoked.

mod answers;
mod faults;
mod kill_switch;
mod pinned;
mod restart;
mod shared;

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};
use support::github::{AppKey, StandIn, World};
use support::http::{self, Answer};
use support::scenes::app::{self, CLIENT, END, FIND, MINT, OLD_TOKEN};
use support::scenes::log::says;
use support::{Home, wait};

use super::InProcess;
use super::in_process::ready;

/// A stand-in with an App on three of four repositories, and a broker that holds the App's key.
struct Setting {
    github: StandIn,
    broker: InProcess,
}

impl Setting {
    fn new() -> Self {
        Self::with("")
    }

    fn with(fallback: &str) -> Self {
        let key = AppKey::generate();
        let (github, home) = app::with(ready(), &key, fallback, "");
        let broker = InProcess::start(home);
        broker.set("acme-import-app", key.pem());
        broker.set("acme-import-old-token", OLD_TOKEN);
        github.forget_calls();
        Self { github, broker }
    }

    fn take(&self, what: &Value) -> Value {
        app::take(&self.broker, what)
    }

    fn refusal(&self) -> Value {
        app::refusal(&self.broker)
    }

    /// Asks for a lease with this body, for which GitHub must refuse the token.
    #[track_caller]
    fn refused(&self, body: &str) -> Value {
        let answer = self.broker.lease(body);
        assert_eq!(answer.status, 502, "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["code"], "upstream_refused");
        assert!(problem.get("token").is_none());
        problem
    }

    /// What a script with the token is answered.
    fn read(&self, lease: &Value, path: &str) -> Answer {
        let token = lease["token"].as_str().unwrap();
        let address = self.github.plain().replace("http://", "");
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: a-script\r\n\
             authorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        http::read_answer(&mut stream).unwrap()
    }

    /// Kills the broker, has someone write to its files, and starts it again.
    fn killed(self, meanwhile: impl FnOnce(&Home)) -> Self {
        let Self { github, broker } = self;
        let broker = broker.killed(meanwhile);
        Self { github, broker }
    }

    fn alive(&self, lease: &Value) -> bool {
        self.read(lease, "/installation/repositories").status == 200
    }

    fn revoke(&self, lease: &Value, query: &str) -> Value {
        let id = lease["lease"].as_str().unwrap();
        let path = format!("/v1/leases/{id}{query}");
        let answer = self.broker.http("DELETE", &path, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

#[test]
fn a_cold_lease_is_one_mint_call_and_one_search_and_the_next_searches_no_more() {
    let setting = Setting::new();
    setting.take(&json!({"repositories": ["acme/one"]}));
    assert_eq!(setting.github.calls(MINT), 1);
    assert_eq!(setting.github.calls(FIND), 1);
    assert_eq!(setting.github.journal().len(), 2, "and nothing else");
    setting.take(&json!({"repositories": ["acme/two"]}));
    assert_eq!(setting.github.calls(MINT), 2);
    assert_eq!(setting.github.journal().len(), 3);
}

#[test]
fn repositories_are_named_once_and_from_then_on_meant_by_their_ids() {
    let setting = Setting::new();
    let narrow = json!({"repositories": ["acme/one"], "fresh": true});
    setting.take(&narrow);
    setting
        .github
        .change(|state| state.rename("acme/one", "uno"));
    // Someone else takes the name: not the repository that was meant.
    setting.github.change(|state| {
        state.add(World::new().repository("acme/one"));
    });
    let fresh = r#"{"purpose":"acme-import","repositories":["acme/one"],"fresh":true}"#;
    let problem = setting.refused(fresh);
    let renamed = "`acme/one` is called `acme/uno` today";
    says(problem["detail"].as_str().unwrap(), &[renamed]);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_lease_never_outlives_its_token() {
    let setting = Setting::new();
    let at = |view: &Value, field: &str| -> jiff::Timestamp {
        view[field].as_str().unwrap().parse().unwrap()
    };
    let lease = setting.take(&json!({"ttl": 3600}));
    let hour = at(&lease, "issued_at") + jiff::SignedDuration::from_hours(1);
    assert!(at(&lease, "renewable_until") <= hour);
    let renew = format!("/v1/leases/{}/renew", lease["lease"].as_str().unwrap());
    let renewed = setting.broker.http("POST", &renew, r#"{"ttl":3600}"#);
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert!(at(&renewed.json(), "expires_at") <= at(&lease, "renewable_until"));
}
