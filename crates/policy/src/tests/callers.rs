//! How a rule names callers.

use super::*;

#[test]
fn a_rule_that_can_never_match_is_an_error() {
    for (rules, error) in [
        (
            "[[allow]]\ncaller = { user = 'alice' }\n[[allow]]\ncaller = { user = 'alice', unit = 'x.service' }\n",
            "p.toml:10: this rule can never match: the one in line 8 matches all its callers first",
        ),
        (
            "[[allow]]\ncaller = { uid = 1000 }\n[[allow]]\ncaller = { user = 'alice' }\n",
            "p.toml:10: this rule can never match: the one in line 8 matches all its callers first",
        ),
        (
            "[[allow]]\ncaller = { user = 'alice', uid = 1001 }\n",
            "p.toml:9: account `alice` has uid 1000 and not 1001: the rule can never match",
        ),
        (
            "[[allow]]\ncaller = { user = 'alice', unit = 'a.service', user_unit = 'b.service' }\n",
            "p.toml:9: no process is in the system unit `a.service` and in a unit of an account's own manager: name one",
        ),
    ] {
        assert_eq!(wrong_with_rules(rules), error);
    }
    // Narrower first, wider later: both can speak.
    with_rules(
        "[[allow]]\ncaller = { user = 'alice', unit = 'x.service' }\n[[allow]]\ncaller = { user = 'alice' }\n",
    );
}

#[test]
fn a_caller_is_named_by_at_least_one_good_attribute() {
    for (caller, error) in [
        (
            "{}",
            "`caller` is empty and would match no caller: name user, uid, group, gid, unit, user_unit, exe, sha256",
        ),
        (
            "{ pid = 1 }",
            "a `caller` knows no `pid` (did you mean `gid`?)",
        ),
        ("{ user = 5 }", "`user` must be text in quotes"),
        ("{ user = '' }", "`` is not the name of a user"),
        ("{ user = 'a b' }", "`a b` is not the name of a user"),
        ("{ user = '*' }", "`*` is not the name of a user"),
        (
            "{ user = '1000' }",
            "`1000` is a number: write `uid = 1000`",
        ),
        ("{ uid = -1 }", "`uid` must be from 0 to 4294967293"),
        ("{ uid = 4294967295 }", "`uid` must be from 0 to 4294967293"),
        ("{ uid = '1000' }", "`uid` must be a whole number"),
        (
            "{ unit = 'label-sync' }",
            "`label-sync` is not a unit that holds processes: its name ends in `.service` or `.scope`",
        ),
        (
            "{ unit = 'x.timer' }",
            "`x.timer` is not a unit that holds processes: its name ends in `.service` or `.scope`",
        ),
        (
            "{ unit = '*.service' }",
            "`*.service` is not the name of a unit; write it out, patterns are not allowed",
        ),
        (
            "{ unit = 'runner@.service' }",
            "`runner@.service` is a template, which never runs: name one instance of it",
        ),
        (
            "{ unit = '@x.service' }",
            "`@x.service` is not the name of a unit; write it out, patterns are not allowed",
        ),
        (
            "{ user_unit = 'x.service' }",
            "every account can make a unit of this name: `user_unit` needs `user` or `uid` beside it",
        ),
        (
            "{ group = 'staff', user_unit = 'x.service' }",
            "every account can make a unit of this name: `user_unit` needs `user` or `uid` beside it",
        ),
        (
            "{ exe = 'sync' }",
            "`sync` is not the canonical path of a program: write it from `/`, without links, `.` or `..`",
        ),
        (
            "{ exe = '/usr/../bin/x' }",
            "`/usr/../bin/x` is not the canonical path of a program: write it from `/`, without links, `.` or `..`",
        ),
        (
            "{ exe = '/usr//x' }",
            "`/usr//x` is not the canonical path of a program: write it from `/`, without links, `.` or `..`",
        ),
        (
            "{ sha256 = 'abc' }",
            "`sha256` must be 64 hexadecimal digits, as `sha256sum` prints them",
        ),
        ("'alice'", "`caller` must be a table"),
    ] {
        let rules = format!("[[allow]]\ncaller = {caller}\n");
        assert_eq!(
            wrong_with_rules(&rules),
            format!("p.toml:9: {error}"),
            "{caller}"
        );
    }
    assert_eq!(
        wrong_with_rules("[[allow]]\n"),
        "p.toml:8: a rule needs `caller`"
    );
    assert_eq!(
        wrong_with_rules("[allow]\ncaller = { user = 'alice' }\n"),
        "p.toml:8: write `[[allow]]` on a line of its own"
    );
    with_rules("[[allow]]\ncaller = { unit = 'runner@blue.service' }\n");
    with_rules("[[allow]]\ncaller = { unit = 'session-3.scope' }\n");
}

#[test]
fn a_program_is_named_only_where_the_broker_can_see_it() {
    let unseen = |key: &str| {
        format!(
            "p.toml:9: the broker cannot read which program another account runs, so a rule with \
             `{key}` would never match here: use `unit`, or `user` alone"
        )
    };
    let rules = |caller: &str| format!("{PURPOSE}[[allow]]\ncaller = {{ {caller} }}\n");
    let service = Host {
        uid: Some(990),
        system_service: true,
    };
    let own = Host {
        uid: Some(1000),
        system_service: false,
    };
    let root = Host {
        uid: Some(0),
        system_service: true,
    };
    let exe = "exe = '/usr/bin/sync-labels'";
    let sha = format!("sha256 = '{}'", "0".repeat(64));
    let alice = format!("user = 'alice', {exe}");
    let bob = format!("user = 'bob', {exe}");
    for (caller, host, refused) in [
        (exe, &service, Some("exe")),
        (&sha, &service, Some("sha256")),
        (&alice, &service, Some("exe")),
        ("uid = 990, exe = '/usr/bin/sync-labels'", &service, None),
        (exe, &own, None),
        (&alice, &own, None),
        (&bob, &own, Some("exe")),
        (&bob, &root, None),
        (&bob, &Host::anywhere(), None),
    ] {
        let errors = load_for(&rules(caller), SECRETS, host).err();
        assert_eq!(errors, refused.map(unseen), "{caller} for {host:?}");
    }
}

#[test]
fn interpreters_curl_and_tokenctl_as_a_program_get_a_warning() {
    for (exe, warned) in [
        ("/usr/bin/python3.13", true),
        ("/bin/sh", true),
        ("/usr/bin/curl", true),
        ("/usr/local/bin/tokenctl", true),
        ("/usr/bin/sync-labels", false),
    ] {
        let set = with_rules(&format!("[[allow]]\ncaller = {{ exe = '{exe}' }}\n"));
        assert_eq!(!set.warnings().is_empty(), warned, "{exe}");
    }
}
