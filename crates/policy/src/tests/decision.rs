//! What a set says to a request.

use std::time::Duration;

use broker_protocol::api::ExplainedOutcome;
use broker_protocol::names::{Level, Permissions};

use super::*;
use crate::{Asker, Denial, Grant, NamesOnly};

fn grant(set: &PolicySet, request: &Request) -> Grant {
    match decide(set, request) {
        Decision::Allow(grant) => grant,
        Decision::Deny(denial) => panic!("{denial:?}"),
    }
}

fn permissions(pairs: &[(&str, Level)]) -> Permissions {
    let parse = |(name, level): &(&str, Level)| (name.parse().unwrap(), *level);
    pairs.iter().map(parse).collect()
}

#[test]
fn nobody_may_what_no_rule_allows() {
    let set = with_rules("");
    assert_eq!(says(&set, &ask(alice())), "denied");
    let Decision::Deny(denial) = decide(&PolicySet::default(), &ask(alice())) else {
        panic!("an empty set allowed something");
    };
    assert_eq!(denial, Denial::NoSuchPurpose);
}

#[test]
fn the_first_matching_rule_decides_alone_even_where_a_later_one_gives_more() {
    let set = with_rules(
        "[[allow]]\ncaller = { user = 'alice', unit = 'x.service' }\npermissions = { issues = 'read' }\n\
         [[allow]]\ncaller = { user = 'alice' }\n",
    );
    let mut request = ask(Caller {
        unit: Some("x.service".to_owned()),
        ..alice()
    });
    assert_eq!(says(&set, &request), "rule 1");
    request.permissions = Some(permissions(&[("issues", Level::Write)]));
    assert_eq!(
        says(&set, &request),
        "permission `issues: write`; the rule allows `read`"
    );
    request.caller = alice().into();
    assert_eq!(says(&set, &request), "rule 2");
}

#[test]
fn one_that_asks_for_nothing_gets_exactly_what_the_rule_gives() {
    let set = with_rules(
        "[[allow]]\ncaller = { user = 'alice' }\nrepositories = ['acme/site']\n\
         permissions = { issues = 'read' }\nttl = { default = '5m', max = '10m' }\n\
         [[allow]]\ncaller = { user = 'bob' }\n",
    );
    let narrow = grant(&set, &ask(alice()));
    assert_eq!(*narrow.repositories, ["acme/site".parse().unwrap()]);
    assert_eq!(*narrow.permissions, permissions(&[("issues", Level::Read)]));
    assert_eq!(narrow.ttl, Duration::from_secs(300));
    assert_eq!(narrow.ttl_max, Duration::from_secs(600));
    // What a rule does not name is the purpose's.
    assert_eq!(narrow.organization.as_ref().unwrap().as_str(), "acme");
    let bob = Caller {
        uid: 1001,
        ..alice()
    };
    let whole = grant(&set, &ask(bob));
    let purpose = &set.purposes().next().unwrap().whole;
    assert_eq!((&*whole.rule, &*purpose.rule), ("p.toml#2", "p.toml"));
    let mut whole = whole.clone();
    whole.rule = Arc::clone(&purpose.rule);
    assert_eq!(&whole, purpose);
}

#[test]
fn what_is_asked_within_the_rule_is_granted_as_asked() {
    let set = with_rules("[[allow]]\ncaller = { user = 'alice' }\n");
    let mut request = ask(alice());
    request.repositories = Some(vec!["acme/site".parse().unwrap()]);
    request.permissions = Some(permissions(&[("issues", Level::Read)]));
    request.organization = Some("acme".parse().unwrap());
    request.ttl = Some(Duration::from_secs(3600));
    let grant = grant(&set, &request);
    assert_eq!(Some(&*grant.repositories), request.repositories.as_deref());
    assert_eq!(Some(&*grant.permissions), request.permissions.as_ref());
    assert_eq!(grant.organization, request.organization);
    assert_eq!(Some(grant.ttl), request.ttl);
    assert_eq!(grant.ttl_max, Duration::from_secs(3600));
}

#[test]
fn what_is_asked_beyond_the_rule_is_denied_and_never_narrowed() {
    let set = with_rules("[[allow]]\ncaller = { user = 'alice' }\n");
    type Change = fn(&mut Request);
    let cases: [(Change, &str); 6] = [
        (
            |r| r.permissions = Some(permissions(&[("issues", Level::Admin)])),
            "permission `issues: admin`; the rule allows `write`",
        ),
        (
            |r| r.permissions = Some(permissions(&[("contents", Level::Read)])),
            "permission `contents: read`; the rule does not allow it",
        ),
        (
            |r| {
                r.repositories = Some(vec![
                    "acme/site".parse().unwrap(),
                    "other/site".parse().unwrap(),
                ]);
            },
            "repository `other/site`; the rule allows `acme/*`",
        ),
        (
            |r| r.organization = Some("other".parse().unwrap()),
            "organisation `other`; the rule allows `acme`",
        ),
        (
            |r| r.ttl = Some(Duration::from_secs(3601)),
            "ttl 3601s; the rule allows at most 1h",
        ),
        (
            |r| r.permissions = Some(Permissions::new()),
            "no permission at all; leave `permissions` out to get the rule's",
        ),
    ];
    for (change, want) in cases {
        let mut request = ask(alice());
        change(&mut request);
        assert_eq!(says(&set, &request), want);
    }
}

#[test]
fn an_empty_list_of_repositories_never_becomes_all_of_them() {
    let with_organization = with_rules("[[allow]]\ncaller = { user = 'alice' }\n");
    let mut request = ask(alice());
    request.repositories = Some(Vec::new());
    assert!(grant(&with_organization, &request).repositories.is_empty());

    let repositories_only = PURPOSE.replace("organization = \"acme\"\n", "");
    let rules = "[[allow]]\ncaller = { user = 'alice' }\n";
    let set = load(&format!("{repositories_only}{rules}"), SECRETS).unwrap();
    assert_eq!(
        says(&set, &request),
        "no repository at all; leave `repositories` out to get the rule's"
    );
    request.repositories = None;
    request.organization = Some("acme".parse().unwrap());
    assert_eq!(
        says(&set, &request),
        "organisation `acme`; the rule allows none"
    );
}

#[test]
fn every_attribute_a_rule_names_must_equal_the_callers() {
    let hash = "ab".repeat(32);
    let caller = Caller {
        started: None,
        uid: 1000,
        gid: 7,
        groups: vec![50, 60],
        subordinate_of: None,
        pid: Some(1),
        unit: Some("user@1000.service".to_owned()),
        user_unit: Some("sync.service".to_owned()),
        exe: Some("/usr/bin/sync-labels".to_owned()),
        sha256: Some([0xab; 32]),
    };
    let all = [
        "user = 'alice'".to_owned(),
        "uid = 1000".to_owned(),
        "group = 'staff'".to_owned(),
        "gid = 60".to_owned(),
        "unit = 'user@1000.service'".to_owned(),
        "user_unit = 'sync.service'".to_owned(),
        "exe = '/usr/bin/sync-labels'".to_owned(),
        format!("sha256 = '{hash}'"),
    ];
    let set = with_rules(&format!("[[allow]]\ncaller = {{ {} }}\n", all.join(", ")));
    assert_eq!(says(&set, &ask(caller.clone())), "rule 1");

    type Change = fn(&mut Caller);
    let changes: [Change; 10] = [
        |c| c.uid = 1001,
        |c| c.groups = vec![60],
        |c| c.groups = vec![50],
        |c| c.unit = Some("user@1001.service".to_owned()),
        |c| c.unit = None,
        |c| c.user_unit = Some("sync.servic".to_owned()),
        |c| c.user_unit = None,
        |c| c.exe = None,
        |c| c.sha256 = None,
        |c| c.sha256 = Some([0xac; 32]),
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut other = caller.clone();
        change(&mut other);
        assert_eq!(says(&set, &ask(other)), "denied", "change {n}");
    }
    let mut primary = caller;
    primary.gid = 60;
    primary.groups = vec![50];
    assert_eq!(
        says(&set, &ask(primary)),
        "rule 1",
        "a primary group counts"
    );
}

#[test]
fn a_subordinate_uid_has_none_of_its_owners_rights_and_keeps_its_groups() {
    let subordinate = Caller {
        uid: 100_000,
        groups: vec![50],
        subordinate_of: Some(1000),
        ..Caller::default()
    };
    for (rule, want) in [
        ("user = 'alice'", "denied"),
        ("uid = 1000", "denied"),
        ("group = 'staff'", "rule 1"),
    ] {
        let set = with_rules(&format!("[[allow]]\ncaller = {{ {rule} }}\n"));
        assert_eq!(says(&set, &ask(subordinate.clone())), want, "{rule}");
    }
}

#[test]
fn whatever_is_delivered_a_request_names_at_most_500_repositories_unless_the_rule_itself_does() {
    let named = |count: usize| (0..count).map(|nth| format!("acme/r{nth}"));
    let asked = |count: usize| {
        let mut request = ask(alice());
        request.repositories = Some(named(count).map(|name| name.parse().unwrap()).collect());
        request
    };
    let set = with_rules("[[allow]]\ncaller = { user = 'alice' }\n");
    assert_eq!(says(&set, &asked(500)), "rule 1");
    assert_eq!(
        says(&set, &asked(501)),
        "501 repositories by name; a lease names at most 500"
    );
    let mut again = asked(1);
    again.repositories = Some(vec!["acme/site".parse().unwrap(); 501]);
    assert!(says(&set, &again).starts_with("501 repositories"));

    // A rule that is in force today goes on giving what it gives, also when the lease is renewed.
    let all: Vec<_> = named(501).map(|name| format!("'{name}'")).collect();
    let all = all.join(", ");
    let rule = format!("[[allow]]\ncaller = {{ user = 'alice' }}\nrepositories = [{all}]\n");
    let set = with_rules(&rule);
    assert_eq!(grant(&set, &ask(alice())).repositories.len(), 501);
    assert_eq!(says(&set, &asked(501)), "rule 1");
}

#[test]
fn a_name_without_an_account_matches_nobody() {
    let set = with_rules(
        "[[allow]]\ncaller = { user = 'carol' }\n[[allow]]\ncaller = { group = 'crew' }\n",
    );
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "p.toml:9: no account `carol` on this machine: the rule matches no caller here",
            "p.toml:11: no group `crew` on this machine: the rule matches no caller here",
        ]
    );
    for uid in [0, 1000, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let caller = Caller {
            uid,
            gid: uid,
            ..Caller::default()
        };
        assert_eq!(says(&set, &ask(caller)), "denied");
    }
}

#[test]
fn in_decision_tables_a_name_is_an_account_of_its_own() {
    let names = NamesOnly::default();
    let uids = [
        names.uid("alice"),
        names.uid("bob"),
        names.gid("alice"),
        names.gid("bob"),
    ];
    let distinct: std::collections::BTreeSet<_> = uids.into_iter().flatten().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(names.uid("alice"), uids[0]);
}

#[test]
fn a_rule_that_allows_a_caller_a_purpose_is_found_and_for_others_none_is() {
    let set = with_rules("[[allow]]\ncaller = { user = 'alice' }\n");
    let purpose = set.purposes().next().unwrap();
    let rule = purpose.rule_for(&alice()).unwrap();
    assert_eq!(&*rule.terms.rule, "p.toml#1");
    assert!(purpose.rule_for(&Caller::default()).is_none());
}

#[test]
fn an_explanation_says_what_each_rule_missed_and_which_one_speaks() {
    let set = with_rules(
        "[[allow]]\ncaller = { user = 'bob', unit = 'x.service' }\n\
         [[allow]]\ncaller = { group = 'staff' }\n[[allow]]\ncaller = { uid = 1000 }\n",
    );
    let explain = |request: &Request| set.explain(request, ALICE, None);
    let explained = explain(&ask(alice())).unwrap();
    assert_eq!(explained.outcome, ExplainedOutcome::Allowed);
    assert_eq!(explained.rule.as_deref(), Some("p.toml#3"));
    assert_eq!(
        explained.lines[..4],
        [
            "label-sync for alice (uid 1000)",
            "  p.toml#1 (line 8) misses: user must be bob, the caller has alice (uid 1000); \
             unit must be x.service, the caller's is unknown",
            "  p.toml#2 (line 10) misses: group must be staff, the caller has users",
            "  p.toml#3 (line 12) speaks",
        ]
    );
    let mut other = ask(alice());
    other.purpose = "other".parse().unwrap();
    assert_eq!(explain(&other), None);
}

const ALICE: Asker<'static> = Asker {
    account: "alice (uid 1000)",
    groups: "users",
};

#[test]
fn an_explanation_of_what_is_asked_says_what_the_decision_says() {
    let set =
        with_rules("[[allow]]\ncaller = { user = 'alice' }\npermissions = { issues = 'read' }\n");
    let mut request = ask(alice());
    request.permissions = Some(permissions(&[("issues", Level::Write)]));
    let explained = set.explain(&request, ALICE, None).unwrap();
    assert_eq!(explained.outcome, ExplainedOutcome::TooWide);
    assert_eq!(explained.rule.as_deref(), Some("p.toml#1"));
    let gives = "gives repositories acme/*; organisation acme; permissions issues: read; for 15m, at \
                 most 1h; as the stored token `bot` itself";
    let refused = "refused, too_wide: permission `issues: write`; the rule allows `read`";
    assert_eq!(explained.lines[2..], [gives, refused]);
    request.permissions = None;
    request.repositories = Some(vec!["acme/site".parse().unwrap()]);
    request.ttl = Some(Duration::from_secs(60));
    let request_line = "GET /repos/acme/other/labels".parse().unwrap();
    let explained = set.explain(&request, ALICE, Some(&request_line)).unwrap();
    assert_eq!(explained.outcome, ExplainedOutcome::Allowed);
    assert_eq!(
        explained.lines[2..],
        [
            "gives what is asked: repositories acme/site; organisation acme; permissions issues: \
             read; for 1m, at most 1h; as the stored token `bot` itself",
            "GET /repos/{owner}/{repo}/labels needs issues: read, or pull_requests: read on acme/other",
            "the lease does not give that: repository `acme/other`; the lease allows `acme/site`",
        ]
    );
    request.caller = Caller::default().into();
    let explained = set.explain(&request, ALICE, None).unwrap();
    assert_eq!(explained.outcome, ExplainedOutcome::Denied);
    assert_eq!(explained.lines.last().unwrap(), "denied: no rule matches");
}
