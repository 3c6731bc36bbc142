//! What a purpose with `deliver = "proxy"` may say, and what it means.

mod apps;

use std::time::Duration;

use broker_protocol::names::Delivery;

use super::*;
use crate::Budget;

const WORKFLOW: &str = "[secret.bot]\nkind = 'classic'\nscopes = ['repo', 'workflow']\n";
const FINE_GRAINED: &str = "[secret.bot]\nkind = 'fine-grained'\n";
const ALICE: &str = "[[allow]]\ncaller = { user = 'alice' }\n";

/// [`PURPOSE`] with a proxy, these lines after its seven, and a rule.
fn proxied(lines: &str, secrets: &str) -> Result<PolicySet, String> {
    let purpose = PURPOSE.replace("\"raw\"", "\"proxy\"");
    load(&format!("{purpose}{lines}{ALICE}"), secrets)
}

fn refused(lines: &str) -> String {
    proxied(lines, SECRETS).unwrap_err()
}

/// What is odd about one entry of `paths`.
fn odd(purpose: &str, entry: &str) -> Vec<String> {
    let text = format!("{purpose}paths = ['{entry}']\n{ALICE}");
    let set = load(&text, SECRETS).unwrap();
    set.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_personal_access_token_of_either_kind_may_stay_in_the_broker() {
    for secrets in [SECRETS, FINE_GRAINED] {
        let set = proxied("", secrets).unwrap();
        let Decision::Allow(grant) = decide(&set, &ask(alice())) else {
            panic!("denied");
        };
        assert_eq!(grant.deliver, Delivery::Proxy);
        let policy = set.purpose(&grant.purpose).unwrap();
        assert_eq!((policy.budget, policy.paths()), (None, &[][..]));
        assert_eq!(set.warnings(), []);
    }
}

#[test]
fn no_fallback_is_half_honoured() {
    let secrets = format!("{SECRETS}[secret.other]\nkind = 'classic'\n");
    let fallback = "fallback = { secret = 'other', deliver = 'raw' }\n";
    assert_eq!(
        proxied(fallback, &secrets).unwrap_err(),
        "p.toml:8: a purpose that delivers `proxy` has no `fallback` yet: remove it"
    );
    let unsaid = format!("{}{fallback}{ALICE}", unsaid());
    assert_eq!(
        load(&unsaid, &secrets).unwrap_err(),
        "p.toml:7: a purpose that delivers `proxy` has no `fallback` yet: remove it"
    );
}

/// [`PURPOSE`] without its `deliver`: six lines.
fn unsaid() -> String {
    PURPOSE.replace("deliver      = \"raw\"\n", "")
}

#[test]
fn where_the_kind_of_the_secret_is_not_known_that_alone_is_the_error() {
    let purpose = format!("{}budget = '5/h'\npublic = true\n{ALICE}", unsaid());
    for (secrets, error) in [
        (
            "[secret.bto]\nkind = 'classic'\n",
            "p.toml:2: no file declares `[secret.bot]` (did you mean `bto`?)",
        ),
        (
            "[secret.bot]\nkind = 'ap'\nclient_id = 'Iv23'\n",
            "s.toml:2: `kind` must be `classic`, `fine-grained` or `app` (did you mean `app`?)",
        ),
        ("[secret.bot\n", "s.toml:1: unclosed table, expected `]`"),
    ] {
        assert_eq!(load(&purpose, secrets).unwrap_err(), error);
    }
}

/// Whichever file is read first: a set is one.
#[test]
fn what_is_not_said_to_be_handed_out_stays_in_the_broker() {
    let lines = "budget = '5/h'\npaths = ['GET /user']\npublic = true\n";
    for secrets in [SECRETS, FINE_GRAINED] {
        for (purpose, deliver) in [
            (unsaid(), Delivery::Proxy),
            (format!("{}{lines}", unsaid()), Delivery::Proxy),
            (PURPOSE.to_owned(), Delivery::Raw),
        ] {
            let rules = format!("[[allow]]\nttl.max = '30m'\ncaller = {{ user = 'bob' }}\n{ALICE}");
            let purpose = file("p.toml", &format!("{purpose}{rules}"));
            let secrets = file("s.toml", secrets);
            for files in [
                [purpose.clone(), secrets.clone()],
                [secrets.clone(), purpose.clone()],
            ] {
                let set = PolicySet::parse(&files, &Machine, &Host::anywhere()).unwrap();
                let policy = set.purposes().next().unwrap();
                assert_eq!(policy.whole.deliver, deliver);
                let mut rules = policy.rules.iter();
                assert!(rules.all(|rule| rule.terms.deliver == deliver));
                let Decision::Allow(grant) = decide(&set, &ask(alice())) else {
                    panic!("denied");
                };
                assert_eq!(grant.deliver, deliver);
            }
        }
    }
}

#[test]
fn a_budget_is_the_purposes_and_limits_what_goes_through_the_broker() {
    let set = proxied("budget = '1000/h'\n", SECRETS).unwrap();
    let budget = Budget {
        requests: 1000,
        per: Duration::from_secs(3600),
    };
    assert_eq!(set.purposes().next().unwrap().budget, Some(budget));
    assert_eq!(
        refused("budget = 'lots'\n"),
        "p.toml:8: `lots` is not a budget of requests: write a number from 1 to 4294967295 and `/m`, \
         `/h` or `/d`, such as `1000/h`"
    );
    assert_eq!(
        refused("budget = 1000\n"),
        "p.toml:8: `budget` must be text in quotes"
    );
}

#[test]
fn what_limits_or_allows_single_requests_needs_the_proxy_and_belongs_to_the_purpose() {
    for (key, line) in [
        ("budget", "budget = '1000/h'\n"),
        ("paths", "paths = ['GET /zen']\n"),
        ("public", "public = true\n"),
    ] {
        assert_eq!(
            wrong_with_rules(line),
            format!(
                "p.toml:8: `{key}` means something only with `deliver = \"proxy\"`, where the \
                 caller's requests go through the broker"
            )
        );
        assert_eq!(
            wrong_with_rules(&format!("{ALICE}{line}")),
            format!(
                "p.toml:10: `{key}` is a key of the purpose: write it before the first `[[allow]]`"
            )
        );
    }
}

#[test]
fn public_is_said_once_and_in_one_word() {
    for (lines, public) in [
        ("", false),
        ("public = false\n", false),
        ("public = true\n", true),
    ] {
        let set = proxied(lines, SECRETS).unwrap();
        assert_eq!(set.purposes().next().unwrap().public, public);
        assert_eq!(set.warnings(), []);
    }
    assert_eq!(
        refused("public = 'yes'\n"),
        "p.toml:8: `public` must be true or false"
    );
}

#[test]
fn paths_lists_operations_as_github_describes_them() {
    let set = proxied(
        "paths = ['POST /repos/{owner}/{repo}/forks', 'GET /user']\n",
        SECRETS,
    )
    .unwrap();
    let paths = set.purposes().next().unwrap().paths();
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["GET /user", "POST /repos/{owner}/{repo}/forks"]);
    for (paths, error) in [
        (
            "['GET /usr']",
            "GitHub's description has no operation `GET /usr` (did you mean `GET /user`?)",
        ),
        (
            "['GET /repos/acme/site/labels']",
            "GitHub's description has no operation `GET /repos/acme/site/labels` (did you mean \
             `GET /repos/{owner}/{repo}/labels`?)",
        ),
        (
            "['POST /graphql']",
            "GraphQL needs no line: the purpose's permissions say what it may do",
        ),
        ("['GET /user', 'GET /user']", "`paths` names this twice"),
        ("[]", "`paths` is empty: name something, or leave it out"),
        ("'GET /user'", "`paths` must be a list in brackets"),
        ("[5]", "`paths` must be text in quotes"),
    ] {
        assert_eq!(
            refused(&format!("paths = {paths}\n")),
            format!("p.toml:8: {error}")
        );
    }
}

#[test]
fn a_path_that_reaches_further_than_its_lease_gets_a_warning_on_its_line() {
    let purpose = PURPOSE.replace("\"raw\"", "\"proxy\"");
    for (entry, warning) in [
        (
            "GET /user",
            "answers with what the stored token reaches, not with what the lease does: with this \
             line it is allowed, and nothing in its path is held to the lease",
        ),
        (
            "GET /notifications",
            "is covered by no permission of a lease: with this line it is allowed, and nothing in \
             its path is held to the lease",
        ),
        (
            "POST /repos/{owner}/{repo}/forks",
            "reaches another repository than the one in its path: with this line it is allowed, \
             where its path stays within the lease",
        ),
        (
            "POST /repos/{owner}/{repo}/keys",
            "hands out a credential, or gives others access, under a wider permission: with this \
             line it is allowed, where its path stays within the lease",
        ),
        (
            "GET /orgs/{org}/agents/secrets",
            "is newer than what this version knows: with this line it is allowed, where its path \
             stays within the lease",
        ),
        (
            "GET /repos/{owner}/{repo}/compare/{basehead}",
            "may compare with another owner's repository: with this line that is allowed",
        ),
    ] {
        assert_eq!(
            odd(&purpose, entry),
            [format!("p.toml:8: `{entry}` {warning}")]
        );
    }
    let within = "PUT /repos/{owner}/{repo}/contents/{path}";
    assert_eq!(odd(&purpose, within), [""; 0]);
    let entries = "paths = [\n  'GET /zen',\n  'GET /user',\n]\n";
    let set = proxied(entries, SECRETS).unwrap();
    let lines: Vec<_> = set.warnings().iter().map(|one| one.place.line).collect();
    assert_eq!(lines, [9, 10]);
}

#[test]
fn a_path_that_changes_nothing_gets_a_warning() {
    let purpose = PURPOSE.replace("\"raw\"", "\"proxy\"");
    for needless in [
        "GET /zen",
        "GET /repos/{owner}/{repo}/labels",
        "GET /orgs/{org}/repos",
    ] {
        let warning = format!(
            "p.toml:8: `{needless}` is allowed by the permissions already: remove it from `paths`"
        );
        assert_eq!(odd(&purpose, needless), [warning]);
    }
    let labels = "paths = ['POST /repos/{owner}/{repo}/labels']\n";
    let narrower =
        format!("{labels}[[allow]]\npermissions = {{ issues = 'read' }}\ncaller = {{ uid = 7 }}\n");
    assert_eq!(proxied(labels, SECRETS).unwrap().warnings().len(), 1);
    assert_eq!(proxied(&narrower, SECRETS).unwrap().warnings(), []);

    let alone = |from: &str, to: &str| purpose.replace(from, to);
    let no_organization = alone("organization = \"acme\"\n", "\n");
    let no_repositories = alone("repositories = [\"acme/*\"]\n", "\n");
    let one_repository = alone("acme/*", "acme/site");
    for (purpose, entry, about) in [
        (
            &no_organization,
            "GET /orgs/{org}/events",
            "an organisation, and the purpose names no `organization`",
        ),
        (
            &no_organization,
            "GET /orgs/{org}/members",
            "an organisation, and the purpose names no `organization`",
        ),
        (
            &no_repositories,
            "POST /repos/{owner}/{repo}/forks",
            "repositories, and the purpose names none",
        ),
        (
            &one_repository,
            "GET /orgs/{org}/repos",
            "all repositories of an owner, and the purpose names no `owner/*`",
        ),
    ] {
        assert_eq!(
            odd(purpose, entry),
            [format!(
                "p.toml:8: `{entry}` is about {about}: no lease of it may use this operation"
            )]
        );
    }
}

/// The purpose with these permissions in place of [`PURPOSE`]'s.
fn granting(purpose: &str, permissions: &str) -> String {
    purpose.replace("issues = \"write\", metadata = \"read\"", permissions)
}

#[test]
fn pushes_over_a_token_that_may_change_workflows_say_so() {
    let unsaid = "the token may change workflows, and the proxy cannot look into what a push \
                  contains: name `workflows = \"write\"` beside `contents = \"write\"`";
    let with = |permissions: &str, rule: &str, secrets: &str| {
        let purpose = granting(&PURPOSE.replace("\"raw\"", "\"proxy\""), permissions);
        load(&format!("{purpose}{rule}{ALICE}"), secrets)
    };
    let push = "contents = 'write'";
    let both = "contents = 'write', workflows = 'write'";
    let declared = format!("{FINE_GRAINED}permissions = {{ {both} }}\n");
    for secrets in [WORKFLOW, &declared] {
        let errors = with(push, "", secrets).unwrap_err();
        assert_eq!(errors, format!("p.toml:5: {unsaid}"));
        let rule = "[[allow]]\npermissions = { contents = 'write' }\ncaller = { uid = 7 }\n";
        let errors = with(both, rule, secrets).unwrap_err();
        assert_eq!(errors, format!("p.toml:8: {unsaid}"));
        assert!(with("contents = 'read'", "", secrets).is_ok());

        let not_written = granting(&self::unsaid(), push);
        let errors = load(&format!("{not_written}{ALICE}"), secrets).unwrap_err();
        assert_eq!(errors, format!("p.toml:5: {unsaid}"));

        let set = with(both, "", secrets).unwrap();
        assert_eq!(says(&set, &ask(alice())), "rule 1");
        let mut request = ask(alice());
        let asked = [("contents".parse().unwrap(), "write".parse().unwrap())];
        request.permissions = Some(asked.into_iter().collect());
        assert_eq!(says(&set, &request), unsaid);
    }
    assert!(with(push, "", SECRETS).is_ok());
    // Handed out as it is, the token is held to nothing anyway.
    let raw = granting(PURPOSE, push);
    assert!(load(&format!("{raw}{ALICE}"), WORKFLOW).is_ok());
}
