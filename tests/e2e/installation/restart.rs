//! Which token a lease holds after a broker was killed, and which tokens then end.

use std::io::Write;

use serde_json::{Value, json};
use support::github::{Effect, Fault};
use support::{Home, http, wait};

use super::{END, MINT, Setting};

impl Setting {
    /// Kills the broker, has someone write to its files, and starts it again.
    fn killed(self, meanwhile: impl FnOnce(&Home)) -> Self {
        let Self { github, broker } = self;
        let home = broker.kill();
        meanwhile(&home);
        let broker = home.start();
        Self { github, broker }
    }

    fn live(&self) -> Vec<Value> {
        let list = self.broker.http("GET", "/v1/leases", "").json();
        let leases = list["leases"].as_array().unwrap().iter();
        leases.map(|lease| lease["lease"].clone()).collect()
    }

    fn last(&self, kind: &str) -> Value {
        self.broker.home.records_of(kind).pop().unwrap()
    }
}

#[test]
fn a_lease_of_a_broker_that_ended_while_it_minted_is_over() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let mut stream = http::connect(&setting.broker.socket());
    ask(&mut stream);
    setting.github.wait_for_calls(MINT, 1);
    let setting = setting.killed(|_| {});
    setting.github.release();
    assert!(setting.live().is_empty());
    let failed = setting.last("lease.failed");
    assert_eq!(failed["lease"], setting.last("lease.granted")["lease"]);
    let rebuilt = setting.last("leases.rebuilt");
    assert_eq!(
        (&rebuilt["ended"], &rebuilt["refused"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn a_token_whose_end_a_killed_broker_was_asking_for_is_never_shared_again() {
    for effect in [Effect::Hang, Effect::HangAfter] {
        let Some(setting) = Setting::new() else {
            return;
        };
        let lease = setting.take(&json!({}));
        setting.github.fault(Fault::on(END).effect(effect).times(1));
        let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
        let mut stream = http::connect(&setting.broker.socket());
        http::send(&mut stream, "DELETE", &path, "");
        setting.github.wait_for_calls(END, 1);
        let setting = setting.killed(|_| {});
        let again = setting.take(&json!({}));
        assert_ne!(again["token"], lease["token"]);
        wait::until(|| !setting.alive(&lease));
        assert!(setting.alive(&again));
    }
}

#[test]
fn a_token_whose_answer_was_lost_is_held_by_its_lease_until_that_ends() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let mut stream = http::connect(&setting.broker.socket());
    ask(&mut stream);
    setting.github.wait_for_calls(MINT, 1);
    drop(stream);
    setting.github.release();
    wait::until(|| setting.broker.home.records_of("lease.issued").len() == 1);
    let setting = setting.killed(|_| {});
    let lease = setting.last("lease.granted");
    assert_eq!(setting.live(), [lease["lease"].clone()]);
    let live = || {
        setting
            .github
            .change(|state| state.live_installation_tokens())
    };
    assert_eq!(live(), 1);
    assert_eq!(setting.revoke(&lease, "")["token"], "revoked");
    assert_eq!(live(), 0);
}

fn ask(stream: &mut impl Write) {
    let body = r#"{"purpose":"acme-import"}"#;
    let request = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
}
