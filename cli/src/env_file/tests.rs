//! Which lines are understood, which are left out, and which are a problem.

use proptest::prelude::*;

use super::*;

/// The variables of a text that is understood as a whole.
fn pairs(text: &str) -> Vec<(usize, String, String)> {
    let file = parse(text);
    assert!(odd(&file).is_empty(), "{text:?}: {:?}", odd(&file));
    let all = file.variables.into_iter();
    all.map(|v| (v.line, v.name, v.value.to_string())).collect()
}

fn odd(file: &EnvFile) -> Vec<&OddLine> {
    file.problems.iter().chain(&file.skipped).collect()
}

fn value(text: &str) -> String {
    pairs(text).pop().unwrap().2
}

fn lines(of: &[OddLine]) -> Vec<usize> {
    of.iter().map(|odd| odd.line).collect()
}

fn names(file: &EnvFile) -> Vec<&str> {
    file.variables.iter().map(|v| v.name.as_str()).collect()
}

#[test]
fn a_file_as_it_is_usually_kept_is_understood() {
    let text = "# tokens\n\nexport ORG_LABEL_SYNC_TOKEN=\"ghp_1\"  # classic\n  A='ghp_2'\nB=ghp_3\r\nexport C\n\
                readonly D=ghp_4; export D\nexport E=ghp_5 F=ghp_6\n";
    let want = [
        (3, "ORG_LABEL_SYNC_TOKEN", "ghp_1"),
        (4, "A", "ghp_2"),
        (5, "B", "ghp_3"),
        (7, "D", "ghp_4"),
        (8, "E", "ghp_5"),
        (8, "F", "ghp_6"),
    ];
    let want = want.map(|(line, name, value)| (line, name.to_owned(), value.to_owned()));
    assert_eq!(pairs(text), want);
}

#[test]
fn quotes_and_backslashes_mean_what_they_mean_to_a_shell() {
    assert_eq!(value(r#"A="a\"b\\c\$d\e""#), r#"a"b\c$d\e"#);
    assert_eq!(value(r"A='a\b$c`d'"), r"a\b$c`d");
    assert_eq!(value(r"A=a\ b'c d'"), "a bc d");
    assert_eq!(value("A=\"one\ntwo\"\n"), "one\ntwo");
    assert_eq!(value("A=\"one\\\ntwo\""), "onetwo");
    assert_eq!(value("A=x#y"), "x#y");
    assert_eq!(value("A="), "");
}

#[test]
fn a_variable_that_is_set_above_is_resolved() {
    for line in ["$A", "${A}", "\"$A\"", "\"${A}\"", "''$A"] {
        assert_eq!(value(&format!("A=ghp_1\nB={line}\n")), "ghp_1", "{line}");
    }
    assert_eq!(value("A=1\nA=2\nB=x${A}y"), "x2y");
    assert_eq!(value("A=1\nB='$A'"), "$A");
}

#[test]
fn a_line_without_a_token_that_a_shell_would_act_on_is_left_out() {
    for text in [
        "A=$(op read x)",
        "A=\"$HOME\"",
        "export PATH=\"$PATH:x\"",
        "A=${B:-x}",
        "A=`pass x`",
        "alias x='y z'",
        "a; b",
        "A=x cmd",
        "A=x && true",
        "source other",
        "if true; then",
        "f() {",
        "A =x",
        "1A=x",
        "=x",
        "export -n A",
        "A='x",
        "A=\\\nx",
    ] {
        let file = parse(&format!("ONE=1\n{text}\nTWO=2"));
        assert!(lines(&file.problems).is_empty(), "{text}");
        assert!(lines(&file.skipped).contains(&2), "{text}");
        assert_eq!(names(&file), ["ONE", "TWO"], "{text}");
    }
}

#[test]
fn every_line_with_a_token_that_cannot_be_read_is_a_problem() {
    let text = "A=ghp_secret$x\nB=ghp_secret cmd\nC=1\nD='ghp_secret\ncurl -H ghp_secret\nA_PAT=github_pat_secret|x";
    let file = parse(text);
    assert_eq!(lines(&file.problems), [1, 2, 4, 5, 6]);
    assert_eq!(names(&file), ["C"]);
    for odd in odd(&file) {
        assert!(!odd.why.contains("secret"), "{odd:?}");
    }
}

#[test]
fn a_token_that_is_set_twice_is_a_problem_and_any_other_variable_is_not() {
    for second in ["A=ghp_2", "A=", "A=$(op read x)"] {
        let file = parse(&format!("A=ghp_1\nB=x\n{second}"));
        assert_eq!(lines(&file.problems), [3], "{second}");
        assert!(file.problems[0].why.contains("line 1"), "{second}");
    }
    assert_eq!(pairs("A=ghp_1\nA=ghp_1").len(), 1);
    let file = parse("P=x\nP=$P:y\nP=$(z)\nB=$P");
    assert!(file.problems.is_empty() && names(&file).is_empty());
    assert_eq!(lines(&file.skipped), [3, 4]);
}

#[test]
fn no_line_of_a_private_key_is_taken_for_a_name() {
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA=\nBBBB==\n-----END PRIVATE KEY-----\nA=ghp_1\n";
    let file = parse(key);
    assert_eq!(names(&file), ["A"]);
    assert_eq!(file.variables[0].line, 5);
    assert_eq!(lines(&file.skipped), [1]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fall_over(text in "[ -~\\n\\r\\té]{0,200}") {
        for odd in odd(&parse(&text)) {
            prop_assert!(odd.line <= text.lines().count());
        }
    }

    #[test]
    fn whatever_stands_in_single_quotes_reads_back(text in "[^']{0,80}") {
        let file = parse(&format!("export X='{text}'\n"));
        prop_assert_eq!(&*file.variables[0].value, &text);
    }
}
