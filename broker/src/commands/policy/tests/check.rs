//! `check`: the errors and warnings it prints.

use super::*;

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
