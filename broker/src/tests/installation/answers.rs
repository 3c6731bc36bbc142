//! Answers on the way to a token that are neither a token nor a plain refusal: a redirect, an organisation's rule.

use serde_json::json;
use support::github::{Effect, Fault};

use super::{FIND, MINT, Setting};

fn redirect(on: &str, status: u16, location: &str) -> Fault {
    Fault::on(on).effect(Effect::Redirect {
        status,
        location: location.to_owned(),
    })
}

#[test]
fn a_repository_that_was_renamed_before_its_first_token_is_named() {
    let setting = Setting::new();
    setting
        .github
        .change(|state| state.rename("acme/one", "uno"));
    let problem = setting.refused(r#"{"purpose":"acme-import","repositories":["acme/one"]}"#);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(
            "`acme/one` has another name at GitHub now: it was renamed or transferred"
        ),
        "{detail}"
    );
    assert_eq!(setting.github.calls(MINT), 0);
    // The same where the installation is known from another repository's token, of two that are asked for.
    setting.take(&json!({"repositories": ["acme/two"]}));
    let both = r#"{"purpose":"acme-import","repositories":["acme/two","acme/one"]}"#;
    let problem = setting.refused(both);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("`acme/one` has another name"),
        "{detail}"
    );
    // One of several that were pinned, and that the App does not reach any more.
    setting.take(&json!({"repositories": ["acme/two"]}));
    let gone = "There is at least one repository that does not exist or is not accessible to the parent installation.";
    setting.github.fault(Fault::on(MINT).refuse(422, gone));
    setting.github.fault(redirect(
        "GET /repos/acme/two/installation",
        301,
        "/repositories/2/installation",
    ));
    let fresh = r#"{"purpose":"acme-import","repositories":["acme/two"],"fresh":true}"#;
    let problem = setting.refused(fresh);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("`acme/two` has another name"),
        "{detail}"
    );
}

#[test]
fn what_answers_in_githubs_place_is_named_with_what_to_do() {
    for on in [FIND, MINT] {
        let setting = Setting::new();
        setting
            .github
            .fault(redirect(on, 302, "http://portal.example/login?to=secret"));
        let problem = setting.refusal();
        assert_eq!(problem["code"], "upstream_unavailable", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        for part in [
            "a redirect to `portal.example`",
            "sign in there with a browser",
        ] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
        assert!(!detail.contains("secret"), "{detail}");
        assert_eq!(setting.github.live_tokens(), 0);
    }
}

#[test]
fn an_organizations_rule_is_said_in_githubs_words_and_leads_to_no_fallback() {
    let words = "Although you appear to have the correct authorization credentials, the `acme` organization has \
                 an IP allow list enabled, and your IP address is not permitted to access this resource.";
    for on in [FIND, MINT] {
        let setting = Setting::with(super::faults::FALLBACK);
        setting.github.fault(Fault::on(on).refuse(403, words));
        let problem = setting.refusal();
        assert_eq!(problem["code"], "upstream_refused", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail, format!("GitHub refuses (403, “{words}”)"));
    }
}

#[test]
fn a_key_that_github_refuses_at_a_mint_is_rejected_until_it_mints_again() {
    let setting = Setting::new();
    let state = || {
        let secret = setting
            .broker
            .http("GET", "/v1/secrets/acme-import-app", "");
        secret.json()["state"].clone()
    };
    let refused = Fault::on(MINT).refuse(401, "A JSON web token could not be decoded");
    setting.github.fault(refused.times(1));
    setting.refusal();
    assert_eq!(state(), "rejected");
    let lease = setting.take(&json!({}));
    assert_eq!(state(), "ok");
    assert_eq!(lease.get("rejected_since"), None);
}
