//! A token whose end was asked for when the broker was killed. Which token a lease holds afterwards is tested
//! in process, in `broker/src/tests/installation/restart.rs`.

use serde_json::json;
use support::github::{Effect, Fault};
use support::{http, wait};

use super::{END, Setting};

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
        let Setting { github, broker } = setting;
        let broker = broker.kill().start();
        let setting = Setting { github, broker };
        let again = setting.take(&json!({}));
        assert_ne!(again["token"], lease["token"]);
        wait::until(|| !setting.alive(&lease));
        assert!(setting.alive(&again));
    }
}
