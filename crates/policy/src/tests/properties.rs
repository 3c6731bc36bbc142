//! What holds for every set and every request.

use std::time::Duration;

use broker_protocol::names::{Level, Permissions, RepoPattern};
use proptest::prelude::*;

use super::*;
use crate::Terms;

const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Admin];
/// Names GitHub gives all three levels, so that every combination is a policy.
const NAMES: [&str; 3] = [
    "organization_projects",
    "repository_projects",
    "not_yet_known",
];
const REPOSITORIES: [&str; 4] = ["acme/*", "acme/one", "acme/two", "other/one"];

/// What a rule or a request names of each part; a level of 3 means “not this permission”.
#[derive(Debug, Clone)]
struct Parts {
    repositories: Option<Vec<usize>>,
    permissions: Option<[usize; 3]>,
    minutes: Option<u64>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let repositories = proptest::sample::subsequence(vec![0, 1, 2, 3], 1..=4);
    let permissions = prop::array::uniform3(0..4usize);
    (
        proptest::option::weighted(0.3, repositories),
        proptest::option::weighted(0.3, permissions),
        proptest::option::weighted(0.3, 1..90u64),
    )
        .prop_map(|(repositories, permissions, minutes)| Parts {
            repositories,
            permissions: permissions.filter(|levels| *levels != [3, 3, 3]),
            minutes,
        })
}

/// A caller's attributes, by number: account, group, unit. `None`: not named by a rule.
type Who = (Option<u32>, Option<u32>, Option<u32>);

fn who() -> impl Strategy<Value = Who> {
    let some = || proptest::option::of(0..2u32);
    (some(), some(), some()).prop_filter("a rule names someone", |who| *who != (None, None, None))
}

impl Parts {
    fn repositories(&self) -> Option<Vec<RepoPattern>> {
        let parse = |n: &usize| REPOSITORIES[*n].parse().unwrap();
        Some(self.repositories.as_ref()?.iter().map(parse).collect())
    }

    fn permissions(&self) -> Option<Permissions> {
        let named = NAMES.iter().zip(self.permissions?);
        let some =
            named.filter_map(|(name, level)| Some((name.parse().unwrap(), *LEVELS.get(level)?)));
        Some(some.collect())
    }

    fn toml(&self) -> String {
        let mut text = String::new();
        if let Some(list) = self.repositories() {
            let list: Vec<_> = list.iter().map(|one| format!("'{one}'")).collect();
            text += &format!("repositories = [{}]\n", list.join(", "));
        }
        if let Some(all) = self.permissions() {
            let all: Vec<_> = all
                .iter()
                .map(|(name, level)| format!("{name} = '{}'", level.as_str()))
                .collect();
            text += &format!("permissions = {{ {} }}\n", all.join(", "));
        }
        if let Some(minutes) = self.minutes {
            text += &format!("ttl = {{ default = '1m', max = '{minutes}m' }}\n");
        }
        text
    }
}

fn rule_toml((who, parts): &(Who, Parts)) -> String {
    let keys = [
        who.0.map(|uid| format!("uid = {uid}")),
        who.1.map(|gid| format!("gid = {gid}")),
        who.2.map(|unit| format!("unit = 'u{unit}.service'")),
    ];
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    format!(
        "[[allow]]\ncaller = {{ {} }}\n{}",
        keys.join(", "),
        parts.toml()
    )
}

/// The files of a set whose rules are tried from the most particular, so that few are shadowed.
fn set_toml() -> impl Strategy<Value = (Parts, Vec<(Who, Parts)>)> {
    // Wide, so that most rules are within it; the default ttl is an hour at most.
    let whole = (
        prop::sample::select(vec![vec![0, 3], vec![0], vec![0, 1, 2, 3]]),
        prop::array::uniform3(1..3usize),
        prop::sample::select(vec![None, Some(60), Some(90)]),
    )
        .prop_map(|(repositories, permissions, minutes)| Parts {
            repositories: Some(repositories),
            permissions: Some(permissions),
            minutes,
        });
    (whole, prop::collection::vec((who(), parts()), 0..6)).prop_map(|(whole, mut rules)| {
        let named = |who: &Who| [who.0, who.1, who.2].iter().flatten().count();
        rules.sort_by_key(|(who, _)| std::cmp::Reverse(named(who)));
        rules.dedup_by_key(|(who, _)| *who);
        (whole, rules)
    })
}

/// `inner` gives nothing that `outer` does not give.
fn within(inner: &Terms, outer: &Terms) -> bool {
    let repository = |one: &RepoPattern| outer.repositories.iter().any(|all| all.covers(one));
    let permission = |(name, level)| outer.permissions.get(name) >= Some(level);
    inner.repositories.iter().all(repository)
        && inner.permissions.iter().all(permission)
        && (inner.organization.is_none() || inner.organization == outer.organization)
        && inner.ttl <= outer.ttl_max
        && inner.ttl_max <= outer.ttl_max
        && (&inner.secret, inner.deliver, &inner.purpose)
            == (&outer.secret, outer.deliver, &outer.purpose)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    /// A grant is within its rule, its rule within the purpose; the rule is the first whose every
    /// attribute the caller has; and what is denied as too wide really is.
    #[test]
    fn no_request_ever_gets_more_than_its_rule_and_no_rule_more_than_its_purpose(
        (whole, rules) in set_toml(),
        asked in parts(),
        caller in (0..2u32, 0..2u32, 0..3u32),
    ) {
        let rules_text: String = rules.iter().map(rule_toml).collect();
        let text = format!(
            "purpose = 'label-sync'\nsecret = 'bot'\ndeliver = 'raw'\n{}{rules_text}", whole.toml()
        );
        let Ok(set) = load(&text, SECRETS) else {
            // Wider than the purpose or never matching: refused whole, so nothing to ask.
            return Ok(());
        };
        let policy = set.purposes().next().unwrap();
        for rule in &policy.rules {
            prop_assert!(within(&rule.terms, &policy.whole), "{text}");
        }
        let mut request = ask(Caller {
            uid: caller.0,
            gid: caller.1,
            unit: (caller.2 < 2).then(|| format!("u{}.service", caller.2)),
            ..Caller::default()
        });
        request.repositories = asked.repositories();
        request.permissions = asked.permissions();
        request.ttl = asked.minutes.map(|minutes| Duration::from_secs(minutes * 60));

        let first = rules.iter().position(|((uid, gid, unit), _)| {
            uid.is_none_or(|uid| uid == caller.0)
                && gid.is_none_or(|gid| gid == caller.1)
                && unit.is_none_or(|unit| unit == caller.2)
        });
        let rule = first.map(|n| &policy.rules[n]);
        match (decide(&set, &request), rule) {
            (Decision::Allow(grant), Some(rule)) => {
                prop_assert_eq!(&grant.rule, &rule.terms.rule);
                prop_assert!(within(&grant, &rule.terms));
                prop_assert!(!grant.permissions.is_empty() && !grant.repositories.is_empty());
                let terms = &rule.terms;
                let want = request.repositories.as_deref().unwrap_or(&terms.repositories);
                prop_assert_eq!(&*grant.repositories, want);
                let want = request.permissions.as_ref().unwrap_or(&terms.permissions);
                prop_assert_eq!(&*grant.permissions, want);
                prop_assert_eq!(grant.ttl, request.ttl.unwrap_or(terms.ttl));
            }
            (Decision::Deny(super::super::Denial::TooWide { rule: named, .. }), Some(rule)) => {
                prop_assert_eq!(&named, &rule.terms.rule);
                let mut whole_ask = rule.terms.clone();
                if let Some(asked) = request.repositories { whole_ask.repositories = asked.into(); }
                if let Some(asked) = request.permissions { whole_ask.permissions = asked.into(); }
                whole_ask.ttl = request.ttl.unwrap_or(whole_ask.ttl);
                prop_assert!(!within(&whole_ask, &rule.terms));
            }
            (Decision::Deny(super::super::Denial::NoRule), None) => {}
            (decision, rule) => prop_assert!(false, "{decision:?} where {rule:?} speaks: {text}"),
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*", more in any::<String>()) {
        for text in [&text, &more, &format!("purpose = '{text}'"), &format!("[secret.{more}]")] {
            drop(load(text, text));
        }
    }

    /// A good file with something cut out and something else put in: refused, or still a set in
    /// which no rule is wider than its purpose.
    #[test]
    fn no_damage_to_a_file_makes_the_parser_panic_or_a_rule_wider(
        at in any::<prop::sample::Index>(), cut in 0..20usize, put in "[\\PC\n]{0,8}",
    ) {
        let good = format!(
            "{PURPOSE}[[allow]]\ncaller = {{ user = 'alice', unit = 'x.service' }}\n\
             permissions = {{ issues = 'read' }}\nttl = {{ max = '20m' }}\n\
             [[allow]]\ncaller = {{ group = 'staff', exe = '/usr/bin/x' }}\nrepositories = ['acme/site']\n"
        );
        let at = at.index(good.len());
        let end = (at + cut).min(good.len());
        let (before, after) = (good.get(..at).unwrap(), good.get(end..).unwrap());
        let damaged = format!("{before}{put}{after}");
        if let Ok(set) = load(&damaged, SECRETS) {
            for policy in set.purposes() {
                for rule in &policy.rules {
                    prop_assert!(within(&rule.terms, &policy.whole), "{damaged}");
                    prop_assert!(!rule.who.attributes().is_empty());
                }
            }
        }
        drop(crate::cases::run(&[], &[file("x.cases.toml", &damaged)]));
    }
}
