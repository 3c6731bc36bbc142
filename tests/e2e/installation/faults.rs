//! What goes wrong on the way to a token, and afterwards.

use std::process::Command;
use std::thread;

use serde_json::json;
use support::broker::Ran;
use support::github::Fault;
use support::{needs, wait};

use super::{MINT, Setting};

#[test]
fn when_github_grants_more_than_was_asked_the_token_is_revoked_and_nobody_gets_it() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let more = json!({"permissions": {"contents": "write", "issues": "write", "metadata": "read"}});
    setting
        .github
        .fault(Fault::on(MINT).patch_body(more).times(1));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`contents`: write instead of read"),
        "{detail}"
    );
    wait::until(|| setting.github.live_tokens() == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn p2_if_the_issue_cannot_be_recorded_the_token_is_revoked_and_nobody_gets_it() {
    if !needs::program("prlimit") {
        return;
    }
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let limit = |bytes: &str| {
        let pid = setting.broker.pid().to_string();
        Ran::of(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]))
            .success();
    };
    let problem = thread::scope(|scope| {
        let asking = scope.spawn(|| setting.refusal());
        setting.github.wait_for_calls(MINT, 1);
        // The grant is recorded; what comes of it cannot be. The vault's file may grow no more either.
        limit("1:unlimited");
        setting.github.release();
        asking.join().unwrap()
    });
    assert!(
        ["audit_unavailable", "internal"].contains(&problem["code"].as_str().unwrap()),
        "{problem}"
    );
    wait::until(|| setting.github.live_tokens() == 0);
    limit("unlimited:unlimited");
}
