//! `lock --revoke`: what it ends, when GitHub is down, when the log cannot be written, and when the broker
//! is killed half-way.

use serde_json::{Value, json};
use support::broker::{like_label_sync, own_uid};
use support::github::Fault;
use support::{TestBroker, wait};

use super::{END, Setting};

pub(super) fn lock(broker: &TestBroker) -> Value {
    let answer = broker.http("POST", "/v1/lock", r#"{"revoke":true}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let locked = answer.json();
    assert_eq!(locked["status"], "locked");
    locked["revoked"].clone()
}

pub(super) fn status_of(broker: &TestBroker, lease: &Value) -> u16 {
    let id = lease["lease"].as_str().unwrap();
    broker.http("GET", &format!("/v1/leases/{id}"), "").status
}

impl Setting {
    pub(super) fn take_raw(&self) -> Value {
        let policy = like_label_sync("acme-by-hand", "acme-import-old-token");
        self.broker.home.policy("acme-by-hand.toml", &policy);
        let reloaded = self.broker.http("POST", "/v1/policies/reload", "");
        assert_eq!(reloaded.status, 200, "{reloaded:?}");
        let answer = self.broker.lease(r#"{"purpose":"acme-by-hand"}"#);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    fn two(&self) -> [Value; 2] {
        ["acme/one", "acme/two"].map(|one| self.take(&json!({"repositories": [one]})))
    }

    /// The records that end leases, by an operator.
    fn ended_by_us(&self) -> usize {
        let records = self.broker.home.records_of("lease.revoked").into_iter();
        let ours = records.filter(|record| record["by"]["uid"] == own_uid());
        ours.count()
    }
}

#[test]
fn the_command_says_in_a_table_what_ended_and_what_still_works() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.take(&json!({}));
    setting.take_raw();
    let ran = setting.broker.home.ctl(&["lock", "--revoke"]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("1 dead") && ran.stdout.contains("still valid"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("tokenctl secret revoke acme-import-old-token --now"),
        "{}",
        ran.stderr
    );
    // What it says proves it does.
    let since = ran.stdout.split("--since ").nth(1).unwrap();
    let since = since.split('`').next().unwrap();
    let search = [
        "audit",
        "search",
        "--kind",
        "lease.revoked",
        "--since",
        since,
    ];
    let found = setting.broker.home.ctl(&search).success();
    assert_eq!(found.matches("lease.revoked").count(), 2, "{found}");
    let found = setting
        .broker
        .home
        .ctl(&["audit", "search", "--kind", "token"])
        .success();
    assert_eq!(found.matches("token.revoked").count(), 1, "{found}");

    let ran = setting.broker.home.ctl(&["lock", "--revoke"]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("there was no live lease"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_broker_that_is_killed_half_way_ends_the_rest_after_its_start() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let [one, two] = setting.two();
    let raw = setting.take_raw();
    setting.github.fault(Fault::on(END).hold());
    let mut locking = setting.broker.home.tokenctl();
    let mut locking = locking.args(["lock", "--revoke"]).spawn().unwrap();
    setting.github.wait_for_calls(END, 2);
    wait::until(|| setting.ended_by_us() == 3);
    let Setting { github, broker } = setting;
    let home = broker.kill();
    assert!(!locking.wait().unwrap().success());
    // The calls on their way when it died came to nothing.
    github.change(|state| state.faults.clear());
    let setting = Setting {
        github,
        broker: home.start(),
    };
    for lease in [&one, &two, &raw] {
        assert_eq!(status_of(&setting.broker, lease), 404);
    }
    wait::until(|| !setting.alive(&one) && !setting.alive(&two));
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 2);
    setting.broker.home.ctl(&["audit", "verify"]).success();
}
