//! A set of files as a whole, and the line that says what is wrong with it.

use super::*;

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
    assert_eq!(
        wrong_with_rules("[[allow]]\ncaller = { user = 'alice' }\napproval = 'operator'\n"),
        "p.toml:10: `approval` does not exist in this version, and nothing would honour it: remove it"
    );
}

#[test]
fn a_source_that_is_none_is_told_by_line_and_what_is_shown_to_1password_is_no_secret() {
    let refused = wrong_secret("kind = 'classic'\nsource = 'op://a/b'");
    assert!(refused.starts_with("s.toml:3: `source`: "), "{refused}");
    let table = "[secret.onepassword-token]\nkind = 'classic'\n";
    let refused = load("", table).unwrap_err();
    assert!(
        refused
            .starts_with("s.toml:1: `onepassword-token` is what tokend itself shows to 1Password"),
        "{refused}"
    );
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
            "p.toml:1: no `[[allow]]`: no caller may use this purpose",
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
