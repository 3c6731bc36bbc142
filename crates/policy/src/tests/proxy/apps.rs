//! What a purpose may say whose secret is an App's.

use super::*;

const APP: &str = "[secret.bot]\nkind = 'app'\nclient_id = 'Iv23'\n";

#[test]
fn an_apps_tokens_may_stay_in_the_broker_for_longer_than_each_lasts() {
    let lines = "budget = '9/h'\npaths = ['GET /zen']\npublic = true\n";
    let purpose = PURPOSE.replace("\"raw\"", "\"proxy\"");
    let purpose = purpose.replace("\"15m\", max = \"1h\"", "\"2h\", max = \"24h\"");
    let set = load(&format!("{purpose}{lines}{ALICE}"), APP).unwrap();
    let Decision::Allow(grant) = decide(&set, &ask(alice())) else {
        panic!("denied");
    };
    assert_eq!(grant.deliver, Delivery::Proxy);
    assert_eq!(grant.ttl_max, Duration::from_secs(24 * 3600));
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    let needless =
        "p.toml:9: `GET /zen` is allowed by the permissions already: remove it from `paths`";
    assert_eq!(warnings, [needless]);
}

#[test]
fn an_apps_purpose_has_no_fallback_beside_the_proxy() {
    let secrets = format!("{APP}[secret.other]\nkind = 'classic'\n");
    let fallback = "fallback = { secret = 'other', deliver = 'raw' }\n";
    assert_eq!(
        proxied(fallback, &secrets).unwrap_err(),
        "p.toml:8: a purpose that delivers `proxy` has no `fallback` yet: remove it"
    );
}

#[test]
fn behind_the_proxy_too_an_app_is_asked_only_for_what_github_can_mint() {
    let purpose = PURPOSE.replace("\"raw\"", "\"proxy\"");
    let two_owners = purpose.replace("[\"acme/*\"]", "[\"acme/*\", \"other/site\"]");
    for (text, error) in [
        (
            format!("{two_owners}{ALICE}"),
            "p.toml:3: `acme` and `other` are two owners, and an installation token is for one: make \
             it two purposes",
        ),
        (
            granting(&purpose, "workflows = 'read'") + ALICE,
            "p.toml:5: GitHub knows `workflows` only as write",
        ),
    ] {
        assert_eq!(load(&text, APP).unwrap_err(), error);
    }
    let set = proxied("", APP).unwrap();
    let mut request = ask(alice());
    request.repositories = Some(Vec::new());
    let denied = says(&set, &request);
    assert!(
        denied.contains("is about repositories, and none is named"),
        "{denied}"
    );
}
