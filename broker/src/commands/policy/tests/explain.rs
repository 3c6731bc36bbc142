//! `explain`: the rules for a caller, and what a request needs.

use broker_policy::Caller;
use broker_protocol::api::ExplainRequest;
use serde_json::{Map, Value, json};

use super::*;

fn explained(line: &[&str]) -> String {
    explained_in(&shipped(), line)
}

/// What is printed of files for another machine, and the exit code.
fn explained_in(dir: &Path, line: &[&str]) -> String {
    let asked = asked(line);
    let at = Where::Checkout(dir);
    let (code, out) = output(|out| explain(at, asked, &own(), Form::Text, out));
    format!("{out}{code}")
}

/// A purpose and options, as `tokenctl policy explain` takes them.
fn asked(line: &[&str]) -> ExplainRequest {
    let (purpose, options) = line.split_first().unwrap();
    let (mut asked, mut caller) = (Map::new(), Map::new());
    asked.insert("purpose".to_owned(), json!(purpose));
    for option in options.chunks(2) {
        let name = option[0].trim_start_matches("--").to_owned();
        match name.as_str() {
            "uid" => caller.insert(name, json!(option[1].parse::<u32>().unwrap())),
            "user" | "unit" => caller.insert(name, json!(option[1])),
            "repositories" => asked.insert(name, json!([option[1]])),
            _ => asked.insert(name, json!(option[1])),
        };
    }
    asked.insert("caller".to_owned(), Value::Object(caller));
    question(&Value::Object(asked).to_string()).unwrap()
}

fn own() -> Caller {
    Caller::default()
}

#[test]
fn explain_says_what_every_rule_missed_and_what_the_one_that_speaks_gives() {
    assert_eq!(
        explained(&["auto-sync", "--unit", "auto-sync.service"]),
        "auto-sync for root (uid 0), unit auto-sync.service\n  \
         auto-sync.toml#1 (line 12) speaks\n\
         gives repositories acme/docs, acme/schemas, acme/site; \
         permissions contents: read, metadata: read; for 10m, at most 30m; \
         as a proxy token for `source-pat`\n0"
    );
    assert_eq!(
        explained(&["auto-sync", "--uid", "4000000001"]),
        "auto-sync for uid 4000000001\n  \
         auto-sync.toml#1 (line 12) misses: unit must be auto-sync.service, the caller's is unknown\n\
         denied: no rule matches\n0"
    );
    assert_eq!(
        explained(&["acme-import", "--unit", "acme-import.service"]),
        "acme-import for root (uid 0), unit acme-import.service\n  \
         acme-import.toml#1 (line 18) speaks\n  \
         acme-import.toml#2 (line 21) misses: unit must be import-review.service, the caller has \
         acme-import.service\n\
         gives repositories acme/*; organisation acme; \
         permissions contents: write, members: read, metadata: read; for 30m, at most 1h; \
         as an installation token of `acme-import-app`; \
         where `acme-import-app` is missing, expired or not installed there, \
         as the stored token `acme-import-old-token` itself\n0"
    );
    let both = [
        "label-sync",
        "--user",
        "alice",
        "--unit",
        "label-sync.service",
    ];
    let both = explained(&both);
    assert!(both.starts_with("label-sync for alice ("), "{both}");
    assert!(
        both.contains("label-sync.toml#1 (line 16) speaks\n"),
        "{both}"
    );
    assert!(
        both.contains("label-sync.toml#2 (line 20) would match, but an earlier rule decides"),
        "{both}"
    );
    assert_eq!(
        explained(&["nothing"]),
        "error: there is no purpose `nothing`\n1"
    );
}

#[test]
fn explain_says_what_a_request_needs_and_whether_the_rule_gives_it() {
    let says = |request: &str| {
        let line = [
            "auto-sync",
            "--unit",
            "auto-sync.service",
            "--request",
            request,
        ];
        let all = explained(&line);
        let (_, after) = all
            .split_once("as a proxy token for `source-pat`\n")
            .unwrap();
        after.trim_end_matches('0').to_owned()
    };
    assert_eq!(
        says("GET https://api.github.com/repos/acme/site/contents/a%2Fb?ref=main"),
        "GET /repos/{owner}/{repo}/contents/{path} needs contents: read on acme/site\n\
         the rule gives that\n"
    );
    assert_eq!(
        says("GET /repos/acme/site/labels"),
        "GET /repos/{owner}/{repo}/labels needs issues: read, or pull_requests: read on acme/site\n\
         the rule does not give that: permission `issues: read`; the rule does not allow it; \
          to allow it, add `issues = \"read\"` or `pull_requests = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)\n"
    );
    assert_eq!(
        says("GET /user/repos"),
        "the request is refused whatever a rule gives: GET /user/repos answers with what the stored \
         token reaches, not with what the lease does; to allow it, add \
         `\"GET /user/repos\"` to the list `paths` of the purpose (`paths = [\"GET /user/repos\"]` if it \
         has none)\n"
    );
    let upload = says("POST https://uploads.github.com/repos/acme/site/releases/1/assets");
    assert!(upload.contains("needs contents: write"), "{upload}");
    for wrong in ["/user", "get /user", "GET user"] {
        let refused = explained(&["auto-sync", "--request", wrong]);
        assert!(refused.starts_with("error: `request`: write "), "{refused}");
        assert!(refused.ends_with("\n2"), "{refused}");
    }
    let elsewhere = explained(&["auto-sync", "--request", "GET https://example.com/user"]);
    assert!(
        elsewhere.starts_with("error: `request`: a URL is understood here under https://api."),
        "{elsewhere}"
    );
}

#[test]
fn explain_says_what_is_too_wide() {
    let wide = explained(&[
        "auto-sync",
        "--unit",
        "auto-sync.service",
        "--repositories",
        "acme/other",
    ]);
    let refused =
        "refused, too_wide: repository `acme/other`; the rule allows `acme/docs` and 2 more\n0";
    assert!(wide.ends_with(refused), "{wide}");
}

#[test]
fn explain_refuses_an_account_that_neither_the_machine_nor_a_rule_knows() {
    assert_eq!(
        explained(&["label-sync", "--user", "no-such-account"]),
        "error: there is no account `no-such-account` on this machine, and no rule names one\n2"
    );
    let dir = checkout(&[SECRET, ("p.toml", PURPOSE)]);
    let owners = Owners::of_this_process();
    let host = Host::anywhere();
    let live = Where::Live(dir.path(), &host, &owners);
    let of_live = |line: &[&str], form| {
        let (code, out) = output(|out| explain(live, asked(line), &own(), form, out));
        format!("{out}{code}")
    };
    for (who, why) in [
        (
            ["--user", "no-such-account"],
            "there is no account `no-such-account` on this machine",
        ),
        (
            ["--uid", "4294967293"],
            "there is no account with the uid 4294967293 on this machine",
        ),
    ] {
        let refused = of_live(&[&["p"][..], &who].concat(), Form::Text);
        assert_eq!(refused, format!("error: {why}\n2"));
    }
    let files = format!(
        "p for root (uid 0)\ndenied: the purpose has no `[[allow]]`, so no one may use it\n\
         these are the files in {}; a broker that runs need not have loaded them\n0",
        dir.path().display()
    );
    assert_eq!(of_live(&["p"], Form::Text), files);
    let answer = of_live(&["p"], Form::Json);
    let answer: Value = serde_json::from_str(answer.trim_end_matches('0')).unwrap();
    assert_eq!(answer["outcome"], "denied");
    assert_eq!(answer.get("in_force_since"), None);
}

#[test]
fn explain_knows_what_the_paths_of_a_purpose_allow_and_which_line_is_missing() {
    let purpose = PURPOSE.replace("deliver = 'raw'", "deliver = 'proxy'");
    let rest = "paths = ['GET /user', 'POST /repos/{owner}/{repo}/forks']\nbudget = '50/m'\n\
                [[allow]]\ncaller = { uid = 4000000001 }\n";
    let dir = checkout(&[SECRET, ("p.toml", &format!("{purpose}{rest}"))]);
    let gives = "p for uid 4000000001\n  p.toml#1 (line 8) speaks\n\
                 gives repositories acme/*; permissions issues: read; for 15m, at most 1h; \
                 as a proxy token for `bot`; budget 50/m; \
                 besides GET /user, POST /repos/{owner}/{repo}/forks\n";
    let says = |caller: &str, request: &str| {
        let all = explained_in(dir.path(), &["p", "--uid", caller, "--request", request]);
        all.trim_end_matches('0').to_owned()
    };
    assert_eq!(
        says("4000000001", "GET /user"),
        format!("{gives}`paths` lists GET /user\nthe rule gives that\n")
    );
    assert_eq!(
        says("4000000001", "POST /repos/other/site/forks"),
        format!(
            "{gives}`paths` lists POST /repos/{{owner}}/{{repo}}/forks, on other/site\n\
             the rule does not give that: repository `other/site`; the rule allows `acme/*`\n"
        )
    );
    assert_eq!(
        says("4000000001", "GET /user/repos"),
        format!(
            "{gives}the request is refused whatever a rule gives: GET /user/repos answers with what the \
             stored token reaches, not with what the lease does; to allow it, add \
             `\"GET /user/repos\"` to the list `paths` of the purpose (`paths = [\"GET /user/repos\"]` if \
             it has none)\n"
        )
    );
    let stranger = says("4000000002", "GET /user");
    assert!(
        stranger.ends_with("denied: no rule matches\n`paths` lists GET /user\n"),
        "{stranger}"
    );
}

#[test]
fn explain_knows_git_and_what_goes_on_without_a_credential() {
    let purpose = PURPOSE.replace("deliver = 'raw'", "deliver = 'proxy'");
    let says = |public: &str, request: &str| {
        let rest = format!("{public}[[allow]]\ncaller = {{ uid = 4000000007 }}\n");
        let dir = checkout(&[SECRET, ("p.toml", &format!("{purpose}{rest}"))]);
        let all = explained_in(
            dir.path(),
            &["p", "--uid", "4000000007", "--request", request],
        );
        let (_, after) = all.split_once("proxy token for `bot`").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        after.trim_end_matches('0').to_owned()
    };
    let fetch = "GET https://github.com/acme/site.git/info/refs?service=git-upload-pack";
    let needs = "git-upload-pack needs contents: read on acme/site\n\
                 the rule does not give that: permission `contents: read`; the rule does not allow it; \
                  to allow it, add `contents = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)\n";
    assert_eq!(says("", fetch), needs);
    let public =
        "the purpose is `public`: under a lease, the request goes on without any credential\n";
    assert_eq!(says("public = true\n", fetch), format!("{needs}{public}"));
    assert_eq!(
        says(
            "public = true\n",
            "POST https://github.com/acme/site/git-receive-pack"
        ),
        "git-receive-pack needs contents: write on acme/site\n\
         the rule does not give that: permission `contents: write`; the rule does not allow it; \
          to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)\n"
    );
    assert!(says("", "POST /graphql").starts_with("GraphQL says in its body what it needs"));
    let download = "GET https://github.com/acme/site/releases/download/v1/site.zip";
    assert_eq!(says("public = true\n", download), public);
    assert_eq!(
        says("", download),
        "the request is refused whatever a rule gives: it is neither git nor Git LFS, and nothing else \
         on this host is covered by a permission\n"
    );
}

#[test]
fn a_question_is_read_as_strictly_as_the_api_reads_it() {
    for lax in [
        r#"["label-sync"]"#,
        r#"{"purpose":"p","permissions":{"issues":"read","issues":"write"}}"#,
        r#"{"purpose":"p","caller":[1]}"#,
        r#"{"purpose":"p","nonsense":1}"#,
        r#"{"purpose":"p"} {}"#,
    ] {
        let refused = question(lax).unwrap_err();
        let begins = "what is asked is not what the API takes: ";
        assert!(refused.to_string().starts_with(begins), "{refused}");
        assert_eq!(refused.exit_code, 2);
    }
}

#[test]
fn where_json_is_printed_what_is_wrong_is_an_error_and_no_text() {
    let broken = checkout(&[("p.toml", "a = 1\nb = 2\n")]);
    let nowhere = broken.path().join("none");
    let shipped = shipped();
    for (dir, line, exit_code, why) in [
        (
            &*shipped,
            &["nothing"][..],
            1,
            "there is no purpose `nothing`",
        ),
        (
            &*shipped,
            &["auto-sync", "--user", "no-such"],
            2,
            "there is no account `no-such`",
        ),
        (
            &*shipped,
            &["auto-sync", "--request", "x"],
            2,
            "`request`: write a method",
        ),
        (broken.path(), &["p"], 1, "p.toml:1: "),
        (&*nowhere, &["p"], 1, ""),
    ] {
        let mut out = Vec::new();
        let at = Where::Checkout(dir);
        let error = explain(at, asked(line), &own(), Form::Json, &mut out).unwrap_err();
        assert!(error.to_string().starts_with(why), "{error}");
        assert_eq!((error.exit_code(), out), (exit_code, Vec::new()), "{error}");
    }
}
