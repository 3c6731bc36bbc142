//! Personal access tokens: who they are, what they may, how they die, what they use up.

use std::time::Duration;

use serde_json::json;

use super::super::{ExpiryHeader, Level, Pat, Repositories, StandIn, World};
use crate::github::ask::{ask, send, tell};

const CLASSIC: &str = "ghp_standin0000000000000000000000000001";
const OTHER: &str = "ghp_standin0000000000000000000000000002";
const FINE: &str = "github_pat_standin_1";

fn world() -> World {
    World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/hidden")
        .public_repository("acme/open")
        .classic(CLASSIC, "acme-bot", &["repo", "repo:status", "read:org"])
        .pat(Pat::fine_grained(
            FINE,
            "acme-bot",
            "acme",
            Repositories::selected(&["acme/site"]),
            &[("contents", Level::Read), ("issues", Level::Read)],
        ))
}

#[test]
fn a_classic_token_says_its_user_and_its_scopes_without_those_implied() {
    let github = StandIn::start(world());
    let got = ask(&github, "GET /user", CLASSIC);
    assert_eq!(
        (got.status, &got.json()["login"]),
        (200, &json!("acme-bot"))
    );
    assert_eq!(got.header("x-oauth-scopes").unwrap(), "read:org, repo");
    assert_eq!(got.json()["user_view_type"], "public");
    assert_eq!(got.header("x-ratelimit-remaining").unwrap(), "4999");
    assert_eq!(got.header("x-ratelimit-resource").unwrap(), "core");
    let call = &github.journal()[0];
    assert_eq!(
        (call.principal.as_str(), call.status),
        ("user acme-bot", Some(200))
    );
    assert_eq!(call.hashed_token, Some(super::super::hashed(CLASSIC)));
}

#[test]
fn a_fine_grained_token_has_no_scopes_and_reaches_what_it_was_given() {
    let github = StandIn::start(world());
    let got = ask(&github, "GET /repos/acme/site", FINE);
    assert_eq!((got.status, got.header("x-oauth-scopes")), (200, None));
    assert_eq!(
        got.header("x-accepted-github-permissions").unwrap(),
        "metadata=read"
    );
    assert_eq!(ask(&github, "GET /repos/acme/hidden", FINE).status, 404);
    assert_eq!(ask(&github, "GET /repos/acme/open", FINE).status, 200);
    let got = ask(&github, "GET /repos/acme/site/contents/README.md", FINE);
    assert_eq!(
        (got.status, &got.json()["encoding"]),
        (200, &json!("base64"))
    );
    let got = ask(&github, "GET /repos/acme/site/pulls", FINE);
    assert_eq!(got.status, 403);
    assert_eq!(
        got.message(),
        "Resource not accessible by personal access token"
    );
    assert_eq!(
        got.header("x-accepted-github-permissions").unwrap(),
        "pull_requests=read"
    );
    let issue = json!({"title": "one"});
    assert_eq!(
        tell(&github, "POST /repos/acme/site/issues", FINE, &issue).status,
        403
    );
    assert_eq!(
        tell(&github, "POST /repos/acme/site/issues", CLASSIC, &issue).status,
        201
    );
    assert_eq!(github.change(|state| state.issues("acme/site")), ["one"]);
}

#[test]
fn a_classic_token_without_the_scope_does_not_see_what_is_private() {
    let github = StandIn::start(world().classic(OTHER, "acme-bot", &[]));
    assert_eq!(ask(&github, "GET /repos/acme/site", OTHER).status, 404);
    assert_eq!(ask(&github, "GET /repos/acme/open", OTHER).status, 200);
    assert_eq!(ask(&github, "GET /repos/acme/site", "").status, 404);
    assert_eq!(
        ask(&github, "GET /user", "").message(),
        "Requires authentication"
    );
    let got = ask(&github, "GET /user", OTHER);
    assert_eq!(got.header("x-oauth-scopes").unwrap(), "");
}

#[test]
fn the_end_of_a_token_is_told_in_every_form_and_then_comes() {
    let github = StandIn::start(World::new());
    let end = github.change(|state| state.clock.now()) + Duration::from_secs(3600);
    for (at, header) in [
        ExpiryHeader::Utc,
        ExpiryHeader::Offset,
        ExpiryHeader::TimeOfCall,
        ExpiryHeader::Unreadable,
        ExpiryHeader::Absent,
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("ghp_ends{at}");
        let pat = Pat::classic(&token, "acme-bot", &[]).expires(end, header);
        github.change(|state| state.add(World::new().pat(pat)));
        let got = ask(&github, "GET /user", &token);
        let said = got.header("github-authentication-token-expiration");
        let now = github.change(|state| state.clock.now());
        match header {
            ExpiryHeader::Utc => {
                assert_eq!(said.unwrap(), end.strftime("%F %T UTC").to_string());
            }
            ExpiryHeader::Offset => {
                let there = end.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
                assert_eq!(said.unwrap(), there.strftime("%F %T +0200").to_string());
            }
            ExpiryHeader::TimeOfCall => {
                assert!(said.unwrap() <= now.strftime("%F %T UTC").to_string());
            }
            ExpiryHeader::Unreadable => assert_eq!(said.unwrap(), "soon"),
            ExpiryHeader::Absent => assert_eq!(said, None),
        }
    }
    github.advance(Duration::from_secs(3600));
    let got = ask(&github, "GET /user", "ghp_ends0");
    assert_eq!(
        (got.status, got.message().as_str()),
        (401, "Bad credentials")
    );
    assert_eq!(got.json()["status"], "401");
}

#[test]
fn a_credential_dies_some_time_after_its_revocation_was_accepted() {
    let github = StandIn::start(world().classic(OTHER, "acme-bot", &[]));
    github.change(|state| state.settings.revocation_delay = Duration::from_secs(60));
    let body = json!({"credentials": [CLASSIC, "ghp_unknown"]});
    assert_eq!(
        tell(&github, "POST /credentials/revoke", CLASSIC, &body).status,
        403
    );
    assert_eq!(
        tell(
            &github,
            "POST /credentials/revoke",
            "",
            &json!({"credentials": []})
        )
        .status,
        422
    );
    let minted = json!({"credentials": ["ghs_1"]});
    let got = tell(&github, "POST /credentials/revoke", "", &minted);
    assert!(
        got.status == 422 && got.json()["errors"][0].is_string(),
        "{got:?}"
    );
    assert_eq!(
        tell(&github, "POST /credentials/revoke", "", &body).status,
        202
    );
    assert_eq!(ask(&github, "GET /user", CLASSIC).status, 200);
    github.advance(Duration::from_secs(60));
    assert_eq!(ask(&github, "GET /user", CLASSIC).status, 401);
    assert_eq!(ask(&github, "GET /user", OTHER).status, 200);
}

#[test]
fn too_many_bad_credentials_lock_the_user_out_with_good_ones_too() {
    let github = StandIn::start(
        world()
            .classic(OTHER, "acme-bot", &[])
            .classic("ghp_x", "x", &[]),
    );
    github.change(|state| state.revoke(OTHER));
    for _ in 0..10 {
        assert_eq!(ask(&github, "GET /user", OTHER).status, 401);
    }
    let got = ask(&github, "GET /user", CLASSIC);
    assert!(
        got.status == 403 && got.message().contains("login attempts"),
        "{got:?}"
    );
    assert_eq!(ask(&github, "GET /user", "ghp_x").status, 200);
    github.advance(Duration::from_secs(61));
    assert_eq!(ask(&github, "GET /user", CLASSIC).status, 200);
}

#[test]
fn all_tokens_of_a_user_draw_on_one_budget() {
    let github = StandIn::start(world().classic(OTHER, "acme-bot", &[]));
    ask(&github, "GET /user", CLASSIC);
    let got = ask(&github, "GET /user", OTHER);
    assert_eq!(got.header("x-ratelimit-used").unwrap(), "2");
    let got = ask(&github, "GET /rate_limit", OTHER);
    assert_eq!(got.json()["resources"]["core"]["used"], 2);
    assert_eq!(got.json()["rate"]["remaining"], 4998);
    let newer = ["--header", "X-GitHub-Api-Version: 2026-03-10"];
    assert!(send(&github, "GET /rate_limit", OTHER, &newer).json()["rate"].is_null());
    github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 5000, now);
    });
    let got = ask(&github, "GET /user", CLASSIC);
    assert!(
        got.status == 403
            && got
                .message()
                .starts_with("API rate limit exceeded for user ID")
    );
    assert_eq!(got.header("x-ratelimit-remaining").unwrap(), "0");
    assert_eq!(ask(&github, "GET /rate_limit", OTHER).status, 200);
    github.advance(Duration::from_secs(3600));
    assert_eq!(ask(&github, "GET /user", CLASSIC).status, 200);
}

#[test]
fn a_burst_meets_the_secondary_limit_which_says_how_long() {
    let github = StandIn::start(world());
    github.change(|state| state.settings.points_a_minute = 0);
    let got = ask(&github, "GET /user", CLASSIC);
    assert_eq!(
        (got.status, got.header("retry-after").as_deref()),
        (403, Some("60"))
    );
    assert!(got.message().contains("secondary rate limit"));
    assert_ne!(got.header("x-ratelimit-remaining").unwrap(), "0");
}

#[test]
fn a_token_without_single_sign_on_is_told_where_to_get_it() {
    let github = StandIn::start(world());
    github.change(|state| state.pat_mut(CLASSIC).sso_missing.insert("acme".into()));
    let got = ask(&github, "GET /repos/acme/site", CLASSIC);
    assert_eq!(got.status, 403);
    assert!(
        got.header("x-github-sso")
            .unwrap()
            .starts_with("required; url=https://")
    );
    assert_eq!(ask(&github, "GET /user", CLASSIC).status, 200);
}

#[test]
fn what_every_request_needs_is_demanded() {
    let github = StandIn::start(world());
    let nameless = ["--header", "User-Agent:"];
    assert_eq!(send(&github, "GET /user", CLASSIC, &nameless).status, 403);
    let old = ["--header", "X-GitHub-Api-Version: 2020-01-01"];
    assert_eq!(send(&github, "GET /user", CLASSIC, &old).status, 400);
    assert_eq!(ask(&github, "GET /user/", CLASSIC).status, 404);
    assert_eq!(ask(&github, "GET /api/v3/user", CLASSIC).status, 200);
    let tag = ask(&github, "GET /user", CLASSIC).header("etag").unwrap();
    let used = github.change(|state| state.limits.used("user acme-bot"));
    let known = ["--header", &format!("If-None-Match: {tag}")];
    let got = send(&github, "GET /user", CLASSIC, &known);
    assert_eq!((got.status, got.body.as_str()), (304, ""));
    assert_eq!(
        github.change(|state| state.limits.used("user acme-bot")),
        used
    );
}

#[test]
fn a_renamed_repository_is_found_under_its_old_name() {
    let github = StandIn::start(world());
    github.change(|state| state.rename("acme/site", "page"));
    let got = ask(&github, "GET /repos/acme/site", FINE);
    assert_eq!(got.status, 301);
    let location = got.header("location").unwrap();
    let path = location.strip_prefix(&github.api()).unwrap();
    let got = ask(&github, &format!("GET {path}"), FINE);
    assert_eq!(got.json()["full_name"], "acme/page");
}
