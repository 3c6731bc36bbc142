//! `tokenctl lock --revoke`: what it prints, and a broker that is killed half-way. The rest is tested in
//! process, in `broker/src/tests/installation/kill_switch.rs`.

use serde_json::{Value, json};
use support::github::Fault;
use support::scenes::app::{revoked_by_us, status_of, take_raw, take_two};
use support::wait;

use super::{END, Setting};

#[test]
fn the_command_says_in_a_table_what_ended_and_what_still_works_and_by_its_exit_code_what_is_in_doubt()
 {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.take(&json!({}));
    take_raw(&setting.broker);
    let ran = setting.broker.home.ctl(&["lock", "--revoke"]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("1 revoked") && ran.stdout.contains("still valid"),
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

    // GitHub has not confirmed these ends: the exit code says so.
    setting.broker.home.ctl(&["unlock"]).success();
    take_two(&setting.broker);
    setting.github.fault(Fault::on(END).close_before());
    let ran = setting.broker.home.ctl(&["--json", "lock", "--revoke"]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert!(ran.stderr.contains("2 installation tokens"), "{ran:?}");
    let locked: Value = serde_json::from_str(&ran.stdout).unwrap();
    let pending = locked["revoked"]["tokens_pending"].as_array().unwrap();
    assert_eq!(pending.len(), 2, "{locked}");
}

#[test]
fn a_broker_that_is_killed_half_way_ends_the_rest_after_its_start() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let [one, two] = take_two(&setting.broker);
    let raw = take_raw(&setting.broker);
    setting.github.fault(Fault::on(END).hold());
    let mut locking = setting.broker.home.tokenctl();
    let mut locking = locking.args(["lock", "--revoke"]).spawn().unwrap();
    setting.github.wait_for_calls(END, 2);
    wait::until(|| revoked_by_us(&setting.broker.home) == 3);
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
