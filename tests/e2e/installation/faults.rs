//! A log that can no longer be written when a token has been minted. What else goes wrong on the way to a token
//! is tested in process, in `broker/src/tests/installation/faults.rs`.

use std::thread;

use support::github::Fault;
use support::{needs, wait};

use super::{MINT, Setting};

#[test]
fn p2_if_the_issue_cannot_be_recorded_the_token_is_revoked_and_nobody_gets_it() {
    if !needs::program("prlimit") {
        return;
    }
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let problem = thread::scope(|scope| {
        let asking = scope.spawn(|| setting.refusal());
        setting.github.wait_for_calls(MINT, 1);
        // The grant is recorded; what comes of it cannot be. The vault's file may grow no more either.
        setting.broker.limit_files("1");
        setting.github.release();
        asking.join().unwrap()
    });
    assert!(
        ["audit_unavailable", "internal"].contains(&problem["code"].as_str().unwrap()),
        "{problem}"
    );
    wait::until(|| setting.github.live_tokens() == 0);
    setting.broker.limit_files("unlimited");
}
