//! The three commands, by what they print and the code they end with.

use broker_policy::{Accounts as _, NamesOnly};
use clap::Parser;

use super::*;

/// The policies this repository ships.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// A scratch directory with these files.
fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn output(run: impl FnOnce(&mut dyn Write) -> io::Result<u8>) -> (u8, String) {
    let mut out = Vec::new();
    let code = run(&mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

const SECRET: (&str, &str) = ("s.toml", "[secret.bot]\nkind = 'classic'\n");
const PURPOSE: &str = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\n\
                       permissions = { issues = 'read' }\ndeliver = 'raw'\n";

/// Promise P4: what no rule allows is denied, as the decision tables say it.
#[test]
fn p4_every_case_of_the_shipped_policies_holds_and_every_rule_is_tried() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let report = cases::run(&files.policies, &files.tables).unwrap();
    let failed = report.outcomes.iter().filter(|o| !o.differences.is_empty());
    assert_eq!(failed.collect::<Vec<_>>(), [] as [&cases::Outcome; 0]);
    assert!(report.untested.is_empty(), "{:?}", report.untested);
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    for said in ["allow", "denied", "too_wide"] {
        let times = report.outcomes.iter().filter(|o| o.said.starts_with(said));
        assert!(times.count() >= 5, "{said}");
    }
}

/// Promise P4: a policy that does not parse allows nothing, and takes the whole set with it.
#[test]
fn p4_one_wrong_line_in_any_shipped_policy_leaves_no_set_at_all() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let parse = |files: &[_]| PolicySet::parse(files, &NamesOnly::default(), &Host::anywhere());
    assert!(parse(&files).is_ok());
    for (n, file) in files.iter().enumerate() {
        let mut files = files.clone();
        files[n].text.push_str("\nalow = 1\n");
        let errors = parse(&files).unwrap_err().to_string();
        assert!(errors.starts_with(&file.name), "{errors}");
    }
}

#[test]
fn the_shipped_policies_load_for_a_system_service_with_no_warning_but_of_missing_accounts() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let service = Host {
        uid: Some(990),
        system_service: true,
    };
    let set = PolicySet::parse(&files, &NamesOnly::default(), &service).unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "acme-import.toml:16: where the first secret cannot be used, the caller gets the \
             fallback's stored token itself, and nothing holds it to this purpose"
        ]
    );
    assert_eq!((set.purposes().count(), set.secrets().count()), (6, 8));
}

/// What a full disk or half a copy leaves of a file that the documentation tells to copy.
#[test]
fn no_shipped_policy_cut_at_a_line_gives_more_than_its_table_says() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let mut loaded = 0;
    for (n, file) in files.policies.iter().enumerate() {
        assert_eq!(cut::widening(file), [], "{}", file.name);
        let ends = file.text.match_indices('\n').map(|(at, _)| at + 1);
        for end in ends {
            let mut cut = files.policies.clone();
            cut[n].text.truncate(end);
            let set = PolicySet::parse(&cut, &NamesOnly::default(), &Host::anywhere());
            if set.is_ok() {
                loaded += 1;
                let verdict = cases::verdict(&cut, &files.tables);
                assert_eq!(verdict.refused, [], "{} cut at {end}", file.name);
            }
        }
    }
    assert!(loaded > 20, "some cuts load: {loaded}");
}

#[test]
fn check_says_of_the_decision_tables_what_a_load_would() {
    let table = |expect: &str| {
        format!(
            "[[case]]\nname = 'one'\ncaller = {{ user = 'a' }}\nask = {{ purpose = 'p' }}\n\
             expect = '{expect}'\n"
        )
    };
    let purpose = format!("{PURPOSE}[[allow]]\ncaller = {{ user = 'a' }}\n");
    for (purpose, expect, code, line) in [
        (
            &*purpose,
            "denied",
            1,
            "error: p.cases.toml:1: policy gives more than the case “one”",
        ),
        (
            PURPOSE,
            "allow",
            0,
            "warning: p.cases.toml:1: policy is not as the case “one” says",
        ),
    ] {
        let table = table(expect);
        let dir = checkout(&[SECRET, ("p.toml", purpose), ("p.cases.toml", &table)]);
        let (ended, out) = output(|out| check(Where::Checkout(dir.path()), out));
        assert_eq!(ended, code, "{out}");
        assert!(out.lines().any(|said| said.starts_with(line)), "{out}");
        let verdict = if code == 0 {
            "ok: 1 purpose"
        } else {
            "refused: 1 purpose"
        };
        assert!(out.contains(verdict), "{out}");
    }
}

#[test]
fn check_warns_of_a_rule_that_a_lost_end_of_its_file_widens() {
    let rule = "[[allow]]\ncaller = { uid = 7 }\nttl = { max = '20m' }\n";
    let dir = checkout(&[SECRET, ("p.toml", &format!("{PURPOSE}{rule}"))]);
    let (code, out) = output(|out| check(Where::Checkout(dir.path()), out));
    assert_eq!(code, 0, "{out}");
    let line = "warning: p.toml:6: cut off after line 7, the file would still load";
    assert!(out.contains(line), "{out}");
}

#[test]
fn check_prints_every_error_on_a_line_and_fails() {
    let dir = checkout(&[SECRET, ("p.toml", "purpose = 'P'\nsecrt = 'bot'\n")]);
    let (code, out) = output(|out| check(Where::Checkout(dir.path()), out));
    assert_eq!(code, 1);
    assert!(
        out.lines().all(|line| line.starts_with("error: p.toml:")) && out.lines().count() >= 4,
        "{out}"
    );
    assert!(
        out.contains("error: p.toml:2: a purpose knows no `secrt` (did you mean `secret`?)"),
        "{out}"
    );
}

#[test]
fn check_refuses_a_live_directory_that_others_may_write_and_warns_of_a_checkout() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = checkout(&[SECRET]);
    let file = dir.path().join("s.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    let (code, out) = output(|out| check(Where::Checkout(dir.path()), out));
    assert_eq!(code, 0, "{out}");
    assert!(
        out.starts_with("warning: a live broker would refuse: "),
        "{out}"
    );
    let owners = Owners::of_this_process();
    let live = Where::Live(dir.path(), &Host::anywhere(), &owners);
    let (code, out) = output(|out| check(live, out));
    assert_eq!(code, 1, "{out}");
    assert!(
        out.starts_with("error: ") && out.contains("chmod go-w"),
        "{out}"
    );
}

#[test]
fn check_points_out_a_program_that_is_named_by_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let scratch_path = fs::canonicalize(scratch.path()).unwrap();
    let (real, link) = (scratch_path.join("real"), scratch_path.join("link"));
    fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let rules = format!("[[allow]]\ncaller = {{ exe = '{}' }}\n", link.display());
    let dir = checkout(&[SECRET, ("p.toml", &format!("{PURPOSE}{rules}"))]);
    let (code, out) = output(|out| check(Where::Checkout(dir.path()), out));
    assert_eq!(code, 0);
    let want = format!("write `{}`", real.display());
    assert!(out.contains("p.toml:6") && out.contains(&want), "{out}");
}

#[test]
fn test_prints_a_line_a_case_and_fails_with_what_was_expected_and_what_came() {
    let dir = checkout(&[
        SECRET,
        (
            "p.toml",
            &format!(
                "{PURPOSE}[[allow]]\ncaller = {{ user = 'a' }}\n[[allow]]\ncaller = {{ uid = 7 }}\n"
            ),
        ),
        ("q.toml", &PURPOSE.replace("'p'", "'q'")),
        (
            "p.cases.toml",
            "[[case]]\nname = 'one'\ncaller = { user = 'a' }\nask = { purpose = 'p' }\nexpect = 'allow'\n\
             [[case]]\nname = 'two, which is wrong'\ncaller = { user = 'b' }\nask = { purpose = 'p' }\nexpect = 'allow'\n\
             [[case]]\nname = 'three'\ncaller = { user = 'a' }\nask = { purpose = 'p' }\nexpect = 'allow'\nrule = 2\n\
             ttl = '1m'\npermissions = { issues = 'write' }\nsecret = 'other'\ndeliver = 'installation'\n\
             fallback = 'bot'\n\
             [[case]]\nname = 'four'\ncaller = { user = 'a' }\nask = { purpose = 'p' }\nexpect = 'allow'\n\
             fallback = false\n",
        ),
    ]);
    let (code, out) = output(|out| test(Where::Checkout(dir.path()), out));
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "ok      p.cases.toml:1   one                  allow by p.toml#1\n\
         FAILED  p.cases.toml:6   two, which is wrong  expected allow, got denied: no rule matches\n\
         FAILED  p.cases.toml:11  three                expected rule 2, got rule 1; \
         expected permissions {issues: write}, got {issues: read}; expected ttl 1m, got 15m; \
         expected secret other, got bot; expected deliver installation, got raw; \
         expected fallback bot, got none\n\
         ok      p.cases.toml:22  four                 allow by p.toml#1\n\
         note: q.toml:1: no case asks for `q`\n\
         note: p.toml:8: no case is allowed by p.toml#2\n\
         4 cases, 2 failed\n"
    );
}

#[test]
fn a_table_with_a_slip_in_it_fails_and_passes_nothing() {
    for (case, error) in [
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'pp' }\nexpect = 'denied'",
            "4: there is no purpose `pp`",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p' }\nexpect = 'alow'",
            "5: `expect` must be `allow`, `denied` or `too_wide` (did you mean `allow`?)",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p' }\nexpects = 'denied'",
            "1: a case needs `expect`",
        ),
        (
            "name = 'x'\ncaller = { usr = 'a' }\nask = { purpose = 'p' }\nexpect = 'denied'",
            "3: a caller knows no `usr` (did you mean `user`?)",
        ),
        (
            "name = 'x'\ncaller = { user = 'a', uid = 1 }\nask = { purpose = 'p' }\nexpect = 'denied'",
            "3: a caller has one account: name `user` or `uid`",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p' }\nexpect = 'denied'\nrule = 1",
            "6: `rule` says what is granted, and this case expects nothing to be",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p', permissions = {} }\nexpect = 'denied'",
            "4: `permissions` is empty: name at least one, or leave it out",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p' }\nexpect = 'denied'\nfallback = 'bot'",
            "6: `fallback` says what is granted, and this case expects nothing to be",
        ),
        (
            "name = 'x'\ncaller = {}\nask = { purpose = 'p' }\nexpect = 'allow'\ndeliver = 'rav'",
            "6: `deliver` must be `installation`, `proxy` or `raw` (did you mean `raw`?)",
        ),
        (
            "name = ''\ncaller = {}\nask = { purpose = 'p' }\nexpect = 'denied'",
            "2: `name` must be one line of at most 200 characters",
        ),
    ] {
        let table = format!("[[case]]\n{case}\n");
        let dir = checkout(&[SECRET, ("p.toml", PURPOSE), ("p.cases.toml", &table)]);
        let (code, out) = output(|out| test(Where::Checkout(dir.path()), out));
        assert_eq!(code, 1);
        assert!(
            out.contains(&format!("error: p.cases.toml:{error}")),
            "{case}: {out}"
        );
    }
    let dir = checkout(&[SECRET, ("p.toml", PURPOSE), ("p.cases.toml", "# none\n")]);
    let (code, out) = output(|out| test(Where::Checkout(dir.path()), out));
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "error: p.cases.toml:1: a decision table holds at least one `[[case]]`\n"
        )
    );
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: PolicyCommand,
}

fn explained(line: &[&str]) -> String {
    let line = Line::try_parse_from(["policy", "explain"].iter().chain(line)).unwrap();
    let PolicyCommand::Explain {
        purpose,
        who,
        request,
        ..
    } = line.command
    else {
        panic!("not explain");
    };
    let accounts = ExplainAccounts::default();
    let caller = who.caller(&accounts);
    let dir = shipped();
    let (at, asked) = (Where::Checkout(&dir), (&purpose, request.as_ref()));
    let (code, out) = output(|out| explain(at, asked, &caller, &accounts, out));
    format!("{out}{code}")
}

#[test]
fn explain_says_what_every_rule_missed_and_what_the_one_that_speaks_gives() {
    assert_eq!(
        explained(&["auto-sync", "--unit", "auto-sync.service"]),
        "auto-sync for a caller with an unknown account, unit auto-sync.service\n  \
         auto-sync.toml#1 (line 12) speaks\n\
         gives repositories acme/docs, acme/schemas, acme/site; \
         permissions contents: read, metadata: read; for 10m, at most 30m; \
         as the stored token `source-pat` itself\n0"
    );
    assert_eq!(
        explained(&["auto-sync", "--uid", "4000000001"]),
        "auto-sync for uid 4000000001\n  \
         auto-sync.toml#1 (line 12) misses: unit must be auto-sync.service, the caller's is unknown\n\
         denied: no rule matches\n0"
    );
    assert_eq!(
        explained(&["acme-import", "--unit", "acme-import.service"]),
        "acme-import for a caller with an unknown account, unit acme-import.service\n  \
         acme-import.toml#1 (line 18) speaks\n  \
         acme-import.toml#2 (line 21) misses: unit must be import-review.service, the caller has \
         acme-import.service\n\
         gives repositories acme/*; organisation acme; \
         permissions contents: write, members: read, metadata: read; for 30m, at most 1h; \
         as an installation token of `acme-import-app`; \
         where `acme-import-app` is missing, expired or not installed there, \
         as the stored token `acme-import-old-token` itself\n0"
    );
    let both = explained(&[
        "label-sync",
        "--user",
        "alice",
        "--unit",
        "label-sync.service",
    ]);
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
        let (_, after) = all.split_once("`source-pat` itself\n").unwrap();
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
         the rule does not give that: permission `issues: read`; the rule does not allow it\n"
    );
    assert_eq!(
        says("GET /user/repos"),
        "the request is refused whatever a rule gives: GET /user/repos answers with what the stored \
         token reaches, not with what the lease does\n"
    );
    let upload = says("POST https://uploads.github.com/repos/acme/site/releases/1/assets");
    assert!(upload.contains("needs contents: write"), "{upload}");
    for wrong in [
        "/user",
        "get /user",
        "GET user",
        "GET https://example.com/user",
    ] {
        let line = ["policy", "explain", "auto-sync", "--request", wrong];
        assert!(Line::try_parse_from(line).is_err(), "{wrong}");
    }
}

#[test]
fn a_named_account_brings_its_groups() {
    let accounts = ExplainAccounts::default();
    let who = WhoArgs {
        user: Some("root".to_owned()),
        group: vec!["no-such-group".to_owned()],
        ..WhoArgs::default()
    };
    let caller = who.caller(&accounts);
    assert_eq!((caller.uid, caller.gid), (0, 0));
    assert!(
        caller
            .groups
            .contains(&accounts.gid("no-such-group").unwrap())
    );
}
