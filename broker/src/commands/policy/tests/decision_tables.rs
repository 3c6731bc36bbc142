//! `test`: a line for each case, and errors for a table that cannot be read.

use super::*;

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
