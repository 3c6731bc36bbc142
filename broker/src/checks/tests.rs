//! What answers mean for a secret; the way to GitHub and back is tried against the stand-in.

use broker_github::{ReplyHeaders, Said};
use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet, SecretKind};
use broker_protocol::api::{RateLimit, ResourceLimit};
use broker_protocol::check::Verdict;
use broker_vault::Checked;
use jiff::Timestamp;

use super::evaluate::{CheckedValue, Evaluation, token};
use super::refused::refused;
use super::results::{Details, shown};
use super::*;

const SECRETS: &str = r#"
[secret.label-sync]
kind       = "classic"
owner      = "acme-bot"
scopes     = ["repo", "workflow"]
rate_floor = 4000

[secret.source-pat]
kind         = "fine-grained"
repositories = ["acme/one"]
permissions  = { contents = "read" }

[secret.bare]
kind = "classic"

[secret.mounted]
kind   = "classic"
source = "file:/run/secrets/mounted"
"#;

fn policies() -> PolicySet {
    let file = PolicyFile {
        name: "secrets.toml".to_owned(),
        text: SECRETS.to_owned(),
    };
    PolicySet::parse(&[file], &NamesOnly::default(), &Host::anywhere()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Checks a secret that looks like what it is declared as, of which nothing is known.
fn evaluated<T>(name: &str, evaluate: impl FnOnce(CheckedValue<'_>) -> T) -> T {
    let (policies, name) = (policies(), name.parse().unwrap());
    let declared = policies.secret(&name).unwrap();
    evaluate(CheckedValue {
        declared,
        version: Some(1),
        hashed: None,
        looks_like: Some(declared.kind),
        entered: None,
        before: None,
        now: at("2026-11-21T07:00:00Z"),
    })
}

fn scopes(scopes: &[&str]) -> ReplyHeaders {
    ReplyHeaders {
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        date: Some(at("2026-11-21T07:00:00Z")),
        ..ReplyHeaders::default()
    }
}

fn faults(evaluated: &Evaluation) -> Vec<(&str, Verdict)> {
    let findings = evaluated.findings.iter();
    let faults = findings.filter(|finding| finding.verdict >= Verdict::Warning);
    faults
        .map(|finding| (finding.word.as_ref(), finding.verdict))
        .collect()
}

fn verdict_of(evaluated: &Evaluation, word: &str) -> Option<Verdict> {
    let mut findings = evaluated.findings.iter();
    Some(findings.find(|finding| finding.word == word)?.verdict)
}

fn unauthorized() -> GitHubError {
    GitHubError::Unauthorized {
        message: Said::default(),
        date: None,
    }
}

#[test]
fn a_token_that_is_as_declared_has_no_fault_whatever_the_case_of_its_login() {
    let found = evaluated("label-sync", |subject| {
        token(&subject, "Acme-Bot", &scopes(&["repo", "workflow"]))
    });
    assert_eq!(faults(&found), []);
    assert_eq!(found.login.as_deref(), Some("Acme-Bot"));
    assert!(found.accepted);
}

#[test]
fn another_owner_a_missing_and_an_excess_scope_are_each_named_with_a_hint() {
    let found = evaluated("label-sync", |subject| {
        token(&subject, "mallory", &scopes(&["repo", "gist"]))
    });
    let want = [
        ("wrong_owner", Verdict::Error),
        ("missing_scope", Verdict::Error),
        ("excess_scope", Verdict::Warning),
    ];
    assert_eq!(faults(&found), want);
    assert!(
        found
            .findings
            .iter()
            .all(|finding| { (finding.verdict >= Verdict::Warning) == finding.hint.is_some() })
    );
    let text: String = found.findings.iter().map(|f| f.text.clone()).collect();
    for part in ["`mallory`", "`acme-bot`", "`workflow`", "`gist`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_not_declared_is_not_proven_and_no_fault() {
    let found = evaluated("bare", |subject| {
        token(&subject, "acme-bot", &scopes(&["repo"]))
    });
    assert_eq!(faults(&found), []);
    for word in ["owner", "scopes"] {
        assert_eq!(verdict_of(&found, word), Some(Verdict::NotProven), "{word}");
    }
}

#[test]
fn a_fine_grained_token_where_a_classic_one_is_declared_is_the_wrong_kind() {
    let found = evaluated("label-sync", |subject| {
        let subject = CheckedValue {
            looks_like: Some(SecretKind::FineGrained),
            ..subject
        };
        token(&subject, "acme-bot", &ReplyHeaders::default())
    });
    assert_eq!(faults(&found), [("wrong_kind", Verdict::Error)]);
    // And what it carries was not said.
    assert_eq!(verdict_of(&found, "scopes"), Some(Verdict::NotProven));
}

#[test]
fn an_empty_list_of_scopes_is_evaluated_only_by_the_tokens_first_characters() {
    let empty = scopes(&[]);
    let classic = evaluated("label-sync", |subject| token(&subject, "acme-bot", &empty));
    let missing = ("missing_scope", Verdict::Error);
    assert_eq!(faults(&classic), [missing, missing]);
    let unmarked = evaluated("label-sync", |subject| {
        let subject = CheckedValue {
            looks_like: None,
            ..subject
        };
        token(&subject, "acme-bot", &empty)
    });
    assert_eq!(faults(&unmarked), []);
    assert_eq!(verdict_of(&unmarked, "kind"), Some(Verdict::NotProven));
    assert_eq!(verdict_of(&unmarked, "scopes"), Some(Verdict::NotProven));
}

#[test]
fn a_token_whose_answer_and_first_characters_disagree_is_not_called_either() {
    let found = evaluated("label-sync", |subject| {
        token(&subject, "acme-bot", &ReplyHeaders::default())
    });
    assert_eq!(verdict_of(&found, "kind"), Some(Verdict::NotProven));
    assert_eq!(faults(&found), []);
}

#[test]
fn fewer_requests_left_than_the_floor_is_a_warning() {
    for (remaining, want) in [(4000, None), (3999, Some(Verdict::Warning))] {
        let headers = ReplyHeaders {
            rate: Some(ResourceLimit {
                resource: "core".into(),
                rate: RateLimit {
                    limit: 5000,
                    remaining,
                    reset_at: at("2026-11-21T08:00:00Z"),
                },
            }),
            ..scopes(&["repo", "workflow"])
        };
        let found = evaluated("label-sync", |subject| {
            token(&subject, "acme-bot", &headers)
        });
        assert_eq!(verdict_of(&found, "below_rate_floor"), want);
    }
}

#[test]
fn the_end_that_github_names_is_kept_and_its_known_wrong_value_is_not() {
    let said = |text: &str| ReplyHeaders {
        token_expires: Some(text.to_owned()),
        ..scopes(&["repo", "workflow"])
    };
    let entered = at("2027-02-20T00:00:00Z");
    let found = |text: &str| {
        evaluated("label-sync", |subject| {
            let subject = CheckedValue {
                entered: Some(entered),
                ..subject
            };
            token(&subject, "acme-bot", &said(text))
        })
    };
    let good = found("2027-02-20 09:00:00 +0200");
    assert_eq!(good.expires_at, Some(at("2027-02-20T07:00:00Z")));
    assert_eq!(faults(&good), []);
    let other = found("2027-01-01 00:00:00 UTC");
    assert_eq!(other.expires_at, Some(at("2027-01-01T00:00:00Z")));
    assert_eq!(faults(&other), [("expiry_differs", Verdict::Warning)]);
    for wrong in ["2026-11-21 07:00:02 UTC", "some day"] {
        let wrong = found(wrong);
        assert_eq!(wrong.expires_at, Some(entered));
        assert_eq!(faults(&wrong), [("expiry_unreliable", Verdict::Warning)]);
    }
}

#[test]
fn an_expired_token_and_a_revoked_one_are_told_apart_by_what_is_known_of_their_end() {
    let worked = |expires_at: Option<&str>| Checked {
        version: Some(1),
        hashed: None,
        checked_at: broker_clock::Moment::stored(at("2026-11-01T00:00:00Z"), None),
        verdict: Verdict::Ok,
        accepted: true,
        login: Some("acme-bot".into()),
        expires_at: expires_at.map(at),
    };
    let past = "2026-11-20T00:00:00Z";
    let future = "2027-02-20T00:00:00Z";
    for (entered, before, want) in [
        (None, Some(worked(Some(past))), "expired"),
        (None, Some(worked(Some(future))), "revoked"),
        (None, Some(worked(None)), "revoked"),
        (Some(past), None, "expired"),
        (Some(future), None, "revoked"),
        (None, None, "not_accepted"),
        // What GitHub said goes before what was entered.
        (Some(past), Some(worked(Some(future))), "revoked"),
    ] {
        let known = before.as_ref().and_then(|before| before.expires_at);
        let found = evaluated("label-sync", |subject| {
            let subject = CheckedValue {
                entered: entered.map(at),
                before: before.clone(),
                ..subject
            };
            refused(&subject, &unauthorized()).unwrap()
        });
        assert_eq!(
            faults(&found),
            [(want, Verdict::Error)],
            "{entered:?} {before:?}"
        );
        assert!(!found.accepted);
        // What was known stays known, so that the next refusal is evaluated alike.
        assert_eq!(found.expires_at, known.or_else(|| entered.map(at)));
    }
    let again = Checked {
        accepted: false,
        ..worked(None)
    };
    let found = evaluated("label-sync", |subject| {
        let subject = CheckedValue {
            before: Some(again),
            ..subject
        };
        refused(&subject, &unauthorized()).unwrap()
    });
    assert_eq!(faults(&found), [("revoked", Verdict::Error)]);
    assert_eq!(found.login.as_deref(), Some("acme-bot"));
}

#[test]
fn githubs_own_failures_say_nothing_of_a_secret() {
    let wait = Duration::from_secs(60);
    for failure in [
        GitHubError::NotTried { retry_after: wait },
        GitHubError::Refused {
            status: 403,
            message: Said::default(),
        },
        GitHubError::Limited {
            kind: broker_github::LimitKind::Secondary,
            principal: None,
            retry_after: wait,
        },
        GitHubError::Fault {
            status: 502,
            retry_after: None,
        },
    ] {
        let found = evaluated("label-sync", |subject| {
            refused(&subject, &failure).is_some()
        });
        assert!(!found, "{failure}");
    }
}

#[test]
fn the_vault_keeps_findings_in_the_form_it_always_had() {
    let stored = r#"{"findings":[{"verdict":"error","word":"expired","text":"it is over","mend":"rotate it"}]}"#;
    let details: Details = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&details).unwrap(), stored);
    let [finding] = &shown(details.findings)[..] else {
        panic!("one finding")
    };
    assert_eq!(finding.hint.as_deref(), Some("rotate it"));
}

#[test]
fn a_refused_value_is_replaced_where_it_comes_from() {
    for (name, says) in [
        ("bare", "store a new value with `tokenctl secret set bare`"),
        ("mounted", "put a new value into file:/run/secrets/mounted"),
    ] {
        let found = evaluated(name, |subject| refused(&subject, &unauthorized())).unwrap();
        assert_eq!(found.findings[0].hint.as_deref(), Some(says));
    }
}
