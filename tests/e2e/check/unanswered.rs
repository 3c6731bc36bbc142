//! Where GitHub does not answer, refuses or limits, the exit code says so. What is known then is tested in
//! process, in `broker/src/tests/checks/unanswered.rs`.

use serde_json::Value;
use support::broker::like_label_sync;
use support::github::{ExpiryHeader, Fault, Pat, StandIn, World, classic_token};

use super::{NAMES, SYSTEM, set, started};

#[test]
fn where_github_fails_the_exit_code_says_so() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &token);

    github.fault(Fault::on("GET /user").refuse(502, "Bad Gateway"));
    let ran = broker.home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    let words = "1 not checked, GitHub failed";
    assert!(ran.stdout.contains(words), "{ran:?}");
    let json = broker.home.ctl(&["secret", "check", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["summary"]["not_checked"], 1);
    let list = broker.home.ctl(&["secret", "list"]).success();
    let unfinished = "  ok       -*  ";
    assert!(
        list.contains(unfinished),
        "stored, its check unfinished: {list}"
    );
}

#[test]
fn where_github_limits_whoever_it_is_the_exit_code_says_to_come_back() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &token);
    github.fault(Fault::on("GET /user").secondary_limit(Some(60)));
    for asked in [1, 0] {
        github.forget_calls();
        let ran = broker.home.ctl(&["secret", "check"]);
        assert_eq!(ran.code(), Some(75), "{ran:?}");
        let words = "1 not checked, limited by GitHub";
        assert!(ran.stdout.contains(words), "{ran:?}");
        assert_eq!(github.calls("GET /user"), asked);
    }
    // Nor is anything handed out meanwhile.
    let purpose = like_label_sync("label-sync", NAMES[0]);
    broker.home.policy("label-sync.toml", &purpose);
    broker.reload();
    let get = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!((get.code(), &*get.stdout), (Some(75), ""), "{get:?}");
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["code"], "rate_limited");
    let doctor = broker.home.ctl(&["doctor"]);
    let words = "user acme-bot sent GitHub too many requests too fast";
    assert!(doctor.stdout.contains(words), "{doctor:?}");
}

#[test]
fn a_user_whom_wrong_credentials_locked_out_is_not_asked_for_again() {
    let (good, also_good) = (classic_token(), classic_token());
    let dead = [classic_token(), classic_token()];
    let long_ago = "2026-11-01T00:00:00Z".parse().unwrap();
    let ended =
        |token: &str| Pat::classic(token, "acme-bot", &[]).expires(long_ago, ExpiryHeader::Utc);
    let github = StandIn::start(
        World::new()
            .pat(ended(&dead[0]))
            .pat(ended(&dead[1]))
            .classic(&good, "acme-bot", &["project", "read:org"])
            .classic(&also_good, "acme-bot", &["repo:status", "read:org"]),
    );
    github.change(|state| state.settings.lockout_after = 2);
    let broker = started(&github, SYSTEM);
    for (name, token) in NAMES.iter().zip([&dead[0], &dead[1], &good, &also_good]) {
        set(&broker, name, token);
    }
    // Two refusals lock the user out; what comes third is told so; the fourth is not asked for.
    let ran = broker.home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(1), "the refused ones are certain: {ran:?}");
    let words = "2 checked: 0 ok, 0 with warnings, 2 with errors; 2 not checked, limited by GitHub";
    assert!(ran.stdout.contains(words), "{ran:?}");
    assert_eq!(github.calls("GET /user"), 3);

    let ran = broker.home.ctl(&["secret", "check", NAMES[2], NAMES[3]]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert_eq!(github.calls("GET /user"), 3);
    let status = broker.home.ctl(&["status"]).success();
    assert!(status.contains("lock_out"), "{status}");
    let doctor = broker.home.ctl(&["doctor"]);
    let words = "GitHub locked user acme-bot out after several wrong credentials";
    assert!(doctor.stdout.contains(words), "{doctor:?}");
}
