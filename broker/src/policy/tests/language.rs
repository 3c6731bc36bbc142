//! What a file may say, and the line that says what is wrong with it.

use std::time::Duration;

use super::*;
use crate::policy::{SecretKind, SourceSpec};

/// The errors of a purpose file that holds `text` alone.
fn wrong(text: &str) -> String {
    load(text, SECRETS).unwrap_err()
}

/// What is wrong with [`PURPOSE`] after one replacement in it.
fn wrong_after(from: &str, to: &str) -> String {
    assert!(PURPOSE.contains(from), "{from:?} is not in the purpose");
    wrong(&PURPOSE.replace(from, to))
}

/// What is wrong with one secret that has these lines.
fn wrong_secret(lines: &str) -> String {
    load("", &format!("[secret.bot]\n{lines}\n")).unwrap_err()
}

#[test]
fn every_error_of_a_set_is_reported_at_once_by_file_and_line() {
    let errors = load(
        "purpose = 'Label'\nsecret = 'bot'\nrepositories = ['acme']\npermisions = {}\ndeliver = 'raw'\n\n\
         [[allow]]\ncaller = { usr = 'alice' }\n",
        "[secret.bot]\nkind = 'clasic'\n",
    )
    .unwrap_err();
    assert_eq!(
        errors,
        "p.toml:1: `Label` is not a purpose (1 to 64 of a-z, 0-9 and inner hyphens)\n\
         p.toml:1: a purpose needs `permissions`\n\
         p.toml:3: `acme` is not a repository (`owner/name`, or `owner/*` for all of an owner's)\n\
         p.toml:4: a purpose knows no `permisions` (did you mean `permissions`?)\n\
         p.toml:8: a `caller` knows no `usr` (did you mean `user`?)\n\
         s.toml:2: `kind` must be `classic`, `fine-grained` or `app` (did you mean `classic`?)"
    );
}

#[test]
fn broken_syntax_is_an_error_on_its_line_and_blames_no_other_file() {
    assert_eq!(
        load("purpose = 'x'\nsecret = \n", SECRETS).unwrap_err(),
        "p.toml:2: string values must be quoted, expected literal string"
    );
    assert_eq!(
        load(PURPOSE, "[secret.bot\n").unwrap_err(),
        "s.toml:1: unclosed table, expected `]`"
    );
    assert!(wrong("purpose = 'x'\npurpose = 'y'\n").starts_with("p.toml:2: duplicate key"));
}

#[test]
fn what_does_not_exist_yet_is_refused_and_never_half_honoured() {
    let meanwhile = "write `deliver = \"raw\"` meanwhile, which hands out the stored token itself";
    for delivery in ["proxy", "installation"] {
        assert_eq!(
            wrong_after("\"raw\"", &format!("\"{delivery}\"")),
            format!(
                "p.toml:6: `deliver = \"{delivery}\"` does not exist in this version: {meanwhile}"
            )
        );
    }
    assert_eq!(
        wrong_after("deliver      = \"raw\"\n", ""),
        format!(
            "p.toml:1: a purpose without `deliver` means `proxy` or `installation`, which do not \
             exist in this version: {meanwhile}"
        )
    );
    let refused = |line, key: &str| {
        format!(
            "p.toml:{line}: `{key}` does not exist in this version, and nothing would honour it: \
             remove it"
        )
    };
    assert_eq!(
        wrong_with_rules("budget = '1000/h'\n"),
        refused(8, "budget")
    );
    assert_eq!(
        wrong_with_rules("fallback = { secret = 'bot', deliver = 'raw' }\n"),
        refused(8, "fallback")
    );
    assert_eq!(
        wrong_with_rules("[[allow]]\ncaller = { user = 'alice' }\napproval = 'operator'\n"),
        refused(10, "approval")
    );
    for scheme in ["op://", "keyring:", "file:"] {
        assert_eq!(
            wrong_secret(&format!("kind = 'classic'\nsource = '{scheme}a/b/c'")),
            format!(
                "s.toml:3: `source = \"{scheme}…\"` does not exist in this version: write `vault` \
                 and store the value with `tokenctl secret set`, or `env:NAME`"
            )
        );
    }
    let app = "[secret.bot]\nkind = 'app'\nclient_id = 'Iv23liABCDEF'\n";
    assert_eq!(
        load(PURPOSE, app).unwrap_err(),
        "p.toml:2: `bot` is an App's key, and minting tokens with one does not exist in this version"
    );
    assert!(load("", app).is_ok(), "an App may be declared");
}

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
            "`caller` is empty and would match nobody: name user, uid, group, gid, unit, user_unit, exe, sha256",
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
    let whole = set.purposes().next().unwrap().whole();
    assert_eq!(whole.ttl, Duration::from_secs(15 * 60));
    assert_eq!(whole.ttl_max, Duration::from_secs(60 * 60));
}

#[test]
fn a_purpose_or_secret_declared_twice_is_an_error_that_names_both_places() {
    let files = [
        file("a.toml", PURPOSE),
        file("b.toml", PURPOSE),
        file("s.toml", SECRETS),
        file("t.toml", &format!("\n{SECRETS}")),
    ];
    let errors = PolicySet::parse(&files, &Machine, &Host::anywhere()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "b.toml:1: purpose `label-sync` is declared in a.toml:1 already\n\
         t.toml:2: secret `bot` is declared in s.toml:1 already"
    );
}

#[test]
fn secrets_are_read_with_all_they_say() {
    let text = "[secret.bot]\nkind = 'classic'\nowner = 'acme-bot'\nscopes = ['workflow', 'repo']\n\
                rotate_every = '90d'\nrate_floor = 4000\nsource = 'env:ORG_LABEL_SYNC_TOKEN'\n\n\
                [secret.pat]\nkind = 'fine-grained'\nrepositories = ['acme/one']\npermissions = { contents = 'read' }\n";
    let set = load("", text).unwrap();
    let bot = set.secret(&"bot".parse().unwrap()).unwrap();
    assert_eq!(bot.kind, SecretKind::Classic);
    assert_eq!(bot.owner.as_deref(), Some("acme-bot"));
    assert_eq!(*bot.scopes, ["repo", "workflow"]);
    assert_eq!(bot.rotate_every, Some(Duration::from_secs(90 * 86400)));
    assert_eq!(bot.rate_floor, Some(4000));
    assert_eq!(bot.source.to_string(), "env:ORG_LABEL_SYNC_TOKEN");
    assert_eq!(bot.place.to_string(), "s.toml:1");
    let pat = set.secret(&"pat".parse().unwrap()).unwrap();
    assert_eq!(pat.source, SourceSpec::Vault);
    assert_eq!(pat.repositories, ["acme/one".parse().unwrap()]);
    assert_eq!(pat.place.line, 9);
    assert_eq!(
        set.env_sources().collect::<Vec<_>>(),
        ["ORG_LABEL_SYNC_TOKEN"]
    );
    assert!(!set.wants_sha256());
    let hash = "0".repeat(64);
    assert!(with_rules(&format!("[[allow]]\ncaller = {{ sha256 = '{hash}' }}\n")).wants_sha256());
}

#[test]
fn what_a_secret_cannot_say_is_an_error() {
    for (lines, error) in [
        ("scopes = ['repo']", "s.toml:1: a secret needs `kind`"),
        (
            "kind = 'classic'\nclient_id = 'Iv1'",
            "s.toml:3: `client_id` means nothing for a secret of kind `classic`",
        ),
        (
            "kind = 'fine-grained'\nscopes = ['repo']",
            "s.toml:3: `scopes` means nothing for a secret of kind `fine-grained`",
        ),
        ("kind = 'app'", "s.toml:1: a secret needs `client_id`"),
        (
            "kind = 'classic'\nscopes = ['Repo']",
            "s.toml:3: `Repo` is not a scope (a-z, _ and :)",
        ),
        (
            "kind = 'classic'\nscopes = ['repo', 'repo']",
            "s.toml:3: `scopes` names this twice",
        ),
        (
            "kind = 'classic'\nowner = 'acme bot'",
            "s.toml:3: `acme bot` is not a GitHub login",
        ),
        (
            "kind = 'classic'\nrotate_every = '90'",
            "s.toml:3: `90` is not a span of time (a whole number and s, m, h or d: `15m`, `90d`)",
        ),
        (
            "kind = 'classic'\nrate_floor = 1.5",
            "s.toml:3: `rate_floor` must be a whole number",
        ),
        (
            "kind = 'classic'\nsource = 'env:1X'",
            "s.toml:3: `1X` is not the name of an environment variable",
        ),
        (
            "kind = 'classic'\nsource = 'valt'",
            "s.toml:3: `source` must be `vault` or `env:NAME`",
        ),
        (
            "kind = 'classic'\ntoken = 'x'",
            "s.toml:3: a secret knows no `token`",
        ),
    ] {
        assert_eq!(wrong_secret(lines), error);
    }
    assert_eq!(
        load("", "[secret.Bot]\nkind = 'classic'\n").unwrap_err(),
        "s.toml:1: `Bot` is not the name of a secret (1 to 64 of a-z, 0-9 and inner hyphens)"
    );
    assert_eq!(
        load("", "purpse = 'x'\n").unwrap_err(),
        "s.toml:1: a file without a `purpose` knows no `purpse` (did you mean `purpose`?)"
    );
}

#[test]
fn a_value_in_a_policy_is_refused_and_never_repeated() {
    let canary = format!("ghp_{}", "c4nary".repeat(6));
    for text in [
        format!("[secret.bot]\nkind = 'classic'\nsource = '{canary}'\n"),
        format!("[secret.bot]\nkind = 'classic'\n# {canary}\n"),
        format!("[secret.bot]\nkind = \n{canary}\n"),
        "[secret.bot]\nkind = 'app'\nx = '-----BEGIN RSA PRIVATE KEY-----'".to_owned(),
    ] {
        let errors = load("", &text).unwrap_err();
        assert!(
            errors.starts_with(
                "s.toml:3: this looks like a secret, and values never stand in a policy"
            ),
            "{errors}"
        );
        assert!(!errors.contains("c4nary"), "{errors}");
    }
    // A name that merely begins so is a name.
    assert!(load("", "[secret.bot]\nkind = 'classic'\nsource = 'env:ghp_x'\n").is_ok());
}

#[test]
fn names_github_does_not_document_get_a_warning_and_work() {
    let text = PURPOSE.replace("metadata = \"read\"", "metadat = 'read'");
    let set = load(
        &text,
        "[secret.bot]\nkind = 'classic'\nscopes = ['workflows']\n",
    )
    .unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "p.toml:1: no `[[allow]]`: nobody may use this purpose",
            "p.toml:5: GitHub documents no permission `metadat` (did you mean `metadata`?)",
            "s.toml:3: GitHub documents no scope `workflows` (did you mean `workflow`?)",
        ]
    );
}

#[test]
fn what_would_mislead_its_author_gets_a_warning() {
    let set =
        with_rules("[[allow]]\ncaller = { user = 'alice' }\npermissions = { issues = 'read' }\n");
    assert_eq!(
        set.warnings()[0].to_string(),
        "p.toml:8: with `deliver = \"raw\"` the caller gets the stored token itself: what this rule \
         gives less than its purpose is only recorded"
    );
    let pat = "[secret.bot]\nkind = 'fine-grained'\nrepositories = ['acme/one']\n";
    let set = load(
        &format!("{PURPOSE}[[allow]]\ncaller = {{ uid = 5 }}\n"),
        pat,
    )
    .unwrap();
    assert_eq!(
        set.warnings()[0].to_string(),
        "p.toml:2: repository `acme/*`; the secret's declaration allows `acme/one`"
    );
}

#[test]
fn a_hostile_file_cannot_make_us_write_a_library() {
    let text = "x = 1\n[secret]\n".to_owned() + &"a.kind = 1\n".repeat(5000);
    assert!(load("", &text).unwrap_err().lines().count() <= 60);
    let text: String = (0..5000).map(|n| format!("key{n} = 1\n")).collect();
    assert!(load("", &text).unwrap_err().lines().count() <= 60);
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(load("", &deep).is_err());
    let escapes = "\"\\u001b[2J\" = 1\n";
    assert!(!load("", escapes).unwrap_err().contains('\u{1b}'));
}
