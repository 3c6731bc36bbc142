//! What a purpose and its rules may say of where, what and for how long.

use std::time::Duration;

use super::*;

#[test]
fn a_rule_wider_than_its_purpose_is_an_error() {
    let rule = |line: &str| format!("[[allow]]\ncaller = {{ user = 'alice' }}\n{line}\n");
    for (line, what) in [
        (
            "permissions = { issues = 'admin' }",
            "GitHub knows `issues` only as read or write",
        ),
        (
            "permissions = { metadata = 'write' }",
            "a rule cannot be wider than its purpose: permission `metadata: write`; the purpose allows `read`",
        ),
        (
            "permissions = { contents = 'read' }",
            "a rule cannot be wider than its purpose: permission `contents: read`; the purpose does not allow it",
        ),
        (
            "repositories = ['other/*']",
            "a rule cannot be wider than its purpose: repository `other/*`; the purpose allows `acme/*`",
        ),
        (
            "organization = 'other'",
            "a rule cannot be wider than its purpose: organisation `other`; the purpose allows `acme`",
        ),
        (
            "ttl = { max = '2h' }",
            "a rule cannot be wider than its purpose: ttl 2h; the purpose allows at most 1h",
        ),
        (
            "ttl = { max = '10m' }",
            "`ttl.default` (15m) is longer than `ttl.max` (10m); name both",
        ),
    ] {
        assert_eq!(wrong_with_rules(&rule(line)), format!("p.toml:10: {what}"));
    }
}

#[test]
fn a_purpose_names_where_and_what_and_for_how_long() {
    assert_eq!(
        wrong_after("repositories = [\"acme/*\"]\norganization = \"acme\"\n", ""),
        "p.toml:1: a purpose names `repositories`, `organization`, or both"
    );
    for (from, to, error) in [
        (
            "[\"acme/*\"]",
            "[]",
            "p.toml:3: `repositories` is empty: name something, or leave it out",
        ),
        (
            "[\"acme/*\"]",
            "['acme/a', 'ACME/A']",
            "p.toml:3: `repositories` names this twice",
        ),
        (
            "[\"acme/*\"]",
            "'acme/*'",
            "p.toml:3: `repositories` must be a list in brackets",
        ),
        (
            "[\"acme/*\"]",
            "['acme/s*']",
            "p.toml:3: `acme/s*` is not a repository (`owner/name`, or `owner/*` for all of an owner's)",
        ),
        (
            "\"write\"",
            "\"wirte\"",
            "p.toml:5: `wirte` is not a level (read, write or admin)",
        ),
        (
            "issues = \"write\", metadata = \"read\"",
            "",
            "p.toml:5: `permissions` is empty: name at least one, or leave it out",
        ),
        (
            "issues = \"write\"",
            "workflows = 'read'",
            "p.toml:5: GitHub knows `workflows` only as write",
        ),
        (
            "\"raw\"",
            "\"rwa\"",
            "p.toml:6: `deliver` must be `proxy`, `installation` or `raw` (did you mean `raw`?)",
        ),
        (
            "max = \"1h\"",
            "max = '25h'",
            "p.toml:7: a lease lives at most 24h, so `max` cannot be 25h",
        ),
        (
            "max = \"1h\"",
            "max = '5m'",
            "p.toml:7: `ttl.default` (15m) is longer than `ttl.max` (5m); name both",
        ),
        (
            "max = \"1h\"",
            "max = 60",
            "p.toml:7: `max` must be text in quotes",
        ),
        (
            "default = \"15m\", max = \"1h\"",
            "",
            "p.toml:7: `ttl` is empty: name `default`, `max` or both, or leave it out",
        ),
        (
            "\"bot\"",
            "\"bt\"",
            "p.toml:2: no file declares `[secret.bt]` (did you mean `bot`?)",
        ),
        (
            "\"bot\"",
            "{ kind = 'classic' }",
            "p.toml:2: a purpose names its secret, `secret = \"NAME\"`; `[secret.*]` tables stand in a file without a `purpose`",
        ),
    ] {
        assert_eq!(wrong_after(from, to), error);
    }
}

#[test]
fn a_purpose_that_says_nothing_of_time_gives_a_quarter_of_an_hour_and_at_most_one() {
    let text = PURPOSE.replace("ttl          = { default = \"15m\", max = \"1h\" }\n", "");
    let set = load(&text, SECRETS).unwrap();
    let whole = &set.purposes().next().unwrap().whole;
    assert_eq!(whole.ttl, Duration::from_secs(15 * 60));
    assert_eq!(whole.ttl_max, Duration::from_secs(60 * 60));
}
