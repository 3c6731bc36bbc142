//! What is said where GitHub keeps a value out in its own words, and where nothing is declared to compare with.

use serde_json::Value;
use support::github::{
    App, AppKey, Effect, Fault, Level, Repositories, StandIn, World, classic_token,
    fine_grained_token,
};
use support::scenes::checks::{checked, faults};
use support::scenes::four_tokens::{NAMES, SYSTEM};

use super::super::InProcess;
use super::{APP, FINE, fine_world, home, set, started, verdict};

/// As GitHub answers, in public bug reports.
const LIFETIME: &str = "The 'acme' organization forbids access via a fine-grained personal access tokens if the \
                        token's lifetime is greater than 366 days. Please adjust your token's lifetime at the \
                        following URL: https://github.com/settings/personal-access-tokens/1234";
const ALLOW_LIST: &str = "Although you appear to have the correct authorization credentials, the `acme` \
                          organization has an IP allow list enabled, and your IP address is not permitted to \
                          access this resource.";
const BLOCKED: &str = "Repository access blocked";

const METADATA: [(&str, Level); 1] = [("metadata", Level::Read)];

/// The finding of this word.
#[track_caller]
fn finding<'a>(check: &'a Value, word: &str) -> &'a Value {
    let mut findings = check["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["word"] == word);
    found.unwrap_or_else(|| panic!("no {word} in {check}"))
}

#[test]
fn an_organizations_rule_is_said_once_in_githubs_own_words_and_is_no_missing_approval() {
    let token = fine_grained_token();
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/two"], &METADATA));
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    for (status, words) in [(403, LIFETIME), (403, ALLOW_LIST), (451, BLOCKED)] {
        github.fault(Fault::on("GET /repos/**").refuse(status, words));
        let check = checked(&broker, "source-pat");
        assert_eq!(faults(&check), ["refused"], "{check}");
        let refused = finding(&check, "refused");
        let text = format!("GitHub keeps it from `acme/one`, `acme/two` ({status})");
        assert_eq!(refused["text"], text);
        assert_eq!(refused["hint"], format!("GitHub says: “{words}”"));
        github.heal();
    }
    // What GitHub says stays on one line, and shows no secret and nothing that hides.
    let odd = format!("no\u{202e} {token}\nsecond\u{1b}[2J line");
    github.fault(Fault::on("GET /repos/**").refuse(403, &odd));
    let check = checked(&broker, "source-pat");
    let hint = finding(&check, "refused")["hint"].as_str().unwrap();
    assert_eq!(
        hint,
        "GitHub says: “no github_pat_[masked] second [2J line”"
    );
}

#[test]
fn words_of_no_one_but_a_proxy_say_nothing_of_a_repository() {
    let token = fine_grained_token();
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/two"], &METADATA));
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    assert!(!faults(&checked(&broker, "source-pat")).contains(&"unreachable_repository"));
    let page = |status| Effect::Replay {
        status,
        headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
        body: "<h1>Forbidden by the proxy</h1>".to_owned(),
    };
    let portal = Effect::Redirect {
        status: 302,
        location: "http://portal.example/login?to=x".to_owned(),
    };
    for (effect, code, says) in [
        (page(403), "upstream_refused", "GitHub refuses (403)"),
        (
            portal,
            "upstream_unavailable",
            "a redirect to `portal.example`",
        ),
        (page(511), "upstream_unavailable", "a captive portal"),
        (
            page(200),
            "upstream_unavailable",
            "it is a web page and no JSON",
        ),
    ] {
        github.fault(Fault::on("GET /repos/**").effect(effect));
        let problem = broker.http("POST", "/v1/secrets/source-pat/check", "");
        let problem = problem.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["detail"].to_string().contains(says), "{problem}");
        github.heal();
    }
}

#[test]
fn single_sign_on_that_a_repository_wants_comes_with_its_link() {
    let token = fine_grained_token();
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/two"], &METADATA));
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    let url = "https://github.com/orgs/acme/sso?authorization_request=abc";
    let headers = [
        ("Content-Type", "application/json"),
        ("X-GitHub-SSO", &*format!("required; url={url}")),
    ];
    let protected = r#"{"message":"Resource protected by organization SAML enforcement."}"#;
    github.fault(
        Fault::on("GET /repos/acme/one").effect(Effect::Replay {
            status: 403,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body: protected.to_owned(),
        }),
    );
    let check = checked(&broker, "source-pat");
    let wanted = finding(&check, "single_sign_on");
    assert_eq!(wanted["verdict"], "error");
    assert!(wanted["hint"].to_string().contains(url), "{wanted}");
    assert!(
        !faults(&check).contains(&"unreachable_repository"),
        "{check}"
    );
}

#[test]
fn a_value_that_an_organizations_rule_keeps_out_of_everything_is_refused_in_githubs_words() {
    let (token, key) = (classic_token(), AppKey::generate());
    let app =
        App::new("Iv23liABCDEF", "acme", &key, &METADATA).installed("acme", Repositories::All);
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/one")
        .classic(&token, "acme-bot", &["repo", "workflow"])
        .app(app);
    let github = StandIn::start(world);
    let home = home(&format!("{SYSTEM}{APP}"));
    home.policy("import.toml", super::IMPORT);
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = InProcess::start(home);
    set(&broker, NAMES[0], &token);
    set(&broker, "import-app", key.pem());
    let refuse = |on: &str| github.fault(Fault::on(on).refuse(403, ALLOW_LIST));
    for (on, name, text) in [
        (
            "GET /user",
            NAMES[0],
            "GitHub knows the token and refuses it (403)",
        ),
        ("GET /app", "import-app", "GitHub refuses the App (403)"),
        (
            "GET /repos/acme/one/installation",
            "import-app",
            "GitHub keeps it from `acme/one` (403)",
        ),
    ] {
        refuse(on);
        let check = checked(&broker, name);
        let refused = finding(&check, "refused");
        assert_eq!(refused["text"], text);
        assert_eq!(refused["hint"], format!("GitHub says: “{ALLOW_LIST}”"));
        github.heal();
    }
    // A proxy's page says nothing of the App either.
    github.fault(Fault::on("GET /app").effect(Effect::Replay {
        status: 403,
        headers: Vec::new(),
        body: "<h1>Forbidden</h1>".to_owned(),
    }));
    let problem = broker
        .http("POST", "/v1/secrets/import-app/check", "")
        .json();
    assert_eq!(problem["code"], "upstream_refused", "{problem}");
}

const BARE: &str =
    "\n[secret.bare]\nkind = \"fine-grained\"\n\n[secret.used]\nkind = \"fine-grained\"\n";

const USING: &str = r#"
purpose      = "using"
secret       = "used"
repositories = ["acme/one", "acme/two"]
permissions  = { metadata = "read" }
ttl          = { default = "15m", max = "1h" }
"#;

#[test]
fn where_nothing_is_declared_nothing_is_wrong_and_the_line_to_write_is_said() {
    let (bare, used) = (fine_grained_token(), fine_grained_token());
    let github = StandIn::start(fine_world(&bare, &["acme/one", "acme/three"], &METADATA));
    github.change(|state| {
        let reached = Repositories::selected(&["acme/one", "acme/two", "acme/three"]);
        let pat = support::github::Pat::fine_grained(&used, "acme-bot", "acme", reached, &METADATA);
        state.add(World::new().pat(pat));
    });
    let home = home(&format!("{FINE}{BARE}"));
    home.policy("using.toml", USING);
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = InProcess::start(home);
    set(&broker, "bare", &bare);
    set(&broker, "used", &used);

    let check = checked(&broker, "bare");
    assert_eq!(faults(&check), [""; 0], "{check}");
    let outside = finding(&check, "outside");
    assert_eq!(outside["verdict"], "not_proven");
    assert_eq!(
        outside["text"],
        "it reaches `acme/one`, `acme/three`; whether it is meant to is not declared"
    );
    let hint = finding(&check, "repository")["hint"].as_str().unwrap();
    let line =
        r#"write `repositories = ["acme/one", "acme/three"]` under `[secret.bare]` (secrets.toml:"#;
    assert!(hint.starts_with(line), "{hint}");
    let hint = finding(&check, "owner")["hint"].as_str().unwrap();
    assert!(
        hint.starts_with("write `owner = \"acme-bot\"` under"),
        "{hint}"
    );

    // Its purposes say best what it is for.
    let check = checked(&broker, "used");
    assert_eq!(faults(&check), [""; 0], "{check}");
    let hint = finding(&check, "repository")["hint"].as_str().unwrap();
    let line = r#"write `repositories = ["acme/one", "acme/two"]` under `[secret.used]`"#;
    assert!(hint.starts_with(line), "{hint}");

    // Written so, what it reaches besides is found.
    let declared = format!("{FINE}{BARE}repositories = [\"acme/one\", \"acme/two\"]\n");
    broker.home.policy("secrets.toml", &declared);
    broker.reload();
    let check = checked(&broker, "used");
    assert_eq!(faults(&check), ["reaches_outside"], "{check}");
}

#[test]
fn a_repository_of_its_own_purpose_is_not_outside_although_it_is_not_declared() {
    let token = fine_grained_token();
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/two"], &METADATA));
    let home = home("[secret.used]\nkind = \"fine-grained\"\nrepositories = [\"acme/one\"]\n");
    home.policy("using.toml", USING);
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = InProcess::start(home);
    set(&broker, "used", &token);
    let check = checked(&broker, "used");
    assert_eq!(faults(&check), [""; 0], "{check}");
}

#[test]
fn an_app_that_no_purpose_uses_yet_has_no_permission_too_many() {
    let key = AppKey::generate();
    let app = App::new("Iv23liABCDEF", "acme", &key, &[("contents", Level::Read)]);
    let github = StandIn::start(World::new().organization("acme", &["alice"]).app(app));
    let broker = started(&github, APP);
    set(&broker, "import-app", key.pem());
    let check = checked(&broker, "import-app");
    assert_eq!(faults(&check), [""; 0], "{check}");
    assert_eq!(verdict(&check, "permission"), "not_proven");
    let text = finding(&check, "permission")["text"].as_str().unwrap();
    assert_eq!(text, "it has `contents: read`; no purpose uses it yet");
}
