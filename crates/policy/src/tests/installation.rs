//! What a purpose with an App behind it may say and give, and what it falls back on.

use broker_protocol::names::{Delivery, Level, Permissions, RepoPattern};

use super::*;
use crate::{Denial, Grant, Terms};

const SECRETS: &str = "[secret.app]\nkind = 'app'\nclient_id = 'Iv23'\n\
                       [secret.old]\nkind = 'classic'\n\
                       [secret.pat]\nkind = 'fine-grained'\nrepositories = ['acme/site']\n\
                       permissions = { contents = 'read' }\n";

/// Six lines, to which tests add more.
const IMPORT: &str = "purpose = 'import'\nsecret = 'app'\nrepositories = ['acme/*']\n\
                      organization = 'acme'\npermissions = { contents = 'write', members = 'read' }\n\
                      deliver = 'installation'\n";

const ALICE: &str = "[[allow]]\ncaller = { user = 'alice' }\n";

fn import(from: &str, to: &str) -> Result<PolicySet, String> {
    assert!(IMPORT.contains(from), "{from:?} is not in the purpose");
    load(&format!("{}{ALICE}", IMPORT.replace(from, to)), SECRETS)
}

fn with_fallback(secret: &str) -> Result<PolicySet, String> {
    let fallback = format!("fallback = {{ secret = '{secret}', deliver = 'raw' }}\n");
    load(&format!("{IMPORT}{fallback}{ALICE}"), SECRETS)
}

fn asking(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = ask(alice());
    request.purpose = "import".parse().unwrap();
    change(&mut request);
    request
}

fn granted(set: &PolicySet, request: &Request) -> Result<Grant, String> {
    match decide(set, request) {
        Decision::Allow(grant) => Ok(grant),
        Decision::Deny(Denial::TooWide { what, .. }) => Err(what),
        Decision::Deny(denial) => panic!("{denial:?}"),
    }
}

fn warnings(set: &PolicySet) -> Vec<String> {
    set.warnings().iter().map(ToString::to_string).collect()
}

fn named(count: usize) -> Vec<RepoPattern> {
    let name = |n| format!("acme/r{n}").parse().unwrap();
    (0..count).map(name).collect()
}

fn quoted(names: &[RepoPattern]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}

#[test]
fn an_app_delivers_installation_tokens_whether_that_is_written_or_not() {
    for text in ["deliver = 'installation'\n", ""] {
        let set = import("deliver = 'installation'\n", text).unwrap();
        let grant = granted(&set, &asking(|_| {})).unwrap();
        assert_eq!(grant.deliver, Delivery::Installation);
        assert_eq!(grant.secret.as_str(), "app");
        assert_eq!(warnings(&set), [] as [&str; 0]);
    }
}

#[test]
fn what_is_delivered_is_what_the_secret_can_give() {
    for (from, to, error) in [
        (
            "'installation'",
            "'raw'",
            "p.toml:6: `app` is an App's private key, and no purpose hands that out: \
             write `deliver = \"installation\"` (a token that GitHub mints for the lease, for an hour \
             at most) or `deliver = \"proxy\"` (a token that only the broker honours, for as long as \
             `ttl.max`)",
        ),
        (
            "secret = 'app'",
            "secret = 'old'",
            "p.toml:6: `old` is a personal access token, and installation tokens are minted for an \
             App's secret (`kind = \"app\"`): write `deliver = \"proxy\"` (a token that only the broker \
             honours, for this purpose's repositories and permissions) or `deliver = \"raw\"` (the \
             stored token itself)",
        ),
    ] {
        assert_eq!(import(from, to).unwrap_err(), error);
    }
}

/// Whether `deliver` is written or not.
#[test]
fn what_only_the_proxy_honours_is_refused_where_the_caller_gets_an_installation_token() {
    for deliver in ["deliver = 'installation'\n", "\n"] {
        let purpose = IMPORT.replace("deliver = 'installation'\n", deliver);
        for (key, value) in [
            ("budget", "'1000/h'"),
            ("paths", "['GET /user']"),
            ("public", "true"),
        ] {
            let errors = load(&format!("{purpose}{key} = {value}\n{ALICE}"), SECRETS).unwrap_err();
            assert_eq!(
                errors,
                format!(
                    "p.toml:7: `{key}` means something only with `deliver = \"proxy\"`, where the \
                     caller's requests go through the broker"
                )
            );
        }
    }
}

#[test]
fn a_purpose_that_no_single_token_can_be_minted_for_is_an_error() {
    let all = quoted(&named(501));
    for (from, to, error) in [
        (
            "['acme/*']",
            "['acme/*', 'other/site']",
            "p.toml:3: `acme` and `other` are two owners, and an installation token is for one: make \
             it two purposes",
        ),
        (
            "organization = 'acme'",
            "organization = 'other'",
            "p.toml:3: `acme` and `other` are two owners, and an installation token is for one: make \
             it two purposes",
        ),
        (
            "['acme/*']",
            &all,
            "p.toml:3: 501 repositories by name; GitHub takes at most 500 for a token, or all of \
             them, `acme/*`",
        ),
        (
            "organization = 'acme'\n",
            "",
            "p.toml:4: permission `members` is about an organisation, and no `organization` is named",
        ),
        (
            "repositories = ['acme/*']\n",
            "",
            "p.toml:4: permission `contents` is about repositories, and none is named: GitHub would \
             take that as all of them",
        ),
        (
            "contents = 'write'",
            "workflows = 'read'",
            "p.toml:5: GitHub knows `workflows` only as write",
        ),
    ] {
        assert_eq!(import(from, to).unwrap_err(), error);
    }
    let most = import("['acme/*']", &quoted(&named(500))).unwrap();
    let grant = granted(&most, &asking(|_| {})).unwrap();
    assert_eq!(grant.repositories.len(), 500);
    // For the organisation alone there is nothing to reach too much of.
    let people = import(
        "repositories = ['acme/*']\norganization = 'acme'\npermissions = { contents = 'write', ",
        "organization = 'acme'\npermissions = { ",
    );
    assert!(granted(&people.unwrap(), &asking(|_| {})).is_ok());
}

#[test]
fn a_rule_that_names_more_than_github_takes_is_an_error_though_its_purpose_is_not() {
    let rule = format!("{ALICE}repositories = {}\n", quoted(&named(501)));
    let error = load(&format!("{IMPORT}{rule}"), SECRETS).unwrap_err();
    assert!(
        error.starts_with("p.toml:7: 501 repositories by name;"),
        "{error}"
    );
}

#[test]
fn an_unknown_permission_is_a_warning_with_the_one_that_was_meant() {
    let set = import("contents = 'write'", "contets = 'write'").unwrap();
    assert_eq!(
        warnings(&set),
        ["p.toml:5: GitHub documents no permission `contets` (did you mean `contents`?)"]
    );
}

#[test]
fn a_lease_longer_than_githubs_hour_is_pointed_out() {
    let ttl = "deliver = 'installation'\nttl = { default = '2h', max = '4h' }\n";
    let set = import("deliver = 'installation'\n", ttl).unwrap();
    let said = "GitHub ends an installation token after an hour, so no lease lasts 2h";
    let want = [format!("p.toml:7: {said}"), format!("p.toml:8: {said}")];
    assert_eq!(warnings(&set), want);
}

#[test]
fn a_request_is_held_to_what_github_can_mint() {
    let set = load(
        &format!(
            "{}{ALICE}",
            IMPORT.replace("members = 'read'", "workflows = 'write'")
        ),
        SECRETS,
    )
    .unwrap();
    let level = |name: &str, level: Level| Permissions::from([(name.parse().unwrap(), level)]);
    type Change = Box<dyn FnOnce(&mut Request)>;
    let cases: [(Change, Result<(), &str>); 6] = [
        (
            Box::new(|r| r.repositories = Some(named(501))),
            Err(
                "501 repositories by name; GitHub takes at most 500 for a token, or all of them, `acme/*`",
            ),
        ),
        (Box::new(|r| r.repositories = Some(named(500))), Ok(())),
        (
            // The organisation is still there, and a token without repositories is for all of them.
            Box::new(|r| r.repositories = Some(Vec::new())),
            Err(
                "permission `contents` is about repositories, and none is named: GitHub would take that as all of them",
            ),
        ),
        (
            Box::new(move |r| r.permissions = Some(level("workflows", Level::Read))),
            Err("permission `workflows: read`; GitHub knows `workflows` only as write"),
        ),
        (
            Box::new(move |r| r.permissions = Some(level("contents", Level::Read))),
            Ok(()),
        ),
        (
            Box::new(|r| r.repositories = Some(vec!["other/site".parse().unwrap()])),
            Err("repository `other/site`; the rule allows `acme/*`"),
        ),
    ];
    for (change, want) in cases {
        let request = asking(change);
        let got = granted(&set, &request).map(drop);
        assert_eq!(got, want.map_err(str::to_owned), "{request:?}");
    }
}

#[test]
fn a_fallback_is_in_the_grant_and_only_the_grant_turns_into_it() {
    let set = with_fallback("old").unwrap();
    assert_eq!(
        warnings(&set),
        [
            "p.toml:7: where the first secret cannot be used, the caller gets the fallback's stored \
             token itself, and nothing holds it to this purpose"
        ]
    );
    let request = asking(|r| r.repositories = Some(named(1)));
    let grant = granted(&set, &request).unwrap();
    let first: Terms = grant.clone();
    let second = grant.fall_back().unwrap();
    assert_eq!(
        (second.secret.as_str(), second.deliver),
        ("old", Delivery::Raw)
    );
    assert_eq!(second.fallback, None);
    let restored = Terms {
        secret: first.secret.clone(),
        deliver: first.deliver,
        fallback: first.fallback.clone(),
        ..Terms::clone(&second)
    };
    assert_eq!(restored, first);
    assert!(second.fall_back().is_none(), "nothing is nested");
    let without = import("app", "app").unwrap();
    assert!(granted(&without, &request).unwrap().fall_back().is_none());
}

#[test]
fn a_fallback_is_another_declared_personal_access_token_handed_out_raw() {
    for (fallback, error) in [
        (
            "{ secret = 'app', deliver = 'raw' }",
            "p.toml:7: a fallback is a personal access token, and `app` is an App's private key",
        ),
        (
            "{ secret = 'odl', deliver = 'raw' }",
            "p.toml:7: no file declares `[secret.odl]` (did you mean `old`?)",
        ),
        ("{ secret = 'old' }", "p.toml:7: a fallback needs `deliver`"),
        (
            "{ secret = 'old', deliver = 'installation' }",
            "p.toml:7: a fallback hands out a stored personal access token itself: write \
             `deliver = \"raw\"` in it",
        ),
        (
            "{ secret = 'old', deliver = 'raw', fallback = { secret = 'pat', deliver = 'raw' } }",
            "p.toml:7: a fallback knows no `fallback`",
        ),
        ("'old'", "p.toml:7: `fallback` must be a table"),
    ] {
        let text = format!("{IMPORT}fallback = {fallback}\n{ALICE}");
        let errors = load(&text, SECRETS).unwrap_err();
        // One's own secret is two errors in one: the same, and an App's.
        let last = errors.lines().next().unwrap();
        assert_eq!(last, error);
    }
    let own = "purpose = 'p'\nsecret = 'old'\nrepositories = ['acme/*']\n\
               permissions = { contents = 'read' }\ndeliver = 'raw'\n\
               fallback = { secret = 'old', deliver = 'raw' }\n";
    assert_eq!(
        load(own, SECRETS).unwrap_err(),
        "p.toml:6: a fallback is another secret than the purpose's own"
    );
}

#[test]
fn a_fine_grained_fallback_that_reaches_less_than_the_purpose_is_pointed_out() {
    let set = with_fallback("pat").unwrap();
    let warnings = warnings(&set);
    assert_eq!(
        warnings[..2],
        [
            "p.toml:7: permission `contents: write`; the secret's declaration allows `read`",
            "p.toml:7: repository `acme/*`; the secret's declaration allows `acme/site`",
        ]
    );
}
